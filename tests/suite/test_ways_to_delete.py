# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each way to delete a VM, with each thing that is not the VM's own: the table is in ways_to_delete.py.

Bytes and inodes are compared, or what identifies a file or volume of a double.
"""

from __future__ import annotations

import calendar
import time
from contextlib import nullcontext
from itertools import product
from pathlib import PureWindowsPath

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import STOPPED

from platforms.things import THINGS as PLATFORM_THINGS
from suite.answer import Task
from suite.carry import carry_one
from suite.scenarios.snapshots import snapshot
from suite.source_host import set_clock
from suite.ways_to_delete import KEPT, OUTCOMES, REJECTED, SPARED, TABLE, THINGS, WAYS

LONG_AGO = calendar.timegm((2020, 1, 1, 0, 0, 0))
SNAPSHOT, REST = "before", "pvc-way-rest"
#: Ways after which the result shows the deleted VM with what was kept.
_LISTING = ("absent", "prune", "reap")
#: How files end that define a VM and are no files of it.
_DEFINITIONS = (".vbox", ".vmcx", "vagrantfile.polyvirt")


def test_table_has_each_way_thing_and_platform(record_property):
    cells = [TABLE[platform][thing][way] for platform, thing, way in product(PLATFORM_THINGS, THINGS, WAYS)]
    assert set(TABLE) == set(PLATFORM_THINGS)
    assert [cell for cell in cells if cell not in OUTCOMES and not cell.endswith(".")] == []
    counts = {outcome: cells.count(outcome) for outcome in OUTCOMES}
    others = len(cells) - sum(counts.values())
    record_property("summary", f"ways to delete: {len(cells)} cells: {counts}, {others} with a reason")


class Table:
    """The VMs of one platform for one way to delete."""

    def __init__(self, platform, way, carry):
        self.platform, self.way, self._carry = platform, way, carry
        self.things = PLATFORM_THINGS[platform.name](platform)
        self.cells = {thing: row[way] for thing, row in TABLE[platform.name].items() if row[way] in OUTCOMES}

    def vm(self, thing):
        return f"pvc-{self.way}-{THINGS.index(thing)}"

    def create(self):
        """Create a VM for each thing, off. On WSL, somebody else has registered it, and tasks only record settings."""
        names = [self.vm(thing) for thing in self.cells]
        options = {**self.platform.creation, **self.platform.to_exist, "controller_time": LONG_AGO}
        if self.platform.name == "wsl":
            self.platform.bring(dict.fromkeys((*names, REST), STOPPED))
            options = {"controller_time": LONG_AGO}
        if self.way == "prune":
            for name in (*names, REST):
                self.done(Task(name, {**options, "name": [name], "fleet": name}))
        else:
            lease = {"expires": "2020-01-31"} if self.way == "reap" else {}
            self.done(Task("create", {**options, "name": names, **lease}))
        for name in names:
            self.platform.move(name, STOPPED)
        if self.way in ("snapshot", "restore"):
            self.done(snapshot("take", names, SNAPSHOT))

    def done(self, task):
        answer = self._carry(self.platform, [task])[task.label]
        assert not answer.failed, answer.msg
        return answer

    def task(self, thing, label, check):
        name = self.vm(thing)
        if self.way in ("snapshot", "restore"):
            return snapshot(label, [name], SNAPSHOT, "absent" if self.way == "snapshot" else "restored", check)
        owned, now = {"delete_disks": "owned"}, {"controller_time": int(time.time())}
        options = {
            "absent": {"name": [name], "state": "absent", "stop_mode": "force"},
            "reap": {"name": [name], "state": "absent", "stop_mode": "force", "expired_for": "0m", **now},
            "prune": {"name": [REST], "fleet": name, "prune": True, "prune_max": 1, "prune_stop_mode": "force", **now},
            "recreate": {"name": [name], **self.platform.creation, **self.platform.to_exist,
                         **self.platform.whole_vm_tasks().get("created again", {})},
        }[self.way]  # fmt: skip
        return Task(label, {**options, **owned}, check)

    def fault(self, thing):
        """What is wrong with a cell of the table, or an empty text."""
        name = self.vm(thing)
        held = getattr(self.things, thing.replace(" ", "_"))(name)
        seen = self.things.content if self.way == "snapshot" and thing.startswith("disk") else self.things.seen
        with self.things.locked(held) if thing == "locked file" else nullcontext():
            before, truth = seen(held), self.platform.truth([name])[name]
            tasks = [self.task(thing, label, is_check) for label, is_check in (("check", True), ("run", False))]
            check, run = self._carry(self.platform, tasks, [name]).values()
            is_same = seen(held) == before
        if before is None or not is_same:
            return f"{held} was changed: {run.result}"
        outcome = self._outcome(name, held, check, run, truth)
        return "" if outcome == self.cells[thing] else f"{outcome}: check mode: {check.result}, run: {run.result}"

    def _outcome(self, name, held, check, run, truth):
        if check.failed or run.failed:
            is_rejected = (check.msg, run.changed, run.truth[name]) == (run.msg, False, truth)
            return REJECTED if is_rejected else "failed, but not foreseen, or not without a change"
        is_deletion = self.way in _LISTING
        if is_deletion and run.truth[name] is not None:
            return SPARED
        lists = [{one["path"] for one in answer.vm(name)["kept"]} if is_deletion else {held} for answer in (check, run)]
        return KEPT if held in lists[0] & lists[1] else "not listed as kept"


@pytest.mark.parametrize("way", [way for way in WAYS if way != "rollback"])
@pytest.mark.parametrize("platform_name", list(PLATFORM_THINGS), indirect=True, scope="session")
def test_what_is_not_the_vms_own_survives(platform, way, carry):
    table = Table(platform, way, carry)
    if not table.cells:
        reasons = {row[way] for row in TABLE[platform.name].values()}
        assert all(len(one) > 10 for one in reasons)
        return
    platform.clean()
    windows = getattr(getattr(platform, "host", None), "windows", None)
    if windows is not None:
        set_clock(windows)
    table.create()
    faults = {thing: table.fault(thing) for thing in table.cells}
    found = [f"{thing}: {fault}" for thing, fault in faults.items() if fault]
    if found:
        pytest.fail(f"{platform.name}, {way}:\n" + "\n".join(found), pytrace=False)


@pytest.mark.parametrize("platform_name", list(PLATFORM_THINGS), indirect=True, scope="session")
def test_what_is_gone_was_listed(platform, carry):
    """Check mode and the run list the same files, all that are gone are among them, and nothing that is left is."""
    platform.clean()
    name, before = "pvc-way-gone", platform.files()
    create = Task("create", {"name": [name], **platform.creation, **platform.to_exist, "state": STOPPED})
    absent = {"name": [name], "state": "absent", "stop_mode": "force"}
    created, check = carry(platform, [create, Task("check", absent, check=True)], [name]).values()
    assert not created.failed and not check.failed, (created.msg, check.msg)
    new = {*platform.files()} - {*before}
    run = carry(platform, [Task("run", absent)], [name])["run"]
    gone = new - {*platform.files()}
    listed = check.vm(name)["deleted"]
    assert (run.failed, run.vm(name)["deleted"]) == (False, listed), run.msg
    assert {_name(path) for path in gone if not _name(path).endswith(_DEFINITIONS)} <= set(map(_name, listed))
    assert not set(map(_name, listed)).intersection(map(_name, platform.files()))


def _name(path):
    return PureWindowsPath(path).name.lower()  # It knows both separators.


def _failed_creations(platform, shim, run, options):
    """The answers of creations of which a call fails: in the middle, before the end, and the last one."""
    gone, created = {"name": options["name"], "state": "absent", "stop_mode": "force"}, []
    total = platform.count_calls(lambda: created.append(run(options)) or created[0])
    assert not created[0].failed, created[0].msg
    for place in sorted({total * 2 // 3, total - 1, total}):
        assert not run(gone).failed
        platform.fail_call(shim, place)
        answer = run(options)
        platform.fail_no_call(shim)
        if answer.failed:
            yield answer


def _fault_of_creation(platform, shim, run, options, expected):
    if expected == REJECTED:
        check, real = run(options, True), run(options)
        is_right = check.failed and real.failed and (check.msg, real.changed) == (real.msg, False)
        return "" if is_right else f"check mode: {check.result}, run: {real.result}"
    return "" if list(_failed_creations(platform, shim, run, options)) else "no creation failed"


@pytest.mark.parametrize("platform_name", list(PLATFORM_THINGS), indirect=True, scope="session")
def test_what_is_not_the_vms_own_survives_the_rollback_of_a_creation(platform, shim, tmp_path):
    things, found = PLATFORM_THINGS[platform.name](platform), []
    cells = {thing: row["rollback"] for thing, row in TABLE[platform.name].items() if row["rollback"] in OUTCOMES}

    def run(options, check=False):
        return carry_one(platform, shim, tmp_path, options, check=check)

    platform.clean()
    for thing, expected in cells.items():
        name = f"pvc-rollback-{THINGS.index(thing)}"
        held, used = things.options_with(thing, name)
        options = {**platform.creation, **platform.to_exist, "name": [name], "timeout": 2, **used}
        before = things.seen(held)
        fault = _fault_of_creation(platform, shim, run, options, expected)
        if fault or before is None or things.seen(held) != before:
            found.append(f"{thing}: {fault or f'{held} was changed'}")
    if found:
        pytest.fail(f"{platform.name}, rollback:\n" + "\n".join(found), pytrace=False)
