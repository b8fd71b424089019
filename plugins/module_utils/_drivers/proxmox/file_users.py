# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The volumes of a VM, and the linked clones that use them."""

from __future__ import annotations

from ..._core.model import File
from ..._tools import proxmox_values as values
from .own_volumes import own_volumes
from .settings.disks import volumes_of
from .settings.iso import iso_volumes_of


def files_of(vm_options, names):
    """The volumes of a VM as Files. One with the id of another VM in its name belongs to that VM.

    All others are deleted with the VM, also those that the mark does not name, and that somebody else has created.

    ``names`` is {id: name} of all VMs.
    """
    own = own_volumes(vm_options)
    files = [_file(vm_options, volume, names, key in own) for key, volume in volumes_of(vm_options.stored).items()]
    return (*files, *(File(volume, "medium") for volume in iso_volumes_of(vm_options.stored).values()))


def _file(vm_options, volume, names, ours):
    owner = values.owner_of(volume)
    if owner != vm_options.vmid:
        return File(volume, "disk", used_by=(names.get(owner, f"VM {owner}"),) if owner else ())
    return File(volume, "disk", ours=ours, bound=True)


def storages_of(volumes):
    return sorted({volume.partition(":")[0] for volume in volumes})


def linked_clones(tool, node, storages):
    """Yield (volume of a template, id of a linked clone that needs it, volume of the clone) on storages of a node."""
    for storage in storages:
        for entry in tool.get(f"/nodes/{node}/storage/{storage}/content", content="images"):
            base = values.base_of(entry["volid"])
            if base:
                yield base, str(entry.get("vmid") or values.owner_of(entry["volid"])), entry["volid"]
