# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proxmox VE: cloning VMs, and the checks of the source and of the node on which the clone is created."""

from __future__ import annotations

from ..._core.errors import Refused
from ..._core.frozen import replace
from ..._core.planner.plan_create import find_snapshot
from ..._ports import change_counter
from ..._tools import proxmox_values as values
from . import mark
from .create import begun_mark, create_once, create_with_vmid, finish_vm, inputs_of, read_created
from .own_volumes import slots_with_volumes
from .privileges import NewVmPrivileges, check_mapping
from .resources import check_space, storage_for
from .seed_iso import with_seed, without_seed_iso
from .settings.cloud_init import free_seed_slot, password_option, seed_slot
from .settings.disks import STATE_VOLUMES, disks_of, drives_of, storage_of, volumes_of
from .settings.hardware import AUTO
from .settings.networks import check_bridge_privilege, nics_of
from .snapshots import options_in

#: Types of storages with linked clones of volumes that are no disks of templates.
_CLONES_ANY_VOLUME = frozenset({"btrfs"})


def clone(driver, vm, step):
    """Create a clone that is off, with the id of the step (None: the next free one)."""
    name, arguments = vm.name, step.arguments

    def complete(vm_options):
        vm_options = with_seed(driver, vm_options, name, arguments["networks"], arguments["drives"])
        options, kept = password_option(driver), without_seed_iso(vm_options)
        if options and seed_slot(kept) is None:
            slot = free_seed_slot(kept, arguments["drives"])
            options[slot] = f"{storage_for(driver, vm_options.node, name)}:cloudinit"
        if not driver.has_documents:
            options["delete"] = ",".join(key for key in vm_options.stored if key not in {**kept, **options}) or None
        finish_vm(driver, vm_options, name, options)

    create_once(driver, name, inputs_of(arguments), lambda: _copy(driver, name, arguments), complete, arguments)


def _copy(driver, name, arguments):
    config, requested, source = arguments["config"], arguments["creation"]["clone"], arguments["source"]
    source_options = driver.read_options(source.id)
    node = config.get("node") if config.get("node") not in (None, AUTO) else source_options.node
    snapshot, begun = find_snapshot(source, requested.get("snapshot")), {}
    copied = options_in(driver.tool, source_options, snapshot.name) if snapshot else source_options.all
    slots = slots_with_volumes(copied)

    def start_task(vmid):
        begun[str(vmid)] = {**begun_mark(driver, vmid, node, name, arguments), "slots": slots}
        return driver.tool.post(
            f"{source_options.path}/clone",
            newid=vmid,
            name=name,
            description=mark.notes_of("", begun[str(vmid)]),
            full=not requested.get("linked"),
            snapname=snapshot.name if snapshot else None,
            storage=None if requested.get("linked") else driver.storage,
            pool=config.get("pool") or None,
            target=None if node == source_options.node else node,
        )

    before = change_counter.count()
    vmid = create_with_vmid(driver, name, node, arguments.get("id"), start_task)
    return read_created(driver, vmid, node, begun), before


def check_copy(driver, label, arguments, vm_options, node):
    """Check the privileges on the source, its bridges and storages, and the space for copied disks."""
    requested, source = arguments["creation"]["clone"], arguments["source"]
    permissions = driver.permissions
    privileges = NewVmPrivileges(driver, arguments["config"], arguments.get("id"))
    permissions.check(label, f"/vms/{source.id}", "VM.Clone")
    privileges.check_name(label)
    privileges.check(label, "VM.Allocate")
    privileges.check(label, "VM.Config.Options")
    for nic in nics_of(vm_options.stored).values():
        check_bridge_privilege(driver, label, node, nic)
    check_mapping(driver, label, "cpu", vm_options.stored.get("cpu", ""))
    own, disks = None if requested.get("linked") else driver.storage, disks_of(vm_options.stored)
    for key, volume in volumes_of(vm_options.stored).items():
        if (key in disks or key in STATE_VOLUMES) and storage_of(volume):
            permissions.check(label, f"/storage/{own or storage_of(volume)}", "Datastore.AllocateSpace")
    if requested.get("linked"):
        _check_bases(driver, label, source, vm_options)
        return
    if source.on and not requested.get("snapshot") and "tpmstate0" in vm_options.stored:
        raise Refused(
            f"{label}: '{source.name}' is {source.power} and has a TPM. The state of a TPM is not"
            " copied while the VM runs.",
            "Stop it first, or clone a snapshot of it (clone.snapshot).",
        )
    needed = {}
    for drive in disks.values():
        storage = driver.storage or drive["file"].partition(":")[0]
        needed[storage] = needed.get(storage, 0) + (values.size_of(drive.get("size")) or 0)
    check_space(driver, label, node, needed)


def _check_bases(driver, label, source, vm_options):
    """Raise Refused if a template has a disk without linked clones, such as a volume that was attached to it later.

    A new disk of a template becomes a base at once.
    """
    if vm_options.stored.get("template") != "1":
        return  # The task makes it a template first, with all its disks.
    for slot, disk in sorted((source.config.get("disks") or {}).items()):
        volume = disk.get("source")
        if volume and not values.is_base(volume) and _is_never_linked(driver, volume):
            raise Refused(
                f"{label}: '{source.name}' has no linked clones: its disk {slot} was added after it became a template.",
                "Set linked: false, or remove that disk.",
            )


def _is_never_linked(driver, volume):
    return driver.resources.type_of(volume.partition(":")[0]) not in _CLONES_ANY_VOLUME


def options_of_clone(driver, source, snapshot_name):
    """The VmOptions of a clone: the stored options of its source or of the snapshot, not the running ones."""
    vm_options = driver.last_options(source.id)
    snapshot = find_snapshot(source, snapshot_name)
    stored = options_in(driver.tool, vm_options, snapshot.name) if snapshot else vm_options.stored
    stored = without_seed_iso(replace(vm_options, stored=stored))
    return replace(vm_options, stored=stored, running=stored)


def check_shared_storages(driver, label, node, source, vm_options):
    """Raise Refused if a clone on another node needs a storage that is not shared, also for ISO images and the seed."""
    drives = drives_of(vm_options.stored).values()
    volumes = [drive["file"] for drive in drives if ":" in drive["file"]]
    local = next((volume for volume in volumes if not driver.resources.is_shared(volume.partition(":")[0])), None)
    if local:
        raise _not_shared(label, source, node, f"{local} is on a storage that is not shared", source.config["node"])
    check_target_storage(driver, label, node, source)


def check_target_storage(driver, label, node, source):
    """Raise Refused if the storage of a full clone on another node is not one that both nodes have.

    The node of the source copies the disks, and the server moves only the configuration.
    """
    storage, found = driver.storage_of_disks, node_of_source(driver, source)
    if storage and not driver.resources.is_shared(storage):
        raise _not_shared(label, source, node, f"the storage '{storage}' of its disks is not shared", found)
    if storage:
        driver.resources.choose_storage(label, found, "images", storage)


def check_new_source(driver, label, node, source):
    """The same for a source that the task creates, on the node and storages that were chosen for it."""
    assigned = driver.resources.assigned
    found = node_of_source(driver, source)
    if found is None or node == found:
        return
    disks = (source.config.get("disks") or {}).values()
    storages = [storage for _node, storage in assigned.storages.get(source.name, ())]
    storages += [disk.get("storage") or storage_of(disk.get("source") or "") for disk in disks]
    local = next((one for one in storages if one and not driver.resources.is_shared(one)), None)
    if local:
        raise _not_shared(label, source, node, f"its storage '{local}' is not shared", found)
    check_target_storage(driver, label, node, source)


def node_of_source(driver, source):
    """The node of a source, or the one that was chosen for a source that the task creates; None if it is not known."""
    return source.config["node"] if source.id else driver.resources.assigned.nodes.get(source.name)


def _not_shared(label, source, node, reason, found):
    return Refused(
        f"{label}: '{source.name}' cannot be cloned to node '{node}': {reason}.",
        f"Clone it on {found}, and move the clone by another task with node.",
    )
