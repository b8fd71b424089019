# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What VMs of a cluster share: volumes of templates, which linked clones need.

All other volumes have the id of their only VM in their names.
"""

from __future__ import annotations

from ..._lifecycle.claims import BASE, DELETE, FILE, WRITE, Claim, Held, HoldsClaims
from ..._lifecycle.errors import ApiError, Refused
from ..._lifecycle.model import STOPPED
from ..._tools import proxmox_values as values
from .file_users import linked_clones, storages_of


class ProxmoxClaims(HoldsClaims):
    """The claims of the VMs of one cluster; MACs only of the task's plans, because others need a call for each VM."""

    def __init__(self, driver):
        self._driver = driver

    def read_place(self):
        try:
            return self._driver.resources.identity, "proxmox"
        except (ApiError, Refused):
            return self._driver.tool.api.where.lower(), "proxmox"  # The account may not read the nodes.

    def file_identity(self, path):
        return path if ":" in path else None

    def held(self, wanted):
        deleted = [claim.text for claim in wanted if claim.mode == DELETE and values.is_base(claim.text)]
        return [
            one for vmid in sorted(set(map(values.owner_of, deleted))) for one in self._linked_clones(vmid, deleted)
        ]

    def _linked_clones(self, vmid, deleted):
        """Yield the linked clones of a template."""
        storages = storages_of(one for one in deleted if values.owner_of(one) == vmid)
        observer = self._driver.observer
        for base, clone, volume in linked_clones(self._driver.tool, observer.node_of(vmid), storages):
            claims = (self._claim(volume, WRITE), self._claim(base, BASE))
            yield Held(self.owner_id(clone), observer.label_of(clone), STOPPED, claims)

    def _claim(self, volume, mode):
        return Claim(FILE, self.identity(volume), mode, f"disks.{volume}", volume)
