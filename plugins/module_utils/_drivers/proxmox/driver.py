# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proxmox VE's translation: what the core asks for, in calls of its API. It neither waits nor decides.

Ansible compiles a module anew in every run, so what only a changing task needs is imported where it is needed.
"""

from __future__ import annotations

import re
import threading
from functools import cached_property, wraps

from ..._lifecycle.errors import ApiError, NotFound, Refused, Unavailable
from ..._lifecycle.model import SUSPENDED
from ..._lifecycle.one_by_one import one_by_one
from ..._ports import writes
from ..._tools.proxmox import Busy
from ..._tools.proxmox_values import parse
from . import look
from .traits import proxmox_traits

#: How long one request to go down waits for the guest: the core asks again every ten seconds.
_ONE_REQUEST = 9
_OLDEST = (7, 0)
#: A guest, or its agent, that was asked and did not go down.
_IN_VAIN = "quit/powerdown failed"
#: Calls that succeed on any node, whether or not the VM is there.
_BLIND = frozenset({"stop", "shutdown"})
#: What other calls say where the VM does not run, or is on another node.
_ELSEWHERE = "not running"


def _followed(verb):
    """A verb that says Busy where the VM is no longer on its node: the next observation finds it where it is."""

    @wraps(verb)
    def carry_out(self, vm, *arguments, **parameters):
        node = self.eyes.node_of(vm.id)
        try:
            return verb(self, vm, *arguments, **parameters)
        except ApiError as error:
            if not look.is_gone(error):
                raise
            self.eyes.moved(vm.id, None)
            raise Busy(f"{vm.name}: it is no longer on the node '{node}'.", error.status) from error

    return carry_out


class ProxmoxDriver:
    """One cluster, for one task: ``eyes`` see it, ``places`` are where something new can be put."""

    def __init__(
        self,
        tool,
        eyes,
        storage=None,
        bridge="vmbr0",
        stop_timeout=None,
        iso_checksum=None,
        password=None,
        on_failure="rollback",
        tags=(),
        clones_linked=False,
    ):
        self.tool, self.eyes, self.storage, self.iso_checksum = tool, eyes, storage, iso_checksum
        self.password, self.keeps_failures = password, on_failure == "keep"
        #: {id: VM} as planned on.
        self.planned = {}
        #: Held by whoever takes a number for a new machine.
        self.numbering = threading.Lock()
        #: {vmid: name} of the VMs that this task has begun to create, or perhaps has: answers get lost.
        self.numbers = {}
        #: {name: vmid} of the VMs that this task has created.
        self.created = {}
        #: Held by whoever brings a medium to a storage.
        self.bringing = threading.Lock()
        self.tells_version = False
        self._bridge = bridge
        self._asking, self._stop_timeout = min(_ONE_REQUEST, stop_timeout or _ONE_REQUEST), stop_timeout or 120
        #: {id: node} of VMs that high availability was asked to move, and ids of those that it was asked to stop.
        self.moves_requested, self._stops_requested = {}, set()
        self._version = None
        #: Disks of a linked clone are where its source's are, whatever the task says.
        self._storage_of_all = None if clones_linked else storage
        self._has_capitals = any(tag != tag.lower() for tag in tags or ())

    @cached_property
    def places(self):
        from .placing import Places

        return Places(self.tool)

    def traits(self):
        if self.tells_version:
            check_version(self.version())
        return proxmox_traits(self._version or "", self._bridge, self._tells_case, self._storage_of_all)

    @cached_property
    def _tells_case(self):
        """Whether the cluster keeps capitals of tags; asked only where a tag of the task has any."""
        if not self._has_capitals:
            return False
        try:
            style = self.tool.get("/cluster/options").get("tag-style") or {}
        except (ApiError, Refused):
            return False
        style = style if isinstance(style, dict) else parse("tag-style", style)
        return str(style.get("case-sensitive", 0)) == "1"

    def version(self):
        """The server's version, which is asked for once, and only by whom it matters to."""
        if self._version is None:
            self._version = self.tool.get("/version")["version"]
        return self._version

    def release(self):
        return release_of(self.version())

    def observe(self, targets, facets):
        return self.eyes.observe(targets, facets)

    def lane(self, vm):
        return vm.id or vm.name

    def preflight(self, plan):
        """Raise what would make the plan fail half-way; reads only."""
        from .checks import check_plan

        check_plan(self, plan)
        self.planned[plan.before.id] = plan.before

    def apply(self, batch):
        self.eyes.is_acting = True
        return one_by_one(self, batch, writes.count)

    def _create(self, vm, step):
        from .making import create

        config, creation = step.arguments["config"], step.arguments["creation"]
        create(self, vm.name, config, creation, step.arguments.get("id"))

    def _clone(self, vm, step):
        from .making import clone

        config, creation, source = (step.arguments[name] for name in ("config", "creation", "source"))
        clone(self, vm.name, config, creation, source, step.arguments.get("id"))

    @_followed
    def _delete(self, vm, step):
        try:
            sight = self.eyes.sight(vm.id)
        except NotFound:
            return
        name = sight.stored.get("name") or f"VM {vm.id}"
        if name != vm.name:
            raise Refused(f"{vm.name}: the number {vm.id} belongs to '{name}' by now.", "Run the task again.")
        if vm.config.get("protection"):
            # A planned removal of it is refused, so this is a new machine whose creation is undone.
            from .claiming import lift_protection

            lift_protection(self, sight)
        self.tool.run("DELETE", sight.path, purge=True)

    @_followed
    def _configure(self, vm, step):
        from .changing import configure

        configure(self, vm, step.changes)

    @_followed
    def _status(self, vm, word, **parameters):
        path = f"/nodes/{self.eyes.node_of(vm.id)}/qemu/{vm.id}/status"
        try:
            kind = self.tool.run("POST", f"{path}/{word}", **parameters)
        except ApiError as error:
            if _ELSEWHERE in error.message:
                self.tool.get(f"{path}/current")
            raise
        if word in _BLIND:
            self.tool.get(f"{path}/current")
        return kind

    def _start(self, vm, step):
        if self._status(vm, "start") == "hastart" and not self.eyes.is_running(self.eyes.sight(vm.id)):
            # That task only says what is wanted.
            raise Busy(f"{vm.name}: it is started by the cluster's high availability, which takes its time.", None)

    def _stop(self, vm, step):
        """Ask the guest once; whether it hears is the core's to see."""
        if self.eyes.is_managed(vm.id):
            self._stop_managed(vm)
            return
        try:
            self._status(vm, "shutdown", timeout=self._asking)
        except Busy:
            raise
        except ApiError as error:
            if _IN_VAIN not in error.message:
                raise

    def _stop_managed(self, vm):
        """High availability asks the guest, and powers it off itself when the time is over: it gets all of the time."""
        if vm.id in self._stops_requested:
            return
        self._status(vm, "shutdown", timeout=self._stop_timeout)
        self._stops_requested.add(vm.id)
        self.tool.warn(
            f"{vm.name}: it is stopped by the cluster's high availability, which powers it off if it has not shut down"
            f" after {self._stop_timeout} s, whatever stop_mode says."
        )

    def _kill(self, vm, step):
        if vm.power == SUSPENDED:
            self.tool.put(f"{self.eyes.sight(vm.id).path}/config", delete="vmstate")
            return
        try:
            # Somebody's request to go down would hold the machine until the guest obeys.
            self._status(vm, "stop", **{"overrule-shutdown": True})
        except ApiError as error:
            if error.status != 400:
                raise
            self._status(vm, "stop")

    def _pause(self, vm, step):
        self._status(vm, "suspend")

    def _resume(self, vm, step):
        self._status(vm, "resume")

    def _suspend(self, vm, step):
        self._status(vm, "suspend", todisk=True)

    def _reset(self, vm, step):
        self._status(vm, "reset")

    @_followed
    def _snapshot(self, vm, step):
        from .snapshots import take

        take(self, vm, step.arguments)

    @_followed
    def _drop_snapshot(self, vm, step):
        from .snapshots import drop

        drop(self, vm, step.arguments)

    @_followed
    def _restore(self, vm, step):
        from .snapshots import restore

        restore(self, vm, step.arguments)


def release_of(text):
    """(major, minor) of a version."""
    return tuple(int(part) for part in re.findall(r"\d+", text)[:2])


def check_version(text):
    """Raise Unavailable for a server that is too old."""
    if release_of(text) < _OLDEST:
        raise Unavailable(f"This is Proxmox VE {text}.", "too_old", "Version 7.0 or later is needed.")
