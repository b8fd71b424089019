# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots on every platform: created, restored, deleted, listed, compared; and tasks that must fail."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import (
    LIVE,
    PAUSED,
    RUNNING,
    STOPPED,
    SUSPENDED,
    Change,
    Snapshot,
    SnapshotRequest,
    Vm,
)

from platforms.known import WITH_SNAPSHOTS
from suite.answer import Task, writes
from suite.scenarios.refusals import KNOWN
from suite.scenarios.snapshots import NAMES, TAKEN, refusals, refused_comparisons, snapshot, snapshot_info

pytestmark = pytest.mark.parametrize("platform_name", WITH_SNAPSHOTS, indirect=True, scope="session")
#: {VM: power state at the snapshot}, and {VM: power state before the restore}.
POWERS = {"pvc-off": STOPPED, "pvc-on": RUNNING, "pvc-held": PAUSED}
MOVED = {"pvc-off": RUNNING, "pvc-on": PAUSED, "pvc-held": STOPPED}
ONE = "pvc-one"
RUNS = ("check", "real", "again")
THEN, NOW = 0x11, 0x22


def _powers(platform):
    """{name: power state} for the power states that this platform supports."""
    return {name: power for name, power in POWERS.items() if power in platform.finds}


def _all_well(answers):
    for label, answer in answers.items():
        assert not answer.failed, f"{label}: {answer.msg}"


def _foretold(platform, check, real, before, names):
    """Assert that check mode changed nothing and predicted the changes; ``before`` is the state before it."""
    assert writes(platform, check) == []
    assert check.truth == before
    assert (check.changed, check.diff) == (real.changed, real.diff)
    for name in names:
        foretold, found = (_without_age(answer.vm(name)["snapshots"]) for answer in (check, real))
        assert foretold == found
        assert check.vm(name)["state"] == real.vm(name)["state"]


def _without_age(snapshots):
    return [{key: value for key, value in one.items() if key not in ("created", "id")} for one in snapshots]


def _did_nothing(platform, answer, before):
    assert (answer.failed, answer.changed, answer.diff) == (False, False, []), answer.msg
    assert writes(platform, answer) == []
    assert answer.truth == before


@pytest.mark.real
def test_snapshot_is_taken_in_every_power_state(platform, carry):
    """Check mode, run, second run; the power state is not changed; all modules report the same snapshots."""
    platform.clean()
    powers = _powers(platform)
    machines = list(powers)
    platform.bring(powers)
    before = platform.truth(machines)
    given = {"description": "first <&> ü"}
    tasks = [
        *(snapshot(run, machines, "first", check=run == "check", **given) for run in RUNS),
        snapshot("second", machines, "second"),
        *(snapshot_info(about, machines, about) for about in ("vm_info", "snapshot_info")),
    ]
    answers = carry(platform, tasks, machines)
    _all_well(answers)
    _foretold(platform, answers["check"], answers["real"], before, machines)
    _did_nothing(platform, answers["again"], answers["real"].truth)
    for name, power in powers.items():
        taken = _taken_as(platform, power)
        assert answers["again"].vm(name)["not_compared"] == ["description"]
        assert answers["second"].truth[name]["power"] == power
        assert answers["second"].truth[name]["stored"] == before[name]["stored"]
        tree = answers["second"].vm(name)["snapshots"]
        assert [answers[about].vm(name)["snapshots"] for about in ("vm_info", "snapshot_info")] == [tree, tree]
        assert answers["snapshot_info"].vm(name)["leftovers"] == []
        assert platform.snapshots(name) == {
            "first": {"parent": None, "state": taken, "description": "first <&> ü", "current": False},
            "second": {"parent": "first", "state": taken, "description": "", "current": True},
        }
        assert _words(tree) == [("first", None, taken, False), ("second", "first", taken, True)]


def _taken_as(platform, power):
    """The power state after the restore of a snapshot that was taken in the state ``power``."""
    return platform.traits().taken_as(Vm(ONE, power=power), SnapshotRequest("any"))[1]


def _words(tree):
    """(name, name of the parent, state, current) of each snapshot; results may name the parent by its id."""
    names = {one["id"]: one["name"] for one in tree if one["id"]}
    return [(one["name"], names.get(one["parent"], one["parent"]), one["state"], one["current"]) for one in tree]


@pytest.mark.real
@pytest.mark.core
def test_snapshot_is_restored_from_every_power_state(platform, carry):
    """A restore restores power state, settings and disks. It is never skipped, and always reported as changed."""
    platform.clean()
    powers = _powers(platform)
    machines = list(powers)
    platform.bring(powers)
    # The test writes to the disk itself, which is only possible while the VM is off.
    platform.write("pvc-off", THEN)
    before = platform.truth(machines)
    settings = {name: platform.settings(before[name]) for name in machines}
    changed = {**platform.consent, "name": machines, "cpus": 2, "memory": "96M"}
    first = carry(platform, [snapshot("take", machines, "first"), Task("change", changed)], machines)
    _all_well(first)
    assert platform.settings(first["change"].truth["pvc-on"])["memory"] == 96 << 20
    platform.write("pvc-off", NOW)
    # Change each VM to another power state.
    for name in machines:
        platform.move(name, MOVED[name] if MOVED[name] in platform.finds else STOPPED)
    before = platform.truth(machines)
    tasks = [snapshot(run, machines, "first", "restored", run == "check") for run in RUNS]
    answers = carry(platform, tasks, machines)
    _all_well(answers)
    _foretold(platform, answers["check"], answers["real"], before, machines)
    assert platform.holds(answers["again"].truth["pvc-off"], THEN if platform.snapshots_hold_disks else NOW)
    for name, power in powers.items():
        for run in ("real", "again"):
            assert answers[run].vm(name)["changed"], run
            assert answers[run].truth[name]["power"] == answers[run].vm(name)["state"] == _taken_as(platform, power)
            assert platform.settings(answers[run].truth[name]) == settings[name]
        assert "memory" in answers["check"].diff_of(name)["before"]
    _keeps_its_power(platform, carry)


def _keeps_its_power(platform, carry):
    platform.move("pvc-off", RUNNING)
    if PAUSED in platform.finds:
        platform.move("pvc-held", STOPPED)
    keep = [snapshot("keep", ["pvc-off", "pvc-on"], "first", "restored", power="keep")]
    answer = carry(platform, keep, ["pvc-off", "pvc-on"])["keep"]
    assert not answer.failed, answer.msg
    assert [answer.truth[name]["power"] for name in ("pvc-off", "pvc-on")] == [RUNNING, RUNNING]
    # A snapshot may have memory; the guest of a stopped VM is not started for that.
    platform.move("pvc-on", STOPPED)
    keep = [snapshot("off", ["pvc-on"], "first", "restored", power="keep")]
    answer = carry(platform, keep, ["pvc-on"])["off"]
    assert (answer.failed, answer.truth["pvc-on"]["power"]) == (False, STOPPED), answer.msg
    assert "start" not in [step["verb"] for step in answer.vm("pvc-on")["steps"]]


def test_restore_discards_saved_memory(platform, carry):
    """Saved memory does not fit the disks of a snapshot, so a restore discards it. If the platform cannot include it in
    a snapshot, none is created.
    """
    saved, fields = Vm(ONE, power=SUSPENDED), platform.traits().fields
    change = Change("snapshot", Snapshot("first"), SnapshotRequest("second"))
    can_freeze, restores_over = (
        fields[f"snapshot.{kind}"].cost_of(saved, change) == LIVE for kind in ("take", "restore")
    )
    platform.clean()
    platform.bring({ONE: RUNNING})
    _all_well(carry(platform, [snapshot("take", [ONE], "first")], [ONE]))
    if SUSPENDED not in platform.traits().powers:
        _cannot_be_suspended(platform, carry)
        return
    platform.move(ONE, SUSPENDED)
    before = platform.truth([ONE])
    tasks = [
        snapshot("another", [ONE], "second"),
        *(snapshot(run, [ONE], "first", "restored", run == "check") for run in ("check", "real")),
    ]
    answers = carry(platform, tasks, [ONE])
    another = answers.pop("another")
    assert another.failed != can_freeze, another.msg
    if not can_freeze:
        assert "suspended" in another.msg
        assert another.truth == before
    before = another.truth
    _all_well(answers)
    _foretold(platform, answers["check"], answers["real"], before, [ONE])
    verbs = [step["verb"] for step in answers["real"].vm(ONE)["steps"]]
    assert verbs == (["restore", "start"] if restores_over else ["kill", "restore"])
    assert answers["real"].truth[ONE]["power"] == RUNNING


def _cannot_be_suspended(platform, carry):
    """The platform does not support the state suspended."""
    before = platform.truth([ONE])
    answer = carry(platform, [Task("suspend", {"name": [ONE], "state": "suspended"})], [ONE])["suspend"]
    assert (answer.failed, answer.changed, answer.truth) == (True, False, before)
    assert platform.traits().instead[SUSPENDED] in answer.msg
    assert writes(platform, answer) == []


@pytest.mark.real
@pytest.mark.core
def test_snapshot_is_deleted_with_and_without_children(platform, carry):
    platform.clean()
    platform.bring({ONE: STOPPED})
    tasks = [
        *(snapshot(name, [ONE], name) for name in ("s-a", "s-b", "s-c", "s-d")),
        *(snapshot(f"s-b {run}", [ONE], "s-b", "absent", run == "check") for run in RUNS),
        *(snapshot(f"s-c {run}", [ONE], "s-c", "absent", run == "check", children=True) for run in RUNS),
        # The current snapshot was deleted, so its parent is the current one.
        snapshot("s-e", [ONE], "s-e"),
    ]
    answers = carry(platform, tasks, [ONE])
    _all_well(answers)
    for name, before, left in (("s-b", "s-d", ["s-a", "s-c", "s-d"]), ("s-c", "s-b again", ["s-a"])):
        check, real, again = (answers[f"{name} {run}"] for run in RUNS)
        _foretold(platform, check, real, answers[before].truth, [ONE])
        _did_nothing(platform, again, real.truth)
        assert [one["name"] for one in real.vm(ONE)["snapshots"]] == left
    left = [words[:2] for words in _words(answers["s-b real"].vm(ONE)["snapshots"])]
    assert left == [("s-a", None), ("s-c", "s-a"), ("s-d", "s-c")]
    assert {name: one["parent"] for name, one in platform.snapshots(ONE).items()} == {"s-a": None, "s-e": "s-a"}


@pytest.mark.real
def test_keep_last_keeps_the_newest_of_a_series(platform, carry):
    """Snapshots of other names are never touched, and a second run does nothing."""
    platform.clean()
    platform.bring({ONE: STOPPED})
    taken = [snapshot(name, [ONE], name) for name in ("other", "nightly-8", "nightly-9")]
    tasks = [snapshot(run, [ONE], "nightly-10", check=run == "check", keep_last=2) for run in RUNS]
    answers = carry(platform, [*taken, *tasks], [ONE])
    _all_well(answers)
    _foretold(platform, answers["check"], answers["real"], answers["nightly-9"].truth, [ONE])
    _did_nothing(platform, answers["again"], answers["real"].truth)
    assert set(platform.snapshots(ONE)) == {"other", "nightly-9", "nightly-10"}


def test_id_in_another_spelling_selects_the_same_vm(platform, carry):
    platform.clean()
    platform.bring({ONE: STOPPED})
    another = platform.another_spelling(ONE)
    tasks = [
        Task("take", {"id": another, "snapshot": "first"}, about="snapshot"),
        Task("info", {"id": another}, about="snapshot_info"),
        Task("drop", {"id": another, "snapshot": "first", "state": "absent"}, about="snapshot"),
    ]
    answers = carry(platform, tasks, [ONE])
    _all_well(answers)
    assert [one["name"] for one in answers["info"].vm(ONE)["snapshots"]] == ["first"]
    assert answers["drop"].changed
    assert platform.snapshots(ONE) == {}


def test_strange_names(platform, carry):
    platform.clean()
    platform.bring({ONE: STOPPED})
    names = [name for name in NAMES if not platform.traits().snapshot_name_fault(name)]
    taken = [snapshot(f"take {name}", [ONE], name) for name in names]
    tasks = [*taken, snapshot("restore", [ONE], names[1], "restored"), snapshot_info("info", [ONE])]
    answers = carry(platform, tasks, [ONE])
    _all_well(answers)
    assert {one["name"] for one in answers["info"].vm(ONE)["snapshots"]} == set(names)
    assert set(platform.snapshots(ONE)) == set(names)
    answers = carry(platform, [snapshot(f"drop {name}", [ONE], name, "absent") for name in names[::-1]], [ONE])
    _all_well(answers)
    assert all(answer.changed for answer in answers.values())
    assert platform.snapshots(ONE) == {}


def test_refusals(platform, carry):
    """Each task fails with one clear message, and the backend is not changed."""
    platform.clean()
    platform.bring({KNOWN: STOPPED})
    _all_well(carry(platform, [snapshot("take", [KNOWN], TAKEN)], [KNOWN]))
    cases = [(case, "snapshot") for case in refusals(platform.traits())]
    cases += [(case, "snapshot_info") for case in refused_comparisons(platform.traits())]
    before, files = platform.truth([KNOWN]), platform.files()
    answers = carry(platform, [Task(case.label, case.options, about=about) for case, about in cases], [KNOWN])
    faults = [f"{case.label}: {fault}" for case, _about in cases for fault in _faults(platform, case, answers, before)]
    assert not faults, "\n".join(faults)
    assert platform.files() == files


def _faults(platform, case, answers, before):
    answer = answers[case.label]
    if (answer.failed, answer.changed) != (True, False):
        yield f"it was not refused: {answer.result}"
    if "\n" in answer.msg or "Unexpected" in answer.msg:
        yield f"this is no clear message: {answer.msg}"
    yield from (f"{word!r} is not in: {answer.msg}" for word in case.words if word not in answer.msg)
    if writes(platform, answer) or answer.truth != before:
        yield f"something was changed: {writes(platform, answer)}"


def test_one_rejected_vm_fails_the_task_before_any_change(platform, carry):
    """An absent VM has no snapshots, so only a task with state absent succeeds."""
    platform.clean()
    platform.bring({ONE: STOPPED})
    both = [ONE, "pvc-no"]
    tasks = [
        snapshot("take", [ONE], "first"),
        snapshot("present", both, "second"),
        snapshot("restored", both, "first", "restored"),
        snapshot("absent", both, "first", "absent"),
    ]
    answers = carry(platform, tasks, [ONE])
    for state in ("present", "restored"):
        answer = answers[state]
        assert (answer.failed, answer.changed, answer.truth) == (True, False, answers["take"].truth)
        assert "pvc-no" in answer.msg
        assert writes(platform, answer) == []
    assert (answers["absent"].failed, answers["absent"].changed) == (False, True)
    assert platform.snapshots(ONE) == {}


def test_settings_are_compared_with_a_snapshot(platform, carry):
    """Two snapshots are compared, and a snapshot with the present state; nothing is written."""
    platform.clean()
    platform.bring({ONE: STOPPED})
    tasks = [
        snapshot("first", [ONE], "first"),
        Task("change", {"name": [ONE], "cpus": 2}),
        snapshot("second", [ONE], "second"),
        Task("change again", {"name": [ONE], "memory": "96M"}),
        snapshot_info("back", [ONE], compare={"from": "second", "to": "first"}),
        snapshot_info("now", [ONE], compare={"from": "first"}),
    ]
    answers = carry(platform, tasks, [ONE])
    _all_well(answers)
    memory = {"path": "memory", "before": 128 << 20, "after": 96 << 20}
    assert answers["back"].vm(ONE)["differences"] == [{"path": "cpus", "before": 2, "after": 1}]
    assert answers["now"].vm(ONE)["differences"] == [{"path": "cpus", "before": 1, "after": 2}, memory]
    assert "content" not in answers["now"].vm(ONE)
    assert [writes(platform, answers[label]) for label in ("back", "now")] == [[], []]
