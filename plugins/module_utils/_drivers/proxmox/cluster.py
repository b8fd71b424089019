# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The VMs of a cluster as its nodes list them: one call returns where they are, one for each node their state.

What the cluster reports at once is about ten seconds old, except for nodes, locks and pools: so names and powers are
read from the nodes themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Optional

from ..._lifecycle.errors import ApiError
from ..._lifecycle.mark import UNFINISHED
from ..._lifecycle.model import FAILED, PAUSED, RUNNING, STOPPED, SUSPENDED, UNKNOWN, Counters, Vm
from ..._lifecycle.units import MIB
from ..._ports.proxmox_api import CONNECTIONS
from ..._tools import proxmox_values as values
from ..._tools.proxmox import NODE_ERRORS
from . import mark
from .settings.table import Context, config_of, running_config_of

#: How many calls justify one more connection, and how many connections are opened in any case.
_CALLS_EACH, _NODES = 4, 3
#: Locks of VMs that are being created, which may have no name yet.
CREATED_UNDER = ("create", "clone")
#: What QEMU reports if it does not simply run. A guest that sleeps (suspended) is woken by a resume. After
#: a shutdown during a backup QEMU stays until the backup has ended; nothing runs in it.
_EMULATOR = {
    "paused": PAUSED, "prelaunch": PAUSED, "postmigrate": PAUSED, "suspended": PAUSED, "io-error": FAILED,
    "internal-error": FAILED, "guest-panicked": FAILED, "watchdog": FAILED, "shutdown": FAILED,
}  # fmt: skip
#: The same for states that pass: QEMU reads or writes the guest's memory.
_PASSING = frozenset({"inmigrate", "finish-migrate", "restore-vm", "save-vm"})
#: A lock that is none: it means that the memory lies on disk.
_SAVED = "suspended"
#: Locks of work that does not affect the state of a VM.
HARMLESS = frozenset({"backup", "snapshot", "snapshot-delete"})


@dataclass(frozen=True)
class Listed:
    """A VM as its node lists it now; ``error`` says why the node does not, and then it may be ``nameless``."""

    vmid: str
    node: str
    name: str
    status: str = ""
    emulator: Optional[str] = None
    lock: Optional[str] = None
    pool: Optional[str] = None
    cpus: Optional[int] = None
    memory: Optional[int] = None
    template: bool = False
    tags: str = ""
    uptime: int = 0
    error: str = ""
    nameless: bool = False
    memory_used: Optional[int] = None

    @property
    def is_unnamed(self):
        """Whether it is being created and has no name yet: its id alone does not say that it is the VM of a task."""
        return self.lock in CREATED_UNDER and self.name == f"VM {self.vmid}"


@dataclass(frozen=True)
class VmOptions:
    """``stored`` are its options at its next start, ``running`` those of now; ``digest`` changes with them."""

    vmid: str
    node: str
    stored: Mapping
    running: Mapping
    digest: Optional[str] = None
    pool: Optional[str] = None

    @classmethod
    def read(cls, tool, vmid, node, pool=None):
        stored, running, digest = {}, {}, None
        for entry in tool.get(f"/nodes/{node}/qemu/{vmid}/pending"):
            key = entry["key"]
            if key == "digest":
                digest = entry.get("value")
                continue
            if "value" in entry:
                running[key] = str(entry["value"])
            if "pending" in entry:
                stored[key] = str(entry["pending"])
            elif "value" in entry and not entry.get("delete"):
                stored[key] = str(entry["value"])
        return cls(str(vmid), node, _with_true_sizes(stored, running), running, digest, pool)

    @property
    def path(self):
        return f"/nodes/{self.node}/qemu/{self.vmid}"

    @property
    def mark(self):
        return mark.split(self.stored.get("description"))[1]

    @property
    def is_unfinished(self):
        return mark.is_unfinished(self.vmid, self.mark)


def _with_true_sizes(stored, running):
    """A disk grows at once; what waits for the next start still has the size that it had."""
    sized = dict(stored)
    for key in [key for key in stored if values.bus_of(key) and stored[key] != running.get(key)]:
        waiting, present = (values.parse(key, text) for text in (stored[key], running.get(key, "")))
        if waiting.get("file") == present.get("file") and "size" in present:
            sized[key] = values.printed(key, {**waiting, "size": present["size"]})
    return sized


def each(action, items):
    """``action`` on all items, some at a time: a further connection is opened only for several calls."""
    items = list(items)
    if len(items) < 2:
        return [action(one) for one in items]
    with ThreadPoolExecutor(max_workers=min(CONNECTIONS, max(_NODES, len(items) // _CALLS_EACH))) as pool:
        return list(pool.map(action, items))


def resources(tool):
    """Every VM of the cluster, of which place, lock and pool are of now, and the name may be missing."""
    return [one for one in tool.get("/cluster/resources", type="vm") if one.get("type") == "qemu"]


def nodes_of(entries, targets):
    """The nodes on which ``targets`` (None: all) are, or may be: a name may be newer than the list."""
    if targets is None:
        return {one["node"] for one in entries}
    ids = {target.id for target in targets if target.id}
    names = {target.name for target in targets if not target.id}
    return {
        one["node"]
        for one in entries
        if str(one["vmid"]) in ids or (names and (one.get("name") in names or one.get("name") in (None, "")))
    }


def listed_on(tool, nodes, entries):
    """The VMs of some nodes as they are now; of a node that does not answer, those that were there."""
    pools = {str(one["vmid"]): one.get("pool") for one in entries}
    found = each(lambda node: _list(tool, node, pools, entries), sorted(nodes))
    return [one for vms in found for one in vms]


def _list(tool, node, pools, entries):
    try:
        reported = tool.get(f"/nodes/{node}/qemu", full=True)
    except ApiError as error:
        if error.status not in NODE_ERRORS:
            raise
        return [
            Listed(
                str(one["vmid"]),
                node,
                one.get("name") or f"VM {one['vmid']}",
                error=error.message,
                nameless=not one.get("name"),
            )
            for one in entries
            if one["node"] == node
        ]
    return [_listed(one, node, pools.get(str(one["vmid"]))) for one in reported]


def _listed(reported, node, pool):
    return Listed(
        vmid=str(reported["vmid"]),
        node=node,
        name=reported.get("name") or f"VM {reported['vmid']}",
        status=reported["status"],
        emulator=reported.get("qmpstatus"),
        lock=reported.get("lock"),
        pool=pool,
        cpus=reported.get("cpus"),
        memory=reported.get("maxmem"),
        template=bool(reported.get("template")),
        tags=reported.get("tags") or "",
        uptime=reported.get("uptime") or 0,
        # Since Proxmox VE 9 that of the host; before, what the guest uses.
        memory_used=reported.get("memhost", reported.get("mem")),
    )


def listed_in_cluster(entries):
    """The VMs as the cluster lists them: no further call, but names and states are up to about ten seconds old."""
    return [_listed_in_cluster(one) for one in entries]


def _listed_in_cluster(entry):
    status = entry.get("status") or "unknown"
    reported = {**entry, "cpus": entry.get("maxcpu"), "status": "stopped" if status == "stopped" else "running"}
    # Here, and not in the lists of the nodes, the status is what QEMU reports.
    reported["qmpstatus"] = None if status == "stopped" else status
    listed = _listed(reported, entry["node"], entry.get("pool"))
    return replace(listed, error=f"{entry['node']} has not reported it.") if status == "unknown" else listed


def vm_of(listed, vm_options=None, native_keys=()):
    """One VM as found; without its options only what its node lists of it."""
    if listed.error:
        return Vm(listed.name, listed.vmid, UNKNOWN, reason=listed.error, config={"node": listed.node})
    power, busy, reason = power_of(listed.status, listed.emulator, listed.lock)
    vm = Vm(listed.name, listed.vmid, power, reason, busy, config=_outline(listed), counters=_counters(listed))
    if vm_options is None:
        return vm
    context = Context(listed.node, listed.vmid, vm_options.pool, native_keys)
    return vm.having(
        config=config_of(vm_options.stored, context),
        active=None if power == STOPPED else running_config_of(vm_options.running, context),
        mark=vm_options.mark,
        reason=UNFINISHED if vm_options.is_unfinished else reason,
    )


def _counters(listed):
    is_on = listed.uptime > 0
    return Counters(memory_used=listed.memory_used if is_on else None, uptime=listed.uptime if is_on else None)


def _outline(listed):
    """What a list reports of a VM's settings."""
    return {
        "cpus": listed.cpus,
        "memory": listed.memory and listed.memory // MIB * MIB,
        "tags": tuple(sorted(tag for tag in listed.tags.split(";") if tag)),
        "template": listed.template,
        "node": listed.node,
        "pool": listed.pool or "",
    }


def options_of_listed(tool, listed):
    """A listed VM's options; None if it no longer exists."""
    try:
        return VmOptions.read(tool, listed.vmid, listed.node, listed.pool)
    except ApiError as error:
        if is_gone(error):
            return None
        raise


def is_gone(error):
    return "does not exist" in error.message and "Configuration file" in error.message


def power_of(status, emulator, lock):
    """(power, what keeps others out or None, reason) of a VM."""
    busy = lock if lock and lock != _SAVED else None
    if status != "running":
        return (SUSPENDED if lock in (_SAVED, "suspending") else STOPPED), busy, ""
    word = emulator or status
    busy = busy or (word if word in _PASSING else None)
    return _EMULATOR.get(word, RUNNING), busy, "" if word == "running" else word
