# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Format, size and backing file of a disk image, from its header.

VirtualBox would register a file when queried about it, which an observation must not do. A header can be read even if
the image cannot be opened because its backing file is missing.
"""

from __future__ import annotations

import json
import os
import re
import struct
import uuid
from shlex import quote

from .._core.errors import Refused
from .._core.pattern import Pattern
from .._ports import files

#: The other form of a VMDK is a text that names the files with the data.
_SPARSE_VMDK = b"KDMV"
#: (first bytes of an image, format).
_SIGNATURES = (
    (b"QFI\xfb\0\0\0\1", "qcow"), (b"QFI\xfb", "qcow2"), (b"<<< ", "vdi"),
    (_SPARSE_VMDK, "vmdk"), (b"COWD", "vmdk"), (b"# Disk Descriptor", "vmdk"), (b"conectix", "vhd"),
    (b"vhdxfile", "vhdx"), (b"QED\0", "qed"),
)  # fmt: skip
#: QEMU takes each text for a VMDK that begins like this.
_DESCRIPTOR = Pattern(rb"(?:#[^\n]*\n| *\r?\n)*version=[123]\r?\n")
#: QEMU tells formats apart by at most this number of bytes.
_LONGEST_SIGNATURE = 2048
#: Bytes that contain the capacity: of a VMDK, it may be anywhere in its description.
_BEGINNING = 64 * 1024
_SECTOR = 512
_VHD = b"conectix"
#: qcow and qcow2 store the position and length of the backing file's name at the same offset.
_QCOW, _QCOW_BACKING, _LONGEST_NAME = b"QFI\xfb", 8, 1023
_PROTOCOL = Pattern(r"[^/:]*:")
#: Drivers of QEMU whose file name is a path, also as prefixes of a name; those that read other drivers; those that read
#: no local file. All others may read files that they name in their own way, such as fat and blkdebug.
_OF_PATHS = frozenset({"file", "host_device", "host_cdrom"})
_OF_OTHERS = frozenset({
    "raw", "qcow2", "qcow", "qed", "vmdk", "vdi", "vpc", "vhdx", "parallels", "bochs", "cloop", "dmg", "luks",
    "copy-on-read", "throttle", "quorum", "preallocate",
})  # fmt: skip
_REMOTE = frozenset({
    "nbd", "nbd+tcp", "nbd+unix", "http", "https", "ftp", "ftps", "ssh", "nfs", "rbd", "iscsi", "iser", "gluster",
    "gluster+tcp", "gluster+unix", "gluster+rdma", "sheepdog", "nvme", "null-co", "null-aio",
})  # fmt: skip
_EXTENT = Pattern(rb"^RW (\d+) ", re.MULTILINE)
_EXTENT_FILE = Pattern(rb'^(?:RW|RDONLY) \d+ \w+ "([^"\n]+)"', re.MULTILINE)
_VMDK_PARENT, _OF_WINDOWS = Pattern(rb'parentFileNameHint="([^"\n]+)"'), Pattern(rb"[A-Za-z]:[\\/]")
_QED, _QED_FIELDS = b"QED\0", (("<Q", 16, 24), ("<I", 56, 60), ("<I", 60, 64))
#: First bytes of images that can name other files: qcow and qcow2, qed, and the variants of vmdk.
LAYERED = (b"QFI\xfb", _QED, b"KDMV", b"COWD", b"# Disk DescriptorFile")


def format_in(begin):
    """The format of an image with these first bytes, or None if they have no signature."""
    found = next((kind for signature, kind in _SIGNATURES if begin.startswith(signature)), None)
    return found or ("vmdk" if _DESCRIPTOR.match(begin) else None)


def known_format(path):
    """The format of an image, or None if it has no signature."""
    found = format_in(files.read_part(path, 0, _LONGEST_SIGNATURE))
    return found or ("vhd" if footer(path).startswith(_VHD) else None)


def format_of(path):
    """The format of an image; raw if it has no signature."""
    return known_format(path) or "raw"


def footer(path):
    """A VHD of fixed size has its signature only at its end."""
    size = files.size(path)
    return files.read_part(path, size - _SECTOR, _SECTOR) if size > _SECTOR else b""


def capacity(path):
    """Size of the disk in bytes, or None if the header does not contain it."""
    kind = format_of(path)
    if kind == "raw":
        return files.size(path)
    return _of_vhd(path) if kind == "vhd" else capacity_in(files.read_part(path, 0, _BEGINNING), kind)


def capacity_in(begin, kind):
    """Size of the disk in bytes by the first bytes of an image, or None if they do not contain it."""
    reader = {"qcow": _of_qcow, "qcow2": _of_qcow, "vdi": _of_vdi, "vmdk": _of_vmdk}.get(kind)
    return reader(begin) if reader else None


def _of_qcow(begin):
    return _number(">Q", begin[24:32])


def _of_vdi(begin):
    return _number("<Q", begin[0x170:0x178])


def is_sparse_vmdk(begin):
    """Whether a VMDK contains its data. Without a capacity in its header, it names other files like a text."""
    return begin.startswith(_SPARSE_VMDK) and bool(_number("<Q", begin[12:20]))


def _of_vmdk(begin):
    if begin.startswith(_SPARSE_VMDK):
        sectors = _number("<Q", begin[12:20])
    else:
        sectors = sum(int(count) for count in _EXTENT.findall(begin))
    return sectors * _SECTOR if sectors else None


def _of_vhd(path):
    """The current size of the footer. The geometry next to it can be smaller than the disk."""
    end = footer(path)
    return size_of_vhd(end if end.startswith(_VHD) else files.read_part(path, 0, _SECTOR))


def size_of_vhd(footer):
    return _number(">Q", footer[48:56])


def qcow_names(begin):
    """Whether a qcow or qcow2 image with these first bytes names (a data file, a backing file)."""
    if not begin.startswith(_QCOW):
        return False, False
    has_features = begin[4:8] not in (b"\0\0\0\1", b"\0\0\0\2")
    features = _number(">Q", begin[_FEATURES : _FEATURES + 8]) if has_features else 0
    place = _number(">Q", begin[_QCOW_BACKING : _QCOW_BACKING + 8])
    return bool((features or 0) & _EXTERNAL_DATA), bool(place)


def uuid_of(path):
    """The UUID by which VirtualBox identifies a VDI; None for other files."""
    reported = files.read_part(path, 0x188, 16) if format_of(path) == "vdi" else b""
    return str(uuid.UUID(bytes_le=reported)) if len(reported) == 16 else None


def parent_of(path):
    """The UUID of the image below a VDI, in the same form; None for other files. Source: VirtualBox's VDICore.h."""
    begin = files.read_part(path, 0, 0x1B8)
    return str(uuid.UUID(bytes_le=begin[0x1A8:])) if begin[0x1B7:] and format_in(begin) == "vdi" else None


def _number(form, data):
    return struct.unpack(form, data)[0] if len(data) == struct.calcsize(form) else None


def is_qcow(path):
    """Whether a file is a qcow or qcow2 image. The header of such an image contains the backing file."""
    return files.read_part(path, 0, len(_QCOW)) == _QCOW


def backing_name(path):
    """The name of the backing file in a qcow or qcow2 image; None if it has none, or ends before the name."""
    place, length = (_number(form, files.read_part(path, _QCOW_BACKING + at, size)) for form, at, size in _NAME_AT)
    if not place or not length or length > _LONGEST_NAME:
        return None
    return _text(path, place, length)


def _text(path, place, length):
    """The text at a place; what is beyond the end of the file is missing, as QEMU reads it in a qcow image."""
    name = files.read_part(path, place, length)
    return name.decode("utf-8", "surrogateescape") if name else None


def names_in_qcow(path):
    """[(name, format)] of the backing file and the data file of a qcow2 image, as far as it names them.

    The name is None if it cannot be read, the format if the image does not record it.
    """
    has_data, has_backing = qcow_names(files.read_part(path, 0, _FEATURES + 8))
    names = [(_extension(path, _DATA_FILE), "raw")] if has_data else []
    if has_backing:
        image_format = _extension(path, _BACKING_FORMAT)
        names.append((backing_name(path), {"vpc": "vhd"}.get(image_format, image_format)))
    return names


def plain_file(name, image):
    """The file that an image names by a path; None if the name is that of another resource of QEMU."""
    name = name.partition("\0")[0]  # For QEMU and vmd, a name ends there.
    path = name[len("file:") :] if name.startswith("file:/") else name
    return os.path.join(os.path.dirname(image), path) if path and not _PROTOCOL.match(path) else None


def local_files(name, image):
    """The local files, existing or not, that QEMU may read for a name in an image. Refused if that is not known.

    QEMU looks for a relative path after a protocol or in JSON in its working directory, which libvirt sets to "/".
    """
    plain, (kind, _colon, rest) = plain_file(name, image), name.partition("\0")[0].partition(":")
    if plain or not kind:
        return [plain] if plain else []
    found = _files_in_json(rest) if kind == "json" else [rest] if kind in _OF_PATHS else [] if kind in _REMOTE else None
    if found is None:
        raise Refused(
            f"{image} names the file below it neither by a path nor by a protocol or JSON name that is known here",
            f"Record its path in the image: qemu-img rebase -u -F FORMAT -b PATH {quote(image)}.",
        )
    return [os.path.join(folder, path) for path in found for folder in (os.path.dirname(image), "/")]


def _files_in_json(text):
    """The paths in a JSON name of QEMU, in which keys are nested, or joined by dots; None if it may name others."""
    try:
        values = list(_values(json.loads(text, object_pairs_hook=tuple)))
        drivers = {owner: value for owner, key, value in values if key == "driver"}
        found = [value for owner, key, value in values if key == "filename" and drivers.get(owner) not in _REMOTE]
        any(map(os.fsencode, found))  # Half of a surrogate pair is in no path.
    except (TypeError, ValueError, RecursionError):
        return None
    kinds = set(drivers.values())
    # QEMU accepts no key twice, in either form, and each of its objects ends in a file or in something remote.
    is_known = len({one[:2] for one in values}) == len(values) and kinds <= _OF_PATHS | _OF_OTHERS | _REMOTE
    return found if is_known and (found or kinds & _REMOTE) and "\0" not in "".join(found) else None


def _values(node, owner="", key=""):
    """Yield (key of the object, key in it, value)."""
    if not isinstance(node, (tuple, list)):
        yield owner, key, node
        return
    owner = f"{owner}.{key}".strip(".")
    for name, value in node if isinstance(node, tuple) else enumerate(node):
        *path, last = str(name).split(".")
        yield from _values(value, ".".join(filter(None, [owner, *path])), last)


def files_below(path, read=None):
    """Return the local files that an image needs, existing or not: all backing files, and files with its data.

    ``read(image)`` returns what ``files_in`` does. A file that is recorded as raw has nothing below it, whatever its
    guest has written to it.
    """
    found, images = {}, [path]
    while images:
        below = {one: kind for one, kind in (read or _files_in_file)(images.pop()) if one not in found}
        found.update(below)
        images += [one for one, kind in below.items() if kind != "raw"]
    return list(found)


def _files_in_file(image):
    return files_in(image) if files.is_file(image) else []


def files_in(image):
    """[(local file, existing or not, format that the image records or None)] that an image names. Refused if unknown.

    That are its backing file and the files with its data. What is no image, or too damaged for QEMU, names none.
    """
    named = [(name, kind) for name, kind in _named_in(image) if name is not None]
    return [(path, kind) for name, kind in named for path in local_files(name, image)]


def has_nothing_below(path):
    """Whether it is certain that a file names no other: a directory, device or pipe of others is no image."""
    if files.exists(path) and not files.is_file(path) and not files.is_block_device(path):
        return True
    if not (files.is_file(path) and files.is_readable(path)):
        return False
    return not any(files.starts_with(path, magic) for magic in LAYERED)


def _named_in(image):
    if is_qcow(image):
        return names_in_qcow(image)
    begin = files.read_part(image, 0, _BEGINNING)
    if begin.startswith(_QED):
        return _names_in_qed(image, begin)
    return _names_in_vmdk(image, begin) if format_in(begin) == "vmdk" else []


def _names_in_qed(image, begin):
    """Source: QEMU's block/qed.h: features, then place and length of the backing file's name."""
    features, place, length = (_number(form, begin[at:end]) for form, at, end in _QED_FIELDS)
    if not features or not features & 1 or not length or length > _LONGEST_NAME:
        return []
    return [(_text(image, place, length), "raw" if features & 4 else None)]


def _names_in_vmdk(image, begin):
    """The extents and the parent in the description, which a sparse extent may contain. Source: QEMU's block/vmdk.c."""
    if begin.startswith(_SPARSE_VMDK):
        place, sectors = _number("<Q", begin[28:36]) or 0, _number("<Q", begin[36:44]) or 0
        begin = files.read_part(image, place * _SECTOR, min(sectors, _BEGINNING // _SECTOR) * _SECTOR) if place else b""
    names = [*_EXTENT_FILE.findall(begin), *_VMDK_PARENT.findall(begin)]
    found = [name.decode("utf-8", "surrogateescape") for name in names if not _OF_WINDOWS.match(name)]
    own = os.path.basename(image)  # A sparse extent that contains its description names itself.
    return [(name, None) for name in found if name != own]


_NAME_AT = ((">Q", 0, 8), (">I", 8, 4))


#: Where a qcow2 image of version 3 stores its incompatible features and the length of its header.
def has_incompatible_features(path):
    """Whether a qcow2 image has features that a reader must know, such as compression by zstd or a data file."""
    version = files.read_part(path, 4, 4)
    return version != b"\0\0\0\2" and bool(_number(">Q", files.read_part(path, _FEATURES, 8)))


def largest_qcow2(path=None):
    """The most bytes of a qcow2 image: QEMU reads a first table of at most 32 MiB. Without a path, of a new image.

    It has an entry for each table of one cluster, whose entries of 8 bytes (16 with subclusters) are for one cluster.
    """
    begin = b"" if path is None else files.read_part(path, 0, _FEATURES + 8)
    is_extended = begin[4:8] == b"\0\0\0\3" and (_number(">Q", begin[_FEATURES:]) or 0) & _EXTENDED
    cluster = _NEW_CLUSTER if path is None else _cluster(begin[20:24])
    return _FIRST_TABLE // 8 * (cluster // (16 if is_extended else 8)) * cluster


def lacks_table(path):
    """Whether the file of a qcow2 image ends before its first table does: it is an empty image, or a damaged one."""
    cluster, table = _cluster(files.read_part(path, 20, 4)), _number(">Q", files.read_part(path, 40, 8))
    return not cluster or table is None or files.size(path) < table + cluster


def _cluster(field):
    """The bytes of a cluster by this field of a header; 0 if it has another value than the format permits."""
    bits = _number(">I", field)
    return 1 << bits if bits in _CLUSTER_BITS else 0


_FEATURES, _HEADER_LENGTH, _EXTERNAL_DATA, _EXTENDED = 72, 100, 1 << 2, 1 << 4
_FIRST_TABLE, _NEW_CLUSTER = 32 << 20, 1 << 16
#: Sources: QEMU's specification of qcow2, and block/qcow2.h, as for the most snapshots below.
_CLUSTER_BITS = range(9, 22)
#: The types of the header extensions with the name of the data file and the format of the backing file; extensions are
#: padded to multiples of 8 bytes, and within the first cluster. The header of version 2 has a fixed length.
_DATA_FILE, _BACKING_FORMAT, _EXTENSION, _LENGTH_OF_2, _MOST_HEADER = 0x44415441, 0xE2792ACA, 8, 72, 1 << 16


def _extension(path, wanted):
    """The text in a header extension of a qcow2 image, or None. Source: QEMU's specification of qcow2."""
    is_old = files.read_part(path, 4, 4) == b"\0\0\0\2"
    place = _LENGTH_OF_2 if is_old else _number(">I", files.read_part(path, _HEADER_LENGTH, 4))
    while place and place < _MOST_HEADER:
        head = files.read_part(path, place, _EXTENSION)
        kind, length = struct.unpack(">II", head) if len(head) == _EXTENSION else (0, 0)
        if not kind or length > _LONGEST_NAME:
            return None
        if kind == wanted:
            return _text(path, place + _EXTENSION, length)
        place += _EXTENSION + -(-length // _EXTENSION) * _EXTENSION
    return None


#: The part of a qcow2 image's header about its snapshots; the fixed part of an entry of their table, up to the size of
#: the disk, in which entries are padded to multiples of 8 bytes.
_SNAPSHOTS_AT, _SNAPSHOTS, _ENTRY, _MOST_SNAPSHOTS = 60, ">IQ", ">12xHH20xI8xQ", 65536


def snapshot_sizes(path):
    """{name: size of the disk in bytes} of the internal snapshots of a qcow2 image of version 3.

    qemu-img does not report these sizes. Source: the snapshot table in QEMU's specification of qcow2.
    """
    sizes, length = {}, struct.calcsize(_ENTRY)
    header = files.read_part(path, _SNAPSHOTS_AT, struct.calcsize(_SNAPSHOTS))
    count, place = struct.unpack(_SNAPSHOTS, header) if len(header) == struct.calcsize(_SNAPSHOTS) else (0, 0)
    for _number_of_entry in range(min(count, _MOST_SNAPSHOTS)):
        entry = files.read_part(path, place, length)
        if len(entry) < length:
            break
        id_length, name_length, extra, size = struct.unpack(_ENTRY, entry)
        place += length - 16 + extra + id_length
        name = files.read_part(path, place, name_length).decode("utf-8", "surrogateescape")
        if extra >= 16:
            sizes[name] = size
        place += name_length + -(length - 16 + extra + id_length + name_length) % 8
    return sizes
