# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The driver of the snapshot module: power and snapshots. ``driver.py`` adds creating and changing VMs."""

from __future__ import annotations

from functools import cached_property

from ..._core.errors import CommandFailed
from ..._core.model import POWER_VERBS
from ..._kit.one_by_one import one_by_one
from ..._ports import writes
from .reader import VirshReader, connected


def make_driver(params):
    """The driver for the parameters of ``virsh_snapshot``."""
    return connected(VirshSnapshotDriver, params)


class VirshSnapshotDriver(VirshReader):
    """One connection to libvirt, for one task about power and snapshots."""

    @cached_property
    def claims(self):
        from .claims import VirshClaims

        return VirshClaims(self)

    def lane(self, vm):
        return vm.id or vm.name

    def preflight(self, plan, released=frozenset()):
        """Raise if the plan would fail half-way. Only reads."""
        from .snapshot_checks import check_plan

        check_plan(self, plan)

    def apply(self, batch):
        self._definitions = None
        return one_by_one(self._carry_out, batch, writes.count)

    def _carry_out(self, vm, step):
        try:
            getattr(self.file_of(step.verb), step.verb)(self, vm, step)
        except CommandFailed as error:
            if vm.id:
                error.message = error.message.replace(vm.id, vm.name)
            raise

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

    def define(self, definition):
        self.virsh.run("define", "/dev/stdin", stdin=definition.text())
