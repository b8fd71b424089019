# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each kind of plan for a VM of which one thing is another now: the digest differs if the plan uses or destroys it."""

from __future__ import annotations

from ansible_collections.polyvirt.core.plugins.module_utils._core.frozen import replace
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import (
    STOPPED,
    Change,
    Plan,
    Request,
    Snapshot,
    Step,
    Vm,
)
from ansible_collections.polyvirt.core.plugins.module_utils._core.planner.simulate import simulate
from ansible_collections.polyvirt.core.plugins.module_utils._core.results import plan_content
from ansible_collections.polyvirt.core.plugins.module_utils._core.results.plan_content import (
    content_of,
    digest,
    used_files,
)

_DISKS = {"vda": {"source": "/disks/a", "size": 8}, "vdb": {"source": "/disks/b", "size": 1}}
_ONE, _TWO = Snapshot("one", "s1", created=1000.0), Snapshot("two", "s2", parent="s1", created=2000.0)


def _vm(birth="100:1:uuid"):
    return Vm("café", "100", STOPPED, birth=birth, config={"cpus": 2, "disks": _DISKS}, snapshots=(_ONE, _TWO))


def _planned(*steps):
    return lambda vm: Plan(vm, simulate(vm, steps), (steps,))


def _cloned(snapshot=None):
    def plan(vm):
        creation = {"clone": {"source": vm.name, "snapshot": snapshot, "linked": False}}
        arguments = {"creation": creation, "power": STOPPED, "source": vm, "config": {"cpus": 2}}
        return _planned(Step("clone", arguments=arguments))(Vm.absent("new"))

    return plan


def _changed(field, old, new, **where):
    return _planned(Step("configure", (Change(field, old, new, **where),)))


_BOTH = {"files": ("/disks/a", "/disks/b", "/disks/a.of-a-snapshot"), "kept": {}}
_NEW = {"name": "three", "kind": "", "power": STOPPED, "description": ""}
PLANS = {
    "configure": _changed("cpus", 2, 4),
    "grow a disk": _changed("disks", 8, 9, key="vda", attribute="size"),
    "remove a disk": _changed("disks", _DISKS["vda"], None, key="vda"),
    "start": _planned(Step("start")),
    "stop": _planned(Step("stop")),
    "reset": _planned(Step("reset")),
    "delete": _planned(Step("delete", arguments=_BOTH)),
    "delete and keep the disks": _planned(Step("delete", arguments={"files": (), "kept": {"/disks/a": "asked"}})),
    "take a snapshot": _planned(Step("snapshot", arguments=_NEW)),
    "restore": _planned(Step("restore", arguments={"id": "s1", "name": "one", "power": STOPPED})),
    "delete a snapshot": _planned(Step("drop_snapshot", arguments={"id": "s1", "ids": ("s1",), "name": "one"})),
    "clone": _cloned(),
    "clone of a snapshot": _cloned("one"),
}
_ALL = set(PLANS)
_NO_DISKS = {"configure", "stop"}
_OF_VDA = {"grow a disk", "remove a disk"}
_DELETIONS = {"delete", "delete and keep the disks"}
_OF_FIRST = {*_DELETIONS, "restore", "delete a snapshot", "clone of a snapshot"}


def _disk(vm, slot, **values):
    disks = vm.config["disks"]
    return vm.having(config={**vm.config, "disks": {**disks, slot: {**disks[slot], **values}}})


def _snapshots(*snapshots):
    return lambda vm: vm.having(snapshots=snapshots)


#: {what is another thing now: (how, names of the plans that it belongs to)}
OTHERS = {
    "birth": (lambda vm: vm.having(birth="100:2:uuid"), _ALL),
    "name in other code points": (lambda vm: vm.having(name="cafe\u0301"), _ALL),
    "file of a disk": (lambda vm: _disk(vm, "vda", source="/disks/c"), _ALL - _NO_DISKS),
    "size of a disk": (lambda vm: _disk(vm, "vda", size=80), _ALL - _NO_DISKS),
    "file of the second disk": (lambda vm: _disk(vm, "vdb", source="/disks/c"), _ALL - _NO_DISKS - _OF_VDA),
    "new snapshot": (_snapshots(_ONE, _TWO, Snapshot("three", "s3", created=3000.0)), _DELETIONS),
    "no second snapshot": (_snapshots(_ONE), _DELETIONS),
    "second snapshot taken again": (_snapshots(_ONE, replace(_TWO, created=2001.0)), _DELETIONS),
    "first snapshot taken again": (_snapshots(replace(_ONE, created=1001.0), _TWO), _OF_FIRST),
    "setting": (lambda vm: vm.having(config={**vm.config, "description": "other"}), set()),
    "address": (lambda vm: vm.having(ssh={"host": "10.0.0.9"}), set()),
}


def _digest(planned):
    return digest(content_of(planned, Request()))


def test_each_plan_with_another_thing(record_property):
    wrong = []
    for name, plan in PLANS.items():
        same = _digest(plan(_vm()))
        assert same == _digest(plan(_vm()))
        for what, (other, belongs) in OTHERS.items():
            differs = _digest(plan(other(_vm()))) != same
            if differs is not (name in belongs):
                wrong.append((name, what, differs))
    assert wrong == []
    record_property("summary", f"digests with another thing: {len(PLANS) * len(OTHERS)} cases")


def test_files_that_a_guest_writes_are_those_of_disks_that_a_plan_uses_or_deletes():
    files = {name: plan_content.written_files(plan(_vm())) for name, plan in PLANS.items()}
    assert {name for name, found in files.items() if not found} == _NO_DISKS
    assert {name for name, found in files.items() if found == ["/disks/a"]} == _OF_VDA
    assert "/disks/a.of-a-snapshot" in files["delete"]
    assert {name for name, plan in PLANS.items() if used_files(plan(_vm()))} == set()
