# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proxmox VE: what VMs of a cluster share: volumes of templates, which linked clones need, and volumes of deleted VMs.

All other volumes have the id of their only VM in their names.
"""

from __future__ import annotations

from ..._core.errors import ApiError, Refused
from ..._core.frozen import replace
from ..._core.model import STOPPED, File
from ..._core.sharing.claims import BASE, DELETE, FILE, MAC, WRITE, Claim, Held, HoldsClaims
from ..._core.sharing.losses import sources_not_read
from ..._tools import proxmox_values as values
from .cluster import in_parallel, read_listed_options, vm_of
from .own_volumes import deleted_volumes
from .seed_iso import seed_files
from .settings.disks import volumes_of
from .settings.iso import iso_volumes_of

_REASSIGN = "Detach it there, and change its owner first (web interface: Reassign Owner)."


class ProxmoxClaims(HoldsClaims):
    """The claims of the VMs of one cluster; of other VMs than the task's only those that need no call for each VM."""

    lists_all = False
    unread = sources_not_read(
        not_here="saved_memory undefined backups records",
        in_part="definitions below",
        too_dear="snapshots",
        unknown="alone open",
    )

    def __init__(self, driver):
        self._driver = driver

    def read_place(self):
        try:
            return self._driver.resources.identity, "proxmox"
        except (ApiError, Refused):
            return self._driver.tool.api.where.lower(), "proxmox"  # The account may not read the nodes.

    def file_identity(self, path):
        return values.volume_key(path) if ":" in path else None

    def observed(self, vm):
        held = super().observed(vm)
        return replace(held, claims=tuple(_with_remedy(claim, vm.id) for claim in held.claims))

    def held_now(self, wanted):
        return self.held(wanted)  # It always asks the API.

    def takes_now(self, plan, step):
        return ()

    def held(self, wanted):
        deleted = [claim.text for claim in wanted if claim.mode == DELETE and values.is_base(claim.text)]
        attached = [claim.text for claim in wanted if claim.kind == FILE and claim.mode == WRITE]
        is_kept = any(claim.kind == MAC and claim.is_reserved for claim in wanted)
        others = self._others() if is_kept or any(map(self._has_no_owner, attached)) else []
        return [
            *others,
            *(one for vmid in sorted(set(map(values.owner_of, deleted))) for one in self._linked_clones(vmid, deleted)),
        ]

    def step_files(self, plan, step):
        return [*super().step_files(plan, step), *((DELETE, path, one) for path, one in self._purged(plan, step))]

    def _purged(self, plan, step):
        """Yield (option, volume) of the volumes that a change deletes."""
        for change in step.changes:
            if change.kind == "unused_disks":
                yield from ((change.path, volume) for volume in set(change.old or ()) - set(change.new))
            elif (change.kind, change.new) == ("tpm", False) and plan.before.id:
                state = volumes_of(self._driver.last_options(plan.before.id).stored).get("tpmstate0")
                yield from ([(change.path, state)] if state else ())

    def _has_no_owner(self, volume):
        """Whether the VM with the id in the name of a volume is deleted: then any VM may have attached the volume."""
        return self._driver.name_of(values.owner_of(volume)) is None

    def _others(self):
        """What all VMs hold. It is read only if a MAC is kept or a volume without an owner attached, which is rare."""
        listed = [one for one in self._driver.list_all() if not one.error]
        found = in_parallel(lambda one: (one, read_listed_options(self._driver.tool, one)), listed)
        return [self._of_listed(one, options) for one, options in found if options is not None]

    def _of_listed(self, one, options):
        held = self.observed(vm_of(one, options))
        return replace(held, also=self.owner_id(one.name)) if options.is_unfinished else held

    def _linked_clones(self, vmid, deleted):
        """Yield the linked clones of a template."""
        storages = storages_of(one for one in deleted if values.owner_of(one) == vmid)
        for base, clone, volume in linked_clones(self._driver.tool, self._driver.node_of(vmid), storages):
            claims = (self._claim(volume, WRITE), self._claim(base, BASE))
            yield Held(self.owner_id(clone), self._driver.label_of(clone), STOPPED, claims)

    def _claim(self, volume, mode):
        return Claim(FILE, self.identity(volume), mode, f"disks.{volume}", volume)


def _with_remedy(claim, vmid):
    """The name of a volume contains the id of a VM. It is deleted with this VM, even if it is not attached."""
    is_own = claim.kind == FILE and claim.mode == WRITE and values.owner_of(claim.text) == vmid
    return replace(claim, remedy=_REASSIGN) if is_own else claim


def files_of(vm_options, names):
    """The volumes of a VM as Files. One with the id of another VM in its name belongs to that VM.

    All others are deleted with the VM, also those that the mark does not name, and that somebody else has created.

    ``names`` is {id: name} of all VMs.
    """
    deleted = deleted_volumes(vm_options)
    volumes = dict.fromkeys((*volumes_of(vm_options.stored).values(), *deleted))
    files = [_file(vm_options, volume, names, deleted.get(volume)) for volume in volumes]
    seeds = seed_files(vm_options)
    media = [one for one in iso_volumes_of(vm_options.stored).values() if one not in seeds]
    return (*files, *(File(one, "medium") for one in media), *(File(one, "support", ours=True) for one in seeds))


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
