# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The manifest of a backup in a directory: what it is of, and its files with sizes and digests. Pure.

It is written first, with ``unfinished`` and the names of all files, and again when these are complete. Digests show
accidents. Whoever can write to the directory can also write a new manifest.
"""

from __future__ import annotations

import hashlib
import json
from datetime import datetime, timedelta

from ..pattern import Pattern
from ..record.reader import Damaged, is_flag, is_mapping, is_number, is_text, list_of, optional, read
from .backup import CONSISTENCIES, Backup

VERSION = 1
NAME = "manifest.json"
#: The roles of files. What the platform needs while it writes has no role, and is removed at the end.
DISK, DEFINITION, NVRAM = "disk", "definition", "nvram"
#: Of disks and NVRAM: others can name further files.
_FORMATS = ("raw", "qcow2")
_PLAIN = Pattern(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}", 0)
_DIGEST = Pattern(r"[0-9a-f]{64}")
_EPOCH = datetime(1970, 1, 1)
#: {path in a definition: elements of which libvirt reads, and writes, one}
_ONCE = {
    ".": ("devices", "os", "metadata"),
    "devices": ("emulator",),
    **{
        f"devices/{device}": ("source", "target", "driver", "backingStore", "mirror")
        for device in ("disk", "interface", "filesystem", "hostdev", "controller")
    },
}
#: A start after the year 6000 is no date.
_LATEST = 1 << 37


def new_id(start, birth):
    """Return the id of a new backup: its start, and the beginning of a digest of the birth of its VM."""
    time = (_EPOCH + timedelta(seconds=int(start))).strftime("%Y%m%dT%H%M%SZ")
    return f"{time}-{hashlib.sha256(birth.encode()).hexdigest()[:8]}"


def is_plain(name):
    """Return whether a name is that of a file or directory within another one, and nothing else."""
    return isinstance(name, str) and _PLAIN.fullmatch(name) is not None


def unfinished(vm, birth, host, backup_id, start, files, excluded=(), protected=False):
    """Return the manifest of a backup that a task begins. ``files`` are all that it will write, as dictionaries."""
    return {
        "v": VERSION,
        "unfinished": True,
        "id": backup_id,
        "vm": vm.name,
        "birth": birth,
        "host": host,
        "start": int(start),
        "power": vm.power,
        "consistency": CONSISTENCIES[0],
        "protected": protected,
        "excluded": list(excluded),
        "files": list(files),
    }


def finished(manifest, consistency, files, notes=()):
    """Return the manifest of the complete backup; ``files`` have their ``size`` and ``sha256`` now.

    ``notes`` are what its users should know, such as why the consistency is not better.
    """
    notes = [str(one) for one in notes]
    return {**manifest, "unfinished": False, "consistency": consistency, "files": list(files), "notes": notes}


def printed(manifest):
    return json.dumps(manifest, sort_keys=True, indent=1)


def parsed(text, folder, birth):
    """Return the manifest in ``text``, which was read from the directory ``folder`` of ``birth``. Raises Damaged."""
    try:
        manifest = read(text, _SCHEMA, [VERSION])
    except Damaged as error:
        raise Damaged(f"its manifest is not valid: {error}") from None
    problem = _problem_of_files(manifest["files"], manifest["unfinished"])
    if problem:
        raise Damaged(f"its manifest is not valid: {problem}")
    if (manifest["id"], manifest["birth"]) != (folder, birth):
        raise Damaged(f"its manifest is that of backup {manifest['id']} of VM {manifest['birth']}")
    return manifest


#: What the manifest of a backup and the record in the notes of one on Proxmox VE have in common.
OF_BACKUP = {
    **dict.fromkeys(("id", "birth", "vm", "power", "host"), is_text),
    "consistency": CONSISTENCIES.__contains__,
    "start": lambda value: is_number(value) and value < _LATEST,
}
_SCHEMA = {
    **OF_BACKUP,
    **dict.fromkeys(("unfinished", "protected"), is_flag),
    "notes": optional(list_of(is_text)),
    "excluded": list_of(is_plain),
    "files": list_of(is_mapping),
}


#: Of files of an unfinished backup, too.
_OF_FILE = {
    **dict.fromkeys(("size", "virtual_size"), optional(is_number)),
    **dict.fromkeys(("source", "role", "mount"), optional(is_text)),
    "slot": optional(is_plain),
    "format": optional(_FORMATS.__contains__),
    "sha256": optional(lambda value: is_text(value) and _DIGEST.fullmatch(value) is not None),
}
#: {role: keys that a file of a complete backup has besides its size and digest}
_NEEDED = {DISK: ("format", "slot", "virtual_size"), NVRAM: ("format",), DEFINITION: ()}


def _problem_of_files(files, is_unfinished):
    names = [one.get("name") for one in files]
    bad = [name for name in names if not is_plain(name) or name == NAME]
    if bad or len(set(names)) < len(names):
        return f"the file name {str(bad[0])[:99]!r}" if bad else "a file is listed twice"
    wrong = [one["name"] for one in files if not all(is_valid(one.get(key)) for key, is_valid in _OF_FILE.items())]
    if wrong or is_unfinished:
        return "".join(wrong[:1])
    for one in files:
        needed = ("size", "sha256", *_NEEDED.get(one.get("role"), ("a known role",)))
        if any(one.get(key) is None for key in needed):
            return one["name"]
    slots = [one["slot"] for one in files if one["role"] == DISK]
    if len(set(slots)) < len(slots):
        return "a disk is listed twice"
    return "" if any(one["role"] == DEFINITION for one in files) else "it names no definition of the VM"


def disks_of(manifest):
    """Return {slot: file} of the disks in a backup."""
    return {one["slot"]: one for one in manifest["files"] if one.get("role") == DISK}


def file_of(manifest, role):
    """Return the file with a role, or None."""
    return next((one for one in manifest["files"] if one.get("role") == role), None)


def definition_problem(manifest, root):
    """Return why a definition (the root of its XML) is not that of a backup; an empty string if it is.

    Asked before anything else reads a definition from elsewhere: of two elements where libvirt writes one, libvirt
    could read another one than this collection.
    """
    if root.tag != "domain":
        return "it is not a definition of libvirt"
    uuid, disks = (root.findtext("uuid") or "").strip(), root.findall("devices/disk")
    doubled = next(_doubled(root), "")
    if doubled or uuid != manifest["birth"]:
        return doubled or f"its UUID is {uuid}, and the backup is of VM {manifest['birth']}"
    if any(one.find("target") is None for one in disks):
        return "a disk has no target"
    slots = {one.find("target").get("dev") for one in disks if one.get("device", "disk") in ("disk", "lun")}
    is_same = slots == set(disks_of(manifest)) | set(manifest["excluded"])
    return "" if is_same else "its disks are not those of the backup"


def _doubled(root):
    """Yield what a definition has twice. Character devices are not listed: libvirt writes two sources of UDP ports."""
    for path, names in _ONCE.items():
        for parent in root.iterfind(path):
            twice = [name for name in names if len(parent.findall(name)) > 1]
            yield from (f"element '{parent.tag}' has two elements '{name}', and libvirt writes one" for name in twice)


def size_problem(manifest, sizes):
    """Return what differs between the manifest and {name: size} of the existing files; an empty string if nothing."""
    for one in manifest["files"]:
        found = sizes.get(one["name"])
        if found is None:
            return f"the file {one['name']} is missing"
        if found != one["size"]:
            return f"the file {one['name']} has {found} bytes instead of {one['size']}"
    return ""


def backup_of(manifest, **known):
    """Return the Backup that a manifest describes; ``known`` are further fields."""
    return Backup(
        **{
            name: manifest[name] for name in ("id", "vm", "birth", "start", "consistency", "power", "host", "protected")
        },
        excluded=tuple(manifest["excluded"]),
        notes=tuple(str(one) for one in manifest.get("notes") or ()),
        size=sum(one.get("size") or 0 for one in manifest["files"]),
        # It has the digests of all files.
        content=hashlib.sha256(printed(manifest).encode()).hexdigest(),
        **known,
    )
