# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VirtualBox's translation: what the core asks for, in VBoxManage's terms. It neither waits nor decides.

Ansible compiles a module anew in every run, so what only a changing task needs is imported where it is needed.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import replace

from ..._lifecycle.errors import CommandFailed
from ..._lifecycle.light import KnownSettings, is_light
from ..._lifecycle.model import ON, POWER_VERBS, RUNNING, SNAPSHOT_VERBS, SUSPENDED, Observation
from ..._lifecycle.one_by_one import one_by_one
from ..._ports import files, writes
from ..._ports.ceiling import call_timeout
from ..._ports.command import Commands
from ..._tools.vboxmanage import Busy, VBoxManage, is_held, is_locked
from ..._tools.vboxmanage_states import state as state_of
from .observe import Listing, listed_in, observe_power, vm_of, with_addresses
from .settings.port_forwards import HostPorts
from .traits import Known, vbox_traits
from .vbox_vm import vbox_vm_of

#: Copying, merging, and memory on its way to disk or back are the platform's own work; yet no call may hang for ever.
_LONG = 24 * 3600


def make_driver(params):
    """A driver from a module's parameters (those of ``vbox_vm`` or ``vbox_vm_info``)."""
    commands = Commands(call_timeout(params.get("call_timeout")))
    return VBoxDriver(
        VBoxManage(commands, params["executable"]),
        commands,
        storage_path=params.get("storage_path"),
        start_type=params.get("start_type") or "headless",
        native_keys=params.get("native") or (),
    )


class VBoxDriver:
    """One user's VirtualBox, for one task."""

    def __init__(self, tool, commands, storage_path=None, start_type="headless", native_keys=()):
        self.tool, self.commands, self.storage_path = tool, commands, storage_path
        self.start_type, self._native_keys = start_type, tuple(native_keys)
        self._version = None
        self._settings, self.known = KnownSettings(), Known(tool)
        self._first = self._listing = None
        self.ports = HostPorts()
        #: {name: UUID} of the VMs that this task has begun to create: a step may be sent twice.
        self.begun = {}
        #: Files of the disks that VirtualBox knew of before the first step.
        self.disks_before = None

    # Looking --------------------------------------------------------------------------------------------------------

    def traits(self):
        if self._version is None:
            self._version = self._version_beside_first_list()
        return vbox_traits(self._version, self.known)

    def _version_beside_first_list(self):
        """The version, while the list that every task needs next is read: neither waits for the other."""
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(max_workers=1) as pool:
            self._first = pool.submit(Listing.read, self.tool)
            return self.tool.version()

    def observe(self, targets, facets):
        # Good for one look: to any later one it would be old.
        first, self._first = self._first, None
        if is_light(targets, facets):
            observation = observe_power(self.tool, targets, self._settings)
            return self._with_addresses(observation, True) if "addresses" in facets else observation
        listing = self._listing = first.result() if first else Listing.read(self.tool)
        wanted = listing.wanted(targets, "unfinished" in facets)
        vms = [vm_of(listing, one, self._native_keys) for one in wanted]
        self._settings.remember(vms)
        if self.disks_before is None:
            self.disks_before = {os.path.realpath(medium.location) for medium in listing.media.values()}
        self.known.folders.update({one.uuid: os.path.dirname(one.file) for one in listing.machines})
        readable = [one for one in listing.machines if one.machine is not None]
        self.known.controllers.update({one.uuid: listing.vbox_vm(one).controllers for one in readable})
        if "snapshot_configs" in facets:
            vms = [self._with_snapshot_configs(listing, vm) for vm in vms]
        if "files" in facets:
            from .delete import files_of

            vms = [vm.having(files=files_of(listing, vm)) for vm in vms]
        return self._with_addresses(Observation(vms=vms, known=listing.known()), "addresses" in facets)

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
        """What the last observation read, on which the plans stand; read again once something was changed."""
        return self._listing or Listing.read(self.tool)

    def vbox_vms(self):
        """All VMs whose settings can be read as they are in this moment, by UUID."""
        listing = Listing.read(self.tool)
        return {one.uuid: listing.vbox_vm(one) for one in listing.machines if one.machine is not None}

    def vbox_vm(self, uuid):
        """One VM as it is in this moment. Raises NotFound where somebody took it away."""
        return vbox_vm_of(self.vbox_vms(), uuid)

    def marked(self, vm):
        """The VM with its mark as it is in this moment."""
        return vm.having(mark=self.vbox_vm(vm.id).mark)

    # Acting ---------------------------------------------------------------------------------------------------------

    def lane(self, vm):
        return vm.id or vm.name

    def preflight(self, plan):
        """Raise what would make the plan fail half-way; reads only."""
        from .checks import check_plan

        check_plan(self, plan)

    def apply(self, batch):
        self._first = self._listing = None
        return one_by_one(self._carry_out, batch, writes.count)

    def _carry_out(self, vm, step):
        getattr(_file_of(step.verb), step.verb)(self, vm, step)

    def run(self, uuid, *words, timeout=_LONG):
        """One changing command; raises Busy where it may go well in a moment."""
        try:
            return self.tool.run(*words, timeout=timeout)
        except CommandFailed as error:
            if is_locked(error.stderr) and not (is_held(error.stderr) and self._is_on(uuid)):
                raise Busy(error.argv, error.rc, error.stderr, error.message) from error
            raise

    def _is_on(self, uuid):
        """Of a VM that is on, its own process keeps others out as long as it is."""
        state = self.state_of(uuid)
        return state is not None and state.power in set(ON) - {SUSPENDED}

    def state_of(self, uuid):
        """The State of a VM at this moment; None for one that is not there, or cannot be read."""
        for listed in listed_in(self.tool.read("list", "--long", "vms")):
            if listed.uuid == uuid and listed.machine is not None:
                return state_of(listed.machine.values["VMState"])
        return None

    @contextmanager
    def alone_with(self, name, folder, reading=False):
        """Of two tasks that work on one VM, the other one waits; those that only read it work side by side."""
        with files.held(folder or "", shared=reading) as free:
            if not free:
                raise Busy(["VBoxManage"], 1, "held", f"{name}: another task works on it at this moment.")
            yield

    def alone_with_vm(self, vm):
        return self.alone_with(vm.name, self.known.folders.get(vm.id))


def _file_of(verb):
    """The file with the function for a verb, which has the verb's name: imported when the first such step is sent.

    Imports stand here in full, because Ansible ships only the files that it finds imported.
    """
    if verb in POWER_VERBS:
        from . import power as file
    elif verb in SNAPSHOT_VERBS:
        from . import snapshots as file
    elif verb == "create":
        from . import create as file
    elif verb == "clone":
        from . import clone as file
    elif verb == "configure":
        from . import configure as file
    else:
        from . import delete as file
    return file
