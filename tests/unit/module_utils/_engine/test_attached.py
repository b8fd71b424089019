# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Existing files that become disks are locked and compared again, until the definition that names them is stored."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import CommandFailed
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import File, Vm
from ansible_collections.polyvirt.core.plugins.module_utils._core.sharing.claims import SHARED
from ansible_collections.polyvirt.core.plugins.module_utils._engine import conflicts
from ansible_collections.polyvirt.core.plugins.module_utils._ports import exclusive

from unit.module_utils._engine.claiming import DATA, Claiming, disk1, existing, host, owned, with_disk1
from unit.module_utils._engine.tasks import assert_accepted, assert_rejected, carried_out, new, run, vm

BASE, WEB = "/data/base.img", {"disks": {"disk1": {"source": DATA}}}
NAME = f"file {DATA}"


@pytest.fixture(autouse=True)
def _locks(tmp_path, monkeypatch):
    (tmp_path / "locks").mkdir(mode=0o700)
    monkeypatch.setattr(exclusive, "_folder", lambda: str(tmp_path / "locks"))


def _meanwhile(driver, act):
    """Have ``act()`` done once, after the plans were compared."""
    apply = driver.claims.held_now
    todo = [act]

    def held_now(wanted):
        while todo:
            todo.pop()()
        return apply(wanted)

    driver.claims.held_now = held_now


def test_file_that_a_vm_has_got_meanwhile_is_rejected_as_by_the_comparison():
    driver, compared = (Claiming(host(existing("web"))()) for _number in range(2))
    driver.host.machines += [owned("db")]
    compared.host.machines += [with_disk1("db")()]
    _meanwhile(driver, lambda: driver.host.machines[1].config["disks"].update(with_disk1("db")().config["disks"]))
    late = run(driver, vm("web", **WEB))
    assert (late.failed, late.changed, late.msg) == (True, False, run(compared, vm("web", **WEB)).msg)
    assert late.msg.startswith(f"web: disks.disk1.source: {DATA} is a disk of db. Detach it")
    assert driver.calls == []


def test_only_the_vm_whose_file_is_taken_fails():
    driver = Claiming(host(existing("web"), existing("db"))(), lane="one for all")
    _meanwhile(driver, lambda: driver.host.machines.append(with_disk1("late")()))
    outcome = run(driver, vm("web", **WEB), vm("db", cpus=3))
    assert [vm["failed"] for vm in outcome.vms] == [True, False], outcome.msg
    assert driver.calls == [(0, "configure", "db")]


@pytest.mark.parametrize(("timeout", "ends"), [(300, False), (5, True)])
def test_file_that_another_task_attaches_now_is_waited_for(timeout, ends):
    driver = Claiming(host(existing("web"))())
    sleep, other = driver.clock.sleep, exclusive.held(NAME)

    def asleep(seconds):
        sleep(seconds)
        if 20 < driver.clock.now() < 1000:
            other.__exit__(None, None, None)
            sleep(1000)

    driver.clock.sleep = asleep
    assert other.__enter__()
    outcome = run(driver, vm("web", policy={"timeout": timeout}.items(), **WEB))
    assert (outcome.failed, outcome.changed) == (ends, not ends), outcome.msg
    message = f"web: disks.disk1.source: another task is attaching {DATA}. Run the task again when it has ended, or"
    assert outcome.msg.startswith(message if ends else ""), outcome.msg
    if ends:
        other.__exit__(None, None, None)
        assert driver.calls == []


@pytest.mark.parametrize(
    ("request_", "readings"),
    [
        (vm("web", memory=2 << 30), 0),
        (vm("web", iso="/iso/a.iso"), 0),
        (vm("web", disks=disk1(None)), 0),
        (vm("web", "started"), 1),
        (new("api"), 1),
        (new("api", disks={"disk1": {}}), 1),
        (vm("api", clone="web", linked=True), 1),
        (vm("api", clone="web"), 1),
        (vm("web", "absent"), 2),
        (vm("web", disks={"disk1": {"size": 2 << 30}}), 2),
        (vm("web", disks={"disk1": None, "disk2": {"source": DATA}}), 1),
        (vm("web", disks={"disk1": {"source": "/data/other.img"}}), 2),
        (new("api", disks={"disk1": {"source": "/data/other.img"}}), 2),
    ],
    ids=lambda value: value if isinstance(value, int) else f"{value.name} {value.state} {[*value.config]}",
)
def test_only_a_task_that_attaches_or_loses_an_existing_file_reads_again(request_, readings):
    driver = Claiming(host(with_disk1("web"))())
    outcome = run(driver, request_)
    assert (outcome.failed, outcome.changed, len(driver.held.calls)) == (False, True, readings), outcome.msg


def test_disk_that_an_earlier_attempt_has_attached_is_its_own():
    """The VM is not complete, so no observation shows it, and its id is not that of the request."""
    driver = Claiming(host()())
    driver.inject_errors("create", CommandFailed(["x"], 1, "try later"))
    incomplete = driver.claims.observed(Vm("web", "id-incomplete", config={"disks": {"disk1": {"source": DATA}}}))
    held_now = driver.claims.held_now
    driver.claims.held_now = lambda wanted: [*held_now(wanted), *([incomplete] if driver.calls else ())]
    outcome = run(driver, new("web", "started", **WEB))
    assert not outcome.failed, outcome.msg
    assert driver.machines[0].config["disks"]["disk1"]["source"] == DATA


def test_vms_of_one_batch_share_the_lock_of_a_disk_that_they_share():
    driver = Claiming(host(existing("web"), existing("db"))(), lane="one for all")
    shared = {"disk1": {"source": DATA}}
    disk = driver.claims.disk
    driver.claims.disk = lambda entry, mode, *more, **others: disk(
        entry, SHARED if entry.get("source") == DATA else mode, *more, **others
    )
    outcome = run(driver, vm("web", disks=shared), vm("db", disks=shared))
    assert (outcome.failed, driver.clock.now(), driver.segments) == (False, 0, [["web", "db"]]), outcome.msg


@pytest.mark.parametrize(("path", "waits"), [("/data/web.img", False), (BASE, True)])
def test_only_a_base_itself_waits_while_an_image_on_it_is_attached(path, waits):
    driver = Claiming(host(existing("web"))())
    driver.host.files.update({BASE: None} if waits else {BASE: None, path: BASE})
    with exclusive.held(f"file {BASE}", shared=True):
        outcome = run(driver, vm("web", policy={"timeout": 1}.items(), disks={"disk1": {"source": path}}))
    assert (outcome.failed, driver.clock.now() > 0) == (waits, waits), outcome.msg
    assert not waits or f"another task is attaching {BASE}." in outcome.msg


# Files that are lost --------------------------------------------------------------------------------------------------

DISK = "/vms/web-disk0.img"


def _needs_the_disk(driver, name="late"):
    driver.host.files["/vms/late.img"] = DISK
    driver.host.machines.append(existing(name, disks={"disk0": "/vms/late.img"})())


@pytest.mark.parametrize(
    "losing",
    [vm("web", "absent"), vm("web", disks={"disk0": {"size": 99 << 30}})],
    ids=["deletion", "growth"],
)
def test_file_that_somebody_needs_since_the_plan_was_made_is_not_lost(losing):
    driver = Claiming(host(existing("web"))())
    _meanwhile(driver, lambda: _needs_the_disk(driver))
    outcome = run(driver, losing)
    done = "deleted" if losing.state == "absent" else "written to"
    assert outcome.failed
    assert f"{DISK} must not be {done}, because it is the backing file of disks of late." in outcome.msg
    assert (driver.calls, DISK in driver.host.files) == ([], True)
    # Planned again, the deletion keeps it.
    again = run(driver, vm("web", "absent"))
    assert (again.failed, again.vms[0]["kept"], DISK in driver.host.files) == (
        False,
        [{"path": DISK, "reason": "used by late"}],
        True,
    )


def test_one_look_for_all_vms_whose_files_are_deleted_together():
    names = [f"web{number}" for number in range(20)]
    driver = Claiming(host(*map(existing, names))())
    outcome = run(driver, *(vm(name, "absent") for name in names))
    assert (outcome.failed, len(driver.held.calls)) == (False, 2), outcome.msg


def test_files_of_so_many_vms_are_locked_at_the_same_time(monkeypatch):
    monkeypatch.setattr(conflicts, "_MOST_LOCKED", 8)
    names = [f"web{number}" for number in range(20)]
    driver = Claiming(host(*map(existing, names))())
    outcome = run(driver, *(vm(name, "absent") for name in names))
    assert (outcome.failed, len(driver.held.calls)) == (False, 1 + 3), outcome.msg


def test_file_that_another_task_locks_is_not_deleted():
    driver = Claiming(host(existing("web"))())
    with exclusive.held(f"file {DISK}", shared=True):
        outcome = run(driver, vm("web", "absent", policy={"timeout": 1}.items()))
    assert outcome.msg.startswith(f"web: {DISK}: another task is deleting or changing {DISK}. Run the task again")
    assert driver.calls == []


def test_file_that_the_platform_would_also_take_by_now_stops_the_deletion():
    driver = Claiming(host(existing("web"))())
    driver.claims.takes_now = lambda plan, step: ["/nvram"]
    outcome = run(driver, vm("web", "absent"))
    assert outcome.msg.startswith("web: /nvram would be deleted, too: it was added after the plan.")
    assert driver.calls == []


@pytest.mark.parametrize(
    ("needed", "kept"),
    [("top", ("top", "mid", "base")), ("mid", ("mid", "base")), ("base", ("base",)), (None, ())],
)
def test_what_is_below_a_kept_file_is_kept(needed, kept):
    """Without its base, the file that somebody needs would be worthless."""
    paths = {one: f"/vms/{one}.img" for one in ("top", "mid", "base")}

    class Chained(Claiming):
        def _seen(self, machine, facets):
            seen = super()._seen(machine, facets)
            files = [File(path, "disk", True) for path in paths.values()]
            return seen.having(files=tuple(files)) if machine.name == "web" and "files" in facets else seen

    def make():
        made = host(existing("web", disks={"disk0": paths["top"]}), existing("other"))()
        made.machines[0].mark["files"] = list(paths.values())
        made.files.update({paths["top"]: paths["mid"], paths["mid"]: paths["base"], paths["base"]: None})
        made.files["/vms/other-disk0.img"] = paths.get(needed)
        return made

    gone = vm("web", "absent")
    done = carried_out(make, gone, carry_out=lambda host, check: run(Chained(host), gone, check=check))
    assert {one for one, path in paths.items() if path in done.host.files} == set(kept)
    reasons = {one["path"]: one["reason"] for one in done.outcome.vms[0]["kept"]}
    assert set(reasons) == {paths[one] for one in kept}
    assert not needed or reasons[paths[needed]] == "used by other"
    assert needed != "mid" or reasons[paths["base"]] == f"used by {paths['mid']}, which is kept, other"


def _beside_an_unreadable_image():
    made = host(existing("web"), existing("other"))()
    made.unreadable["/secret.qcow2"] = "other"
    return made


UNKNOWN = "/vms/web-disk0.img may be needed by other: /secret.qcow2 cannot be read. Make it readable."


def test_file_that_an_unreadable_image_may_need_is_kept():
    done = carried_out(_beside_an_unreadable_image, vm("web", "absent"))
    assert_accepted(done, "delete web")
    assert ({" ".join(one.values()) for one in done.outcome.vms[0]["kept"]}, done.host.files.keys()) == (
        {UNKNOWN},
        _beside_an_unreadable_image().files.keys(),
    )


def test_no_option_is_enforced_by_half_beside_an_unreadable_image():
    everything = vm("web", "absent", policy={"delete_disks": "all"}.items())
    rejected = carried_out(_beside_an_unreadable_image, everything)
    assert_rejected(rejected, f"web: {UNKNOWN} Omit delete_disks to keep the file.")
    keeping = vm("web", "absent", policy={"delete_disks": "none"}.items())
    assert_accepted(carried_out(_beside_an_unreadable_image, keeping), "delete web")
