# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Odd definitions of the real libvirt through backup, restore in place and beside, drill and clone.

Each VM has one part that other tools add, or that leads out of it. Check mode predicts the run, the source and the
files of others stay as they are, and no restored VM gets a way out that it does not have now.
"""

from __future__ import annotations

import re
import shutil
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path

import pytest
from ansible_collections.polyvirt.core.plugins.plugin_utils.backups import decisions

from suite.answer import Task
from suite.backup_tasks import COPY, WEB, backing_up, restoring
from suite.belts import share
from unit.module_utils._drivers.virsh.foreign import ADDED, LEADING_OUT, MEDIA, THEIRS

pytestmark = pytest.mark.full

CLONE = f"{COPY}-clone"
#: What is left of a way out; what identifies a VM; and the names of its files and what libvirt adds by itself.
_OUT = re.compile(f"{THEIRS}|5558|<hostdev|<smartcard")
_IDS = re.compile("<uuid>.*?<|mac address='.*?'|/[^']*-vda[^']*")
_OWN = re.compile(
    r"<metadata.*?</metadata>|<controller[^>]*/>|<controller.*?</controller>|-vda(-\d+)?\.qcow2|-\d+\.nvram", re.DOTALL
)
_DRILL = decisions.started({"wait_for": "nothing", "wait_timeout": 60})
TASKS = {
    "backup": lambda place, **more: backing_up("run", place, **more),
    "beside": lambda place, **more: restoring("run", place, new_name=COPY, **more),
    "drill": lambda place, **more: Task("run", {"name": [COPY], **_DRILL}, **more),
    "clone": lambda place, **more: Task("run", {"name": [CLONE], "clone": {"source": WEB}}, **more),
    "in place": lambda place, **more: restoring("run", place, replace=True, **more),
}


class _Odd:
    """A VM with one more part in its definition."""

    def __init__(self, qemu, carry, place, where, part):
        self._qemu, self._carry, self._place, self.faults = qemu, carry, place, []
        qemu.clean()
        made = {**qemu.creation, "networks": [{"type": "user"}], "name": [WEB]}
        assert not carry(qemu, [Task("made", made)])["made"].failed
        self.usual = qemu.virsh("dumpxml", "--inactive", WEB)
        root = ET.fromstring(self.usual)
        (root if where == "." else root.find(where)).append(ET.fromstring(part))
        qemu.virsh("define", "/dev/stdin", stdin=ET.tostring(root, encoding="unicode"), check=False)
        self.is_odd = qemu.virsh("dumpxml", "--inactive", WEB) != self.usual

    def _seen(self, label):
        files = [path for path in Path(THEIRS).iterdir() if path.is_file()]
        source = "" if label == "in place" else (self._definition(WEB), Path(self._qemu.disk_of(WEB)).read_bytes())
        return source, [(path, path.stat().st_ino, path.read_bytes()) for path in files]

    def _definition(self, name):
        return self._qemu.virsh("dumpxml", "--inactive", "--security-info", name, check=False)

    def run(self, label):
        """Return the Answer of a task that check mode has foreseen, and that has changed nothing of others."""
        before, odd = self._seen(label), self._definition(WEB)
        check, real = (self._carry(self._qemu, [TASKS[label](self._place, check=one)])["run"] for one in (True, False))
        # Only a start shows whether the emulator of this host has a device.
        is_foreseen = label == "drill" or (check.failed, check.msg, check.diff) == (real.failed, real.msg, real.diff)
        copies = [self._definition(name) for name in (COPY, CLONE)]
        faults = {
            f"not foreseen: {check.msg} {real.msg}": not is_foreseen,
            "it has changed things of others": self._seen(label) != before,
            "a way out": _OUT.search(copies[0]),
            "an identity of its source": any({*_IDS.findall(one)} & {*_IDS.findall(odd)} for one in copies),
        }
        self.faults += [f"{label}: {what}" for what, is_true in faults.items() if is_true]
        return real

    def in_place(self):
        """A VM keeps what it has now. What it does not have now, only a definition has that others may have written."""
        odd = self._definition(WEB)
        self.run("in place")
        if _OWN.sub("", self._definition(WEB)) != _OWN.sub("", odd):
            self.faults.append("in place: the VM has changed")
        disk = self._qemu.disks_of({"stored": self._definition(WEB)})["vda"]
        self._qemu.virsh("define", "/dev/stdin", stdin=self.usual.replace(self._qemu.disk_of(WEB), disk))
        if not self.run("in place").failed and _OUT.search(self._definition(WEB)):
            self.faults.append("in place: a new way out")


@pytest.fixture(name="theirs")
def _theirs():
    folder = Path(THEIRS)
    folder.mkdir()
    (folder / "file").write_bytes(b"theirs" * 4096)
    yield
    shutil.rmtree(folder)


def test_odd_definitions_of_others(qemu, carry, place, theirs, pytestconfig, record_property):
    parts = (
        [(*one[:2],) for one in ADDED] + [one[1:] for one in LEADING_OUT] + [("devices", one) for one in MEDIA.values()]
    )
    found, counts = [], Counter()
    for where, part in share(pytestconfig, parts, 3):
        odd = _Odd(qemu, carry, place, where, part)
        counts["accepted by libvirt" if odd.is_odd else "rejected by libvirt"] += 1
        if odd.is_odd:
            counts["failed tasks"] += sum(odd.run(label).failed for label in ("backup", "beside", "drill", "clone"))
            odd.in_place()
            found += [f"{part}: {fault}" for fault in odd.faults]
            shutil.rmtree(place, ignore_errors=True)
    record_property("summary", f"odd definitions: {dict(counts)}")
    assert not found, "\n".join(found)
