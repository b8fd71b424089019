# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From records about VMs to the data of a report, which all formats show. It is also the content of report.json.

A record is a dictionary about one VM and one task: what the task did or would do, and the VM as the result has it
(``info``). Several records of one VM become one entry: the newest facts, and the differences and errors of all tasks.
"""

from __future__ import annotations

from collections import Counter

from ...module_utils._core.record.leases import iso, read_time
from ...module_utils._core.texts import visible
from ..outcomes.records import FAILED as TASK_FAILED
from ..outcomes.records import HOST_FAILED, REFUSED
from .backups import add_unsupported, difference_of, is_about_backups, is_of_no_vm, newest_backup
from .differences import differences_of, is_planned, state_before
from .sharing import images, networks

SCHEMA = 1
FAILED, DRIFT, CHANGED, OK = "failed", "drift", "changed", "ok"
#: The most important one first: it decides, and it is the order of the VMs.
STATUSES = (FAILED, DRIFT, CHANGED, OK)
#: What is taken from the entry of a VM as it is. ``native`` and ``settings`` are too much for a report.
_FACTS = (
    *("cpus", "memory_mib", "description", "tags", "fleet", "autostart", "iso", "image", "owner", "expires"),
    *("restart_required", "reason"),
)
_LISTS = ("tags", "restart_required")


def build(records, about):
    """The data of the report. ``about``: ``title`` and ``created`` (UTC), and what is known of the run."""
    records, found = [_visible(one) for one in records], _Vms(in_utc(about["created"]))
    for record in records:
        if (record["vm"] or {}).get("name") and not is_of_no_vm(record):
            found.add(record)
    add_unsupported(found.entries())
    vms = sorted(found.entries(), key=_order)
    tasks = [_task(one) for one in records if one["vm"] is None and status_of(one) != OK]
    return {
        "schema": SCHEMA,
        **_about(records, about),
        "compared": any("changed" in (one["info"] or {}) for one in records),
        "summary": {**_counts(vms), "tasks": dict(Counter(one["status"] for one in tasks))},
        "hosts": _hosts(vms),
        "tasks": tasks,
        "vms": vms,
        "networks": networks(vms),
        "images": images(vms),
    }


def _visible(value):
    """A record with its texts as people see them."""
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, dict):
        return {_visible(key): _visible(one) for key, one in value.items()}
    return [_visible(one) for one in value] if isinstance(value, (list, tuple)) else value


def _about(records, about):
    """What is said of the whole run; what is not given comes from the first record that has it."""
    names = ("playbook", "user", "job_id")
    known = {name: next((one[name] for one in records if one.get(name)), None) for name in names}
    is_check = bool(records) and all(one["check"] for one in records)
    return {"check": is_check, **known, **about, "created": in_utc(about["created"])}


def in_utc(text):
    """A time of ISO 8601 in UTC, such as 2026-11-25T20:40:00Z; None if the text is none."""
    return iso(read_time(text))


class _Vms:
    """The entries of VMs, in the order in which tasks name them."""

    def __init__(self, created):
        self._by_name, self._keys, self._created = {}, set(), created

    def entries(self):
        return [one for same in self._by_name.values() for one in same]

    def add(self, record):
        _merge(self._entry(record), record, self._created)

    def _entry(self, record):
        """The entry of the VM. On some platforms, several VMs have the same name; their IDs differ."""
        vm, place = record["vm"], (record["platform"] or "", record["host"] or "")
        number = None if vm["id"] is None else str(vm["id"])
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
        "backup": None,
    }


def _merge(entry, record, created):
    status = status_of(record)
    entry["status"] = min(entry["status"], status, key=STATUSES.index)
    entry["source"] = record["vm"].get("source") or entry["source"]
    found = differences_of(record)
    if is_about_backups(record):
        entry["backup"] = newest_backup(record, status == FAILED, created)
        found = difference_of(entry["backup"]) if status == DRIFT else found
    entry["differences"] += found
    entry["steps"] += [step["verb"] for step in record["steps"]]
    entry["messages"] += [record["message"]] if status == FAILED and record["message"] else []
    entry["plans"] += [record["plan"]] if record["plan"] else []
    if record["task"] and record["task"] not in entry["tasks"]:
        entry["tasks"].append(record["task"])
    _take_facts(entry, record["info"] or {})
    # In check mode, a result has the state that the VM would have.
    state = state_before(found) if record["check"] else None
    entry["state"] = state or record["state"] or entry["state"]
    entry["planned"] = entry["planned"] or (is_planned(record) and not is_about_backups(record))


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


def status_of(record):
    """What a record says about its VM. A failure counts also where the play ignores it."""
    if record["event"] in (TASK_FAILED, HOST_FAILED, REFUSED):
        return FAILED
    if not record["changed"]:
        return OK
    return DRIFT if record["check"] else CHANGED


def _task(record):
    """A task or a role as a whole: it failed before it knew its VMs, or it is about a host or an image."""
    known = {key: record[key] for key in ("platform", "host", "time", "message")}
    return {
        "status": status_of(record),
        "task": record["role"] or record["task"],
        **known,
        "differences": differences_of(record),
    }


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
