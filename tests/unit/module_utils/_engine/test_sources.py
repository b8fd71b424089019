# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sources of clones: selected by name or id, observed once for all clones, and only if something may be created."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import PolyvirtError
from ansible_collections.polyvirt.core.plugins.module_utils._core.frozen import replace
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import (
    DESTRUCTIVE,
    NEVER,
    STOPPED,
    Field,
    Policy,
    Request,
)
from ansible_collections.polyvirt.core.plugins.module_utils._engine import task

from unit.module_utils._engine.world import GIB, Machine, World


class Cloning(World):
    """A platform that can clone; ``cloned_ids`` are the ids of the cloned VMs."""

    def __init__(self, *machines, **traits):
        super().__init__(*machines, **traits)
        self.cloned_ids = []

    def traits(self):
        traits = super().traits()
        clone = Field(cost=lambda vm, change: "live" if vm.power == STOPPED else NEVER, instead="Stop it first.")
        firmware = Field(cost=DESTRUCTIVE)
        return replace(
            traits, sources=("image", "clone"), fields={**traits.fields, "clone": clone, "firmware": firmware}
        )

    def _clone(self, vm, step):
        self.cloned_ids.append(step.arguments["source"].id)
        self._create(vm, step)

    def verbs_of_sources(self):
        """The names of the VMs that were configured so far."""
        return [name for _second, verb, name in self.calls if verb == "configure"]

    def source_observations(self):
        return len([facets for _second, facets in self.observations if "snapshot_configs" in facets])


def ask(name, source, state="present", config=None, snapshot=None, **policy):
    creation = {"clone": {"source": source, "snapshot": snapshot, "linked": False}} if source else {}
    return Request(name, None, state, config or {}, creation, policy=Policy(**policy))


def carry_out(world, *requests, check=False):
    return task.run(world, requests, check, clock=world.clock, probe=None)


def test_source_is_selected_by_name_or_id():
    for name_or_id in ("db", "id-1"):
        world = Cloning(Machine("db", "id-1", config={"cpus": 3, "memory": GIB}))
        outcome = carry_out(world, ask("web", name_or_id))
        assert (outcome.failed, world.cloned_ids) == (False, ["id-1"])
        assert outcome.vms[0]["cpus"] == 3


@pytest.mark.parametrize("synchronous_verbs", [(), ("create",)])
def test_source_that_the_task_creates_is_cloned_or_found_missing(synchronous_verbs):
    for is_lost in (False, True):
        world = Cloning(synchronous_verbs=synchronous_verbs)
        observe, image = world.observe, {"image": {"source": "/images/base"}}

        def observe_or_lose(targets, facets, world=world, observe=observe, is_lost=is_lost):
            if is_lost and "snapshot_configs" in facets:
                world.machines.clear()
            return observe(targets, facets)

        world.observe = observe_or_lose
        outcome = carry_out(world, Request("db", None, "present", {}, image), ask("web", "db"))
        assert (outcome.failed, world.cloned_ids) == (is_lost, [] if is_lost else ["u-db"])
        assert "bug" not in outcome.msg


def test_name_takes_precedence_over_an_equal_id():
    world = Cloning(Machine("other", "db"), Machine("db", "id-1"))
    carry_out(world, ask("web", "db"))
    assert world.cloned_ids == ["id-1"]


def test_sources_with_the_same_name_are_selected_by_id():
    world = Cloning(Machine("db", "id-1"), Machine("db", "id-2"))
    with pytest.raises(PolyvirtError, match="db: 2 VMs have this name") as caught:
        carry_out(world, ask("web", "db"))
    assert caught.value.remedy == "Set clone.source to one of id-1, id-2."
    assert world.calls == []
    assert not carry_out(world, ask("web", "id-2")).failed
    assert world.cloned_ids == ["id-2"]


@pytest.mark.parametrize("check", [True, False])
def test_missing_source_stops_the_task(check):
    world = Cloning(Machine("db", "id-1"))
    outcome = carry_out(world, ask("web", "nosuch"), ask("api", "db"), check=check)
    assert outcome.msg == "web: clone.source: there is no VM 'nosuch'. Existing VMs: db."
    assert (outcome.changed, world.calls) == (False, [])


def test_running_source_is_rejected_before_any_change():
    world = Cloning(Machine("db", "id-1", power="running"))
    outcome = carry_out(world, ask("web", "db"))
    assert (outcome.failed, world.calls) == (True, [])
    assert "'db' is running" in outcome.msg
    assert "Stop it first." in outcome.msg


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize(("request_", "refused"), [({"state": "started"}, True), ({"config": {"cpus": 1}}, False)])
def test_source_is_checked_in_the_state_to_which_the_same_task_changes_it(request_, refused, check):
    world = Cloning(Machine("db", "id-1", config={"cpus": 1}))
    outcome = carry_out(world, ask("db", None, **request_), ask("web", "db", **request_), check=check)
    assert (outcome.failed, outcome.changed) == (refused, not refused)
    if refused:
        assert "web: 'db' is running and cannot be cloned this way. Stop it first." in outcome.msg
        assert world.calls == []


def test_source_of_several_clones_is_observed_once():
    world = Cloning(Machine("db", "id-1"))
    names = ("one", "two", "three")
    carry_out(world, *(ask(name, "db") for name in names), check=True)
    assert world.source_observations() == 1
    carry_out(world, *(ask(name, "db") for name in names))
    assert world.cloned_ids == ["id-1"] * 3


def test_source_is_not_observed_if_nothing_is_created():
    world = Cloning(Machine("web", "id-1", mark={"id": "id-1"}))
    assert not carry_out(world, ask("web", "nosuch"), ask("gone", "nosuch", "absent")).failed
    assert (world.source_observations(), world.calls) == (0, [])


def test_source_is_observed_for_a_vm_that_may_be_recreated():
    uefi = {"cpus": 1, "firmware": "uefi"}
    world = Cloning(Machine("web", "id-1", mark={"id": "id-1"}), Machine("db", "id-2", config=uefi))
    rebuilt = ask("web", "db", config={"firmware": "uefi"}, allow_recreate=True)
    assert not carry_out(world, rebuilt).failed
    assert (world.verbs("web"), world.cloned_ids) == (["delete", "clone", "configure"], ["id-2"])


def test_missing_snapshot_of_the_source_stops_the_task():
    world = Cloning(Machine("db", "id-1"))
    outcome = carry_out(world, ask("web", "db", snapshot="s1"))
    assert outcome.msg == "web: clone.snapshot: 'db' has no snapshot 's1'. Its snapshots: none."
    assert world.calls == []


def test_unreadable_source_fails_only_its_clone():
    """Also in one lane, where two clones are sent together and the same task changes their sources."""
    world = Cloning(*(Machine(name, f"id-{name}", config={"cpus": 1}) for name in ("db", "mail")))
    world._lane = "all"
    observe = world.observe

    def fail_for_mail(targets, facets):
        if "db" in world.verbs_of_sources() and [one.id for one in targets] == ["id-mail"]:
            raise PolyvirtError("mail cannot be read")
        return observe(targets, facets)

    world.observe = fail_for_mail
    clones = [ask("web", "db"), ask("api", "mail")]
    outcome = carry_out(world, *(ask(name, None, config={"cpus": 2}) for name in ("db", "mail")), *clones)
    ends = {vm["name"]: (vm["failed"], vm["state"]) for vm in outcome.vms}
    assert (ends["web"], ends["api"]) == ((False, "stopped"), (True, "absent")), outcome.msg
    assert "mail cannot be read" in outcome.msg
