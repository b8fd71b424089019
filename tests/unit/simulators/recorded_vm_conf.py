# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The recorded files for vm.conf, a directory with what the recorded host had, and the double that reads them."""

from __future__ import annotations

import json
import tempfile
from contextlib import contextmanager
from pathlib import Path

from platforms.vmm.double import vmconf
from platforms.vmm.double.host import Host
from platforms.vmm.double.registration import Registry

_GOLDEN = Path(vmconf.__file__).parents[1] / "golden" / "vm_conf.json"
_CONTENTS = {"qcow2": b"QFI\xfb" + bytes(508), "zeros": bytes(512), "QF": b"QF", "empty": b""}
GOLDEN = json.loads(_GOLDEN.read_text(encoding="utf-8"))
HOST = Host(
    users={name: tuple(ids) for name, ids in GOLDEN["about"]["users"].items()}, groups=GOLDEN["about"]["groups"]
)


@contextmanager
def recorded_folder():
    """Yield the directory. Its path is short: some names in the recordings are nearly too long."""
    with tempfile.TemporaryDirectory(prefix="vmd") as path:
        folder = Path(path)
        (folder / "sub").mkdir()
        for name, word in GOLDEN["about"]["fixture below @DIR@"].items():
            if word.startswith("-> "):
                (folder / name).symlink_to(word[3:])
            else:
                (folder / name).write_bytes(_CONTENTS[word])
        yield folder


@contextmanager
def recorded_files(case, folder):
    """Write vm.conf and the files that it includes, with the path of the directory for @DIR@; yield vm.conf."""
    files = {"vm.conf": case["text"], **case.get("extra", {})}
    for name, text in files.items():
        (folder / name).write_bytes(text.replace("@DIR@", str(folder)).encode("latin-1"))
    try:
        yield folder / "vm.conf"
    finally:
        for name in files:
            (folder / name).unlink()


def registered(path):
    """Return (verdict, registry) of the double for a file that vmd reads."""
    ids = iter(range(1, 100))
    registry = Registry([], [], {}, lambda _name, _uid: next(ids), lambda index: f"fe:e1:bb:d{index + 1}:random")
    return vmconf.read(str(path), HOST, registry), registry
