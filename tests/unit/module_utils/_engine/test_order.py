# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VMs of one task that depend on each other: clones after their source, a base is deleted after its clones."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import CommandFailed
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Policy, Request
from ansible_collections.polyvirt.core.plugins.module_utils._engine import task

from unit.module_utils._engine import claiming
from unit.module_utils._engine.claiming import DISK, Claiming, Host, path_of
from unit.module_utils._engine.claiming import IMAGE as IMAGE_FILE
from unit.module_utils._engine.test_sources import Cloning
from unit.module_utils._engine.world import GIB, Machine

IMAGE = {"image": {"source": "/i"}}
FROM_BASE = {"clone": {"source": "base", "snapshot": None, "linked": True}}


def owned(name):
    return Machine(name, f"id-{name}", mark={"id": f"id-{name}"}, config={"cpus": 1, "memory": GIB})


def linked(*names, bases=(), others=(), bound=False):
    """A driver for VMs with one disk each; ``bases`` are (user, owner): the owner's disk is the base of the user's."""
    host = Host([claiming.owned(name) for name in names])
    host.files.update({path_of(user, DISK): path_of(owner, DISK) for user, owner in bases})
    return Claiming(host, bound=bound)


def delete(driver, *names, check=False, **policy):
    requests = [Request(name, state="absent", policy=Policy(**policy)) for name in names]
    return task.run(driver, requests, check, clock=driver.clock, probe=None)


def deleted(driver):
    """The names of the deleted VMs in their order; no file was deleted that another one needs."""
    assert driver.host.damage == []
    return [name for _second, verb, name in driver.calls if verb == "delete"]


@pytest.mark.parametrize("bound", [True, False])
@pytest.mark.parametrize("names", [("base", "clone"), ("clone", "base")])
def test_base_is_deleted_with_its_disk_after_its_clone(names, bound):
    driver = linked("base", "clone", bases=[("clone", "base")], bound=bound)
    checked = delete(driver, *names, check=True)
    outcome = delete(driver, *names)
    assert (outcome.failed, checked.failed, outcome.diff == checked.diff) == (False, False, True)
    assert (deleted(driver), driver.host.files) == (["clone", "base"], {IMAGE_FILE: None})
    assert [vm["kept"] for vm in outcome.vms] == [[], []]


def test_chain_of_clones_is_deleted_from_its_end():
    driver = linked(*"abc", bases=[("b", "a"), ("c", "b")])
    assert not delete(driver, "a", "b", "c").failed
    assert deleted(driver) == ["c", "b", "a"]


def test_disk_that_another_vm_uses_is_kept():
    driver = linked("base", "clone", "other", bases=[("clone", "base"), ("other", "base")])
    outcome = delete(driver, "base", "clone")
    assert (sorted(deleted(driver)), path_of("base", DISK) in driver.host.files) == (["base", "clone"], True)
    assert outcome.vms[0]["kept"] == [{"path": path_of("base", DISK), "reason": "used by other"}]


def test_bound_disk_that_another_vm_uses_is_not_deleted_with_its_vm():
    driver = linked("base", "clone", bases=[("clone", "base")], bound=True)
    for check in (True, False):
        outcome = delete(driver, "base", check=check)
        assert (outcome.failed, outcome.changed, driver.calls) == (True, False, [])
        assert outcome.msg == f"base: {path_of('base', DISK)} is needed by clone. Delete clone first."


def test_base_disk_is_kept_if_the_disk_of_its_clone_is_kept():
    driver = linked("base", "clone", bases=[("clone", "base")])
    policies = {"base": Policy(), "clone": Policy(delete_disks="none")}
    requests = [Request(name, state="absent", policy=policy) for name, policy in policies.items()]
    outcome = task.run(driver, requests, clock=driver.clock, probe=None)
    assert (sorted(deleted(driver)), len(driver.host.files)) == (["base", "clone"], 3)
    assert outcome.vms[0]["kept"] == [{"path": path_of("base", DISK), "reason": "used by clone"}]


def test_base_is_kept_if_its_clone_could_not_be_deleted():
    driver = linked("base", "clone", bases=[("clone", "base")])
    driver.inject_errors("delete", CommandFailed(("tool",), 1, "in use"))
    outcome = delete(driver, "base", "clone")
    assert [machine.name for machine in driver.machines] == ["base", "clone"]
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
