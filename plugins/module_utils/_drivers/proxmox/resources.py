# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proxmox VE: nodes and storages of the cluster: choosing them for new VMs and disks, and checking free space."""

from __future__ import annotations

import threading
from collections import Counter
from functools import cached_property
from typing import Optional

from ..._core.errors import ApiError, NotFound, Refused
from ..._core.frozen import Frozen
from ..._core.units import human_size
from ..._tools.proxmox import Busy
from .cluster import read_resources

#: Types of storages with volumes that are not files, so their only format is raw. LVM can have other formats, too.
_BLOCK_TYPES = frozenset({"iscsi", "iscsidirect", "lvmthin", "rbd", "zfs", "zfspool"})
#: Types of storages that allocate the whole size of a disk at once; the others allocate space when data is written.
_PREALLOCATING_TYPES = frozenset({"lvm"})
#: Storages that are chosen first, if a task sets none.
_PREFERRED = ("local-lvm", "local-zfs", "local")


class Node(Frozen):
    name: str
    online: bool
    #: Memory in bytes.
    used: int
    total: int
    #: None if the account may not see it (Sys.Audit).
    cpus: Optional[int] = None


class Assigned:
    """What a task has assigned to nodes and storages."""

    def __init__(self):
        #: {node: bytes of memory} of new VMs.
        self.memory = Counter()
        #: {name of a new VM: node}.
        self.nodes = {}
        #: {name of a new clone: its VmBefore} (creation_checks.py).
        self.clones = {}
        #: {name of a VM: {(node, storage): bytes}} of disks that the task will create or grow.
        self.storages = {}
        #: Ids of the VMs that the task changes or deletes, or creates with an id of its own choice, and of others that
        #: are not free.
        self.vmids = set()
        #: Names of new VMs that get the next free ids, as the task lists them, and {name: the id reserved for it}.
        self.new_names, self.reserved_vmids = [], {}
        #: Held while the id of a new VM is chosen and its creation is started.
        self.vmid_lock = threading.Lock()


class Resources:
    """The cluster's nodes and storages, read once for a task, and what the task has assigned to them.

    ``resources`` is the list of the cluster if it was already read, else None.
    """

    def __init__(self, tool, resources=None):
        self._tool = tool
        self._resources = resources
        self.assigned = Assigned()
        self._bridges = {}
        #: Nodes of which all storages with volumes of VMs answer.
        self._readable = set()

    @property
    def nodes(self):
        """{name: Node}."""
        return {
            entry["node"]: Node(
                entry["node"],
                entry.get("status") == "online",
                entry.get("mem", 0),
                entry.get("maxmem", 0),
                entry.get("maxcpu"),
            )
            for entry in self._all()
            if entry["type"] == "node"
        }

    def _all(self):
        if self._resources is None:
            self._resources = read_resources(self._tool)
        return self._resources

    def storages(self, node, content):
        """{name: free bytes} of the available storages on a node that allow ``content``, such as images or iso."""
        return {
            entry["storage"]: entry.get("maxdisk", 0) - entry.get("disk", 0)
            for entry in self._all()
            if entry["type"] == "storage"
            and entry["node"] == node
            and entry.get("status") == "available"
            and content in entry.get("content", "").split(",")
        }

    @property
    def taken_vmids(self):
        """The ids of the VMs and containers that the account can see."""
        return {int(entry["vmid"]) for entry in self._all() if "vmid" in entry}

    def check_number(self, label, node, vmid):
        """Raise Refused if a storage of a node holds volumes with the number of a new VM, or does not answer.

        The VM would get volumes of somebody else: a restore attaches them. None is the next number without volumes. The
        node of a clone can be unknown (None) while its source does not exist.
        """
        if node is None or (node in self._readable if vmid is None else int(vmid) in self.taken_vmids):
            return
        left = self.left_volumes(label, node, vmid or self.next_vmid)
        self._readable.add(node)
        if left and vmid is not None:
            raise Refused(
                f"{label}: no VM has the number {vmid}, but node '{node}' has volumes with it: {', '.join(left)}. They"
                " would be deleted with the new VM.",
                f"Use another number, or delete the volumes if nobody needs them: pvesm free {left[0]}",
            )

    def left_volumes(self, label, node, vmid):
        """The volumes with a number in their names that the storages of a node hold now."""
        named = [one for one in self._all() if one["type"] == "storage" and one["node"] == node]
        storages = sorted(one["storage"] for one in named if "images" in one.get("content", "").split(","))
        return [volume for storage in storages for volume in self._left_on(label, node, storage, vmid)]

    def _left_on(self, label, node, storage, vmid):
        try:
            # With the number, the server lists volumes that the account could not see otherwise.
            found = self._tool.get(f"/nodes/{node}/storage/{storage}/content", content="images", vmid=vmid)
        except Busy:
            raise
        except ApiError as error:
            raise Refused(
                f"{label}: storage '{storage}' on node '{node}' does not list its volumes: {error.message} A new VM"
                f" could get volumes of somebody else with the number {vmid}.",
                f"Make the storage available, or disable it: pvesm set {storage} --disable 1",
            ) from error
        return sorted(entry["volid"] for entry in found)

    def may_have_vm_named(self, name):
        """Whether a VM has this name, or was so new or empty at the last report that its name is not known."""
        entries = (entry for entry in self._all() if "vmid" in entry)
        return any(entry.get("name") in (name, None, f"VM {entry['vmid']}") for entry in entries)

    @cached_property
    def next_vmid(self):
        """The next free VM id, as text."""
        return self._tool.get("/cluster/nextid")

    @cached_property
    def _status(self):
        return self._tool.get("/cluster/status")

    @property
    def quorate(self):
        """Whether the cluster has a quorum; True for a node without a cluster."""
        return all(entry.get("quorate", 1) for entry in self._status if entry.get("type") == "cluster")

    @property
    def identity(self):
        """The names and addresses of all nodes, which are the same whichever node is asked."""
        return frozenset((entry["name"], entry.get("ip")) for entry in self._status if entry.get("type") == "node")

    def _storage_entries(self, storage):
        """The entries of a storage: one for each node that has it."""
        return [entry for entry in self._all() if entry["type"] == "storage" and entry["storage"] == storage]

    def nodes_with(self, storage):
        """The names of all nodes that have a storage, also of those that are offline."""
        return {entry["node"] for entry in self._storage_entries(storage)}

    def type_of(self, storage):
        """The type of a storage, such as lvmthin; None if it is not visible."""
        return next((entry.get("plugintype") for entry in self._all() if entry.get("storage") == storage), None)

    def free_bytes(self, node, storage):
        """Free bytes on a node's storage; None if the cluster does not report them."""
        found = next((entry for entry in self._storage_entries(storage) if entry["node"] == node), {})
        return found["maxdisk"] - found.get("disk", 0) if found.get("maxdisk") else None

    def reserve(self, label, node, needed):
        """Record {storage: bytes} that a VM needs for new disks and growth."""
        self.assigned.storages[label] = {(node, storage): size for storage, size in needed.items()}

    def reserved(self, node, storage):
        """Bytes that all VMs of the task need on a storage."""
        shared = self.is_shared(storage)
        return sum(
            size
            for needed in self.assigned.storages.values()
            for (other, name), size in needed.items()
            if name == storage and (shared or other == node)
        )

    def bridges(self, node):
        """{name: entry} of a node's bridges that the account can see."""
        if node not in self._bridges:
            reported = self._tool.get(f"/nodes/{node}/network", type="any_bridge")
            self._bridges[node] = {entry["iface"]: entry for entry in reported}
        return self._bridges[node]

    def is_local(self, volume):
        """Whether a volume is on a storage that is not shared by the nodes. False if the storage is not visible."""
        found = self._storage_entries(volume.partition(":")[0])
        return bool(found) and not any(entry.get("shared") for entry in found)

    def is_shared(self, storage):
        return any(entry.get("shared") for entry in self._storage_entries(storage))

    def holds_files(self, storage):
        """Whether volumes are files, so they can have other formats than raw; True if the storage is not visible."""
        types = {entry.get("plugintype") for entry in self._storage_entries(storage)}
        return not types & _BLOCK_TYPES

    def check_node(self, label, name):
        nodes = self.nodes
        if name not in nodes:
            raise NotFound(f"{label}: there is no node '{name}'.", f"Its nodes: {', '.join(sorted(nodes))}.")
        if not nodes[name].online:
            raise Refused(f"{label}: node '{name}' is not online.", "Use another node, or start it again.")

    def check_cpus(self, label, name, cpus):
        """Raise Refused if a VM has too many CPUs to run on a node. If they are not known, the server does that."""
        node = self.nodes.get(name)
        if node is not None and node.cpus and cpus and cpus > node.cpus:
            raise Refused(
                f"{label}: cpus: it has {cpus} CPUs, and node '{name}' has {node.cpus}. No node runs a VM with more"
                " CPUs than its own.",
                f"Set cpus to {node.cpus} or less, or use another node.",
            )

    def choose_node(self, label, storage, memory, check=lambda node: None):
        """The node with the most free memory that has the storage (None: any) and for which ``check`` raises no error.

        ``memory`` is assigned to this node, and the next call for the same VM returns the same node.
        """
        if label not in self.assigned.nodes:
            node = self._first_valid(self._candidates(label, storage), check)
            self.assigned.nodes[label] = node
            self.assigned.memory[node] += memory
        return self.assigned.nodes[label]

    @staticmethod
    def _first_valid(nodes, check):
        """The first node for which ``check`` raises no error. If there is none, raises the error of the first node."""
        failures = []
        for node in nodes:
            try:
                check(node)
            except (NotFound, Refused) as error:
                failures.append(error)
            else:
                return node
        raise failures[0]

    def _candidates(self, label, storage):
        """Names of the online nodes that have the storage (None: any), the one with the most free memory first."""
        fitting = [node for node in self.nodes.values() if node.online and self._has_storage(node.name, storage)]
        if not fitting:
            what = f"the storage '{storage}'" if storage else "a storage for disks"
            raise NotFound(f"{label}: no node that is online has {what}.", "Set a node and one of its storages.")
        fitting.sort(key=lambda node: (node.used + self.assigned.memory[node.name] - node.total, node.name))
        return [node.name for node in fitting]

    def _has_storage(self, node, storage):
        found = self.storages(node, "images")
        return storage in found if storage else bool(found)

    def choose_storage(self, label, node, content, requested=None):
        """The requested storage, else a preferred one, else the one with the most free space.

        A requested storage that does not allow ``content`` is an error for disks only.
        """
        found = self.storages(node, content)
        if requested and requested in found:
            return requested
        if requested and content == "images":
            known = ", ".join(sorted(found)) or "none"
            raise NotFound(f"{label}: node '{node}' has no storage '{requested}' for disks.", f"It has: {known}.")
        if not found:
            raise NotFound(
                f"{label}: node '{node}' has no storage for {content}.",
                "Use another node, or give the account Datastore.Audit on one of its storages.",
            )
        preferred = [name for name in _PREFERRED if name in found]
        return preferred[0] if preferred else max(found, key=lambda name: (found[name], name))


def storage_for(driver, node, label=""):
    """The storage for new disks on a node."""
    return driver.resources.choose_storage(label, node, "images", driver.storage)


def check_quorum(driver, plan):
    """Raise Refused if the cluster has no quorum. If the account may not read this, the server reports it later."""
    try:
        quorate = not plan.steps or driver.resources.quorate
    except (ApiError, Refused):
        return
    if not quorate:
        raise Refused(
            f"{plan.after.name}: the cluster has no quorum, so it takes no changes.",
            "Start the missing nodes again: pvecm status.",
        )


def check_space(driver, label, node, needed):
    """Raise Refused if new disks and growth do not fit; ``needed`` is {storage: bytes}.

    If a storage allocates space only when data is written, over-provisioning is a warning.
    """
    driver.resources.reserve(label, node, needed)
    for storage, size in sorted(needed.items()):
        free, all_needed = driver.resources.free_bytes(node, storage), driver.resources.reserved(node, storage)
        if free is None or all_needed <= free:
            continue
        others = f" ({human_size(all_needed)} with the other VMs of the task)" if all_needed > size else ""
        found = f"{label}: disks: storage '{storage}' on node '{node}' has {human_size(max(free, 0))} free, and"
        if free <= 0 or driver.resources.type_of(storage) in _PREALLOCATING_TYPES:
            raise Refused(
                f"{found} {human_size(size)} are needed{others}.", "Free space on it, or set storage to another one."
            )
        driver.tool.warn(f"{found} the disks may take up to {human_size(size)}{others}: it is over-provisioned.")
