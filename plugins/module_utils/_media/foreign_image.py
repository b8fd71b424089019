# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an image names besides its own data: a program that reads the image would read these files, too.

So a crafted image could bring the content of any file of the host into a VM. One rule for downloads, for images that a
task names by their path, and for disks that it attaches. Sources: QEMU's block drivers, and the specifications of
qcow2, VMDK, VHD and VHDX.
"""

from __future__ import annotations

import os
import re
import struct
from shlex import quote

from .._core.errors import Refused
from .._core.sharing.needed_files import Image
from .._ports import files, folders
from . import disk_header

#: What an image can name: the parent of its differences, files with the data of a VMDK, and the data file or backing
#: file of a qcow2 image.
PARENT, EXTENTS, DATA, BACKING = "parent", "extents", "data", "backing"
_FAULTS = {
    EXTENTS: "names other files as its data, and they would be read with it",
    DATA: "names another file as its data, which would be read with it",
    PARENT: "contains only the differences from a parent image",
    BACKING: "names a backing file, which would be read with it",
}
_REMEDY_OF_PARENT = (
    "Merge it with its parent first: VBoxManage clonemedium disk {path} {path}.vdi (VirtualBox), Convert-VHD (Hyper-V),"
    " or delete the snapshots of its VM (VMware)."
)
_REMEDY = (
    "If you trust the files that it names, combine them: qemu-img convert -f {format} -O qcow2 {path} {path}.qcow2"
)
#: Formats that a backing file can have; others, such as nbd, are no files.
_FILES = ("raw", "qcow", "qcow2", "vmdk", "vdi", "vhd", "vhdx")
_BEGINNING = 64 * 1024
#: The part of a sparse VMDK where QEMU expects its description.
_DESCRIPTION = slice(512, 512 + 10240)
_PARENT_ID = re.compile(rb"^parentCID\s*=\s*([0-9a-fA-F]+)", re.MULTILINE)
_NO_PARENT = b"ffffffff"
_VDI_TYPE, _VDI_DIFFERENCING = slice(0x4C, 0x50), b"\4\0\0\0"
_VHD_TYPE, _VHD_DIFFERENCING = slice(60, 64), b"\0\0\0\4"


def named_in(begin, image_format, end=b""):
    """Return what an image names, empty if nothing; ``begin`` are its first bytes, ``end`` is its last sector."""
    reader = {"qcow": _of_qcow, "qcow2": _of_qcow, "vmdk": _of_vmdk, "vdi": _of_vdi}.get(image_format)
    if image_format == "vhd":
        return PARENT if _VHD_DIFFERENCING in (begin[_VHD_TYPE], end[_VHD_TYPE]) else ""
    return reader(begin) if reader else ""


def _of_qcow(begin):
    has_data, has_backing = disk_header.qcow_names(begin)
    return DATA if has_data else BACKING if has_backing else ""


def _of_vmdk(begin):
    """A text names files, and so does the description of a sparse image without a capacity of its own."""
    if not disk_header.is_sparse_vmdk(begin):
        return "" if _is_of_other_format(begin) else EXTENTS
    description = begin[_DESCRIPTION]
    ids = {one.lower() for one in _PARENT_ID.findall(description)}
    return PARENT if b"parentFileNameHint" in description or ids - {_NO_PARENT} else ""


def _is_of_other_format(begin):
    """Whether QEMU cannot read the beginning as the text of a VMDK, which ends at the first null byte."""
    text, null, _rest = begin.partition(b"\0")
    return disk_header.format_in(begin) not in (None, "vmdk") and bool(null) and b"createType" not in text


def _of_vdi(begin):
    return PARENT if begin[_VDI_TYPE] == _VDI_DIFFERENCING else ""


def named_by(path, image_format):
    """Return what the image in a file names, empty if nothing."""
    if image_format == "vhdx":
        return PARENT if _vhdx_has_parent(path) else ""
    end = disk_header.footer(path) if image_format == "vhd" else b""
    return named_in(files.read_part(path, 0, _BEGINNING), image_format, end)


def fault_of(path, image_format, accepted=()):
    """Return an Image with the fault of one that names other files; None if it has none.

    ``image_format`` is the format in which it will be read, ``accepted`` what it may name. The backing files and the
    data file of a qcow2 image are accepted only by their paths, and must have no fault either.
    """
    named = named_by(path, image_format)
    if not named:
        return None
    if named not in accepted:
        return _fault(named, path, image_format)
    return None if named == PARENT else _fault_below(path, accepted)


def refused(about):
    """Return the error about a download that names other files."""
    return Refused(f"{about} names another file, which a host must not read for it.", "Use an image with all its data.")


def _fault(named, path, image_format):
    name = {"vhd": "vpc"}.get(image_format, image_format)
    remedy = _REMEDY_OF_PARENT if named == PARENT else _REMEDY
    return Image(name, fault=_FAULTS[named], remedy=remedy.format(path=quote(path), format=name))


def _fault_below(top, accepted):
    """Check the files below a qcow2 image that is attached: each one that can be read."""
    pending, seen = [(top, "qcow2")], set()
    while pending:
        path, image_format = pending.pop()
        if path in seen or not _can_be_read(path):
            continue
        seen.add(path)
        named = named_by(path, image_format)
        if named and named not in accepted:
            return Image("qcow2", fault=f"is based on {path}, which {_FAULTS[named]}", remedy=_remedy_of(top))
        if image_format not in ("qcow", "qcow2") or not named:
            continue
        below = _below(path)
        if below is None:
            fault = "names a file to be read with it in another way than by its path"
            return Image("qcow2", fault=fault, remedy=_remedy_of(top))
        pending += below
    return None


def _remedy_of(path):
    return _REMEDY.format(path=quote(path), format="qcow2")


def _below(path):
    """Return [(path, format)] of the files that a qcow2 image names; None if a name is no path."""
    found = []
    for name, image_format in disk_header.names_in_qcow(path):
        local = disk_header.plain_file(name, path) if name else None
        if local and not image_format:
            image_format = disk_header.format_of(local) if _can_be_read(local) else "raw"
        if local is None or image_format not in _FILES:
            return None
        found.append((local, image_format))
    return found


def _can_be_read(path):
    """A pipe would block."""
    return (files.is_file(path) or files.is_block_device(path)) and files.is_readable(path)


# VHDX -----------------------------------------------------------------------------------------------------------------

#: Where the first table of regions is, and the GUIDs of the region of metadata and of its item with the type.
_REGIONS, _METADATA = 192 * 1024, bytes.fromhex("06a27c8b90479a4bb8fe575f050f886e")
_PARAMETERS, _HAS_PARENT = bytes.fromhex("3767a1ca36fa434db3b633f0aa44e76b"), 2
#: The length of an entry of a table, and the most entries that a table can have.
_ENTRY, _MOST_ENTRIES = 32, 2047


def _vhdx_has_parent(path):
    metadata = _entry(path, _REGIONS, _METADATA, 16, "<8xI", "<Q")
    item = metadata and _entry(path, metadata, _PARAMETERS, 32, "<10xH", "<I")
    flags = files.read_part(path, metadata + item + 4, 4) if item else b""
    return len(flags) == 4 and bool(struct.unpack("<I", flags)[0] & _HAS_PARENT)


def _entry(path, table, guid, head, count, place):
    """Return the place in the entry of a table with this GUID; None if there is none."""
    header = files.read_part(path, table, head)
    number = struct.unpack_from(count, header)[0] if len(header) == head else 0
    entries = files.read_part(path, table + head, min(number, _MOST_ENTRIES) * _ENTRY)
    for at in range(0, len(entries) - _ENTRY + 1, _ENTRY):
        if entries[at : at + 16] == guid:
            return struct.unpack_from(place, entries, at + 16)[0]
    return None


def check_directory(about, directory, options, copied=None):
    """Reject a directory in which others can write, unless the task has ``allow_shared_directory``.

    ``copied`` is a directory with a copy: if it has another owner, everything in it has.
    """
    shared = None if options.get("allow_shared_directory") else folders.shared_folder(directory)
    if shared:
        change = f"chown root {quote(shared)}; chmod go-w {quote(shared)}"
        if copied and f"{shared}/".startswith(f"{os.path.realpath(copied)}/"):
            change = f"chown -R root {quote(copied)}; chmod -R go-w {quote(copied)}"
        raise Refused(
            f"{about}: other users can write to {shared}, so they could exchange files while the task uses them.",
            f"Run: {change}. For a mount without owners, such as CIFS,"
            " set its options uid=0 and dir_mode=0755. If you trust everybody who can write there, set"
            " allow_shared_directory: true.",
        )
