# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The backup of one VM in a job of vzdump (VZDump.pm and VZDump/QemuServer.pm)."""

from __future__ import annotations

import re

from . import archives, drives, propertystring, vm_drives, vm_power
from .archives import Archive
from .errors import ApiError
from .storage import GIB, KIB, PBS, Volume
from .world import check_lock

#: Protected backups of one VM, unless the caller has Datastore.Allocate.
_MOST_PROTECTED = 5
VARIABLE = re.compile(r"\{\{([^\s{}]+)\}\}")


def one(call, task, vmid, storage, limits):
    """Back up a VM; ``limits`` is the retention as {keep-...: number}."""
    world = call.world
    machine = world.cluster.machines.get(vmid)
    if machine is None:
        raise ApiError(f"unable to find VM '{vmid}'")
    _check_limits(call, vmid, storage, limits)
    task.say(f"INFO: Starting Backup of VM {vmid} (qemu)")
    config = machine.config
    mode = call.get("mode", "snapshot") if machine.running else "stop"
    task.say(f"INFO: status = {'running' if machine.running else 'stopped'}")
    if call.get("mode") == "stop" and machine.ha and machine.running:
        raise ApiError("Cannot execute a backup with stop mode on a HA managed and enabled Service. Use snapshot mode"
                       " or disable the Service.")  # fmt: skip
    check_lock(config)
    name, format_ = archives.name_of(storage, vmid, world.now + _ahead(call), call.get("compress", "0"))
    started = world.now
    config.current["lock"] = "backup"
    machine.write(config)
    try:
        archive = yield from _saved(call, task, machine, mode, lambda found: _written(call, task, storage, name, found))
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
    if volume.protected:
        task.say("INFO: marking backup as protected")
    if call.get("remove", "1") != "0" and limits:
        _prune(call, task, vmid, storage, limits)
    task.say(f"INFO: Finished Backup of VM {vmid} (00:00:{int(world.now - started) % 60:02})")


def _ahead(call):
    return call.world.cluster.nodes[call.node].clock_ahead


def _check_limits(call, vmid, storage, limits):
    """A protected backup is only counted with the protected ones, another one only with the others (vzdump_retention).
    All keep-... are one sum.
    """
    if call.flag("protected"):
        return check_protected(call, storage, vmid)
    most, existing = sum(limits.values()), archives.backups_of(storage, call.node, vmid)
    unprotected = [name for name, volume in existing if not volume.protected]
    if call.get("remove", "1") == "0" and 0 < most <= len(unprotected):
        raise ApiError(f"There is a max backup limit of {most} enforced by the target storage or the vzdump"
                       " parameters. Either increase the limit or delete old backups.")  # fmt: skip
    return None


def check_protected(call, storage, vmid):
    others = [name for name, volume in archives.backups_of(storage, call.node, vmid) if volume.protected]
    unlimited = call.world.access.may(call.user, f"/storage/{storage.id}", ["Datastore.Allocate"])
    if len(others) >= _MOST_PROTECTED and not unlimited:
        raise ApiError(
            f"The number of protected backups per guest is limited to {_MOST_PROTECTED} on storage '{storage.id}'"
        )


def _saved(call, task, machine, mode, write):
    """The Archive: its content is that of the moment before ``write`` begins. The guest's file systems are thawed
    whatever happens.
    """
    world, was_running = call.world, machine.running
    disks = _disks(call, task, machine)
    if was_running and mode == "stop":
        yield from _stopped(call, task, machine)
    if not machine.running:
        task.say("INFO: starting kvm to execute backup task")
        vm_power.begin_for_backup(world, machine)
    try:
        if was_running and mode != "stop":
            yield from _freeze(call, task, machine)
        yield world.timing.backup_begin
        archive = _archived(world, machine, disks)
        machine.frozen = False
        if was_running:
            # It runs on (after mode "stop": again) while the rest of the job reads what it has not changed yet.
            _run_on(world, machine)
        yield from write(archive)
    except ApiError as error:
        # An interrupted job leaves its emulator behind, which did not answer its question (vzdump_busy).
        _power_back(world, machine, was_running, ends=str(error) != "received interrupt")
        raise
    finally:
        machine.frozen = False
    _power_back(world, machine, was_running)
    return archive


def _power_back(world, machine, was_running, ends=True):
    """The power that the VM had; one that somebody started during the backup runs on."""
    if was_running:
        _run_on(world, machine)
    elif machine.only_for_backup and ends:
        vm_power.end(world, machine)


def _stopped(call, task, machine):
    task.say("INFO: stopping virtual guest")
    if not (yield from vm_power.guest_goes_down(call.world, machine, call.number("stopwait", 10) * 60)):
        raise ApiError(f"command 'qm shutdown {machine.vmid} --skiplock --keepActive' failed: exit code 255")
    vm_power.end(call.world, machine)


def _run_on(world, machine):
    if machine.only_for_backup:
        vm_power.cont(world, machine)


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


def _disks(call, task, machine):
    """[(slot, volume id)] of the disks to save, by the values in force. A missing volume fails before the start."""
    world, config, found = call.world, machine.config, []
    for slot, volid in vm_drives.owned_volumes(world.schema, config.current):
        drive = drives.parse(world.schema, slot, config.current[slot])
        if drive.get("backup") == "0":
            task.say(f"INFO: exclude disk '{slot}' '{volid}' (backup=no)")
        elif not drives.is_cloudinit(drive):
            task.say(f"INFO: include disk '{slot}' '{volid}' {drive.get('size', '')}".rstrip())
            world.storages.existing(volid, machine.node)
            found.append((slot, volid))
    if config.pending or config.deletes:
        task.say("INFO: pending configuration changes found (not included into backup)")
    return found


def _archived(world, machine, disks):
    found = {}
    for slot, volid in disks:
        volume = world.storages.existing(volid, machine.node)
        found[slot] = (volume.size, volume.format, volid.partition(":")[0], volume.written)
    return Archive(archives.stored_text(machine.config, found), found)


def _written(call, task, storage, name, archive):
    path = name if storage.type == PBS else storage.path_of(name)
    kind = "Proxmox Backup Server" if storage.type == PBS else "vzdump"
    task.say(f"INFO: creating {kind} archive '{path.removeprefix('backup/')}'")
    size = sum(disk[0] for disk in archive.disks.values())
    limit = call.number("bwlimit", 0) * KIB
    yield max(call.world.timing.backup_per_gib * size / GIB, size / limit if limit else 0)
    if storage.id in call.world.faults.full_storages:
        raise ApiError("vma_queue_write: write error - No space left on device")
    if storage.get(call.node, name):
        raise ApiError(f"unable to create '{path}' - File exists")


def _notes(call, machine):
    """The notes of the new backup, with the values of variables."""
    values = {
        "cluster": "standalone node",
        "guestname": machine.config.current.get("name", f"VM {machine.vmid}"),
        "node": machine.node,
        "vmid": str(machine.vmid),
    }
    text = re.sub(r"\\(.)", lambda found: "\n" if found.group(1) == "n" else "\\", call.get("notes-template", ""))
    return VARIABLE.sub(lambda found: values[found.group(1)], text)


def _prune(call, task, vmid, storage, rules):
    shown = ", ".join(f"{name}={number}" for name, number in sorted(rules.items()))
    task.say(f"INFO: prune older backups with retention: {shown}")
    pruned = prune(call, vmid, storage, rules)
    for name in pruned:
        task.say(f"INFO: removing backup '{storage.id}:{name}'")
    task.say(f"INFO: pruned {len(pruned)} backup(s){' not covered by keep-retention policy' if pruned else ''}")


def prune(call, vmid, storage, rules):
    """Delete the backups of a VM that the retention does not keep; returns their names."""
    decided = archives.marks(archives.backups_of(storage, call.node, vmid), rules)
    removed = [name for name, mark in decided.items() if mark == "remove"]
    for name in removed:
        call.world.storages.free(f"{storage.id}:{name}", call.node)
    return removed
