# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A VM that a failed deletion or restore has changed is not the one that the task stopped, so it stays off."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import PolyvirtError
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import (
    File,
    Plan,
    Policy,
    Request,
    SnapshotRequest,
    Step,
    Traits,
    Vm,
)
from ansible_collections.polyvirt.core.plugins.module_utils._engine.progress.ending import fail
from ansible_collections.polyvirt.core.plugins.module_utils._engine.progress.state import Progress

from unit.module_utils._engine.test_power_back import House, carry_out, failing, found
from unit.module_utils._engine.world import World, refusal


def _rejected(error, wrote):
    error.wrote = wrote
    return error


@pytest.mark.parametrize(("wrote", "power"), [(False, "running"), (None, "stopped"), (True, "stopped")])
def test_vm_is_started_after_a_failed_restore_only_if_it_changed_nothing(wrote, power):
    world = failing(_rejected(refusal("no"), wrote), verb="restore")
    request = Request("web", snapshot=SnapshotRequest("on", state="restored"), policy=Policy())
    outcome = carry_out(world, request)
    assert (outcome.failed, outcome.vms[0]["state"]) == (True, power), outcome.msg


def test_vm_stays_off_if_the_snapshot_is_of_a_stopped_vm():
    world = failing(_rejected(refusal("no"), wrote=False), verb="restore")
    request = Request("web", snapshot=SnapshotRequest("off", state="restored"), policy=Policy())
    assert (carry_out(world, request).failed, world.verbs()) == (True, ["kill", "restore"])


IMAGE = {"image": {"source": "/i"}}
DELETIONS = {
    "absent": {"state": "absent"},
    "recreate": {"state": "started", "config": {"bus": "new"}, "creation": IMAGE},
}


def _not_deleted(request, wrote, power="running", is_lost=False):
    """(outcome, world) of a deletion that the platform rejected; ``is_lost``: one of the VM's files is gone."""
    world = House(found(power))
    lost = []

    def seen(machine, facets):
        # Without snapshots.
        files = () if lost else (File("/vms/web.qcow2", "disk", ours=True),)
        return World._seen(world, machine, facets).having(files=files)

    def delete(vm, step):
        lost.extend([1] * is_lost)
        raise _rejected(refusal("it is protected"), wrote)

    world._seen, world._delete = seen, delete
    policy = Policy(stop_mode="force", allow_recreate=True)
    return carry_out(world, Request("web", policy=policy, **request)), world


@pytest.mark.parametrize("request_of", DELETIONS.values(), ids=DELETIONS)
@pytest.mark.parametrize(
    ("wrote", "is_lost", "power"),
    [(False, False, "running"), (None, False, "running"), (None, True, "stopped"), (True, False, "stopped")],
)
def test_vm_that_was_not_deleted_is_started_only_if_nothing_of_it_is_gone(request_of, wrote, is_lost, power):
    outcome, _world = _not_deleted(request_of, wrote, is_lost=is_lost)
    assert (outcome.failed, outcome.vms[0]["state"]) == (True, power), outcome.msg


@pytest.mark.parametrize("power", ["paused", "suspended"])
def test_vm_that_was_not_deleted_gets_its_previous_power_state_back(power):
    outcome, world = _not_deleted(DELETIONS["absent"], False, power)
    assert (outcome.failed, world.machine("web").power) == (True, power), outcome.msg


@pytest.mark.parametrize("power", ["stopped", "failed"])
def test_vm_that_was_off_is_not_started_after_a_failed_deletion(power):
    outcome, world = _not_deleted(DELETIONS["absent"], False, power)
    assert (outcome.failed, "start" in world.verbs()) == (True, False), outcome.msg


_RESTORE = ("prepare_restore", "kill", "restore_backup", "start", "finish_restore")


@pytest.mark.parametrize(
    ("done", "wrote", "phase", "words"),
    [
        (0, True, "confirming", "web: no"),
        (2, False, "power_back", "web: no"),
        (2, True, "confirming", "web: no"),
        (3, False, "confirming", "The VM is the restored one, and its former disks were not deleted."),
        (4, False, "confirming", "Run the task again to complete the restore."),
    ],
)
def test_failed_restore_of_a_backup_says_what_the_vm_is(done, wrote, phase, words):
    """Before it is replaced, a VM is started again if nothing was changed; then, only the end is missing."""
    vm = Vm("web", "1", "running")
    planned = Plan(vm, vm, tuple((Step(verb),) for verb in _RESTORE))
    progress = Progress(Request("web"), Traits("any"), planned, vm, patience=300, done=done, last_wrote=wrote)
    failed = fail(progress, PolyvirtError("web: no"))
    assert (failed.phase, words in str(failed.error)) == (phase, True), str(failed.error)
