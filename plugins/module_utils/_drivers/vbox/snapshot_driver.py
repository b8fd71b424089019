# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The driver of the snapshot module: power and snapshots. ``driver.py`` adds the creation and change of VMs."""

from __future__ import annotations

from contextlib import contextmanager
from functools import cached_property

from ..._core.errors import CommandFailed
from ..._core.model import ON, POWER_VERBS, SUSPENDED
from ..._kit.one_by_one import one_by_one
from ..._ports import files, writes
from ..._tools.vboxmanage import Busy, is_held, is_locked
from ..._tools.vboxmanage_states import state as state_of
from .observe import listed_in
from .reader import VBoxReader, connected
from .settings.port_forwards import HostPorts

#: Timeout in seconds of commands that change something, such as copying a disk.
_LONG = 24 * 3600


def make_driver(params):
    """The driver for the parameters of ``vbox_snapshot``."""
    return connected(VBoxSnapshotDriver, params)


class VBoxSnapshotDriver(VBoxReader):
    """One user's VirtualBox, for one task about power and snapshots."""

    start_type = "headless"

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.ports = HostPorts()

    @cached_property
    def claims(self):
        from .claims import VBoxClaims

        return VBoxClaims(self)

    def lane(self, vm):
        return vm.id or vm.name

    def preflight(self, plan, released=frozenset()):
        """Raise the errors with which the plan would fail half-way; only reads."""
        from .snapshot_checks import check_plan

        check_plan(self, plan, released)

    def apply(self, batch):
        self._first = self._listing = None
        return one_by_one(self._carry_out, batch, writes.count)

    def _carry_out(self, vm, step):
        getattr(self.file_of(step.verb), step.verb)(self, vm, step)

    def file_of(self, verb):
        """Return the Python module with the function for a verb; the function has the name of the verb.

        It is imported when it is first needed. Each import is written out, because Ansible ships only files that it
        finds in import statements.
        """
        if verb in POWER_VERBS:
            from . import power as file
        else:
            from . import snapshots as file
        return file

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

    @contextmanager
    def vm_lock(self, name, folder, reading=False):
        """Lock a VM against other tasks; raises Busy if another one holds the lock. Readers share it."""
        with files.held(folder or "", shared=reading) as is_free:
            if not is_free:
                raise Busy(["VBoxManage"], 1, "held", f"{name}: another task is working on this VM.")
            yield

    def vm_lock_of(self, vm):
        return self.vm_lock(vm.name, self.known.folders.get(vm.id))
