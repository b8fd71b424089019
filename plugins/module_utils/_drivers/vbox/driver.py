# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VirtualBox's driver: translates the core's requests to calls of VBoxManage. It neither waits nor decides."""

from __future__ import annotations

from dataclasses import replace

from ..._kit.space import ReservedSpace
from .reader import connected
from .snapshot_driver import VBoxSnapshotDriver


def make_driver(params):
    """The driver for the parameters of ``vbox_vm``."""
    start_type = params.get("start_type") or "headless"
    return connected(VBoxDriver, params, storage_path=params.get("storage_path"), start_type=start_type)


class VBoxDriver(VBoxSnapshotDriver):
    """One user's VirtualBox, for one task."""

    def __init__(self, *arguments, storage_path=None, start_type="headless", **options):
        super().__init__(*arguments, **options)
        self.storage_path, self.start_type = storage_path, start_type
        #: {name: UUID} of the VMs that this task has started to create: a step may be sent twice.
        self.creating = {}
        self.space = ReservedSpace()

    def observe(self, targets, facets):
        observation = super().observe(targets, facets)
        if "files" not in facets:
            return observation
        from .delete import files_of

        listing = self.listing()
        return replace(observation, vms=[vm.having(files=files_of(listing, vm)) for vm in observation.vms])

    def marked(self, vm):
        """The VM with its current mark."""
        return vm.having(mark=self.vbox_vm(vm.id).mark)

    def preflight(self, plan, released=frozenset()):
        """Raise the errors with which the plan would fail half-way; only reads."""
        from .checks import check_plan

        check_plan(self, plan, released)

    def file_of(self, verb):
        """See the base class. The files that create, change and delete VMs are shipped only with this driver."""
        if verb == "create":
            from . import create as file
        elif verb == "clone":
            from . import clone as file
        elif verb == "configure":
            from . import configure as file
        elif verb == "delete":
            from . import delete as file
        else:
            return super().file_of(verb)
        return file
