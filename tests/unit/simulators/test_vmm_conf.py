# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The double of vmd reads vm.conf as OpenBSD's own parser did: verdict, messages with their lines, registered VMs."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest

from platforms.vmm.double import vmconf
from platforms.vmm.double.host import Host
from platforms.vmm.double.registration import Registry

_GOLDEN = Path(vmconf.__file__).parents[1] / "golden" / "vm_conf.json"
_CONTENTS = {"qcow2": b"QFI\xfb" + bytes(508), "zeros": bytes(512), "QF": b"QF", "empty": b""}
GOLDEN = json.loads(_GOLDEN.read_text(encoding="utf-8"))
KINDS = sorted({case["kind"].partition(":")[0] for case in GOLDEN["cases"]})


@pytest.fixture(name="folder", scope="module")
def _folder():
    """The files that the recorded host had. Their paths are short: some names in the recordings are nearly too long."""
    with tempfile.TemporaryDirectory(prefix="vmd") as path:
        yield _filled(Path(path))


def _filled(folder):
    (folder / "sub").mkdir()
    for name, word in GOLDEN["about"]["fixture below @DIR@"].items():
        if word.startswith("-> "):
            (folder / name).symlink_to(word[3:])
        else:
            (folder / name).write_bytes(_CONTENTS[word])
    return folder


@pytest.mark.parametrize("kind", KINDS)
def test_every_recorded_file_is_read_as_openbsd_reads_it(kind, folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    about = GOLDEN["about"]
    host = Host(users={name: tuple(ids) for name, ids in about["users"].items()}, groups=about["groups"])
    wrong = {}
    for case in GOLDEN["cases"]:
        if case["kind"].partition(":")[0] == kind:
            answers = _answers(case, folder, host)
            if answers != {"check": case["check"], "load": case["load"]}:
                wrong[case["id"]] = answers
    assert wrong == {}


def _answers(case, folder, host):
    """What the double answers, with @DIR@ for the folder."""
    files = {"vm.conf": case["text"], **case.get("extra", {})}
    for name, text in files.items():
        (folder / name).write_bytes(text.replace("@DIR@", str(folder)).encode("latin-1"))
    try:
        text = json.dumps({"check": _checked(folder, host), "load": _loaded(folder, host)})
    finally:
        for name in files:
            (folder / name).unlink()
    return json.loads(text.replace(str(folder), "@DIR@"))


def _checked(folder, host):
    verdict = vmconf.read(str(folder / "vm.conf"), host)
    return {"rc": int(not verdict.is_good), "stderr": vmconf.report(verdict)}


def _loaded(folder, host):
    ids = iter(range(1, 100))
    registry = Registry([], [], {}, lambda _name, _uid: next(ids), lambda index: f"fe:e1:bb:d{index + 1}:random")
    verdict = vmconf.read(str(folder / "vm.conf"), host, registry)
    state = {"global": registry.globals, "switches": registry.switches}
    if registry.globals.get("socket_owner") == [0, 0]:
        del registry.globals["socket_owner"]
    state = {key: value for key, value in state.items() if value}
    log = "".join(f"{message}\n" for message in verdict.messages)
    return {"rc": int(not verdict.is_good), "log": log, "state": {**state, "vms": registry.vms}}


def test_a_file_that_includes_itself_ends(tmp_path):
    path = tmp_path / "vm.conf"
    path.write_text(f'include "{path}"\n', encoding="ascii")
    verdict = vmconf.read(str(path), Host())
    assert not verdict.is_good
    assert verdict.messages == [f"{path}:1: failed to include file {path}"]
