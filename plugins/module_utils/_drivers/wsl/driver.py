# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""WSL's driver: what the core requests, as calls for the host. It neither waits nor decides.

A step is a generator of calls (``in_rounds``), so that the calls of all distributions of a task go in one request.
"""

from __future__ import annotations

from functools import partial

from ..._lifecycle.errors import NotFound
from ..._lifecycle.in_rounds import apply_in_rounds
from ..._lifecycle.model import POWER_VERBS
from ..._ports import writes
from ..._ports.ceiling import call_timeout
from ..._ports.windows import side_by_side
from ..._tools.wsl import check, check_optional, read_distros, registry_calls, wsl
from .reader import WslReader


def make_driver(params):
    """The driver for the parameters of ``wsl_distro``."""
    return WslDriver(params)


class WslDriver(WslReader):
    """The WSL of one user, for one task."""

    def __init__(self, options):
        super().__init__(options)
        self.call_timeout = call_timeout(options.get("call_timeout"))
        #: Names of distributions that this task has created: a step may be sent twice.
        self.created = set()
        #: Names of sources that ran when this task began to clone them.
        self.sources_to_start = set()
        #: {name: new directories above it}, to be removed if nothing can be created in them.
        self.folders = {}
        #: {id: how it is kept started}, as far as this task has changed it.
        self.registered = {}

    def lane(self, _vm):
        """One request has the calls of all distributions that are ready."""
        return "wsl"

    def preflight(self, plan):
        """Raise what would make the plan fail half-way; reads only."""
        from .checks import check_plan

        check_plan(self, plan)

    def apply(self, batch):
        return apply_in_rounds(self._step, partial(side_by_side, self.send), batch, writes.count)

    def _step(self, vm, step):
        return getattr(_file_of(step.verb), step.verb)(self, vm, step)

    def run(self, label, words, before=(), **more):
        """A round with one call of wsl.exe, after others. Raises WslFailed where it fails."""
        one = wsl(self.host.file, words, more.pop("seconds", self.call_timeout), **more)
        result = yield [*before, one]
        check(result.answers[-1], label, " ".join(words[:2]))
        check_optional(result.answers)

    def named(self, name):
        """The raw distribution of a name as it is now, or None."""
        result = yield registry_calls()
        found = read_distros(result.answers[1])
        return next((raw for raw in found if raw["DistributionName"].lower() == name.lower()), None)

    def current(self, vm):
        """The raw distribution as it is now. Raises NotFound if it does not exist any more."""
        raw = yield from self.named(vm.name)
        if raw is None or raw["PSChildName"].lower() != vm.id.lower():
            raise NotFound(f"{vm.name}: the distribution was deleted or replaced in the meantime.", "Run it again.")
        return raw

    def is_kept(self, vm):
        """How a task keeps the distribution started: "true", "at_logon", or "false"."""
        raw = self.host.raw(vm.id)
        return self.registered.get(vm.id.lower()) or (self.host.kept(raw) if raw else "false")

    def has_task(self, vm):
        """Whether there is a task of the distribution, or may be one: removing it may have been interrupted."""
        return vm.id.lower() in self.registered or vm.id.lower() in self.host.tasks


def _file_of(verb):
    """The file with the function for a verb, which has the verb's name: imported when the first such step is sent.

    Imports stand here in full, because Ansible ships only the files that it finds imported.
    """
    if verb in POWER_VERBS:
        from . import power as file
    elif verb in ("create", "clone"):
        from . import create as file
    else:
        from . import configure as file
    return file
