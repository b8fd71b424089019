# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Events of observations and reports, in tables and in random orders of both."""

from __future__ import annotations

import random

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.results.vm_events import KnownVms

from suite.belts import seed


def _vm(name, state, source="a", vm_id="id-", **more):
    return {"name": name, "id": vm_id and f"{vm_id}{name}", "source": source, "state": state, **more}


def _known(*vms):
    known = KnownVms()
    assert known.observed(vms) == []
    return known


def _told(events):
    return [(one["event"], one["vm"]["name"], one["previous_state"]) for one in events]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("stopped", "running", "vm.started"),
        ("running", "stopped", "vm.stopped"),
        ("running", "paused", "vm.paused"),
        ("paused", "running", "vm.resumed"),
        ("running", "suspended", "vm.suspended"),
        ("suspended", "running", "vm.started"),
        ("running", "failed", "vm.crashed"),
        ("paused", "failed", "vm.crashed"),
        ("failed", "stopped", "vm.stopped"),
        ("running", "running", None),
        ("running", "unknown", None),
        ("unknown", "running", None),
    ],
)
def test_change_of_state_between_two_observations(before, after, expected):
    known = _known(_vm("web", before))
    assert _told(known.observed([_vm("web", after)])) == ([(expected, "web", before)] if expected else [])
    assert known.observed([_vm("web", after)]) == []


def test_state_that_is_unknown_for_a_while_is_no_change():
    known = _known(_vm("web", "running"), _vm("db", "running"))
    assert known.observed([_vm("web", "unknown"), _vm("db", "unknown")]) == []
    assert _told(known.observed([_vm("web", "running"), _vm("db", "stopped")])) == [("vm.stopped", "db", "running")]


def test_new_and_deleted_vms():
    known = _known(_vm("web", "running"))
    events = known.observed([_vm("db", "running", fleet="shop"), _vm("new", "stopped")])
    assert _told(events) == [
        ("vm.deleted", "web", "running"),
        ("vm.created", "db", None),
        ("vm.started", "db", "stopped"),
        ("vm.created", "new", None),
    ]
    assert events[1]["vm"] == _vm("db", "running", fleet="shop")


def test_vm_that_was_created_again_is_another_one():
    known = _known(_vm("web", "stopped", vm_id="1-"))
    events = known.observed([_vm("web", "stopped", vm_id="2-")])
    assert [one["event"] for one in events] == ["vm.deleted", "vm.created"]
    assert known.observed([_vm("web", "stopped", vm_id="2-")]) == []


def test_vms_of_a_source_that_cannot_be_read_are_not_deleted():
    known = _known(_vm("web", "running"), _vm("web", "running", source="b"))
    assert known.observed([_vm("web", "running", source="b")], unread=["a"]) == []
    back = [_vm("web", "stopped"), _vm("web", "running", source="b")]
    assert _told(known.observed(back)) == [("vm.stopped", "web", "running")]


def test_report_is_not_repeated_by_observations_or_reports():
    known = _known(_vm("web", "running"))
    for events in (known.reported("a", "web", "stopped", True, "Stopped Failed"),):
        assert _told(events) == [("vm.crashed", "web", "running")]
        assert (events[0]["reason"], events[0]["vm"]["state"]) == ("Stopped Failed", "stopped")
    assert known.reported("a", "web", "stopped", True, "Stopped Failed") == []
    assert known.observed([_vm("web", "stopped")]) == []


def test_crash_is_reported_once_if_the_state_was_failed_before():
    known = _known(_vm("web", "running"))
    assert _told(known.reported("a", "web", "failed", False, "Crashed Panicked")) == [("vm.crashed", "web", "running")]
    assert _told(known.reported("a", "web", "stopped", True, "Stopped Crashed")) == [("vm.stopped", "web", "failed")]


def test_report_of_a_vm_that_is_not_known_asks_for_an_observation():
    assert KnownVms().reported("a", "web", "running") is None
    known = _known(_vm("web", "running"), _vm("db", "running", vm_id="1-"), _vm("db", "running", vm_id="2-"))
    for source, name in (("b", "web"), ("a", "new"), ("a", "db")):
        assert known.reported(source, name, "stopped") is None


@pytest.mark.parametrize("late", [[_vm("web", "running")], []])
def test_observation_that_is_older_than_a_report_does_not_undo_it(late):
    known = _known(_vm("web", "running"))
    assert len(known.reported("a", "web", "stopped")) == 1
    assert known.observed(late, newer={("a", "web")}) == []
    assert known.observed([_vm("web", "stopped")]) == []


_MOVES = {
    "stopped": ["running"],
    "running": ["stopped", "paused", "failed"],
    "paused": ["running"],
    "failed": ["stopped"],
}


def test_random_orders_of_reports_and_observations():
    """Each event follows from the one before, whatever is late or lost, and the last observation leaves nothing."""
    chance, sent = random.Random(seed()), 0
    for _case in range(2000):
        state, known, reports = "stopped", _known(_vm("web", "stopped")), []
        events = []
        for _step in range(12):
            state = chance.choice(_MOVES[state])
            reports.append(state)
            if chance.random() < 0.2:
                reports.clear()  # The connection was lost.
            if chance.random() < 0.5:
                while reports:
                    events += known.reported("a", "web", reports.pop(0))
            if chance.random() < 0.3:
                events += known.observed([_vm("web", state)])
        events += [one for left in reports for one in known.reported("a", "web", left)]
        events += known.observed([_vm("web", state)])
        states = ["stopped"] + [one["vm"]["state"] for one in events]
        assert [one["previous_state"] for one in events] == states[:-1]
        assert all(before != after for before, after in zip(states, states[1:]))
        assert states[-1] == state
        sent += len(events)
    assert sent > 2000


def test_expired_vm_is_reported_until_it_has_ended_and_after_the_first_observation_too():
    known = _known(_vm("web", "running", expires="2027-01-01T00:00:00Z"), _vm("db", "stopped", expires=None))
    assert known.expired("2026-12-31T23:59:59Z") == []
    assert _told(known.expired("2027-01-01T00:00:00Z")) == [("vm.expired", "web", "running")]
    # Whoever could not act on the first one gets it again, at each reading.
    for _reading in range(2):
        assert _told(known.expired("2027-01-02T00:00:00Z")) == [("vm.still_expired", "web", "running")]
    # One that was extended expires again.
    known.observed([_vm("web", "running", expires="2027-01-03T00:00:00Z")])
    assert known.expired("2027-01-02T00:00:00Z") == []
    assert _told(known.expired("2027-01-03T00:00:00Z")) == [("vm.expired", "web", "running")]


def test_nothing_has_expired_before_the_first_observation():
    assert KnownVms().expired("2027-01-01T00:00:00Z") == []


def test_crashed_vm_is_reported_until_its_state_is_another_one():
    known = _known(_vm("web", "running"), _vm("db", "failed"), _vm("old", "stopped"))
    assert _told(known.reported("a", "web", "stopped", has_crashed=True)) == [("vm.crashed", "web", "running")]
    listed = [_vm("web", "stopped"), _vm("db", "failed"), _vm("old", "stopped")]
    for _reading in range(2):
        assert known.observed(listed) == []
        assert _told(known.expired("")) == [
            ("vm.still_crashed", "web", "stopped"),
            ("vm.still_crashed", "db", "failed"),
        ]
    known.observed([_vm("web", "running"), _vm("db", "stopped")])
    assert known.expired("") == []
    # Stopped by somebody: no crash.
    known.observed([_vm("web", "stopped"), _vm("db", "stopped")])
    assert known.expired("") == []
