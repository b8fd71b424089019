# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A disk that somebody needs since the plan was made is not lost, on real libvirt; and what the look for that costs."""

from __future__ import annotations

import subprocess
from types import SimpleNamespace

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import STOPPED
from ansible_collections.polyvirt.core.plugins.module_utils._engine.execute import Execution
from ansible_collections.polyvirt.core.plugins.module_utils._ports.command import Commands
from ansible_collections.polyvirt.core.plugins.modules import virsh_snapshot, virsh_vm

from suite.answer import Answer, Task
from suite.scenarios.snapshots import snapshot

VM, OTHER, LATE, TAKEN = "pvg-needed", "pvg-needing", "pvg-late", "e"
_MODULES = {"vm": virsh_vm, "snapshot": virsh_snapshot}
_LOSING = {
    "absent": Task("run", {"name": [VM], "state": "absent", "stop_mode": "force"}),
    "merge": snapshot("run", [VM], TAKEN, "absent"),
    "grow": Task("run", {"name": [VM], "disks": [{"slot": "vda", "size": "64M"}]}),
    "restore": snapshot("run", [VM], TAKEN, "restored"),
}


@pytest.fixture(name="world")
def _world(qemu):
    qemu.clean()
    yield qemu
    qemu.clean()


def _carried_out(qemu, task):
    """The Answer of a task in this process, so that a test can change the world while it runs."""
    module = _MODULES[task.about].MODULE
    given = {**qemu.options(task.about), **task.options, "timeout": 60}
    params = ArgumentSpecValidator(module.argument_spec).validate(given)
    assert params.error_messages == []
    result = module.result(params.validated_parameters, SimpleNamespace(check_mode=task.check))
    assert "exception" not in result, result["exception"]
    return Answer(result, rc=int(result.get("failed", False)))


def _at_call(monkeypatch, word, act):
    """Have ``act()`` done directly before the first command with this word."""

    def run(port, argv, carry_out=Commands.run, **more):
        if word in argv:
            monkeypatch.undo()
            act()
        return carry_out(port, argv, **more)

    monkeypatch.setattr(Commands, "run", run)


def _when_planned(monkeypatch, act):
    """Have ``act()`` done when all is planned and compared."""

    def run(execution, carry_out=Execution.run):
        monkeypatch.undo()
        act()
        carry_out(execution)

    monkeypatch.setattr(Execution, "run", run)


# What others do meanwhile ---------------------------------------------------------------------------------------------


def _linked_clone(qemu, carry, _disks):
    clone = {"source": VM, "linked": True, "snapshot": TAKEN}
    done = carry(qemu, [Task("late", {"name": [LATE], "clone": clone})])["late"]
    assert (done.failed, done.changed) == (False, True), done.msg
    return LATE


def _attached_disk(qemu, _carry, disks):
    qemu.virsh("attach-disk", OTHER, disks[-1], "vdb", "--subdriver", "qcow2", "--config")
    return OTHER


def _overlay(qemu, _carry, disks):
    path = str(qemu.storage / "made-beside.qcow2")
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", disks[-1], path], check=True)
    return path


#: What is done while a VM is stopped to be deleted, and while its plan waits. A disk that a VM has, and that is off,
#: may grow.
MEANWHILE = [_linked_clone, _attached_disk, _overlay]
WRITTEN = [
    (_overlay, "merge"),
    (_overlay, "grow"),
    (_overlay, "restore"),
    (_attached_disk, "merge"),
    (_attached_disk, "restore"),
]


def _prepared(qemu, carry, kind, state):
    """The files of the only disk of VM, with the one that its snapshot has frozen as the last one."""
    qemu.bring({OTHER: STOPPED})
    carry(qemu, [Task("make", {**qemu.creation, "name": [VM], "state": state})])
    disk = qemu.disk_of(VM)
    if kind == "internal":
        qemu.virsh("snapshot-create-as", VM, TAKEN)
        return [disk]
    taken = carry(qemu, [snapshot("take", [VM], TAKEN, kind="external", include_memory=False)])["take"]
    assert not taken.failed, taken.msg
    return [qemu.disk_of(VM), disk]


def _contents(paths):
    return {path: subprocess.run(["cat", path], capture_output=True, check=True).stdout for path in paths}


@pytest.mark.parametrize("act", MEANWHILE)
def test_disk_that_is_needed_since_the_deletion_stops_the_vm_is_kept(world, carry, monkeypatch, act):
    disks = _prepared(world, carry, "external", "started")
    check = carry(world, [Task("check", _LOSING["absent"].options, True)])["check"]
    _at_call(monkeypatch, "destroy", lambda: holders.append(act(world, carry, disks)))
    holders = []
    run = _carried_out(world, _LOSING["absent"])
    (holder,) = holders
    assert (check.failed, run.failed, run.changed) == (False, True, True), run.msg
    assert disks[-1] in run.msg
    assert holder in run.msg
    assert "Run the task again" in run.msg
    assert world.truth([VM])[VM]["power"] == "running"
    checked, again = (
        carry(world, [Task("again", _LOSING["absent"].options, is_check)], [VM])["again"] for is_check in (True, False)
    )
    assert (again.failed, again.truth[VM]) == (False, None), again.msg
    assert checked.vm(VM)["kept"] == again.vm(VM)["kept"]
    assert disks[-1] in [one["path"] for one in again.vm(VM)["kept"]]
    _contents(disks[-1:])


@pytest.mark.parametrize("state", ["present", "started"])
@pytest.mark.parametrize(("act", "verb"), WRITTEN)
def test_file_that_is_needed_since_the_plan_was_made_is_not_written(world, carry, monkeypatch, act, verb, state):
    disks = _prepared(world, carry, "external" if verb == "merge" else "internal", state)
    before, holders = world.truth([VM]), []
    check = carry(world, [Task("check", _LOSING[verb].options, True, _LOSING[verb].about)])["check"]
    _when_planned(monkeypatch, lambda: holders.append((act(world, carry, disks), _contents(disks[-1:]))))
    run = _carried_out(world, _LOSING[verb])
    ((holder, content),) = holders
    assert (check.failed, check.changed, run.failed) == (False, True, True), (check.msg, run.msg)
    assert disks[-1] in run.msg
    assert holder in run.msg
    assert (world.truth([VM]), _contents(disks[-1:])) == (before, content)
