# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The driver of the snapshot module: power and snapshots. ``driver.py`` adds the creation and change of VMs.

Vagrant starts and suspends VMs. If this host has the tool of the provider, that tool shuts VMs down and manages their
snapshots, by the id of the VM.
"""

from __future__ import annotations

from functools import cached_property

from ..._core.errors import Refused
from ..._core.model import POWER_VERBS, STOP_TIMEOUT
from ..._kit.one_by_one import one_by_one
from ..._ports import writes
from .in_vagrant import InVagrant
from .project import ProjectVm
from .reader import VagrantReader, connected


def make_driver(params):
    """The driver for the parameters of ``vagrant_snapshot``."""
    return connected(VagrantSnapshotDriver, params)


class VagrantSnapshotDriver(VagrantReader):
    """One project, for one task about power and snapshots."""

    def __init__(self, *arguments, **more):
        super().__init__(*arguments, **more)
        self._version = None
        #: {(name, snapshot): time} of the first request of each new snapshot: a step may be sent twice.
        self.snapshot_times = {}

    def observe(self, targets, facets):
        if not self.project.managed:
            from .snapshot_checks import check_vagrantfile_exists

            check_vagrantfile_exists(self, self.project.read())
        return super().observe(targets, facets)

    def project_vm(self, name):
        """The current ProjectVm of this name."""
        return self.project.read().vms.get(name, ProjectVm(name))

    def tool_for(self, vm):
        """The tool that shuts a VM down and manages its snapshots: the provider's, or Vagrant if there is none."""
        stop_timeout = self.options.get("stop_timeout") or STOP_TIMEOUT
        return self.provider_tool_of(self.project_vm(vm.name)) or InVagrant(self.vagrant_for(vm.name), stop_timeout)

    def vagrant_for(self, name):
        """Vagrant for changing this VM."""
        self.check_name_is_unambiguous(name)
        self.project.restore_lost()
        return self.vagrant_in()

    def check_name_is_unambiguous(self, name):
        """Raise Refused if Vagrant would interpret the name as the id of another VM."""
        other = self.project.vm_mistaken_for(name)
        if other is not None:
            raise Refused(
                f"{name}: Vagrant takes this name for the beginning of the id that it gave {other.name} in"
                f" {other.folder}, and would change that VM instead.",
                "Choose a name that contains a letter after f.",
            )

    def check_version(self):
        """Raise an error if Vagrant is too old, or does not answer."""
        self._version = self._version or self.vagrant_in().version()

    @cached_property
    def claims(self):
        from .claims import VagrantClaims

        return VagrantClaims(self)

    def lane(self, vm):
        return self.project.folder

    def preflight(self, plan, released=frozenset()):
        """Raise the errors with which the plan would fail half-way; only reads."""
        from .snapshot_checks import check_plan

        check_plan(self, plan, released)

    def apply(self, batch):
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
