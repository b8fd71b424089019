# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks before the first step of a plan. Without them, the server would report the errors half-way."""

from __future__ import annotations

from typing import Optional

from ..._core.errors import ApiError, Refused
from ..._core.frozen import Frozen, replace
from ..._core.planner.contents import contents_of
from ..._core.planner.drives import inserted_image, media_of
from ..._core.sharing.file_checks import check_not_smaller
from ..._core.units import MIB, human_size
from ..._core.verbs import BACKUP_VERBS
from ..._tools import proxmox_values as values
from .claims import storages_of
from .clone import check_copy, check_new_source, check_shared_storages, node_of_source, options_of_clone
from .cluster import VmOptions
from .configure import needs_storage, update_with_seed
from .create import check_slots, left_by_task, options_of_new
from .moving import check_deleting_unused, check_move, check_moving_disk, check_pool, check_pool_change, moved_volume
from .power import check_power
from .privileges import ExistingVmPrivileges, NewVmPrivileges, check_options, check_verb
from .resources import check_quorum, check_space
from .seed_iso import check_deletion, check_new_seed, check_one_seed
from .settings import native
from .settings.architecture import check_buses, check_is_known, warn_of_emulation
from .settings.cloud_init import free_seed_slot, is_for_guest, password_option, seed_slot
from .settings.devices import check_devices
from .settings.disks import (
    FIRST_SLOT,
    LIMITS,
    check_formats,
    check_limits,
    check_slot,
    check_source,
    size_of_volume,
    volumes_of,
)
from .settings.firmware import STATE_STORAGES, check_keys
from .settings.hardware import memory_of
from .settings.iso import check_iso, iso_name
from .settings.networks import check_nic, connected_nics
from .settings.place import AUTO
from .snapshots import check_snapshots, snapshots_of

_NO_TPM, _UNPROTECTED = ("tpm", False), ("protection", False)
_MEMORY_OPTIONS = ("memory", "native.balloon")
_POWER_OFF_VERBS = frozenset({"stop", "kill"})
_NO_OPTIONS = VmOptions("", "", {}, {})
#: The first version that can create disks from images.
_IMPORTS_SINCE = (7, 2)


def check_plan(driver, plan):
    """Raise NotFound or Refused for steps that would fail after others were carried out."""
    vm, label, clone = plan.before, plan.after.name, None
    if plan.steps:
        check_quorum(driver, label)
    for number, step in enumerate(plan.steps):
        check_verb(driver, label, vm, step)
        check_power(driver, label, plan, step)
        check_snapshots(driver, label, plan, step)
        if step.verb in BACKUP_VERBS:
            from .backup_checks import check_backups

            check_backups(driver, label, plan, step)
        _check_sub_keys_of_removed_devices(label, step.changes)
        if step.verb == "create":
            _check_creation(driver, plan, step.arguments)
        elif step.verb == "clone":
            clone = _check_cloning(driver, label, step.arguments)
            changes = [change for later in plan.steps[number:] for change in later.changes]
            _check_storage_of_linked(driver, label, step.arguments, clone, changes)
            _check_cpus(driver, plan, clone.node if clone else plan.after.config.get("node"))
        elif step.verb == "configure" and (clone or vm.id):
            is_on = vm.on and not _POWER_OFF_VERBS & {earlier.verb for earlier in plan.steps[:number]}
            _check_changes(driver, label, clone or _existing_vm(driver, vm, is_on), step.changes)
        elif step.verb == "delete" and vm.config.get("protection"):
            raise Refused(f"{label}: it is protected against being removed.", "Set protection: false first.")
        elif step.verb == "delete" and vm.id and (vm.mark or {}).get("files"):
            check_deletion(driver, label, driver.last_options(vm.id))


def _existing_vm(driver, vm, is_on=False):
    return VmBefore(
        driver.last_options(vm.id), vm.config["node"], bool(vm.config.get("protection")), vm.id, is_on=is_on
    )


def _check_cpus(driver, plan, node):
    """Check whether a new VM can be started on a node, if the plan starts it."""
    if any(step.verb == "start" for step in plan.steps):
        driver.resources.check_cpus(plan.after.name, node, plan.after.config.get("cpus"))


def _check_creation(driver, plan, arguments):
    label, vm = plan.after.name, plan.before
    config, creation = arguments["config"], arguments["creation"]
    unfinished, node = left_by_task(driver, label, arguments), config.get("node", AUTO)
    _check_new_place(driver, label, arguments)
    if creation.get("image"):
        check_imports(driver, label, creation["image"]["source"])

    def check(place):
        _check_cpus(driver, plan, place)
        _check_new_on_node(driver, label, vm, arguments, place)

    if node == AUTO and not unfinished:
        node = driver.resources.choose_node(label, driver.storage, config.get("memory", 0), check)
    else:
        node = unfinished.node if node == AUTO else node
        check(node)
        driver.resources.assigned.nodes[label] = node
    driver.resources.check_number(label, node, arguments.get("id"))
    warn_of_emulation(driver, label, config, node)


def _check_new_place(driver, label, arguments):
    """Check the id, pool and node that a task sets for a new VM."""
    config = arguments["config"]
    _check_vmid(driver, label, arguments.get("id"))
    check_pool(driver, label, config.get("pool"))
    if config.get("node", AUTO) != AUTO:
        driver.resources.check_node(label, config["node"])


def _check_new_on_node(driver, label, vm, arguments, node):
    """Check what a new VM needs on the node on which it will be created."""
    config, creation = arguments["config"], arguments["creation"]
    if config.get("architecture"):
        check_is_known(label, node, driver.own_architecture(node))
        # With those of a VM that is created again.
        check_buses(label, config)
    check_slots(driver, config, creation, node)
    storage = driver.resources.choose_storage(label, node, "images", driver.storage)
    for option, iso in media_of(config):
        check_iso(driver, label, node, iso, option)
    before = _existing_vm(driver, vm) if vm.id else VmBefore(_NO_OPTIONS, node, is_protected=False)
    for slot, disk in (config.get("disks") or {}).items():
        check_source(driver, label, before, node, slot, disk)
    if creation.get("appliance"):
        # Few tasks create a VM from one.
        from .appliances import check_disks

        check_disks(driver, label, node, config, creation)
    elif creation.get("image"):
        for slot, image in contents_of(creation, FIRST_SLOT).items():
            check_image(driver, label, node, image, slot, (config.get("disks") or {}).get(slot, {}))
    check_formats(driver, label, node, config.get("disks") or {})
    check_devices(driver, label, node, config.get("devices") or {})
    privileges = NewVmPrivileges(driver, config, arguments.get("id"))
    privileges.check_name(label)
    privileges.check(label, "VM.Allocate")
    options = options_of_new(driver, storage, config, creation, node)
    check_options(driver, label, privileges, node, {"name": label, **options})
    native.check_values(driver, label, node, config.get("native") or (), options)
    check_new_seed(driver, label, privileges, arguments, node)
    own = [disk.get("storage") for disk in (config.get("disks") or {}).values()]
    for one in filter(None, [*own, *map(config.get, STATE_STORAGES)]):
        driver.resources.choose_storage(label, node, "images", one)
    needed = {}
    imported = (creation.get("appliance") or {}).get("disks") or {}
    for slot, disk in (config.get("disks") or {}).items():
        own = disk.get("storage")
        if not disk.get("source"):
            size = disk.get("size") or imported.get(slot, {}).get("size") or 0
            needed[own or storage] = needed.get(own or storage, 0) + size
    check_space(driver, label, node, needed)


def _check_cloning(driver, label, arguments):
    """Check a new clone. Returns the VmBefore of the clone, for the checks of its changes.

    If the same task creates the source first, its options are not known yet.
    """
    config, creation, source = (arguments[name] for name in ("config", "creation", "source"))
    left_by_task(driver, label, arguments)
    node = config["node"] if config.get("node") not in (None, AUTO) else node_of_source(driver, source)
    driver.resources.assigned.nodes[label] = node
    if node:
        check_new_seed(driver, label, NewVmPrivileges(driver, config, arguments.get("id")), arguments, node)
    driver.resources.check_number(label, node, arguments.get("id"))
    if source.id is None:
        _check_new_place(driver, label, arguments)
        check_new_source(driver, label, node, source)
        return node and VmBefore(_NO_OPTIONS, node, is_protected=False, pool=config.get("pool"), is_known=False)
    vm_options = options_of_clone(driver, source, creation["clone"].get("snapshot"))
    driver.resources.check_node(label, node)
    if node != source.config["node"]:
        check_shared_storages(driver, label, node, source, vm_options)
    wants_seed = password_option(driver) and seed_slot(vm_options.stored) is None
    if wants_seed or (driver.storage and not creation["clone"].get("linked")):
        driver.resources.choose_storage(label, node, "images", driver.storage)
    _check_new_place(driver, label, arguments)
    check_copy(driver, label, arguments, vm_options, node)
    if wants_seed:
        vm_options = replace(
            vm_options, stored={**vm_options.stored, free_seed_slot(vm_options.stored): "cloudinit,media=cdrom"}
        )
    return VmBefore(vm_options, node, bool(config.get("protection")), pool=config.get("pool"))


def _check_storage_of_linked(driver, label, arguments, clone, changes):
    """Raise Refused if the option storage has no effect, because a linked clone is on the storages of its source."""
    source, vm_options = arguments["source"], clone.vm_options if clone else _NO_OPTIONS
    if not (driver.storage and arguments["creation"]["clone"].get("linked")) or password_option(driver):
        return
    used = {storage for _node, storage in driver.resources.assigned.storages.get(source.name, ())}
    used |= set(storages_of(volumes_of(vm_options.stored).values()))
    has_use = needs_storage(changes, vm_options) or any(
        inserted_image(change) and iso_name(inserted_image(change)) for change in changes
    )
    if used and driver.storage not in used and not has_use:
        raise Refused(
            f"{label}: storage: the disks of a linked clone are on the storage of its source"
            f" ({', '.join(sorted(used))}), not on '{driver.storage}'.",
            "Remove storage, or set linked: false.",
        )


def _check_changes(driver, label, before, changes):
    if not before.is_known:
        _check_each_change(driver, label, before, before.node, changes)
        for nic in connected_nics(changes):
            check_nic(driver, label, before.node, nic)
        return
    vm_options, node = before.vm_options, next((change.new for change in changes if change.kind == "node"), before.node)
    _check_memory(label, changes, vm_options)
    check_one_seed(label, vm_options, changes)
    _check_nothing_removed(label, before, changes)
    if node != before.node:
        check_move(driver, label, before, node, any(change.kind == "iso" for change in changes))
    storage = driver.storage or ""
    if needs_storage(changes, vm_options):
        storage = driver.resources.choose_storage(label, node, "images", driver.storage)
    check_update(driver, label, before, node, changes, update_with_seed(changes, vm_options, storage))
    _check_each_change(driver, label, before, node, changes)
    check_deleting_unused(driver, label, before, changes)
    _check_slots_and_formats(driver, label, node, vm_options.stored, changes)


def _check_each_change(driver, label, before, node, changes):
    for change in changes:
        _check_change(driver, label, before, node, change)


def _check_memory(label, changes, vm_options):
    """Raise Refused if the memory would be less than its minimum (balloon).

    The server compares new values with the stored ones, even with those that the same call removes.
    """
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


def _check_change(driver, label, before, node, change):
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
    elif change.kind == "disks.add" or change.kind in STATE_STORAGES:
        _check_new_volume(driver, label, before, node, change)
    elif change.kind == "devices.add":
        check_devices(driver, label, node, {change.key: change.new})
    elif inserted_image(change):
        check_iso(driver, label, node, inserted_image(change), change.path)


def _check_new_volume(driver, label, before, node, change):
    is_disk = change.kind == "disks.add"
    storage = change.new.get("storage") if is_disk else change.new
    if storage:
        driver.resources.choose_storage(label, node, "images", storage)
    if is_disk:
        check_source(driver, label, before, node, change.key, change.new)


def _check_nothing_removed(label, before, changes):
    kinds = ("disks.remove", "unused_disks", "cdroms.remove")
    removed = [one.path for one in changes if one.kind in kinds or (one.kind, one.new) == _NO_TPM]
    if before.is_protected and removed and not any((change.kind, change.new) == _UNPROTECTED for change in changes):
        raise Refused(f"{label}: {removed[0]} cannot be removed: the VM is protected.", "Set protection: false.")


def _check_sub_keys_of_removed_devices(label, changes):
    """Raise Refused if native sets sub-keys of a disk or NIC that the same step removes."""
    removed = {change.key for change in changes if change.kind == "disks.remove"}
    removed |= {f"net{change.key}" for change in changes if change.kind == "networks.remove"}
    for change in changes:
        if change.field == "native" and change.key in removed:
            raise Refused(f"{label}: native: {change.key} is removed by the same task.", "Do only one of both.")


def _check_vmid(driver, label, vmid):
    if vmid is None:
        return
    try:
        driver.tool.get("/cluster/nextid", vmid=vmid)
    except ApiError as error:
        if driver.may_be_under_creation(vmid, label):
            return
        raise Refused(
            f"{label}: the id {vmid} cannot be used: {error.message}", "Remove id to get the next free one."
        ) from error


class VmBefore(Frozen):
    """A VM before the changes of a plan: an existing VM, or a new clone with the options of its source."""

    vm_options: VmOptions
    node: str
    is_protected: bool
    #: None if it is not created yet.
    vmid: Optional[str] = None
    pool: Optional[str] = None
    #: Whether it will be on when the changes are made.
    is_on: bool = False
    #: Whether ``vm_options`` are those of the VM; False for a clone of a VM that does not exist yet.
    is_known: bool = True


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
    needed = {}
    for change in changes:
        if change.kind == "disks.add" and not change.new.get("source"):
            storage = change.new.get("storage") or update.storage
            needed[storage] = needed.get(storage, 0) + (change.new.get("size") or 0)
        elif moved_volume(change):
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


def check_imports(driver, label, image):
    if driver.release() < _IMPORTS_SINCE:
        raise Refused(
            f"{label}: image '{image}': this is Proxmox VE {driver.version()}, but images need 7.2 or later.",
            "Clone a template that was created from the image on the node (qm importdisk).",
        )


def check_image(driver, label, node, image, slot, disk):
    """Check the image that a disk of a new VM is created from."""
    if image.get("fetch"):
        # Few tasks name an image that is not stored.
        from .images import images_on

        images_on(driver, node).check_fetch(image, label)
        if image["size"] is not None:
            check_not_smaller(label, slot, disk.get("size"), image["name"], image["size"])
    elif not image.get("is_imported"):
        _check_volume(driver, label, node, image["source"], slot, disk.get("size"))


def _check_volume(driver, label, node, image, slot, size):
    if ":" not in image or image.startswith("/"):
        raise Refused(
            f"{label}: image '{image}' is not a volume.",
            "Put it on a storage with the content Import (before Proxmox VE 8.3: Disk image), and write it as"
            " pvesm list shows it, such as STORAGE:import/NAME.",
        )
    check_not_smaller(label, slot, size, image, size_of_volume(driver, label, node, image))


def _check_slots_and_formats(driver, label, node, options, changes):
    """``options`` are those of the VM, or those that a new clone will have."""
    for change in changes:
        if change.kind == "disks.add":
            check_slot(label, change.key, options)
        elif change.kind == "firmware":
            check_keys(label, options, change)
    check_formats(driver, label, node, {change.key: change.new for change in changes if change.kind == "disks.add"})
