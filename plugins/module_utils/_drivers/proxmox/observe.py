# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proxmox VE: observation of VMs: requested ones in full, known ones again with only their power and addresses."""

from __future__ import annotations

import re
from collections import Counter

from ..._core.errors import ApiError, NotFound, Refused, Unavailable
from ..._core.model import LIST, RUNNING, Observation
from ..._core.record.mark import sources_in
from ..._kit.driver import KnownSettings, is_power_only
from ..._ports.clock import Clock, call_timeout
from ..._ports.proxmox_api import ProxmoxApi
from ..._tools.proxmox import Proxmox
from .account import account
from .cluster import (
    CREATION_LOCKS,
    HARMLESS_LOCKS,
    VmOptions,
    in_parallel,
    is_gone,
    list_on_nodes,
    listed_from_entries,
    missing,
    nodes_to_list,
    read_listed_options,
    read_resources,
    selected,
    vm_entries,
    vm_of,
    vms_in,
)
from .not_found import half_restored, no_visible_vm_errors, not_found_by_id, unknown_names, warn_of_hidden
from .privileges import Permissions
from .settings.architecture import read_own_architecture, with_own_architecture
from .settings.networks import with_addresses
from .traits import proxmox_traits

OLDEST = (7, 0)
#: Facets for which the lists of VMs are enough. They do not show which VMs are unfinished.
_LISTED = frozenset({"power", "unfinished", "counters"})


def make_observer(params):
    """The observer for the parameters of an info module."""
    return connected(ProxmoxObserver, params)


def connected(kind, params):
    """An observer, or the driver (``kind``), for the parameters of a module."""
    tool = Proxmox(ProxmoxApi(account(params)), Clock(), call_timeout(params.get("call_timeout")))
    return kind(tool, params)


class ProxmoxObserver:
    """Reads one cluster, for one task. ``options`` are the module's parameters.

    Ansible compiles a shipped module again in every run, so files that only some tasks need are imported there.
    """

    #: Whether the lists are enough if only the facets in ``_LISTED`` are requested.
    only_reports = True
    #: Whether the options of VMs are read; the lists report all else that a task needs.
    sees_settings = True

    def __init__(self, tool, options):
        self.tool, self.options, self.permissions = tool, options, Permissions(tool)
        #: True after the task has carried out its first steps.
        self.is_acting = False
        self.native_keys = tuple(options.get("native") or ())
        self._version = None
        self._settings = KnownSettings()
        #: The list of the cluster from the first observation of a task that may change VMs, else None.
        self.listed_resources = None
        #: {id: node} and {id: VmOptions} from the last observation.
        self._nodes, self._options = {}, {}
        #: The ids of VMs that a step may have changed since their options were read.
        self._outdated = set()
        #: Ids of the VMs that were returned by an observation of this task.
        self._reported_ids = set()
        #: {name: id} of unfinished VMs: a task started to create them, and has not finished.
        self._unfinished = {}
        #: {id: name} of all VMs; ``VM <id>`` if the name is not known.
        self._names_by_id = {}
        #: Ids of the VMs that the cluster's high availability manages.
        self._ha_managed = set()
        #: {node: its architecture}; read only if an image or the option architecture needs it.
        self._architectures = {}

    def traits(self):
        check_version(self.version())
        return proxmox_traits(self.version())

    def version(self):
        """The server's version, such as 8.2.4; read once, and only if it is needed."""
        if self._version is None:
            self._version = self.tool.get("/version")["version"]
        return self._version

    def release(self):
        """(major, minor) of the server's version."""
        return release_of(self.version())

    def observe(self, targets, facets):
        if is_power_only(targets, facets) and all(self._nodes.get(target.id) for target in targets):
            vms = self._observe_lightly(targets, facets)
            if vms is not None:
                return self._observation(vms)
        entries = self._vm_entries()
        self._ha_managed = {str(entry["vmid"]) for entry in entries if entry.get("hastate")}
        self._names_by_id = {str(entry["vmid"]): entry.get("name") or f"VM {entry['vmid']}" for entry in entries}
        listed = listed_from_entries(entries) if facets == LIST else self._listed(entries, targets)
        self._names_by_id.update({vm.vmid: vm.name for vm in listed})
        chosen = selected(listed, targets)
        self._nodes.update({vm.vmid: vm.node for vm in chosen})
        count = Counter(vm.name for vm in chosen)
        observed = in_parallel(lambda vm: self._observe_one(vm, facets, count[vm.name] > 1), chosen)
        vms = [vm for vm in observed if vm is not None]
        self._remember_unfinished(targets, vms)
        known = {vm.name for vm in listed} | set(self._names_by_id.values())
        visible = self._without_unfinished(vms, targets, facets)
        self._reported_ids |= {vm.id for vm in visible}
        known -= {vm.name for vm in vms if vm not in visible}
        errors = no_visible_vm_errors(self, targets, entries) or unknown_names(targets or (), listed)
        errors = {**errors, **half_restored(self, targets, listed)}
        if not errors:
            warn_of_hidden(self, targets or (), listed)
        return self._observation(visible, sorted(known), {**not_found_by_id(self, targets, listed), **errors})

    def _without_unfinished(self, vms, targets, facets):
        """The VMs without unfinished ones.

        An unfinished VM is kept if it is selected by its id. With the facet unfinished, it is also kept if no finished
        VM has its name.
        """
        finished = {vm.name for vm in vms if not self._is_unfinished(vm)}
        by_id = {target.id for target in targets or () if self._is_selected_by_id(target, facets)}
        for unfinished in (vm for vm in vms if self._is_unfinished(vm) and vm.name in finished and vm.id not in by_id):
            self.tool.warn(
                f"{unfinished.name}: another VM with this name is unfinished ({unfinished.id}): a task was"
                f" interrupted, or is still creating it. If it remains, delete it by its id: '{unfinished.id}'."
            )
        return [
            vm
            for vm in vms
            if not self._is_unfinished(vm) or vm.id in by_id or ("unfinished" in facets and vm.name not in finished)
        ]

    def _is_selected_by_id(self, target, facets):
        """Whether the id of ``target`` selects an unfinished VM.

        With a name, the id may only be the one for a new VM. It selects an existing VM if the facet unfinished is
        requested, or if an earlier observation of this task returned the VM.
        """
        return not target.name or "unfinished" in facets or target.id in self._reported_ids

    def _remember_unfinished(self, targets, vms):
        """Update the names of ``targets`` only: other threads may observe other VMs at the same time."""
        for target in targets or ():
            self._unfinished.pop(target.name, None)
        self._unfinished.update({vm.name: vm.id for vm in vms if self._is_unfinished(vm)})

    def _observation(self, vms, known=(), errors=None):
        """An Observation, with the warnings since the last one."""
        return Observation(vms=vms, known=tuple(known), warnings=self.tool.taken_warnings(), errors=errors or {})

    def _listed(self, entries, targets):
        """The VMs of the nodes on which targets may be; of all nodes if a target is not found there.

        A new name may not be in ``entries`` yet.
        """
        nodes = nodes_to_list(entries, targets)
        listed = list_on_nodes(self.tool, nodes, entries)
        rest = {entry["node"] for entry in entries} - nodes
        return listed + (list_on_nodes(self.tool, rest, entries) if rest and missing(targets, listed) else [])

    def _vm_entries(self):
        """The VMs in the list of the cluster. The first time the whole list is read: changes also need the nodes."""
        if self.only_reports or self.listed_resources is not None:
            return vm_entries(self.tool)
        self.listed_resources = read_resources(self.tool)
        return vms_in(self.listed_resources)

    def list_all(self):
        """All VMs of the cluster, as their nodes list them now."""
        entries = vm_entries(self.tool)
        return list_on_nodes(self.tool, {entry["node"] for entry in entries}, entries)

    def _observe_one(self, listed, facets, has_namesake):
        """One VM with the requested facets; None if it no longer exists.

        ``has_namesake``: its options are read, because one of two VMs with the same name may be unfinished.
        """
        by_list = (
            facets == LIST
            or (self.only_reports and facets <= _LISTED)
            or not (self.sees_settings or has_namesake or facets - {"power", "config"})
        )
        if listed.error or by_list:
            return vm_of(listed)
        vm_options = read_listed_options(self.tool, listed)
        if vm_options is None:
            return None
        vm = vm_of(listed, vm_options, None if "native" in facets else self.native_keys)
        if self.options.get("backup"):
            from .restored_copy import as_before

            vm = as_before(self, vm, vm_options)
        self._options[vm.id] = vm_options
        self._outdated.discard(vm.id)
        vm = self._with_architecture(vm, vm_options)
        self._settings.remember([vm])
        return self._with_facets(vm, vm_options, listed.uptime, facets)

    def _with_architecture(self, vm, vm_options):
        """The VM with its architecture, which its node reports, if the task compares it."""
        if not self.options.get("architecture") or "arch" in vm_options.stored:
            return vm
        return with_own_architecture(vm, self.own_architecture(vm_options.node))

    def own_architecture(self, node):
        """The architecture of a node; None if it is not known."""
        if node not in self._architectures:
            self._architectures[node] = read_own_architecture(self.tool, node)
        return self._architectures[node]

    def _with_facets(self, vm, vm_options, uptime, facets):
        if facets & {"snapshots", "snapshot_configs"}:
            vm = vm.having(snapshots=self._snapshots(vm_options, facets))
        if "files" in facets:
            from .claims import files_of

            vm = vm.having(files=files_of(vm_options, self._names_by_id))
        return self._with_addresses(vm, vm_options, uptime) if "addresses" in facets else vm

    def _snapshots(self, vm_options, facets):
        from .snapshots import snapshots_of, with_configs

        found = snapshots_of(self.tool, vm_options)
        return with_configs(self.tool, vm_options, found, self.native_keys) if "snapshot_configs" in facets else found

    def _with_addresses(self, vm, vm_options, uptime):
        if vm.power != RUNNING or (vm.busy and vm.busy not in HARMLESS_LOCKS):
            return vm
        return with_addresses(self.tool, vm, vm_options, uptime)

    def _is_unfinished(self, vm):
        vm_options = self._options.get(vm.id)
        return vm_options is not None and vm_options.is_unfinished

    def _observe_lightly(self, targets, facets):
        """Known VMs with their current power and addresses, and their last known settings.

        None if one of them is no longer on its node.
        """
        nodes = {self._nodes[target.id] for target in targets}
        listed = {vm.vmid: vm for vm in list_on_nodes(self.tool, nodes, ())}
        if not all(target.id in listed for target in targets):
            return None
        return in_parallel(lambda target: self._observe_one_lightly(listed[target.id], facets), targets)

    def _observe_one_lightly(self, listed, facets):
        vm = vm_of(listed)
        vm = vm.having(config=self._settings.of(vm.id) or vm.config)
        vm_options = self._current_options(listed) if "addresses" in facets else None
        return vm if vm_options is None else self._with_addresses(vm, vm_options, listed.uptime)

    def _current_options(self, listed):
        """The options of a VM, read again after a step: it may have set the agent or an address of cloud-init."""
        if listed.vmid in self._outdated:
            self._outdated.discard(listed.vmid)
            self._options[listed.vmid] = read_listed_options(self.tool, listed) or self._options.get(listed.vmid)
        return self._options.get(listed.vmid)

    def read_options(self, vmid, node=None):
        """The current options of a VM. Raises NotFound if it was removed."""
        node = node or self._nodes.get(vmid)
        try:
            if node is not None:
                return VmOptions.read(self.tool, vmid, node, self._pool(vmid))
        except ApiError as error:
            if not is_gone(error):
                raise
        entry = self.entry(vmid)
        if entry is None:
            raise NotFound(f"The VM {vmid} is gone: somebody else removed it meanwhile.", "Run the task again.")
        self._nodes[vmid] = entry["node"]
        return VmOptions.read(self.tool, vmid, entry["node"], entry.get("pool"))

    def entry(self, vmid):
        """The entry of a VM in the current list of the cluster; None if there is no such VM."""
        return next((entry for entry in vm_entries(self.tool) if str(entry["vmid"]) == vmid), None)

    def current_pool(self, vmid):
        """The current pool of a VM; empty if it is in none."""
        entry = self.entry(vmid) or {}
        return entry.get("pool") or ""

    def _pool(self, vmid):
        known = self._options.get(vmid)
        return known.pool if known else None

    def last_options(self, vmid):
        """The options of a VM from the last observation; read now if that did not read them."""
        if vmid not in self._options:
            self._options[vmid] = self.read_options(vmid)
        return self._options[vmid]

    def remember_unfinished(self, name, vmid):
        """Remember an unfinished VM that is no target of the task."""
        self._unfinished[name] = vmid

    def forget_unfinished(self, name):
        self._unfinished.pop(name, None)

    def unfinished_options(self, name):
        """The VmOptions of an unfinished VM with this name; None if there is none."""
        return self.read_options(self._unfinished[name]) if name in self._unfinished else None

    def unfinished(self, name, inputs):
        """The VmOptions of an unfinished VM with this name that has the same ``inputs``; None if there is none.

        ``inputs`` is what it is created from. Raises Refused if they differ, or if the VM is running.
        """
        vm_options = self.unfinished_options(name)
        if vm_options is None:
            return None
        found = sources_in(vm_options.inputs)
        if found != inputs:
            recorded = ", ".join(f"{key}: {value}" for key, value in sorted(found.items())) or "nothing"
            raise Refused(
                f"{name}: VM {vm_options.vmid} has this name and is unfinished: a task started to create it"
                f" from another source ({recorded}).",
                "Delete that VM first (state: absent), or finish it with the task that started to create it.",
            )
        if self.is_running(vm_options):
            raise Refused(
                f"{name}: VM {vm_options.vmid} has this name and is unfinished, but it is running.",
                f"Turn it off first (id: '{vm_options.vmid}', state: stopped).",
            )
        return vm_options

    def is_ha_managed(self, vmid):
        """Whether the cluster's high availability starts, stops and moves the VM."""
        return vmid in self._ha_managed

    def name_of(self, vmid):
        """The name of the VM with this id; None if there is no such VM."""
        name = self._names_by_id.get(vmid)
        if name == f"VM {vmid}":
            # The cluster reports a new name about ten seconds late; the VM's own node reports it at once.
            name = next((vm.name for vm in self.list_all() if vm.vmid == vmid), None)
        return name

    def label_of(self, vmid):
        """The name of the VM with this id for a message."""
        return self.name_of(vmid) or f"VM {vmid}"

    def may_be_under_creation(self, vmid, name):
        """Whether the VM with this id may be one that a task is creating with this name."""
        entry = self.entry(str(vmid))
        if entry is None or entry.get("lock") in CREATION_LOCKS or self.is_being_restored(entry):
            # While it is being created, its name is not known.
            return entry is not None
        vm_options = self.read_options(str(vmid), entry["node"])
        return vm_options.is_unfinished and vm_options.stored.get("name") == name

    def is_being_created(self, vmid):
        entry = self.entry(vmid)
        return entry is not None and (entry.get("lock") in CREATION_LOCKS or self.is_being_restored(entry))

    def is_being_restored(self, entry):
        """Whether this account restores a VM of the cluster's list, which has neither a lock nor a name until then."""
        return entry is not None and bool(self.tool.own_tasks(entry["node"], "qmrestore", str(entry["vmid"])))

    def is_running(self, vm_options):
        return self.tool.get(f"{vm_options.path}/status/current")["status"] == "running"

    def node_of(self, vmid):
        """The node of a VM at the last observation."""
        return self._nodes.get(vmid) or self.read_options(vmid).node

    def set_node(self, vmid, node):
        """Remember the new node of a VM; None if it is not known."""
        self._nodes[vmid] = node


def release_of(text):
    """(major, minor) of a version text."""
    return tuple(int(part) for part in re.findall(r"\d+", text)[:2])


def check_version(text):
    """Raise Unavailable for a server that is too old."""
    if release_of(text) < OLDEST:
        raise Unavailable(f"This is Proxmox VE {text}.", "too_old", "Version 7.0 or later is needed.")
