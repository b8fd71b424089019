# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What vmd rejects in a valid vm.conf when it reads the file to register its VMs, although ``vmd -n`` accepts it.

It registers the blocks in their order. A VM that runs is registered already, and its block is ignored.
"""

from __future__ import annotations

import re

from .._core.pattern import Pattern

_NAME = Pattern(r"[A-Za-z0-9][A-Za-z0-9._-]*", re.ASCII)
_DEVICES = frozenset({"memory", "disk", "cdrom", "boot", "interface", "interfaces"})
_ROOT = ("", "root", "0")
_NO_GROUP, _WHEEL = "", ("wheel", "0")


def rejected(configuration, running=frozenset()):
    """Return (Block, why vmd rejects it) of the first such block, or None. ``running``: names of VMs that run."""
    registered = {}
    for name in running:
        registered[name] = _Registered(configuration.blocks.get(name), None)
    for block in configuration.listed:
        reason = _fault(block, registered)
        if reason:
            return block, reason
        if block.name not in registered:
            registered[block.name] = _Registered(block, registered.get(block.parent))
    return None


class _Registered:
    """What vmd knows of a VM, with what an instance has from its ``parent``; without a block it is not known."""

    def __init__(self, block, parent):
        self.disks = {path for path, _format in block.all("disk")} if block else set()
        self.cdrom = block.last("cdrom", "") if block else ""
        self.user, _colon, self.group = (block.last("owner", "") if block else "").partition(":")
        self.nics = block.all("interface") if block else []
        if parent:
            self.cdrom = self.cdrom or parent.cdrom
            self.user = parent.user if self.user in _ROOT else self.user
            self.group = parent.group if self.group in _WHEEL else self.group
            self.nics = [*self.nics, *parent.nics[len(self.nics) :]]


def _fault(block, registered):
    parent = registered.get(block.parent)
    if block.parent is not None:
        reason = _fault_of_instance(block, parent, block.name in registered)
        if reason:
            return reason
    elif block.name in registered:
        return ""  # A second block with the same name is ignored.
    elif not _DEVICES & {one.keyword for one in block.statements}:
        return "it has no devices"
    if not (block.all("disk") or _Registered(block, parent).cdrom):
        return "it has neither a disk nor a CD-ROM"
    return "" if _NAME.fullmatch(block.name) else "vmd does not accept its name"


def _fault_of_instance(block, parent, exists):
    if parent is None:
        return f"its template '{block.parent}' is not defined before it"
    if exists:
        return "a VM with its name exists already"
    shared = sorted({path for path, _format in block.all("disk")} & parent.disks)
    if shared:
        return f"its template has the disk {shared[0]}, too"
    for nic in block.all("interface"):
        mac = nic.get("lladdr")
        if isinstance(mac, str) and any(mac.lower() != str(other.get("lladdr")).lower() for other in parent.nics):
            return "its NIC has another MAC address than that of its template"
    user, _colon, group = block.last("owner", "").partition(":")
    if user not in _ROOT and _differ(user, parent.user or "root"):
        return "it has another owner than its template"
    if group not in _WHEEL and _differ(group, parent.group):
        return "it has another group than its template"
    return "an instance cannot have 'allow'" if any(block.all("allow")) else ""


def _differ(one, other):
    """Return whether two users or groups differ; of a name and a number this is not known."""
    return one != other and (one.isdigit() == other.isdigit() or _NO_GROUP in (one, other))
