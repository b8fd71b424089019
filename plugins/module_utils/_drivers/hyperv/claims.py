# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hyper-V: what the VMs of a host hold: their disk files with all parents, and those of their checkpoints."""

from __future__ import annotations

import ntpath
from types import MappingProxyType

from ..._core.errors import Refused
from ..._core.frozen import replace
from ..._core.record.answer_media import ANSWER_MEDIA
from ..._core.record.mark import making_of
from ..._core.sharing.claims import (
    BASE,
    COPY,
    DELETE,
    FILE,
    MAC,
    MERGE,
    OWN,
    READ,
    SHARED,
    SNAPSHOTS,
    UNREADABLE,
    WITHOUT_VM,
    WRITE,
    Claim,
    Held,
    HoldsClaims,
)
from ..._core.sharing.losses import lost_files, sources_not_read
from ..._media.prepared import NO_PROMPT
from ..._tools.hyperv import SHARED as IS_SHARED
from ..._tools.hyperv import state_of
from ..._tools.windows_files import is_on_share, key_of
from .hyperv_vm import DISK_FILES, is_checkpoint_file, merged_files, paths_of
from .mark import is_temporary, mark_of, own_mark
from .observe import disk_files_in, strays_chain
from .settings.disks import drive_slot, folder_of, path_in, path_of_new, seed_name
from .settings.networks import mac_of
from .traits import DisksMerging

#: Seconds after which it is read again whether a merge has ended.
_MERGE_PAUSE = 5


class HyperVClaims(HoldsClaims):
    """The claims of all VMs of one host."""

    unread = sources_not_read(not_here="saved_memory undefined backups records")

    def __init__(self, driver):
        self._driver, self._folders = driver, set()
        #: The VMs as the last ``held_now`` has read them.
        self._now = None

    def read_place(self):
        return self._driver.host.computer, "hyperv"

    file_identity = staticmethod(key_of)

    def chain(self, path):
        return self._driver.found.chain(path)[1:]

    def owner_id(self, own):
        return super().owner_id(own.casefold())  # Hyper-V ignores the case of names and ids.

    def held(self, wanted):
        if not any(map(self._concerns_others, wanted)):
            return []
        with_macs = any(map(_is_kept_mac, wanted))
        found = self._driver.users_now(again=True, with_macs=True) if with_macs else self._driver.all_disks()
        deadline = self._driver.windows.clock.now() + (self._driver.options.get("timeout") or 0)
        while self._merging(found, lost_files(wanted)) and self._driver.windows.clock.now() < deadline:
            self._driver.windows.clock.sleep(_MERGE_PAUSE)
            found = self._driver.users_now(again=True, with_macs=with_macs)
        if any(claim.mode == DELETE and claim.option == "image" for claim in wanted):
            found.lost = frozenset()  # A file that is restored later needs the image again.
        chains = self._strays_chains(found, wanted)
        return self._all_held(found, wanted, self._driver.send(chains) if chains else ())

    def held_now(self, wanted):
        found, strays = self._driver.users_and(self._strays_chains(self._driver.found, wanted))
        self._now = found
        names = self._merging(found, lost_files(wanted))
        if names:
            raise DisksMerging(f"Hyper-V still merges disks of VM '{names[0]}'.", "Run the task again later.")
        return self._all_held(found, wanted, strays)

    def _merging(self, found, lost):
        """Return the names of VMs with disks that cannot be read during a merge, and that may need a file of ``lost``.

        Nobody knows before the end, which is near, so it is awaited.
        """
        working = [raw for raw in found.vms.values() if lost and found.is_working(raw)]
        claims = {raw["Name"]: self._of_vm(found, raw, lost).claims for raw in working}
        return [name for name, found in claims.items() if any(one.mode == UNREADABLE for one in found)]

    def _all_held(self, found, wanted, strays):
        """Return what the VMs in ``found`` hold, and the disk files that no VM has if ``wanted`` loses some file."""
        lost = lost_files(wanted)
        held = [self._of_vm(found, raw, lost) for raw in found.vms.values()]
        for result in strays:
            held += self._strays(found, disk_files_in(result), wanted, held)
        owners = {claim.identity for claim in wanted if claim.kind == OWN}
        own = [claim for one in held if one.owner_id in owners for claim in one.claims]
        keys = {claim.identity[1] for claim in (*wanted, *own) if claim.kind == FILE and not claim.is_new}
        names = self._driver.other_names({**self._driver.found.disks, **found.disks}, keys)
        return [replace(one, claims=tuple(self._by_all_names(one.claims, names))) for one in held] if names else held

    def _by_all_names(self, claims, names):
        """Yield ``claims``, and each of a file again for its other paths in ``names``: it is the same file."""
        for claim in claims:
            yield claim
            for path in names.get(claim.identity[1], ()) if claim.kind == FILE else ():
                yield replace(claim, identity=self.identity(path))

    def check_no_child(self, vm):
        """Raise Refused if a disk of another VM is on top of one that ``vm`` writes to once it is started."""
        owner = self.owner_id(vm.id)
        held = self._all_held(self._driver.users_now(), [Claim(OWN, owner)], ())
        own = [claim for one in held if one.owner_id == owner for claim in one.claims]
        written = {claim.identity for claim in own if claim.mode in (WRITE, SHARED)}
        above = [(one, claim) for one in held if one.owner_id != owner for claim in one.claims if claim.mode == BASE]
        for other, claim in (found for found in above if found[1].identity in written):
            raise Refused(
                f"{vm.name}: the VM cannot be started: a disk of VM '{other.name}' is on top of {claim.text} by now.",
                f"Delete VM '{other.name}' first, or start a full clone of this VM.",
            )

    def _of_vm(self, found, raw, lost=MappingProxyType({})):
        """``lost`` are the files that are lost, {identity: path}: what cannot be read may need them."""
        drives = raw.get("HardDrives") or ()
        claims = [claim for drive in drives for claim in self._of_drive(found, drive, raw["Name"], lost)]
        claims += self._of_media(raw, "iso")
        # Without their networks, which matter only for other MACs than those that a task keeps.
        macs = enumerate(map(mac_of, raw.get("NetworkAdapters") or ()))
        claims += [claim for at, mac in macs for claim in self.nic({"mac": mac}, f"networks.{at}")]
        for snapshot in found.snapshots.get(raw["Id"].lower(), ()):
            claims += self._of_media(snapshot, SNAPSHOTS)
            for drive in snapshot.get("HardDrives") or ():
                claims += [self._claim(path, BASE, SNAPSHOTS) for path in found.chain(drive.get("Path"))]
                claims += _unreadable(found, drive, raw["Name"], SNAPSHOTS, lost)
        name, also = raw["Name"], None
        if is_temporary(name):  # A creation names its VM last.
            name = (mark_of(raw) or {}).get("name") or name
            also = self.owner_id(name)
        return Held(self.owner_id(raw["Id"]), name, state_of(raw.get("State") or "Off").power, tuple(claims), also)

    def _of_drive(self, found, drive, name, lost):
        """A VM writes to the file of its last checkpoint, and a deletion of checkpoints to its disk below."""
        disk, option = found.file_without_checkpoints(drive.get("Path")), f"disks.{drive_slot(drive)}"
        own = mode = SHARED if drive.get(IS_SHARED) else WRITE
        for path in found.chain(drive.get("Path")):
            part_of = self.identity(disk) if mode == own and path != disk else None
            if key_of(path) not in found.lost:
                yield self._claim(path, mode, option, part_of)
            mode = BASE if path == disk else mode
        yield from _unreadable(found, drive, name, option, lost)

    def _of_media(self, owner, option):
        """A VM reads the prepared ISO images in its drives; a checkpoint needs them after it is restored."""
        paths = [drive.get("Path") or "" for drive in owner.get("DVDDrives") or ()]
        return [self._claim(path, READ, option) for path in paths if NO_PROMPT in path.lower()]

    def _strays_chains(self, found, wanted):
        """Return the chain that searches the directories of disks for files that no VM has, if a file is lost."""
        lost = lost_files(wanted)
        paths = [*lost.values(), *(path for owner in found.owners() for path in paths_of(owner))] if lost else ()
        self._folders |= {*filter(None, (self.folder, *map(ntpath.dirname, paths)))}
        return [strays_chain(self._folders)] if lost else []

    def _strays(self, found, search, wanted, held):
        """Return the Held of disk files that no VM has, except for those that are gone after the task.

        One that cannot be read may need the lost files in its directory, and stored images, which many disks need; a
        directory that cannot be listed, its files. What lies elsewhere is a warning. What a task is just copying for a
        new VM needs nothing.
        """
        disks, paths, missed = search
        known, gone = self._driver.found.disks, {one.identity for one in wanted if one.mode in (DELETE, MERGE)}
        self._driver.found.add((), (), (), [one for one in disks if key_of(one["Path"]) not in known])
        strays = self.stray_disks([path for path in paths if self.identity(path) not in gone], held)
        lost = lost_files(wanted)
        # Hyper-V leaves files behind if a disk with checkpoints is detached, or a checkpoint is restored. They count
        # only for the deletion of the disk itself: it can be attached, and its checkpoints deleted.
        deleted = {one.identity for one in wanted if one.mode == DELETE and not is_checkpoint_file(one.text)}
        needed = {one.name: deleted if is_checkpoint_file(one.name) else lost for one in strays}
        strays = [
            replace(one, claims=tuple(claim for claim in one.claims if claim.identity in needed[one.name]))
            for one in strays
        ]
        images = {one.identity for one in wanted if (one.mode, one.option) == (DELETE, "image")}
        copied = {key_of(path) for raw in found.vms.values() for path in making_of(mark_of(raw) or {})}
        read = {*self._driver.found.disks, *copied}
        for path in (*missed, *(one.name for one in strays if key_of(one.name) not in read)):
            folders, of_images = {key_of(path), key_of(ntpath.dirname(path))}, images if path not in missed else ()
            near = {one: low for one, low in lost.items() if key_of(ntpath.dirname(low)) in folders or one in of_images}
            if near:
                text = f"{path}, which no VM has, cannot be read, so this disk may be below it"
                claims = _may_need(path, text, WITHOUT_VM, near, any_format=path in missed)
                strays.append(Held(self.owner_id(f"{path} "), path, claims=tuple(claims)))
            else:
                self.warn(f"Not searched for images that no VM has and that need a lost file: {path}.")
        return strays

    def _claim(self, path, mode, option, part_of=None):
        return Claim(FILE, self.identity(path), mode, option, path, part_of=part_of)

    @property
    def folder(self):
        """The directory of new disks; empty while the host has not been read."""
        return folder_of(self._driver) if self._driver.host else ""

    def disk(self, disk, mode, option, attribute="source", **details):
        """What other VMs have as a shared disk is attached as one."""
        is_shared = mode == WRITE and self._driver.is_shared(disk.get("source"), option)
        return super().disk(disk, SHARED if is_shared else mode, option, attribute, **details)

    def new_disk(self, plan, step, slot, disk):
        return path_of_new(self.folder, plan.after.name, slot, disk)

    def new_seed(self, plan, step):
        return path_in(self.folder, seed_name(plan.after.name))

    def takes_now(self, plan, step):
        raw = self._now.raw(plan.before.id)  # Its media are not read again: only a task records some.
        return [
            *self._merged(plan, step, self._now),
            *(own_media(self._driver.found.raw(raw["Id"]), step) if raw else ()),
        ]

    def takes(self, plan, step):
        return [*self._merged(plan, step, self._driver.found), *own_media(self._driver.found.raw(plan.before.id), step)]

    def step_files(self, plan, step):
        """With a VM, no checkpoint can be kept: its files to merge are those of no option."""
        merged = filter(None, self._merged(plan, step, self._driver.found).values())
        option = "" if step.verb == "delete" else SNAPSHOTS
        return [*super().step_files(plan, step), *((MERGE, option, path) for path in merged)]

    def _merged(self, plan, step, found):
        """Return what Hyper-V merges after a step (``merged_files``). What it cannot merge, the step itself deletes."""
        raw, ids = found.raw(plan.before.id), step.arguments.get("ids")
        checkpoints = found.snapshots.get(raw["Id"].lower(), ()) if raw else ()
        if not checkpoints or step.verb not in ("delete", "drop_snapshot") or self._driver.found.never_merges(raw):
            return {}
        kept = [one for one in checkpoints if ids is not None and one["Id"] not in ids]
        return merged_files(self._driver.all_disks() if found is self._driver.found else found, raw, kept)

    def _concerns_others(self, claim):
        """No other VM has a new file, and an image can be copied while no VM that is on has it."""
        if claim.kind != FILE or claim.is_new:
            return claim.kind == OWN or _is_kept_mac(claim)
        return self._driver.host_files.is_attached(claim.text) if claim.mode == COPY else claim.mode != READ


def _is_kept_mac(claim):
    return claim.kind == MAC and claim.is_reserved


def own_media(raw, step):
    """Return the answer media of a step that were recorded on this host, or that the VM has."""
    return [path for path in step.arguments.get(ANSWER_MEDIA, ()) if path in own_mark(raw).get("answers", ())]


def _unreadable(found, drive, name, option, lost):
    """Yield the claims of a disk that could not be read: the lost files of its format may be below it."""
    for last in found.chain(drive.get("Path"))[-1:]:
        # A physical disk has no files below it.
        if found.may_need_any(last):
            about = f"{last}, a disk file of {name}, cannot be read, so this disk may be below it"
            yield from _may_need(last, about, option, lost)


def _may_need(path, text, option, lost, any_format=False):
    """Yield claims on those files ``lost`` ({identity: path}) that a disk may need.

    New-VHD accepts no parent of another format (learn.microsoft.com/powershell/module/hyper-v/new-vhd), and tells
    formats by the ends of names.
    """
    remedy = _ON_SHARE if is_on_share(path) else _LOCKED
    for identity, below in lost.items():
        if below.lower().endswith(DISK_FILES) and (any_format or _format(path) == _format(below)):
            yield Claim(FILE, identity, UNREADABLE, option, text, remedy=remedy)


def _format(path):
    return "VHD" if path.lower().endswith((".vhd", ".avhd")) else "VHDX"


_LOCKED = (
    "Wait for the end of its merge, or close the program that uses it, such as a backup, or give the user of the"
    " connection permission to read it. If the file is lost or damaged, detach the disk."
)
_ON_SHARE = (
    "Use a connection that delegates credentials to the share, such as CredSSP. If the file is lost, detach the disk."
)
