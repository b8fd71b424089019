# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Vagrant: what the VMs of a project hold: MACs, addresses and ports, as the managed Vagrantfile describes them.

Boxes are no files, and each VM has disks of its own.
"""

from __future__ import annotations

import os

from ..._core.frozen import replace
from ..._core.model import STOPPED
from ..._core.sharing.claims import WRITE, Held, HoldsClaims, claims_of_config
from ..._core.sharing.losses import sources_not_read
from ..._ports import files
from .project import ProjectVm, provider_name
from .settings.table import config_of

#: Networks of Vagrant reach each other through the host, so that an address can be used only once.
_NETWORK = "vagrant"
_NAMED, _NEW = "the VM of ", ProjectVm("")


class VagrantClaims(HoldsClaims):
    """The claims of all VMs of one project.

    Which VMs run is known only to Vagrant, which is slow. So this is known only of the task's own VMs.
    """

    lists_all = False
    unread = sources_not_read(
        not_here="saved_memory backups records", in_part="definitions open", unknown="snapshots undefined below alone"
    )

    def __init__(self, driver):
        self._driver, self._project = driver, driver.project

    def read_place(self):
        return "", files.identity(self._project.dotfile)

    def file_identity(self, path):
        """The disk of a new VM has the name of the VM at its provider; others have a path only if they are deleted."""
        return path if path.startswith(_NAMED) else files.identity(path) if os.path.isabs(path) else None

    def step_files(self, plan, step):
        """A VM that its provider is yet to create: two projects can lead to one name."""
        if step.verb not in ("create", "start") or self._project.read().vms.get(plan.after.name, _NEW).created:
            return []
        config = plan.after.config
        provider, native = config.get("provider"), config.get("native") or {}
        name = provider and provider_name(self._project, plan.after.name, provider, native)
        return [(WRITE, "name", f"{_NAMED}{provider}: {name}")] if name else []

    def network(self, nic):
        return None if nic.get("type") == "nat" else _NETWORK

    def forward(self, rule, option):
        """A port that two VMs forward cannot be used by both, even if only one is running now."""
        if "libvirt" in self._driver.providers:  # There, only the port matters.
            rule = {**rule, "host_address": ""}
        return [replace(claim, is_reserved=True) for claim in super().forward(rule, option)]

    def held_now(self, wanted):
        return self.held(wanted)  # It always reads the project.

    def takes_now(self, plan, step):
        return ()  # Vagrant lists them itself, directly before the step.

    def held(self, wanted):
        return [
            Held(
                self.owner_id(one.created.id if one.created else one.name),
                one.name,
                STOPPED,
                tuple(claims_of_config(config_of(one.described), self)),
            )
            for one in self._project.read().vms.values()
            if one.described is not None
        ]
