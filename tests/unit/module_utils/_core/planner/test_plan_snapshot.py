# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans for snapshots: taking, deleting the oldest of a series, parents and children, and restoring."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.frozen import replace
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import (
    LIVE,
    NEVER,
    POWER_OFF,
    Field,
    Snapshot,
    Traits,
    Vm,
)
from ansible_collections.polyvirt.core.plugins.module_utils._core.planner.plan import plan
from ansible_collections.polyvirt.core.plugins.module_utils._core.planner.simulate import simulate
from ansible_collections.polyvirt.core.plugins.module_utils._core.record.leases import Expiry, beginning, expiry

from unit.tables.rows import ask_snapshot, found

TRAITS = Traits(
    platform="any",
    fields={"snapshot.take": Field(cost=LIVE), "snapshot.drop": Field(cost=LIVE), "snapshot.restore": Field(cost=LIVE)},
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


def deleted_names(snapshots, name, keep_last):
    steps = planned(found(snapshots=snapshots), ask_snapshot(name, keep_last=keep_last)).steps
    return [step.arguments["names"] for step in steps if step.verb == "drop_snapshot"]


@pytest.mark.parametrize(
    ("keep_last", "names"), [(1, [("n-8", "n-9", "n-10")]), (2, [("n-8", "n-9")]), (3, [("n-8",)]), (4, []), (9, [])]
)
def test_oldest_snapshots_of_a_series_are_deleted(keep_last, names):
    assert deleted_names(SERIES, "n-11", keep_last) == names


def test_requested_snapshot_is_kept_at_any_age():
    assert deleted_names(SERIES, "n-8", 1) == [("n-9", "n-10")]
    assert deleted_names(SERIES, "n-8", 3) == []
    by_id = tuple(replace(one, id=f"id-{one.name}") for one in SERIES)
    assert deleted_names(by_id, "id-n-8", 1) == [("n-9", "n-10")]


def test_names_of_a_series_differ_only_in_digits():
    assert deleted_names(SERIES, "n-x", 1) == deleted_names(SERIES, "new", 1) == []
    assert deleted_names(SERIES, "n-2-2", 1) == [("n-1-1",)]
    assert deleted_names((Snapshot("n8", created=1),), "n-8", 1) == []


def test_nothing_is_deleted_if_an_age_is_unknown():
    several = (Snapshot("n-1", created=5), Snapshot("n-2"))
    refusal = plan(found(snapshots=several), ask_snapshot("n-3", keep_last=2), TRAITS).refusal
    assert "n-2" in refusal.message
    assert deleted_names(several, "n-3", 3) == []


def test_nothing_is_deleted_without_keep_last():
    steps = planned(found(snapshots=SERIES), ask_snapshot("n-11")).steps
    assert [step.verb for step in steps] == ["snapshot"]


def test_new_snapshot_is_taken_before_old_ones_are_deleted():
    one = planned(found(snapshots=SERIES), ask_snapshot("n-11", keep_last=1))
    assert [[step.verb for step in segment] for segment in one.segments] == [["snapshot"], ["drop_snapshot"]]


def test_file_that_remains_of_a_deleted_snapshot_is_named():
    series = (*SERIES, Snapshot("n-1", created=1, remaining=("/memory",)))
    steps = planned(found(snapshots=series), ask_snapshot("n-10", keep_last=3)).steps
    assert [step.arguments["kept"] for step in steps] == [{"/memory": "not created by this collection"}]
    assert all(
        "kept" not in step.arguments
        for step in planned(found(snapshots=SERIES), ask_snapshot("n-9", state="absent")).steps
    )


def test_snapshot_with_too_many_children_is_not_deleted():
    fork = (Snapshot("n-1", created=1), Snapshot("a", parent="n-1"), Snapshot("b", parent="n-1"))
    fields = {**TRAITS.fields, "snapshot.drop": Field(cost=LIVE, maximum=1)}
    refusal = plan(found(snapshots=fork), ask_snapshot("n-2", keep_last=1), replace(TRAITS, fields=fields)).refusal
    assert "snapshot 'n-1' has 2 children, which any cannot attach to its parent" in refusal.message
    # With one child, or if the children are deleted too, the snapshot can be deleted.
    assert planned(found(snapshots=fork[:2]), ask_snapshot("n-1", "absent"), replace(TRAITS, fields=fields)).steps
    gone = planned(found(snapshots=fork), ask_snapshot("n-1", "absent", children=True), replace(TRAITS, fields=fields))
    assert gone.steps[0].arguments["names"] == ("a", "b", "n-1")


def test_platform_sets_kind_and_power_of_a_new_snapshot():
    traits = replace(TRAITS, taken_as=lambda vm, snapshot: (f"{snapshot.kind}!", "stopped"))
    one = planned(found("running", cpus=3), ask_snapshot("s", kind="k", description="d"), traits)
    taken = one.after.snapshots[0]
    assert (taken.kind, taken.power, taken.description, taken.config) == ("k!", "stopped", "d", {"cpus": 3})
    assert (taken.current, taken.parent, one.after.power) == (True, None, "running")


TREE = (Snapshot("a"), Snapshot("b", parent="a"), Snapshot("c", parent="b", current=True), Snapshot("d", parent="b"))


def after(vm, request):
    return {one.name: (one.parent, one.current) for one in planned(vm, request).after.snapshots}


def test_parent_replaces_a_deleted_snapshot():
    vm = found(snapshots=TREE)
    assert after(vm, ask_snapshot("b", "absent")) == {"a": (None, False), "c": ("a", True), "d": ("a", False)}
    assert after(vm, ask_snapshot("c", "absent")) == {"a": (None, False), "b": ("a", True), "d": ("b", False)}
    assert after(vm, ask_snapshot("b", "absent", children=True)) == {"a": (None, True)}
    assert after(vm, ask_snapshot("a", "absent", children=True)) == {}


def test_parent_of_a_new_snapshot_is_the_current_one():
    assert after(found(snapshots=TREE), ask_snapshot("e"))["e"] == ("c", True)
    ids = tuple(replace(one, id=f"i{one.name}") for one in TREE)
    assert after(found(snapshots=ids), ask_snapshot("e"))["e"] == ("ic", True)
    assert after(found(snapshots=TREE), ask_snapshot("e"))["c"] == ("b", False)


def test_restored_snapshot_becomes_current():
    now = after(found(snapshots=TREE), ask_snapshot("a", "restored"))
    assert [name for name, (_parent, current) in now.items() if current] == ["a"]


def test_disk_that_was_attached_after_the_snapshot_is_kept_and_named():
    """On all platforms, as far as they report what was attached then."""
    disks = {"vda": {"source": "/new-overlay"}, "vdb": {"source": "/added"}, "vdc": {"source": None}}
    for config, kept in (({"disks": {"vda": {"source": "/a"}}}, {"/added": "attached after the snapshot"}), (None, {})):
        vm = found(snapshots=(replace(TREE[0], config=config),)).having(config={"disks": disks})
        (restore,) = plan(vm, ask_snapshot("a", "restored"), TRAITS).steps
        assert restore.arguments.get("kept", {}) == kept


@pytest.mark.parametrize(("power", "note"), [("running", "the clock of the guest is late"), ("stopped", "")])
def test_clock_of_a_guest_that_is_restored_from_memory_is_in_the_result(power, note):
    vm = found(snapshots=(replace(TREE[0], power=power),))
    assert plan(vm, ask_snapshot("a", "restored"), TRAITS).steps[0].note == note


RESTORES = [
    # power state of the VM, of the snapshot, option power, verbs, power state at the end
    ("stopped", "stopped", "snapshot", ["restore"], "stopped"),
    ("running", "stopped", "snapshot", ["restore"], "stopped"),
    ("stopped", "running", "snapshot", ["restore"], "running"),
    ("running", "stopped", "keep", ["restore", "start"], "running"),
    ("stopped", "running", "keep", ["restore", "kill"], "stopped"),
    ("stopped", "paused", "keep", ["restore", "kill"], "stopped"),
    ("paused", "running", "keep", ["restore", "pause"], "paused"),
    ("suspended", "stopped", "keep", ["restore", "start", "suspend"], "suspended"),
]


@pytest.mark.parametrize(("power", "taken", "option", "verbs", "end"), RESTORES)
def test_power_state_after_a_restore(power, taken, option, verbs, end):
    vm = found(power, snapshots=(Snapshot("s", power=taken),))
    one = planned(vm, ask_snapshot("s", "restored", power=option))
    assert ([step.verb for step in one.steps], one.after.power) == (verbs, end)


@pytest.mark.parametrize("left_in", ["running", "paused", "suspended"])
def test_stopped_vm_is_not_started_by_a_restore_that_keeps_its_power(left_in):
    """However the platform leaves a VM with memory: its guest is not asked to stop, because it may not."""
    vm = found("stopped", snapshots=(Snapshot("s", power="running"),))
    traits = replace(TRAITS, restored_as={"running": left_in})
    one = planned(vm, ask_snapshot("s", "restored", power="keep"), traits)
    assert ([step.verb for step in one.steps], one.after.power) == (["restore", "kill"], "stopped")
    assert one.steps[-1].note == "the memory of the snapshot is discarded"


def test_running_vm_is_killed_if_a_restore_needs_it_off():
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
    ("taken", "cost", "refused"), [("stopped", LIVE, True), ("running", LIVE, False), ("running", POWER_OFF, True)]
)
def test_transient_vm_must_keep_running_in_a_restore(taken, cost, refused):
    vm = found("running", persistent=False, snapshots=(Snapshot("s", power=taken),))
    traits = replace(TRAITS, fields={**TRAITS.fields, "snapshot.restore": Field(cost=cost)})
    refusal = plan(vm, ask_snapshot("s", "restored"), traits).refusal
    assert bool(refusal) == refused
    assert not refused or "exists only while it runs" in refusal.message


@pytest.mark.parametrize(
    ("kind", "state", "message"),
    [
        ("snapshot.take", "present", "snapshot 'new' cannot be taken; the VM is running"),
        ("snapshot.drop", "absent", "snapshot 's' cannot be deleted"),
        ("snapshot.restore", "restored", "snapshot 's' cannot be restored"),
    ],
)
def test_operation_with_cost_never_is_rejected(kind, state, message):
    traits = replace(TRAITS, fields={**TRAITS.fields, kind: Field(cost=NEVER, instead="Do else.")})
    request = ask_snapshot("new" if state == "present" else "s", state)
    refusal = plan(found("running", snapshots=(Snapshot("s"),)), request, traits).refusal
    assert message in refusal.message
    assert refusal.remedy == "Do else."


def test_platform_without_snapshots_names_the_alternative():
    without = replace(TRAITS, verbs=frozenset({"start"}), instead={"snapshot": "Copy it."})
    assert "snapshots are not supported on any. Copy it." in str(plan(found(), ask_snapshot("s"), without).refusal)
    fields = {key: field for key, field in TRAITS.fields.items() if key != "snapshot.restore"}
    vm = found(snapshots=(Snapshot("s"),))
    refusal = plan(vm, ask_snapshot("s", "restored"), replace(TRAITS, fields=fields)).refusal
    assert "snapshot.restore is not supported on any" in refusal.message


def test_snapshot_of_a_missing_vm():
    assert planned(Vm.absent("web"), ask_snapshot("s", "absent")).steps == []
    for state in ("present", "restored"):
        refusal = plan(Vm.absent("web"), ask_snapshot("s", state), TRAITS, known=("db",)).refusal
        assert str(refusal) == "web: the VM does not exist, so it has no snapshot 's'. Existing VMs: db."


def test_options_without_effect_are_reported_as_not_compared():
    vm = found(snapshots=(Snapshot("s"),))
    assert list(planned(vm, ask_snapshot("s", description="d", kind="k")).not_compared) == ["description", "kind"]
    assert list(planned(vm, ask_snapshot("t", description="d")).not_compared) == []


def test_snapshots_change_nothing_else_of_the_vm():
    vm = found("running", cpus=2, snapshots=TREE)
    for request in (ask_snapshot("e"), ask_snapshot("b", "absent")):
        one = planned(vm, request)
        assert simulate(vm, one.steps).having(snapshots=vm.snapshots) == vm


def test_unfinished_snapshot_can_only_be_deleted():
    vm = found(snapshots=(CUT_OFF,))
    for state in ("present", "restored"):
        refusal = plan(vm, ask_snapshot("n-7", state), TRAITS).refusal
        assert "'n-7' is unfinished: its taking was cut off" in refusal.message
        assert "state: absent" in refusal.remedy
    assert [step.verb for step in plan(vm, ask_snapshot("n-7", "absent"), TRAITS).steps] == ["drop_snapshot"]


def test_unfinished_snapshot_does_not_count_in_a_series():
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
def test_wait_for_is_rejected_if_the_vm_will_not_run(now, taken, power, ends):
    request = ask_snapshot("s", "restored", power=power)
    waiting = replace(request, policy=replace(request.policy, wait_for="ssh"))
    refusal = plan(found(now, snapshots=(Snapshot("s", power=taken),)), waiting, TRAITS).refusal
    assert (refusal is None) == (ends is None)
    if ends:
        assert refusal.message == (
            f"web: wait_for: ssh is not possible, because the VM will be {ends} after the restore of snapshot 's'."
        )


def test_power_keep_is_rejected_if_the_snapshots_power_is_unknown():
    taken = (Snapshot("s", power="unknown"),)
    refusal = plan(found("running", snapshots=taken), ask_snapshot("s", "restored", power="keep"), TRAITS).refusal
    assert "power: keep is not possible" in refusal.message
    assert plan(found("running", snapshots=taken), ask_snapshot("s", "restored"), TRAITS).refusal is None


# Leases ---------------------------------------------------------------------------------------------------------------

NOW, HOUR = 1_800_000_000, 3600
WITH_EXPIRY = replace(TRAITS, fields={**TRAITS.fields, "snapshot.expires": Field(cost=LIVE)})


def _leased(text, at, **more):
    return Snapshot("s", expires=Expiry(text, at, is_stored=True), **more)


def _asked(text, state="present", **policy):
    config = beginning({"expires": expiry(text, "expires")}, NOW) if text is not None else {}
    request = ask_snapshot("s", state, **config)
    return replace(request, policy=replace(request.policy, controller_time=NOW, **policy))


@pytest.mark.parametrize(
    ("stored", "asked", "extend", "after"),
    [
        (("8h", NOW + HOUR), "8h", True, NOW + 8 * HOUR),
        (("8h", NOW + HOUR), "1h", False, NOW + HOUR),
        (("8h", NOW + 5), "1h", False, NOW + HOUR),
        (("8h", NOW + HOUR), "", False, None),
        (("", None), "2h", False, NOW + 2 * HOUR),
    ],
)
def test_expiry_of_a_snapshot_moves_only_if_a_task_extends_or_changes_it(stored, asked, extend, after):
    vm = found(snapshots=(_leased(*stored),))
    one = planned(vm, _asked(asked, extend=extend), WITH_EXPIRY)
    assert [(step.verb, step.arguments["expires"].at) for step in one.steps] == [("edit_snapshot", after)]
    assert [snapshot.expires.at for snapshot in one.after.snapshots] == [after]
    # What was stored is what the task asks for.
    assert planned(one.after, _asked(asked), WITH_EXPIRY).steps == []


@pytest.mark.parametrize(
    ("stored", "asked", "extend"),
    [(("8h", NOW + HOUR), "8h", False), (("", None), "", True), (("8h", NOW + HOUR), None, True)],
)
def test_same_text_leaves_the_expiry_of_a_snapshot(stored, asked, extend):
    vm = found(snapshots=(_leased(*stored),))
    assert planned(vm, _asked(asked, extend=extend), WITH_EXPIRY).steps == []


def test_new_snapshot_has_its_expiry_and_a_platform_without_one_rejects_it():
    one = planned(found(), _asked("8h"), WITH_EXPIRY)
    assert [step.verb for step in one.steps] == ["snapshot"]
    assert one.after.snapshots[0].expires == Expiry("8h", NOW + 8 * HOUR)
    for vm in (found(), found(snapshots=(Snapshot("s"),))):
        assert "snapshot.expires" in str(plan(vm, _asked("8h"), TRAITS).refusal)


def test_expiry_is_that_of_the_one_snapshot_with_this_name():
    vm = found(snapshots=(Snapshot("s", id="u1"), Snapshot("s", id="u2")))
    assert "u1, u2" in str(plan(vm, _asked("8h"), WITH_EXPIRY).refusal)
    by_id = replace(_asked("8h"), snapshot=replace(_asked("8h").snapshot, name="u2"))
    after = planned(vm, by_id, WITH_EXPIRY).after.snapshots
    assert [bool(one.expires) for one in after] == [False, True]


@pytest.mark.parametrize(
    ("at", "grace", "is_deleted"),
    [(NOW, 0, True), (NOW + 1, 0, False), (NOW - HOUR, HOUR, True), (NOW - HOUR + 1, HOUR, False), (None, 0, False)],
)
def test_snapshot_is_deleted_only_if_it_has_expired_for_long_enough(at, grace, is_deleted):
    vm = found(snapshots=(_leased("8h" if at else "", at),))
    one = planned(vm, _asked(None, "absent", expired_for=grace), WITH_EXPIRY)
    assert [step.verb for step in one.steps] == (["drop_snapshot"] if is_deleted else [])


def test_expiry_of_the_vm_says_nothing_about_its_snapshots():
    expired = Expiry("2020-01-01", 1_600_000_000, is_stored=True)
    vm = found(snapshots=(_leased("8h", NOW + 1),)).having(config={"expires": expired})
    assert planned(vm, _asked(None, "absent", expired_for=0), WITH_EXPIRY).steps == []
    vm = vm.having(config={}, snapshots=(_leased("8h", NOW),))
    assert len(planned(vm, _asked(None, "absent", expired_for=0), WITH_EXPIRY).steps) == 1


@pytest.mark.parametrize(("ahead", "is_rejected"), [(300, False), (301, True)])
def test_snapshot_from_the_future_is_kept(ahead, is_rejected):
    vm = found(snapshots=(_leased("8h", NOW, created=NOW + ahead),))
    one = plan(vm, _asked(None, "absent", expired_for=0), WITH_EXPIRY)
    assert (one.refusal is not None) == is_rejected
    assert "snapshot 's' was created at" in str(one.refusal) or not is_rejected


def test_without_the_time_of_the_controller_no_snapshot_is_deleted():
    request = _asked(None, "absent", expired_for=0)
    request = replace(request, policy=replace(request.policy, controller_time=None))
    assert planned(found(snapshots=(_leased("8h", 1),)), request, WITH_EXPIRY).steps == []
