# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Observation of VMs: the requested ones in full, or known ones again with only their power and addresses."""

from __future__ import annotations

from collections import Counter

from ..._core.errors import ApiError, NotFound, Refused
from ..._core.model import LIST, RUNNING, Observation
from ..._kit.light import KnownSettings, is_light
from .cluster import (
    CREATION_LOCKS,
    HARMLESS_LOCKS,
    VmOptions,
    in_parallel,
    is_gone,
    list_on_nodes,
    listed_from_entries,
    nodes_to_list,
    read_listed_options,
    read_resources,
    vm_entries,
    vm_of,
    vms_in,
)
from .privileges import AUDIT, Permissions, grant_remedy, no_visible_vm
from .settings.networks import with_addresses

#: Facets for which the lists of VMs are enough. They do not show which VMs are unfinished.
_LISTED = frozenset({"power", "unfinished", "counters"})


class Observer:
    """Observes the VMs of one cluster, for one task.

    ``sees_settings`` False: the lists report all that the task needs, so the options of VMs are not read.
    """

    def __init__(self, tool, native_keys=(), sees_settings=True):
        self.tool, self.permissions = tool, Permissions(tool)
        #: True for info modules: the lists are enough if only the facets in ``_LISTED`` are requested.
        self.only_reports = False
        #: True after the task has carried out its first steps.
        self.is_acting = False
        self._native_keys, self.sees_settings = tuple(native_keys), sees_settings
        self._settings = KnownSettings()
        #: The list of the cluster from the first observation of a task that may change VMs, else None.
        self.resources = None
        #: {id: node} and {id: VmOptions} from the last observation.
        self._nodes, self._options = {}, {}
        #: Ids of the VMs that were returned by an observation of this task.
        self._reported_ids = set()
        #: {name: id} of unfinished VMs: a task started to create them, and has not finished.
        self._unfinished = {}
        #: {id: name} of all VMs; ``VM <id>`` if the name is not known.
        self._names_by_id = {}
        #: Ids of the VMs that the cluster's high availability manages.
        self._ha_managed = set()

    def observe(self, targets, facets):
        if is_light(targets, facets) and all(self._nodes.get(target.id) for target in targets):
            vms = self._observe_lightly(targets, facets)
            if vms is not None:
                return self._observation(vms)
        entries = self._vm_entries()
        self._ha_managed = {str(entry["vmid"]) for entry in entries if entry.get("hastate")}
        self._names_by_id = {str(entry["vmid"]): entry.get("name") or f"VM {entry['vmid']}" for entry in entries}
        listed = listed_from_entries(entries) if facets == LIST else self._listed(entries, targets)
        self._names_by_id.update({vm.vmid: vm.name for vm in listed})
        selected = [vm for vm in listed if targets is None or any(_selects(target, vm) for target in targets)]
        self._nodes.update({vm.vmid: vm.node for vm in selected})
        count = Counter(vm.name for vm in selected)
        observed = in_parallel(lambda vm: self._observe_one(vm, facets, count[vm.name] > 1), selected)
        vms = [vm for vm in observed if vm is not None]
        self._remember_unfinished(targets, vms)
        known = {vm.name for vm in listed} | set(self._names_by_id.values())
        visible = self._without_unfinished(vms, targets, facets)
        self._reported_ids |= {vm.id for vm in visible}
        known -= {vm.name for vm in vms if vm not in visible}
        errors = self._no_visible_vm_errors(targets, entries) or _unknown_names(targets or (), listed)
        return self._observation(visible, sorted(known), {**self._not_found_by_id(targets, listed), **errors})

    def _not_found_by_id(self, targets, listed):
        """{name: error} of requested ids that no listed VM has.

        There is an error if the name belongs to an unfinished VM with another id, or if the account cannot see the VM.
        """
        if self.is_acting:
            return {}
        errors = {}
        for target in targets or ():
            if target.id and not any(vm.vmid == target.id for vm in listed):
                error = self._unfinished_namesake_error(target, listed) or self._hidden_vm_error(target)
                errors.update({target.name or target.id: error} if error else {})
        return errors

    def _unfinished_namesake_error(self, target, listed):
        """The error if an unfinished VM with another id has the name of ``target``, else None."""
        namesakes = [vm for vm in listed if vm.name == target.name and not vm.error]
        all_options = [read_listed_options(self.tool, vm) for vm in namesakes]
        unfinished = next(
            (vm_options for vm_options in all_options if vm_options is not None and vm_options.is_unfinished), None
        )
        return unfinished and Refused(
            f"{target.name}: the task requests id {target.id}, but VM {unfinished.vmid} has this name: a task that was"
            " interrupted started to create it.",
            f"To finish that VM set id: '{unfinished.vmid}'. To remove it run a task with id: '{unfinished.vmid}' and"
            " state: absent first.",
        )

    def _hidden_vm_error(self, target):
        """The error if a VM with the id of ``target`` exists, but the account cannot see it; else None."""
        if not target.id.isdecimal():
            return None
        try:
            self.tool.get("/cluster/nextid", vmid=target.id)
            return None
        except ApiError as error:
            is_vm = f"VM {target.id} already exists" in error.message
        if not is_vm or self._entry(target.id):
            # A container has the id, or the VM was created after the first list was read.
            return None
        label, path = target.name or target.id, f"/vms/{target.id}"
        return NotFound(
            f"{label}: VM {target.id} exists, but {self.tool.api.who} does not see it: it lacks the privilege {AUDIT}"
            f" on {path}.",
            grant_remedy(path),
        )

    def _no_visible_vm_errors(self, targets, entries):
        """{name: error} for all targets if no VM is listed because the account lacks a privilege.

        The same is also a warning, because there may be no targets.
        """
        if entries or self.permissions.sees_vms:
            return {}
        message, remedy = no_visible_vm(self.tool.api.who)
        self.tool.warn(f"{message} {remedy}")
        labels = [target.name or target.id for target in targets or ()]
        return {label: NotFound(f"{label}: {message}", remedy) for label in labels}

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
        missing = [target for target in targets or () if not any(_selects(target, found) for found in listed)]
        rest = {entry["node"] for entry in entries} - nodes
        return listed + (list_on_nodes(self.tool, rest, entries) if missing and rest else [])

    def _vm_entries(self):
        """The VMs in the list of the cluster. The first time the whole list is read: changes also need the nodes."""
        if self.only_reports or self.resources is not None:
            return vm_entries(self.tool)
        self.resources = read_resources(self.tool)
        return vms_in(self.resources)

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
        vm = vm_of(listed, vm_options, self._native_keys)
        self._options[vm.id] = vm_options
        self._settings.remember([vm])
        return self._with_facets(vm, vm_options, listed.uptime, facets)

    def _with_facets(self, vm, vm_options, uptime, facets):
        if facets & {"snapshots", "snapshot_configs"}:
            vm = vm.having(snapshots=self._snapshots(vm_options, facets))
        if "files" in facets:
            from .file_users import files_of

            vm = vm.having(files=files_of(vm_options, self._names_by_id))
        return self._with_addresses(vm, vm_options, uptime) if "addresses" in facets else vm

    def _snapshots(self, vm_options, facets):
        from .snapshots import snapshots_of, with_configs

        found = snapshots_of(self.tool, vm_options)
        return with_configs(self.tool, vm_options, found, self._native_keys) if "snapshot_configs" in facets else found

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
        vm_options = self._options.get(vm.id)
        return (
            self._with_addresses(vm, vm_options, listed.uptime)
            if "addresses" in facets and vm_options is not None
            else vm
        )

    def read_options(self, vmid, node=None):
        """The current options of a VM. Raises NotFound if it was removed."""
        node = node or self._nodes.get(vmid)
        try:
            if node is not None:
                return VmOptions.read(self.tool, vmid, node, self._pool(vmid))
        except ApiError as error:
            if not is_gone(error):
                raise
        entry = self._entry(vmid)
        if entry is None:
            raise NotFound(f"The VM {vmid} is gone: somebody else removed it meanwhile.", "Run the task again.")
        self._nodes[vmid] = entry["node"]
        return VmOptions.read(self.tool, vmid, entry["node"], entry.get("pool"))

    def _entry(self, vmid):
        """The entry of a VM in the current list of the cluster; None if there is no such VM."""
        return next((entry for entry in vm_entries(self.tool) if str(entry["vmid"]) == vmid), None)

    def current_pool(self, vmid):
        """The current pool of a VM; empty if it is in none."""
        entry = self._entry(vmid) or {}
        return entry.get("pool") or ""

    def _pool(self, vmid):
        known = self._options.get(vmid)
        return known.pool if known else None

    def last_options(self, vmid):
        """The options of a VM from the last observation; read now if that did not read them."""
        if vmid not in self._options:
            self._options[vmid] = self.read_options(vmid)
        return self._options[vmid]

    def unfinished(self, name, inputs):
        """The VmOptions of an unfinished VM with this name that has the same ``inputs``; None if there is none.

        ``inputs`` is what it is created from. Raises Refused if they differ, or if the VM is running.
        """
        if name not in self._unfinished:
            return None
        vm_options = self.read_options(self._unfinished[name])
        found = (vm_options.mark or {}).get("inputs") or {}
        if found != inputs:
            recorded = ", ".join(f"{key}: {value}" for key, value in sorted(found.items())) or "nothing"
            raise Refused(
                f"{name}: VM {vm_options.vmid} has this name and is unfinished: a task started to create it"
                f" from another source ({recorded}).",
                "Remove it first (state: absent), or finish it with the task that started to create it.",
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
        entry = self._entry(str(vmid))
        if entry is None or entry.get("lock") in CREATION_LOCKS:
            # While it is being created, its name is not known.
            return entry is not None
        vm_options = self.read_options(str(vmid), entry["node"])
        return vm_options.is_unfinished and vm_options.stored.get("name") == name

    def is_being_created(self, vmid):
        entry = self._entry(vmid)
        return entry is not None and entry.get("lock") in CREATION_LOCKS

    def is_running(self, vm_options):
        return self.tool.get(f"{vm_options.path}/status/current")["status"] == "running"

    def node_of(self, vmid):
        """The node of a VM at the last observation."""
        return self._nodes.get(vmid) or self.read_options(vmid).node

    def set_node(self, vmid, node):
        """Remember the new node of a VM; None if it is not known."""
        self._nodes[vmid] = node


def _unknown_names(targets, listed):
    """{name: error} of requested names that no listed VM has, if there are VMs with unknown names.

    Some minutes after a node has failed, the cluster no longer reports the names of its VMs.
    """
    hidden = sorted({vm.node for vm in listed if vm.has_unknown_name})
    missing = [target for target in targets if hidden and not any(_selects(target, found) for found in listed)]
    return {
        target.name: NotFound(
            f"{target.name}: it is unknown whether this VM exists: node '{hidden[0]}' does not answer, and the names"
            " of its VMs are not known.",
            "Start the node again, or remove it from the cluster: pvecm status. To create a new VM, or for one that is"
            " not on this node, set its id (VMID) as well, which is always known.",
        )
        for target in missing
        if not target.id
    }


def _selects(target, listed):
    if target.id and not (target.name and listed.is_unnamed):
        return listed.vmid == target.id
    # While a VM without a name is being created, its id does not prove that it is the requested VM.
    return listed.name == target.name
