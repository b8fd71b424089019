# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Endpoints of the backups in a storage: their configuration, notes, protection and retention."""

from __future__ import annotations

from . import archives, privileges, vm_backup
from .errors import ApiError, Forbidden


def extract_config(call):
    storages, volid = call.world.storages, call.get("volume")
    storages.get(volid.partition(":")[0])
    privileges.check_volume(call, volid, kind="backup")
    _kind, owner = storages.parsed(volid)
    if owner is not None:
        call.world.access.require(call.user, f"/vms/{owner}", ["VM.Backup"])
    storage = storages.usable(volid.partition(":")[0], call.node)
    volume = storages.volume(volid, call.node)
    if volume is None:
        raise ApiError(f"volume '{volid}' does not exist")
    if volume.archive is None:
        raise ApiError(f"couldn't determine archive info from '{volid}'")
    return archives.read_config(volume.archive, storage.path_of(volid.partition(":")[2]))


def update(call):
    """PUT of a volume: its notes, and whether it is protected. The volume need not exist (vzdump_stopped)."""
    name, storages = call.get("volume"), call.world.storages
    volid = name if ":" in name else f"{call.get('storage')}:{name}"
    storage = storages.usable(volid.partition(":")[0], call.node)
    privileges.check_volume(call, volid)
    for attribute, what in (("notes", "have notes"), ("protected", "be protected")):
        if attribute in call.params and storages.parsed(volid)[0] != "backup":
            raise ApiError(f"only backups can {what}")
    volume = storages.volume(volid, call.node)
    if volume is None:
        return
    if call.flag("protected") and not volume.protected:
        vm_backup.check_protected(call, storage, volume.vmid)
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
    access, name = call.world.access, call.get("storage")
    path = f"/storage/{name}"
    if not access.may(call.user, path, ["Datastore.Allocate"]):
        if "vmid" not in call.params:
            raise Forbidden(f"{path}, Datastore.Allocate")
        access.require(call.user, path, ["Datastore.AllocateSpace"])
        access.require(call.user, f"/vms/{call.vmid}", ["VM.Backup"])

    def work(task):
        storage, rules = _storage_and_rules(call)
        yield 0.1
        for vmid, _backups in _by_vm(call, storage):
            for removed in vm_backup.prune(call, vmid, storage, rules):
                task.say(f"removing backup '{storage.id}:{removed}'")

    return call.task("prunebackups", work, f"{call.get('vmid')}@{name}" if "vmid" in call.params else name)


def _storage_and_rules(call):
    """A retention must be given, or configured for the storage (prune_backups in Storage.pm)."""
    storage = call.world.storages.usable(call.get("storage"), call.node)
    text = call.get("prune-backups", storage.prune)
    if text is None:
        raise ApiError(f"no prune-backups options configured for storage '{storage.id}'")
    return storage, archives.rules_of(call.world.schema, text)


def _by_vm(call, storage):
    every = archives.backups_of(storage, call.node, call.number("vmid"))
    vmids = sorted({volume.vmid for _name, volume in every})
    return [(vmid, [pair for pair in every if pair[1].vmid == vmid]) for vmid in vmids]
