# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Owner, expiry and limits of VMs on every platform: which tasks move an expiry, what survives, what is rejected."""

from __future__ import annotations

import calendar
import time

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import NEVER, RUNNING, STOPPED, Change, Vm

from suite.answer import Task, writes
from suite.carry import SAME_CLOCK, set_host_time
from suite.scenarios.options import has
from suite.scenarios.snapshots import snapshot
from suite.source_host import set_clock

ONE, OTHER = "pvc-lease-one", "pvc-lease-two"
BOTH = [ONE, OTHER]
RUNS = ("check", "real", "again")
HOUR = 3600
#: When the first task of a test runs, by the clock of the controller.
BEGIN = calendar.timegm((2036, 10, 25, 23, 30, 0))
#: When a task could set an expiry that has passed by now; in seconds since 1970.
LONG_AGO = calendar.timegm((2020, 1, 1, 0, 0, 0))


@pytest.fixture(autouse=True)
def _clock_of_the_host(request, platform, monkeypatch):
    """That of the controller, whatever time a task sets, except in tests about other clocks."""
    if "expired" not in request.node.name:
        monkeypatch.setenv(SAME_CLOCK, "1")
    yield
    set_host_time(platform, _now())


def _now():
    """The time of the controller, which is compared with that of the host: more than five minutes apart is an error."""
    return int(time.time())


def _iso(after_hours):
    """The time that many hours after BEGIN as text."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(BEGIN + after_hours * HOUR))


def _task(label, after_hours=0, check=False, name=ONE, **options):
    """A task about a VM, that many hours after BEGIN."""
    return Task(label, {"name": name, "controller_time": BEGIN + after_hours * HOUR, **options}, check)


def _new(platform, label, after_hours=0, check=False, name=ONE, **options):
    return _task(label, after_hours, check, name, **{**platform.creation, **platform.to_exist, **options})


def _lease(platform, answer, name=ONE):
    """(owner, expiry), read without the code under test; the result must show the same."""
    settings = platform.settings(answer.truth[name])
    shown = answer.vm(name)
    assert (shown["owner"] or "", shown["expires"]) == (settings["owner"], settings["expires"])
    return settings["owner"], settings["expires"]


def _all_well(answers):
    assert {label: answer.msg for label, answer in answers.items() if answer.failed} == {}


@pytest.mark.core
def test_expiry_moves_only_when_a_task_extends_or_changes_it(platform, carry):
    platform.clean()
    eight = {"owner": "anna", "expires": "8h"}
    tasks = [
        *(_new(platform, run, check=run == "check", **eight) for run in RUNS),
        _new(platform, "later", 2, **eight),
        *(_task(f"extend {run}", 2, run == "check", **eight, extend=True) for run in ("check", "real")),
        *(_task(f"other {run}", 3, run == "check", expires="90m") for run in RUNS),
        _task("left out", 5),
        *(_task(f"never {run}", 5, run == "check", owner="", expires="") for run in RUNS),
    ]
    answers = carry(platform, tasks, [ONE])
    _all_well(answers)
    assert answers["check"].truth == {ONE: None}
    expected = {
        **dict.fromkeys(("real", "again", "later", "extend check"), ("anna", _iso(8))),
        **dict.fromkeys(("extend real", "other check"), ("anna", _iso(10))),
        **dict.fromkeys(("other real", "other again", "left out", "never check"), ("anna", _iso(4.5))),
        **dict.fromkeys(("never real", "never again"), ("", None)),
    }
    truth = {label: platform.settings(answers[label].truth[ONE]) for label in expected}
    assert {label: (one["owner"], one["expires"]) for label, one in truth.items()} == expected
    for prefix in ("", "extend ", "other ", "never "):
        check, real = answers[f"{prefix}check"], answers[f"{prefix}real"]
        assert (check.changed, check.diff, writes(platform, check)) == (True, real.diff, []), prefix
        _lease(platform, real)
    for label in ("again", "later", "other again", "left out", "never again"):
        assert (answers[label].changed, writes(platform, answers[label])) == (False, []), label
    warnings = {label: str(answers[label].result.get("warnings", "")) for label in ("later", "left out")}
    assert ["expired" in warnings[label] for label in ("later", "left out")] == [False, True], warnings


def test_vms_are_found_by_their_lease(platform, carry):
    platform.clean()
    filters = {"mine": {"owner": "anna"}, "expired": {"expired": True}, "both": {"owner": "anna", "expired": True}}
    infos = [
        Task(label, {"filters": one, "controller_time": BEGIN + 9 * HOUR}, about="vm_info")
        for label, one in filters.items()
    ]
    created = [
        _new(platform, "one", owner="anna", expires="8h"),
        _new(platform, "other", name=OTHER, owner="ben", expires="10h"),
        _task("anna's", name=OTHER, owner="anna"),
    ]
    answers = carry(platform, [*created, *infos], BOTH)
    _all_well(answers)
    found = {label: {vm["name"] for vm in answers[label].vms} & set(BOTH) for label in filters}
    assert found == {"mine": set(BOTH), "expired": {ONE}, "both": {ONE}}


def test_lease_survives_a_restore(platform, carry):
    """The snapshot was taken with another lease, or without one."""
    platform.clean()
    if not platform.has_snapshots:
        assert not has(platform.traits(), "snapshot")
        return
    tasks = [
        _new(platform, "create"),
        snapshot("take", ONE, "free"),
        _task("lease", 1, owner="anna", expires="1h"),
        snapshot("take again", ONE, "leased"),
        _task("change", 1, owner="ben", expires="5h"),
        snapshot("restore", ONE, "leased", "restored"),
        snapshot("restore the first", ONE, "free", "restored"),
        _task("again", 2, owner="ben", expires="5h"),
        Task("info", {"name": ONE}, about="vm_info"),
    ]
    answers = carry(platform, tasks, [ONE])
    _all_well(answers)
    for label in ("change", "again", "info"):
        assert _lease(platform, answers[label]) == ("ben", _iso(6)), label
        assert answers[label].vm(ONE)["created"] == _iso(0), label
    for label in ("restore", "restore the first"):
        settings = platform.settings(answers[label].truth[ONE])
        assert (settings["owner"], settings["expires"]) == ("ben", _iso(6)), label
    assert not answers["again"].changed


def test_lease_of_a_clone_is_its_own(platform, carry):
    platform.clean()
    traits = platform.traits()
    clone = {"clone": {"source": ONE}}
    source = _new(platform, "source", owner="anna", expires="8h", networks=[platform.cloneable_nic])
    if not has(traits, "networks"):
        del source.options["networks"]
    tasks = [
        source,
        _task("clone", 1, name=OTHER, **clone),
        _task("away", 1, name=OTHER, state="absent"),
        _task("leased", 2, name=OTHER, owner="ben", expires="1h", **clone),
        _task("again", 3, name=OTHER, owner="ben", expires="1h", **clone),
    ]
    answers = carry(platform, tasks, BOTH)
    found = traits.fields.get("clone")
    if found is None or found.cost_of(Vm(ONE, power=STOPPED), Change("clone", None, clone["clone"])) == NEVER:
        assert (answers["clone"].failed, answers["leased"].failed, answers["leased"].truth[OTHER]) == (True, True, None)
        return
    _all_well(answers)
    assert _lease(platform, answers["clone"], OTHER) == ("", None)
    assert answers["clone"].vm(OTHER)["created"] == _iso(1)
    assert _lease(platform, answers["leased"], OTHER) == ("ben", _iso(3))
    assert answers["again"].truth == answers["leased"].truth
    assert not answers["again"].changed
    assert _lease(platform, answers["source"]) == ("anna", _iso(8))
    assert answers["again"].truth[ONE] == answers["source"].truth[ONE]


def test_lease_survives_what_a_platform_can_do_with_a_whole_vm(platform, carry):
    """A VM that is created again, or exported, where the platform can do that."""
    platform.clean()
    tasks = [
        _new(platform, "create", owner="anna", expires="8h"),
        *(_new(platform, label, 1, **options) for label, options in platform.whole_vm_tasks().items()),
    ]
    answers = carry(platform, tasks, [ONE])
    _all_well(answers)
    for label in platform.whole_vm_tasks():
        assert answers[label].changed, label
        assert _lease(platform, answers[label]) == ("anna", _iso(8)), label


@pytest.mark.parametrize("per", ["owner", "fleet", "host"])
def test_limits_reject_a_vm_before_it_is_created(platform, carry, per):
    platform.clean()
    theirs = platform.name.startswith("libvirt")  # A VM that all_names leaves out.
    limit = 1 + (len(platform.all_names()) + theirs if per == "host" else 0)
    limits = {"vms": limit, "per": per}
    group = {} if per == "host" else {per: "anna"}
    full = {"limits": limits, **group}
    entries = [{"name": ONE, "state": "absent", "stop_mode": "force"}, {"name": OTHER, **platform.creation}]
    exchange = {**full, "machines": entries}
    tasks = [
        _new(platform, "first", **full),
        _new(platform, "again", **full),
        *(_new(platform, f"second {run}", check=run == "check", name=OTHER, **full) for run in ("check", "real")),
        _new(platform, "another group", check=True, name=OTHER, limits=limits, **dict.fromkeys(group, "ben")),
        *(Task(f"exchange {run}", {**exchange, "controller_time": BEGIN}, run == "check") for run in ("check", "real")),
    ]
    answers = carry(platform, tasks, BOTH)
    for run in ("check", "real"):
        refused = answers[f"second {run}"]
        assert (refused.failed, refused.changed, refused.truth[OTHER]) == (True, False, None)
        assert f"{OTHER}: limits: " in refused.msg
        counted = f"would use {limit + 1} VMs, and {limit} VMs are permitted; {limit} VMs are in use."
        assert counted in refused.msg
        assert writes(platform, refused) == []
    assert answers["another group"].failed == (per == "host")
    assert (answers["again"].failed, answers["again"].changed) == (False, False)
    for label in ("exchange check", "exchange real"):
        assert (answers[label].failed, answers[label].changed) == (False, True), answers[label].msg
    assert answers["exchange real"].truth[ONE] is None
    assert answers["exchange real"].truth[OTHER]


def test_limits_count_memory_and_cpus_where_the_platform_has_them(platform, carry):
    """A platform that cannot say what a VM uses rejects the limit by its name."""
    platform.clean()
    traits = platform.traits()
    asked = {option: value for option, value in (("cpus", 1), ("memory", "128M")) if has(traits, option)}
    tasks = [
        _new(platform, limit, check=True, limits={limit: value, "per": "host"}, **asked)
        for limit, value in (("cpus", 0), ("memory", "1M"))
    ]
    answers = carry(platform, tasks, [ONE])
    for limit, answer in answers.items():
        assert answer.failed
        expected = "are permitted" if limit in asked else f"{limit} cannot be compared"
        assert f"{ONE}: limits: " in answer.msg
        assert expected in answer.msg


def test_limits_count_what_the_vms_of_a_task_add_and_free(platform, carry):
    platform.clean()
    if not has(platform.traits(), "memory"):
        assert platform.traits().platform == "wsl"
        return
    sizes = [{"name": ONE, "memory": "128M"}, {"name": OTHER, "memory": "192M"}]
    team = {"fleet": "web", "controller_time": BEGIN, "limits": {"memory": "320M", "per": "fleet"}}
    entries = {
        "grow": [{"name": ONE, "memory": "160M"}],
        "grow and shrink": [{"name": ONE, "memory": "192M"}, {"name": OTHER, "memory": "128M"}],
        "grow and delete": [{"name": ONE, "memory": "320M"}, {"name": OTHER, "state": "absent"}],
    }
    created = {**platform.creation, **platform.to_exist, **team, "stop_mode": "force", "machines": sizes}
    shared = {**team, "stop_mode": "force", "allow_restart": True, **platform.consent}
    tasks = [Task("create", created)]
    for label, machines in entries.items():
        tasks += [Task(f"{label} {run}", {**shared, "machines": machines}, run == "check") for run in RUNS]
    answers = carry(platform, tasks, BOTH)
    before = answers["create"].truth
    for run in RUNS:
        refused = answers.pop(f"grow {run}")
        assert (refused.failed, refused.changed, refused.truth, writes(platform, refused)) == (True, False, before, [])
        counted = "fleet web would use 352M of memory, and 320M of memory are permitted; 320M of memory are in use."
        assert f"{ONE}: limits: {counted}" in refused.msg
    _all_well(answers)
    for label in ("grow and shrink", "grow and delete"):
        found = [answers[f"{label} {run}"].changed for run in RUNS]
        assert found == [True, True, False], label
    assert answers["grow and delete again"].truth[OTHER] is None
    assert answers["grow and delete again"].vm(ONE)["memory_mib"] == 320


def _snapshot(label, name, after_hours=0, state="present", check=False, **options):
    return snapshot(label, ONE, name, state, check, controller_time=BEGIN + after_hours * HOUR, **options)


def _expiries(answer):
    return {one["name"]: one["expires"] for one in answer.vm(ONE)["snapshots"]}


def _about_expiries():
    """Tasks on one snapshot that expires, and on another one that does not."""
    eight = {"expires": "8h"}
    return [
        *(_snapshot(run, "kept", check=run == "check", **eight) for run in RUNS),
        _snapshot("later", "kept", 2, **eight),
        _snapshot("extend check", "kept", 2, check=True, **eight, extend=True),
        _snapshot("extend real", "kept", 2, **eight, extend=True),
        _snapshot("plain", "plain", 2),
        *(_snapshot(f"other {run}", "kept", 3, check=run == "check", expires="90m") for run in RUNS),
        _snapshot("left out", "kept", 3),
        *(_snapshot(f"existing {run}", "plain", 3, check=run == "check", expires="2036-12-31") for run in RUNS),
        Task("restore", {"name": ONE, "snapshot": "plain", "state": "restored"}, about="snapshot"),
        Task("info", {"name": ONE}, about="vm_info"),
        *(_snapshot(f"never {run}", "plain", 3, check=run == "check", expires="") for run in RUNS),
    ]


@pytest.mark.full
def test_expiry_of_a_snapshot_moves_only_when_a_task_extends_or_changes_it(platform, carry):
    platform.clean()
    if not platform.has_snapshots:
        assert not has(platform.traits(), "snapshot")
        return
    answers = carry(platform, [_new(platform, "create", owner="anna"), *_about_expiries()], [ONE])
    _all_well(answers)
    kept = {
        **dict.fromkeys(("check", "real", "again", "later"), _iso(8)),
        **dict.fromkeys(("extend check", "extend real", "plain"), _iso(10)),
        **dict.fromkeys(("other check", "other real", "other again", "left out", "restore", "info"), _iso(4.5)),
    }
    assert {label: _expiries(answers[label])["kept"] for label in kept} == kept
    end_of_day = "2037-01-01T00:00:00Z"
    plain = {"plain": None, **dict.fromkeys(("existing check", "existing real", "existing again", "info"), end_of_day)}
    plain |= dict.fromkeys(("never check", "never real", "never again"))
    assert {label: _expiries(answers[label])["plain"] for label in plain} == plain
    for prefix in ("", "extend ", "other ", "existing ", "never "):
        check, real = answers[f"{prefix}check"], answers[f"{prefix}real"]
        assert (check.changed, check.diff, writes(platform, check)) == (True, real.diff, []), prefix
        assert real.changed, prefix
        assert [one["description"] for one in real.vm(ONE)["snapshots"]] == [""] * len(real.vm(ONE)["snapshots"])
    for label in ("again", "later", "other again", "left out", "existing again", "never again"):
        assert (answers[label].changed, writes(platform, answers[label])) == (False, []), label


@pytest.mark.full
def test_only_an_expired_snapshot_is_deleted(platform, carry):
    """As the playbook reap does it; a clock that differs from that of the controller deletes nothing."""
    platform.clean()
    if not platform.has_snapshots:
        return
    _set_clock(platform)
    gone, now = {"state": "absent", "expired_for": "1h"}, {"controller_time": _now()}
    tasks = [
        _new(platform, "create"),
        _snapshot("temporary", "temporary", (LONG_AGO - BEGIN) // HOUR, expires="2020-01-31"),
        _snapshot("plain", "plain"),
        _snapshot("later", "later", expires="2099-01-31"),
        *(snapshot(f"{name} end", ONE, name, **gone, **now) for name in ("plain", "later")),
        _snapshot("wrong clock", "temporary", **gone),
        snapshot("check", ONE, "temporary", check=True, **gone, **now),
        snapshot("end", ONE, "temporary", **gone, **now),
        snapshot("again", ONE, "temporary", **gone, **now),
        snapshot("children", ONE, "later", **gone, children=True),
    ]
    answers = carry(platform, tasks, [ONE])
    wrong, children = answers.pop("wrong clock"), answers.pop("children")
    _all_well(answers)
    assert (wrong.failed, wrong.changed, writes(platform, wrong)) == (True, False, []), wrong.msg
    assert "clock" in wrong.msg
    assert "children: is not supported with expired_for" in children.msg
    for label in ("plain end", "later end", "again"):
        assert (answers[label].changed, writes(platform, answers[label])) == (False, []), label
    assert (answers["check"].changed, writes(platform, answers["check"])) == (True, [])
    assert answers["end"].changed
    assert set(_expiries(answers["again"])) == {"plain", "later"}


def test_only_expired_vms_of_a_fleet_are_pruned(platform, carry):
    """As the playbook molecule_create does it; no guest can prevent it, because the VM is powered off."""
    platform.clean()
    _set_clock(platform)
    machines = [{"name": ONE}, {"name": OTHER, "expires": "2020-01-31"}]
    created = {**platform.creation, **platform.to_exist, "fleet": "web", "machines": machines}
    created["controller_time"] = LONG_AGO
    prune = {
        "name": [ONE],
        "fleet": "web",
        "prune": True,
        "prune_max": 1,
        "prune_expired_for": "0m",
        "prune_stop_mode": "force",
    }
    prune["controller_time"] = _now()
    _all_well(carry(platform, [Task("create", created)], BOTH))
    if platform.truth([OTHER])[OTHER]["power"] != RUNNING:
        platform.move(OTHER, RUNNING)
    tasks = [
        Task("wrong clock", {**prune, "controller_time": BEGIN}),
        *(Task(run, prune, run == "check") for run in RUNS),
    ]
    answers = carry(platform, tasks, BOTH)
    wrong = answers.pop("wrong clock")
    assert (wrong.failed, wrong.changed, writes(platform, wrong)) == (True, False, []), wrong.msg
    _all_well(answers)
    assert (answers["check"].changed, writes(platform, answers["check"])) == (True, [])
    assert (answers["real"].changed, answers["real"].truth[OTHER]) == (True, None)
    assert answers["real"].truth[ONE]
    assert not answers["again"].changed


def _set_clock(platform):
    windows = getattr(getattr(platform, "host", None), "windows", None)
    if windows is not None:
        set_clock(windows)
