# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From records to the data of a report."""

from __future__ import annotations

import json

import pytest
from ansible_collections.polyvirt.core.plugins.plugin_utils.report.formats import as_json
from ansible_collections.polyvirt.core.plugins.plugin_utils.report.model import build
from ansible_collections.polyvirt.core.plugins.plugin_utils.report.page import html
from ansible_collections.polyvirt.core.plugins.plugin_utils.report.results import records_of_registered
from jsonschema import Draft202012Validator

from collection_path import CHECKOUT
from unit.plugin_utils.report_samples import ABOUT, drifted, failed, fleet, record, vm_entry

SCHEMA = json.loads((CHECKOUT / "docs/report.schema.json").read_text("utf-8"))


def report_of(*records):
    return build(records, ABOUT)


def one_of(*records):
    (vm,) = report_of(*records)["vms"]
    return vm


def test_fleet_is_counted_and_failures_are_first():
    report = build(fleet(), ABOUT)
    summary = {name: report["summary"][name] for name in ("vms", "failed", "drift", "changed", "ok", "tasks")}
    assert summary == {"vms": 40, "failed": 3, "drift": 6, "changed": 0, "ok": 31, "tasks": {"failed": 1}}
    assert [vm["status"] for vm in report["vms"]] == ["failed"] * 3 + ["drift"] * 6 + ["ok"] * 31
    assert [(one["platform"], one["node"], one["vms"]) for one in report["hosts"]] == [
        ("hyperv", None, 6),
        ("libvirt", None, 7),
        ("libvirt", None, 7),
        ("proxmox", "pve1", 7),
        ("proxmox", "pve2", 7),
        ("vmd", None, 6),
    ]
    assert [(one["host"], one["status"]) for one in report["tasks"]] == [("kvm3.example.com", "failed")]
    assert (report["check"], report["playbook"], report["user"], report["job_id"]) == (True, "site.yml", "anna", "812")


@pytest.mark.parametrize(
    "records",
    [[], fleet(), fleet(check=False), [record(0, info={**vm_entry(0), **dict.fromkeys(("image", "ssh", "cpus"))})]],
    ids=["nothing", "check", "run", "little is known"],
)
def test_json_follows_the_documented_schema(records):
    Draft202012Validator.check_schema(SCHEMA)
    found = Draft202012Validator(SCHEMA).iter_errors(json.loads(as_json(build(records, ABOUT))))
    assert [f"{error.json_path}: {error.message}" for error in found] == []


def test_in_check_mode_a_vm_has_the_state_that_it_has_now():
    vm = one_of(drifted(0, {"state": "stopped", "cpus": 1}, {"state": "running", "cpus": 2}, ("configure", "start")))
    assert (vm["status"], vm["state"], vm["planned"]) == ("drift", "stopped", True)
    assert [one["path"] for one in vm["differences"]] == ["state", "cpus"]
    assert vm["steps"] == ["configure", "start"]


def test_after_a_run_a_vm_has_the_state_of_the_result():
    vm = one_of(drifted(0, {"state": "stopped"}, {"state": "running"}, ("start",), check=False))
    assert (vm["status"], vm["state"], vm["planned"]) == ("changed", "running", False)


@pytest.mark.parametrize("before, after", [("absent", "running"), ("running", "absent")])
def test_creation_and_deletion_are_one_difference(before, after):
    settings = {"cpus": 2, "memory": "2G"}
    sides = [{"state": state, **({} if state == "absent" else settings)} for state in (before, after)]
    vm = one_of(drifted(0, *sides))
    assert [(one["path"], one["before"], one["after"]) for one in vm["differences"]] == [("state", before, after)]


def test_difference_says_when_it_takes_effect():
    vm = one_of(drifted(0, {"memory": "2G"}, {"memory": "4G"}, cost="power_off"))
    assert vm["differences"] == [{"path": "memory", "before": "2G", "after": "4G", "effect": "while stopped"}]


def test_several_tasks_for_one_vm_are_one_entry():
    first = drifted(0, {"memory": "2G"}, {"memory": "4G"}, check=False, task="Resize")
    last = failed(0, "web1: no space. Delete something.", check=False, task="Start")
    vm = one_of(first, last, record(0, check=False, task="Read"))
    assert (vm["status"], vm["messages"]) == ("failed", ["web1: no space. Delete something."])
    assert (len(vm["differences"]), vm["tasks"]) == (1, ["Resize", "Start", "Read"])


def test_vms_with_the_same_name_and_other_ids_are_two():
    other = record(0, info=vm_entry(0, id="another"))
    vms = report_of(record(0), other, other)["vms"]
    assert sorted(vm["id"] for vm in vms) == sorted([vm_entry(0)["id"], "another"])
    assert len({vm["key"] for vm in vms}) == 2


def test_vm_without_an_id_gets_the_one_of_a_later_task():
    created = record(0, vm={"name": "web1", "id": None, "source": None})
    vm = one_of(created, record(0))
    assert vm["id"] == vm_entry(0)["id"]


def test_rejected_task_is_a_failure_and_an_ignored_failure_too():
    for values in ({"event": "refused", "severity": "warning"}, {"severity": "warning", "ignored": True}):
        assert one_of(failed(0, "web1: rejected.", **values))["status"] == "failed"


def test_changed_host_is_a_task_without_a_vm():
    changed = record(0, vm=None, info=None, event="drift", changed=True, diff={"before": {"a": 1}, "after": {"a": 2}})
    report = report_of(changed, record(0, vm=None, info=None))
    assert [(one["status"], one["differences"][0]["after"]) for one in report["tasks"]] == [("drift", 2)]
    assert report["summary"]["tasks"] == {"drift": 1}


def test_role_that_failed_on_a_host_is_a_failed_task():
    ended = failed(0, "no space", vm=None, info=None, event="host.failed", role="vmm_host")
    assert [(one["task"], one["status"]) for one in report_of(ended)["tasks"]] == [("vmm_host", "failed")]


def test_text_that_reverses_what_follows_is_shown_by_its_number():
    vm = one_of(record(0, info=vm_entry(0, description="\u202egnp.exe", tags=["\u2066a", "\0\x1b[2J\r\x85", "a\n\tb"])))
    assert (vm["description"], vm["tags"][0]) == ("\\u202egnp.exe", "\\u2066a")
    assert vm["tags"][1:] == ["\\u0000\\u001b[2J\\u000d\\u0085", "a\n\tb"]


def test_vms_of_info_modules_are_listed_and_not_called_as_described():
    listed = {name: value for name, value in vm_entry(0).items() if name != "changed"}
    report = report_of(record(0, info=listed))
    assert (report["compared"], report_of(record(0))["compared"]) == (False, True)
    assert "1 listed, not compared with tasks" in html(report)
    assert "1 as described" not in html(report)


def test_networks_and_images_list_their_vms():
    report = report_of(record(0), record(6), record(1))
    assert [(one["source"], len(one["vms"])) for one in report["networks"]] == [("default", 2), ("br0", 1)]
    assert [(one["name"], len(one["vms"])) for one in report["images"]] == [("debian-13", 3)]


def test_run_with_one_task_in_check_mode_is_no_check():
    assert not report_of(record(0, check=True), record(1, check=False))["check"]
    assert not report_of()["check"]


def test_native_values_are_in_no_report():
    assert "not for a report" not in as_json(build(fleet(), ABOUT))


def test_time_is_in_utc():
    assert build([], {**ABOUT, "created": "2026-11-25T21:40:00.5+01:00"})["created"] == "2026-11-25T20:40:00Z"


def test_results_of_a_loop_are_those_of_its_items():
    context = {"module": "vm", "check": True, "is_ignored": False, "platform": None}
    entry = {**vm_entry(0), "changed": False, "failed": False, "msg": "", "plan": ""}
    looped = {
        "changed": False,
        "results": [{"vms": [entry]}, {"skipped": True}, {"unreachable": True, "msg": "no route"}],
    }
    records = records_of_registered("kvm1", looped, context)
    assert [(one["event"], one["message"], one["host"]) for one in records] == [
        (None, "", "kvm1"),
        ("failed", "no route", "kvm1"),
    ]
