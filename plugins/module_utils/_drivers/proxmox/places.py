# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where VMs and their disks are: nodes and storages, which of them are chosen, and whether they have room."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property

from ..._lifecycle.errors import ApiError, NotFound, Refused
from ..._lifecycle.units import human_size

#: Kinds of storages whose volumes are no files, so that they hold raw data alone. LVM can have others, too.
_BLOCKS = frozenset({"iscsi", "iscsidirect", "lvmthin", "rbd", "zfs", "zfspool"})
#: Kinds of storages that allocate the whole size of a disk at once; the others grow with what is written.
_THICK = frozenset({"lvm"})
_USUAL = ("local-lvm", "local-zfs", "local")


@dataclass(frozen=True)
class Node:
    name: str
    online: bool
    #: Bytes of memory.
    used: int
    total: int


class Places:
    """The cluster's nodes and storages, read once for a task, and what the task has placed on them."""

    def __init__(self, tool):
        self._tool = tool
        self._resources = None
        self._put = Counter()
        #: {name of a new VM: node}.
        self._chosen = {}
        #: {name of a VM: {(node, storage): bytes}} of disks that the task is to create.
        self._reserved = {}
        self._quorate = None
        self._bridges = {}

    @property
    def nodes(self):
        """{name: Node}."""
        return {
            one["node"]: Node(one["node"], one.get("status") == "online", one.get("mem", 0), one.get("maxmem", 0))
            for one in self._all()
            if one["type"] == "node"
        }

    def _all(self):
        if self._resources is None:
            self._resources = self._tool.get("/cluster/resources")
        return self._resources

    def storages(self, node, content):
        """{name: bytes that are free} of a node's usable storages that take ``content``."""
        return {
            one["storage"]: one.get("maxdisk", 0) - one.get("disk", 0)
            for one in self._all()
            if one["type"] == "storage"
            and one["node"] == node
            and one.get("status") == "available"
            and content in one.get("content", "").split(",")
        }

    @cached_property
    def next_number(self):
        """The number that the next new VM would get."""
        return self._tool.get("/cluster/nextid")

    @property
    def quorate(self):
        """Whether the cluster takes changes; a node without a cluster always does."""
        if self._quorate is None:
            reported = [one for one in self._tool.get("/cluster/status") if one.get("type") == "cluster"]
            self._quorate = all(one.get("quorate", 1) for one in reported)
        return self._quorate

    def _storage(self, node, storage):
        found = (one for one in self._all() if one["type"] == "storage" and one["storage"] == storage)
        return next((one for one in found if one["node"] == node), None)

    def kind_of(self, storage):
        return next((one.get("plugintype") for one in self._all() if one.get("storage") == storage), None)

    def free(self, node, storage):
        """Bytes that are free on a node's storage; None where the cluster does not say."""
        found = self._storage(node, storage) or {}
        return found["maxdisk"] - found.get("disk", 0) if found.get("maxdisk") else None

    def reserve(self, label, node, wanted):
        self._reserved[label] = {(node, storage): size for storage, size in wanted.items()}

    def reserved(self, node, storage):
        """Bytes that all VMs of the task want on a storage."""
        shared = self.is_shared(storage)
        return sum(
            size
            for wanted in self._reserved.values()
            for (where, name), size in wanted.items()
            if name == storage and (shared or where == node)
        )

    def bridges(self, node):
        """Names of a node's bridges; empty where the account may see none."""
        if node not in self._bridges:
            reported = self._tool.get(f"/nodes/{node}/network", type="any_bridge")
            self._bridges[node] = frozenset(one["iface"] for one in reported)
        return self._bridges[node]

    def is_local(self, volume):
        """Whether each node has volumes of its own on that storage; one that is not seen may be a shared one."""
        storage = volume.partition(":")[0]
        found = [one for one in self._all() if one["type"] == "storage" and one["storage"] == storage]
        return bool(found) and not any(one.get("shared") for one in found)

    def is_shared(self, storage):
        return any(one.get("shared") for one in self._all() if one["type"] == "storage" and one["storage"] == storage)

    def holds_files(self, storage):
        kinds = {one.get("plugintype") for one in self._all() if one["type"] == "storage" and one["storage"] == storage}
        return not kinds & _BLOCKS

    def check_node(self, label, name):
        nodes = self.nodes
        if name not in nodes:
            raise NotFound(f"{label}: there is no node '{name}'.", f"Its nodes: {', '.join(sorted(nodes))}.")
        if not nodes[name].online:
            raise Refused(f"{label}: node '{name}' is not online.", "Use another node, or start it again.")

    def choose_node(self, label, storage, memory, check=lambda node: None):
        """The node with the most memory left of those that have the storage (or any) and that ``check`` lets pass.

        The VM counts as placed there, and the next call for the same VM returns the same node.
        """
        if label not in self._chosen:
            self._chosen[label] = self._checked(self._ranked(label, storage), check)
            self._put[self._chosen[label]] += memory
        return self._chosen[label]

    @staticmethod
    def _checked(nodes, check):
        """The first node that passes. Raises the error of the best one if none passes."""
        failures = []
        for node in nodes:
            try:
                check(node)
            except (NotFound, Refused) as error:
                failures.append(error)
            else:
                return node
        raise failures[0]

    def _ranked(self, label, storage):
        fitting = [node for node in self.nodes.values() if node.online and self._has(node.name, storage)]
        if not fitting:
            what = f"the storage '{storage}'" if storage else "a storage for disks"
            raise NotFound(f"{label}: no node that is online has {what}.", "Set a node and one of its storages.")
        fitting.sort(key=lambda node: (node.used + self._put[node.name] - node.total, node.name))
        return [node.name for node in fitting]

    def _has(self, node, storage):
        found = self.storages(node, "images")
        return storage in found if storage else bool(found)

    def choose_storage(self, label, node, content, requested=None):
        """The requested storage, else a usual one, else the one with the most free space."""
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
        usual = [one for one in _USUAL if one in found]
        return usual[0] if usual else max(found, key=lambda one: (found[one], one))


def storage_for(driver, node, label=""):
    """The storage of new disks on a node."""
    return driver.places.choose_storage(label, node, "images", driver.storage)


def check_quorum(driver, label):
    """Raise Refused if the cluster has no quorum; an account that may not read this gets the server's error."""
    try:
        reported = driver.places.quorate
    except (ApiError, Refused):
        return
    if not reported:
        raise Refused(
            f"{label}: the cluster has no quorum, so it takes no changes.",
            "Start the missing nodes again: pvecm status.",
        )


def check_space(driver, label, node, wanted):
    """``wanted`` is {storage: bytes} of new disks and growth. Raise Refused for what cannot fit.

    A storage that allocates what is written only may promise more than it has: that is a warning.
    """
    driver.places.reserve(label, node, wanted)
    for storage, size in sorted(wanted.items()):
        free, all_wanted = driver.places.free(node, storage), driver.places.reserved(node, storage)
        if free is None or all_wanted <= free:
            continue
        others = f" ({human_size(all_wanted)} with the other VMs of the task)" if all_wanted > size else ""
        found = f"{label}: disks: storage '{storage}' on node '{node}' has {human_size(max(free, 0))} free, and"
        if free <= 0 or driver.places.kind_of(storage) in _THICK:
            raise Refused(
                f"{found} {human_size(size)} are needed{others}.", "Free space on it, or set storage to another one."
            )
        driver.tool.warn(f"{found} the disks may take up to {human_size(size)}{others}: it is over-provisioned.")
