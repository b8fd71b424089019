# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The newest backup of each VM, from results of the modules about backups. Pure."""

from __future__ import annotations

from ...module_utils._core.record.leases import CLOCK_TOLERANCE, read_time
from ..tasks.registry import PLATFORMS

YOUNG, OLD, NONE, UNKNOWN, UNSUPPORTED = "young", "old", "none", "unknown", "unsupported"


def is_about_backups(record):
    return (record["info"] or {}).get("backups") is not None


def is_of_no_vm(record):
    """Whether the VM of a task about backups does not exist: another task says whether that is an error."""
    return is_about_backups(record) and record["info"].get("state") == "absent"


def newest_backup(record, has_failed, created):
    """Return the newest complete backup that exists; ``created`` is the time of the report."""
    if has_failed:
        return _backup(UNKNOWN)
    info = record["info"]
    is_missing = record["check"] and any(step["verb"] == "backup" for step in record["steps"])
    now = read_time(created)
    listed = [one for one in info["backups"] if read_time(one["start"]) <= now + CLOCK_TOLERANCE]
    # Of those that are not dated ahead, check mode lists the planned one last.
    listed = listed[: -1 if is_missing else None]
    found = [one for one in listed if not (one["unfinished"] or one["damaged"])]
    if not found:
        return _backup(NONE)
    age = int(now - read_time(found[-1]["start"]))
    return _backup(OLD if is_missing else YOUNG, found[-1], age)


def add_unsupported(entries):
    """Say which VMs are on platforms without backups, if a task of the report was about backups."""
    if any(one["backup"] for one in entries):
        for one in entries:
            registered = PLATFORMS.get(one["platform"])
            if one["backup"] is None and registered and not registered.vm_backup:
                one["backup"] = _backup(UNSUPPORTED)


def difference_of(backup):
    """Return the differences of a VM for which check mode would create a backup; none if it would only delete some."""
    one = {"path": "backup", "before": backup["start"], "after": "a new backup", "effect": None}
    return [one] if backup["status"] in (OLD, NONE) else []


def _backup(status, found=None, age=None):
    found = found or {}
    return {"status": status, "id": found.get("id"), "start": found.get("start"), "age": age}
