# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proxmox VE: the driver, which translates the steps of a plan into API calls. The core decides what to do."""

from __future__ import annotations

import threading
from functools import cached_property

from ..._core.errors import ApiError, Refused
from ..._core.options import option as shared
from ..._core.options.option import CREATION, SETTING
from ..._core.options.public_keys import public_keys
from ..._core.planner.planned_steps import with_settings_of_new
from ..._core.record.leases import iso
from ..._kit.driver import ForChanges, carry_out, functions_of
from ..._kit.one_by_one import one_by_one
from ..._ports import change_counter, permits
from ..._ports.clock import call_timeout
from ..._tools.proxmox import Busy
from ..._tools.proxmox_values import parse
from . import options as own
from .cluster import is_gone
from .observe import ProxmoxObserver, connected
from .settings.cloud_init import has_documents
from .settings.disks import DELETE_UNUSED
from .settings.hardware import AUTO
from .settings.iso import check_checksum
from .traits import Known, proxmox_traits

_CREATING = ("create", "clone", "create_from_backup")
#: Verbs that are carried out before the VM has an id.
_WITHOUT_ID = (*_CREATING, "fetch")


def make_driver(params):
    """The driver for the parameters of a module."""
    check_checksum(params.get("iso_checksum"))
    return connected(ProxmoxDriver, params)


def needs_settings(params):
    """Whether the options of each VM must be read, which needs a call for each VM.

    The lists of VMs are enough for a task that only changes the power state.
    """
    if (
        "stop_mode" not in params
        or params.get("expired_for") is not None
        or params["state"] in ("absent", "present")
        or params["allow_restart"]
        or _is_about_backups(params)
    ):
        return True
    compared = (name for name, option in {**shared.VM, **own.VM}.items() if option.role in (SETTING, CREATION))
    return any(params.get(name) is not None for name in compared)


def _is_about_backups(params):
    return "max_age" in params


class ProxmoxDriver(ForChanges, ProxmoxObserver):
    """One cluster, for one task."""

    file_options = ("unused_disks", "tpm")

    only_reports = False

    def __init__(self, tool, options):
        super().__init__(tool, options)
        self.sees_settings = needs_settings(options)
        self.storage, self.iso_checksum = options.get("storage"), options.get("iso_checksum")
        self.image_storage = options.get("image_storage")
        #: {node: its NodeImages}.
        self.images = {}
        self.cloud_init = options.get("cloud_init") or {}
        self.password, self.has_documents = self.cloud_init.get("password"), has_documents(self.cloud_init)
        self.call_timeout = call_timeout(options.get("call_timeout"))
        self.deletes_unused = options.get("unused_disks") in DELETE_UNUSED
        self._renames = bool(options.get("allow_rename"))
        self.keeps_failures = options.get("on_failure") == "keep"
        #: Seconds for a guest to shut down, as set by the task; None if not set.
        self.stop_timeout = options.get("stop_timeout")
        #: {id: when the first shutdown of a VM since its start was requested}, in seconds of the tool's clock.
        self.stopping_since = {}
        #: Ids of VMs for which a stop was requested from high availability, and {id: node} of requested migrations.
        self.requested_stops, self.requested_migrations = set(), {}
        #: {id: VM as observed when the plan was made}.
        self.planned_vms = {}
        #: {id: name} of the VMs that this task started to create, even if the answer was lost.
        self.requested_vmids = {}
        #: The VMs that this task has finished.
        #: Held while an ISO image is uploaded or downloaded.
        self.upload_lock = threading.Lock()
        self._bridge = options.get("bridge") or "vmbr0"
        #: {node: its time}; all VMs of a task are planned at about the same time. {node: its limit of backups of a VM}
        self._node_times, self.backup_limits = {}, {}
        #: The disks of a linked clone are on the storage of its source, whatever the task sets.
        self.storage_of_disks = None if (options.get("clone") or {}).get("linked") else self.storage
        #: What ``read_list`` has returned; of the backups that were read: {volume: options of the VM in it} and
        #: {volume: what is wrong with it}.
        self._backup_list, self.archived_options, self.damaged_backups = None, {}, {}
        #: {id: options of the VM when the copy that will replace it was complete}
        self.prepared = {}
        self._has_capitals = any(tag != tag.lower() for tag in options.get("tags") or ())

    @cached_property
    def resources(self):
        """The nodes and storages of the cluster."""
        from .resources import Resources

        return Resources(self.tool, self.listed_resources)

    @property
    def space(self):
        """What this task has assigned to nodes and storages; drivers of one cluster share it."""
        return self.resources.assigned

    @space.setter
    def space(self, assigned):
        self.resources.assigned = assigned

    @cached_property
    def claims(self):
        from .claims import ProxmoxClaims

        return ProxmoxClaims(self)

    def traits(self):
        return proxmox_traits(
            self._version or "", Known(self._bridge, self._keeps_capitals, self.storage_of_disks, self._renames)
        )

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

    def resolve_image(self, request):
        """Return the request with a volume as its image, or with what its appliance has."""
        if "appliance" in request.creation:
            # Few tasks create a VM from one.
            from .appliances import resolved
        else:
            from .images import resolved

        return resolved(self, request)

    def observe(self, targets, facets):
        self._backup_list = None
        return super().observe(targets, facets)

    def backups(self, vm, asked, reads_content):
        from .backup_list import backups

        return backups(self, vm, asked)

    def taken_warnings(self):
        return self.tool.taken_warnings()

    def backup_list(self, label):
        """What ``read_list`` returns, read once for each observation."""
        if self._backup_list is None:
            from .backups import read_list

            self._backup_list = read_list(self, label)
        return self._backup_list

    def host_time(self, vm):
        """Return the time of the node of a VM, or of any if it has none yet; None if the account may not read it."""
        node = vm.config.get("node")
        if node in (None, AUTO):
            node = next((name for name, one in sorted(self.resources.nodes.items()) if one.online), None)
        if node is None or not self.permissions.has(f"/nodes/{node}", "Sys.Audit"):
            return None
        if node not in self._node_times:
            self._node_times[node] = self.tool.get(f"/nodes/{node}/time")["time"]
        return iso(self._node_times[node])

    @property
    def where(self):
        return self.tool.api.where

    def used_files(self, plan):
        # Few plans set such documents.
        from .versions import documents_in

        return documents_in(plan)

    def file_version(self, path, plan):
        return self._versions.of(path, plan)

    @cached_property
    def _versions(self):
        from .versions import Versions

        return Versions(self)

    def check_wait(self, plan, wait_for):
        from .guest import check_wait

        check_wait(plan, wait_for)

    def run_in_guest(self, vm, command):
        from .guest import run_in_guest

        return run_in_guest(self, vm, command)

    @property
    def seed_input(self):
        """The option cloud_init, for the documents of a seed ISO."""
        keys = public_keys(self.cloud_init.get("ssh_authorized_keys") or (), "cloud_init.ssh_authorized_keys")
        return {**self.cloud_init, "ssh_authorized_keys": keys}

    def use_documents(self, cloud_init):
        """Create a seed ISO from ``cloud_init`` instead of the option. All VMs of a task have the same appliance."""
        self.cloud_init, self.has_documents = cloud_init, True

    # Acting ---------------------------------------------------------------------------------------------------------

    def lane(self, vm):
        return vm.id or vm.name

    def preflight(self, plan, released=frozenset()):
        """Raise the errors that would make the plan fail half-way, or return warnings. Changes nothing."""
        from ..._kit.guards import check_all
        from .guards import GUARDS

        warnings = check_all(GUARDS, self, plan, frozenset())
        self.planned_vms[plan.before.id] = plan.before
        ids = [self._requested_vmid(plan, step) for step in plan.steps if step.verb in _CREATING]
        self.space.vmids.update((plan.before.id, *ids))
        if None in ids and not self.is_acting:
            self.space.new_names.append(plan.after.name)
        return [*warnings, *self.tool.taken_warnings()]

    def _requested_vmid(self, plan, step):
        if step.verb != "create_from_backup":
            return step.arguments.get("id")
        from .restore import number_for

        return number_for(self, plan.before, step.arguments["backup"])

    def with_choices(self, plan):
        """The plan with the node that was chosen for its new VM."""
        node = self.resources.assigned.nodes.get(plan.after.name)
        return plan if node is None else with_settings_of_new(plan, {"node": node})

    def apply(self, batch):
        self.is_acting = True
        self._outdated.update(self._options)
        return one_by_one(self._carry_out, batch, change_counter.count, permits.granted)

    def _carry_out(self, vm, step):
        if step.verb in _WITHOUT_ID:
            carry_out(self, vm, step)
            return
        node = self.node_of(vm.id)
        try:
            carry_out(self, vm, step)
        except ApiError as error:
            if not is_gone(error):
                raise
            # The next observation finds its current node.
            self.set_node(vm.id, None)
            raise Busy(f"{vm.name}: it is no longer on the node '{node}'.", error.status) from error

    @cached_property
    def verbs(self):
        """The functions for the steps of plans."""
        from . import clone, configure, create, delete, power, snapshots

        found = {**functions_of(power, snapshots, create, clone, configure, delete), "fetch": _fetch}
        if not _is_about_backups(self.options):
            return found
        # Only tasks about backups need these.
        from . import backups, restore

        return {**found, **functions_of(backups, restore)}


def _fetch(driver, vm, step):
    image = step.arguments["image"]
    if "node" in image:
        driver.images[image["node"]].fetch(image)
    else:
        # An appliance, which the host of the task converts.
        image["fetch"].run(None, image)
