# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proxmox VE: all checks before the first step of a plan, as rows (_kit/guards.py). Errors name VM, option, remedy."""

from __future__ import annotations

from itertools import takewhile

from ..._core.errors import Refused
from ..._core.planner.drives import inserted_image
from ..._core.units import MIB, human_size
from ..._core.verbs import BACKUP_VERBS, SNAPSHOT_VERBS
from ..._kit.guards import Guard, StepGuard
from ..._kit.space import memory_warnings
from ..._tools import proxmox_values as values
from .configure import needs_storage, update_with_seed
from .creation_checks import check_cloning, check_creation, check_storage_of_linked, existing_vm
from .moving import check_deleting_unused, check_move, check_moving_disk, check_pool, check_pool_change, moved_volume
from .power import check_power
from .privileges import ExistingVmPrivileges, NewVmPrivileges, check_options, check_verb
from .resources import check_quorum, check_space, storage_for
from .seed_iso import check_deletion, check_one_seed
from .settings import native
from .settings.cloud_init import is_for_guest, removes_seed
from .settings.devices import check_devices
from .settings.disks import LIMITS, check_limits, check_new_disks, check_slot, space_of_new
from .settings.firmware import STATE_STORAGES, check_keys
from .settings.hardware import memory_of
from .settings.iso import check_iso
from .settings.networks import check_nic, connected_nics
from .snapshots import check_snapshots, snapshots_of

_NO_TPM, _UNPROTECTED = ("tpm", False), ("protection", False)
_MEMORY_OPTIONS = ("memory", "native.balloon")
_MEMORY, _REMOVING = ("memory", "native"), ("disks", "unused_disks", "cdroms", "tpm", "cloud_init")
_POWER_OFF_VERBS = frozenset({"stop", "kill"})


def _check_backups(driver, plan, one):
    from .backup_checks import check_backups  # What no other task loads.

    check_backups(driver, plan.after.name, plan, one.step)


def _check_deletion(driver, plan, one):
    vm, label = plan.before, plan.after.name
    if vm.config.get("protection"):
        raise Refused(f"{label}: it is protected against being removed.", "Set protection: false first.")
    if vm.id and (vm.mark or {}).get("files"):
        check_deletion(driver, label, driver.last_options(vm.id))


# Changes --------------------------------------------------------------------------------------------------------------


def _of_vm(check, is_known=True):
    """Return a guard that calls ``check(driver, label, before, changes)`` with the VmBefore of the changed VM.

    ``is_known``: only if the options of the VM are known; a clone of a VM that the same task creates has none yet.
    """

    def guard(driver, plan, one):
        before = _before(driver, plan, one)
        if before and (before.is_known or not is_known):
            check(driver, plan.after.name, before, one.step.changes)

    return guard


def _before(driver, plan, one):
    clone = any(step.verb == "clone" for step in plan.steps) and driver.resources.assigned.clones[plan.after.name]
    earlier, vm = {step.verb for step in takewhile(lambda step: step is not one.step, plan.steps)}, plan.before
    return clone or (vm.id and existing_vm(driver, vm, vm.on and not _POWER_OFF_VERBS & earlier))


def _check_new_nics(driver, label, before, changes):
    """If the options of the VM are known, its NICs are checked with its other changes."""
    for nic in () if before.is_known else connected_nics(changes):
        check_nic(driver, label, before.node, nic)


def _check_update(driver, label, before, changes):
    vm_options, node, storage = before.vm_options, before.node_after(changes), driver.storage or ""
    if needs_storage(changes, vm_options):
        storage = driver.resources.choose_storage(label, node, "images", driver.storage)
    check_update(driver, label, before, node, changes, update_with_seed(changes, vm_options, storage))


def _check_memory(driver, label, before, changes):
    """Raise Refused if the memory would be less than its minimum (balloon).

    The server compares new values with the stored ones, even with those that the same call removes.
    """
    vm_options = before.vm_options
    requested = {change.key or change.field: change.new for change in changes if change.path in _MEMORY_OPTIONS}
    if not requested:
        return
    memory = requested.get("memory") or memory_of(vm_options.stored)
    balloon = requested.get("balloon")
    if balloon in (None, ""):
        # If a stored 0 waits for the next start, the server still uses the current value.
        balloon = int(vm_options.stored.get("balloon", "0")) or vm_options.running.get("balloon", "0")
    # The server rejects what is not a whole number.
    least = int(balloon) * MIB if str(balloon).isdecimal() else 0
    if least > memory:
        raise Refused(
            f"{label}: memory would be {human_size(memory)}, but its minimum (native: balloon) is {human_size(least)}.",
            "Set native: {balloon: MIB} as well, at most the memory; 0 turns ballooning off.",
        )


def _check_each_change(driver, label, before, changes):
    node = before.node_after(changes)
    for change in changes:
        if change.kind == "pool":
            check_pool(driver, label, change.new)
            if before.vmid:
                check_pool_change(driver, label, before.vmid, (change.old, change.new))
        elif change.kind == "template" and before.vmid:
            ExistingVmPrivileges(driver, before.vmid).check(label, "VM.Allocate")
            if snapshots_of(driver.tool, before.vm_options):
                raise Refused(f"{label}: it has snapshots, and a template has none.", "Delete them first.")
        elif moved_volume(change) and before.is_known:
            check_moving_disk(driver, label, before, node, change)
        elif change.kind in STATE_STORAGES and change.new:
            driver.resources.choose_storage(label, node, "images", change.new)
        elif change.kind == "devices.add":
            check_devices(driver, label, node, {change.key: change.new})
        elif inserted_image(change):
            check_iso(driver, label, node, inserted_image(change), change.path)


def _check_new_disks(driver, label, before, changes):
    node, disks = before.node_after(changes), _new_disks(changes)
    check_new_disks(driver, label, before, node, disks)
    if not before.is_known:  # Else the space is checked together with what grows.
        has_default = any(not (disk.get("source") or disk.get("storage")) for disk in disks.values())
        check_space(driver, label, node, space_of_new(disks, has_default and storage_for(driver, node, label)))


def _new_disks(changes):
    return {change.key: change.new for change in changes if change.kind == "disks.add"}


def _check_nothing_removed(driver, label, before, changes):
    kinds = ("disks.remove", "unused_disks", "cdroms.remove")
    removed = [one.path for one in changes if one.kind in kinds or (one.kind, one.new) == _NO_TPM or removes_seed(one)]
    if before.is_protected and removed and not any((change.kind, change.new) == _UNPROTECTED for change in changes):
        raise Refused(f"{label}: {removed[0]} cannot be removed: the VM is protected.", "Set protection: false.")


def _check_sub_keys_of_removed_devices(driver, plan, one):
    """Raise Refused if native sets sub-keys of a disk or NIC that the same step removes."""
    label, changes = plan.after.name, one.step.changes
    removed = {change.key for change in changes if change.kind == "disks.remove"}
    removed |= {f"net{change.key}" for change in changes if change.kind == "networks.remove"}
    for change in changes:
        if change.field == "native" and change.key in removed:
            raise Refused(f"{label}: native: {change.key} is removed by the same task.", "Do only one of both.")


def check_update(driver, label, before, node, changes, update):
    """Check the privileges for a ConfigUpdate, its values of native, and the space for new disks and growth."""
    privileges = (
        ExistingVmPrivileges(driver, before.vmid) if before.vmid else NewVmPrivileges(driver, {"pool": before.pool})
    )
    current = before.vm_options.stored
    check_options(driver, label, privileges, node, update.to_set, [*update.to_remove, *update.to_purge], current)
    if before.is_on and any(map(is_for_guest, changes)):
        privileges.check(label, "VM.Config.Cloudinit")  # The drive is created again, which needs exactly this one.
    keys = [change.key for change in changes if change.field == "native"]
    after = _options_after(before.vm_options.stored, update)
    native.check_values(driver, label, node, keys, after)
    check_limits(label, [change.key for change in changes if change.attribute in LIMITS], after)
    if update.to_grow:
        privileges.check(label, "VM.Config.Disk")
    needed = space_of_new(_new_disks(changes), update.storage)
    for change in changes:
        if moved_volume(change):
            drive = values.parse(moved_volume(change), before.vm_options.stored.get(moved_volume(change), ""))
            needed[change.new] = needed.get(change.new, 0) + (values.size_of(drive.get("size")) or 0)
        elif change.kind == "disks.size":
            drive = values.parse(change.key, before.vm_options.stored.get(change.key, ""))
            storage = drive.get("file", "").partition(":")[0]
            driver.permissions.check(label, f"/storage/{storage}", "Datastore.AllocateSpace")
            needed[storage] = needed.get(storage, 0) + change.new - (values.size_of(drive.get("size")) or 0)
    if needed:
        check_space(driver, label, node, needed)


def _options_after(options, update):
    """All options of a VM after an update."""
    removed = {*update.to_remove, *update.to_purge}
    return {key: text for key, text in {**options, **update.to_set}.items() if key not in removed}


def _check_slots(driver, label, before, changes):
    options = before.vm_options.stored
    for change in changes:
        if change.kind == "disks.add":
            check_slot(label, change.key, options)
        elif change.kind == "firmware":
            check_keys(label, options, change)


def _memory_warnings(driver, plan):
    """Warn of memory beyond that of the node. A new VM, and one that starts, have had the nodes read anyway."""
    node = driver.resources.assigned.nodes.get(plan.after.name) or plan.after.config.get("node")
    found = driver.resources.nodes.get(node)
    return memory_warnings(plan, found.total) if found else ()


GUARDS = (
    Guard((), check_quorum, "the cluster takes no changes without quorum"),
    StepGuard((), check_verb, "the account has no right to do what a later step needs"),
    StepGuard((), check_power, "the VM cannot be started or suspended when it is already changed"),
    StepGuard(tuple(SNAPSHOT_VERBS), check_snapshots, "the server cannot take the snapshot, or run the restored VM"),
    StepGuard(tuple(BACKUP_VERBS), _check_backups, "a backup or a restore stops half-way"),
    StepGuard(("native",), _check_sub_keys_of_removed_devices, "native sets what the same task removes"),
    StepGuard(("create",), check_creation, "the VM cannot be created whole: id, pool, node, storage, rights, images"),
    StepGuard(("clone",), check_cloning, "the VM cannot be cloned whole: id, pool, node, storage, rights"),
    StepGuard(("clone",), check_storage_of_linked, "the option storage has no effect"),
    StepGuard(_MEMORY, _of_vm(_check_memory), "the server rejects memory below its minimum after other changes"),
    StepGuard(("configure",), _of_vm(check_one_seed), "a VM with a seed ISO gets a second seed"),
    StepGuard(_REMOVING, _of_vm(_check_nothing_removed), "a protected VM loses a disk or a drive half-way"),
    StepGuard(("node",), _of_vm(check_move), "the VM cannot be moved"),
    StepGuard(("configure",), _of_vm(_check_update), "a right, a value of native, or space is missing half-way"),
    StepGuard(("configure",), _of_vm(_check_each_change, is_known=False), "pool, storage, device or image"),
    StepGuard(("disks.add",), _of_vm(_check_new_disks, is_known=False), "a disk is not created, or in another format"),
    StepGuard(("networks",), _of_vm(_check_new_nics, is_known=False), "a NIC of a clone has no bridge"),
    StepGuard(("disks", "unused_disks"), _of_vm(check_deleting_unused), "a disk that others need is lost"),
    StepGuard(("disks.add", "firmware"), _of_vm(_check_slots), "a slot is used"),
    Guard(("create", "start"), _memory_warnings, "the node is slow, or ends the VM (a warning)"),
    StepGuard(("delete",), _check_deletion, "the VM is protected, or its seed ISO remains"),
)
