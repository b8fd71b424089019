# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Hyper-V driver: translates the steps of the core into calls for the host."""

from __future__ import annotations

from ..._kit.space import ReservedSpace
from ..._ports.ceiling import call_timeout
from .snapshot_driver import HyperVSnapshotDriver


def make_driver(params):
    """Return the driver for the parameters of ``hyperv_vm``."""
    return HyperVDriver(params, native_keys=params.get("native") or ())


class HyperVDriver(HyperVSnapshotDriver):
    """Hyper-V on one host, for one task."""

    def __init__(self, options, native_keys=()):
        super().__init__(options, native_keys)
        self.call_timeout = call_timeout(options.get("call_timeout"))
        self.space = ReservedSpace()
        self._host_files = None

    @property
    def host_files(self):
        """The files and disks that plans need, created on first use."""
        from .checks import HostFiles

        self._host_files = self._host_files or HostFiles(self)
        return self._host_files

    def expect(self, plans):
        """Have the next observation also read what these plans need."""
        self.host_files.expect(plans)

    def read_ahead(self, plans):
        """Read what all plans need from the host in one request."""
        self.host_files.read(plans)

    def all_disks(self):
        self.host_files.users = self.host_files.users or super().all_disks()
        return self.host_files.users

    def preflight(self, plan, released=frozenset()):
        """Raise if the plan would fail half-way; only reads."""
        from .checks import check_plan

        check_plan(self, plan, self.host_files, released)

    def expected_calls(self, targets):
        return self._host_files.expected_calls(targets) if self._host_files else ()

    def take_expected(self, answers):
        if self._host_files:
            self._host_files.take_expected(answers)

    def apply(self, batch):
        self._host_files = None  # The steps make it out of date.
        return super().apply(batch)

    def file_of(self, verb):
        """See the base class. The files that create, change and delete VMs are shipped only with this driver."""
        if verb == "create":
            from . import create as file
        elif verb == "clone":
            from . import clone as file
        elif verb == "configure":
            from . import configure as file
        elif verb == "delete":
            from . import delete as file
        else:
            return super().file_of(verb)
        return file
