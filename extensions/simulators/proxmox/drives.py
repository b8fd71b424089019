# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Drives: which options are drives, and how their values are parsed."""

from __future__ import annotations

import re

from . import propertystring
from .storage import GIB

_NEW_DISK = re.compile(r"(?:([^/:\s]+):)?(\d+(?:\.\d+)?)")
#: The order in which the server processes a VM's drives.
ORDER = [
    *(f"ide{number}" for number in range(4)),
    *(f"scsi{number}" for number in range(31)),
    *(f"virtio{number}" for number in range(16)),
    *(f"sata{number}" for number in range(6)),
    "efidisk0",
    "tpmstate0",
]
_DRIVES = frozenset(ORDER)
_UNUSED = re.compile(r"unused\d+")


def is_drive(key):
    return key in _DRIVES


def is_unused(key):
    return _UNUSED.fullmatch(key) is not None


def parse(schema, key, text):
    drive = propertystring.parse(text, schema.properties_of(key))
    if drive.get("file") in ("none", "cdrom"):
        drive.setdefault("media", "cdrom")
    return drive


def printed(schema, key, drive):
    return propertystring.printed(drive, schema.properties_of(key))


def of(schema, options):
    """[(key, drive)] of a VM's drives in the server's order."""
    return [(key, parse(schema, key, options[key])) for key in ORDER if key in options]


def is_cdrom(drive):
    return drive.get("media") == "cdrom"


def is_cloudinit(drive):
    return drive["file"].endswith(":cloudinit") or re.search(r"vm-\d+-cloudinit", drive["file"]) is not None


def wanted(drive):
    """(storage or None, bytes) if the drive requests a new volume, else None."""
    found = _NEW_DISK.fullmatch(drive["file"])
    return (found.group(1), int(float(found.group(2)) * GIB)) if found else None


def volume_of(drive):
    """The volume id of a drive, or None: an empty drive, a path of the host, or a request for a new volume."""
    file = drive["file"]
    return None if file in ("none", "cdrom") or file.startswith("/") or wanted(drive) else file


def register_unused(options, volid):
    """Add a volume as the first free unusedN, unless it is already listed; returns this key."""
    if volid in (value for key, value in options.items() if is_unused(key)):
        return None
    number = next(number for number in range(256) if f"unused{number}" not in options)
    options[f"unused{number}"] = volid
    return f"unused{number}"
