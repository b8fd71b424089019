# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which backup a drill restores, the tasks of a drill, and the entries of the result. Pure."""

from __future__ import annotations

import re

from ...module_utils._core.record.leases import CLOCK_TOLERANCE, iso, read_time

CREATED, CHANGED, UNCHANGED, FAILED = "created", "changed", "unchanged", "failed"
PLANNED, PASSED = "planned", "passed"
#: The copies of drills. Their name has the ID of the backup, and is 39 characters long.
FLEET = "polyvirt-drill"
_NAME = re.compile(rf"{FLEET}-(\d{{8}}T\d{{6}}Z-[0-9a-f]{{8}})")
#: A drill that was killed leaves its copy; the playbook reap deletes it after this time, too.
_EXPIRES = "1d"
#: Any backup is young enough.
_ANY_AGE = "36500d"
#: Lines of the console that are searched, and seconds between two searches.
_LINES, _DELAY = 1000, 5
_RESTORE, _START, _CONSOLE, _DELETE = 1, 2, 3, 5
_LAST = _DELETE + 1


def _entry(vm, outcome, backup=None, **more):
    backup = backup or {}
    return {
        **{"hosts": list(vm.hosts), "name": vm.name, "id": vm.id, "platform": vm.platform, "source": vm.source},
        **{"outcome": outcome, "backup": backup.get("id"), "start": backup.get("start")},
        **{"consistency": backup.get("consistency"), "age": None, "seconds": None, "msg": "", **more},
    }


def failed_entry(vm, message, backup=None):
    return _entry(vm, FAILED, backup, msg=str(message).removeprefix(f"{vm.name}: "))


def backed_up(vm, result):
    """Return the entry of a VM from the result of vm_backup."""
    if result.get("failed"):
        return failed_entry(vm, result.get("msg"))
    found = [one for one in _backups(result) if not (one["unfinished"] or one["damaged"])]
    outcome = CREATED if "backup" in _verbs(result) else CHANGED if result.get("changed") else UNCHANGED
    return _entry(vm, outcome, found[-1] if found else None)


def _backups(result):
    return [one for vm in result.get("vms") or () for one in vm.get("backups") or ()]


def _verbs(result):
    return {step["verb"] for vm in result.get("vms") or () for step in vm.get("steps") or ()}


# Drills ---------------------------------------------------------------------------------------------------------------


def list_backups(asked):
    """Return the options of vm_backup that, in check mode, list the backups of a VM."""
    return {"max_age": _ANY_AGE, **{name: asked[name] for name in ("exclude", "consistency") if name in asked}}


def own_backups(vm, result):
    """Return the complete backups in a list that are of this VM, and not of another one that had its name."""
    found = [one for one in _backups(result) if not (one["unfinished"] or one["damaged"])]
    own = [one for one in found if vm.id and str(one["birth"]).partition(":")[0] == vm.id]
    return own or found


def newest(vm, result, now):
    """Return (the backup that a drill restores or None, why there is none)."""
    if result.get("failed"):
        return None, result.get("msg")
    found = own_backups(vm, result)
    if "backup" in _verbs(result) or not found:
        return None, "there is no complete backup."
    if len({one["birth"] for one in found}) > 1:
        return None, f"several VMs had this name, and each has backups: {', '.join(one['id'] for one in found)}."
    past = [one for one in found if read_time(one["start"]) <= now + CLOCK_TOLERANCE]
    return past[-1], ""


def name_of(backup):
    """Return the name of the copy."""
    return f"{FLEET}-{backup}"


def backup_of(name):
    """Return the ID of the backup in the name of a copy, or None."""
    found = _NAME.fullmatch(name)
    return found and found[1]


def is_restored(result):
    """Return whether check mode has shown that the copy came from the backup in its name."""
    return bool(result) and not result.get("failed") and not result.get("changed")


def has_expired(copy, now):
    return bool(copy["expires"]) and copy["expires"] <= iso(now)


def restore(vm, backup):
    """Return the options of vm_backup that restore a backup as the copy."""
    return {"name": [vm.name], "state": "restored", "backup": backup, "new_name": name_of(backup)}


def removal(where, number):
    return {**where, "id": number, "state": "absent", "stop_mode": "force", "delete_disks": "owned"}


def steps(where, restoring, backup, options, first):
    """Return the tasks of one drill, the first of which is number ``first`` of its source.

    The copy loses its NICs before it starts. What was restored is deleted, whatever happened to it.
    """
    number = f"{{{{ __polyvirt_result_{first + _RESTORE}.vms[0].id }}}}"
    is_there = f"__polyvirt_result_{first + _RESTORE} is not failed"
    started = {
        **{"id": number, "state": "started", "fleet": FLEET, "expires": _EXPIRES, "autostart": False},
        **{"networks": [], "purge": ["networks"], "wait_for": options["wait_for"], "timeout": options["wait_timeout"]},
    }
    log = {"serial_log": f"/var/log/libvirt/qemu/{name_of(backup)}.console"} if options["console"] else {}
    has_started = f"{is_there} and __polyvirt_result_{first + _START} is not failed"
    lines = f"__polyvirt_result_{first + _CONSOLE}.vms[0].console.lines"
    time = {"ansible.builtin.debug": {"msg": "{{ now(utc=true).timestamp() | int }}"}}
    found = [
        time,
        {"polyvirt.core.vm_backup": restoring},
        {"polyvirt.core.vm": {**where, "options": {**where["options"], **log}, **started}, "when": is_there},
        {
            "polyvirt.core.vm_info": {**where, "name": [name_of(backup)], "facets": ["power"], "console": _LINES},
            "until": f"{lines} | default([], true) | join('\\n') is search(polyvirt_console)",
            "vars": {"polyvirt_console": options["console"] or ""},
            "retries": max(1, options["wait_timeout"] // _DELAY),
            "delay": _DELAY,
            "when": f"{has_started} and polyvirt_console != ''",
        },
        time,
        {"polyvirt.core.vm": removal(where, number), "when": is_there},
    ]
    return [{**task, "check_mode": False, "ignore_errors": True} for task in found]


def drilled(vm, backup, results, now):
    """Return the entry of a VM from the results of its steps; without results, the drill is only planned."""
    age = now - read_time(backup["start"])
    if not results:
        return _entry(vm, PLANNED, backup, age=age)
    failed = next((place for place, one in enumerate(results) if one.get("failed")), None)
    if failed is not None:
        what = {_CONSOLE: "its console has not shown what console searches for: ", _DELETE: "it was not deleted: "}
        message = f"{name_of(backup['id'])}: {what.get(failed, '')}{results[failed].get('msg')}"
        return {**failed_entry(vm, message, backup), "age": age}
    seconds = int(results[_DELETE - 1]["msg"]) - int(results[0]["msg"])
    return _entry(vm, PASSED, backup, age=age, seconds=seconds)


def results_of(results, first):
    return results[first : first + _LAST]
