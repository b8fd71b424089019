# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt: the options of the module virsh_pool, their validation, and how they are read from and written to XML."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

from ..._core.errors import InvalidInput
from ..._core.options.option import Consent, Option
from ..._kit.connections import LIBVIRT as CONNECTION
from .defined_plan import ABSENT, ACTIVE, INACTIVE, PRESENT, check_name

DIR, FS, NETFS, LOGICAL = TYPES = ("dir", "fs", "netfs", "logical")
#: Types of which ``pool-build`` without options creates the directory, and nothing else. On a disk, it writes a
#: partition table, and for others, libvirt reports that it was done and does nothing.
BUILT = (DIR, FS, NETFS)
REFRESHED = "refreshed"
OPTIONS = {
    **CONNECTION,
    "name": Option(required=True),
    "state": Option(choices=(ACTIVE, PRESENT, INACTIVE, REFRESHED, ABSENT), default=ACTIVE),
    "type": Option(choices=TYPES),
    "path": Option("path"),
    "device": Option("path"),
    "host": Option(),
    "export": Option(),
    "volume_group": Option(),
    "format": Option(),
    "mode": Option(),
    "owner": Option("int"),
    "group": Option("int"),
    "autostart": Option("bool"),
    "allow_restart": Consent(),
}
#: {option: (path of the element, attribute or None for its text)}
_VALUES = {
    "path": ("target/path", None),
    "device": ("source/device", "path"),
    "host": ("source/host", "name"),
    "export": ("source/dir", "path"),
    "volume_group": ("source/name", None),
    "format": ("source/format", "type"),
    "mode": ("target/permissions/mode", None),
    "owner": ("target/permissions/owner", None),
    "group": ("target/permissions/group", None),
}
#: libvirt shows in the running pool what the directory has, so these are compared in the stored definition only.
PERMISSIONS = ("mode", "owner", "group")
#: Options that are required for a new pool of each type; others of _SOURCES cannot be set.
NEEDED = {DIR: ("path",), FS: ("path", "device"), NETFS: ("path", "host", "export"), LOGICAL: ("volume_group",)}
_SOURCES = ("device", "host", "export", "volume_group")


def checked(params):
    """Return the parameters with all values in their canonical form. Raises InvalidInput."""
    mode = params["mode"]
    check_name(params["name"], "pool")
    for option in ("path", "device", "export"):
        if params[option] is not None and not params[option].startswith("/"):
            raise InvalidInput(f"{option}: {params[option]} is not an absolute path.")
    wanted = dict(params)
    if mode is not None:
        if not re.fullmatch(r"0?[0-7]{3,4}", mode):
            raise InvalidInput(f"mode: '{mode}' is not an octal mode.", 'Write it in quotes, such as "0711".')
        wanted["mode"] = f"0{int(mode, 8):03o}"
    for option in ("path", "export"):
        if params[option] is not None:
            # As libvirt stores it.
            wanted[option] = re.sub("/+", "/", params[option]).rstrip("/") or "/"
    extra = without_use(params["type"], params)
    if extra:
        raise InvalidInput(f"type: {params['type']}: {', '.join(extra)} cannot be set for a pool of this type.")
    return wanted


def without_use(pool_type, params):
    """Return the options that are set although a pool of a type has no such value: libvirt would ignore them."""
    known = NEEDED.get(pool_type, _SOURCES)
    extra = [one for one in _SOURCES if params[one] is not None and one not in known]
    return [*extra, "format"] if pool_type == DIR and params["format"] is not None else extra


def not_changed_here(before, wanted):
    """Return the options that differ from a pool of another type than TYPES, of which only the path can be changed."""
    return [
        name
        for name in _VALUES
        if wanted[name] not in (None, before[name]) and (name != "path" or before["path"] is None)
    ]


def read(root):
    """Return {option: value} of a definition; None for what it does not contain."""
    return {"type": root.get("type"), **{name: _read(root, *place) for name, place in _VALUES.items()}}


def _read(root, path, attribute):
    element = root.find(path)
    if element is None:
        return None
    text = element.get(attribute) if attribute else element.text
    return int(text) if path.endswith(("owner", "group")) and text else text


def write(root, wanted):
    """Write the options that a task sets into a definition."""
    for name, (path, attribute) in _VALUES.items():
        if wanted[name] is None or wanted[name] == _read(root, path, attribute):
            continue
        element = root
        for tag in path.split("/"):
            found = element.find(tag)
            element = ET.SubElement(element, tag) if found is None else found
        if attribute:
            element.set(attribute, str(wanted[name]))
        else:
            element.text = str(wanted[name])


def new_root(wanted):
    """Return the definition of a new pool, without its options."""
    root = ET.Element("pool", {"type": wanted["type"]})
    ET.SubElement(root, "name").text = wanted["name"]
    if wanted["type"] == LOGICAL and wanted["path"] is None:
        ET.SubElement(ET.SubElement(root, "target"), "path").text = f"/dev/{wanted['volume_group']}"
    return root


def needs_restart(running, stored):
    """Whether a running pool differs from its stored definition, apart from what libvirt finds out at the start."""
    now, then = read(running), read(stored)
    return any(value is not None and value != now[name] for name, value in then.items() if name not in PERMISSIONS)
