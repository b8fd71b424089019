# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ISO image: a volume, a file that is uploaded, or a URL from which the node downloads it."""

from __future__ import annotations

from dataclasses import replace

from ...._core.errors import InvalidInput, Refused
from ...._core.model import LIVE, NEXT_BOOT
from ...._core.pattern import Pattern
from ...._core.sharing.file_checks import missing
from ...._kit.settings import Setting
from ...._ports import files
from ...._tools import proxmox_values as values
from .disks import VOLUME, drives_of, free_slot, size_of_volume

_CHECKSUM_ALGORITHMS = ("md5", "sha1", "sha224", "sha256", "sha384", "sha512")
_ISO_SLOTS = ("ide2", "ide3", "ide1", "ide0", "sata5")
_URL = Pattern(r"https?://\S+")


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


def iso_slot(options):
    """The slot of the option iso: the first optical drive that has no seed for cloud-init."""
    return next((slot for slot, drive in drives_of(options).items() if _is_for_iso(drive)), None)


def other_drives(options):
    """{slot: medium} of the optical drives that the option iso does not set."""
    drives = {slot: drive.get("file", "") for slot, drive in drives_of(options).items() if _is_for_iso(drive)}
    return {slot: medium for slot, medium in drives.items() if slot != iso_slot(options)}


def _is_for_iso(drive):
    is_seed = values.is_seed(drive) or values.is_seed_iso(drive.get("file", ""))
    return values.is_cdrom(drive) and not is_seed


def iso_volumes_of(options):
    """{slot: volume} of the ISO images in optical drives, except the cloud-init seed."""
    return {
        slot: drive["file"]
        for slot, drive in drives_of(options).items()
        if values.is_cdrom(drive) and not values.is_seed(drive) and ":" in drive.get("file", "")
    }


def _read_iso(options):
    slot = iso_slot(options)
    if slot is None:
        return None
    volume = values.parse(slot, options[slot])["file"]
    return "" if volume == "none" else volume


def _write_iso(update, change):
    slot = iso_slot(update.current)
    if slot is None:
        slot = free_iso_slot(update.used_slots)
    update.to_set[slot] = f"{change.new or 'none'},media=cdrom"


def free_iso_slot(used):
    """The slot for a new optical drive."""
    return free_slot(used, _ISO_SLOTS, "iso")


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


def _checked(vm, iso, known):
    if not iso or iso.startswith("/") or VOLUME.fullmatch(iso) or _URL.fullmatch(iso):
        return iso
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
        raise missing(f"{label}: iso: {iso}", "on the host of the task")
    if f"{storage}:iso/{name}" not in _iso_volumes_on(driver, node, storage):
        driver.permissions.check_upload(label, storage, None if iso.startswith("/") else node)


def _cost_of_iso(vm, change):
    """An ISO image is changed at once, but a new optical drive exists only after the next start."""
    return NEXT_BOOT if vm.config.get("iso") is None else LIVE


ISO = {
    "iso": Setting(
        cost=_cost_of_iso, same=_is_same, read=_read_iso, normalize=_checked, write=_write_iso, native=("cdrom",)
    )
}
