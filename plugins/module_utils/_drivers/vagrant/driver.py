# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Vagrant's driver: translates the core's requests to calls of Vagrant and of the tools of its providers."""

from __future__ import annotations

from dataclasses import replace

from ..._ports.clock import today
from .reader import connected
from .settings.box import end_of_life_warning
from .snapshot_driver import VagrantSnapshotDriver


def make_driver(params):
    """The driver for the parameters of ``vagrant_instance``."""
    return connected(VagrantDriver, params)


class VagrantDriver(VagrantSnapshotDriver):
    """One project, for one task."""

    def observe(self, targets, facets):
        observation = super().observe(targets, facets)
        os_type = self.options.get("os_type") if self.options.get("state") != "absent" else None
        warning = end_of_life_warning(os_type, today()) if os_type else None
        return replace(observation, warnings=(*observation.warnings, warning)) if warning else observation

    def preflight(self, plan, released=frozenset()):
        """Raise the errors with which the plan would fail half-way; only reads."""
        from .checks import check_plan

        check_plan(self, plan, released)

    def file_of(self, verb):
        """See the base class. The files that create, change and delete VMs are shipped only with this driver."""
        if verb == "create":
            from . import create as file
        elif verb == "configure":
            from . import configure as file
        elif verb == "delete":
            from . import delete as file
        else:
            return super().file_of(verb)
        return file
