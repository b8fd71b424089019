# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proxmox VE: checks before a backup is created or restored."""

from __future__ import annotations

import re

from ..._core.backup.backup import FILESYSTEM
from ..._core.errors import ApiError, Refused, Stale
from ..._core.units import human_size
from ..._tools import proxmox_values as values
from . import mark
from .backups import all_volumes, nodes_with, options_in, storage_of, storages_for
from .moving import check_pool
from .privileges import NewVmPrivileges
from .resources import check_space
from .restore import left_of_another, number_for, pool_for, target_node
from .restored_copy import copy_name, own_copy
from .seed_iso import seeds_of_others
from .settings.iso import lost_media
from .settings.networks import check_nic, nics_of

#: The first version that stores notes with a new backup.
_NOTES_SINCE = (7, 1)
#: Protected backups of a VM that an account without Datastore.Allocate can have (recorded: vzdump_protected_limit).
_MOST_PROTECTED = 5


def check_backups(driver, label, plan, step):
    """Raise for a step about backups that would fail half-way."""
    storage = storage_of(driver)
    driver.permissions.check(label, f"/storage/{storage}", "Datastore.AllocateSpace")
    if step.verb == "backup":
        _check_new_backup(driver, label, plan.before, step.arguments["made"], storage)
    elif step.verb == "edit_backup" and step.arguments["protected"] and plan.before.id:
        _check_number(driver, label, plan.before, driver.node_of(plan.before.id), True)
    elif step.verb in ("restore_backup", "create_from_backup"):
        _check_restore(driver, label, plan.before, step)


def _check_new_backup(driver, label, vm, made, storage):
    if driver.release() < _NOTES_SINCE:
        raise Refused(
            f"{label}: Proxmox VE {driver.version()} cannot store notes with a backup.", "Update it to 7.1 or later."
        )
    if not vm.birth:
        raise Refused(
            f"{label}: nothing identifies this VM: it has neither a UUID nor a time of creation.",
            "Set a UUID: native: {smbios1: uuid=...}.",
        )
    node = driver.node_of(vm.id)
    if node not in nodes_with(driver, label):
        raise Refused(f"{label}: storage: '{storage}' is not on its node '{node}'.", "Set storage to one of that node.")
    in_force = driver.last_options(vm.id).running  # Without what waits for the next start (recorded).
    if mark.birth_of(vm.id, in_force) != vm.birth:
        raise Refused(f"{label}: its UUID (smbios1) changes at its next start, and is not in a backup.", "Restart it.")
    _check_excluded(label, in_force, set(made.excluded))
    if made.consistency == FILESYSTEM:
        _check_agent(driver, label, vm, in_force)
    _check_free(driver, label, vm, node, storage)
    _check_number(driver, label, vm, node, made.protected)


def _check_number(driver, label, vm, node, protected):
    """Raise Refused if vzdump would reject another backup of the VM: the retention of the storage is a limit then."""
    storage = storage_of(driver)
    unlimited = protected and driver.permissions.has(f"/storage/{storage}", "Datastore.Allocate")
    most = 0 if unlimited else _MOST_PROTECTED if protected else _limit(driver, node)
    if not most:
        return
    found = driver.tool.get(f"/nodes/{node}/storage/{storage}/content", content="backup", vmid=vm.id)
    if sum(bool(one.get("protected")) == protected for one in found) >= most:
        kind = "protected backups" if protected else "backups"
        way = "give the account Datastore.Allocate on it" if protected else "set its prune-backups to keep-all=1"
        raise Refused(
            f"{label}: storage: '{storage}' takes no more than {most} {kind} of VM {vm.id}, and has them.",
            f"Delete some of them, or {way}.",
        )


def _limit(driver, node):
    """The most unprotected backups of a VM on the storage; 0 if there is no limit, or none that the server reports."""
    if node in driver.backup_limits:
        return driver.backup_limits[node]
    storage = storage_of(driver)
    try:
        text = driver.tool.get(f"/nodes/{node}/vzdump/defaults", storage=storage).get("prune-backups", "")
    except ApiError as error:
        if error.status != 501:
            raise
        driver.tool.warn(f"This server does not report whether the storage '{storage}' limits backups (prune-backups).")
        text = ""
    driver.backup_limits[node] = sum(int(number) for number in re.findall(r"keep-(?!all)\w+=(\d+)", text))
    return driver.backup_limits[node]


def _check_excluded(label, options, asked):
    excluded = {slot for slot, drive in all_volumes(options).items() if drive.get("backup") == "0"}
    if excluded - asked:
        first, *_others = ordered = sorted(excluded - asked)
        slots = ", ".join(ordered)
        raise Refused(
            f"{label}: its disks {slots} are excluded from backups (backup=0).",
            f"Set exclude: [{slots}] to accept that, or native: {{{first}: ...}} without backup=0.",
        )
    if asked - excluded:
        slots = ", ".join(sorted(asked - excluded))
        raise Refused(
            f"{label}: exclude: {slots}: Proxmox VE excludes only disks with the option backup=0.",
            "Set that option for the disk, or omit exclude.",
        )


def _check_agent(driver, label, vm, options):
    """Raise Refused if the file systems of a running VM cannot be frozen."""
    agent = values.parse("agent", options.get("agent", "0"))
    problem = "" if agent.get("enabled") == "1" else "it has no guest agent"
    problem = problem or (
        "its agent may not freeze file systems (freeze-fs=0)" if agent.get("freeze-fs") == "0" else ""
    )
    try:
        if not problem:
            driver.tool.get(f"{driver.last_options(vm.id).path}/agent/info")
    except ApiError as error:
        problem = error.message.rstrip(".")
    if problem:
        raise Refused(
            f"{label}: consistency: filesystem: {problem}.",
            "Install the agent in the guest and set native: {agent: 1}, or set consistency: crash.",
        )


def _check_free(driver, label, vm, node, storage):
    """Raise Refused if the storage has no space for a backup as large as the newest one."""
    sizes = [one.size for one in sorted(vm.backups, key=lambda one: one.start) if one.is_good]
    driver.resources.reserve(label, node, {storage: sizes[-1] if sizes else 1})
    free, needed = driver.resources.free_bytes(node, storage), driver.resources.reserved(node, storage)
    if free is not None and free < needed:
        raise Refused(
            f"{label}: storage: '{storage}' has {human_size(max(free, 0))} free, and the backups of the task need about"
            f" {human_size(needed)}.",
            "Free space on it, or delete backups.",
        )


def _check_restore(driver, label, vm, step):
    one = driver.backup_list(label)[0].get(step.arguments["id"])
    if one is None:
        raise Stale(f"{label}: backup '{step.arguments['id']}' was deleted meanwhile.", "Run the task again.")
    options = options_in(driver, one)
    node, needed = target_node(driver, vm, one, options), storages_for(driver, options)
    driver.permissions.check(label, f"/vms/{one.backup.birth.partition(':')[0]}", "VM.Backup", is_visible=False)
    available = driver.resources.storages(node, "images")
    for storage in sorted(needed):
        if storage not in available:
            raise Refused(
                f"{label}: node '{node}' has no storage '{storage}' for disks, which the backup needs.",
                "Set disk_storage to one of that node.",
            )
        driver.permissions.check(label, f"/storage/{storage}", "Datastore.AllocateSpace")
    _check_networks(driver, label, node, options, step.arguments["networks"])
    number = number_for(driver, vm, one.backup) if vm.id is None else None
    pool = pool_for(driver, vm, one.backup)
    check_pool(driver, label, pool)
    privileges = NewVmPrivileges(driver, {"pool": pool}, number)
    privileges.check_name(label)
    for one_needed in ("VM.Allocate", "VM.Config.Options", "VM.Config.Network"):
        privileges.check(label, one_needed)
    seeds = seeds_of_others(options, number if vm.id is None else vm.id)
    if seeds_of_others(options, number):  # A copy with which an existing VM is replaced gets none.
        privileges.check(label, "VM.Config.CDROM")
    media = lost_media(driver, node, {key: text for key, text in options.items() if key not in seeds})
    _check_media(driver, label, vm, media, seeds, privileges)
    driver.resources.check_number(label, node, number)
    # An existing VM is first restored as a copy, and its former disks exist until the end.
    check_space(driver, label, node, {name: size if vm.id is None else 2 * size for name, size in needed.items()})
    inputs = {"backup": one.backup.id}
    if vm.id is not None:
        _check_overwritten(driver, label, vm, step)
    elif left_of_another(driver, label, inputs) is None:
        driver.unfinished(label, inputs)


def _check_networks(driver, label, node, options, networks):
    nics = nics_of(options)
    unknown = sorted(set(networks) - {nic.get("bridge") for nic in nics.values()})
    if unknown:
        found = ", ".join(sorted({nic["bridge"] for nic in nics.values() if nic.get("bridge")})) or "no bridge"
        raise Refused(f"{label}: networks: the backup does not use {', '.join(unknown)}.", f"It uses {found}.")
    for nic in nics.values():
        check_nic(driver, label, node, {**nic, "bridge": networks.get(nic.get("bridge"), nic.get("bridge"))})


def _check_media(driver, label, vm, lost, seeds, privileges):
    """Warn about optical drives that are empty after the restore, or gone."""
    for slot in sorted((*lost, *seeds)):
        privileges.check(label, "VM.Config.CDROM")
        if vm.id is not None:
            driver.permissions.check(label, f"/vms/{vm.id}", "VM.Config.CDROM")
        empty = f"is empty after the restore: its ISO image '{lost.get(slot)}' does not exist."
        seed = "is not restored: its cloud-init seed ISO belongs to the VM in the backup, and is deleted with that."
        driver.tool.warn(f"{label}: {slot} {empty if slot in lost else seed}")


def _check_overwritten(driver, label, vm, step):
    if vm.config.get("protection"):
        raise Refused(f"{label}: it is protected against being removed.", "Set protection: false first.")
    if vm.config.get("template"):
        raise Refused(f"{label}: it is a template: linked clones may need its disks.", "Restore it as another VM.")
    for needed in ("VM.Config.Disk", "VM.Config.Options", "VM.Config.Network"):
        driver.permissions.check(label, f"/vms/{vm.id}", needed)
    name = copy_name(vm.name)
    for listed in driver.list_all():
        if listed.name == name and own_copy(driver, vm, listed, step.arguments["origin"]) is None:
            raise Refused(
                f"{label}: VM {listed.vmid} is named '{name}', as the copy with which the backup is checked first.",
                "Rename or delete that VM, or restore the backup as another VM (new_name).",
            )
