# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proxmox VE: ISO images in optical drives: each a volume, an uploaded file, or a URL from which the node downloads."""

from __future__ import annotations

from ...._core.errors import ApiError, InvalidInput, Refused
from ...._core.frozen import replace
from ...._core.model import LIVE, NEXT_BOOT
from ...._core.pattern import Pattern
from ...._core.planner.drives import inserted_image, source_option
from ...._core.sharing.file_checks import missing
from ...._kit.settings import Setting
from ...._ports import files
from ...._tools import proxmox_values as values
from .architecture import drive_slots_of
from .disks import VOLUME, cost_of_disk, drives_of, free_slot, size_of_volume

_CHECKSUM_ALGORITHMS = ("md5", "sha1", "sha224", "sha256", "sha384", "sha512")
_ISO_SLOTS = ("ide2", "ide3", "ide1", "ide0", "sata5")
#: A drive on virtio cannot be an optical one.
_BUSES = ("ide", "sata", "scsi")
_URL = Pattern(r"https?://\S+")


def with_iso_volume(driver, node, change):
    """The change with the volume of the ISO image; a file or a URL is uploaded or downloaded first."""
    iso = inserted_image(change)
    if not iso or iso_name(iso) is None:
        return change
    volume = iso_volume_for(driver, node, iso)
    return replace(change, new={**change.new, "source": volume} if change.kind == "cdroms.add" else volume)


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
    path = f"/nodes/{node}/storage/{storage}"
    requested = {"content": "iso", **_checksum_parameters(driver.iso_checksum)}
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


def _is_seed(drive):
    return values.is_seed(drive) or values.is_seed_iso(drive.get("file", ""))


def reserved_slots(options):
    """The slots of seeds for cloud-init, which no option sets."""
    return frozenset(slot for slot, drive in drives_of(options).items() if _is_seed(drive))


def iso_volumes_of(options):
    """{slot: volume} of the ISO images in optical drives, except the cloud-init seed."""
    return {
        slot: drive["file"]
        for slot, drive in drives_of(options).items()
        if values.is_cdrom(drive) and not values.is_seed(drive) and ":" in drive.get("file", "")
    }


def lost_media(driver, node, options):
    """{slot: volume} of the ISO images that a node does not have. A VM with one of them does not start."""
    return {slot: one for slot, one in iso_volumes_of(options).items() if _is_lost(driver, node, one)}


def _is_lost(driver, node, volume):
    try:
        return volume not in _iso_volumes_on(driver, node, volume.partition(":")[0])
    except ApiError as error:
        # A storage that does not answer, or that the account does not see, proves nothing.
        return "does not exist" in error.message


def read_cdroms(options):
    """{slot: drive} of all optical drives without a seed for cloud-init."""
    drives = {slot: drive for slot, drive in drives_of(options).items() if values.is_cdrom(drive)}
    media = {slot: drive.get("file", "none") for slot, drive in drives.items() if not _is_seed(drive)}
    return {slot: {"source": "" if medium == "none" else medium} for slot, medium in media.items()}


def printed_drive(volume):
    """The text of an optical drive; an empty ``volume`` is an empty drive."""
    return f"{volume or 'none'},media=cdrom"


def _add_drive(update, change):
    update.to_set[change.key] = printed_drive(change.new.get("source"))


def _set_drive(update, change):
    update.to_set[change.key] = printed_drive(change.new)


def _remove_drive(update, change):
    if change.key in read_cdroms(update.current):
        update.to_remove.append(change.key)


def drive_slot(vm, config):
    """The slot of the drive that ``iso`` adds, or None. One call cannot remove a disk and fill its slot."""
    used = {*(config.get("disks") or ()), *(config.get("cdroms") or ()), *vm.reserved}
    slots = drive_slots_of({**vm.config, **config}, _ISO_SLOTS)
    if config.get("iso"):
        return free_slot(used, slots, f"{vm.name}: iso")
    return next((slot for slot in slots if slot not in used), None)


def _is_same(found, requested):
    """Whether the found volume is the requested ISO image; a file or a URL is compared by its name on the storage."""
    if not found or not requested or ("/" not in requested):
        return found == requested
    is_volume = not requested.startswith(("/", "http://", "https://"))
    return found == requested if is_volume else found.rpartition("/")[2] == file_name(requested)


def file_name(path):
    """The name that a file gets on a storage."""
    name = path.partition("?")[0].rstrip("/").rpartition("/")[2]
    return "".join(char if char.isascii() and (char.isalnum() or char in "_.-") else "_" for char in name)


def _checked_drives(vm, cdroms, known):
    for slot, drive in cdroms.items():
        if values.bus_of(slot) not in _BUSES:
            buses = ", ".join(f"{bus}0 to {bus}{values.BUSES[bus] - 1}" for bus in _BUSES)
            raise Refused(
                f"{vm.name}: cdroms: '{slot}' is not a valid slot of an optical drive.", f"Slots are {buses}."
            )
        iso = (drive or {}).get("source")
        if iso and not (iso.startswith("/") or VOLUME.fullmatch(iso) or _URL.fullmatch(iso)):
            raise Refused(
                f"{vm.name}: {source_option(vm, slot, cdroms)} '{iso}' is neither a volume nor a file.",
                "Write STORAGE:iso/NAME, a full path on the host of the task, or an http address.",
            )
    return cdroms


def iso_name(iso):
    """The name on a storage of an ISO image to upload or download; None for a volume."""
    return file_name(iso) if iso.startswith(("/", "http://", "https://")) else None


def check_iso(driver, label, node, iso, option="iso"):
    if not iso:
        return
    name = iso_name(iso)
    if name is None:
        size_of_volume(driver, label, node, iso)
        return
    storage = driver.resources.choose_storage(label, node, "iso", driver.storage)
    if not name.lower().endswith((".iso", ".img")):
        raise Refused(
            f"{label}: {option} '{iso}' has a name that Proxmox VE does not accept.", "It must end with .iso or .img."
        )
    if iso.startswith("/") and not files.is_file(iso):
        raise missing(f"{label}: {option}: {iso}", "on the host of the task")
    if f"{storage}:iso/{name}" not in _iso_volumes_on(driver, node, storage):
        driver.permissions.check_upload(label, storage, None if iso.startswith("/") else node)


def _cost_of_source(vm, change):
    """An ISO image is changed at once, but a new optical drive exists only after the next start."""
    config = vm.config if vm.active is None else vm.active
    return LIVE if change.key in (config.get("cdroms") or ()) else NEXT_BOOT


ISO = {
    "cdroms": Setting(read=read_cdroms, normalize=_checked_drives),
    "cdroms.add": Setting(cost=cost_of_disk, write=_add_drive),
    "cdroms.remove": Setting(cost=cost_of_disk, write=_remove_drive),
    "cdroms.source": Setting(cost=_cost_of_source, same=_is_same, write=_set_drive, native=("cdrom",)),
}
