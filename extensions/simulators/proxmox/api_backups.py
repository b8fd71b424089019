# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Endpoints that back up VMs, and those of the backups in a storage.

ASSUMED, because no backup was recorded: all of it follows the code of qemu-server 9.2.6 and pve-manager.
"""

from __future__ import annotations

import re

from . import archives, drives, privileges, propertystring, schema, vm_drives, vm_power
from .archives import Archive
from .errors import ApiError, Forbidden, ParameterError
from .storage import GIB, PBS, Volume
from .world import check_lock

_INTERRUPTED = "interrupted by signal"
_ROOT_ONLY = ("bwlimit", "ionice", "performance")
#: Protected backups of one VM, unless the caller has Datastore.Allocate.
_MOST_PROTECTED = 5
_VARIABLES = ("cluster", "guestname", "node", "vmid")


def create(call):
    _check_parameters(call)
    machines = call.world.cluster.machines
    wanted = [int(text) for text in schema.split_list(call.get("vmid", ""))]
    if call.flag("all"):
        wanted = sorted(machines)
    # VMs of other nodes are left out in silence; those that exist nowhere fail in the task.
    here = [vmid for vmid in wanted if vmid not in machines or machines[vmid].node == call.node]
    if not here:
        return "OK"
    if "storage" in call.params:
        privileges.check_space(call, call.get("storage"))
    lock = call.world.flock(call.node, "/var/run/vzdump-{}.lock")
    return call.task("vzdump", lambda task: _locked(call, task, here, lock), here[0] if len(here) == 1 else "")


def _check_parameters(call):
    for name in ("all", "exclude", "pool"):
        if name in call.params and "vmid" in call.params:
            raise ParameterError.of({name: "option conflicts with option 'vmid'"})
    if not call.flag("all") and "pool" not in call.params and "vmid" not in call.params:
        raise ParameterError(vmid="property is missing")
    _check_notes(call.get("notes-template", ""))
    if "prune-backups" in call.params and "storage" in call.params:
        call.world.access.require(call.user, f"/storage/{call.get('storage')}", ["Datastore.Allocate"])
    if any(name in call.params for name in _ROOT_ONLY):
        call.world.access.require(call.user, "/", ["Sys.Modify"])


def _check_notes(template):
    if "\n" in template:
        raise ParameterError.of({"notes-template": "contains a line feed"})
    for found in re.finditer(r"\{\{([^}]*)\}\}", template):
        if found.group(1) not in _VARIABLES:
            text = f"found unknown: variable '{found.group(1)}' at char {found.start() + 2}"
            raise ParameterError.of({"notes-template": text})


def _locked(call, task, vmids, lock):
    """One job at a time on each node; others wait for it."""
    if lock.is_held:
        task.say("INFO: trying to get global lock - waiting...")
    yield from lock.holding(_job(call, task, vmids), call.number("lockwait", 180) * 60)


def _job(call, task, vmids):
    storage = _target(call)
    task.say(f"INFO: starting new backup job: vzdump {' '.join(map(str, vmids))} --storage {storage.id}")
    failed = False
    for vmid in vmids:
        if vmid in call.world.cluster.machines:
            call.world.access.require(call.user, f"/vms/{vmid}", ["VM.Backup"])
        try:
            yield from _one(call, task, vmid, storage)
        except ApiError as error:
            text = _INTERRUPTED if str(error) == "received interrupt" else str(error)
            task.say(f"ERROR: Backup of VM {vmid} failed - {text}")
            if text == _INTERRUPTED:
                task.say(f"ERROR: Backup job failed - {_INTERRUPTED}")
                raise ApiError(_INTERRUPTED) from error
            failed = True
    if failed:
        task.say("INFO: Backup job finished with errors")
        raise ApiError("job errors")
    task.say("INFO: Backup job finished successfully")


def _target(call):
    name = call.get("storage", "local")
    storage = call.world.storages.get(name)
    if "backup" not in storage.content:
        raise ApiError(f"could not get storage information for '{name}': can't use storage '{name}' for backups"
                       " - wrong content type")  # fmt: skip
    try:
        return call.world.storages.usable(name, call.node)
    except ApiError as error:
        raise ApiError(f"could not activate storage '{name}': {error}") from error


def _one(call, task, vmid, storage):
    world = call.world
    task.say(f"INFO: Starting Backup of VM {vmid} (qemu)")
    machine = world.cluster.machines.get(vmid)
    if machine is None:
        raise ApiError(f"unable to find VM '{vmid}'")
    _check_limits(call, vmid, storage)
    config = machine.config
    check_lock(config)
    mode = call.get("mode", "snapshot")
    if mode == "stop" and machine.ha:
        raise ApiError("Cannot execute a backup with stop mode on a HA managed and enabled Service. Use snapshot mode"
                       " or disable the Service.")  # fmt: skip
    name, format_ = archives.name_of(storage, vmid, world.now + _ahead(call), call.get("compress", "0"))
    started = world.now
    config.current["lock"] = "backup"
    machine.write(config)
    try:
        archive = yield from _content(call, task, machine, mode)
        yield from _written(call, task, storage, name, archive)
    finally:
        config = machine.config
        if config.current.pop("lock", None):
            machine.write(config)
    size = max(1, sum(disk[0] for disk in archive.disks.values()) // 4)
    volume = Volume(size, format_, "backup", vmid, created=int(started + _ahead(call)), archive=archive)
    volume.notes = _notes(call, machine)
    volume.protected = call.flag("protected")
    storage.volumes[storage.key(call.node, name)] = volume
    world.effect(vmid, f"BACKUP {storage.id}:{name}")
    task.say(f"INFO: archive file size: {size / GIB:.2f}GB")
    _prune(call, task, vmid, storage)
    task.say(f"INFO: Finished Backup of VM {vmid} (00:00:{int(world.now - started) % 60:02})")


def _ahead(call):
    return call.world.cluster.nodes[call.node].clock_ahead


def _check_limits(call, vmid, storage):
    existing = archives.backups_of(storage, call.node, vmid)
    if call.flag("protected"):
        _check_protected(call, storage, vmid)
    rules = archives.rules_of(call.world.schema, call.get("prune-backups", storage.prune))
    unprotected = [name for name, volume in existing if not volume.protected]
    if call.get("remove", "1") == "0" and 0 < sum(rules.values()) <= len(unprotected):
        raise ApiError(f"There is a max backup limit of {sum(rules.values())} enforced by the target storage or the"
                       " vzdump parameters. Either increase the limit or delete old backups.")  # fmt: skip


def _check_protected(call, storage, vmid):
    others = [name for name, volume in archives.backups_of(storage, call.node, vmid) if volume.protected]
    unlimited = call.world.access.may(call.user, f"/storage/{storage.id}", ["Datastore.Allocate"])
    if len(others) >= _MOST_PROTECTED and not unlimited:
        raise ApiError(
            f"The number of protected backups per guest is limited to {_MOST_PROTECTED} on storage '{storage.id}'"
        )


def _content(call, task, machine, mode):
    """The Archive: the point in time is when this ends. The guest's file systems are thawed whatever happens."""
    world, was_running = call.world, machine.running
    task.say(f"INFO: status = {'running' if was_running else 'stopped'}")
    if was_running and mode == "stop":
        task.say("INFO: stopping virtual guest")
        if not (yield from vm_power.guest_goes_down(world, machine, call.number("stopwait", 10) * 60)):
            raise ApiError(f"command 'qm shutdown {machine.vmid} --skiplock --keepActive' failed: exit code 255")
        vm_power.end(world, machine)
    elif not was_running:
        # Its emulator is started without the guest, and lists show it as running.
        task.say("INFO: starting kvm to execute backup task")
        machine.running, machine.qmp = True, "prelaunch"
    try:
        if was_running and mode != "stop":
            yield from _freeze(call, task, machine)
        yield world.timing.backup_begin
        return _archived(call, task, machine)
    finally:
        machine.frozen = False
        if was_running and not machine.running:
            task.say("INFO: restarting vm")
            vm_power.begin(world, machine)
        elif not was_running:
            machine.running, machine.qmp = False, "running"


def _freeze(call, task, machine):
    """Freeze the guest's file systems if an agent answers; a failure is only written to the log."""
    options = propertystring.parse(machine.config.current.get("agent", "0"), call.world.schema.properties_of("agent"))
    if options.get("enabled") != "1" or machine.qmp == "paused":
        return
    if not machine.agent_answers(call.world.now):
        yield call.world.timing.agent_ping
        task.say("INFO: skipping guest-agent 'fs-freeze', agent configured but not running?")
    elif options.get("freeze-fs") == "0":
        task.say("INFO: skipping guest-agent 'fs-freeze', disabled in VM options")
    else:
        task.say("INFO: issuing guest-agent 'fs-freeze' command")
        if machine.guest.agent_error:
            task.say(
                f"ERROR: VM {machine.vmid} qmp command 'guest-fsfreeze-freeze' failed - {machine.guest.agent_error}"
            )
        else:
            machine.frozen = True
            call.world.effect(machine.vmid, "FREEZE")
        yield call.world.timing.backup_begin
        task.say("INFO: issuing guest-agent 'fs-thaw' command")


def _archived(call, task, machine):
    world, config, found = call.world, machine.config, {}
    for slot, volid in vm_drives.owned_volumes(world.schema, config.current):
        drive = drives.parse(world.schema, slot, config.current[slot])
        if drive.get("backup") == "0":
            task.say(f"INFO: exclude disk '{slot}' '{volid}' (backup=no)")
            continue
        if drives.is_cloudinit(drive):
            continue
        volume = world.storages.existing(volid, machine.node)
        task.say(f"INFO: include disk '{slot}' '{volid}' {drive.get('size', '')}".rstrip())
        found[slot] = (volume.size, volume.format, volid.partition(":")[0], volume.written)
    return Archive(archives.stored_text(config, found), found)


def _written(call, task, storage, name, archive):
    path = name if storage.type == PBS else storage.path_of(name)
    kind = "Proxmox Backup Server" if storage.type == PBS else "vzdump"
    task.say(f"INFO: creating {kind} archive '{path.removeprefix('backup/')}'")
    size = sum(disk[0] for disk in archive.disks.values())
    yield call.world.timing.backup_per_gib * size / GIB
    if storage.id in call.world.faults.full_storages:
        raise ApiError("vma_queue_write: write error - No space left on device")
    if storage.get(call.node, name):
        raise ApiError(f"unable to create '{path}' - File exists")


def _notes(call, machine):
    """The notes of the new backup, with the values of variables."""
    values = {
        "cluster": "standalone node",
        "guestname": machine.config.current.get("name", ""),
        "node": machine.node,
        "vmid": str(machine.vmid),
    }
    text = re.sub(
        r"\\(.)", lambda found: "\n" if found.group(1) == "n" else found.group(1), call.get("notes-template", "")
    )
    return re.sub(r"\{\{(\w+)\}\}", lambda found: values[found.group(1)], text)


def _prune(call, task, vmid, storage):
    rules = archives.rules_of(call.world.schema, call.get("prune-backups", storage.prune))
    if call.get("remove", "1") == "0" or not rules:
        return
    shown = ", ".join(f"{name}={number}" for name, number in sorted(rules.items()))
    task.say(f"INFO: prune older backups with retention: {shown}")
    pruned = _pruned(call, vmid, storage, rules)
    task.say(f"INFO: pruned {len(pruned)} backup(s) not covered by keep-retention policy")


def _pruned(call, vmid, storage, rules):
    decided = archives.marks(archives.backups_of(storage, call.node, vmid), rules)
    removed = [name for name, mark in decided.items() if mark == "remove"]
    for name in removed:
        call.world.storages.free(f"{storage.id}:{name}", call.node)
    return removed


# Backups in a storage ------------------------------------------------------------------------------------------------


def extract_config(call):
    volid = call.get("volume")
    volume = _visible_volume(call, volid)
    if volume.archive is None:
        raise ApiError(f"couldn't determine archive info from '{volid}'")
    return volume.archive.config


def _visible_volume(call, volid):
    storages = call.world.storages
    storages.usable(volid.partition(":")[0], call.node)
    privileges.check_volume(call, volid)
    volume = storages.volume(volid, call.node)
    if volume is None:
        raise ApiError(f"volume '{volid}' does not exist")
    return volume


def update(call):
    """PUT of a volume: its notes, and whether it is protected."""
    name = call.get("volume")
    volid = name if ":" in name else f"{call.get('storage')}:{name}"
    volume = _visible_volume(call, volid)
    if volume.content != "backup":
        raise ApiError(f"attribute 'notes' is not supported for storage type or content '{volid}'")
    if call.flag("protected") and not volume.protected:
        _check_protected(call, call.world.storages.get(volid.partition(":")[0]), volume.vmid)
    if "notes" in call.params:
        volume.notes = call.get("notes")
    if "protected" in call.params:
        volume.protected = call.flag("protected")
    call.world.effect(volume.vmid, f"UPDATE {volid}")


def preview(call):
    """The backups of the storage, each with what a retention would do to it."""
    storage, rules = _storage_and_rules(call)
    found = []
    for vmid, backups in _by_vm(call, storage):
        decided = archives.marks(backups, rules)
        found += [
            {
                "volid": f"{storage.id}:{name}",
                "ctime": volume.created,
                "mark": decided[name],
                "type": "qemu",
                "vmid": vmid,
            }
            for name, volume in backups
        ]
    return found


def prune(call):
    storage, rules = _storage_and_rules(call)
    access, path = call.world.access, f"/storage/{storage.id}"
    if not access.may(call.user, path, ["Datastore.Allocate"]):
        if "vmid" not in call.params:
            raise Forbidden(f"{path}, Datastore.Allocate")
        access.require(call.user, path, ["Datastore.AllocateSpace"])
        access.require(call.user, f"/vms/{call.vmid}", ["VM.Backup"])

    def work(task):
        yield 0.1
        for vmid, _backups in _by_vm(call, storage):
            for name in _pruned(call, vmid, storage, rules):
                task.say(f"remove {storage.id}:{name}")

    return call.task("prunebackups", work, call.get("vmid", ""))


def _storage_and_rules(call):
    storage = call.world.storages.usable(call.get("storage"), call.node)
    return storage, archives.rules_of(call.world.schema, call.get("prune-backups", storage.prune))


def _by_vm(call, storage):
    every = archives.backups_of(storage, call.node, call.number("vmid"))
    vmids = sorted({volume.vmid for _name, volume in every})
    return [(vmid, [pair for pair in every if pair[1].vmid == vmid]) for vmid in vmids]
