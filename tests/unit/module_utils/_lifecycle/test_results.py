# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shape of results is the same for every platform, whatever is known of a machine."""

from __future__ import annotations

import json
from dataclasses import replace

from ansible_collections.polyvirt.core.plugins.module_utils._lifecycle.errors import Refused
from ansible_collections.polyvirt.core.plugins.module_utils._lifecycle.model import (
    LIVE,
    NEXT_BOOT,
    Address,
    Field,
    File,
    Secret,
    Snapshot,
    Traits,
    Vm,
)
from ansible_collections.polyvirt.core.plugins.module_utils._lifecycle.plan import plan
from ansible_collections.polyvirt.core.plugins.module_utils._lifecycle.results import (
    describe,
    describe_snapshots,
    difference,
    entry,
    in_tree_order,
    plain,
)

from unit.tables.rows import G, absent, ask, ask_snapshot, found

# As the vocabulary has them ...
VOCABULARY = [
    "name", "id", "platform", "state", "cpus", "memory_mib", "addresses", "mac_addresses", "ssh", "disks", "networks",
    "snapshots", "native", "changed", "failed", "msg", "steps", "restart_required", "not_compared", "kept",
]  # fmt: skip
# ... and what a machine's settings would otherwise not be seen by.
BESIDES = ["reason", "description", "tags", "fleet", "autostart", "iso", "settings"]
ALL_FIELDS = {"cpus": Field(), "memory": Field(), "description": Field(cost=LIVE), "disks.size": Field(cost=LIVE)}
TRAITS = Traits(platform="any", fields={**ALL_FIELDS, "disks.add": Field(), "image": Field(), "snapshot.take": Field()})
FULL = found(
    "running",
    cpus=2,
    memory=2 * G,
    tags=("a", "b"),
    disks={"vdb": {"size": G}, "vda": {"size": 2 * G}},
    networks={"10": {"mac": "52:54:00:00:00:0b"}, "2": {"mac": "52:54:00:00:00:03"}, "0": {"type": "nat"}},
    addresses=(Address("192.0.2.7", "lease", mac="52:54:00:00:00:03"),),
    ssh={"host": "192.0.2.7", "port": 22, "user": None, "scope": "host"},
    snapshots=(Snapshot("s1", id="i1", power="running", description="first"),),
)


def test_keys():
    assert sorted(entry(FULL, "any", plan(FULL, ask(), TRAITS))) == sorted(VOCABULARY + BESIDES)


def test_entry_of_an_absent_or_rejected_vm_has_only_what_says_something():
    always = ["changed", "failed", "id", "kept", "msg", "name", "platform", "state", "steps"]
    assert sorted(entry(absent(), "any", plan(absent(), ask("absent"), TRAITS))) == always
    refused = plan(FULL, ask("paused"), replace(TRAITS, powers=frozenset({"running", "stopped"})))
    told = entry(FULL, "any", refused, error=refused.refusal)
    assert sorted(told) == always
    assert told["msg"]


def test_values():
    told = describe(FULL, "any")
    assert (told["name"], told["platform"], told["state"]) == ("web", "any", "running")
    assert (told["cpus"], told["memory_mib"]) == (2, 2048)
    assert told["addresses"] == [{"address": "192.0.2.7", "source": "lease"}]
    assert told["mac_addresses"] == ["52:54:00:00:00:03", "52:54:00:00:00:0b"]
    assert told["ssh"] == {"host": "192.0.2.7", "port": 22, "user": None, "scope": "host"}
    assert [disk["slot"] for disk in told["disks"]] == ["vda", "vdb"]
    assert [card.get("mac") for card in told["networks"]] == [None, "52:54:00:00:00:03", "52:54:00:00:00:0b"]
    bare = {"kind": "", "created": None, "current": False, "unfinished": ""}
    first = {"name": "s1", "id": "i1", "parent": None, "state": "running", "description": "first", **bare}
    assert told["snapshots"] == [first]


def test_snapshots_are_a_tree_and_beside_each_other_by_age():
    def one(name, parent=None, created=None, **more):
        return Snapshot(name, parent=parent, created=created, **more)

    taken = [
        one("planned"), one("late", created=9), one("leaf", "i-mid", 3), one("early", created=1),
        one("mid", "early", 2, id="i-mid"), one("other", "early", 1), one("orphan", "gone", 5),
    ]  # fmt: skip
    names = [snapshot.name for snapshot in in_tree_order(taken)]
    assert names == ["early", "other", "mid", "leaf", "orphan", "late", "planned"]
    assert [told["name"] for told in describe_snapshots(found(snapshots=taken))] == names
    assert in_tree_order(()) == []


def test_nothing_known_is_shown_as_such():
    told = describe(Vm("web"), "any")
    assert (told["cpus"], told["memory_mib"], told["ssh"]) == (None, None, None)
    assert (told["disks"], told["restart_required"]) == ([], [])


def test_results_can_be_written_as_json():
    planned = plan(FULL, ask(tags=["c"], memory="4G"), Traits(platform="any", fields={**ALL_FIELDS, "tags": Field()}))
    told = entry(planned.after, "any", planned, done=(0,))
    assert json.loads(json.dumps(told)) == told
    assert json.loads(json.dumps(difference(planned))) == difference(planned)


def test_a_step_tells_what_it_does():
    planned = plan(FULL, ask(memory="4G"), TRAITS)
    told = entry(planned.after, "any", planned, done=(0,), notes={0: "noted"})
    change = {"path": "memory", "before": "2G", "after": "4G", "cost": NEXT_BOOT}
    assert told["steps"] == [
        {"verb": "configure", "changes": [change], "cost": NEXT_BOOT, "also": [], "done": True, "note": "noted"}
    ]
    assert (told["changed"], told["failed"], told["msg"]) == (True, False, "")
    assert told["restart_required"] == ["memory"]


def test_a_failure_tells_how_far_it_came():
    planned = plan(found(cpus=1), ask("started", cpus=2), TRAITS)
    told = entry(FULL, "any", planned, done=(0,), error=Refused("web: it broke.", "Mend it."))
    assert [(step["verb"], step["done"]) for step in told["steps"]] == [("configure", True), ("start", False)]
    assert (told["changed"], told["failed"], told["msg"]) == (True, True, "web: it broke. Mend it.")


def test_nothing_done_is_not_changed():
    told = entry(FULL, "any", plan(FULL, ask("stopped"), TRAITS))
    assert (told["changed"], [step["done"] for step in told["steps"]]) == (False, [False])


def test_kept_files_are_named_with_the_reason():
    planned = plan(found(files=(File("/d", "disk"), File("/c", "medium"))), ask("absent"), TRAITS)
    assert entry(planned.after, "any", planned)["kept"] == [
        {"path": "/c", "reason": "an ISO image is never deleted"},
        {"path": "/d", "reason": "not created by this collection"},
    ]


def test_what_could_not_be_compared_is_named():
    planned = plan(found(), ask(image={"source": "/i"}), TRAITS)
    assert entry(planned.after, "any", planned)["not_compared"] == ["image"]


def test_the_difference_holds_only_what_differs():
    assert difference(plan(FULL, ask(memory="4G", cpus=2), TRAITS)) == {
        "before_header": "web",
        "after_header": "web",
        "before": {"memory": "2G"},
        "after": {"memory": "4G"},
    }


def test_the_difference_of_a_new_machine_is_all_of_it():
    shown = difference(plan(absent(), ask(image={"source": "/i"}, cpus=1), TRAITS))
    assert shown["before"] == {"state": "absent"}
    assert shown["after"] == {"state": "stopped", "cpus": 1, "disks.disk0": "present"}


def test_an_emptied_description_is_a_difference():
    shown = difference(plan(found(description="old"), ask(description=""), TRAITS))
    assert (shown["before"], shown["after"]) == ({"description": "old"}, {"description": ""})


def test_a_restart_is_a_difference_though_nothing_else_is():
    shown = difference(plan(found("running"), ask("restarted"), TRAITS))
    assert (shown["before"], shown["after"]) == ({"restarted": False}, {"restarted": True})


def test_no_steps_have_no_difference():
    assert difference(plan(FULL, ask(cpus=2), TRAITS)) is None
    assert difference(plan(found(), ask_snapshot("s1", "absent"), TRAITS)) is None


def test_secret_that_changes_is_masked_and_told_apart():
    assert plain(Secret("new"), Secret("old")) == "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER (another)"
    assert plain({"user": "me", "token": Secret("new")}, {"user": "me", "token": Secret("new")}) == {
        "user": "me",
        "token": "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER",
    }
