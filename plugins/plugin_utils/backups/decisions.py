# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which backup a drill restores, the tasks of a drill, and the entries of the result. Pure."""

from __future__ import annotations

import re
from collections import Counter

from ...module_utils._core.errors import InvalidInput
from ...module_utils._core.record.leases import CLOCK_TOLERANCE, read_time
from ...module_utils._core.results.approval import TEXTS
from ..tasks.over_platforms import texts_of

CREATED, CHANGED, UNCHANGED, FAILED = "created", "changed", "unchanged", "failed"
PLANNED, PASSED = "planned", "passed"
#: The copies of drills. Their name has the ID of the backup, and is 39 characters long.
FLEET = "polyvirt-drill"
_NAME = re.compile(rf"{FLEET}-(\d{{8}}T\d{{6}}Z-[0-9a-f]{{8}})")
#: A drill that was killed leaves its copy; the playbook reap deletes it after this time, too.
_EXPIRES = "1d"
#: Any backup is young enough.
_ANY_AGE = "36500d"


def grouped(tasks):
    """Return the ``tasks``, which are (source, module, arguments), as lists of their places: one list can be one task.

    In each list, they differ only in their VM, and no two VMs have the same name.
    """
    groups, listed = {}, Counter()
    for place, (source, module, arguments) in enumerate(tasks):
        shared = repr([source, module, sorted({**arguments, "name": None, "id": None}.items())])
        one = (shared, *arguments.get("name", ()))
        listed[one] += 1
        groups.setdefault((shared, listed[one]), []).append(place)
    return list(groups.values())


def together(tasks):
    """Return one task of vm_backup for the VMs of several, each of which is treated as if it were alone."""
    source, module, arguments = tasks[0]
    ids = {one["name"][0]: one.get("id") for _source, _module, one in tasks}
    return source, module, {**arguments, "name": list(ids), "id": None, "each": ids}


def apart(result, count):
    """Return the results of the ``count`` VMs of such a task; none if it failed before it knew its VMs."""
    vms = result.get("vms") or ()
    return [_of_one(result, one) for one in vms] if len(vms) == count else []


def _of_one(result, vm):
    texts = [one for one in texts_of(result) if one["vm"] == vm["name"]]
    own = {name: vm[name] for name in ("changed", "failed", "msg", "plan")}
    return {**own, "vms": [vm], "warnings": result.get("warnings"), "ansible_stats": {"data": {TEXTS: texts}}}


def _entry(vm, outcome, backup=None, **more):
    backup = backup or {}
    return {
        **{"hosts": list(vm.hosts), "name": vm.name, "id": vm.id, "platform": vm.platform, "source": vm.source},
        **{"outcome": outcome, "backup": backup.get("id"), "start": backup.get("start")},
        **{"consistency": backup.get("consistency"), "age": None, "seconds": None, "msg": "", **more},
    }


def failed_entry(vm, message, backup=None):
    return _entry(vm, FAILED, backup, msg=str(message).removeprefix(f"{vm.name}: "))


def backed_up(vm, result, now):
    """Return the entry of a VM from the result of vm_backup."""
    if result.get("failed"):
        return failed_entry(vm, result.get("msg"))
    found = _past(_complete(result), now)
    outcome = CREATED if "backup" in _verbs(result) else CHANGED if result.get("changed") else UNCHANGED
    return _entry(vm, outcome, found[-1] if found else None)


def _complete(result):
    found = [one for vm in result.get("vms") or () for one in vm.get("backups") or ()]
    return [one for one in found if not (one["unfinished"] or one["damaged"])]


def _past(backups, now):
    """Return those that are not dated ahead: one that is does not count."""
    return [one for one in backups if read_time(one["start"]) <= now + CLOCK_TOLERANCE]


def _verbs(result):
    return {step["verb"] for vm in result.get("vms") or () for step in vm.get("steps") or ()}


# Drills ---------------------------------------------------------------------------------------------------------------


def list_backups(asked):
    """Return the options of vm_backup that, in check mode, list the backups of a VM."""
    return {"max_age": _ANY_AGE, **{name: asked[name] for name in ("exclude", "consistency") if name in asked}}


def own_backups(vm, result):
    """Return the complete backups in a list that are of this VM, and not of another one that had its name."""
    found = _complete(result)
    own = [one for one in found if vm.id and str(one["birth"]).partition(":")[0] == vm.id]
    return own or found


def newest(vm, result, now):
    """Return (the backup that a drill restores or None, why there is none)."""
    if result.get("failed"):
        return None, result.get("msg")
    found = _past(own_backups(vm, result), now)
    if "backup" in _verbs(result) or not found:
        return None, "there is no complete backup."
    if len({one["birth"] for one in found}) > 1:
        return None, f"several VMs had this name, and each has backups: {', '.join(one['id'] for one in found)}."
    return found[-1], ""


def name_of(backup):
    """Return the name of the copy."""
    return f"{FLEET}-{backup}"


def backup_of(name):
    """Return the ID of the backup in the name of a copy, or None."""
    found = _NAME.fullmatch(name)
    return found and found[1]


def restore(vm, backup):
    """Return the options of vm_backup that restore a backup as the copy."""
    return {"name": [vm.name], "state": "restored", "backup": backup, "new_name": name_of(backup)}


def removal(where, vm_id):
    """Return the options of vm that delete a copy."""
    return {**where, "id": vm_id, "state": "absent", "stop_mode": "force", "delete_disks": "owned"}


def started(options):
    """Return the options of vm that start the copy without a NIC, after its fleet and its expiry are recorded."""
    return {
        **{"state": "started", "fleet": FLEET, "expires": _EXPIRES, "autostart": False, "networks": []},
        **{"purge": ["networks"], "wait_for": options["wait_for"], "timeout": options["wait_timeout"]},
    }


def check_console(vms, pattern):
    """Raise InvalidInput if the console cannot be searched."""
    others = sorted(vm.name for vm in vms if vm.platform != "libvirt")
    if pattern and others:
        raise InvalidInput(
            f"console: {', '.join(others)}: the platform keeps no log of a console.",
            "Set wait_for: cloud_init instead.",
        )
    try:
        re.compile(pattern or "")
    except re.error as error:
        raise InvalidInput(f"console: '{pattern}' is not a regular expression: {error}.", "Correct it.") from error


def shows(result, pattern):
    """Return whether a console shows a pattern."""
    lines = [line for vm in result.get("vms") or () for line in (vm.get("console") or {}).get("lines") or ()]
    return re.search(pattern, "\n".join(lines), re.MULTILINE) is not None


def drilled(vm, backup, now, problem="", seconds=None):
    """Return the entry of a VM; ''seconds'' None without a problem: the drill is only planned."""
    age = now - read_time(backup["start"])
    if problem:
        return {**failed_entry(vm, f"{name_of(backup['id'])}: {problem}", backup), "age": age}
    return _entry(vm, PLANNED if seconds is None else PASSED, backup, age=age, seconds=seconds)
