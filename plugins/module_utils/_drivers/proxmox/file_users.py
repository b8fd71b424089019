# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The volumes of a VM, and the other VMs that use them."""

from __future__ import annotations

from ..._lifecycle.model import File
from ..._tools import proxmox_values as values
from .settings.disks import iso_volumes_of, volumes_of


def files_of(tool, vm_options, names):
    """The volumes of a VM as Files, with the names of other VMs that use them; ``names`` is {id: name} of all VMs."""
    users = _users(tool, vm_options, names) if vm_options.stored.get("template") == "1" else {}
    files = [_file(vm_options, volume, users, names) for volume in volumes_of(vm_options.stored).values()]
    return (*files, *(File(volume, "medium") for volume in iso_volumes_of(vm_options.stored).values()))


def _file(vm_options, volume, users, names):
    owner = values.owner_of(volume)
    if owner != vm_options.vmid:
        return File(volume, "disk", used_by=(names.get(owner, f"VM {owner}"),) if owner else ())
    return File(volume, "disk", ours=True, used_by=users.get(volume, ()), bound=True)


def _users(tool, vm_options, names):
    """{volume of a template: names of the linked clones that use it}."""
    found = {}
    for storage in sorted({volume.partition(":")[0] for volume in volumes_of(vm_options.stored).values()}):
        for entry in tool.get(f"/nodes/{vm_options.node}/storage/{storage}/content", content="images"):
            if entry.get("parent"):
                base = entry["parent"].partition("@")[0]
                volume = base if ":" in base else f"{storage}:{base}"
                vmid = str(entry.get("vmid") or values.owner_of(entry["volid"]))
                found.setdefault(volume, set()).add(names.get(vmid, f"VM {vmid}"))
    return {volume: tuple(sorted(users)) for volume, users in found.items()}
