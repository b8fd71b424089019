# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Vagrant: the driver: translates the core's requests to calls of Vagrant and of the tools of its providers.

Vagrant starts and suspends VMs. If this host has the tool of the provider, that tool shuts VMs down and manages their
snapshots, by the id of the VM.
"""

from __future__ import annotations

import os
from functools import cached_property, partial

from ..._core.errors import Refused
from ..._core.frozen import replace
from ..._core.model import STOP_TIMEOUT
from ..._kit.driver import carry_out, functions_of
from ..._kit.one_by_one import one_by_one
from ..._ports import change_counter, files, permits
from ..._ports.clock import today
from .in_vagrant import InVagrant
from .observe import VagrantObserver, connected
from .project import ProjectVm
from .settings.box import end_of_life_warning, unchecked_url


def make_driver(params):
    """The driver for the parameters of a module."""
    return connected(VagrantDriver, params)


class VagrantDriver(VagrantObserver):
    """One project, for one task."""

    def __init__(self, *arguments, **more):
        super().__init__(*arguments, **more)
        self._version = None
        #: {(name, snapshot): time} of the first request of each new snapshot: a step may be sent twice.
        self.snapshot_times = {}

    def observe(self, targets, facets):
        if not self.project.managed:
            from .guards import check_vagrantfile_exists

            check_vagrantfile_exists(self, self.project.read())
        observation = super().observe(targets, facets)
        os_type = self.options.get("os_type") if self.options.get("state") != "absent" else None
        warning = end_of_life_warning(os_type, today()) if os_type else None
        return replace(observation, warnings=(*observation.warnings, warning)) if warning else observation

    def used_files(self, plan):
        """The user's own Vagrantfile, and scripts; relative paths are below the project's folder."""
        folder, config = self.project.folder, plan.after.config
        scripts = [one.get("path") for one in config.get("provisioners") or ()]
        found = [*([] if self.project.managed else [self.project.path]), *filter(None, scripts)]
        return [*(os.path.join(folder, path) for path in found), *unchecked_url(self, plan)]

    def file_version(self, path, _plan):
        """The name of a box is no file; nobody knows what an address will have later."""
        is_file = os.path.isabs(path)
        return files.version(path) if is_file else None if "://" in path else []

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
        """The version of Vagrant, as numbers. Raises an error if it is too old, or does not answer."""
        self._version = self._version or self.vagrant_in().version()
        return self._version

    @cached_property
    def claims(self):
        from .claims import VagrantClaims

        return VagrantClaims(self)

    def lane(self, vm):
        return self.project.folder

    def resolve_image(self, request):
        """Return the request with the box of its image."""
        from .images import resolved

        return resolved(self, request)

    def provider_of(self, request):
        """Return the provider of a VM that is created: that of the task, of the VM until now, or the default one."""
        described = self.project_vm(request.name).described or {}
        return request.config.get("provider") or described.get("provider") or self.default_provider

    def preflight(self, plan, released=frozenset()):
        """Raise the errors with which the plan would fail half-way, or return warnings; only reads."""
        from ..._kit.guards import check_all
        from .guards import GUARDS, GUARDS_OF_ALL

        return check_all(GUARDS if self.project.managed else GUARDS_OF_ALL, self, plan, released)

    def apply(self, batch):
        return one_by_one(partial(carry_out, self), batch, change_counter.count, permits.granted)

    @cached_property
    def verbs(self):
        """The functions for the steps of plans."""
        from . import configure, create, delete, power, snapshots

        return functions_of(power, snapshots, create, configure, delete)
