# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""WSL: the driver, which translates the steps of the core into calls for the host.

A step is a generator that yields lists of calls (see ``in_rounds``), so that one request can contain the calls of all
distributions of a task.
"""

from __future__ import annotations

from functools import cached_property, partial
from uuid import uuid4

from ..._core.errors import NotFound
from ..._core.model import ABSENT
from ..._core.options.image_names import check_no_download
from ..._kit.driver import ForChanges, carry_out, functions_of
from ..._kit.in_rounds import in_rounds
from ..._ports import permits
from ..._ports.clock import call_timeout
from ..._ports.windows import side_by_side
from ..._ports.windows_request import Chain
from ..._tools.windows_files import check_folder, folder_call, key_of
from ..._tools.wsl import check, check_optional, is_path, named_in, online_call, read_online, registry_calls, wsl
from .observe import WslObserver


def make_driver(params):
    """Return the driver for the parameters of ``wsl_distro``."""
    return WslDriver(params)


class WslDriver(ForChanges, WslObserver):
    """The WSL of one user, for one task."""

    file_options = ("install_location", "export")

    def __init__(self, options):
        super().__init__(options)
        self.call_timeout = call_timeout(options.get("call_timeout"))
        #: A part of the names of temporary files, which no other file has.
        self.nonce = uuid4().hex
        #: Paths of exports that this task has begun to put in place: a step may be sent twice.
        self.exports = set()
        #: Ids of sources that ran when this task began to clone them.
        self.sources_to_start = set()
        #: {name: directories to create above it}, which are removed if the distribution cannot be created.
        self.folders = {}
        #: {name in lower case: {path: content}} of the documents for cloud-init of new distributions.
        self.documents = {}
        #: {key of a path: version} of the images that plans use.
        self.versions = {}
        self._online_names = None
        #: The option ``default`` of each distribution that the task creates.
        self.defaults_of_new = []
        #: {id: value of keep_running} of the distributions, if this task changed their scheduled task.
        self.registered = {}

    @cached_property
    def claims(self):
        from .claims import WslClaims

        return WslClaims(self)

    @cached_property
    def images(self):
        """The Archives of the host."""
        from .images import Archives

        return Archives(self)

    def resolve_image(self, request):
        """Return the request with a name of the online list, or a file on the host, as its image."""
        asked = request.creation["image"]
        if is_path(asked["source"]) and "://" not in asked["source"]:
            check_no_download(asked, f"{request.label}: image")
            return request
        return self.images.resolved(request)

    def online_names(self):
        """Return the names of the online list; None if it cannot be read, which the installation reports."""
        if self._online_names is None:
            (result,) = self.send([Chain("online", (online_call(self.host.file),))])
            self._online_names = read_online(result.answers[0])
        return self._online_names or None

    def file_version(self, path, _plan):
        """The name of a distribution in the online list is no file."""
        return self.versions.get(key_of(path)) if is_path(path) else []

    def read_ahead(self, plans):
        """Ask in one request for the disks of all distributions that plans start, copy or change."""
        from .guards import distros_with_used_disks

        self.defaults_of_new = [plan.after.config.get("default") for plan in plans if plan.before.power == ABSENT]
        self.ask_for_disks(distros_with_used_disks(self.host, plans))

    def preflight(self, plan, released=frozenset()):
        """Raise if the plan would fail half-way, or return warnings; only reads."""
        from ..._kit.guards import check_all
        from .guards import GUARDS

        return check_all(GUARDS, self, plan, released)

    def apply(self, batch):
        send = partial(side_by_side, self.send)
        return in_rounds(partial(carry_out, self), send, batch, permits.granted)

    @cached_property
    def verbs(self):
        """The functions for the steps of plans."""
        from ..._media.windows import copy
        from . import configure, create, power

        return functions_of(power, create, configure, copy)

    def run(self, label, arguments, before=()):
        """Run wsl.exe after the calls ``before``, like a step. Raises WslFailed."""
        result = yield [*before, wsl(self.host.file, arguments, self.call_timeout)]
        check(result.answers[-1], label, " ".join(arguments[:2]))
        check_optional(result.answers)

    @staticmethod
    def create_folder(vm, folder):
        """Create a directory, like a step: WSL creates only the last directory of a path."""
        result = yield [folder_call(folder)]
        check_folder(f"{vm.name}: install_location", folder, result.answers[0])

    def find(self, name):
        """Read the registry, like a step, and return the raw distribution with this name, or None."""
        result = yield registry_calls()
        return named_in(result.answers[1], name)

    def current(self, vm):
        """Read the registry, like a step, and return the raw distribution. Raises NotFound."""
        raw = yield from self.find(vm.name)
        if raw is None or raw["PSChildName"].lower() != vm.id.lower():
            raise NotFound(f"{vm.name}: the distribution was deleted or replaced in the meantime.", "Run it again.")
        return raw

    def keep_running(self, vm):
        """Return the current value of keep_running: "true", "at_logon", "false", "disabled" or "other"."""
        raw = self.host.raw(vm.id)
        return self.registered.get(vm.id.lower()) or (self.host.keep_running(raw) if raw else "false")

    def has_task(self, vm):
        """Return whether the distribution has a scheduled task, or may have one if its removal was interrupted."""
        return vm.id.lower() in self.registered or vm.id.lower() in self.host.tasks
