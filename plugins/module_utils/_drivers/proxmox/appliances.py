# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proxmox VE: VMs from appliances: the task's host converts and uploads each disk, and the server imports the upload.

The new VM has no disk at first. Its mark names the uploads before the first of them is sent, with the id of the VM and
random digits in their names. So the next task completes or removes what a killed one has left, and no other volume.
"""

from __future__ import annotations

import os
import uuid

from ..._core.errors import Refused
from ..._core.frozen import replace
from ..._core.pattern import Pattern
from ..._core.planner.contents import contents_of
from ..._core.sharing.file_checks import check_not_smaller
from ..._media.appliances.defaults import Words
from ..._media.appliances.disk import checked, is_of_appliance, most_bytes, name_of, unpacked
from ..._media.appliances.lookup import resolved as read_appliance
from ..._media.by_controller import images_of_controller
from ..._ports import files, permits
from ..._ports.command import Commands
from ..._tools.proxmox_values import BUSES
from ..._tools.qemu_devices import NIC_MODELS
from ..._tools.qemu_img import QemuImg
from .images import check_release, images_on, node_for
from .mark import UPLOADS
from .resources import storage_for
from .seed_iso import await_uploads
from .settings.disks import FIRST_SLOT
from .store import NodeStore


def _slot(bus, number, _firmware):
    """SATA has a driver in each guest that booted elsewhere; the disks that find no place there are on SCSI."""
    first = "virtio" if bus == "virtio" else "sata"
    return f"{first}{number}" if number < BUSES[first] else f"scsi{number - BUSES[first]}"


APPLIANCES = Words(
    slot=_slot,
    models=NIC_MODELS,
    default_model="e1000",
    windows={"os_type": "windows10"},
)
_FORMAT = "qcow2"
_NAME = Pattern(r"[^:/]+:import/polyvirt-appliance-(\d+)-[a-z]+\d+-[0-9a-f]{8}[.]qcow2")
_PURPOSE = " for the disk of the appliance"


def resolved(driver, request):
    """Return the request with what its appliance has, and the node that imports its disks."""
    check_release(driver, f"{request.label}: appliance: ", "appliances")
    node = node_for(driver, request)
    found = read_appliance(request, APPLIANCES, images_of_controller())
    creation = dict(found.creation)
    # The driver creates the seed ISO, as it does for documents of cloud_init.
    if "ovf_env" in (creation.get("cloud_init") or {}):
        driver.use_documents(creation.pop("cloud_init"))
    return replace(found, config={**found.config, "node": node}, creation=creation)


def imported_slots(creation):
    """Return {slot: image} of the disks that are imported after the VM was created."""
    return {slot: one for slot, one in contents_of(creation, FIRST_SLOT).items() if is_of_appliance(one)}


def uploads_for(driver, vmid, node, name, creation):
    """Return {slot: volume} of the uploads of a new VM, for its mark."""
    store = images_on(driver, node, f"{name}: ").store
    begin = f"polyvirt-appliance-{vmid}"
    slots = imported_slots(creation)
    return {slot: store.path_for(f"{begin}-{slot}-{uuid.uuid4().hex[:8]}.{_FORMAT}") for slot in slots}


def before_imports(options, creation):
    """Return the options of the call that creates a VM: a boot order can name only disks that exist."""
    later = {*imported_slots(creation), "boot"}
    return {key: text for key, text in options.items() if key not in later}


def import_disks(driver, vm_options, name, arguments, options_of_new):
    """Import the disks that an unfinished VM lacks; returns its VmOptions."""
    config, creation = arguments["config"], arguments["creation"]
    images, uploads = imported_slots(creation), vm_options.own_mark[UPLOADS]
    if driver.unfinished_options(name) is not None:
        # A killed task may have sent some of them, whole or in part.
        remove_uploads(driver, vm_options)
    node = vm_options.node
    options = options_of_new(driver, storage_for(driver, node, name), config, creation, node)
    for slot, image in images.items():
        if slot in vm_options.stored:
            continue
        volume = uploads[slot]
        _upload(driver, node, volume, image)
        boot = {"boot": options["boot"]} if slot == list(images)[-1] else {}
        change = {slot: f"{options[slot]},import-from={volume}", **boot}
        # POST starts a task, because the copy takes longer than the timeout of a call.
        driver.tool.run("POST", f"{vm_options.path}/config", **change, digest=vm_options.digest)
        _delete_listed(driver, node, [volume])
        vm_options = driver.read_options(vm_options.vmid)
    return vm_options


def _upload(driver, node, volume, image):
    storage, _colon, path = volume.partition(":")
    store, folder = NodeStore(driver, node, storage), images_of_controller().store.directory
    files.make_folder(folder)
    # One at a time, because each needs space on this host and on the storage.
    with driver.upload_lock, files.private_folder(folder) as private:
        local = os.path.join(private, os.path.basename(path))
        with unpacked(image, local) as source:
            QemuImg(Commands(driver.call_timeout)).convert(name_of(source), source["format"], local, _FORMAT)
        store.upload(local)


def uploads_of(vm_options):
    """The uploads that the mark of an unfinished VM names."""
    found = (vm_options.own_mark or {}).get(UPLOADS) or {}
    names = ((volume, _NAME.fullmatch(str(volume))) for volume in found.values())
    return [volume for volume, name in names if name and name[1] == vm_options.vmid]


def remove_uploads(driver, vm_options):
    """Delete the uploads of an unfinished VM. This is done before the VM is deleted, so that the next run can do it."""
    if vm_options.is_unfinished:
        # The storage lists an upload while the node is still copying it there.
        if not await_uploads(driver, vm_options.node, driver.call_timeout):
            raise Refused(
                f"VM {vm_options.vmid}: node '{vm_options.node}' is still storing an upload.",
                "Run the task again when it has ended.",
            )
        _delete_listed(driver, vm_options.node, uploads_of(vm_options))


def _delete_listed(driver, node, volumes):
    for volume in volumes:
        store = NodeStore(driver, node, volume.partition(":")[0])
        if volume in store.volumes():
            with permits.also([volume]):  # The record of the VM names it.
                driver.tool.run("DELETE", f"{store.path}/content/{volume}")


def check_disks(driver, label, node, config, creation):
    """Raise if the disks of an appliance cannot be converted, uploaded or imported."""
    images = imported_slots(creation)
    if not images:
        return
    option, qemu_img = f"{label}: appliance", QemuImg(Commands(driver.call_timeout))
    disks = config.get("disks") or {}
    for slot, image in images.items():
        found = checked(qemu_img, image)
        if found.fault:
            raise Refused(f"{option}: {image['source']} {found.fault}.", found.remedy)
        check_not_smaller(label, slot, (disks.get(slot) or {}).get("size"), image["source"], image["size"])
    store, local = images_on(driver, node, f"{label}: ").store, images_of_controller().store
    largest = max(most_bytes(qemu_img, image) for image in images.values())
    store.check_space(largest, option, _PURPOSE)
    local.check_space(largest, option, _PURPOSE)
    driver.permissions.check_upload(label, store.name)
    # To delete the uploads.
    driver.permissions.check(label, f"/storage/{store.name}", "Datastore.Allocate")
