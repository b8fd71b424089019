# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots planned: what is taken, which of a series go, what hangs on what, and how a restore ends."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._lifecycle.model import (
    LIVE,
    NEVER,
    POWER_OFF,
    Field,
    Snapshot,
    Traits,
    Vm,
)
from ansible_collections.polyvirt.core.plugins.module_utils._lifecycle.plan import plan
from ansible_collections.polyvirt.core.plugins.module_utils._lifecycle.simulate import simulate

from unit.tables.rows import ask_snapshot, found

TRAITS = Traits(
    platform="any",
    fields={
        "snapshot.take": Field(cost=LIVE),
        "snapshot.drop": Field(cost=LIVE),
        "snapshot.restore": Field(cost=LIVE),
    },
)
CUT_OFF = Snapshot("n-7", created=5, unfinished="its taking was cut off")
SERIES = (
    Snapshot("n-10", created=30),
    Snapshot("n-9", created=20, parent="n-10"),
    Snapshot("n-8", created=10),
    Snapshot("m-7", created=1),
    Snapshot("n-x", created=2),
    Snapshot("n-1-1", created=3),
)


def planned(vm, request, traits=TRAITS):
    one = plan(vm, request, traits)
    assert one.refusal is None, str(one.refusal)
    return one


def doomed(snapshots, name, keep_last):
    steps = planned(found(snapshots=snapshots), ask_snapshot(name, keep_last=keep_last)).steps
    return [step.arguments["names"] for step in steps if step.verb == "drop_snapshot"]


@pytest.mark.parametrize(
    ("keep_last", "names"),
    [(1, [("n-8", "n-9", "n-10")]), (2, [("n-8", "n-9")]), (3, [("n-8",)]), (4, []), (9, [])],
)
def test_of_a_series_the_oldest_go(keep_last, names):
    assert doomed(SERIES, "n-11", keep_last) == names


def test_the_one_asked_stays_whatever_its_age():
    assert doomed(SERIES, "n-8", 1) == [("n-9", "n-10")]
    assert doomed(SERIES, "n-8", 3) == []
    by_id = tuple(replace(one, id=f"id-{one.name}") for one in SERIES)
    assert doomed(by_id, "id-n-8", 1) == [("n-9", "n-10")]


def test_digits_are_all_that_may_differ():
    assert doomed(SERIES, "n-x", 1) == doomed(SERIES, "new", 1) == []
    assert doomed(SERIES, "n-2-2", 1) == [("n-1-1",)]
    assert doomed((Snapshot("n8", created=1),), "n-8", 1) == []


def test_where_an_age_is_not_known_none_go():
    several = (Snapshot("n-1", created=5), Snapshot("n-2"))
    refusal = plan(found(snapshots=several), ask_snapshot("n-3", keep_last=2), TRAITS).refusal
    assert "n-2" in refusal.message
    assert doomed(several, "n-3", 3) == []


def test_without_being_asked_none_go():
    steps = planned(found(snapshots=SERIES), ask_snapshot("n-11")).steps
    assert [step.verb for step in steps] == ["snapshot"]


def test_a_new_one_is_taken_before_old_ones_go():
    one = planned(found(snapshots=SERIES), ask_snapshot("n-11", keep_last=1))
    assert [[step.verb for step in segment] for segment in one.segments] == [["snapshot"], ["drop_snapshot"]]


def test_a_platform_may_be_unable_to_drop_one_of_a_series():
    fork = (Snapshot("n-1", created=1), Snapshot("a", parent="n-1"), Snapshot("b", parent="n-1"))
    fields = {**TRAITS.fields, "snapshot.drop": Field(cost=LIVE, maximum=1)}
    refusal = plan(found(snapshots=fork), ask_snapshot("n-2", keep_last=1), replace(TRAITS, fields=fields)).refusal
    assert "snapshot 'n-1' has 2 children, which any cannot attach to its parent" in refusal.message
    # One child it can: also where all of them go along.
    assert planned(found(snapshots=fork[:2]), ask_snapshot("n-1", "absent"), replace(TRAITS, fields=fields)).steps
    gone = planned(found(snapshots=fork), ask_snapshot("n-1", "absent", children=True), replace(TRAITS, fields=fields))
    assert gone.steps[0].arguments["names"] == ("a", "b", "n-1")


def test_kind_and_power_of_a_new_one_are_the_platforms_to_say():
    traits = replace(TRAITS, taken_as=lambda vm, asked: (f"{asked.kind}!", "stopped"))
    one = planned(found("running", cpus=3), ask_snapshot("s", kind="k", description="d"), traits)
    taken = one.after.snapshots[0]
    assert (taken.kind, taken.power, taken.description, taken.config) == ("k!", "stopped", "d", {"cpus": 3})
    assert (taken.current, taken.parent, one.after.power) == (True, None, "running")


TREE = (
    Snapshot("a"),
    Snapshot("b", parent="a"),
    Snapshot("c", parent="b", current=True),
    Snapshot("d", parent="b"),
)


def after(vm, request):
    return {one.name: (one.parent, one.current) for one in planned(vm, request).after.snapshots}


def test_a_parent_takes_the_place_of_one_that_goes():
    vm = found(snapshots=TREE)
    assert after(vm, ask_snapshot("b", "absent")) == {"a": (None, False), "c": ("a", True), "d": ("a", False)}
    assert after(vm, ask_snapshot("c", "absent")) == {"a": (None, False), "b": ("a", True), "d": ("b", False)}
    assert after(vm, ask_snapshot("b", "absent", children=True)) == {"a": (None, True)}
    assert after(vm, ask_snapshot("a", "absent", children=True)) == {}


def test_a_new_one_hangs_on_what_the_disks_went_on_from():
    assert after(found(snapshots=TREE), ask_snapshot("e"))["e"] == ("c", True)
    ids = tuple(replace(one, id=f"i{one.name}") for one in TREE)
    assert after(found(snapshots=ids), ask_snapshot("e"))["e"] == ("ic", True)
    assert after(found(snapshots=TREE), ask_snapshot("e"))["c"] == ("b", False)


def test_after_a_restore_the_disks_go_on_from_it():
    now = after(found(snapshots=TREE), ask_snapshot("a", "restored"))
    assert [name for name, (_parent, current) in now.items() if current] == ["a"]


RESTORES = [
    # found, the snapshot's power, power asked, verbs, where it ends
    ("stopped", "stopped", "snapshot", ["restore"], "stopped"),
    ("running", "stopped", "snapshot", ["restore"], "stopped"),
    ("stopped", "running", "snapshot", ["restore"], "running"),
    ("running", "stopped", "keep", ["restore", "start"], "running"),
    ("stopped", "running", "keep", ["restore", "stop"], "stopped"),
    ("paused", "running", "keep", ["restore", "pause"], "paused"),
    ("suspended", "stopped", "keep", ["restore", "start", "suspend"], "suspended"),
]


@pytest.mark.parametrize(("power", "taken", "asked", "verbs", "end"), RESTORES)
def test_how_a_restore_ends(power, taken, asked, verbs, end):
    vm = found(power, snapshots=(Snapshot("s", power=taken),))
    one = planned(vm, ask_snapshot("s", "restored", power=asked))
    assert ([step.verb for step in one.steps], one.after.power) == (verbs, end)


def test_what_runs_is_given_up_where_it_must_be_off():
    traits = replace(TRAITS, fields={**TRAITS.fields, "snapshot.restore": Field(cost=POWER_OFF)})
    taken = (Snapshot("s"),)
    verbs = {
        power: [
            step.verb for step in planned(found(power, snapshots=taken), ask_snapshot("s", "restored"), traits).steps
        ]
        for power in ("stopped", "running", "suspended", "failed")
    }
    cut = ["kill", "restore"]
    assert verbs == {"stopped": ["restore"], "running": cut, "suspended": cut, "failed": cut}


@pytest.mark.parametrize(
    ("taken", "cost", "refused"),
    [("stopped", LIVE, True), ("running", LIVE, False), ("running", POWER_OFF, True)],
)
def test_a_machine_that_exists_only_while_it_runs_must_go_on_running(taken, cost, refused):
    vm = found("running", persistent=False, snapshots=(Snapshot("s", power=taken),))
    traits = replace(TRAITS, fields={**TRAITS.fields, "snapshot.restore": Field(cost=cost)})
    refusal = plan(vm, ask_snapshot("s", "restored"), traits).refusal
    assert bool(refusal) == refused
    assert not refused or "exists only while it runs" in refusal.message


@pytest.mark.parametrize(
    ("kind", "state", "said"),
    [
        ("snapshot.take", "present", "snapshot 'new' cannot be taken; the VM is running"),
        ("snapshot.drop", "absent", "snapshot 's' cannot be deleted"),
        ("snapshot.restore", "restored", "snapshot 's' cannot be restored"),
    ],
)
def test_what_cannot_be_at_any_price(kind, state, said):
    traits = replace(TRAITS, fields={**TRAITS.fields, kind: Field(cost=NEVER, instead="Do else.")})
    request = ask_snapshot("new" if state == "present" else "s", state)
    refusal = plan(found("running", snapshots=(Snapshot("s"),)), request, traits).refusal
    assert said in refusal.message
    assert refusal.remedy == "Do else."


def test_a_platform_without_them_says_what_it_has_instead():
    without = replace(TRAITS, verbs=frozenset({"start"}), instead={"snapshot": "Copy it."})
    assert "snapshots are not supported on any. Copy it." in str(plan(found(), ask_snapshot("s"), without).refusal)
    fields = {key: field for key, field in TRAITS.fields.items() if key != "snapshot.restore"}
    vm = found(snapshots=(Snapshot("s"),))
    refusal = plan(vm, ask_snapshot("s", "restored"), replace(TRAITS, fields=fields)).refusal
    assert "snapshot.restore is not supported on any" in refusal.message


def test_a_machine_that_is_not_there():
    assert planned(Vm.absent("web"), ask_snapshot("s", "absent")).steps == []
    for state in ("present", "restored"):
        refusal = plan(Vm.absent("web"), ask_snapshot("s", state), TRAITS, known=("db",)).refusal
        assert str(refusal) == "web: the VM does not exist, so it has no snapshot 's'. Existing VMs: db."


def test_options_without_effect_are_named():
    vm = found(snapshots=(Snapshot("s"),))
    assert list(planned(vm, ask_snapshot("s", description="d", kind="k")).not_compared) == ["description", "kind"]
    assert list(planned(vm, ask_snapshot("t", description="d")).not_compared) == []


def test_nothing_else_of_the_machine_changes():
    vm = found("running", cpus=2, snapshots=TREE)
    for request in (ask_snapshot("e"), ask_snapshot("b", "absent")):
        one = planned(vm, request)
        assert simulate(vm, one.steps).having(snapshots=vm.snapshots) == vm


def test_an_unfinished_snapshot_is_not_there_and_can_only_be_removed():
    vm = found(snapshots=(CUT_OFF,))
    for state in ("present", "restored"):
        refusal = plan(vm, ask_snapshot("n-7", state), TRAITS).refusal
        assert "'n-7' is unfinished: its taking was cut off" in refusal.message
        assert "state: absent" in refusal.remedy
    assert [step.verb for step in plan(vm, ask_snapshot("n-7", "absent"), TRAITS).steps] == ["drop_snapshot"]


def test_an_unfinished_snapshot_takes_no_place_in_a_series():
    vm = found(snapshots=(CUT_OFF, Snapshot("n-8", created=10)))
    planned = plan(vm, ask_snapshot("n-9", keep_last=2), TRAITS)
    assert [step.verb for step in planned.steps] == ["snapshot"]


@pytest.mark.parametrize(
    ("now", "taken", "power", "ends"),
    [
        ("running", "stopped", "snapshot", "stopped"),
        ("stopped", "running", "keep", "stopped"),
        ("running", "paused", "snapshot", "paused"),
        ("stopped", "running", "snapshot", None),
        ("running", "stopped", "keep", None),
    ],
)
def test_for_a_guest_that_would_not_run_after_a_restore_nobody_waits(now, taken, power, ends):
    asked = ask_snapshot("s", "restored", power=power)
    waiting = replace(asked, policy=replace(asked.policy, wait_for="ssh"))
    refusal = plan(found(now, snapshots=(Snapshot("s", power=taken),)), waiting, TRAITS).refusal
    assert (refusal is None) == (ends is None)
    if ends:
        assert refusal.message == (
            f"web: wait_for: ssh is not possible, because the VM will be {ends} after the restore of snapshot 's'."
        )


def test_power_is_not_kept_where_that_of_the_snapshot_is_not_known():
    taken = (Snapshot("s", power="unknown"),)
    refusal = plan(found("running", snapshots=taken), ask_snapshot("s", "restored", power="keep"), TRAITS).refusal
    assert "power: keep is not possible" in refusal.message
    assert plan(found("running", snapshots=taken), ask_snapshot("s", "restored"), TRAITS).refusal is None
