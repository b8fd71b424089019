# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads VirtualBox during a task. The drivers (snapshot_driver.py, driver.py) extend the reader with changes.

Modules that only read are shipped without the drivers. Ansible compiles a module again in every run, so files that only
some observations need are imported there.
"""

from __future__ import annotations

import os
from dataclasses import replace

from ..._core.model import LIST, RUNNING, Observation
from ..._kit.light import KnownSettings, is_light
from ..._ports.ceiling import call_timeout
from ..._ports.command import Commands
from ..._tools.vboxmanage import VBoxManage
from .observe import Listing, observe_power, vm_of, with_addresses
from .traits import Known, vbox_traits
from .vbox_vm import vbox_vm_of


def make_reader(params):
    """The reader for the parameters of an info module."""
    return connected(VBoxReader, params)


def connected(kind, params, **options):
    """A reader or driver (``kind``) for a module's parameters."""
    commands = Commands(call_timeout(params.get("call_timeout")))
    tool = VBoxManage(commands, params["executable"])
    return kind(tool, commands, native_keys=params.get("native") or (), **options)


class VBoxReader:
    """Reads one user's VirtualBox, for one task."""

    def __init__(self, tool, commands, native_keys=()):
        self.tool, self.commands, self._native_keys = tool, commands, tuple(native_keys)
        self._version = None
        self._settings, self.known = KnownSettings(), Known(tool)
        self._first = self._listing = None
        #: Paths of the disks that were registered with VirtualBox before the first step.
        self.disks_before = None

    def host_facts(self):
        """Without the kernel module, VirtualBox answers, but cannot start a VM."""
        if self._version is None or not self.tool.warning:
            return {}
        version = ".".join(map(str, self._version))
        return {"configured": False, "why": "no_driver", "message": f"virtualbox {version}: {self.tool.warning}"}

    # Observing ------------------------------------------------------------------------------------------------------

    def traits(self):
        if self._version is None:
            self._version = self._version_beside_first_list()
        return vbox_traits(self._version, self.known)

    def _version_beside_first_list(self):
        """The version, read in parallel with the list that every task needs next."""
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(max_workers=1) as pool:
            self._first = pool.submit(Listing.read, self.tool)
            return self.tool.version()

    def observe(self, targets, facets):
        # The first list is used for one observation only; later ones need a new list.
        first, self._first = self._first, None
        if is_light(targets, facets):
            observation = observe_power(self.tool, targets, self._settings)
            return self._with_addresses(observation, True) if "addresses" in facets else observation
        listing = self._listing = first.result() if first else Listing.read(self.tool)
        vms = [vm_of(listing, one, self._native_keys) for one in listing.selected(targets, "unfinished" in facets)]
        self._settings.remember(vms)
        self.known.media = {os.path.realpath(medium.location): medium.location for medium in listing.media.values()}
        if self.disks_before is None:
            self.disks_before = set(self.known.media)
        self.known.folders.update({one.uuid: os.path.dirname(one.file) for one in listing.machines})
        readable = [one for one in listing.machines if one.machine is not None]
        self.known.controllers.update({one.uuid: listing.vbox_vm(one).controllers for one in readable})
        if "snapshot_configs" in facets:
            vms = [self._with_snapshot_configs(listing, vm) for vm in vms]
        observation = Observation(vms=vms, known=listing.known())
        # The list is one call for any number of VMs; addresses need one call for each running VM.
        return observation if facets == LIST else self._with_addresses(observation, "addresses" in facets)

    def _with_addresses(self, observation, thoroughly):
        running = [vm for vm in observation.vms if vm.power == RUNNING and not vm.busy]
        if not running:
            return observation
        found = {vm.id: vm for vm in with_addresses(self.tool, running, thoroughly)}
        return replace(observation, vms=[found.get(vm.id, vm) for vm in observation.vms])

    def _with_snapshot_configs(self, listing, vm):
        from .snapshots import with_configs

        return with_configs(self, listing, vm, self._native_keys)

    def listing(self):
        """The listing of the last observation, on which the plans are based; read again after a change."""
        return self._listing or Listing.read(self.tool)

    def vbox_vms(self):
        """All VMs with readable settings as they are now, by UUID."""
        listing = Listing.read(self.tool)
        return {one.uuid: listing.vbox_vm(one) for one in listing.machines if one.machine is not None}

    def vbox_vm(self, uuid):
        """One VM as it is now. Raises NotFound if it was deleted in the meantime."""
        return vbox_vm_of(self.vbox_vms(), uuid)
