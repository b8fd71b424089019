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
from ..._lifecycle.model import ON, RUNNING, SUSPENDED, Observation
from ..._lifecycle.one_by_one import one_by_one
from ..._ports import files, writes
from ..._ports.ceiling import call_timeout
from ..._ports.command import Commands
from ..._tools.vboxmanage import VBoxManage, is_held, is_locked
from ..._tools.vboxmanage_states import state as state_of
from .busy import Busy
from .known import Known
from .look import Listing, listed_in, look_at_power, machine_of
from .ports import HostPorts
from .sight import sight_of
from .traits import vbox_traits

#: Copying, merging, and memory on its way to disk or back are the platform's own work; yet no call may hang for ever.
_LONG = 24 * 3600
_LIGHT = frozenset({"power", "addresses"})


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
        self._start_type, self._native_keys = start_type, tuple(native_keys)
        self._version = None
        self._configs, self.known = {}, Known(tool)
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
        if targets and facets <= _LIGHT and all(target.id for target in targets):
            observation = look_at_power(self.tool, targets, self._configs)
            return self._with_addresses(observation, True) if "addresses" in facets else observation
        listing = self._listing = first.result() if first else Listing.read(self.tool)
        wanted = listing.wanted(targets, "unfinished" in facets)
        vms = [machine_of(listing, one, self._native_keys) for one in wanted]
        self._configs.update({vm.id: vm.config for vm in vms})
        if self.disks_before is None:
            self.disks_before = {os.path.realpath(medium.location) for medium in listing.media.values()}
        self.known.folders.update({one.uuid: os.path.dirname(one.file) for one in listing.machines})
        readable = [one for one in listing.machines if one.machine is not None]
        self.known.controllers.update({one.uuid: listing.sight(one).controllers for one in readable})
        if "snapshot_configs" in facets:
            vms = [self._with_snapshot_configs(listing, vm) for vm in vms]
        if "files" in facets:
            from .deleting import files_of

            vms = [vm.having(files=files_of(listing, vm)) for vm in vms]
        return self._with_addresses(Observation(vms=vms, known=listing.known()), "addresses" in facets)

    def _with_addresses(self, observation, thoroughly):
        running = [vm for vm in observation.vms if vm.power == RUNNING and not vm.busy]
        if not running:
            return observation
        from .addresses import with_addresses

        found = {vm.id: vm for vm in with_addresses(self.tool, running, thoroughly)}
        return replace(observation, vms=[found.get(vm.id, vm) for vm in observation.vms])

    def _with_snapshot_configs(self, listing, vm):
        from .snapshots import with_configs

        return with_configs(self, listing, vm, self._native_keys)

    def listing(self):
        """What the last look told, on which the plans stand; once something was changed, a new look."""
        return self._listing or Listing.read(self.tool)

    def sights(self):
        """All machines whose settings can be read as they are in this moment, by UUID."""
        listing = Listing.read(self.tool)
        return {one.uuid: listing.sight(one) for one in listing.machines if one.machine is not None}

    def sight(self, uuid):
        """One machine as it is in this moment. Raises NotFound where somebody took it away."""
        return sight_of(self.sights(), uuid)

    def marked(self, vm):
        """The machine with its mark as it is in this moment."""
        return vm.having(mark=self.sight(vm.id).mark)

    # Acting ---------------------------------------------------------------------------------------------------------

    def lane(self, vm):
        return vm.id or vm.name

    def preflight(self, plan):
        """Raise what would make the plan fail half-way; reads only."""
        from .checks import check_plan

        check_plan(self, plan)

    def apply(self, batch):
        self._first = self._listing = None
        return one_by_one(self, batch, writes.count)

    def run(self, uuid, *words, timeout=_LONG):
        """One changing command; raises Busy where it may go well in a moment."""
        try:
            return self.tool.run(*words, timeout=timeout)
        except CommandFailed as error:
            if is_locked(error.stderr) and not (is_held(error.stderr) and self._is_on(uuid)):
                raise Busy(error.argv, error.rc, error.stderr, error.message) from error
            raise

    def _is_on(self, uuid):
        """Of a machine that is on, its own process keeps others out as long as it is."""
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
        """Of two tasks that work on one machine, the other one waits; those that only read it work side by side."""
        with files.held(folder or "", shared=reading) as free:
            if not free:
                raise Busy(["VBoxManage"], 1, "held", f"{name}: another task works on it at this moment.")
            yield

    def _create(self, vm, step):
        from .making import create

        create(self, vm.name, step.arguments["config"], step.arguments["creation"])

    def _clone(self, vm, step):
        from .cloning import clone

        config, creation, source = (step.arguments[name] for name in ("config", "creation", "source"))
        with self.alone_with(source.name, self.known.folders.get(source.id), reading=True):
            clone(self, vm.name, config, creation, source, step.arguments["networks"])

    def _delete(self, vm, step):
        from .deleting import delete

        with self.alone_with(vm.name, self.known.folders.get(vm.id)):
            delete(self, vm, step.arguments.get("files", ()))

    def _configure(self, vm, step):
        from .changing import configure

        with self.alone_with(vm.name, self.known.folders.get(vm.id)):
            configure(self, vm, step.changes)

    def _start(self, vm, step):
        from .power import start

        start(self, vm, self._start_type)

    def _stop(self, vm, step):
        from .power import stop

        stop(self, vm)

    def _kill(self, vm, step):
        from .power import kill

        kill(self, vm)

    def _move(self, vm, step):
        from .power import move

        move(self, vm, step.verb)

    _pause = _resume = _suspend = _move

    def _reset(self, vm, step):
        self.run(vm.id, "controlvm", vm.id, "reset")

    def _snapshot(self, vm, step):
        from .snapshots import take

        with self.alone_with(vm.name, self.known.folders.get(vm.id)):
            take(self, vm, step.arguments)

    def _drop_snapshot(self, vm, step):
        from .snapshots import drop

        with self.alone_with(vm.name, self.known.folders.get(vm.id)):
            drop(self, vm, step.arguments)

    def _restore(self, vm, step):
        from .snapshots import restore

        with self.alone_with(vm.name, self.known.folders.get(vm.id)):
            restore(self, vm, step.arguments)
