# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The driver for Proxmox VE: translates the steps of a plan into API calls. The core decides what to do.

Ansible compiles a module in every run, so code that only some tasks need is imported when it is needed.
"""

from __future__ import annotations

import threading
from functools import cached_property

from ..._core import options as shared
from ..._core.errors import ApiError, Refused
from ..._core.options import CREATION, SETTING
from ..._tools.proxmox_values import parse
from . import options as own
from .reader import connected
from .settings.disks import check_checksum
from .snapshot_driver import ProxmoxSnapshotDriver
from .traits import proxmox_traits

_CREATING = ("create", "clone")


def make_driver(params):
    """The driver for the parameters of ``proxmox_vm``."""
    check_checksum(params.get("iso_checksum"))
    return connected(
        ProxmoxDriver,
        params,
        needs_settings(params),
        storage=params.get("storage"),
        on_failure=params.get("on_failure"),
        bridge=params.get("bridge") or "vmbr0",
        stop_timeout=params.get("stop_timeout"),
        iso_checksum=params.get("iso_checksum"),
        password=(params.get("cloud_init") or {}).get("password"),
        tags=params.get("tags"),
        clones_linked=bool((params.get("clone") or {}).get("linked")),
    )


def needs_settings(params):
    """Whether the options of each VM must be read, which needs a call for each VM.

    The lists of VMs are enough for a task that only changes the power state.
    """
    if "stop_mode" not in params or params["state"] in ("absent", "present") or params["allow_restart"]:
        return True
    compared = (name for name, option in {**shared.VM, **own.VM}.items() if option.role in (SETTING, CREATION))
    return any(params.get(name) is not None for name in compared)


class ProxmoxDriver(ProxmoxSnapshotDriver):
    """One cluster, for one task."""

    def __init__(
        self,
        tool,
        observer,
        storage=None,
        bridge="vmbr0",
        stop_timeout=None,
        iso_checksum=None,
        password=None,
        on_failure="rollback",
        tags=(),
        clones_linked=False,
    ):
        super().__init__(tool, observer, stop_timeout)
        self.storage, self.iso_checksum, self.password = storage, iso_checksum, password
        self.keeps_failures = on_failure == "keep"
        #: {id: VM as observed when the plan was made}.
        self.planned_vms = {}
        #: Held while the id of a new VM is chosen and its creation is started.
        self.vmid_lock = threading.Lock()
        #: {id: name} of the VMs that this task started to create, even if the answer was lost.
        self.requested_vmids = {}
        #: {name: id} of the VMs that this task has created and finished.
        self.created_vmids = {}
        #: Held while an ISO image is uploaded or downloaded.
        self.upload_lock = threading.Lock()
        self._bridge = bridge
        #: {id: node} of migrations that were requested from high availability.
        self.requested_migrations = {}
        #: The disks of a linked clone are on the storage of its source, whatever the task sets.
        self._storage_of_disks = None if clones_linked else storage
        self._has_capitals = any(tag != tag.lower() for tag in tags or ())

    def traits(self):
        return proxmox_traits(self._version or "", self._bridge, self._keeps_capitals, self._storage_of_disks)

    @cached_property
    def _keeps_capitals(self):
        """Whether the cluster allows capital letters in tags; read only if a tag of the task has any."""
        if not self._has_capitals:
            return False
        try:
            style = self.tool.get("/cluster/options").get("tag-style") or {}
        except (ApiError, Refused):
            return False
        style = style if isinstance(style, dict) else parse("tag-style", style)
        return str(style.get("case-sensitive", 0)) == "1"

    def preflight(self, plan, released=frozenset()):
        """Raise errors that would make the plan fail half-way. Changes nothing."""
        from .checks import check_plan

        check_plan(self, plan)
        self.planned_vms[plan.before.id] = plan.before
        ids = [step.arguments.get("id") for step in plan.steps if step.verb in _CREATING]
        self.space.vmids.update((plan.before.id, *ids))

    def carry_out(self, vm, step):
        if step.verb in _CREATING:
            getattr(self.file_of(step.verb), step.verb)(self, vm, step)
        else:
            super().carry_out(vm, step)

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
