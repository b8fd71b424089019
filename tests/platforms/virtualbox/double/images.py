# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The double's image files: a header like that of a real one, followed by the double's data about the image.

Of a disk's content, only the beginning of a VDI is kept. It can be read through images on top of it.
"""

from __future__ import annotations

import json
import os
import struct
import uuid
import zlib
from contextlib import suppress

from . import vdi
from .failures import Failure

_MIB = 1024 * 1024
_SECTOR = 512
#: The position of the double's data, a JSON object.
_DATA_START, _DATA_END = _SECTOR, 4096
_NO_UUID = "0" * 32
_QCOW2 = b"QFI\xfb"
_KEPT = 64 * 1024
#: VirtualBox accepts a file as an ISO image if it is larger than this and a multiple of the sector size.
_LEAST_ISO, _ISO_SECTOR = 32 * 1024, 2048


def write(medium):
    """Create the file of an image, or update the double's data in it."""
    path, form, size = medium["location"], medium["format"], medium["size"] * _MIB
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if form == "RAW":
        with open(path, "ab") as file:
            file.truncate(size)
        return
    if form == "VDI":
        vdi.prepare(path, size, uuid.UUID(medium["uuid"]), uuid.UUID(medium.get("parent") or _NO_UUID))
    header = json.dumps(medium).encode().ljust(_DATA_END - _DATA_START, b"\0")
    with open(path, "r+b" if form == "VDI" else "wb") as file:
        if form != "VDI":
            file.write(_header(form, size))
        file.seek(_DATA_START)
        file.write(header)
        if form == "VHD":
            file.write(_header(form, size))


def uuid_in(path):
    """The UUID in a VDI; None for other files."""
    with suppress(OSError), open(path, "rb") as file:
        begin = file.read(_SECTOR)
        return str(vdi.uuid_of(begin)) if begin.startswith(b"<<< ") else None
    return None


def _header(form, size):
    if form == "VMDK":
        return (b"KDMV" + struct.pack("<IIQ", 1, 3, size // _SECTOR)).ljust(_SECTOR, b"\0")
    return (b"conectix".ljust(48, b"\0") + struct.pack(">Q", size)).ljust(_SECTOR, b"\0")


def read(path, new_uuid):
    """The medium of a file that is not registered yet. Raises Failure if it is no disk image or ISO image."""
    with open(path, "rb") as file:
        begin = file.read(_DATA_END)
    medium = _stored_data(begin)
    if medium is not None:
        return {**medium, "location": path}
    found = {"uuid": new_uuid(), "location": path, "format": "RAW", "size": 1, "parent": None}
    if begin.startswith(b"<<< "):
        return {**found, "uuid": str(vdi.uuid_of(begin)), "format": "VDI", "size": vdi.size_of(begin) // _MIB}
    if begin.startswith(_QCOW2):
        return {**found, "format": "QCOW", "size": _qcow2_size(path, begin) // _MIB}
    size = os.path.getsize(path)
    if size <= _LEAST_ISO or size % _ISO_SECTOR:
        raise Failure(
            f"Could not get the storage format of the medium '{path}' (VERR_NOT_SUPPORTED)",
            code="VBOX_E_IPRT_ERROR",
            part="MediumWrap",
        )
    return found


def _qcow2_size(path, begin):
    """The size of the disk in a qcow2 image. Raises Failure for what VirtualBox cannot read."""
    size, _crypt, _entries, table = struct.unpack(">QIIQ", begin[24:48])
    cluster = 1 << struct.unpack(">I", begin[20:24])[0]
    features = struct.unpack(">Q", begin[72:80])[0]
    reason = ""
    if features:
        reason = f"Image '{path}' contains unsupported incompatible features ({features:x} vs 0) (VERR_NOT_SUPPORTED)"
    elif os.path.getsize(path) < table + cluster:
        reason = f"Reading the L1 table for image '{path}' failed (VERR_EOF)"
    if reason:
        raise Failure(
            f"Could not open the medium '{path}'.\nQCow: {reason}", code="VBOX_E_FILE_ERROR", part="MediumWrap"
        )
    return size


def _stored_data(begin):
    try:
        return json.loads(begin[_DATA_START:].rstrip(b"\0"))
    except ValueError:
        return None


def fill(medium, chain):
    """Copy the beginning of a disk into an image; ``chain`` are the images of the disk, nearest first."""
    if any(one["format"] != "VDI" for one in chain):
        return
    begin = vdi.read([one["location"] for one in chain], _KEPT)
    if medium["format"] == "VDI":
        fill_from(medium, begin)
    elif medium["format"] == "RAW":
        with open(medium["location"], "r+b") as file:
            file.write(begin)


def boots_with(chain):
    """The checksum of a disk's first sector, or None if it cannot be read."""
    if not all(one["format"] == "VDI" and os.path.exists(one["location"]) for one in chain):
        return None
    return crc_of(vdi.read([one["location"] for one in chain], _SECTOR))


def crc_of(begin):
    return zlib.crc32(begin[:_SECTOR].ljust(_SECTOR, b"\0"))


def fill_from(medium, begin):
    """Write ``begin`` at the beginning of an image."""
    if medium["format"] == "VDI" and any(begin):
        vdi.write(medium["location"], begin[:_KEPT])
