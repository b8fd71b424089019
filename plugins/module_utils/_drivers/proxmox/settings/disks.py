# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks and ISO images: reading, writing and checking them.

An ISO image is a volume, a file that is uploaded, or a URL from which the node downloads it.
"""

from __future__ import annotations

import re
from dataclasses import replace

from ...._core.errors import ApiError, InvalidInput, NotFound, Refused
from ...._ports import files
from ...._tools import proxmox_values as values

_UNUSED = re.compile(r"unused\d+")
#: Volumes with the state of the firmware and of the TPM.
STATE_VOLUMES = ("efidisk0", "tpmstate0")
VOLUME = re.compile(r"[A-Za-z][\w.-]*:[^\s,]+")
#: The slot of the disk that is created from an image.
FIRST_SLOT = "scsi0"
_CHECKSUM_ALGORITHMS = ("md5", "sha1", "sha224", "sha256", "sha384", "sha512")
_ISO_SLOTS = ("ide2", "ide3", "ide1", "ide0", "sata5")
_URL = re.compile(r"https?://\S+")


def drives_of(options):
    """{slot: sub-keys} of all drives: disks, optical drives and the cloud-init drive."""
    return {key: values.parse(key, text) for key, text in sorted(options.items()) if values.bus_of(key)}


def disks_of(options):
    """{slot: sub-keys} of all disks."""
    return {slot: drive for slot, drive in drives_of(options).items() if not values.is_cdrom(drive) and drive}


def volumes_of(options):
    """{option: volume} of all volumes except ISO images.

    These are disks, detached disks, the states of firmware and TPM, saved memory, and the cloud-init drive.
    """
    found = {}
    for key, text in options.items():
        if values.bus_of(key) or key in STATE_VOLUMES or _UNUSED.fullmatch(key):
            drive = values.parse(key, text)
            if ":" in drive.get("file", "") and (not values.is_cdrom(drive) or values.is_seed(drive)):
                found[key] = drive["file"]
        elif key == "vmstate":
            found[key] = text
    return found


def _read_disk(drive):
    volume = drive.get("file", "")
    return {
        "size": values.size_of(drive.get("size")),
        "format": values.format_of(volume),
        "storage": storage_of(volume),
        "source": volume,
    }


def read_disks(options):
    return {slot: _read_disk(drive) for slot, drive in disks_of(options).items()}


def storage_of(volume):
    """The storage of a volume; None for a path on the node."""
    storage, colon, _name = volume.partition(":")
    return storage if colon and not volume.startswith("/") else None


def _add_disk(update, change):
    if change.key in update.current:
        return
    requested = change.new
    if requested.get("source"):
        update.to_set[change.key] = requested["source"]
        return
    parts = {"file": f"{requested.get('storage') or update.storage}:{values.gibibytes(requested['size'])}"}
    if requested.get("format") and requested["format"] != "raw":
        parts["format"] = requested["format"]
    update.to_set[change.key] = values.printed(change.key, parts)


def _remove_disk(update, change):
    if change.key in update.current:
        update.to_remove.append(change.key)


def _grow_disk(update, change):
    current = values.size_of(values.parse(change.key, update.current.get(change.key, "")).get("size"))
    if current is None or current < change.new:
        update.to_grow[change.key] = change.new


def write_disk(update, change):
    """Add the change of a disk to ``update``. Moves to another storage are calls of their own, see moving.py."""
    write = {"disks.add": _add_disk, "disks.remove": _remove_disk, "disks.size": _grow_disk}.get(change.kind)
    if write:
        write(update, change)


def check_disk(vm, slot, disk):
    if values.bus_of(slot) is None:
        buses = ", ".join(f"{bus}0 to {bus}{count - 1}" for bus, count in values.BUSES.items())
        raise Refused(f"{vm.name}: disks: '{slot}' is not a valid slot.", f"Slots are {buses}.")
    if disk.get("source") and not VOLUME.fullmatch(disk["source"]):
        raise Refused(
            f"{vm.name}: disks: source of {slot} is '{disk['source']}', which is not a volume.",
            "Write STORAGE:VOLUME, as pvesm list shows it.",
        )


def check_storage(vm, slot, disk, storage):
    """Raise Refused if the option storage of the task, or of the disk, does not match an existing disk or a source.

    The option storage of the task is for new disks; it does not move existing ones. The disks of a new clone do not
    exist yet.
    """
    found = ((vm.config.get("disks") or {}).get(slot) or {}) if disk is not None else {}
    source, own = (disk or {}).get("source"), (disk or {}).get("storage")
    if source and own and storage_of(source) != own:
        raise Refused(f"{vm.name}: disks: storage of {slot} is '{own}', but its source is '{source}'.", "Remove one.")
    if storage and found.get("source") and not (own or source) and found["storage"] not in (None, storage):
        raise Refused(
            f"{vm.name}: storage: disk {slot} is on '{found['storage']}', not on '{storage}'; the option storage is for"
            " new disks only.",
            f"To move the disk set disks: [{{slot: {slot}, storage: {storage}}}]; to leave it set its storage to"
            f" '{found['storage']}' there.",
        )


def check_source(driver, label, before, node, slot, disk):
    """Raise Refused or NotFound if the source of a disk cannot be attached to the VM."""
    volume = disk.get("source")
    if not volume:
        return
    owner = values.owner_of(volume)
    # The name of a volume contains the id of a VM. The volume is deleted with this VM, even if it is not attached.
    user = driver.name_of(owner)
    if user and owner != before.vmid:
        raise Refused(
            f"{label}: disks: source of {slot}: '{volume}' belongs to '{user}', and is deleted with it.",
            "Detach it there, and change its owner first (web interface: Reassign Owner).",
        )
    size_of_volume(driver, label, node, volume)


def check_slot(label, slot, options):
    """Raise Refused if the slot of a new disk contains an optical or cloud-init drive."""
    if slot in options:
        is_seed = values.is_seed(values.parse(slot, options[slot]))
        content = "the drive of cloud-init" if is_seed else "an optical drive"
        raise Refused(f"{label}: disks: {slot} is {content}, so it cannot be a disk.", "Use another slot.")


def check_formats(driver, label, node, disks):
    """Raise Refused if a new disk would not get its requested format.

    The format of a disk cannot change, so the next run would reject the difference.
    """
    for slot, disk in disks.items():
        requested, volume = disk.get("format"), disk.get("source")
        if requested and volume:
            _check_format_of_volume(label, slot, requested, volume)
        elif requested and requested != "raw":
            storage = driver.resources.choose_storage(label, node, "images", disk.get("storage") or driver.storage)
            _check_holds_files(driver, label, slot, requested, storage)


def _check_format_of_volume(label, slot, requested, volume):
    found = values.format_of(volume)
    if requested != found:
        raise Refused(
            f"{label}: disks: format of {slot} is '{requested}', and '{volume}' is {found}.", "Remove the format."
        )


def _check_holds_files(driver, label, slot, requested, storage):
    if not driver.resources.holds_files(storage):
        raise Refused(
            f"{label}: disks: format of {slot} is '{requested}', but storage '{storage}' has only raw data, no files.",
            "Remove the format, or use a storage that holds files.",
        )


def size_of_volume(driver, label, node, volume):
    """The size of a volume in bytes. Raises NotFound if the node does not have it."""
    storage = volume.partition(":")[0]
    try:
        return driver.tool.get(f"/nodes/{node}/storage/{storage}/content/{volume}")["size"]
    except ApiError as error:
        raise NotFound(
            f"{label}: node '{node}' has no volume '{volume}' ({error.message})",
            f"List the volumes: pvesm list {storage}.",
        ) from error


def with_iso_volume(driver, node, change):
    """The change with the volume of the ISO image; a file or a URL is uploaded or downloaded first."""
    if change.kind != "iso" or not change.new or iso_name(change.new) is None:
        return change
    return replace(change, new=iso_volume_for(driver, node, change.new))


def iso_volume_for(driver, node, iso):
    """The volume of an ISO image on a node. If it is missing, it is uploaded or downloaded."""
    name = iso_name(iso)
    if name is None:
        return iso
    storage = driver.resources.choose_storage("iso", node, "iso", driver.storage)
    volume = f"{storage}:iso/{name}"
    # Several VMs of a task may need the same ISO image at the same time.
    with driver.upload_lock:
        if volume not in _iso_volumes_on(driver, node, storage):
            _upload_or_download(driver, node, storage, iso, name)
    return volume


def _upload_or_download(driver, node, storage, iso, name):
    path, requested = (
        f"/nodes/{node}/storage/{storage}",
        {"content": "iso", **_checksum_parameters(driver.iso_checksum)},
    )
    if iso.startswith("/"):
        driver.tool.upload(f"{path}/upload", iso, **requested)
    else:
        driver.tool.run("POST", f"{path}/download-url", url=iso, filename=name, **requested)


def _iso_volumes_on(driver, node, storage):
    """Names of the ISO images on a node's storage."""
    return [entry["volid"] for entry in driver.tool.get(f"/nodes/{node}/storage/{storage}/content", content="iso")]


def _checksum_parameters(text):
    if not text:
        return {}
    algorithm, _colon, value = text.partition(":")
    return {"checksum-algorithm": algorithm, "checksum": value}


def check_checksum(text):
    """Raise InvalidInput for a checksum without a known algorithm."""
    algorithm, colon, value = (text or "").partition(":")
    if text and (algorithm not in _CHECKSUM_ALGORITHMS or not colon or not value):
        raise InvalidInput(
            f"iso_checksum: '{text}' is not a checksum.",
            f"Write KIND:SUM with one of {', '.join(_CHECKSUM_ALGORITHMS)}.",
        )


def iso_slot(options):
    """The slot of the option iso: the first optical drive that is not the cloud-init drive."""
    found = drives_of(options)
    return next((slot for slot, drive in found.items() if values.is_cdrom(drive) and not values.is_seed(drive)), None)


def iso_volumes_of(options):
    """{slot: volume} of the ISO images in optical drives, except the cloud-init seed."""
    return {
        slot: drive["file"]
        for slot, drive in drives_of(options).items()
        if values.is_cdrom(drive) and not values.is_seed(drive) and ":" in drive.get("file", "")
    }


def read_iso(options):
    slot = iso_slot(options)
    if slot is None:
        return None
    volume = values.parse(slot, options[slot])["file"]
    return "" if volume == "none" else volume


def write_iso(update, change):
    slot = iso_slot(update.current)
    if slot is None:
        slot = free_iso_slot(update.used_slots)
    update.to_set[slot] = f"{change.new or 'none'},media=cdrom"


def free_slot(used, slots, what):
    """The first of ``slots`` that is not used. Raises Refused, with ``what`` as the option, if there is none."""
    free = next((slot for slot in slots if slot not in used), None)
    if free is None:
        raise Refused(
            f"{what}: no slot is free for its drive: {', '.join(sorted(slots))} are in use.",
            "Detach a disk from one of them in an earlier task (state: absent), or give a new VM's disks other slots.",
        )
    return free


def free_iso_slot(used):
    """The slot for a new optical drive."""
    return free_slot(used, _ISO_SLOTS, "iso")


def same_iso(found, requested):
    """Whether the found volume is the requested ISO image; a file or a URL is compared by its name on the storage."""
    if not found or not requested or ("/" not in requested):
        return found == requested
    is_volume = not requested.startswith(("/", "http://", "https://"))
    return found == requested if is_volume else found.rpartition("/")[2] == file_name(requested)


def file_name(path):
    """The name that a file gets on a storage."""
    name = path.partition("?")[0].rstrip("/").rpartition("/")[2]
    return "".join(char if char.isascii() and (char.isalnum() or char in "_.-") else "_" for char in name)


def check_iso_format(vm, iso):
    if not iso or iso.startswith("/") or VOLUME.fullmatch(iso) or _URL.fullmatch(iso):
        return
    raise Refused(
        f"{vm.name}: iso '{iso}' is neither a volume nor a file.",
        "Write STORAGE:iso/NAME, a full path on the host of the task, or an http address.",
    )


def iso_name(iso):
    """The name on a storage of an ISO image to upload or download; None for a volume."""
    return file_name(iso) if iso.startswith(("/", "http://", "https://")) else None


def check_iso(driver, label, node, iso):
    if not iso:
        return
    name = iso_name(iso)
    if name is None:
        size_of_volume(driver, label, node, iso)
        return
    storage = driver.resources.choose_storage(label, node, "iso", driver.storage)
    if not name.lower().endswith((".iso", ".img")):
        raise Refused(
            f"{label}: iso '{iso}' has a name that Proxmox VE does not accept.", "It must end with .iso or .img."
        )
    if iso.startswith("/") and not files.is_file(iso):
        raise NotFound(f"{label}: iso: file {iso} does not exist on the host of the task.", "Correct the path.")
    if f"{storage}:iso/{name}" not in _iso_volumes_on(driver, node, storage):
        _check_upload_privileges(driver, label, node, storage, iso)


def _check_upload_privileges(driver, label, node, storage, iso):
    permissions = driver.permissions
    permissions.check(label, f"/storage/{storage}", "Datastore.AllocateTemplate")
    if not iso.startswith("/") and not all(permissions.has("/", one) for one in ("Sys.Audit", "Sys.Modify")):
        permissions.check(label, f"/nodes/{node}", "Sys.AccessNetwork", is_visible=False)
