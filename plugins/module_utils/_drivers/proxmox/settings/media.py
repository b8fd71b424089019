# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ISO image: a volume, a file that is uploaded, or an address from which the node itself downloads it."""

from __future__ import annotations

import re
from dataclasses import replace

from ...._lifecycle.errors import InvalidInput, NotFound, Refused
from ...._lifecycle.model import LIVE, NEXT_BOOT, POWER_OFF, SUSPENDED, Field
from ...._ports import files
from ...._tools import proxmox_values as values
from .base import free_slot
from .disks import VOLUME, drives_of, size_of_volume

_SUMS = ("md5", "sha1", "sha224", "sha256", "sha384", "sha512")
_ISO_SLOTS = ("ide2", "ide3", "ide1", "ide0", "sata5")
_ADDRESS = re.compile(r"https?://\S+")


def stored(driver, node, change):
    """The change, with a medium that is no volume yet made one."""
    if change.kind != "iso" or not change.new or iso_name(change.new) is None:
        return change
    return replace(change, new=volume_for(driver, node, change.new))


def volume_for(driver, node, iso):
    """The volume of a medium on a node; what is not there yet is brought there."""
    name = iso_name(iso)
    if name is None:
        return iso
    storage = driver.places.choose_storage("iso", node, "iso", driver.storage)
    volume = f"{storage}:iso/{name}"
    # Several VMs of a task want the same one at the same moment.
    with driver.uploading:
        if volume not in volumes(driver, node, storage):
            _upload_or_download(driver, node, storage, iso, name)
    return volume


def _upload_or_download(driver, node, storage, iso, name):
    path, asked = f"/nodes/{node}/storage/{storage}", {"content": "iso", **_sum(driver.iso_checksum)}
    if iso.startswith("/"):
        driver.tool.upload(f"{path}/upload", iso, **asked)
    else:
        driver.tool.run("POST", f"{path}/download-url", url=iso, filename=name, **asked)


def volumes(driver, node, storage, content="iso"):
    """Names of the volumes of one kind on a node's storage."""
    return [one["volid"] for one in driver.tool.get(f"/nodes/{node}/storage/{storage}/content", content=content)]


def _sum(text):
    if not text:
        return {}
    kind, _colon, value = text.partition(":")
    return {"checksum-algorithm": kind, "checksum": value}


def check_sum(text):
    """Raise InvalidInput where a checksum does not say what it is of."""
    kind, colon, value = (text or "").partition(":")
    if text and (kind not in _SUMS or not colon or not value):
        raise InvalidInput(f"iso_checksum: '{text}' is no checksum.", f"Write KIND:SUM with one of {', '.join(_SUMS)}.")


def iso_slot(options):
    """The slot of the option iso: the first optical drive that holds no seed."""
    found = drives_of(options)
    return next((slot for slot, drive in found.items() if values.is_cdrom(drive) and not values.is_seed(drive)), None)


def media_of(options):
    """{slot: volume} of what lies in optical drives and is no seed."""
    return {
        slot: drive["file"]
        for slot, drive in drives_of(options).items()
        if values.is_cdrom(drive) and not values.is_seed(drive) and ":" in drive.get("file", "")
    }


def read(options):
    slot = iso_slot(options)
    if slot is None:
        return None
    medium = values.parse(slot, options[slot])["file"]
    return "" if medium == "none" else medium


def _write_iso(writing, change):
    slot = iso_slot(writing.now)
    if slot is None:
        slot = free_iso_slot(writing.taken)
    writing.put[slot] = f"{change.new or 'none'},media=cdrom"


def free_iso_slot(taken):
    """The slot for a new drive of the option iso."""
    return free_slot(taken, _ISO_SLOTS, "iso")


def _cost_of_medium(vm, change):
    """A medium is changed at once; a drive for it is only there after the next start."""
    if vm.power == SUSPENDED:
        return POWER_OFF
    return NEXT_BOOT if vm.config.get("iso") is None else LIVE


def _same_iso(found, asked):
    """A file or an address stands for the volume that is made of it."""
    if not found or not asked or ("/" not in asked):
        return found == asked
    is_volume = not asked.startswith(("/", "http://", "https://"))
    return found == asked if is_volume else found.rpartition("/")[2] == file_name(asked)


def file_name(path):
    """The name that a file gets on a storage."""
    name = path.partition("?")[0].rstrip("/").rpartition("/")[2]
    return "".join(sign if sign.isascii() and (sign.isalnum() or sign in "_.-") else "_" for sign in name)


def check_iso_format(vm, iso):
    if not iso or iso.startswith("/") or VOLUME.fullmatch(iso) or _ADDRESS.fullmatch(iso):
        return
    raise Refused(
        f"{vm.name}: iso '{iso}' is neither a volume nor a file.",
        "Write STORAGE:iso/NAME, a full path on the host of the task, or an http address.",
    )


def iso_name(iso):
    """The name on a storage of what is uploaded or downloaded; None for a volume."""
    return file_name(iso) if iso.startswith(("/", "http://", "https://")) else None


def check_iso(driver, label, node, iso):
    if not iso:
        return
    name = iso_name(iso)
    if name is None:
        size_of_volume(driver, label, node, iso)
        return
    driver.places.choose_storage(label, node, "iso", driver.storage)
    if not name.lower().endswith((".iso", ".img")):
        raise Refused(f"{label}: iso '{iso}' has no name that Proxmox VE takes.", "It must end with .iso or .img.")
    if iso.startswith("/") and not files.is_file(iso):
        raise NotFound(f"{label}: iso: there is no file {iso} on the host of the task.", "Correct the path.")


FIELDS = {"iso": Field(cost=_cost_of_medium, same=_same_iso)}
WRITES = {"iso": _write_iso}
