# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From records about VMs to the data of a report, which all formats show. It is also the content of report.json.

A record is a dictionary about one VM and one task: what the task did or would do, and the VM as the result has it
(``info``). Several records of one VM become one entry: the newest facts, and the differences and errors of all tasks.
"""

from __future__ import annotations

from collections import Counter

from .differences import differences_of, is_planned, state_before
from .sharing import images, networks

SCHEMA = 1
FAILED, DRIFT, CHANGED, OK = "failed", "drift", "changed", "ok"
#: The most important one first: it decides, and it is the order of the VMs.
STATUSES = (FAILED, DRIFT, CHANGED, OK)
_FAILURES = ("failed", "refused")
#: What is taken from the entry of a VM as it is. ``native`` and ``settings`` are too much for a report.
_FACTS = (
    *("cpus", "memory_mib", "description", "tags", "fleet", "autostart", "iso", "image", "owner", "expires"),
    *("restart_required", "reason"),
)
_LISTS = ("tags", "restart_required")


def build(records, about):
    """The data of the report. ``about``: ``title`` and ``created`` (UTC), and what is known of the run."""
    records = list(records)
    found = _Vms()
    problems = []
    for record in records:
        if (record.get("vm") or {}).get("name"):
            found.add(record)
        elif _is_failure(record):
            problems.append(_problem(record))
    vms = sorted(found.entries(), key=_order)
    return {
        "schema": SCHEMA,
        **_about(records, about),
        "summary": {**_counts(vms), "problems": len(problems)},
        "hosts": _hosts(vms),
        "problems": problems,
        "vms": vms,
        "networks": networks(vms),
        "images": images(vms),
    }


def _about(records, about):
    """What is said of the whole run; what is not given comes from the first record that has it."""
    known = {name: next((one[name] for one in records if one.get(name)), None) for name in ("playbook", "user")}
    job = next((one["job_id"] for one in records if one.get("job_id")), None)
    check = any(one.get("check") for one in records)
    return {"title": "Virtual machines", "check": check, **known, "job": job, **about}


class _Vms:
    """The entries of VMs, in the order in which tasks name them."""

    def __init__(self):
        self._by_name, self._keys = {}, set()

    def entries(self):
        return [one for same in self._by_name.values() for one in same]

    def add(self, record):
        _merge(self._entry(record), record)

    def _entry(self, record):
        """The entry of the VM. On some platforms, several VMs have the same name; their IDs differ."""
        vm, place = record["vm"], (record.get("platform") or "", record.get("host") or "")
        number = None if vm.get("id") is None else str(vm["id"])
        same = self._by_name.setdefault((*place, vm["name"]), [])
        for one in same:
            if number is None or one["id"] in (None, number):
                one["id"] = one["id"] or number
                return one
        entry = _new(self._key("/".join([*place, vm["name"]]), number), vm["name"], number, *place)
        same.append(entry)
        return entry

    def _key(self, path, number):
        """A unique name of the VM in the report."""
        key = path if path not in self._keys else f"{path}/{number or len(self._keys)}"
        self._keys.add(key)
        return key


def _new(key, name, number, platform, host):
    return {
        **{"key": key, "name": name, "id": number, "platform": platform, "host": host, "node": None, "source": None},
        **{"status": OK, "state": "unknown", "messages": [], "differences": [], "steps": [], "tasks": [], "plans": []},
        **{name: [] if name in _LISTS else None for name in _FACTS},
        **{"planned": False, "addresses": [], "ssh": None, "disks": [], "networks": [], "snapshots": []},
    }


def _merge(entry, record):
    status = _status(record)
    entry["status"] = min(entry["status"], status, key=STATUSES.index)
    entry["source"] = record["vm"].get("source") or entry["source"]
    found = differences_of(record)
    entry["differences"] += found
    entry["steps"] += [step["verb"] for step in record.get("steps") or ()]
    if status == FAILED and record.get("message"):
        entry["messages"].append(record["message"])
    if record.get("plan"):
        entry["plans"].append(record["plan"])
    if record.get("task") and record["task"] not in entry["tasks"]:
        entry["tasks"].append(record["task"])
    _take_facts(entry, record.get("info") or {})
    state = state_before(found) if record.get("check") else None
    entry["state"] = state or record.get("state") or (record.get("info") or {}).get("state") or entry["state"]
    entry["planned"] = entry["planned"] or is_planned(record)


def _take_facts(entry, info):
    for name in _FACTS:
        if info.get(name) is not None:
            entry[name] = info[name]
    entry["node"] = (info.get("settings") or {}).get("node") or entry["node"]
    entry["addresses"] = [one["address"] for one in info.get("addresses") or ()] or entry["addresses"]
    entry["ssh"] = _ssh(info.get("ssh")) or entry["ssh"]
    for name, keys in (
        ("disks", ("slot", "size", "format", "source", "bus")),
        ("networks", ("type", "source", "mac", "model")),
    ):
        kept = [{key: one.get(key) for key in keys} for one in info.get(name) or ()]
        entry[name] = kept or entry[name]
    entry["snapshots"] = [one["name"] for one in info.get("snapshots") or ()] or entry["snapshots"]


def _ssh(found):
    return f"{found['host']}:{found['port']}" if found else None


def _status(record):
    if _is_failure(record):
        return FAILED
    if not record.get("changed"):
        return OK
    return DRIFT if record.get("check") else CHANGED


def _is_failure(record):
    return record.get("event") in _FAILURES or record.get("severity") == "error"


def _problem(record):
    return {key: record.get(key) for key in ("platform", "host", "task", "time", "message")}


def _order(vm):
    return STATUSES.index(vm["status"]), vm["platform"], vm["host"], vm["node"] or "", vm["name"], vm["id"] or ""


def _counts(vms):
    statuses, states = Counter(one["status"] for one in vms), Counter(one["state"] for one in vms)
    return {"vms": len(vms), **{name: statuses[name] for name in STATUSES}, "states": dict(sorted(states.items()))}


def _hosts(vms):
    """The VMs by platform, host and node, as numbers."""
    places = {}
    for vm in vms:
        places.setdefault((vm["platform"], vm["host"], vm["node"] or ""), []).append(vm)
    return [
        {"platform": platform, "host": host, "node": node or None, **_counts(some)}
        for (platform, host, node), some in sorted(places.items())
    ]
