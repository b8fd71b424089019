# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a task knows of the cluster's VMs: by one observation of all of them, or of one VM again."""

from __future__ import annotations

from collections import Counter

from ..._lifecycle.errors import ApiError, NotFound, Refused
from ..._lifecycle.light import LIST, KnownSettings, is_light
from ..._lifecycle.model import RUNNING, Observation
from .cluster import (
    CREATED_UNDER,
    HARMLESS,
    VmOptions,
    each,
    is_gone,
    listed_in_cluster,
    listed_on,
    nodes_of,
    options_of_listed,
    resources,
    vm_of,
)
from .privileges import SEE, Rights, remedy_on, sees_nothing
from .settings.networks import with_addresses

#: What lists report of all VMs, except that of unfinished ones they report no more than of others.
_LISTED = frozenset({"power", "unfinished", "counters"})


class Observer:
    """``sees_settings`` False means that lists report all that the task needs."""

    def __init__(self, tool, native_keys=(), sees_settings=True):
        self.tool, self.rights = tool, Rights(tool)
        #: True for modules that change nothing: the lists are enough if only the power is requested.
        self.only_reports = False
        #: True once the task has sent steps.
        self.is_acting = False
        self._native_keys, self.sees_settings = tuple(native_keys), sees_settings
        self._settings = KnownSettings()
        #: By id, from the last observation: the nodes of VMs, and their options.
        self._nodes, self._options = {}, {}
        #: Ids of the VMs that the task names.
        self._reported = set()
        #: {name: id} of unfinished VMs: a task started to create them.
        self._unfinished = {}
        #: {id: name} of all VMs.
        self._names = {}
        #: Ids of those that high availability manages.
        self._managed = set()

    def observe(self, targets, facets):
        if is_light(targets, facets) and all(self._nodes.get(target.id) for target in targets):
            vms = self._observe_again(targets, facets)
            if vms is not None:
                return self._observation(vms)
        entries = resources(self.tool)
        self._managed = {str(one["vmid"]) for one in entries if one.get("hastate")}
        self._names = {str(one["vmid"]): one.get("name") or f"VM {one['vmid']}" for one in entries}
        listed = listed_in_cluster(entries) if facets == LIST else self._listed(entries, targets)
        self._names.update({one.vmid: one.name for one in listed})
        wanted = [one for one in listed if targets is None or any(_selects(target, one) for target in targets)]
        self._nodes.update({one.vmid: one.node for one in wanted})
        # Of two with one name one may be unfinished, which no list reports.
        named = Counter(one.name for one in wanted)
        seen = each(lambda one: self._full(one, facets, named[one.name] > 1), wanted)
        vms = [vm for vm in seen if vm is not None]
        self._remember_unfinished(targets, vms)
        known = {one.name for one in listed} | set(self._names.values())
        there = self._without_unfinished(vms, targets, facets)
        self._reported |= {vm.id for vm in there}
        known -= {vm.name for vm in vms if vm not in there}
        errors = self._unseen(targets, entries) or _unknown_names(targets or (), listed)
        return self._observation(there, sorted(known), {**self._not_found_by_id(targets, listed), **errors})

    def _not_found_by_id(self, targets, listed):
        """{name: error} of ids that no visible VM has, although the task names one that exists or is unfinished."""
        if self.is_acting:
            return {}
        errors = {}
        for target in targets or ():
            if target.id and not any(one.vmid == target.id for one in listed):
                error = self._unfinished_as_another(target, listed) or self._hidden(target)
                errors.update({target.name or target.id: error} if error else {})
        return errors

    def _unfinished_as_another(self, target, listed):
        namesakes = [one for one in listed if one.name == target.name and not one.error]
        all_options = [options_of_listed(self.tool, one) for one in namesakes]
        unfinished = next(
            (vm_options for vm_options in all_options if vm_options is not None and vm_options.is_unfinished), None
        )
        return unfinished and Refused(
            f"{target.name}: the task requests id {target.id}, but VM {unfinished.vmid} has this name: a task that was"
            " interrupted started to create it.",
            f"To finish that VM set id: '{unfinished.vmid}'. To remove it run a task with id: '{unfinished.vmid}' and"
            " state: absent first.",
        )

    def _hidden(self, target):
        """The error about a VM that exists and that the account does not see; None where there is none."""
        if not target.id.isdecimal():
            return None
        try:
            self.tool.get("/cluster/nextid", vmid=target.id)
            return None
        except ApiError as error:
            is_vm = f"VM {target.id} already exists" in error.message
        if not is_vm or any(str(one["vmid"]) == target.id for one in resources(self.tool)):
            return None  # What has the number is no VM, or was created in this moment.
        label, path = target.name or target.id, f"/vms/{target.id}"
        return NotFound(
            f"{label}: VM {target.id} exists, but {self.tool.api.who} does not see it: it lacks the privilege {SEE} on"
            f" {path}.",
            remedy_on(path),
        )

    def _unseen(self, targets, entries):
        """{name: error} where nothing is seen, for want of a privilege. Without targets it is a warning."""
        if entries or self.rights.sees_vms:
            return {}
        message, remedy = sees_nothing(self.tool.api.who)
        self.tool.warn(f"{message} {remedy}")
        return {one.name or one.id: NotFound(f"{one.name or one.id}: {message}", remedy) for one in targets or ()}

    def _without_unfinished(self, vms, targets, facets):
        """Without unfinished VMs, unless they are requested and no finished one has their name."""
        finished = {vm.name for vm in vms if not self._is_unfinished(vm)}
        by_id = {target.id for target in targets or () if self._is_meant_by_id(target, facets)}
        for twin in (vm for vm in vms if self._is_unfinished(vm) and vm.name in finished and vm.id not in by_id):
            self.tool.warn(
                f"{twin.name}: beside it a VM of this name is unfinished ({twin.id}), left by a task that was"
                f" interrupted or is running now. If it stays, remove it by its id: '{twin.id}'."
            )
        return [
            vm
            for vm in vms
            if not self._is_unfinished(vm) or vm.id in by_id or ("unfinished" in facets and vm.name not in finished)
        ]

    def _is_meant_by_id(self, target, facets):
        """Whether an unfinished VM counts because it is named by its id.

        Beside a name that is the id of a VM to be created, unless the task has seen it as one that exists.
        """
        return not target.name or "unfinished" in facets or target.id in self._reported

    def _remember_unfinished(self, targets, vms):
        """Of these VMs alone: others may be worked on at the same time."""
        for target in targets or ():
            self._unfinished.pop(target.name, None)
        self._unfinished.update({vm.name: vm.id for vm in vms if self._is_unfinished(vm)})

    def _observation(self, vms, known=(), errors=None):
        """An Observation, with what was to be warned of since the last one."""
        return Observation(vms=vms, known=tuple(known), warnings=self.tool.taken_warnings(), errors=errors or {})

    def _listed(self, entries, targets):
        """The VMs of the nodes that matter. A name that is missing may be newer than what the cluster reports."""
        nodes = nodes_of(entries, targets)
        listed = listed_on(self.tool, nodes, entries)
        missing = [one for one in targets or () if not any(_selects(one, found) for found in listed)]
        rest = {one["node"] for one in entries} - nodes
        return listed + (listed_on(self.tool, rest, entries) if missing and rest else [])

    def listed_everywhere(self):
        """All VMs of the cluster as they are now."""
        entries = resources(self.tool)
        return listed_on(self.tool, {one["node"] for one in entries}, entries)

    def _full(self, listed, facets, is_twin):
        """One VM with the requested facets; None if it no longer exists."""
        by_list = (
            facets == LIST
            or (self.only_reports and facets <= _LISTED)
            or not (self.sees_settings or is_twin or facets - {"power", "config"})
        )
        if listed.error or by_list:
            return vm_of(listed)
        vm_options = options_of_listed(self.tool, listed)
        if vm_options is None:
            return None
        vm = vm_of(listed, vm_options, self._native_keys)
        self._options[vm.id] = vm_options
        self._settings.remember([vm])
        return self._with_more(vm, vm_options, listed.uptime, facets)

    def _with_more(self, vm, vm_options, uptime, facets):
        if facets & {"snapshots", "snapshot_configs"}:
            vm = vm.having(snapshots=self._snapshots(vm_options, facets))
        if "files" in facets:
            from .delete import files_of

            vm = vm.having(files=files_of(self.tool, vm_options, self._names))
        return self._with_addresses(vm, vm_options, uptime) if "addresses" in facets else vm

    def _snapshots(self, vm_options, facets):
        from .snapshots import snapshots_of, with_configs

        found = snapshots_of(self.tool, vm_options)
        return with_configs(self.tool, vm_options, found, self._native_keys) if "snapshot_configs" in facets else found

    def _with_addresses(self, vm, vm_options, uptime):
        if vm.power != RUNNING or (vm.busy and vm.busy not in HARMLESS):
            return vm
        return with_addresses(self.tool, vm, vm_options, uptime)

    def _is_unfinished(self, vm):
        vm_options = self._options.get(vm.id)
        return vm_options is not None and vm_options.is_unfinished

    def _observe_again(self, targets, facets):
        """VMs observed before, as they are now; None if one is no longer on its node."""
        nodes = {self._nodes[target.id] for target in targets}
        listed = {one.vmid: one for one in listed_on(self.tool, nodes, ())}
        if not all(target.id in listed for target in targets):
            return None
        return each(lambda target: self._again(listed[target.id], facets), targets)

    def _again(self, listed, facets):
        vm = vm_of(listed)
        vm = vm.having(config=self._settings.of(vm.id) or vm.config)
        vm_options = self._options.get(vm.id)
        return (
            self._with_addresses(vm, vm_options, listed.uptime)
            if "addresses" in facets and vm_options is not None
            else vm
        )

    def read_options(self, vmid, node=None):
        """One VM's options as they are now. Raises NotFound if it was removed."""
        node = node or self._nodes.get(vmid)
        try:
            if node is not None:
                return VmOptions.read(self.tool, vmid, node, self._pool(vmid))
        except ApiError as error:
            if not is_gone(error):
                raise
        found = next((one for one in resources(self.tool) if str(one["vmid"]) == vmid), None)
        if found is None:
            raise NotFound(f"The VM {vmid} is gone: somebody else removed it meanwhile.", "Run the task again.")
        self._nodes[vmid] = found["node"]
        return VmOptions.read(self.tool, vmid, found["node"], found.get("pool"))

    def pool_now(self, vmid):
        """The pool in which a VM is in this moment; empty for none."""
        found = next((one for one in resources(self.tool) if str(one["vmid"]) == vmid), {})
        return found.get("pool") or ""

    def _pool(self, vmid):
        known = self._options.get(vmid)
        return known.pool if known else None

    def last_options(self, vmid):
        """The same, as the last observation found it."""
        if vmid not in self._options:
            self._options[vmid] = self.read_options(vmid)
        return self._options[vmid]

    def unfinished(self, name, inputs):
        """The unfinished VM of this name that a task started to create from ``inputs``, or None.

        Raises Refused for one with other inputs, and for one that runs.
        """
        if name not in self._unfinished:
            return None
        vm_options = self.read_options(self._unfinished[name])
        found = (vm_options.mark or {}).get("inputs") or {}
        if found != inputs:
            reported = ", ".join(f"{key}: {value}" for key, value in sorted(found.items())) or "nothing"
            raise Refused(
                f"{name}: VM {vm_options.vmid} has this name and is unfinished: a task started to create it"
                f" from something else ({reported}).",
                "Remove it first (state: absent), or finish it with the task that started to create it.",
            )
        if self.is_running(vm_options):
            raise Refused(
                f"{name}: VM {vm_options.vmid} has this name and is unfinished, but it is running.",
                f"Turn it off first (id: '{vm_options.vmid}', state: stopped).",
            )
        return vm_options

    def is_managed(self, vmid):
        """Whether the cluster's high availability starts, stops and moves the VM."""
        return vmid in self._managed

    def name_of(self, vmid):
        """The name of the VM with this number; None where there is none."""
        name = self._names.get(vmid)
        if name == f"VM {vmid}":
            # The cluster reports a new name some ten seconds late; the VM's own node knows it at once.
            name = next((one.name for one in self.listed_everywhere() if one.vmid == vmid), None)
        return name

    def may_be_under_creation(self, vmid, name):
        """Whether the VM with this number may be the one that a task started to create under this name."""
        found = next((one for one in resources(self.tool) if one["vmid"] == int(vmid)), None)
        if found is None or found.get("lock") in CREATED_UNDER:
            # Until it is created it has no name.
            return found is not None
        vm_options = self.read_options(str(vmid), found["node"])
        return vm_options.is_unfinished and vm_options.stored.get("name") == name

    def is_being_created(self, vmid):
        found = next((one for one in resources(self.tool) if str(one["vmid"]) == vmid), {})
        return found.get("lock") in CREATED_UNDER

    def is_running(self, vm_options):
        return self.tool.get(f"{vm_options.path}/status/current")["status"] == "running"

    def node_of(self, vmid):
        """Where a VM was at the last observation."""
        return self._nodes.get(vmid) or self.read_options(vmid).node

    def moved(self, vmid, node):
        """Remember that the VM is on another node; None: it is unknown on which."""
        self._nodes[vmid] = node


def _unknown_names(targets, listed):
    """{name: error} of names that no visible VM has, if there are VMs whose names are unknown.

    Some minutes after a node was lost the cluster forgets what its VMs are called.
    """
    hidden = sorted({one.node for one in listed if one.nameless})
    missing = [one for one in targets if hidden and not any(_selects(one, found) for found in listed)]
    return {
        one.name: NotFound(
            f"{one.name}: it is unknown whether this VM exists: node '{hidden[0]}' does not answer, and the names of"
            " its VMs are not known.",
            "Start the node again, or remove it from the cluster: pvecm status.",
        )
        for one in missing
        if not one.id
    }


def _selects(target, listed):
    if target.id and not (target.name and listed.is_unnamed):
        return listed.vmid == target.id
    return listed.name == target.name
