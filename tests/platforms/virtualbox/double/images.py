# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The double's image files: headers as real ones have them, and behind those all that the double knows of an image.

Only how a VDI begins is kept, and is there to be read through whatever stands on it.
"""

from __future__ import annotations

import json
import os
import struct
import uuid
import zlib

from . import vdi
from .failures import Failure

_MIB = 1024 * 1024
_SECTOR = 512
#: Where the double's own words are, and what is behind them.
_TOLD_AT, _TOLD_END = _SECTOR, 4096
_KEPT = 64 * 1024
#: How large a medium for an optical drive must be, and what it is counted in, for VirtualBox to take it for one.
_LEAST_ISO, _ISO_SECTOR = 32 * 1024, 2048


def write(medium):
    """Make the file of an image, or let it tell anew what is known of it."""
    path, form, size = medium["location"], medium["format"], medium["size"] * _MIB
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if form == "RAW":
        with open(path, "ab") as file:
            file.truncate(size)
        return
    if form == "VDI":
        vdi.prepare(path, size, uuid.UUID(medium["uuid"]))
    told = json.dumps(medium).encode().ljust(_TOLD_END - _TOLD_AT, b"\0")
    with open(path, "r+b" if form == "VDI" else "wb") as file:
        if form != "VDI":
            file.write(_header(form, size))
        file.seek(_TOLD_AT)
        file.write(told)
        if form == "VHD":
            file.write(_header(form, size))


def _header(form, size):
    if form == "VMDK":
        return (b"KDMV" + struct.pack("<IIQ", 1, 3, size // _SECTOR)).ljust(_SECTOR, b"\0")
    return (b"conectix".ljust(48, b"\0") + struct.pack(">Q", size)).ljust(_SECTOR, b"\0")


def read(path, new_uuid):
    """What a file is that was not known until now; Failure where it is nothing for a slot."""
    with open(path, "rb") as file:
        begin = file.read(_TOLD_END)
    told = _told(begin)
    if told is not None:
        return {**told, "location": path}
    found = {"uuid": new_uuid(), "location": path, "format": "RAW", "size": 1, "parent": None}
    if begin.startswith(b"<<< "):
        return {**found, "uuid": str(vdi.uuid_of(begin)), "format": "VDI", "size": vdi.size_of(begin) // _MIB}
    size = os.path.getsize(path)
    if size <= _LEAST_ISO or size % _ISO_SECTOR:
        raise Failure(
            f"Could not get the storage format of the medium '{path}' (VERR_NOT_SUPPORTED)",
            code="VBOX_E_IPRT_ERROR",
            part="MediumWrap",
        )
    return found


def _told(begin):
    try:
        return json.loads(begin[_TOLD_AT:].rstrip(b"\0"))
    except ValueError:
        return None


def fill(medium, chain):
    """Put into an image how the disk begins that ``chain`` holds, nearest first."""
    if any(one["format"] != "VDI" for one in chain):
        return
    begin = vdi.read([one["location"] for one in chain], _KEPT)
    if medium["format"] == "VDI":
        fill_from(medium, begin)
    elif medium["format"] == "RAW":
        with open(medium["location"], "r+b") as file:
            file.write(begin)


def boots_with(chain):
    """What tells the first sector of a disk from others; None where it cannot be read."""
    if not all(one["format"] == "VDI" and os.path.exists(one["location"]) for one in chain):
        return None
    return crc_of(vdi.read([one["location"] for one in chain], _SECTOR))


def crc_of(begin):
    return zlib.crc32(begin[:_SECTOR].ljust(_SECTOR, b"\0"))


def fill_from(medium, begin):
    """The same from what is given."""
    if medium["format"] == "VDI" and any(begin):
        vdi.write(medium["location"], begin[:_KEPT])
