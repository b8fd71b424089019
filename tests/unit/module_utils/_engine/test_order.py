# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VMs of one task that depend on each other: clones after their source, a base is deleted after its clones."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._engine import task
from ansible_collections.polyvirt.core.plugins.module_utils._lifecycle.errors import CommandFailed
from ansible_collections.polyvirt.core.plugins.module_utils._lifecycle.model import File, Policy, Request

from unit.module_utils._engine.test_sources import Cloning
from unit.module_utils._engine.world import GIB, Machine

IMAGE = {"image": {"source": "/i"}}
FROM_BASE = {"clone": {"source": "base", "snapshot": None, "linked": True}}


class Linked(Cloning):
    """``uses`` are (user, owner) names: the disk of the owner is the backing file of the user's disk."""

    def __init__(self, *machines, uses=(), bound=False):
        super().__init__(*machines)
        self.uses, self.bound, self.deleted_files = list(uses), bound, []

    def _seen(self, machine, facets):
        seen = super()._seen(machine, facets)
        if "files" not in facets:
            return seen
        users = tuple(user for user, owner in self.uses if owner == machine.name)
        return replace(seen, files=(File(f"/{machine.name}.qcow2", "disk", True, users, self.bound),))

    def _delete(self, vm, step):
        assert not [user for user, owner in self.uses if owner == vm.name], "its disk is still in use"
        super()._delete(vm, step)
        self.uses = [(user, owner) for user, owner in self.uses if user != vm.name]
        self.deleted_files += step.arguments["files"]


def owned(name):
    return Machine(name, f"id-{name}", mark={"id": f"id-{name}"}, config={"cpus": 1, "memory": GIB})


def delete(world, *names, check=False, **policy):
    requests = [Request(name, state="absent", policy=Policy(**policy)) for name in names]
    return task.run(world, requests, check, clock=world.clock, probe=None)


@pytest.mark.parametrize("bound", [True, False])
@pytest.mark.parametrize("names", [("base", "clone"), ("clone", "base")])
def test_base_is_deleted_with_its_disk_after_its_clone(names, bound):
    world = Linked(owned("base"), owned("clone"), uses=[("clone", "base")], bound=bound)
    checked = delete(world, *names, check=True)
    outcome = delete(world, *names)
    assert (outcome.failed, checked.failed, outcome.diff == checked.diff) == (False, False, True)
    assert world.deleted_files == ["/clone.qcow2", "/base.qcow2"]
    assert [vm["kept"] for vm in outcome.vms] == [[], []]


def test_chain_of_clones_is_deleted_from_its_end():
    world = Linked(*map(owned, "abc"), uses=[("b", "a"), ("c", "b")])
    assert not delete(world, "a", "b", "c").failed
    assert [name for _second, _verb, name in world.calls] == ["c", "b", "a"]


def test_disk_that_another_vm_uses_is_kept():
    world = Linked(owned("base"), owned("clone"), owned("other"), uses=[("clone", "base"), ("other", "base")])
    world._delete = lambda vm, step: Cloning._delete(world, vm, step)
    outcome = delete(world, "base", "clone")
    assert outcome.vms[0]["kept"] == [{"path": "/base.qcow2", "reason": "used by other"}]


def test_base_disk_is_kept_if_the_disk_of_its_clone_is_kept():
    world = Linked(owned("base"), owned("clone"), uses=[("clone", "base")])
    world._delete = lambda vm, step: Cloning._delete(world, vm, step)
    outcome = delete(world, "base", "clone", delete_disks="none")
    assert outcome.vms[0]["kept"] == [{"path": "/base.qcow2", "reason": "used by clone"}]


def test_base_is_kept_if_its_clone_could_not_be_deleted():
    world = Linked(owned("base"), owned("clone"), uses=[("clone", "base")])
    world.inject_errors("delete", CommandFailed(("tool",), 1, "in use"))
    outcome = delete(world, "base", "clone")
    assert [machine.name for machine in world.machines] == ["base", "clone"]
    assert outcome.vms[0]["msg"] == "base: not started, because clone failed."
    assert [vm["changed"] for vm in outcome.vms] == [False, False]


def made_with_clone(world, check=False, **config):
    base = Request("base", state="present", config=config, creation=IMAGE)
    clone = Request("web", state="started", creation=FROM_BASE)
    return task.run(world, [clone, base], check, clock=world.clock, probe=None)


def test_clone_of_a_vm_that_the_same_task_creates():
    world, checked = Cloning(), Cloning()
    check = made_with_clone(checked, True, cpus=3)
    outcome = made_with_clone(world, cpus=3)
    assert (outcome.failed, outcome.diff == check.diff, checked.calls) == (False, True, [])
    assert [(verb, name) for _second, verb, name in world.calls] == [
        ("create", "base"), ("clone", "web"), ("start", "web"),
    ]  # fmt: skip
    assert (world.cloned_ids, outcome.vms[0]["cpus"]) == (["u-base"], 3)


def test_clone_copies_the_changes_of_its_source_by_the_same_task():
    world = Cloning(owned("base"))
    assert made_with_clone(world, cpus=3).vms[0]["cpus"] == 3
    assert world.verbs() == ["configure", "clone", "start"]


def test_clone_is_not_created_if_its_source_failed():
    world = Cloning()
    world.inject_errors("create", CommandFailed(("tool",), 1, "disk full"))
    outcome = made_with_clone(world)
    assert (world.verbs(), outcome.changed) == (["create"], False)
    assert "web: not started, because base failed." in outcome.msg


def test_vms_cloned_from_each_other_are_rejected():
    requests = [Request(name, creation={"clone": {"source": source}}) for name, source in (("a", "b"), ("b", "a"))]
    world = Cloning()
    outcome = task.run(world, requests, clock=world.clock, probe=None)
    assert (world.calls, "a: clone.source: there is no VM 'b'." in outcome.msg) == ([], True)


def test_source_that_cannot_be_observed_again_fails_only_its_clone():
    world = Cloning(owned("base"))
    observe = world.observe

    def lose_the_source(targets, facets):
        if world.calls and "snapshot_configs" in facets:
            raise CommandFailed(("tool",), 1, "not now")
        return observe(targets, facets)

    world.observe = lose_the_source
    outcome = made_with_clone(world, cpus=3)
    assert [(vm["name"], vm["failed"], vm["changed"]) for vm in outcome.vms] == [
        ("web", True, False), ("base", False, True),
    ]  # fmt: skip
    assert world.verbs() == ["configure"]
