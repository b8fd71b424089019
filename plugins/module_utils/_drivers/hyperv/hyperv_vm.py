# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hyper-V: VMs, as the objects that the host reports, and as the Vms of the core."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timezone
from itertools import takewhile

from ..._core.frozen import Frozen, Mutable, field
from ..._core.model import ON, PAUSED, RUNNING, STOPPED, Address, Counters, File, Snapshot, Vm
from ..._core.record.leases import read_stored
from ..._core.record.mark import HOST, UNFINISHED, making_of, mark_for, marked_settings, why_elsewhere
from ..._tools.hyperv import DEFAULT_SWITCH, SHARED, state_of
from ..._tools.windows_files import is_on_share, key_of
from .mark import EXPIRIES, is_temporary, mark_of
from .settings.cdroms import dvd_drives, reserved_slots
from .settings.disks import drive_slot
from .settings.table import config_of

_LOCAL_ADDRESSES = ("fe80:", "169.254.")
DISK_FILES = (".vhd", ".vhdx", ".avhd", ".avhdx", ".vhds")


class Host(Frozen):
    """What plans need to know about the host. ``switches`` are raw; ``build`` is the build number of Windows."""

    disk_folder: str = ""
    cpus: int | None = None
    memory: int | None = None
    switches: tuple = ()
    build: int | None = None
    computer: str = ""
    machine: str = ""


class Found(Mutable):
    """One observation as raw objects. ``known`` are all VMs as (id, name), also those that were not read.

    ``vms`` and ``snapshots`` ({VM id: [snapshot]}) have ids in lower case, ``disks`` have ``key_of`` their paths.
    ``switches`` are raw, those of the host. ``lost`` are keys of disk files that do not exist, ``unmerged`` the ids of
    VMs with files of deleted checkpoints that Hyper-V does not merge, such as after an interrupted backup. ``media`` is
    {key of a prepared image in a DVD drive: the ISO image that it stands for} (prepared.py).
    ``is_checked``: whether these files exist was asked before the VMs were read. ``machine`` is the id of the host's
    Windows, which each raw VM has, too.
    """

    known: list = field(default_factory=list)
    vms: Mapping = field(default_factory=dict)
    snapshots: Mapping = field(default_factory=dict)
    disks: Mapping = field(default_factory=dict)
    switches: tuple = ()
    lost: frozenset = frozenset()
    unmerged: frozenset = frozenset()
    media: Mapping = field(default_factory=dict)
    is_checked: bool = False
    machine: str = ""

    def add(self, known, vms, snapshots, disks):
        """Add newly read objects, which replace older ones, and forget VMs that do not exist any more."""
        self.known = known or self.known
        ids = {one.lower() for one, _name in self.known}
        read = {raw["Id"].lower(): {HOST: self.machine, **raw} for raw in vms}
        self.vms = {one: raw for one, raw in {**self.vms, **read}.items() if one in ids}
        self.disks = {**self.disks, **{key_of(one["Path"]): one for one in disks}}
        grouped = {}
        for one in snapshots:
            grouped.setdefault(one["VMId"].lower(), []).append(one)
        self.snapshots = {**self.snapshots, **dict.fromkeys(read, ()), **grouped}

    def is_complete(self):
        """Return whether all VMs were read completely; they were not if one was deleted meanwhile."""
        return all(raw.get("Security") for raw in self.vms.values() if raw.get("Generation") == 2)

    def names(self):
        """Return the names of all VMs, without those that are being created."""
        return tuple(sorted({name for _id, name in self.known if not is_temporary(name)}))

    def owners(self):
        """Return all VMs and checkpoints."""
        return [*self.vms.values(), *self.all_snapshots()]

    def all_snapshots(self):
        return [one for snapshots in self.snapshots.values() for one in snapshots]

    def raw(self, vm_id):
        """Return the raw VM with this id, or None."""
        return self.vms.get((vm_id or "").lower())

    def media_paths(self):
        """Return the paths of the images in the DVD drives of all VMs and checkpoints."""
        drives = [drive for one in self.owners() for drive in one.get("DVDDrives") or ()]
        return dict.fromkeys(drive["Path"] for drive in drives if drive.get("Path"))

    def names_with_medium(self, path):
        """Return the names of the VMs with this image in a DVD drive now."""
        drives = ((raw["Name"], drive) for raw in self.vms.values() for drive in raw.get("DVDDrives") or ())
        return sorted({name for name, drive in drives if key_of(drive["Path"] or "") == key_of(path)})

    def medium_of(self, path):
        """Return the ISO image that an image in a DVD drive stands for."""
        return self.media.get(key_of(path), path) if path else path

    def is_merging(self, raw):
        """Return whether Hyper-V still has to merge files of checkpoints that were deleted."""
        return self.has_unmerged_files(raw) and not self.never_merges(raw)

    def has_unmerged_files(self, raw):
        """Return whether a VM has files of checkpoints, but no checkpoint any more."""
        return any(map(is_checkpoint_file, paths_of(raw))) and not self.snapshots.get(raw["Id"].lower())

    def never_merges(self, raw):
        """Return whether it is known that Hyper-V will not merge the files of this VM."""
        return raw["Id"].lower() in self.unmerged or bool(self.missing(raw))

    def missing(self, owner):
        """Return {slot: file} of the disks of a raw VM or checkpoint of which a file does not exist."""
        found = {}
        for drive in owner.get("HardDrives") or () if self.lost else ():
            lost = [path for path in self.chain(drive.get("Path")) if key_of(path) in self.lost]
            found.update({drive_slot(drive): path for path in lost})
        return found

    def unread(self):
        """Return the local disk files that could not be read; such a file may not exist."""
        owners = [raw for raw in self.vms.values() if not state_of(raw["State"], raw.get("OperationalStatus")).busy]
        ends = {raw["Id"].lower(): [self.chain(path)[-1] for path in paths_of(raw)] for raw in owners}
        ends = {one: [path for path in paths if self._is_unread(path)] for one, paths in ends.items()}
        for one in [one for one, paths in ends.items() if paths]:
            ends[one] += [path for owner in self.snapshots.get(one, ()) for path in paths_of(owner)]
        # A path on a share that this connection cannot reach proves nothing.
        found = (path for paths in ends.values() for path in paths)
        return dict.fromkeys(path for path in found if self._is_unread(path) and not is_on_share(path))

    def _is_unread(self, path):
        return path.lower().endswith(DISK_FILES) and key_of(path) not in self.disks

    def may_need_any(self, path):
        """Return whether any disk may be below a file, because it could not be read. A lost file needs none."""
        return self._is_unread(path) and key_of(path) not in self.lost

    def undescribed_files(self, raw):
        """Return {path: reason} of the disks whose size and format are unknown."""
        drives = {drive_slot(drive): drive["Path"] for drive in raw.get("HardDrives") or () if drive.get("Path")}
        reason = "The file {} cannot be read: it is lost or in use, or the user of the connection may not read it."
        return {f"HardDrives.{slot}.Size": reason.format(one) for slot, one in drives.items() if self._is_unread(one)}

    def unread_of_all(self):
        """Return the disk files of all VMs and checkpoints that could not be read, lost ones too."""
        ends = [self.chain(path)[-1] for one in self.owners() for path in paths_of(one)]
        return [path for path in dict.fromkeys(ends) if self._is_unread(path)]

    def is_working(self, raw):
        """Return whether Hyper-V works on a VM, or will merge files of its deleted checkpoints."""
        return bool(state_of(raw["State"], raw.get("OperationalStatus")).busy) or self.is_merging(raw)

    def chain(self, path):
        """Return the files of a disk, from the attached one to the last of its parents."""
        chain = []
        while path and key_of(path) not in map(key_of, chain):
            chain.append(path)
            path = (self.disks.get(key_of(path)) or {}).get("ParentPath")
        return chain

    def shared_files(self):
        """Return the keys of the files that VMs have as shared disks."""
        drives = [drive for raw in self.vms.values() for drive in raw.get("HardDrives") or ()]
        return {key_of(drive["Path"]) for drive in drives if drive.get("Path") and drive.get(SHARED)}

    def file_without_checkpoints(self, path):
        """Return the file that was attached to the VM. Checkpoints have created their own files on top of it."""
        return next((one for one in self.chain(path) if not is_checkpoint_file(one)), path)

    def has_checkpoint_with(self, vm, path):
        """Return whether a checkpoint of ``vm`` needs a file."""
        checkpoints = self.snapshots.get((vm.id or "").lower(), ())
        drives = [drive for one in checkpoints for drive in one.get("HardDrives") or ()]
        return any(key_of(path) in map(key_of, self.chain(drive.get("Path"))) for drive in drives)


def paths_of(owner):
    return [drive["Path"] for drive in owner.get("HardDrives") or () if drive.get("Path")]


def is_checkpoint_file(path):
    """Return whether Hyper-V has created a file for a checkpoint."""
    return path.lower().endswith((".avhdx", ".avhd"))


def observed_vm(found, raw, native_keys=(), name=None, vm_id=None):
    """Return one Vm. ``name`` and ``vm_id`` are as the task writes them: Hyper-V ignores the case of both."""
    vm_id, mark = vm_id or raw["Id"], mark_of(raw)
    if mark and mark.get("id") == raw["Id"]:
        mark = {**mark, "id": vm_id}
    vm = power_of_vm(raw, name or raw["Name"], vm_id, config_of(found, raw, native_keys))
    busy = vm.busy or ("merging disks" if found.is_merging(raw) else None)
    reason = UNFINISHED if is_temporary(raw["Name"]) else vm.reason or _problem(found, raw)
    snapshots, counters = tuple(snapshots_of(found, raw)), _counters(found, raw, vm.power)
    reserved = reserved_slots(raw)
    return vm.having(busy=busy, reason=reason, snapshots=snapshots, mark=mark, counters=counters, reserved=reserved)


def _problem(found, raw):
    """Return what is wrong with the disk files of a VM, as a text for ``reason``."""
    missing = found.missing(raw)
    if missing:
        return ", ".join(f"{path}, a file of the disk {slot}, does not exist" for slot, path in missing.items())
    if raw["Id"].lower() in found.unmerged and found.has_unmerged_files(raw):
        return "files of deleted checkpoints are not merged"
    return ""


def _counters(found, raw, power):
    """Return the Counters of a VM. Disk space includes checkpoints, but not parents that other VMs may share."""
    is_on = power in (RUNNING, PAUSED)
    sizes = [size for drive in raw.get("HardDrives") or () for size in _file_sizes(found, drive.get("Path"))]
    return Counters(
        memory_used=raw.get("MemoryAssigned") if is_on else None,
        disk_used=sum(sizes) if sizes and None not in sizes else None,
        uptime=raw.get("Uptime") if is_on else None,
    )


def _file_sizes(found, path):
    """Yield the size of each file of a disk down to the attached one, in bytes; None if it is unknown."""
    attached = found.file_without_checkpoints(path)
    for file in found.chain(path):
        yield (found.disks.get(key_of(file)) or {}).get("FileSize")
        if file == attached:
            return


def power_of_vm(raw, name, vm_id, config):
    """Return a Vm with the power state and the addresses in ``raw``, and the settings in ``config``."""
    state = state_of(raw["State"], raw.get("OperationalStatus"))
    addresses, ssh = addresses_of(raw, state)
    return Vm(
        name=name,
        id=vm_id,
        power=state.power,
        busy=state.busy,
        reason=state.reason,
        reported=state.reported,
        config=config,
        active=config if state.power in ON else None,
        addresses=addresses,
        ssh=ssh,
    )


def addresses_of(raw, state):
    """Return (addresses, SSH connection or None), as the integration services of the guest report them."""
    if state.power != RUNNING:
        return (), None
    found = [
        (Address(address, "agent", _mac(nic)), nic)
        for nic in raw.get("NetworkAdapters") or ()
        for address in nic.get("IPAddresses") or ()
        if not address.lower().startswith(_LOCAL_ADDRESSES)
    ]
    if not found:
        return (), None
    first, nic = next(((one, nic) for one, nic in found if ":" not in one.address), found[0])
    scope = "host" if (nic.get("SwitchId") or "").lower() == DEFAULT_SWITCH else "network"
    ssh = {"host": first.address, "port": 22, "user": None, "scope": scope}
    return tuple(address for address, _nic in found), ssh


def _mac(nic):
    return ":".join(re.findall("..", nic["MacAddress"])).lower() if nic.get("MacAddress") else None


# Checkpoints ----------------------------------------------------------------------------------------------------------


def snapshots_of(found, raw):
    """Yield the checkpoints of a VM, without the temporary ones of backups and replication."""
    mark = mark_of(raw) or {}
    notes, expiries = (mark.get(key) or {} for key in ("checkpoints", EXPIRIES))
    if mark.get("id") != raw["Id"]:
        expiries = {}
    for one in found.snapshots.get(raw["Id"].lower(), ()):
        if one.get("SnapshotType") != "Standard":
            continue
        yield Snapshot(
            name=one["Name"],
            id=one["Id"],
            parent=one.get("ParentSnapshotId"),
            # The power state that a checkpoint contains: with memory it is running, without memory it is stopped.
            power=STOPPED if state_of(one["State"]).power == STOPPED else RUNNING,
            description=notes.get(one["Name"], ""),
            config=snapshot_config(found, raw, one),
            kind="automatic" if one.get("IsAutomaticCheckpoint") else "",
            created=_timestamp(one.get("CreationTime")),
            current=one["Id"] == raw.get("ParentSnapshotId"),
            expires=read_stored(expiries.get(one["Id"])),
        )


def snapshot_config(found, raw, snapshot):
    """Return the settings after a restore. What Hyper-V does not report of a checkpoint is taken from the VM."""
    merged = {**raw, **{name: one for name, one in snapshot.items() if name not in ("Id", "Name", "State")}}
    return {**config_of(found, merged), **marked_settings(mark_of(raw), raw["Id"])}


def _timestamp(text):
    """Return a time of Hyper-V (UTC) as seconds since 1970, or None."""
    if not text:
        return None
    whole = text.partition(".")[0].rstrip("Z")
    return datetime.strptime(whole, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=timezone.utc).timestamp()


# Files ----------------------------------------------------------------------------------------------------------------


def files_of(found, raw):
    """Return the files of one VM."""
    mark = mark_for(raw["Id"], mark_of(raw))
    elsewhere = why_elsewhere(mark, raw.get(HOST))
    # Detached disks, and files that an interrupted task has created.
    own = {key_of(path): path for path in (*mark["disks"], *making_of(mark))}
    attached = {key_of(path): path for path in attached_files(found, raw)}
    files = [
        File(path, "disk", key in own, elsewhere="" if key in attached else elsewhere)
        for key, path in {**attached, **own}.items()
        if path and key not in found.lost
    ]
    remaining = _on_top(found, _with_checkpoints(found, raw)) if found.never_merges(raw) else ()
    for path in (one for one in remaining if key_of(one) not in found.lost):
        files.append(File(path, "disk", key_of(found.file_without_checkpoints(path)) in own))
    seeds, drives = mark["files"], {key_of(one["Path"]) for one in raw.get("DVDDrives") or () if one.get("Path")}
    files += [File(one, "support", True, elsewhere="" if key_of(one) in drives else elsewhere) for one in seeds]
    return (*files, *(File(one["Path"], "medium") for one in dvd_drives(raw, seeds) if one.get("Path")))


def attached_files(found, raw):
    """Return the disk files of a VM and of its checkpoints, without those that Hyper-V has created for checkpoints."""
    paths = [path for owner in _with_checkpoints(found, raw) for path in paths_of(owner)]
    return list(dict.fromkeys(found.file_without_checkpoints(path) for path in paths))


def merged_files(found, raw, kept=()):
    """Return {file that Hyper-V deletes if only the checkpoints ``kept`` are left: the file with its content, or None}.

    It merges a file into the one below it, unless that is needed, or has several files on top of it.
    """
    left, needed = _on_top(found, (raw, *kept)), {key_of(path) for owner in (raw, *kept) for path in paths_of(owner)}
    below = [*map(key_of, left.values())]
    merged = {one: low for one, low in left.items() if below.count(key_of(low)) == 1 and key_of(low) not in needed}
    return {**{one: None for one in _on_top(found, _with_checkpoints(found, raw)) if one not in left}, **merged}


def _on_top(found, owners):
    """Return {file that Hyper-V has created on top of a disk: the file below it} for VMs and checkpoints."""
    chains = [found.chain(path) for owner in owners for path in paths_of(owner)]
    return {one: low for chain in chains for one, low in zip(takewhile(is_checkpoint_file, chain), chain[1:])}


def _with_checkpoints(found, raw):
    return (raw, *found.snapshots.get(raw["Id"].lower(), ()))
