# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VirtualBox's driver: what the core requests, in terms of VBoxManage. It neither waits nor decides."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace

from ..._lifecycle.errors import CommandFailed
from ..._lifecycle.model import ON, POWER_VERBS, SNAPSHOT_VERBS, SUSPENDED
from ..._lifecycle.one_by_one import one_by_one
from ..._ports import files, writes
from ..._tools.vboxmanage import Busy, is_held, is_locked
from ..._tools.vboxmanage_states import state as state_of
from .observe import listed_in
from .reader import VBoxReader, connected
from .settings.port_forwards import HostPorts

#: Copying, merging, and saving or restoring memory may take long, but no call may hang forever.
_LONG = 24 * 3600


def make_driver(params):
    """The driver for the parameters of ``vbox_vm`` or ``vbox_snapshot``."""
    start_type = params.get("start_type") or "headless"
    return connected(VBoxDriver, params, storage_path=params.get("storage_path"), start_type=start_type)


class VBoxDriver(VBoxReader):
    """One user's VirtualBox, for one task."""

    def __init__(self, *arguments, storage_path=None, start_type="headless", **options):
        super().__init__(*arguments, **options)
        self.storage_path, self.start_type = storage_path, start_type
        self.ports = HostPorts()
        #: {name: UUID} of the VMs that this task has begun to create: a step may be sent twice.
        self.begun = {}

    def observe(self, targets, facets):
        observation = super().observe(targets, facets)
        if "files" not in facets:
            return observation
        from .delete import files_of

        listing = self.listing()
        return replace(observation, vms=[vm.having(files=files_of(listing, vm)) for vm in observation.vms])

    def marked(self, vm):
        """The VM with its mark as it is in this moment."""
        return vm.having(mark=self.vbox_vm(vm.id).mark)

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
                raise Busy(["VBoxManage"], 1, "held", f"{name}: another task is working on this VM.")
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
