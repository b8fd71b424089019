# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a task has seen of the cluster, and how it sees more: by one look for all machines, or one machine anew."""

from __future__ import annotations

from collections import Counter

from ..._lifecycle.errors import ApiError, NotFound, Refused
from ..._lifecycle.model import RUNNING, Observation
from . import look
from .rights import SEE, Rights, blind, remedy_on
from .sight import Sight
from .words import HARMLESS

#: What lists report of all VMs, except that of unfinished ones they report no more than of others.
_LISTED = frozenset({"power", "unfinished"})
_LIGHT = frozenset({"power", "addresses"})


class Observer:
    """``sees_settings`` False means that lists tell all that the task needs."""

    def __init__(self, tool, native_keys=(), sees_settings=True):
        self.tool, self.rights = tool, Rights(tool)
        #: True for modules that change nothing: the lists are enough where only powers are asked for.
        self.only_reports = False
        #: True once the task has sent steps.
        self.is_acting = False
        self._native_keys, self.sees_settings = tuple(native_keys), sees_settings
        #: By id, from the last look: where machines are, their settings, and their options.
        self._nodes, self._configs, self._sights = {}, {}, {}
        #: Ids of the VMs that the task names.
        self._reported = set()
        #: {name: id} of machines that a task has begun to make.
        self._begun = {}
        #: {id: name} of all machines.
        self._names = {}
        #: Ids of those that high availability manages.
        self._managed = set()

    def observe(self, targets, facets):
        if targets and facets <= _LIGHT and all(self._nodes.get(target.id) for target in targets):
            vms = self._seen_again(targets, facets)
            if vms is not None:
                return self._told(vms)
        entries = look.resources(self.tool)
        self._managed = {str(one["vmid"]) for one in entries if one.get("hastate")}
        self._names = {str(one["vmid"]): one.get("name") or f"VM {one['vmid']}" for one in entries}
        listed = self._listed(entries, targets)
        self._names.update({one.vmid: one.name for one in listed})
        wanted = [one for one in listed if targets is None or any(_means(target, one) for target in targets)]
        self._nodes.update({one.vmid: one.node for one in wanted})
        # Of two with one name one may be unfinished, which no list tells.
        named = Counter(one.name for one in wanted)
        seen = look.each(lambda one: self._machine(one, facets, named[one.name] > 1), wanted)
        vms = [vm for vm in seen if vm is not None]
        self._note_begun(targets, vms)
        known = {one.name for one in listed} | set(self._names.values())
        there = self._that_count(vms, targets, facets)
        self._reported |= {vm.id for vm in there}
        known -= {vm.name for vm in vms if vm not in there}
        errors = self._unseen(targets, entries) or _doubts(targets or (), listed)
        return self._told(there, sorted(known), {**self._not_found_by_id(targets, listed), **errors})

    def _not_found_by_id(self, targets, listed):
        """{name: error} of ids that no visible VM has, although the task names one that exists or was begun."""
        if self.is_acting:
            return {}
        errors = {}
        for target in targets or ():
            if target.id and not any(one.vmid == target.id for one in listed):
                error = self._begun_as_another(target, listed) or self._hidden(target)
                errors.update({target.name or target.id: error} if error else {})
        return errors

    def _begun_as_another(self, target, listed):
        namesakes = [one for one in listed if one.name == target.name and not one.trouble]
        sights = [look.sight_of(self.tool, one) for one in namesakes]
        begun = next((sight for sight in sights if sight is not None and sight.is_unfinished), None)
        return begun and Refused(
            f"{target.name}: the task requests id {target.id}, but VM {begun.vmid} has this name: a task that was"
            " interrupted began to create it.",
            f"To finish that VM set id: '{begun.vmid}'. To remove it run a task with id: '{begun.vmid}' and"
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
        if not is_vm or any(str(one["vmid"]) == target.id for one in look.resources(self.tool)):
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
        message, remedy = blind(self.tool.api.who)
        self.tool.warn(f"{message} {remedy}")
        return {one.name or one.id: NotFound(f"{one.name or one.id}: {message}", remedy) for one in targets or ()}

    def _that_count(self, vms, targets, facets):
        """Without machines that nobody has got yet, unless they are asked for and no finished one has their name."""
        finished = {vm.name for vm in vms if not self._is_unfinished(vm)}
        by_id = {target.id for target in targets or () if self._is_meant_by_id(target, facets)}
        for twin in (vm for vm in vms if self._is_unfinished(vm) and vm.name in finished and vm.id not in by_id):
            self.tool.warn(
                f"{twin.name}: beside it a machine of this name is unfinished ({twin.id}), left by a task that was cut"
                f" off or at work now. If it stays, remove it by its id: '{twin.id}'."
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

    def _note_begun(self, targets, vms):
        """Of these machines alone: others may be worked on at the same time."""
        for target in targets or ():
            self._begun.pop(target.name, None)
        self._begun.update({vm.name: vm.id for vm in vms if self._is_unfinished(vm)})

    def _told(self, vms, known=(), errors=None):
        """An Observation, with what was to be warned of since the last one."""
        return Observation(vms=vms, known=tuple(known), warnings=self.tool.taken_warnings(), errors=errors or {})

    def _listed(self, entries, targets):
        """The machines of the nodes that matter. A name that is missing may be newer than what the cluster tells."""
        nodes = look.nodes_of(entries, targets)
        listed = look.listed_on(self.tool, nodes, entries)
        missing = [one for one in targets or () if not any(_means(one, found) for found in listed)]
        rest = {one["node"] for one in entries} - nodes
        return listed + (look.listed_on(self.tool, rest, entries) if missing and rest else [])

    def listed_everywhere(self):
        """All machines of the cluster as they are now."""
        entries = look.resources(self.tool)
        return look.listed_on(self.tool, {one["node"] for one in entries}, entries)

    def _machine(self, listed, facets, is_twin):
        """One machine with what was asked of it; None where it is gone by now."""
        by_list = (self.only_reports and facets <= _LISTED) or not (
            self.sees_settings or is_twin or facets - {"power", "config"}
        )
        if listed.trouble or by_list:
            return look.machine_of(listed)
        sight = look.sight_of(self.tool, listed)
        if sight is None:
            return None
        vm = look.machine_of(listed, sight, self._native_keys)
        self._sights[vm.id], self._configs[vm.id] = sight, vm.config
        return self._with_more(vm, sight, listed.uptime, facets)

    def _with_more(self, vm, sight, uptime, facets):
        if facets & {"snapshots", "snapshot_configs"}:
            vm = vm.having(snapshots=self._snapshots(sight, facets))
        if "leftovers" in facets:
            vm = vm.having(leftovers=())  # No image holds a snapshot that the server does not know.
        if "files" in facets:
            from .deleting import files_of

            vm = vm.having(files=files_of(self.tool, sight, self._names))
        return self._with_addresses(vm, sight, uptime) if "addresses" in facets else vm

    def _snapshots(self, sight, facets):
        from .snapshots import snapshots_of, with_configs

        found = snapshots_of(self.tool, sight)
        return with_configs(self.tool, sight, found, self._native_keys) if "snapshot_configs" in facets else found

    def _with_addresses(self, vm, sight, uptime):
        if vm.power != RUNNING or (vm.busy and vm.busy not in HARMLESS):
            return vm
        from .addresses import with_addresses

        return with_addresses(self.tool, vm, sight, uptime)

    def _is_unfinished(self, vm):
        sight = self._sights.get(vm.id)
        return sight is not None and sight.is_unfinished

    def _seen_again(self, targets, facets):
        """Machines seen before, as they are now; None where one is no longer where it was."""
        nodes = {self._nodes[target.id] for target in targets}
        listed = {one.vmid: one for one in look.listed_on(self.tool, nodes, ())}
        if not all(target.id in listed for target in targets):
            return None
        return look.each(lambda target: self._again(listed[target.id], facets), targets)

    def _again(self, listed, facets):
        vm = look.machine_of(listed)
        vm = vm.having(config=self._configs.get(vm.id, vm.config))
        sight = self._sights.get(vm.id)
        return self._with_addresses(vm, sight, listed.uptime) if "addresses" in facets and sight is not None else vm

    def sight(self, vmid, node=None):
        """One machine's options as they are in this moment. Raises NotFound where somebody took it away."""
        node = node or self._nodes.get(vmid)
        try:
            if node is not None:
                return Sight.read(self.tool, vmid, node, self._pool(vmid))
        except ApiError as error:
            if not look.is_gone(error):
                raise
        found = next((one for one in look.resources(self.tool) if str(one["vmid"]) == vmid), None)
        if found is None:
            raise NotFound(f"The machine {vmid} is gone: somebody else removed it meanwhile.", "Run the task again.")
        self._nodes[vmid] = found["node"]
        return Sight.read(self.tool, vmid, found["node"], found.get("pool"))

    def pool_now(self, vmid):
        """The pool in which a machine is in this moment; empty for none."""
        found = next((one for one in look.resources(self.tool) if str(one["vmid"]) == vmid), {})
        return found.get("pool") or ""

    def _pool(self, vmid):
        known = self._sights.get(vmid)
        return known.pool if known else None

    def seen(self, vmid):
        """The same, as the last look told it."""
        if vmid not in self._sights:
            self._sights[vmid] = self.sight(vmid)
        return self._sights[vmid]

    def begun(self, name, inputs):
        """The machine of this name that a task has begun to make from ``inputs``, or None.

        Raises Refused for one from something else, and for one that somebody uses.
        """
        if name not in self._begun:
            return None
        sight = self.sight(self._begun[name])
        found = (sight.mark or {}).get("inputs") or {}
        if found != inputs:
            told = ", ".join(f"{key}: {value}" for key, value in sorted(found.items())) or "nothing"
            raise Refused(
                f"{name}: a machine of this name was begun ({sight.vmid}) and not finished, from something else"
                f" ({told}).",
                "Remove it first (state: absent), or finish it with the task that began it.",
            )
        if self.is_running(sight):
            raise Refused(
                f"{name}: a machine of this name was begun ({sight.vmid}), not finished, and somebody has started it.",
                f"Turn it off first (id: '{sight.vmid}', state: stopped).",
            )
        return sight

    def is_managed(self, vmid):
        """Whether the cluster's high availability starts, stops and moves the machine."""
        return vmid in self._managed

    def name_of(self, vmid):
        """The name of the machine with this number; None where there is none."""
        name = self._names.get(vmid)
        if name == f"VM {vmid}":
            # The cluster reports a new name some ten seconds late; the machine's own node knows it at once.
            name = next((one.name for one in self.listed_everywhere() if one.vmid == vmid), None)
        return name

    def may_be_in_the_making(self, vmid, name):
        """Whether who holds this number may be what a task has begun to make under this name."""
        found = next((one for one in look.resources(self.tool) if one["vmid"] == int(vmid)), None)
        if found is None or found.get("lock") in look.CREATED_UNDER:
            # Until it is made it has no name.
            return found is not None
        sight = self.sight(str(vmid), found["node"])
        return sight.is_unfinished and sight.stored.get("name") == name

    def is_being_created(self, vmid):
        found = next((one for one in look.resources(self.tool) if str(one["vmid"]) == vmid), {})
        return found.get("lock") in look.CREATED_UNDER

    def is_running(self, sight):
        return self.tool.get(f"{sight.path}/status/current")["status"] == "running"

    def node_of(self, vmid):
        """Where a machine was at the last look."""
        return self._nodes.get(vmid) or self.sight(vmid).node

    def moved(self, vmid, node):
        """It is on another node by now; None: nobody knows on which."""
        self._nodes[vmid] = node


def _doubts(targets, listed):
    """{name: why it cannot be said} of names that nobody seen has, while machines are there whose names are not seen.

    Some minutes after a node was lost the cluster forgets what its machines are called.
    """
    hidden = sorted({one.node for one in listed if one.nameless})
    missing = [one for one in targets if hidden and not any(_means(one, found) for found in listed)]
    return {
        one.name: NotFound(
            f"{one.name}: whether there is such a machine cannot be said: node '{hidden[0]}' does not answer, and the"
            " names of its machines are not known.",
            "Bring the node back, or remove it from the cluster for good: pvecm status.",
        )
        for one in missing
        if not one.id
    }


def _means(target, listed):
    if target.id and not (target.name and listed.is_unnamed):
        return listed.vmid == target.id
    return listed.name == target.name
