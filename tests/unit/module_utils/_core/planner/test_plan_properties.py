# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Properties of all plans, for any platform, VM and request."""

from __future__ import annotations

from ansible_collections.polyvirt.core.plugins.module_utils._core.model import (
    ABSENT,
    DESTRUCTIVE,
    FAILED,
    RUNNING,
    UNKNOWN,
)
from ansible_collections.polyvirt.core.plugins.module_utils._core.planner.plan import plan
from ansible_collections.polyvirt.core.plugins.module_utils._core.planner.power import ENDS_IN
from ansible_collections.polyvirt.core.plugins.module_utils._core.planner.simulate import simulate
from ansible_collections.polyvirt.core.plugins.module_utils._core.results.vm_result import difference, entry
from hypothesis import HealthCheck, given, settings

from suite.pairs import number_of_pairs
from unit.module_utils._core.strategies import rebuilds, requests, situations, snapshot_requests, source_of

BOUNDED = settings(derandomize=True, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])
CUTS_POWER = {"start", "stop", "kill", "reset", "pause", "resume", "suspend", "delete", "create", "clone"}


def _verbs(planned):
    return [step.verb for step in planned.steps]


def steps_lead_to_the_planned_state(vm, request, traits, planned):
    assert simulate(planned.before, planned.steps) == planned.after
    assert set(_verbs(planned)) <= traits.verbs


def planning_again_gives_an_empty_plan(vm, request, traits, planned):
    if planned.refusal or planned.busy:
        return
    again = plan(planned.after, request.target(), traits, source=source_of(request))
    assert (again.refusal, again.busy, _verbs(again)) == (None, None, [])


def vm_ends_in_the_requested_power_state(vm, request, traits, planned):
    if planned.refusal or planned.busy or request.snapshot is not None:
        return
    requested_power = ENDS_IN[request.state]
    if requested_power is not None:
        assert planned.after.power == requested_power
    elif vm.power not in (ABSENT, FAILED):
        assert planned.after.power == vm.power


def refused_or_busy_plan_has_no_steps(vm, request, traits, planned):
    if planned.refusal:
        assert planned.refusal.message.startswith("web:")
    if planned.refusal or planned.busy:
        assert planned.steps == []
        assert planned.before == planned.after
    if vm.busy:
        assert _verbs(planned)[:1] in ([], ["kill"])
    if vm.power == UNKNOWN:
        assert planned.steps == []


def diff_shows_changes_and_nothing_else(vm, request, traits, planned):
    shown = difference(planned)
    if planned.changed:
        assert shown["before"] != shown["after"]
        assert entry(planned.after, "any", planned, done=range(len(planned.steps)))["changed"]
    else:
        assert shown is None
        assert planned.before == planned.after


def disks_never_shrink(vm, request, traits, planned):
    for change in (change for step in planned.steps for change in step.changes if change.kind == "disks.size"):
        assert change.new > change.old
    if request.snapshot is not None or planned.after.power == ABSENT:
        return
    purged = "disks" in request.policy.purge
    for slot, disk in (vm.config.get("disks") or {}).items():
        kept = planned.after.config.get("disks", {}).get(slot)
        removal_requested = request.config.get("disks", {slot: {}}).get(slot, None if purged else {}) is None
        assert kept is not None or removal_requested
        if kept and "size" in kept:
            assert kept["size"] >= disk["size"]


def foreign_files_are_kept(vm, request, traits, planned):
    for step in planned.steps:
        for path in step.arguments.get("files", ()):
            file = next(one for one in vm.files if one.path == path)
            assert not file.used_by
            assert file.role != "medium"
            # Bound files are always deleted with the VM.
            if request.policy.delete_disks != "all" and not file.bound:
                assert file.ours
                assert vm.mark["id"] == vm.id
        if step.verb == "delete":
            assert {*step.arguments["files"], *step.arguments["kept"]} == {file.path for file in vm.files}


def no_disruptive_step_without_permission(vm, request, traits, planned):
    verbs, policy = set(_verbs(planned)), request.policy
    if request.state == "absent":
        assert not verbs & {"configure", "create", "clone", "start"}
    elif not policy.allow_recreate:
        assert "delete" not in verbs
        assert all(step.cost != DESTRUCTIVE for step in planned.steps)
    if request.state == "present" and not policy.allow_restart and vm.power != ABSENT:
        if request.snapshot is None and "delete" not in verbs:
            assert not verbs & CUTS_POWER
        if vm.power == RUNNING and request.snapshot is not None and request.snapshot.state != "restored":
            assert not verbs & CUTS_POWER


def segments_end_with_steps_to_observe(vm, request, traits, planned):
    seen = {"create", "clone", "stop", "kill", "suspend", "delete", "snapshot", "restore", "drop_snapshot"}
    for segment in planned.segments:
        assert segment
        assert not {step.verb for step in segment[:-1]} & seen


def newest_snapshots_of_a_series_are_kept(vm, request, traits, planned):
    """At most ``keep_last`` snapshots of the series remain, the requested one is kept, and no others are deleted."""
    requested = request.snapshot
    if (
        requested is None
        or requested.keep_last is None
        or requested.state != "present"
        or planned.refusal
        or planned.busy
    ):
        return
    left = [one for one in planned.after.snapshots if one.name.rstrip("0123456789") == "s"]
    assert requested.name in {key for one in planned.after.snapshots for key in (one.name, one.id)}
    if requested.name.startswith("s"):
        others = [one for one in left if one.name != requested.name]
        assert len(others) <= requested.keep_last - 1
    else:
        assert len(planned.after.snapshots) >= len(vm.snapshots)


PROPERTIES = (
    steps_lead_to_the_planned_state,
    planning_again_gives_an_empty_plan,
    vm_ends_in_the_requested_power_state,
    refused_or_busy_plan_has_no_steps,
    diff_shows_changes_and_nothing_else,
    disks_never_shrink,
    foreign_files_are_kept,
    no_disruptive_step_without_permission,
    segments_end_with_steps_to_observe,
    newest_snapshots_of_a_series_are_kept,
)


def _check_all(situation):
    vm, request, traits = situation
    planned = plan(vm, request, traits, source=source_of(request))
    for holds in PROPERTIES:
        holds(*situation, planned)


# Derandomized, so that failures are reproducible. The numbers limit the duration; they do not ensure coverage.
@settings(BOUNDED, max_examples=number_of_pairs(160, at_most=500))
@given(situations(requests))
def test_properties_of_vm_plans(situation):
    _check_all(situation)


@settings(BOUNDED, max_examples=number_of_pairs(40, at_most=120))
@given(rebuilds())
def test_properties_of_plans_that_may_recreate(situation):
    _check_all(situation)


@settings(BOUNDED, max_examples=number_of_pairs(50, at_most=150))
@given(situations(snapshot_requests))
def test_properties_of_snapshot_plans(situation):
    _check_all(situation)
