# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which expired VMs a run ends, and what it reports."""

from __future__ import annotations

from datetime import datetime, timezone
from types import SimpleNamespace

import pytest
from ansible_collections.polyvirt.core.plugins.plugin_utils.leases import decisions, reap

NOW = datetime(2027, 3, 27, 12, tzinfo=timezone.utc).timestamp() + 0.5
VMS = [
    {"name": "new", "id": "1", "owner": "anna", "expires": "2027-03-27T12:00:01Z"},
    {"name": "b", "id": "2", "owner": "anna", "expires": "2027-03-27T12:00:00Z"},
    {"name": "a", "id": "3", "owner": "ben", "expires": "2027-03-27T12:00:00Z"},
    {"name": "old", "id": "4", "owner": None, "expires": "2027-03-27T10:00:00Z"},
    {"name": "never", "id": "5", "owner": "anna", "expires": None},
]


@pytest.mark.parametrize(
    ("grace", "owner", "names"),
    [
        (0, None, ["old", "a", "b"]),
        (3600, None, ["old"]),
        (7200, None, ["old"]),
        (7201, None, []),
        (0, "anna", ["b"]),
        (0, "nobody", []),
        (0, "", []),
    ],
)
def test_oldest_first_after_the_grace_and_of_one_owner(grace, owner, names):
    assert [vm["name"] for vm in decisions.due(VMS, NOW, grace, owner)] == names


def test_task_selects_by_id_and_decides_again():
    found = decisions.options_of(VMS[1], "stop", 90)
    assert found == {"id": "2", "state": "stopped", "expired_for": "90m"}
    assert decisions.options_of(VMS[1], "delete", 0, "force")["stop_mode"] == "force"
    assert decisions.options_of({"name": "x", "id": None}, "delete", 0)["name"] == "x"


@pytest.mark.parametrize(
    ("result", "action", "outcome", "msg"),
    [
        ({"changed": True}, "delete", "deleted", ""),
        ({"changed": True}, "stop", "stopped", ""),
        ({"changed": False}, "delete", "kept", ""),
        ({"changed": True, "failed": True, "msg": "no"}, "delete", "failed", "no"),
    ],
)
def test_entries(result, action, outcome, msg):
    entry = decisions.entry_of({**VMS[1], "platform": "libvirt"}, "hv1", result, action)
    assert (entry["outcome"], entry["msg"], entry["source"], entry["owner"]) == (outcome, msg, "hv1", "anna")


@pytest.mark.parametrize("label", ["b: ", "2: ", ""])
def test_message_names_the_vm_once(label):
    result = {"failed": True, "msg": f"{label}it was created later."}
    assert (
        decisions.entry_of(VMS[1] | {"platform": "libvirt"}, "hv1", result, "delete")["msg"] == "it was created later."
    )


def test_table():
    entries = [decisions.entry_of(VMS[3], "hv1", {"changed": True}, "delete")]
    assert decisions.table(entries, True) == [
        "WOULD BE  SOURCE  VM   SNAPSHOT  OWNER  EXPIRED",
        "deleted   hv1     old  -         -      2027-03-27T10:00:00Z",
    ]
    assert decisions.table([], False) == []


def test_name_of_others_writes_no_lines_of_the_table():
    entry = decisions.entry_of({**VMS[3], "name": "old\n\x1b[1Adeleted  db\u202e"}, "hv1", {"changed": True}, "delete")
    assert decisions.table([entry], False)[1] == (
        "deleted  hv1     old\\n\\u001b[1Adeleted  db\\u202e  -         -      2027-03-27T10:00:00Z"
    )


def _snapshot(name, expires, key=None):
    return {"name": name, "id": key, "expires": expires}


OLD, JUST, NEW = "2027-03-27T10:00:00Z", "2027-03-27T12:00:00Z", "2027-03-27T12:00:01Z"
WITH_SNAPSHOTS = [
    {**VMS[4], "snapshots": [_snapshot("base", OLD), _snapshot("child", JUST, "u2"), _snapshot("kept", None)]},
    {**VMS[0], "snapshots": [_snapshot("later", NEW)]},
    {**VMS[3], "snapshots": [_snapshot("of one that is deleted", OLD)]},
    {**VMS[2], "name": "c", "expires": None, "snapshots": [_snapshot("bens", OLD)]},
    {"name": "d", "id": "9", "owner": None, "expires": None},
]


@pytest.mark.parametrize(
    ("grace", "owner", "names"),
    [
        (0, None, ["bens", "child", "base"]),
        (3600, None, ["bens", "base"]),
        (7201, None, []),
        (0, "anna", ["child", "base"]),
        (0, "ben", ["bens"]),
    ],
)
def test_expired_snapshots_of_vms_that_remain_children_first(grace, owner, names):
    found = decisions.due_snapshots(WITH_SNAPSHOTS, NOW, grace, owner)
    assert [one["snapshot"]["name"] for one in found] == names


def test_task_deletes_one_snapshot_if_it_has_expired():
    child, base = decisions.due_snapshots(WITH_SNAPSHOTS, NOW, 0, "anna")
    ended = {"id": "5", "state": "absent", "expired_for": "90m"}
    assert decisions.options_of(child, "delete", 90, "force") == {**ended, "snapshot": "u2"}
    assert decisions.options_of(base, "delete", 90) == {**ended, "snapshot": "base"}
    entry = decisions.entry_of(base, "hv1", {"changed": True}, "delete")
    assert (entry["snapshot"], entry["expires"], entry["outcome"]) == ("base", OLD, "deleted")
    assert decisions.table([entry], False)[1] == "deleted  hv1     never  base      anna   2027-03-27T10:00:00Z"


@pytest.mark.parametrize(
    ("vm", "pools", "permitted"),
    [
        ({"platform": "proxmox", "settings": {"pool": "ci"}}, ["ci", "lab"], True),
        ({"platform": "proxmox", "settings": {"pool": "ci"}}, [], False),
        ({"platform": "proxmox", "settings": {"pool": "ci"}}, ["lab"], False),
        ({"platform": "proxmox", "settings": {"pool": ""}}, ["lab"], False),
        ({"platform": "proxmox", "settings": {}}, [""], False),
        ({"platform": "proxmox", "settings": {}, "snapshot": {"name": "s1"}}, [], True),
        ({"platform": "libvirt", "settings": {}}, [], True),
    ],
)
def test_vm_with_a_writable_record_needs_a_named_pool(vm, pools, permitted):
    assert decisions.is_permitted(vm, pools) == permitted


class _Sources:
    """A source with one VM; ``ended`` are the tasks that are carried out."""

    names, paths, optional = ("pve",), (), ()

    def __init__(self, vm):
        self._vm, self.ended = vm, []

    def source(self, name):
        return SimpleNamespace(platform=self._vm["platform"])

    def connection(self, name):
        return {}

    def run_each(self, tasks, timeout):
        self.ended += [task for _name, task in tasks if not task["check_mode"]]
        return [{"changed": True, "plan": "", "vms": [self._vm]} for _task in tasks]


@pytest.mark.parametrize(("pools", "is_ended"), [(None, False), (["lab"], False), (["ci", "lab"], True)])
@pytest.mark.parametrize("action", ["delete", "stop"])
def test_lease_in_the_notes_ends_only_vms_of_named_pools(monkeypatch, pools, action, is_ended):
    """Who may write the notes may not delete the VM."""
    sources = _Sources({**VMS[1], "platform": "proxmox", "settings": {"pool": "ci"}})
    monkeypatch.setattr(reap, "sources_for", lambda *words: sources)
    monkeypatch.setattr(reap, "now", lambda: NOW)
    plugin = object.__new__(type("Reaping", (reap.Reap,), {"own": frozenset()}))
    plugin._loader, plugin._task_vars = None, {}
    approval = SimpleNamespace(permit_parts=lambda *words: None, is_limited=False)
    options = {"grace": "0m", "sources": None, "pools": pools, "action": action, "stop_mode": None, "owner": None}
    answer = plugin._answer({**options, "timeout": 1}, False, approval)
    assert (bool(sources.ended), answer["changed"], bool(answer["warnings"])) == (is_ended, is_ended, not is_ended)


def test_vm_that_is_in_no_named_pool_is_listed_with_the_reason():
    kept = {**VMS[1], "platform": "proxmox", "settings": {"pool": "ci"}}
    entry = decisions.entry_of_kept(kept, "pve")
    assert (entry["name"], entry["source"], entry["outcome"]) == ("b", "pve", "kept")
    assert "in the pool 'ci'" in entry["msg"]
    assert "reap_pools" in entry["msg"]
