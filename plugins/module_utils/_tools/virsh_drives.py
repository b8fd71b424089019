# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The disks and media in a definition of libvirt. Pure: an element in, values out."""

from __future__ import annotations

from typing import NamedTuple


class Drive(NamedTuple):
    """``source`` is the path of a file; for a volume, a device or a network image (not ``is_file``), its name."""

    target: str
    source: str
    is_file: bool
    is_disk: bool
    alias: str


def drives(domain):
    """[Drive] of all drives of a domain (an element) that are not empty."""
    found = [_drive(one) for one in domain.iterfind("devices/disk")]
    return [one for one in found if one.source]


def _drive(disk):
    source, target, alias = (disk.find(name) for name in ("source", "target", "alias"))
    path = "" if source is None else source.get("file") or ""
    return Drive(
        "" if target is None else target.get("dev") or "",
        path or ("" if source is None else _name(source)),
        bool(path),
        disk.get("device", "disk") in ("disk", "lun"),
        "" if alias is None else alias.get("name") or "",
    )


def _name(source):
    if source.get("volume"):
        return f"{source.get('pool')}/{source.get('volume')}"
    if source.get("protocol"):
        return f"{source.get('protocol')}:{source.get('name') or ''}"
    return source.get("dev") or source.get("dir") or ""


def source_paths(domain):
    """All files and devices that the drives of a domain name, those below their disks too."""
    sources = domain.iterfind("devices/disk//source")
    return {path for source in sources for path in (source.get("file"), source.get("dev")) if path}
