# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups of several VMs in one task, each of which is treated as if it were alone: ``each``, as playbooks set it."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.results.approval import Approval

from simulators.proxmox import behind, worlds
from simulators.proxmox.storage import GIB, Storage
from unit.module_utils._drivers.proxmox.simulated import do_backup

NODES, COUNT = 3, 20
NAMES = [f"vm-{number + 1:03}" for number in range(COUNT)]
#: The VM of the first name, and its number.
FIRST, NUMBER = NAMES[0], 100


@pytest.fixture
def many():
    return worlds.with_many(COUNT)


def each(*names):
    """The options of a task for VMs of ``with_many``."""
    return {"name": list(names), "each": {name: str(NUMBER + NAMES.index(name)) for name in names}}


def fill(world, free):
    """Leave ``free`` bytes on the storage for backups."""
    storage = world.storages.get("backups")
    storage.total = sum(volume.size for volume in storage.volumes.values()) + free
    world.statistics.renew()


def outcomes(outcome):
    return [(one["failed"], [step["verb"] for step in one["steps"]]) for one in outcome.vms]


@pytest.mark.parametrize(("storage", "lists"), [("backups", 1), ("own", NODES)])
def test_requests_of_a_task_with_nothing_to_do(many, storage, lists):
    """A list of the cluster, of each node, and of the storage; of one that is not shared, on each node."""
    many.storages.add(Storage("own", "dir", frozenset({"backup"})))
    given = {"storage": storage, **each(*NAMES)}
    assert not do_backup(many, **given).failed
    many.journal.clear()
    outcome = do_backup(many, check=True, **given)
    assert (outcome.failed, outcome.changed) == (False, False), outcome.msg
    paths = [one.path for one in many.journal.requests]
    read = [one for one in paths if one.endswith("/extractconfig")]
    assert len(paths) <= 10 + NODES + 2 * COUNT
    # The configuration in each backup is compared, once.
    assert (len(read), len(paths) - len(read)) == (COUNT, 1 + NODES + lists + COUNT)


def test_requests_before_the_first_backups(many):
    outcome = do_backup(many, check=True, **each(*NAMES))
    assert outcomes(outcome) == [(False, ["backup"])] * COUNT
    assert len(many.journal.requests) <= 10 + NODES + COUNT


def test_vm_that_is_rejected_does_not_reject_the_others(many):
    third = NAMES[2]
    behind.edit(many, NUMBER + 1, name="renamed")
    behind.edit(many, NUMBER + 2, scsi0="local-lvm:vm-102-disk-0,size=32G,backup=0")
    expected = [(False, ["backup"]), (True, []), (True, [])]
    for check in (True, False):
        outcome = do_backup(many, check=check, **each(*NAMES[:3]))
        assert outcomes(outcome) == expected, outcome.msg
        assert (outcome.failed, outcome.changed) == (True, True)
        assert [one["plan"] is None for one in outcome.vms] == [False, True, True]
    assert "is named 'renamed'" in outcome.vms[1]["msg"]
    assert f"{third}: its disks scsi0 are excluded" in outcome.vms[2]["msg"]
    assert [one["changed"] for one in outcome.vms] == [True, False, False]


def test_without_each_a_vm_that_is_rejected_rejects_the_others(many):
    behind.edit(many, NUMBER + 1, name="renamed")
    outcome = do_backup(many, name=NAMES[:2])
    assert (outcome.failed, outcome.changed, many.journal.writes()) == (True, False, [])


@pytest.mark.parametrize("is_each", [False, True])
def test_space_for_each_backup_is_compared_as_if_its_vm_were_alone(many, is_each):
    """The playbook creates them one after the other, and each one deletes old backups before the next one begins."""
    do_backup(many, **each(*NAMES[:2]))
    (size,) = {one["backups"][0]["size"] for one in do_backup(many, check=True, **each(*NAMES[:2])).vms}
    many.engine.advance(3600)
    fill(many, size + GIB // 100)
    given = each(*NAMES[:2]) if is_each else {"name": NAMES[:2]}
    assert do_backup(many, check=True, **given).failed != is_each


def test_plan_of_each_vm_is_that_of_a_task_for_it_alone(many):
    behind.edit(many, NUMBER + 1, name="renamed")
    context = {"host": "pve", "reached": {"connection": "local"}}
    vms = do_backup(many, check=True, approval=Approval(context), **each(*NAMES[:3])).vms
    for name, vm in zip(NAMES[:3], vms):
        alone = Approval(context)
        do_backup(many, check=True, approval=alone, name=name, id=str(NUMBER + NAMES.index(name)))
        assert vm["plan"] == alone.plan, name
    # It does not permit another one.
    outcome = do_backup(many, approval=Approval(context, vms[0]["plan"]), name=NAMES[2])
    assert "This plan was not approved" in outcome.msg


@pytest.mark.parametrize("names", [NAMES[:2], [*NAMES[:2], "missing"]])
def test_plan_that_was_not_approved_changes_no_vm(many, names):
    given = {"name": names, "each": {}}
    outcome = do_backup(many, approval=Approval({"polyvirt_approved_plans": []}), **given)
    assert "This plan was not approved" in outcome.msg
    assert (outcome.changed, many.journal.writes()) == (False, [])
    assert {one["plan"] for one in outcome.vms} == {None}
