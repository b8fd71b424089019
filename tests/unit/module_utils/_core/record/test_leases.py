# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Leases: what a task can write, which time follows from it, and what an existing VM keeps."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import InvalidInput, Refused
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Field, Policy, Request, Traits, Vm
from ansible_collections.polyvirt.core.plugins.module_utils._core.planner.plan import plan
from ansible_collections.polyvirt.core.plugins.module_utils._core.record import leases
from ansible_collections.polyvirt.core.plugins.module_utils._core.record.leases import Expiry
from ansible_collections.polyvirt.core.plugins.module_utils._core.record.mark import (
    DAMAGED,
    empty_mark,
    parsed,
    printed,
    with_lease,
    with_settings,
)
from ansible_collections.polyvirt.core.plugins.module_utils._core.results.vm_result import expired

NOW = int(datetime(2027, 3, 27, 12, tzinfo=timezone.utc).timestamp())
HOUR = 3600


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90m", 90 * 60), ("8h", 8 * HOUR), ("14d", 14 * 24 * HOUR), ("1w", 7 * 24 * HOUR), ("1d12h", 36 * HOUR)],
)
def test_duration_counts_from_now(text, seconds):
    config = leases.beginning({"expires": leases.expiry(f" {text} ", "expires")}, NOW)
    assert (str(config["expires"]), config["expires"].at) == (text, NOW + seconds)


@pytest.mark.parametrize(
    ("text", "canonical", "at"),
    [
        # The end of a day in UTC, whatever the time zone of the controller.
        ("2027-03-28", "2027-03-28", "2027-03-29T00:00:00Z"),
        ("2027-03-28T02:30:00+01:00", "2027-03-28T01:30:00Z", "2027-03-28T01:30:00Z"),
        # In the hour that does not exist in Berlin on this day, the zone of the text counts.
        ("2027-03-28T02:30:00+02:00", "2027-03-28T00:30:00Z", "2027-03-28T00:30:00Z"),
        ("2027-10-31T02:30:00+02:00", "2027-10-31T00:30:00Z", "2027-10-31T00:30:00Z"),
        ("2027-10-31T02:30:00+01:00", "2027-10-31T01:30:00Z", "2027-10-31T01:30:00Z"),
        ("2027-03-28T01:30:00Z", "2027-03-28T01:30:00Z", "2027-03-28T01:30:00Z"),
        ("2027-03-28T01:30:00+14:00", "2027-03-27T11:30:00Z", "2027-03-27T11:30:00Z"),
        # As str() and isoformat() of YAML's own times.
        ("2027-03-28 01:30:00+00:00", "2027-03-28T01:30:00Z", "2027-03-28T01:30:00Z"),
        ("2027-03-28T01:30:00.500000+00:00", "2027-03-28T01:30:00Z", "2027-03-28T01:30:00Z"),
        ("2028-02-29", "2028-02-29", "2028-03-01T00:00:00Z"),
        ("1970-01-01 01:30+0100", "1970-01-01T00:30:00Z", "1970-01-01T00:30:00Z"),
        ("9999-12-30", "9999-12-30", "9999-12-31T00:00:00Z"),
    ],
)
def test_times(text, canonical, at):
    found = leases.expiry(text, "expires")
    assert (str(found), leases.iso(found.at)) == (canonical, at)


@pytest.mark.parametrize(
    "text",
    [
        "8",
        "8 h",
        "h",
        "-8h",
        "8H",
        "99999d",
        "tomorrow",
        "2027-02-30",
        "2027-03-28T02:30:00",
        "2027-03-28T02:30:00+15:00",
        "2027-03-28T02:30:00-01:60",
        "2027-03-28T02:30:00+25:00",
        "2027-03-28T24:00:00Z",
        "2027-03-28T23:59:60Z",
        "2027-W13-7",
        "20270328",
        "0000-01-01",
        # These could not be read again.
        "1969-12-30",
        "1970-01-01T00:30:00+01:00",
        "9999-12-31",
        "9999-12-31T23:59:59-14:00",
        "\u0662\u0660\u0662\u0667-03-28",
        "28.3.2027",
        "1.5h",
    ],
)
def test_other_texts_are_rejected_with_examples(text):
    with pytest.raises(InvalidInput) as caught:
        leases.expiry(text, "expires")
    assert f"expires: '{text}'" in caught.value.message
    assert "Set a " in caught.value.remedy


def test_duration_needs_the_time_of_the_controller():
    with pytest.raises(InvalidInput, match="time of the controller"):
        leases.beginning({"expires": Expiry("8h")}, None)
    absolute = {"expires": leases.expiry("2027-03-28", "expires")}
    assert leases.beginning(absolute, None) == absolute


def _request(expires, extend=False):
    return Request("web", config={"expires": expires}, policy=Policy(extend=extend))


def _vm(text, at):
    return Vm("web", id="1", config={"expires": Expiry(text, at, is_stored=True)}, mark={"id": "1"})


@pytest.mark.parametrize(
    ("found", "asked", "extend", "at"),
    [
        (("8h", NOW - HOUR), ("8h", NOW + 8 * HOUR), False, NOW - HOUR),
        (("8h", NOW - HOUR), ("8h", NOW + 8 * HOUR), True, NOW + 8 * HOUR),
        (("8h", NOW - HOUR), ("9h", NOW + 9 * HOUR), False, NOW + 9 * HOUR),
        # What an info module has returned can be set.
        (("8h", NOW), (leases.iso(NOW), NOW), False, NOW),
        # A duration that happens to end at the same time is another text.
        (("2027-03-28", NOW), ("8h", NOW), False, NOW),
    ],
)
def test_same_text_never_moves_an_expiry(found, asked, extend, at):
    config = leases.with_lease_of(_vm(*found), _request(Expiry(*asked), extend))
    assert config["expires"].at == at


def test_text_that_is_kept_is_no_change():
    config = leases.with_lease_of(_vm("8h", NOW), _request(Expiry("8h", NOW + HOUR)))
    assert config["expires"] == Expiry("8h", NOW)
    assert Expiry("8h", NOW) != Expiry("8h", NOW + HOUR)
    assert Expiry("8h", NOW) != "8h"


def test_diff_has_no_time_that_follows_from_that_of_the_run():
    assert Expiry("8h", NOW).shown == "8h"
    assert Expiry("8h", NOW, is_stored=True).shown == "2027-03-27T12:00:00Z"
    assert leases.expiry("2027-03-28", "expires").shown == "2027-03-29T00:00:00Z"


@pytest.mark.parametrize(
    ("at", "vm_id", "now", "expected"),
    [(NOW, "1", NOW, True), (NOW, "1", NOW - 1, False), (NOW, "2", NOW, False), (NOW, "1", None, False)],
)
def test_only_a_vm_with_its_own_mark_expires(at, vm_id, now, expected):
    vm = _vm("8h", at).having(id=vm_id)
    assert leases.is_expired(vm, now) is expected


def test_mark_has_the_text_and_the_time():
    mark = with_settings(empty_mark("1"), {"owner": "anna", "expires": Expiry("8h", NOW), "created": NOW})
    assert parsed(printed(mark)) == {
        **empty_mark("1"),
        "owner": "anna",
        "expires": {"text": "8h", "at": "2027-03-27T12:00:00Z"},
        "created": "2027-03-27T12:00:00Z",
    }
    assert with_settings(mark, {"owner": "", "expires": Expiry("")}) == {
        **empty_mark("1"),
        "created": "2027-03-27T12:00:00Z",
    }


@pytest.mark.parametrize(
    "part",
    [
        {"expires": "8h"},
        {"expires": {"text": "8h"}},
        {"expires": {"text": "8h", "at": "soon"}},
        {"expires": {"text": "8h", "at": "2027-03-27T12:00:00"}},
        {"expires": {"text": 8, "at": "2027-03-27T12:00:00Z"}},
        {"owner": ["anna"]},
        {"created": 7},
    ],
)
def test_mark_with_an_edited_lease_is_not_valid(part):
    assert DAMAGED in parsed(printed({**empty_mark("1"), **part}))


def test_restored_mark_has_the_lease_of_before():
    old = {"id": "1", "owner": "anna", "expires": {"text": "8h", "at": "2027-03-27T12:00:00Z"}, "tags": ["a"]}
    now = {"id": "1", "owner": "ben", "created": "2027-03-27T12:00:00Z"}
    assert with_lease(old, now) == {"id": "1", "owner": "ben", "created": "2027-03-27T12:00:00Z", "tags": ["a"]}


# Ending leases --------------------------------------------------------------------------------------------------------


def _ended(vm, state="absent", grace=0, now=NOW):
    request = Request("web", state=state, policy=Policy(expired_for=grace, controller_time=now))
    return plan(vm, request, TRAITS)


TRAITS = Traits("any")


@pytest.mark.parametrize(
    ("at", "grace", "is_changed"),
    [(NOW, 0, True), (NOW + 1, 0, False), (NOW - HOUR, HOUR, True), (NOW - HOUR + 1, HOUR, False)],
)
@pytest.mark.parametrize("state", ["absent", "stopped"])
def test_vm_ends_only_if_it_has_expired_for_long_enough(state, at, grace, is_changed):
    vm = _vm("8h", at).having(power="running")
    planned = _ended(vm, state, grace)
    assert (planned.changed, planned.refusal) == (is_changed, None)


@pytest.mark.parametrize("vm", [_vm("8h", NOW).having(id="2"), _vm("8h", NOW).having(mark=None), _vm("", None)])
def test_vm_that_is_not_ours_or_has_no_lease_is_kept(vm):
    assert not _ended(vm).changed


def test_nothing_ends_without_the_time_of_the_controller():
    assert not _ended(_vm("8h", NOW), now=None).changed


@pytest.mark.parametrize(("created", "is_refused"), [(NOW, False), (NOW + 300, False), (NOW + 301, True)])
def test_vm_from_the_future_is_kept(created, is_refused):
    vm = _vm("8h", NOW).having(mark={"id": "1", "created": leases.iso(created)})
    planned = _ended(vm)
    assert (planned.refusal is not None, planned.changed) == (is_refused, not is_refused)
    if is_refused:
        assert "is wrong, correct it. If it was wrong at the creation" in str(planned.refusal)
        # As that remedy says.
        assert not _ended(vm.having(config={"expires": leases.Expiry("1h", NOW + 3600, is_stored=True)})).refusal


@pytest.mark.parametrize(("difference", "is_refused"), [(300, False), (-300, False), (301, True), (-301, True)])
def test_clocks(difference, is_refused):
    if not is_refused:
        leases.check_clocks("expired_for", NOW + difference, NOW)
        return
    with pytest.raises(Refused, match="clock of the host"):
        leases.check_clocks("expired_for", NOW + difference, NOW)


@pytest.mark.parametrize("text", ["8", "", "h", "-1h", "99999d"])
def test_grace_must_be_a_duration(text):
    with pytest.raises(InvalidInput, match="expired_for"):
        leases.seconds(text, "expired_for")


def test_expired_vm_is_a_warning():
    request = Request("web", policy=Policy(controller_time=NOW))
    assert "web: it has expired (2027-03-27T12:00:00Z)" in expired(_vm("8h", NOW), request)
    assert expired(_vm("8h", NOW + 1), request) is None
    assert expired(_vm("8h", NOW).having(power="absent"), request) is None


def test_times_are_those_of_the_library():
    for at in [*range(0, 4 * 10**9, 12_345_678), 951782399, 951782400, 4107542399]:
        text = datetime.fromtimestamp(at, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        assert (leases.iso(at), leases.read_time(text)) == (text, at)


@pytest.mark.parametrize(
    ("before", "expires", "option"),
    [
        ("", Expiry("8h", NOW + 8 * HOUR), "expires"),
        ("8h", Expiry("8h", NOW + 8 * HOUR), ""),
        ("", Expiry("2099-01-31", NOW + 8 * HOUR), ""),
        ("8h", leases.NEVER_EXPIRES, ""),
        ("", None, ""),
    ],
)
def test_clocks_matter_where_a_duration_begins(before, expires, option):
    vm = _vm(before, NOW + HOUR if before else None)
    config = {"cpus": 2, **({} if expires is None else {"expires": expires})}
    request = Request("web", state="stopped", config=config, policy=Policy(controller_time=NOW))
    traits = Traits("any", fields={name: Field() for name in ("cpus", "expires")})
    assert leases.timed_by(request, plan(vm.having(power="stopped"), request, traits)) == option
