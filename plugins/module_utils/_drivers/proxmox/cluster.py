# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proxmox VE: lists of the VMs of a cluster, and the options of a VM.

One call returns the nodes of all VMs (``/cluster/resources``), one call for each node the state of its VMs. The list of
the cluster is about ten seconds old, except for nodes, locks and pools. So names and power states are read from the
nodes.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Optional

from ..._core.errors import ApiError
from ..._core.frozen import Frozen, replace
from ..._core.model import FAILED, PAUSED, RUNNING, STOPPED, SUSPENDED, UNKNOWN, Counters, Vm
from ..._core.pattern import Pattern
from ..._core.record import mark as marks
from ..._core.units import MIB
from ..._ports.proxmox_api import CONNECTIONS
from ..._tools import proxmox_values as values
from ..._tools.proxmox import NODE_ERRORS
from . import mark
from .settings.disks import volumes_of
from .settings.iso import reserved_slots
from .settings.native import not_modelled
from .settings.table import Context, config_of, running_config_of

#: How many calls share a connection, and the least number of connections for several calls.
_CALLS_PER_CONNECTION, _MIN_CONNECTIONS = 4, 3
#: How often a list is read again if a VM was deleted meanwhile.
_REPEATS = 4
#: Locks of VMs that are being created; these may have no name yet.
CREATION_LOCKS = ("create", "clone")
#: {status of QEMU: power state}; others are RUNNING. A sleeping guest (suspended) is woken by a resume. After a
#: shutdown during a backup, QEMU exists until the backup has ended, without a running guest (shutdown).
_POWER_OF_QEMU_STATUS = {
    "paused": PAUSED, "prelaunch": PAUSED, "postmigrate": PAUSED, "suspended": PAUSED, "io-error": FAILED,
    "internal-error": FAILED, "guest-panicked": FAILED, "watchdog": FAILED, "shutdown": FAILED,
}  # fmt: skip
#: Temporary statuses of QEMU while it reads or writes the guest's memory.
_TRANSIENT_QEMU_STATUSES = frozenset({"inmigrate", "finish-migrate", "restore-vm", "save-vm"})
#: The lock of a VM after its memory was saved on disk; it does not mean that a task is working on the VM.
_SUSPENDED_LOCK = "suspended"
#: (lock, status) of a VM that is backed up, and what the log of the job says of each VM.
_SAVED = ("backup", "running")
_SAVED_VM = Pattern(r"Starting Backup of VM (\d+) .*\n(?:.*\n)??INFO: status = (\w+)")
#: Locks of tasks that do not change the state of a VM.
HARMLESS_LOCKS = frozenset({"backup", "snapshot", "snapshot-delete"})


class ListedVm(Frozen):
    """A VM in the list of its node. ``error``: why the node did not answer; then the name may be unknown, too.

    ``qemu_status`` is the status that QEMU reports, ``memory`` and ``memory_used`` are bytes, ``uptime`` is seconds.
    """

    vmid: str
    node: str
    name: str
    status: str = ""
    qemu_status: Optional[str] = None
    lock: Optional[str] = None
    pool: Optional[str] = None
    cpus: Optional[int] = None
    memory: Optional[int] = None
    template: bool = False
    tags: str = ""
    uptime: int = 0
    error: str = ""
    has_unknown_name: bool = False
    memory_used: Optional[int] = None

    @property
    def is_unnamed(self):
        """Whether it is being created and has no name yet, so its id does not prove that it is the VM of a task."""
        return self.lock in CREATION_LOCKS and self.name == f"VM {self.vmid}"

    @property
    def keys(self):
        """The keys of the targets that select this VM: see ``keys_of``."""
        of_both = ("name of both", self.name) if self.is_unnamed else ("id of both", self.vmid)
        return {("id", self.vmid), ("name", self.name), of_both}


def keys_of(target):
    """The keys of a target: an id and a name together select a VM by its id, or by its name while it has none yet."""
    if target.id and target.name:
        return {("id of both", target.id), ("name of both", target.name)}
    return {target.key}


def selected(listed, targets):
    """Those of the listed VMs that ``targets`` select; None: all."""
    wanted = {key for target in targets or () for key in keys_of(target)}
    return [vm for vm in listed if targets is None or vm.keys & wanted]


def missing(targets, listed):
    """Those of ``targets`` that select no listed VM."""
    found = {key for vm in listed for key in vm.keys}
    return [target for target in targets or () if not keys_of(target) & found]


class VmOptions(Frozen):
    """The options of a VM: ``stored`` are those of its next start, ``running`` the current ones.

    ``digest`` identifies the stored version: the server rejects a change with an outdated digest.
    """

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
    def all(self):
        """The options of now, and those of the next start where only these have them."""
        return {**self.stored, **self.running}

    @property
    def path(self):
        return f"/nodes/{self.node}/qemu/{self.vmid}"

    @property
    def mark(self):
        return mark.split_notes(self.stored.get("description"))[1]

    @property
    def birth(self):
        """What identifies the VM at its next start; empty if that is not known."""
        return mark.birth_of(self.vmid, self.stored)

    @property
    def own_mark(self):
        """The mark, if it is of this VM; else None."""
        return self.mark if mark.is_of(self.vmid, self.mark, self.birth) else None

    @property
    def inputs(self):
        """What the VM was created from, as far as its mark records it."""
        return (self.own_mark or {}).get("inputs") or {}

    @property
    def is_unfinished(self):
        return marks.is_unfinished(self.own_mark)


def _with_true_sizes(stored, running):
    """The stored options with the current sizes of disks.

    A disk is resized at once, but a change that waits for the next start still contains the old size.
    """
    sized = dict(stored)
    for key in [key for key in stored if values.bus_of(key) and stored[key] != running.get(key)]:
        waiting, current = (values.parse(key, text) for text in (stored[key], running.get(key, "")))
        if waiting.get("file") == current.get("file") and "size" in current:
            sized[key] = values.printed(key, {**waiting, "size": current["size"]})
    return sized


def in_parallel(action, items):
    """The results of ``action`` for all items, several at a time."""
    items = list(items)
    if len(items) < 2:
        return [action(item) for item in items]
    workers = min(CONNECTIONS, max(_MIN_CONNECTIONS, len(items) // _CALLS_PER_CONNECTION))
    with ThreadPoolExecutor(max_workers=workers) as pool:
        return list(pool.map(action, items))


def read_resources(tool):
    """The list of the cluster: VMs, containers, nodes, storages and pools."""
    return tool.get("/cluster/resources")


def vm_entries(tool):
    """All VMs in the list of the cluster. Node, lock and pool are up to date; the name may be missing."""
    return vms_in(tool.get("/cluster/resources", type="vm"))


def vms_in(resources):
    return [entry for entry in resources if entry.get("type") == "qemu"]


def nodes_to_list(entries, targets):
    """The nodes to list for ``targets`` (None: all VMs): also nodes of VMs without a name, which may be new."""
    if targets is None:
        return {entry["node"] for entry in entries}
    ids = {target.id for target in targets if target.id}
    names = {target.name for target in targets if not target.id}
    return {
        entry["node"]
        for entry in entries
        if str(entry["vmid"]) in ids or (names and (entry.get("name") in names or entry.get("name") in (None, "")))
    }


def list_on_nodes(tool, nodes, entries):
    """The VMs on ``nodes``; for a node that does not answer, those of ``entries``, with an error."""
    pools = {str(entry["vmid"]): entry.get("pool") for entry in entries}
    found = in_parallel(lambda node: _list(tool, node, pools, entries), sorted(nodes))
    return [vm for vms in found for vm in vms]


def _list(tool, node, pools, entries):
    try:
        reported = _report_of(tool, node)
    except ApiError as error:
        if error.status not in NODE_ERRORS:
            raise
        return [
            ListedVm(
                str(entry["vmid"]),
                node,
                entry.get("name") or f"VM {entry['vmid']}",
                pool=entry.get("pool"),
                tags=entry.get("tags") or "",
                error=error.message,
                has_unknown_name=not entry.get("name"),
            )
            for entry in entries
            if entry["node"] == node
        ]
    listed = [_listed(entry, node, pools.get(str(entry["vmid"]))) for entry in reported]
    saved = _stopped_in_backups(tool, node) if any((vm.lock, vm.status) == _SAVED for vm in listed) else ()
    return [
        replace(vm, status="stopped", uptime=0) if vm.vmid in saved and vm.lock == "backup" else vm for vm in listed
    ]


def _stopped_in_backups(tool, node):
    """The ids of the VMs that running backup jobs found stopped: until such a job ends, the lists show them as running.

    Only the log of the job shows that (recorded: vzdump_busy).
    """
    logs = ("\n".join(tool.log(task["upid"])) for task in tool.running_tasks(node, "vzdump"))
    return {vmid for log in logs for vmid, status in _SAVED_VM.findall(log) if status == "stopped"}


def _report_of(tool, node):
    """The list of a node's VMs. The node reports an error if any VM is deleted meanwhile: then it is read again."""
    for _attempt in range(_REPEATS):
        try:
            return tool.get(f"/nodes/{node}/qemu", full=True)
        except ApiError as error:
            if not is_gone(error):
                raise
    return tool.get(f"/nodes/{node}/qemu", full=True)


def _listed(reported, node, pool):
    return ListedVm(
        vmid=str(reported["vmid"]),
        node=node,
        name=reported.get("name") or f"VM {reported['vmid']}",
        status=reported["status"],
        qemu_status=reported.get("qmpstatus"),
        lock=reported.get("lock"),
        pool=pool,
        cpus=reported.get("cpus"),
        memory=reported.get("maxmem"),
        template=bool(reported.get("template")),
        tags=reported.get("tags") or "",
        uptime=reported.get("uptime") or 0,
        # Since Proxmox VE 9 the memory used on the host; before, the memory used in the guest.
        memory_used=reported.get("memhost", reported.get("mem")),
    )


def listed_from_entries(entries):
    """The VMs in the list of the cluster, without further calls; names and states are up to about ten seconds old."""
    return [_listed_from_entry(entry) for entry in entries]


def _listed_from_entry(entry):
    status = entry.get("status") or "unknown"
    reported = {**entry, "cpus": entry.get("maxcpu"), "status": "stopped" if status == "stopped" else "running"}
    # In this list, unlike those of the nodes, ``status`` is the status that QEMU reports.
    reported["qmpstatus"] = None if status == "stopped" else status
    listed = _listed(reported, entry["node"], entry.get("pool"))
    return replace(listed, error=f"{entry['node']} has not reported it.") if status == "unknown" else listed


def vm_of(listed, vm_options=None, native_keys=()):
    """The Vm for a listed one; without ``vm_options`` it has only the settings in the list of its node."""
    if listed.error:
        return Vm(listed.name, listed.vmid, UNKNOWN, reason=listed.error, config=_known_config(listed))
    power, busy, reason = power_of(listed.status, listed.qemu_status, listed.lock)
    vm = Vm(listed.name, listed.vmid, power, reason, busy, config=_listed_config(listed), counters=_counters(listed))
    if vm_options is None:
        return vm
    context = Context(listed.node, listed.vmid, vm_options.pool, native_keys, vm_options.own_mark)
    return vm.having(
        config=config_of(vm_options.stored, context),
        active=None if power == STOPPED else running_config_of(vm_options.running, context),
        mark=vm_options.mark,
        birth=vm_options.birth,
        revision=vm_options.digest,
        generation=vm_options.stored.get("vmgenid"),
        reserved=reserved_slots(vm_options.stored),
        reason=marks.UNFINISHED if vm_options.is_unfinished else reason,
        not_modelled=lambda: not_modelled(vm_options.stored),
        # The number in the name of a volume is that of its VM, whoever has created it.
        own_disks=frozenset(
            volume for volume in volumes_of(vm_options.stored).values() if values.owner_of(volume) == listed.vmid
        ),
    )


def _counters(listed):
    is_on = listed.uptime > 0
    return Counters(memory_used=listed.memory_used if is_on else None, uptime=listed.uptime if is_on else None)


def _listed_config(listed):
    """The settings of a VM that a list contains."""
    return {
        "cpus": listed.cpus,
        "memory": listed.memory and listed.memory // MIB * MIB,
        "template": listed.template,
        **_known_config(listed),
    }


def _known_config(listed):
    """The settings of a VM that the cluster reports even if the node of the VM does not answer."""
    return {
        "tags": tuple(sorted(tag for tag in listed.tags.split(";") if tag)),
        "node": listed.node,
        "pool": listed.pool or "",
    }


def read_listed_options(tool, listed):
    """The VmOptions of a listed VM; None if it no longer exists."""
    try:
        return VmOptions.read(tool, listed.vmid, listed.node, listed.pool)
    except ApiError as error:
        if is_gone(error):
            return None
        raise


def is_gone(error):
    """Whether an error says that the VM does not exist, or is no longer on the node."""
    missing = "does not exist" in error.message and "Configuration file" in error.message
    return missing or "unable to find configuration file" in error.message


def power_of(status, qemu_status, lock):
    """(power state, lock or temporary status that blocks changes or None, reason) of a VM."""
    busy = lock if lock and lock != _SUSPENDED_LOCK else None
    if status != "running":
        return (SUSPENDED if lock in (_SUSPENDED_LOCK, "suspending") else STOPPED), busy, ""
    current = qemu_status or status
    busy = busy or (current if current in _TRANSIENT_QEMU_STATUSES else None)
    return _POWER_OF_QEMU_STATUS.get(current, RUNNING), busy, "" if current == "running" else current
