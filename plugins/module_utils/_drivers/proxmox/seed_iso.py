# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proxmox VE: the seed ISO of a VM with documents of cloud-init: user_data, meta_data or network_config.

cloud-init uses only one of two seeds. So such a VM gets no cloud-init drive of Proxmox VE, and none of its options: the
shared fields are merged into the documents.

The mark names the ISO image before it is uploaded. So the next run completes or removes what a killed one has left.
"""

from __future__ import annotations

import os
import uuid

from ..._core.errors import Refused
from ..._core.record.mark import inputs_of_cloud_init
from ..._tools import proxmox_values as values
from . import mark
from .settings.cloud_init import CLOUD_INIT_KEYS, free_seed_slot, is_for_guest, own_seed_slots, removes_seed, seed_slot
from .settings.networks import nics_of

#: Seconds that a node needs at most to store a seed ISO, which is small.
_LONGEST_UPLOAD = 30
_REMOVED = frozenset({*CLOUD_INIT_KEYS, "cipassword"})


def new_mark(driver, vmid, node, name, inputs):
    """The mark of a new VM, which names the seed ISO that it will get."""
    if not driver.has_documents:
        return mark.new_mark(vmid, inputs)
    made = mark.new_mark(vmid, {**inputs, **inputs_of_cloud_init(driver.seed_input)})
    return {**made, "files": [_new_volume(driver, vmid, node, name)]}


def _new_volume(driver, vmid, node, name):
    storage = driver.resources.choose_storage(name, node, "iso", driver.storage)
    return f"{storage}:iso/polyvirt-seed-{vmid}-{uuid.uuid4().hex[:8]}.iso"


def with_seed(driver, vm_options, name, networks=None, drives=()):
    """Upload the seed ISO of a new VM and attach it; returns the VmOptions.

    ``networks`` are the final NICs, ``drives`` the slots of optical drives that the VM does not have yet.
    """
    if not driver.has_documents:
        return vm_options
    vm_options = _recorded(driver, vm_options, name)
    volume = seed_files(vm_options)[0]
    if any(values.parse(slot, vm_options.stored[slot])["file"] == volume for slot in own_seed_slots(vm_options.stored)):
        return vm_options
    _upload(driver, vm_options, name, volume, networks)
    change = _attaching(vm_options.stored, f"{volume},media=cdrom", drives)
    driver.tool.put(f"{vm_options.path}/config", **change, digest=vm_options.digest)
    return driver.read_options(vm_options.vmid)


def _recorded(driver, vm_options, name):
    """The VmOptions with the mark of the seed ISO; the mark of an interrupted run may be of other documents."""
    text, own = mark.split_notes(vm_options.stored.get("description"))
    volumes = seed_files(vm_options) or [_new_volume(driver, vm_options.vmid, vm_options.node, name)]
    inputs = {**own["inputs"], **inputs_of_cloud_init(driver.seed_input)}
    if (own.get("files"), own["inputs"]) == (volumes, inputs):
        return vm_options
    own = {**own, "files": volumes, "inputs": inputs}
    driver.tool.put(f"{vm_options.path}/config", description=mark.notes_of(text, own), digest=vm_options.digest)
    return driver.read_options(vm_options.vmid)


def _upload(driver, vm_options, name, volume, networks):
    # Few tasks set documents.
    from ..._ports import files
    from ..._ports.command import Commands
    from ..._tools import seed
    from ..._tools.seed_network import macs_by_place

    found = {place: {"mac": nic.get("macaddr", "").lower()} for place, nic in nics_of(vm_options.stored).items()}
    documents = seed.nocloud_documents(
        driver.seed_input, name, f"{name}-{vm_options.vmid}", macs_by_place(found, networks)
    )
    storage, _colon, path = volume.partition(":")
    with files.private_folder() as folder:
        image = os.path.join(folder, path.rpartition("/")[2])
        seed.make_seed(Commands(driver.call_timeout), files, image, documents, driver.seed_input.get("answer_drivers"))
        driver.tool.upload(f"/nodes/{vm_options.node}/storage/{storage}/upload", image, content="iso")


def _attaching(options, drive, drives):
    """The options to set: the drive in the place of another seed, if there is one, and without all other seeds."""
    others = [slot for slot in (seed_slot(options), *own_seed_slots(options)) if slot]
    slot = others[0] if others else free_seed_slot(options, drives)
    removed = [key for key in options if values.stem(key) in _REMOVED]
    return {slot: drive, "delete": ",".join([*others[1:], *removed]) or None}


def unwanted_seeds(driver, vm_options):
    """The options to remove from an unfinished VM: an interrupted run had documents, and the task has none."""
    return "" if driver.has_documents else ",".join(own_seed_slots(vm_options.stored))


def seed_files(vm_options):
    """The volumes of the seed ISOs that were created for a VM."""
    return [
        volume for volume in (vm_options.own_mark or {}).get("files", ()) if values.is_seed_iso(volume, vm_options.vmid)
    ]


def remove_seed(driver, vm_options):
    """Delete the seed ISO of a VM. This is done before the VM is deleted, so that the next run can complete it."""
    if vm_options.is_unfinished and seed_files(vm_options):
        await_uploads(driver, vm_options.node)
    for volume in seed_files(vm_options):
        storage = f"/nodes/{vm_options.node}/storage/{volume.partition(':')[0]}/content"
        if volume in [entry["volid"] for entry in driver.tool.get(storage, content="iso")]:
            driver.tool.run("DELETE", f"{storage}/{volume}")


def await_uploads(driver, node, seconds=_LONGEST_UPLOAD):
    """Wait for uploads that the node is storing. One may be of an interrupted run: the tasks do not name files.

    Returns whether all have ended.
    """
    return all(driver.tool.wait(task["upid"], seconds) for task in driver.tool.running_tasks(node, "imgcopy"))


def check_new_seed(driver, label, privileges, arguments, node):
    """Raise if the seed ISO of a new VM cannot be created, uploaded, attached, or deleted with the VM."""
    if not driver.has_documents:
        return
    # Few tasks set documents.
    from ..._ports.command import Commands
    from ..._tools import seed

    key = next((key for key in driver.native_keys if values.stem(key) in _REMOVED), None)
    if key:
        raise Refused(
            f"{label}: native: {key} and the documents of cloud_init cannot be combined: cloud-init uses one seed.",
            f"Put it into the documents, or omit native: {key}.",
        )
    seed.check_documents({**arguments, "creation": {"cloud_init": driver.seed_input}}, label)
    seed.find_tool(Commands(driver.call_timeout))
    storage = driver.resources.choose_storage(label, node, "iso", driver.storage)
    driver.permissions.check_upload(label, storage)
    driver.permissions.check(label, f"/storage/{storage}", "Datastore.Allocate")  # To delete it with the VM.
    privileges.check(label, "VM.Config.CDROM")


def check_deletion(driver, label, vm_options):
    """Raise Refused if the account may not delete the seed ISO of a VM."""
    for volume in seed_files(vm_options):
        driver.permissions.check(label, f"/storage/{volume.partition(':')[0]}", "Datastore.Allocate")


def check_one_seed(driver, label, before, changes):
    """Raise Refused if changes would give a VM with a seed ISO a second seed."""
    change = next((one for one in changes if is_for_guest(one) or removes_seed(one)), None)
    if change and own_seed_slots(before.vm_options.stored):
        raise Refused(
            f"{label}: {change.path}: the VM was created with documents of cloud_init, which are deleted with it, and"
            " cloud-init uses only one seed.",
            "Set the same user_data, meta_data or network_config again, so that cloud_init is not compared, or create"
            " the VM again.",
        )


def seeds_of_others(options, vmid):
    """The slots with the seed ISO of another VM than ``vmid``: it has the identity of that VM, and goes with it."""
    seeds = {slot: values.parse(slot, options[slot])["file"] for slot in own_seed_slots(options)}
    return [slot for slot, volume in seeds.items() if not values.is_seed_iso(volume, vmid)]


def without_seed_iso(vm_options):
    """The stored options of a clone without the seed ISO of its source, which contains the identity of the source."""
    slots = own_seed_slots(vm_options.stored)
    return {key: text for key, text in vm_options.stored.items() if key not in slots}
