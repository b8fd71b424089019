# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a clone is made from: found by name or id, looked at once for all, and only where something may be made."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._engine import task
from ansible_collections.polyvirt.core.plugins.module_utils._lifecycle.errors import PolyvirtError
from ansible_collections.polyvirt.core.plugins.module_utils._lifecycle.model import (
    DESTRUCTIVE,
    NEVER,
    STOPPED,
    Field,
    Policy,
    Request,
)

from unit.module_utils._engine.world import GIB, Machine, World


class Cloning(World):
    """A world in which machines are cloned; ``made_from`` are the ids of what was cloned."""

    def __init__(self, *machines):
        super().__init__(*machines)
        self.made_from = []

    def traits(self):
        traits = super().traits()
        clone = Field(cost=lambda vm, change: "live" if vm.power == STOPPED else NEVER, instead="Stop it first.")
        firmware = Field(cost=DESTRUCTIVE)
        return replace(
            traits, sources=("image", "clone"), fields={**traits.fields, "clone": clone, "firmware": firmware}
        )

    def _clone(self, vm, step):
        self.made_from.append(step.arguments["source"].id)
        self._create(vm, step)

    def verbs_of_sources(self):
        """The names of those that were changed so far."""
        return [name for _second, verb, name in self.calls if verb == "configure"]

    def looks_for_sources(self):
        return len([facets for _second, facets in self.looks if "snapshot_configs" in facets])


def ask(name, source, state="present", config=None, snapshot=None, **policy):
    creation = {"clone": {"source": source, "snapshot": snapshot, "linked": False}}
    return Request(name, None, state, config or {}, creation, policy=Policy(**policy))


def carry_out(world, *requests, check=False):
    return task.run(world, requests, check, clock=world.clock, probe=None)


def test_a_source_is_known_by_its_name_or_its_id():
    for word in ("db", "id-1"):
        world = Cloning(Machine("db", "id-1", config={"cpus": 3, "memory": GIB}))
        outcome = carry_out(world, ask("web", word))
        assert (outcome.failed, world.made_from) == (False, ["id-1"])
        assert outcome.vms[0]["cpus"] == 3


def test_a_name_goes_before_an_id_that_looks_like_it():
    world = Cloning(Machine("other", "db"), Machine("db", "id-1"))
    carry_out(world, ask("web", "db"))
    assert world.made_from == ["id-1"]


def test_two_sources_of_one_name_are_told_apart_by_their_ids():
    world = Cloning(Machine("db", "id-1"), Machine("db", "id-2"))
    with pytest.raises(PolyvirtError, match="db: 2 VMs have this name") as told:
        carry_out(world, ask("web", "db"))
    assert "id-1, id-2" in told.value.remedy
    assert world.calls == []
    assert not carry_out(world, ask("web", "id-2")).failed
    assert world.made_from == ["id-2"]


@pytest.mark.parametrize("check", [True, False])
def test_a_source_that_is_not_there(check):
    world = Cloning(Machine("db", "id-1"))
    outcome = carry_out(world, ask("web", "nosuch"), ask("api", "db"), check=check)
    assert outcome.msg == "web: clone.source: there is no VM 'nosuch'. Existing VMs: db."
    assert (outcome.changed, world.calls) == (False, [])


def test_a_source_that_runs_is_refused_before_anything_is_done():
    world = Cloning(Machine("db", "id-1", power="running"))
    outcome = carry_out(world, ask("web", "db"))
    assert (outcome.failed, world.calls) == (True, [])
    assert "'db' is running" in outcome.msg
    assert "Stop it first." in outcome.msg


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize(("request_", "refused"), [({"state": "started"}, True), ({"config": {"cpus": 1}}, False)])
def test_source_is_judged_by_what_the_same_task_makes_of_it(request_, refused, check):
    world = Cloning(Machine("db", "id-1", config={"cpus": 1}))
    outcome = carry_out(world, *(ask(name, "db", **request_) for name in ("db", "web")), check=check)
    assert (outcome.failed, outcome.changed) == (refused, not refused)
    if refused:
        assert "web: 'db' is running and cannot be cloned this way. Stop it first." in outcome.msg
        assert world.calls == []


def test_one_look_serves_all_clones():
    world = Cloning(Machine("db", "id-1"))
    names = ("one", "two", "three")
    carry_out(world, *(ask(name, "db") for name in names), check=True)
    assert world.looks_for_sources() == 1
    carry_out(world, *(ask(name, "db") for name in names))
    assert world.made_from == ["id-1"] * 3


def test_nobody_looks_for_a_source_where_nothing_is_made():
    world = Cloning(Machine("web", "id-1"))
    assert not carry_out(world, ask("web", "nosuch"), ask("gone", "nosuch", "absent")).failed
    assert (world.looks_for_sources(), world.calls) == (0, [])


def test_what_may_be_rebuilt_needs_its_source():
    uefi = {"cpus": 1, "firmware": "uefi"}
    world = Cloning(Machine("web", "id-1", mark={"id": "id-1"}), Machine("db", "id-2", config=uefi))
    rebuilt = ask("web", "db", config={"firmware": "uefi"}, allow_recreate=True)
    assert not carry_out(world, rebuilt).failed
    assert (world.verbs("web"), world.made_from) == (["delete", "clone", "configure"], ["id-2"])


def test_a_snapshot_that_the_source_does_not_have():
    world = Cloning(Machine("db", "id-1"))
    outcome = carry_out(world, ask("web", "db", snapshot="s1"))
    assert outcome.msg == "web: clone.snapshot: 'db' has no snapshot 's1'. Its snapshots: none."
    assert world.calls == []


def test_source_that_cannot_be_read_fails_its_own_clone_alone():
    """In one lane, too: two clones of sources that the same task changes are sent together."""
    world = Cloning(*(Machine(name, f"id-{name}", config={"cpus": 1}) for name in ("db", "mail")))
    world._lane = "all"
    observe = world.observe

    def fail_for_mail(targets, facets):
        if "db" in world.verbs_of_sources() and [one.id for one in targets] == ["id-mail"]:
            raise PolyvirtError("mail cannot be read")
        return observe(targets, facets)

    world.observe = fail_for_mail
    clones = [ask("web", "db"), ask("api", "mail")]
    outcome = carry_out(world, *(ask(name, name, config={"cpus": 2}) for name in ("db", "mail")), *clones)
    ends = {vm["name"]: (vm["failed"], vm["state"]) for vm in outcome.vms}
    assert (ends["web"], ends["api"]) == ((False, "stopped"), (True, "absent")), outcome.msg
    assert "mail cannot be read" in outcome.msg
