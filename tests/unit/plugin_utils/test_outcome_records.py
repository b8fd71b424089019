# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which records follow from the result of a task."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from ansible_collections.polyvirt.core.plugins.plugin_utils.outcomes import reader
from ansible_collections.polyvirt.core.plugins.plugin_utils.outcomes.records import (
    HIDDEN,
    event_of,
    platform_of,
    records_of,
)

CONTEXT = {"task": "Create VMs", "module": "virsh_vm", "platform": "libvirt", "check": False, "is_ignored": False}


def _vm(name, verbs=(), **values):
    steps = [{"verb": verb, "done": True, "changes": [], "note": ""} for verb in verbs]
    known = {"name": name, "id": f"id-{name}", "platform": "libvirt", "state": "running", "steps": steps}
    return {**known, "changed": bool(verbs), "failed": False, "msg": "", "plan": "plan-x" if verbs else "", **values}


def _records(result, has_failed=False, **context):
    return records_of(result, has_failed, {**CONTEXT, **context})


def _events(*args, **kwargs):
    return [one["event"] for one in _records(*args, **kwargs)]


@pytest.mark.parametrize(
    "verbs, event",
    [
        (["fetch", "create", "start"], "vm.created"),
        (["clone"], "vm.created"),
        (["stop", "delete"], "vm.deleted"),
        (["kill", "delete", "create", "start"], "vm.recreated"),
        (["kill", "restore", "start"], "snapshot.restored"),
        (["snapshot", "drop_snapshot"], "snapshot.created"),
        (["drop_snapshot"], "snapshot.deleted"),
        (["stop", "configure", "start"], "vm.changed"),
        (["stop", "start"], "vm.restarted"),
        (["reset"], "vm.restarted"),
        (["start"], "vm.started"),
        (["kill"], "vm.stopped"),
        (["pause"], "vm.paused"),
        (["resume"], "vm.resumed"),
        (["suspend"], "vm.suspended"),
        ([], "vm.changed"),
    ],
)
def test_event_follows_from_the_steps(verbs, event):
    assert event_of(verbs) == event


def test_each_vm_has_one_record_with_its_own_diff():
    diffs = [{"before_header": "web1", "after_header": "web1", "after": {"cpus": 2}}]
    result = {"changed": True, "plan": "plan-all", "vms": [_vm("db1"), _vm("web1", ["configure"])], "diff": diffs}
    db1, web1 = _records(result)
    assert (db1["event"], db1["changed"], db1["diff"]) == (None, False, None)
    assert (web1["event"], web1["severity"], web1["changed"]) == ("vm.changed", "info", True)
    assert web1["vm"] == {"name": "web1", "id": "id-web1", "source": None}
    assert (web1["diff"], web1["plan"], web1["state"]) == (diffs[0], "plan-x", "running")
    assert web1["steps"] == [{"verb": "configure", "done": True}]
    assert web1["info"] == result["vms"][1]
    assert web1["task"] == "Create VMs"


def test_vms_of_the_same_name_on_two_platforms_have_their_own_diffs():
    diffs = [{"before_header": "web1", "after_header": "web1", "after": {"cpus": count}} for count in (1, 2)]
    vms = [_vm("web1", ["configure"], platform=name) for name in ("libvirt", "proxmox")]
    first, second = _records({"changed": True, "vms": vms, "diff": diffs}, platform=None)
    assert (first["platform"], first["diff"]["after"]) == ("libvirt", {"cpus": 1})
    assert (second["platform"], second["diff"]["after"]) == ("proxmox", {"cpus": 2})


def test_only_steps_that_were_done_count():
    steps = [{"verb": "configure", "done": True}, {"verb": "delete", "done": False}]
    assert _events({"changed": True, "vms": [_vm("web1", changed=True, steps=steps)]}) == ["vm.changed"]


def test_changes_of_check_mode_are_drift():
    (record,) = _records({"changed": True, "vms": [_vm("web1", ["start"])]}, check=True)
    assert (record["event"], record["severity"]) == ("drift", "warning")


def test_rejected_vm_is_refused_and_the_others_have_no_event():
    vms = [_vm("web1", failed=True, msg="web1: no", plan=None), _vm("db1", plan=None)]
    web1, db1 = _records({"changed": False, "plan": None, "msg": "web1: no", "vms": vms}, has_failed=True)
    assert (web1["event"], web1["severity"], web1["message"]) == ("refused", "warning", "web1: no")
    assert db1["event"] is None


def test_failed_vm_is_an_error_and_keeps_what_was_changed():
    vms = [_vm("web1", ["stop"], failed=True, msg="web1: timeout"), _vm("db1", ["start"])]
    web1, db1 = _records({"changed": True, "plan": "plan-all", "vms": vms}, has_failed=True)
    assert (web1["event"], web1["severity"], web1["changed"]) == ("failed", "error", True)
    assert db1["event"] == "vm.started"


def test_rejection_of_a_whole_task_is_refused_once():
    result = {"changed": False, "plan": None, "msg": "This plan was not approved", "vms": [_vm("web1", plan=None)]}
    web1, whole = _records(result, has_failed=True)
    assert web1["event"] is None
    assert (whole["event"], whole["vm"], whole["message"]) == ("refused", None, "This plan was not approved")


def test_failure_without_a_plan_is_an_error():
    (record,) = _records({"msg": "libvirt does not answer", "changed": False}, has_failed=True)
    assert (record["event"], record["severity"], record["platform"]) == ("failed", "error", "libvirt")


def test_ignored_failure_is_a_warning():
    (record,) = _records({"msg": "no"}, has_failed=True, is_ignored=True)
    assert (record["event"], record["severity"], record["ignored"]) == ("failed", "warning", True)


def test_vm_that_failed_in_a_task_that_did_not_is_ignored():
    (record,) = _records({"changed": False, "vms": [_vm("web1", failed=True)]})
    assert (record["event"], record["severity"], record["ignored"]) == ("failed", "warning", True)


@pytest.mark.parametrize(
    "module, has_failed, check, event",
    [
        ("virsh_vm", False, False, "vm.changed"),
        ("wsl_host_settings", False, False, "host.changed"),
        ("image", False, False, "image.changed"),
        ("virsh_pool", False, False, "pool.changed"),
        ("virsh_vm", False, True, "drift"),
        ("virsh_vm", True, False, "failed"),
    ],
)
def test_hidden_result_has_only_its_event(module, has_failed, check, event):
    result = {"censored": "hidden", "changed": True}
    (record,) = _records(result, has_failed, module=module, check=check)
    assert (record["event"], record["message"], record["changed"]) == (event, HIDDEN, True)
    assert (record["vm"], record["diff"], record["plan"], record["info"]) == (None, None, None, None)


@pytest.mark.parametrize(
    ("module", "found", "before", "event"),
    [
        ("virsh_network", {"name": "lab"}, {"lab": None}, "network.created"),
        ("virsh_network", {"name": "lab"}, {"lab": None, "lab.autostart": False}, "network.created"),
        ("virsh_network", {"name": "lab"}, {"lab.mtu": None, "lab.running.hosts": []}, "network.changed"),
        ("virsh_network", None, {"lab": {"mode": "nat"}}, "network.deleted"),
        ("virsh_pool", {"name": "lab"}, {"lab": None}, "pool.created"),
        ("virsh_pool", {"name": "lab"}, {"lab.refreshed": False}, "pool.changed"),
        ("virsh_pool", None, {"lab": {"type": "dir"}}, "pool.deleted"),
    ],
)
def test_network_and_pool_are_named(module, found, before, event):
    kind = event.partition(".")[0]
    result = {"changed": True, "plan": "plan-x", kind: found, "diff": {"before": before, "after": {}}}
    (record,) = _records(result, module=module)
    assert (record["event"], record["vm"], record["object"]) == (event, None, {"kind": kind, "name": "lab"})
    (drift,) = _records(result, module=module, check=True)
    assert (drift["event"], drift["object"]) == ("drift", record["object"])
    (failed,) = _records(result, has_failed=True, module=module)
    assert (failed["event"], failed["changed"], failed["object"]) == ("failed", True, record["object"])


def test_rejected_network_is_named_by_the_message_only():
    (record,) = _records({"changed": False, "plan": None, "msg": "lab: no"}, has_failed=True, module="virsh_network")
    assert (record["event"], record["object"]) == ("refused", {"kind": "network", "name": None})


def test_hidden_result_without_a_change_has_no_record():
    assert _records({"censored": "hidden", "changed": False}) == []


def test_changed_host_has_a_record_with_the_diff():
    diff = {"before": {"vm_path": "C:"}, "after": {"vm_path": "D:"}}
    (record,) = _records({"changed": True, "diff": diff}, module="hyperv_host_settings", platform="hyperv")
    assert (record["event"], record["vm"], record["diff"]) == ("host.changed", None, diff)


def test_info_modules_give_the_entries_of_vms_without_an_event():
    entry = {"name": "web1", "id": "1", "platform": "libvirt", "state": "running", "disks": []}
    (record,) = _records({"changed": False, "vms": [entry]})
    assert (record["event"], record["changed"], record["info"]) == (None, False, entry)


def test_list_of_snapshots_is_no_record():
    assert _records({"changed": False, "vms": [{"name": "web1", "id": "1", "snapshots": []}]}) == []


def test_guarded_run_reports_restored_and_failed_vms():
    vms = [
        {"host": "web1", "name": f"web-{outcome}", "source": "lab", "outcome": outcome}
        for outcome in ("kept", "restored", "failed", "unchanged")
    ]
    records = _records({"changed": True, "vms": vms}, has_failed=True, platform=None)
    assert [one["event"] for one in records] == [None, "snapshot.restored", "failed", None]
    assert records[1]["vm"] == {"name": "web-restored", "id": None, "source": "lab"}
    assert records[1]["changed"] is True


def test_platform_of_modules():
    names = ["vmm_vm", "wsl_distro", "vagrant_snapshot", "hyperv_host_settings", "vm", "image"]
    assert [platform_of(name) for name in names] == ["vmd", "wsl", "vagrant", "hyperv", None, None]


@pytest.mark.parametrize(
    ("check", "events"), [(False, ["vm.deleted", "vm.stopped", None]), (True, ["drift", "drift", None])]
)
def test_expired_vms_that_were_ended(check, events):
    vms = [{"name": outcome, "source": "lab", "outcome": outcome} for outcome in ("deleted", "stopped", "kept")]
    records = _records({"changed": True, "plan": "plan-x", "vms": vms}, check=check, module="reap")
    assert [one["event"] for one in records] == events
    assert [one["changed"] for one in records] == [True, True, False]


def test_failure_of_ansible_core_2_19_is_not_ignored_and_is_valid():
    """It passes None for a task without ignore_errors; the schema of events says that it is a boolean."""
    for vms in ([], [_vm("web1", failed=True)]):
        (found,) = _records({"failed": True, "msg": "no", "vms": vms}, has_failed=True, is_ignored=None)
        assert (found["ignored"], found["severity"]) == (False, "error")


@pytest.mark.parametrize(("hosts", "severity"), [(["web1"], "error"), ([], "warning")])
def test_failure_that_a_playbook_ignores_to_fail_on_its_hosts_is_an_error(monkeypatch, hosts, severity):
    monkeypatch.setattr(reader, "_action", lambda task: "polyvirt.core.backup_run")
    taken, callback = [], object.__new__(reader.OutcomeCallback)
    callback.take, callback._context = taken.extend, lambda result, found: CONTEXT
    found = {"failed": True, "msg": "no", "failed_hosts": hosts}
    callback._read(SimpleNamespace(task="backup", result=found), has_failed=True, is_ignored=True)
    assert [(one["severity"], one["ignored"]) for one in taken] == [(severity, not hosts)]
