# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VirtualBox: the driver: translates the core's requests to calls of VBoxManage. It neither waits nor decides."""

from __future__ import annotations

from contextlib import contextmanager
from functools import cached_property, partial

from ..._core.errors import CommandFailed
from ..._core.frozen import replace
from ..._core.model import ON, SUSPENDED
from ..._kit.driver import ForChanges, carry_out, functions_of
from ..._kit.one_by_one import one_by_one
from ..._media import on_host
from ..._ports import change_counter, files, permits
from ..._tools.vboxmanage import Busy, is_held, is_locked
from ..._tools.vboxmanage_output import state as state_of
from .observe import VBoxObserver, connected, listed_in
from .settings.port_forwards import HostPorts

#: Timeout in seconds of commands that change something, such as copying a disk.
_LONG = 24 * 3600


def make_driver(params):
    """The driver for the parameters of a module."""
    return connected(VBoxDriver, params)


class VBoxDriver(on_host.KeepsImages, ForChanges, VBoxObserver):
    """One user's VirtualBox, for one task."""

    file_options = ("groups", "serial_log")

    def __init__(self, tool, commands, options):
        super().__init__(tool, commands, options)
        self.storage_path, self.start_type = options.get("storage_path"), options.get("start_type") or "headless"
        self.ports = HostPorts()
        #: UUIDs of the VMs of which a restore was sent: its answer may be lost.
        self.restored = set()

    @cached_property
    def claims(self):
        from .claims import VBoxClaims

        return VBoxClaims(self)

    def observe(self, targets, facets):
        observation = super().observe(targets, facets)
        return self._with_files(observation) if "files" in facets else observation

    def _with_files(self, observation):
        from .own_files import files_of

        listing = self.listing()
        return replace(observation, vms=[vm.having(files=files_of(listing, vm)) for vm in observation.vms])

    def marked(self, vm):
        """The VM with its current mark."""
        return vm.having(mark=self.vbox_vm(vm.id).mark)

    @property
    def default_image_directory(self):
        return on_host.default_directory()

    def images_in(self, directory):
        from .images import VBoxImages

        return VBoxImages(directory, self)

    # Acting ---------------------------------------------------------------------------------------------------------

    def lane(self, vm):
        return vm.id or vm.name

    def preflight(self, plan, released=frozenset()):
        """Raise the errors with which the plan would fail half-way, or return warnings; only reads."""
        from ..._kit.guards import check_all
        from .guards import GUARDS

        return check_all(GUARDS, self, plan, released)

    def apply(self, batch):
        self._first = self._listing = None
        return one_by_one(partial(carry_out, self), batch, change_counter.count, permits.granted)

    @cached_property
    def verbs(self):
        """The functions for the steps of plans."""
        from . import clone, configure, create, delete, power, snapshots

        return functions_of(power, snapshots, create, clone, configure, delete, on_host)

    def run(self, uuid, *words, timeout=_LONG):
        """Run one command that changes something; raises Busy if a retry may succeed soon."""
        try:
            return self.tool.run(*words, timeout=timeout)
        except CommandFailed as error:
            if is_locked(error.stderr) and not (is_held(error.stderr) and self._is_on(uuid)):
                raise Busy(error.argv, error.rc, error.stderr, error.message, error.remedy) from error
            raise

    def _is_on(self, uuid):
        """Whether the VM is on: then its own process holds its lock until it stops."""
        state = self.state_of(uuid)
        return state is not None and state.power in set(ON) - {SUSPENDED}

    def state_of(self, uuid):
        """The current State of a VM; None if it does not exist, or cannot be read."""
        for listed in listed_in(self.tool.read("list", "--long", "vms")):
            if listed.uuid == uuid and listed.machine is not None:
                return state_of(listed.machine.values["VMState"])
        return None

    def press_key(self, vm):
        """Press and release the cursor key Up, by its scan codes."""
        self.tool.run("controlvm", vm.id, "keyboardputscancode", "e0", "48", "e0", "c8")

    @contextmanager
    def vm_lock(self, name, folder, reading=False):
        """Lock a VM against other tasks; raises Busy if another one holds the lock. Readers share it."""
        with files.held(folder or "", shared=reading) as is_free:
            if not is_free:
                raise Busy(["VBoxManage"], 1, "held", f"{name}: another task is working on this VM.")
            yield

    def vm_lock_of(self, vm):
        return self.vm_lock(vm.name, self.known.folders.get(vm.id))
