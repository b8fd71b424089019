# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hyper-V's driver: what the core requests, as calls for the host. It neither waits nor decides."""

from __future__ import annotations

from ..._ports.ceiling import call_timeout
from .snapshot_driver import HyperVSnapshotDriver


def make_driver(params):
    """The driver for the parameters of ``hyperv_vm``."""
    return HyperVDriver(params, native_keys=params.get("native") or ())


class HyperVDriver(HyperVSnapshotDriver):
    """The Hyper-V of one host, for one task."""

    def __init__(self, options, native_keys=()):
        super().__init__(options, native_keys)
        self.call_timeout = call_timeout(options.get("call_timeout"))
        #: What was read ahead.
        self._ahead = None

    @property
    def ahead(self):
        """What was read of the host for plans."""
        from .checks import Ahead

        self._ahead = self._ahead or Ahead(self)
        return self._ahead

    def expect(self, plans):
        """What these plans need can be read with the VMs."""
        self.ahead.expect(plans)

    def read_ahead(self, plans):
        """Read what all plans need from the host in one request."""
        self.ahead.read(plans)

    def preflight(self, plan):
        """Raise what would make the plan fail half-way; reads only."""
        from .checks import check_plan

        check_plan(self, plan, self.ahead)

    def expected_calls(self, targets):
        return self._ahead.expected_calls(targets) if self._ahead else ()

    def take_expected(self, answers):
        if self._ahead:
            self._ahead.take_expected(answers)

    def apply(self, batch):
        self._ahead = None  # What was read before a change does not count after it.
        return super().apply(batch)

    def file_of(self, verb):
        """The same; what creates, changes and deletes VMs is shipped only with this driver."""
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
