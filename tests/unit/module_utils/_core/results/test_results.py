# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Results have the same shape for every platform and every VM."""

from __future__ import annotations

import json

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import Refused
from ansible_collections.polyvirt.core.plugins.module_utils._core.frozen import replace
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import (
    LIVE,
    NEXT_BOOT,
    Address,
    Field,
    File,
    Plan,
    Request,
    Secret,
    Snapshot,
    Step,
    Traits,
    Vm,
)
from ansible_collections.polyvirt.core.plugins.module_utils._core.options.option import VM
from ansible_collections.polyvirt.core.plugins.module_utils._core.options.request import requests
from ansible_collections.polyvirt.core.plugins.module_utils._core.planner.plan import plan
from ansible_collections.polyvirt.core.plugins.module_utils._core.results.vm_result import (
    created_without,
    describe,
    describe_snapshots,
    difference,
    entry,
    from_another_image,
    in_tree_order,
    plain,
)

from unit.tables.rows import G, absent, ask, ask_snapshot, found

# Keys of the shared vocabulary ...
SHARED_KEYS = [
    "name", "id", "platform", "state", "cpus", "memory_mib", "addresses", "mac_addresses", "ssh", "disks", "networks",
    "snapshots", "native", "changed", "failed", "msg", "steps", "restart_required", "plan", "not_compared",
    "not_carried", "deleted", "kept",
]  # fmt: skip
# ... and further keys for settings of a VM.
FURTHER_KEYS = [
    "reason",
    "description",
    "tags",
    "fleet",
    "owner",
    "created",
    "expires",
    "autostart",
    "guest_tools",
    "iso",
    "cdroms",
    "image",
    "settings",
]
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


def test_keys_of_an_entry():
    assert sorted(entry(FULL, "any", plan(FULL, ask(), TRAITS))) == sorted(SHARED_KEYS + FURTHER_KEYS)


@pytest.mark.parametrize("vm", [FULL, absent()], ids=["found", "absent"])
@pytest.mark.parametrize("state", ["absent", "present", "paused"])
def test_entry_of_an_absent_or_rejected_vm_has_the_same_keys(vm, state):
    planned = plan(vm, ask(state), replace(TRAITS, powers=frozenset({"running", "stopped"})))
    result = entry(planned.after, "any", planned, error=planned.refusal)
    assert list(result) == list(entry(FULL, "any", plan(FULL, ask(), TRAITS)))
    assert bool(result["msg"]) == result["failed"] == bool(planned.refusal)


def test_values_of_an_absent_vm_are_null_or_empty():
    result = entry(absent(), "any", plan(absent(), ask("absent"), TRAITS))
    lists = {key for key, value in result.items() if value == []}
    assert lists == {
        "tags", "addresses", "mac_addresses", "cdroms", "disks", "networks", "snapshots", "restart_required", "steps",
        "not_compared", "not_carried", "deleted", "kept",
    }  # fmt: skip
    assert (result["settings"], result["native"], result["state"], result["memory_mib"]) == ({}, {}, "absent", None)


def test_values_of_an_entry():
    result = describe(FULL, "any")
    assert (result["name"], result["platform"], result["state"]) == ("web", "any", "running")
    assert (result["cpus"], result["memory_mib"]) == (2, 2048)
    assert result["addresses"] == [{"address": "192.0.2.7", "source": "lease"}]
    assert result["mac_addresses"] == ["52:54:00:00:00:03", "52:54:00:00:00:0b"]
    assert result["ssh"] == {"host": "192.0.2.7", "port": 22, "user": None, "scope": "host"}
    assert [disk["slot"] for disk in result["disks"]] == ["vda", "vdb"]
    assert [nic.get("mac") for nic in result["networks"]] == [None, "52:54:00:00:00:03", "52:54:00:00:00:0b"]
    bare = {"kind": "", "created": None, "current": False, "unfinished": "", "expires": None}
    first = {"name": "s1", "id": "i1", "parent": None, "state": "running", "description": "first", **bare}
    assert result["snapshots"] == [first]


def test_sizes_of_results_can_be_fed_back():
    size, memory = 20 * G, 16 << 20
    config = {"disks": {"vda": {"size": size}}, "display": {"type": "vnc", "video_memory": memory}}
    result = describe(found(**config, max_memory=8 * G), "any")
    disk = {name: value for name, value in result["disks"][0].items() if value is not None}
    params = {"name": ["web"], "state": "present", "disks": [disk], **result["settings"]}
    options = {**VM, "max_memory": VM["memory"]}
    defaults = {name: option.default for name, option in options.items()}
    (request,) = requests({**defaults, **params}, options)
    assert request.config["disks"]["vda"]["size"] == size
    assert (request.config["display"]["video_memory"], request.config["max_memory"]) == (memory, 8 * G)


@pytest.mark.parametrize(
    ("asked", "created_from", "warns"),
    [
        ({"source": "/b"}, {"image": "/a"}, True),
        ({"source": "/a"}, {"image": "/a"}, False),
        ({"source": "/b"}, {"clone": "1"}, False),
        (None, {"image": "/a"}, False),
    ],
)
def test_another_image_is_a_warning(asked, created_from, warns):
    vm = Vm("web", id="1", mark={"id": "1", "inputs": created_from})
    request = Request(name="web", creation={"image": asked} if asked else {})
    warning = from_another_image(vm, request)
    assert bool(warning) == warns
    assert not warns or "web: image: the VM was created from '/a', and the task names '/b'" in warning
    assert from_another_image(Vm("web"), request) is None


SOURCES = {"image": {"source": "/i"}, "clone": {"source": "t"}, "cloud_init": {"user": "u"}, "instance_of": "base"}


@pytest.mark.parametrize("mark", [None, {"id": "id-web", "created": 1, "inputs": {"appliance": "/a.ova"}}])
@pytest.mark.parametrize("name", SOURCES)
def test_what_a_vm_was_not_created_from_is_a_warning(name, mark):
    """Also of a VM that others have created, and not where the task deletes the VM, or creates it again."""
    vm, request = FULL.having(mark=mark), Request(name="web", creation={name: SOURCES[name]})
    kept = plan(vm, ask(), TRAITS)
    assert f"web: {name}: the record of the VM does not say" in created_without(kept, request)
    recorded = vm.having(mark={"id": vm.id, "inputs": {name: "any"}})
    assert created_without(plan(recorded, ask(), TRAITS), request) is None
    gone = plan(vm.having(power="stopped"), ask("absent"), TRAITS)
    again = Plan(vm, vm, [[Step("delete"), Step("create")]])
    assert [created_without(one, request) for one in (gone, again, plan(absent(), ask(), TRAITS))] == [None] * 3
    assert created_without(kept, Request(name="web", creation={name: None})) is None


def test_record_with_a_whole_query_is_of_the_same_image():
    """Earlier versions have recorded it; it can be a signature."""
    address = "https://h.example/x.qcow2?sig=S3cret"
    vm = Vm("web", id="1", mark={"id": "1", "inputs": {"image": address}})
    asked = {name: Request(name="web", creation={"image": {"source": name}}) for name in (address, f"{address}x")}
    assert from_another_image(vm, asked[address]) is None
    warning = from_another_image(vm, asked[f"{address}x"])
    assert "the VM was created from 'https://h.example/x.qcow2?query-" in warning and "S3cret" not in warning


def test_snapshots_are_in_tree_order_and_siblings_by_age():
    def one(name, parent=None, created=None, **more):
        return Snapshot(name, parent=parent, created=created, **more)

    taken = [
        one("planned"), one("late", created=9), one("leaf", "i-mid", 3), one("early", created=1),
        one("mid", "early", 2, id="i-mid"), one("other", "early", 1), one("orphan", "gone", 5),
    ]  # fmt: skip
    names = [snapshot.name for snapshot in in_tree_order(taken)]
    assert names == ["early", "other", "mid", "leaf", "orphan", "late", "planned"]
    assert [result["name"] for result in describe_snapshots(found(snapshots=taken))] == names
    assert in_tree_order(()) == []


def test_unknown_values_are_null_or_empty():
    result = describe(Vm("web"), "any")
    assert (result["cpus"], result["memory_mib"], result["ssh"]) == (None, None, None)
    assert (result["disks"], result["restart_required"]) == ([], [])


def test_results_can_be_written_as_json():
    planned = plan(FULL, ask(tags=["c"], memory="4G"), Traits(platform="any", fields={**ALL_FIELDS, "tags": Field()}))
    result = entry(planned.after, "any", planned, done=(0,))
    assert json.loads(json.dumps(result)) == result
    assert json.loads(json.dumps(difference(planned))) == difference(planned)


def test_entry_of_a_step():
    planned = plan(FULL, ask(memory="4G"), TRAITS)
    result = entry(planned.after, "any", planned, done=(0,), notes={0: "noted"})
    change = {"path": "memory", "before": "2G", "after": "4G", "cost": NEXT_BOOT}
    assert result["steps"] == [
        {"verb": "configure", "changes": [change], "cost": NEXT_BOOT, "also": [], "done": True, "note": "noted"}
    ]
    assert (result["changed"], result["failed"], result["msg"]) == (True, False, "")
    assert result["restart_required"] == ["memory"]


def test_failure_shows_which_steps_were_done():
    planned = plan(found(cpus=1), ask("started", cpus=2), TRAITS)
    result = entry(FULL, "any", planned, done=(0,), error=Refused("web: it broke.", "Mend it."))
    assert [(step["verb"], step["done"]) for step in result["steps"]] == [("configure", True), ("start", False)]
    assert (result["changed"], result["failed"], result["msg"]) == (True, True, "web: it broke. Mend it.")


def test_vm_without_a_done_step_is_not_changed():
    result = entry(FULL, "any", plan(FULL, ask("stopped"), TRAITS))
    assert (result["changed"], [step["done"] for step in result["steps"]]) == (False, [False])


def test_kept_files_are_reported_with_the_reason():
    planned = plan(found(files=(File("/d", "disk"), File("/c", "medium"))), ask("absent"), TRAITS)
    assert entry(planned.after, "any", planned)["kept"] == [
        {"path": "/c", "reason": "an ISO image is never deleted"},
        {"path": "/d", "reason": "not created by this collection"},
    ]


def test_not_compared_options_are_reported():
    planned = plan(found(), ask(image={"source": "/i"}), TRAITS)
    assert entry(planned.after, "any", planned)["not_compared"] == ["image"]


def test_diff_has_only_differing_values():
    assert difference(plan(FULL, ask(memory="4G", cpus=2), TRAITS)) == {
        "before_header": "web",
        "after_header": "web",
        "before": {"memory": "2G"},
        "after": {"memory": "4G"},
    }


def test_diff_of_a_new_vm_has_all_its_settings():
    shown = difference(plan(absent(), ask(image={"source": "/i"}, cpus=1), TRAITS))
    assert shown["before"] == {"state": "absent"}
    assert shown["after"] == {"state": "stopped", "cpus": 1, "disks.disk0": "present"}


def test_emptied_description_is_in_the_diff():
    shown = difference(plan(found(description="old"), ask(description=""), TRAITS))
    assert (shown["before"], shown["after"]) == ({"description": "old"}, {"description": ""})


def test_restart_alone_is_in_the_diff():
    shown = difference(plan(found("running"), ask("restarted"), TRAITS))
    assert (shown["before"], shown["after"]) == ({"restarted": False}, {"restarted": True})


def test_diff_of_a_restart_names_the_settings_that_wait_for_it():
    waiting = found("running", cpus=2).having(active={**found().config, "cpus": 1})
    shown = difference(plan(waiting, ask(cpus=2, allow_restart=True), TRAITS))
    assert shown["before"] == {"restarted": False, "restart_required": ["cpus"]}
    assert shown["after"] == {"restarted": True, "restart_required": []}


def test_plan_without_steps_has_no_diff():
    assert difference(plan(FULL, ask(cpus=2), TRAITS)) is None
    assert difference(plan(found(), ask_snapshot("s1", "absent"), TRAITS)) is None


def test_changed_secret_is_masked_and_marked():
    assert plain(Secret("new"), Secret("old")) == "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER (another)"
    assert plain({"user": "me", "token": Secret("new")}, {"user": "me", "token": Secret("new")}) == {
        "user": "me",
        "token": "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER",
    }
