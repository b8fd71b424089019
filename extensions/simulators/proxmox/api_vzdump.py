# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""POST /nodes/{node}/vzdump: one task that backs up VMs of a node, one after another; and its default values."""

from __future__ import annotations

import re

from . import archives, privileges, propertystring, schema, vm_backup
from .errors import ApiError, ParameterError

_ROOT_ONLY = ("dumpdir", "job-id", "script", "tmpdir")
_FOR_ADMINISTRATORS = ("bwlimit", "ionice", "performance")
#: The values without /etc/vzdump.conf (confdesc in VZDump/Common.pm).
_DEFAULTS = {
    "all": 0,
    "bwlimit": 0,
    "compress": "0",
    "fleecing": "enabled=0",
    "ionice": 7,
    "lockwait": 180,
    "mailnotification": "always",
    "mode": "snapshot",
    "notification-mode": "auto",
    "performance": "max-workers=16,pbs-entries-max=1048576",
    "pigz": 0,
    "prune-backups": "keep-all=1",
    "quiet": 0,
    "remove": 1,
    "stdexcludes": 1,
    "stop": 0,
    "stopwait": 10,
    "zstd": 1,
}
_VARIABLES = ("cluster", "guestname", "node", "vmid")


def defaults(call):
    """What a job uses if a request does not say otherwise; the retention is that of the storage (API2/VZDump.pm)."""
    name = call.get("storage", "local")
    call.world.access.require(call.user, f"/storage/{name}", ["Datastore.Audit", "Datastore.AllocateSpace"], True)
    storage = _of_backups(call, name)
    found = {**_DEFAULTS, "storage": name}
    if storage.has_files:
        found["dumpdir"] = storage.path_of("backup/").rstrip("/")
    if storage.prune:
        rules = call.world.schema.property_format("prune-backups")
        found["prune-backups"] = propertystring.printed(propertystring.parse(storage.prune, rules), rules)
    if not call.world.access.may(call.user, f"/nodes/{call.node}", ["Sys.Audit"]):
        found = {key: value for key, value in found.items() if key not in ("dumpdir", "ionice")}
    return found


def _of_backups(call, name):
    storage = call.world.storages.get(name)
    if "backup" not in storage.content:
        raise ApiError(f"can't use storage '{name}' for backups - wrong content type")
    return storage


def create(call):
    _check_rights(call)
    _check_parameters(call)
    machines = call.world.cluster.machines
    wanted = _wanted(call)
    # VMs of other nodes are left out in silence; those that exist nowhere fail in the task.
    here = [vmid for vmid in wanted if vmid not in machines or machines[vmid].node == call.node]
    if not here and not _wants_all(call):
        return "OK"
    privileges.check_space(call, call.get("storage", "local"))
    lock = call.world.flock(call.node, "/var/run/vzdump-{}.lock")
    return call.task("vzdump", lambda task: _locked(call, task, here, lock), here[0] if len(here) == 1 else "")


def _check_rights(call):
    """Whether the caller may use these parameters (assert_param_permission_vzdump in API2/VZDump.pm)."""
    if call.user.is_root:
        return
    for name in _ROOT_ONLY:
        if name in call.params:
            raise ParameterError.of({name: "Only root may set this option."})
    require = call.world.access.require
    if any(name in call.params for name in _FOR_ADMINISTRATORS):
        require(call.user, "/", ["Sys.Modify"])
    if "prune-backups" in call.params:
        require(call.user, f"/storage/{call.get('storage', 'local')}", ["Datastore.Allocate"])
    if "stop" in call.params:
        require(call.user, f"/nodes/{call.node}", ["Sys.Modify"])


def _check_parameters(call):
    given = {name for name in ("all", "exclude", "pool", "stop", "vmid") if call.get(name, "0") != "0"}
    for name in ("all", "exclude", "pool"):
        if {name, "vmid"} <= given:
            raise ParameterError.of({name: "option conflicts with option 'vmid'"})
    _check_notes(call.get("notes-template", ""))
    if not given:
        raise ParameterError(vmid="property is missing")


def _check_notes(template):
    """Backslashes are only allowed before n and backslashes. In {{ vmid }}, with blanks, there is no variable."""
    if "\n" in template:
        raise ParameterError.of({"notes-template": "contains a line feed"})
    unknown = [
        f"escape sequence '\\{found.group(1)}' at char {found.start()}"
        for found in re.finditer(r"\\(.)", template)
        if found.group(1) not in "n\\"
    ]
    unknown += [
        f"variable '{found.group(1)}' at char {found.start() + 2}"
        for found in vm_backup.VARIABLE.finditer(template)
        if found.group(1) not in _VARIABLES
    ]
    if unknown:
        raise ParameterError.of({"notes-template": f"found unknown: {', '.join(unknown)}"})


def _wants_all(call):
    """Whoever leaves VMs out wants all others."""
    return call.flag("all") or ("exclude" in call.params and "pool" not in call.params)


def _wanted(call):
    """The numbers of the requested VMs (get_included_guests)."""
    cluster, name = call.world.cluster, call.get("pool")
    if name is not None:
        if name not in cluster.pools:
            raise ApiError(f"pool '{name}' does not exist")
        return sorted(cluster.pools[name].vms)
    if _wants_all(call):
        excluded = set(map(int, schema.split_list(call.get("exclude", ""))))
        return sorted(set(cluster.machines) - excluded)
    return [int(text) for text in dict.fromkeys(schema.split_list(call.get("vmid", "")))]


def _locked(call, task, vmids, lock):
    """One job at a time on each node; others wait for it."""
    storage = _target(call)
    if lock.is_held:
        task.say("INFO: trying to get global lock - waiting...")
    yield from lock.holding(_job(call, task, vmids, storage), call.number("lockwait", 180) * 60)


def _target(call):
    """The Storage; all that is wrong with it is reported (new in VZDump.pm)."""
    name, wrong = call.get("storage", "local"), []
    for check, what in (
        (lambda: call.world.storages.usable(name, call.node), "activate storage"),
        (lambda: _of_backups(call, name), "get storage information for"),
    ):
        try:
            check()
        except ApiError as error:
            wrong.append(f"could not {what} '{name}': {error}")
    if wrong:
        raise ApiError("\n".join(wrong))
    return call.world.storages.get(name)


def _job(call, task, vmids, storage):
    access = call.world.access
    if _wants_all(call):
        vmids = [vmid for vmid in vmids if access.may(call.user, f"/vms/{vmid}", ["VM.Backup"])]
    for vmid in vmids:
        access.require(call.user, f"/vms/{vmid}", ["VM.Backup"])
    task.say(f"INFO: starting new backup job: vzdump {' '.join(map(str, vmids))} --storage {storage.id}")
    failed, limits = False, _limits(call, storage)
    for vmid in vmids:
        try:
            yield from vm_backup.one(call, task, vmid, storage, limits)
        except ApiError as error:
            stopped = str(error) == "received interrupt"
            failed = True
            task.say(f"ERROR: Backup of VM {vmid} failed - {'interrupted by signal' if stopped else error}")
            if stopped:
                break
    if failed:
        task.say("INFO: Backup job finished with errors")
        raise ApiError("job errors")
    task.say("INFO: Backup job finished successfully")


def _limits(call, storage):
    """The retention as {keep-...: number}; empty: all are kept. That of a request replaces that of the storage."""
    return archives.rules_of(call.world.schema, call.get("prune-backups", storage.prune))
