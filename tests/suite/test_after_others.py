# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user reads after others have changed a VM with the platform's own tool: the table is in after_others.py.

Files of others have the same bytes and inodes at the end.
"""

from __future__ import annotations

import json
import re
import shutil
from itertools import product
from pathlib import Path

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import ABSENT

from suite.after_others import ASKS, CHANGED, REJECTED, SITUATIONS, TABLE, UNCHANGED
from suite.answer import Task
from suite.scenarios.snapshots import snapshot
from suite.test_proven_files import image, seen

pytestmark = pytest.mark.full

_ROOT = Path(__file__).parents[2]
_GUARDED = "guarded-site-20260102-030405-abcd"


def _is_test(cell):
    file, _colons, name = cell.partition("::")
    path = _ROOT / file
    return bool(name) and path.is_file() and re.search(rf"def {name}\(", path.read_text(encoding="utf-8")) is not None


def test_table_has_each_platform_situation_and_task():
    cells = [TABLE[platform][situation][ask] for platform, situation, ask in product(TABLE, SITUATIONS, ASKS)]
    texts = [cell for cell in cells if isinstance(cell, str)]
    assert [text for text in texts if not (_is_test(text) or (text.endswith(".") and len(text) > 20))] == []
    assert all(set(row) == set(SITUATIONS) for row in TABLE.values())


class _Situations:
    """Each method brings about a situation of the VM ``name``, and returns the files of others."""

    def __init__(self, platform, carry):
        self.platform, self._carry, self.name = platform, carry, f"{platform.prefix}others"
        self.renamed, self.storage = f"{platform.prefix}renamed", platform.storage
        platform.clean()

    def run(self, *tasks):
        return list(self._carry(self.platform, tasks, [self.name]).values())

    def create(self, **more):
        (answer,) = self.run(Task("create", {**self.platform.creation, "name": [self.name], **more}))
        assert not answer.failed, answer.msg

    def snapshot_of_a_guarded_run_deleted(self):
        self.create()
        absent = Task("absent", {"name": [self.name], "state": "absent"}, check=True)
        taken, kept = self.run(snapshot("take", [self.name], _GUARDED), absent)
        assert not taken.failed and "belongs to a guarded run" in kept.msg, (taken.msg, kept.msg)
        self.delete_snapshot(_GUARDED)
        ends = (snapshot(state, [self.name], _GUARDED, state) for state in ("absent", "restored"))
        gone, lost = self.run(*ends)
        assert (gone.failed, gone.changed, lost.changed) == (False, False, False), gone.msg
        assert f"has no snapshot '{_GUARDED}'" in lost.msg


class _OfLibvirt(_Situations):
    def undefined(self):
        self.create()
        self.platform.virsh("undefine", self.name)
        return [self.storage / f"{self.name}-vda.qcow2"]

    def undefined_while_it_runs(self):
        self.create(state="started")
        self.platform.virsh("undefine", self.name)

    def renamed_(self):
        self.create()
        self.platform.virsh("domrename", self.name, self.renamed)
        return [self.storage / f"{self.name}-vda.qcow2"]

    def disk_attached(self):
        self.create(state="started")
        theirs = image(self.storage / "theirs.qcow2")
        self.platform.virsh("attach-disk", self.name, str(theirs), "vdb", "--config", "--subdriver", "qcow2")
        return [theirs]

    def nic_attached(self):
        self.create(state="started")
        self.platform.virsh("attach-interface", self.name, "network", "default", "--config")

    def checkpoint(self):
        self.create(state="started")
        self.platform.virsh("checkpoint-create-as", self.name, "theirs")

    def adopted_state(self):
        self.create(state="started")
        theirs = self.storage / "theirs.save"
        self.platform.virsh("save", self.name, str(theirs))
        return [theirs]

    def moved(self):
        self.create()
        old, new = self.storage / f"{self.name}-vda.qcow2", self.storage / "moved.qcow2"
        old.rename(new)
        text = self.platform.virsh("dumpxml", "--inactive", self.name).replace(f"file='{old}'", f"file='{new}'")
        self.platform.virsh("define", "/dev/stdin", stdin=text)
        return [new]

    def delete_snapshot(self, name):
        self.platform.virsh("snapshot-delete", self.name, name)


class _OfVirtualBox(_Situations):
    def box(self, command, *words):
        self.platform.box.run(command, self.platform.ids()[self.name], *words)

    def undefined(self):
        self.create()
        self.box("unregistervm")
        return list((self.storage / self.name).glob("*.v*"))

    def renamed_(self):
        self.create()
        self.box("modifyvm", "--name", self.renamed)
        return list((self.storage / self.renamed).glob("*.v*"))

    def disk_attached(self):
        self.create()
        theirs = self.storage / "theirs.vdi"
        self.platform.box.run("createmedium", "disk", "--filename", theirs, "--size", 20)
        slot = ("--storagectl", "SATA", "--port", 1, "--device", 0, "--type", "hdd")
        self.box("storageattach", *slot, "--medium", theirs)
        return [theirs]

    def nic_attached(self):
        self.create()
        self.box("modifyvm", "--nic1", "nat")

    def checkpoint(self):
        self.create()
        self.box("snapshot", "take", "theirs")

    def adopted_state(self):
        self.create(state="started")
        self.box("controlvm", "savestate")
        theirs = self.storage / "theirs.sav"
        shutil.copy(next(self.storage.rglob("*.sav")), theirs)
        self.box("discardstate")
        self.box("adoptstate", theirs)
        return [theirs]

    def moved(self):
        self.create()
        away = self.platform.folder / "away"
        away.mkdir(exist_ok=True)
        self.box("movevm", "--folder", away)

    def delete_snapshot(self, name):
        self.box("snapshot", "delete", name)


def _fault(cell, answer):
    """What differs from a cell of the table, or an empty text."""
    expected, *words = cell
    text = json.dumps([answer.msg, answer.result.get("warnings"), answer.vms])
    found = REJECTED if answer.failed else CHANGED if answer.changed else UNCHANGED
    if expected not in (CHANGED, UNCHANGED, REJECTED):  # The power state, of an info module.
        found = answer.vms[0]["state"] if answer.vms else ABSENT
    missing = [word for word in words if word not in text]
    return "" if (found, missing) == (expected, []) else f"{found}, without {missing}: {text}"


def _faults(situations, row):
    """What differs from a row of the table."""
    name = [situations.name]
    playbook = {key: value for key, value in situations.platform.creation.items() if key != "networks"}
    playbook = {**playbook, "name": name, "memory": "160M"}
    absent = {"name": name, "state": "absent", "stop_mode": "force"}
    (state,) = situations.run(Task("state", {"name": name}, about="vm_info"))
    answers = [("state", state)]
    for asks, options in ((("check", "run"), playbook), (("absent", "absent"), absent)):
        check, run = situations.run(Task("check", options, check=True), Task("run", options))
        answers += zip(asks, (check, run))
        assert check.msg == run.msg
    if answers[-1][1].changed:
        assert answers[-1][1].truth == {situations.name: None}
    faults = {ask: _fault(row[ask], answer) for ask, answer in answers}
    return [f"{ask}: {fault}" for ask, fault in faults.items() if fault]


def _compare(situations, situation):
    word = situation.replace(" ", "_")
    theirs = getattr(situations, f"{word}_" if word == "renamed" else word)() or []
    before = seen(*theirs)
    faults = _faults(situations, TABLE[situations.platform.name][situation])
    faults += [] if seen(*theirs) == before else [f"{theirs} changed"]
    if faults:
        pytest.fail("\n".join(faults), pytrace=False)


def _situations_of(platform):
    return [one for one in SITUATIONS if not isinstance(TABLE[platform][one]["state"], str)]


@pytest.mark.parametrize("situation", _situations_of("libvirt_qemu"))
def test_vm_of_libvirt_after_what_others_did(qemu, carry, situation):
    _compare(_OfLibvirt(qemu, carry), situation)


@pytest.mark.parametrize("situation", _situations_of("virtualbox"))
def test_vm_of_virtualbox_after_what_others_did(box, carry, situation):
    _compare(_OfVirtualBox(box, carry), situation)
