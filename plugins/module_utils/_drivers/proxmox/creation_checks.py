# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proxmox VE: what is checked before a VM is created or cloned. Else, the server would report errors half-way."""

from __future__ import annotations

from typing import Optional

from ..._core.errors import ApiError, Refused
from ..._core.frozen import Frozen, replace
from ..._core.planner.contents import contents_of
from ..._core.planner.drives import inserted_image, media_of
from ..._core.sharing.file_checks import check_not_smaller
from .claims import storages_of
from .clone import check_copy, check_new_source, check_shared_storages, node_of_source, options_of_clone
from .cluster import VmOptions
from .configure import needs_storage
from .create import left_by_task, options_of_new
from .moving import check_pool
from .privileges import NewVmPrivileges, check_options
from .resources import check_space
from .seed_iso import check_new_seed
from .settings import native
from .settings.architecture import check_buses, check_is_known, warn_of_emulation
from .settings.cloud_init import free_seed_slot, password_option, seed_slot
from .settings.devices import check_devices
from .settings.disks import FIRST_SLOT, check_new_disks, size_of_volume, space_of_new, volumes_of
from .settings.firmware import STATE_STORAGES
from .settings.hardware import AUTO
from .settings.iso import check_iso, iso_name

_NO_OPTIONS = VmOptions("", "", {}, {})
#: The first version that can create disks from images.
_IMPORTS_SINCE = (7, 2)


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

    def node_after(self, changes):
        return next((change.new for change in changes if change.kind == "node"), self.node)


def existing_vm(driver, vm, is_on=False):
    return VmBefore(
        driver.last_options(vm.id), vm.config["node"], bool(vm.config.get("protection")), vm.id, is_on=is_on
    )


def _check_cpus(driver, plan, node):
    """Check whether a new VM can be started on a node, if the plan starts it."""
    if any(step.verb == "start" for step in plan.steps):
        driver.resources.check_cpus(plan.after.name, node, plan.after.config.get("cpus"))


def check_creation(driver, plan, one):
    arguments, label, vm = one.step.arguments, plan.after.name, plan.before
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
    storage = driver.resources.choose_storage(label, node, "images", driver.storage)
    for option, iso in media_of(config):
        check_iso(driver, label, node, iso, option)
    before = existing_vm(driver, vm) if vm.id else VmBefore(_NO_OPTIONS, node, is_protected=False)
    disks = config.get("disks") or {}
    check_new_disks(driver, label, before, node, disks)
    if creation.get("appliance"):
        # Few tasks create a VM from one.
        from .appliances import check_disks

        check_disks(driver, label, node, config, creation)
    elif creation.get("image"):
        for slot, image in contents_of(creation, FIRST_SLOT).items():
            check_image(driver, label, node, image, slot, disks.get(slot, {}))
    check_devices(driver, label, node, config.get("devices") or {})
    privileges = NewVmPrivileges(driver, config, arguments.get("id"))
    _check_new_rights(label, privileges, disks, creation)
    options = options_of_new(driver, storage, config, creation, node)
    check_options(driver, label, privileges, node, {"name": label, **options})
    native.check_values(driver, label, node, config.get("native") or (), options)
    check_new_seed(driver, label, privileges, arguments, node)
    for one in filter(None, map(config.get, STATE_STORAGES)):
        driver.resources.choose_storage(label, node, "images", one)
    imported = (creation.get("appliance") or {}).get("disks") or {}
    sized = {
        slot: {**disk, "size": disk.get("size") or imported.get(slot, {}).get("size")} for slot, disk in disks.items()
    }
    check_space(driver, label, node, space_of_new(sized, storage))


def _check_new_rights(label, privileges, disks, creation):
    """Check the rights to create a VM, and to grow the disks of its image or import those of its appliance later."""
    privileges.check_name(label)
    privileges.check(label, "VM.Allocate")
    sizes = [(disks.get(slot) or {}).get("size") for slot in contents_of(creation, FIRST_SLOT)]
    if creation.get("appliance") or any(sizes):
        privileges.check(label, "VM.Config.Disk")


def check_cloning(driver, plan, one):
    """Check a new clone, and keep its VmBefore for the checks of its changes."""
    clone = driver.resources.assigned.clones[plan.after.name] = _clone(driver, plan.after.name, one.step.arguments)
    _check_cpus(driver, plan, clone.node if clone else plan.after.config.get("node"))


def _clone(driver, label, arguments):
    """Check a new clone. Returns its VmBefore; None if its source, which the same task creates, has no node yet."""
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
    added = password_option(driver)
    if added and seed_slot(vm_options.stored) is None:
        added[free_seed_slot(vm_options.stored, arguments["drives"])] = "cloudinit,media=cdrom"
    if len(added) > 1 or (driver.storage and not creation["clone"].get("linked")):
        driver.resources.choose_storage(label, node, "images", driver.storage)
    _check_new_place(driver, label, arguments)
    check_copy(driver, label, arguments, vm_options, node)
    check_options(driver, label, NewVmPrivileges(driver, config, arguments.get("id")), node, added, current={})
    vm_options = replace(vm_options, stored={**vm_options.stored, **added})
    return VmBefore(vm_options, node, bool(config.get("protection")), pool=config.get("pool"))


def check_storage_of_linked(driver, plan, one):
    """Raise Refused if the option storage has no effect, because a linked clone is on the storages of its source."""
    label, arguments, clone = plan.after.name, one.step.arguments, driver.resources.assigned.clones[plan.after.name]
    source, vm_options = arguments["source"], clone.vm_options if clone else _NO_OPTIONS
    changes = [change for step in plan.steps for change in step.changes]
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
