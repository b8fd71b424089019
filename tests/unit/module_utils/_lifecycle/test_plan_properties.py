# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds for every plan, whatever the platform, whatever was found, whatever was asked."""

from __future__ import annotations

from ansible_collections.polyvirt.core.plugins.module_utils._lifecycle.model import (
    ABSENT,
    DESTRUCTIVE,
    FAILED,
    RUNNING,
    UNKNOWN,
)
from ansible_collections.polyvirt.core.plugins.module_utils._lifecycle.plan import plan
from ansible_collections.polyvirt.core.plugins.module_utils._lifecycle.power import ENDS_IN
from ansible_collections.polyvirt.core.plugins.module_utils._lifecycle.results import difference, entry
from ansible_collections.polyvirt.core.plugins.module_utils._lifecycle.simulate import simulate
from hypothesis import HealthCheck, given, settings

from unit.module_utils._lifecycle.machines import rebuilds, requests, situations, snapshot_requests, source_of

BOUNDED = settings(derandomize=True, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])
CUTS_POWER = {"start", "stop", "kill", "reset", "pause", "resume", "suspend", "delete", "create", "clone"}


def _verbs(planned):
    return [step.verb for step in planned.steps]


def what_is_promised_is_what_the_steps_do(vm, request, traits, planned):
    assert simulate(planned.before, planned.steps) == planned.after
    assert set(_verbs(planned)) <= traits.verbs


def planning_the_target_again_leaves_nothing(vm, request, traits, planned):
    if planned.refusal or planned.busy:
        return
    again = plan(planned.after, request.target(), traits, source=source_of(request))
    assert (again.refusal, again.busy, _verbs(again)) == (None, None, [])


def the_machine_ends_as_asked(vm, request, traits, planned):
    if planned.refusal or planned.busy or request.snapshot is not None:
        return
    asked = ENDS_IN[request.state]
    if asked is not None:
        assert planned.after.power == asked
    elif vm.power not in (ABSENT, FAILED):
        assert planned.after.power == vm.power


def refused_or_busy_means_no_step(vm, request, traits, planned):
    if planned.refusal:
        assert planned.refusal.message.startswith("web:")
    if planned.refusal or planned.busy:
        assert planned.steps == []
        assert planned.before == planned.after
    if vm.busy:
        assert _verbs(planned)[:1] in ([], ["kill"])
    if vm.power == UNKNOWN:
        assert planned.steps == []


def the_difference_tells_of_every_change_and_of_nothing_else(vm, request, traits, planned):
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
        asked_gone = request.config.get("disks", {slot: {}}).get(slot, None if purged else {}) is None
        assert kept is not None or asked_gone
        if kept and "size" in kept:
            assert kept["size"] >= disk["size"]


def nobody_elses_files_are_deleted(vm, request, traits, planned):
    for step in planned.steps:
        for path in step.arguments.get("files", ()):
            file = next(one for one in vm.files if one.path == path)
            assert not file.used_by
            assert file.role != "medium"
            # What cannot outlive its machine is nobody else's.
            if request.policy.delete_disks != "all" and not file.bound:
                assert file.ours
                assert vm.mark["id"] == vm.id
        if step.verb == "delete":
            assert {*step.arguments["files"], *step.arguments["kept"]} == {file.path for file in vm.files}


def nothing_without_consent(vm, request, traits, planned):
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


def a_segment_ends_where_its_end_must_be_seen(vm, request, traits, planned):
    seen = {"create", "clone", "stop", "kill", "suspend", "delete", "snapshot", "restore", "drop_snapshot"}
    for segment in planned.segments:
        assert segment
        assert not {step.verb for step in segment[:-1]} & seen


def of_a_series_the_last_stay(vm, request, traits, planned):
    """No more than asked are left of it, the one asked among them, and no other is touched."""
    asked = request.snapshot
    if asked is None or asked.keep_last is None or asked.state != "present" or planned.refusal or planned.busy:
        return
    left = [one for one in planned.after.snapshots if one.name.rstrip("0123456789") == "s"]
    assert asked.name in {key for one in planned.after.snapshots for key in (one.name, one.id)}
    if asked.name.startswith("s"):
        others = [one for one in left if one.name != asked.name]
        assert len(others) <= asked.keep_last - 1
    else:
        assert len(planned.after.snapshots) >= len(vm.snapshots)


PROPERTIES = (
    what_is_promised_is_what_the_steps_do,
    planning_the_target_again_leaves_nothing,
    the_machine_ends_as_asked,
    refused_or_busy_means_no_step,
    the_difference_tells_of_every_change_and_of_nothing_else,
    disks_never_shrink,
    nobody_elses_files_are_deleted,
    nothing_without_consent,
    a_segment_ends_where_its_end_must_be_seen,
    of_a_series_the_last_stay,
)


def _check_all(situation):
    vm, request, traits = situation
    planned = plan(vm, request, traits, source=source_of(request))
    for holds in PROPERTIES:
        holds(*situation, planned)


# Derandomised: a run that fails fails for everybody. The numbers are a budget of seconds, not a claim of coverage.
@settings(BOUNDED, max_examples=500)
@given(situations(requests))
def test_every_plan_for_a_machine(situation):
    _check_all(situation)


@settings(BOUNDED, max_examples=120)
@given(rebuilds())
def test_every_plan_that_may_rebuild(situation):
    _check_all(situation)


@settings(BOUNDED, max_examples=150)
@given(situations(snapshot_requests))
def test_every_plan_for_a_snapshot(situation):
    _check_all(situation)
