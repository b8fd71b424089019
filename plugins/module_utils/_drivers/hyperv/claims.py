# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hyper-V: what the VMs of a host hold: their disk files with all parents, and those of their checkpoints."""

from __future__ import annotations

import ntpath

from ..._core.errors import Refused
from ..._core.record.answer_media import ANSWER_MEDIA
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
    WRITE,
    Claim,
    Held,
    HoldsClaims,
)
from ..._core.sharing.losses import sources_not_read, with_images_needed
from ..._media.prepared import NO_PROMPT
from ..._tools.hyperv import SHARED as IS_SHARED
from ..._tools.hyperv import state_of
from ..._tools.windows_files import is_on_share, key_of
from .hyperv_vm import merged_files
from .mark import is_temporary, mark_of, own_mark
from .observe import disk_files_in
from .settings.disks import drive_slot, folder_of, path_in, path_of_new, seed_name
from .settings.networks import mac_of

#: Seconds after which a merge that has not ended is an error.
MERGE_TIMEOUT = 900


class HyperVClaims(HoldsClaims):
    """The claims of all VMs of one host."""

    unread = sources_not_read(not_here="saved_memory undefined backups records", in_part="alone")

    def __init__(self, driver):
        self._driver = driver

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
        if any(claim.mode == DELETE and claim.option == "image" for claim in wanted):
            found.lost = frozenset()  # A file that is restored later needs the image again.
        return with_images_needed(self, wanted, [self._of_vm(found, raw) for raw in found.vms.values()])

    def held_now(self, wanted):
        found = self._driver.users_now(again=True)
        return [self._of_vm(found, raw) for raw in found.vms.values()]

    def need_of_others(self, found, vm_id, files=None):
        """Return (claim, raw VM) of another VM that needs one of ``files``, or may need it, or (None, None).

        Without ``files``: of one with a disk on top of those that the VM writes to.
        """
        others = [raw for raw in found.vms.values() if raw is not found.raw(vm_id)]
        own = self._of_vm(found, found.raw(vm_id)).claims if files is None and found.raw(vm_id) else ()
        keys = {claim.identity for claim in own if claim.mode in (WRITE, SHARED)} | set(map(self.identity, files or ()))
        for raw in others if keys else ():
            for claim in self._of_vm(found, raw).claims:
                if claim.identity in (UNREADABLE, *keys) and (files or claim.mode == BASE):
                    return claim, raw
        return None, None

    def _of_vm(self, found, raw):
        claims = [claim for drive in raw.get("HardDrives") or () for claim in self._of_drive(found, drive, raw["Name"])]
        claims += self._of_media(raw, "iso")
        # Without their networks, which matter only for other MACs than those that a task keeps.
        macs = enumerate(map(mac_of, raw.get("NetworkAdapters") or ()))
        claims += [claim for at, mac in macs for claim in self.nic({"mac": mac}, f"networks.{at}")]
        for snapshot in found.snapshots.get(raw["Id"].lower(), ()):
            claims += self._of_media(snapshot, SNAPSHOTS)
            for drive in snapshot.get("HardDrives") or ():
                claims += [self._claim(path, BASE, SNAPSHOTS) for path in found.chain(drive.get("Path"))]
                claims += _unreadable(found, drive, raw["Name"], SNAPSHOTS)
        name, also = raw["Name"], None
        if is_temporary(name):  # A creation names its VM last.
            name = (mark_of(raw) or {}).get("name") or name
            also = self.owner_id(name)
        return Held(self.owner_id(raw["Id"]), name, state_of(raw.get("State") or "Off").power, tuple(claims), also)

    def _of_drive(self, found, drive, name):
        """A VM writes to the file of its last checkpoint, and a deletion of checkpoints to its disk below."""
        disk, option = found.file_without_checkpoints(drive.get("Path")), f"disks.{drive_slot(drive)}"
        own = mode = SHARED if drive.get(IS_SHARED) else WRITE
        for path in found.chain(drive.get("Path")):
            part_of = self.identity(disk) if mode == own and path != disk else None
            if key_of(path) not in found.lost:
                yield self._claim(path, mode, option, part_of)
            mode = BASE if path == disk else mode
        yield from _unreadable(found, drive, name, option)

    def _of_media(self, owner, option):
        """A VM reads the prepared ISO images in its drives; a checkpoint needs them after it is restored."""
        paths = [drive.get("Path") or "" for drive in owner.get("DVDDrives") or ()]
        return [self._claim(path, READ, option) for path in paths if NO_PROMPT in path.lower()]

    def without_vm(self, images, held):
        """Differencing disks in all directories of disks, whichever VM they were of."""
        texts = [claim.text for one in held for claim in one.claims if claim.option.startswith("disks.")]
        folders = {key_of(one) for one in (self.folder, *map(ntpath.dirname, (*texts, *images))) if one}
        paths, disks = disk_files_in(self._driver, sorted(folders))
        self._driver.found.add((), (), (), disks)
        unread = [path for path in paths if key_of(path) not in {*self._driver.found.disks, *map(key_of, images)}]
        if unread:
            raise Refused(
                f"{', '.join(unread)} cannot be read.", "Close the programs that have them open, or delete them."
            )
        return self.stray_disks(paths, held)

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
        return self.takes(plan, step)  # What Hyper-V itself would merge is compared directly before the step.

    def takes(self, plan, step):
        return [*self._merged(plan, step), *own_media(self._driver.found.raw(plan.before.id), step)]

    def step_files(self, plan, step):
        """With a VM, no checkpoint can be kept: its files to merge are those of no option."""
        merged, option = filter(None, self._merged(plan, step).values()), "" if step.verb == "delete" else SNAPSHOTS
        return [*super().step_files(plan, step), *((MERGE, option, path) for path in merged)]

    def _merged(self, plan, step):
        """Return what Hyper-V merges after a step (``merged_files``). What it cannot merge, the step itself deletes."""
        found, ids = self._driver.found, step.arguments.get("ids")
        raw = found.raw(plan.before.id)
        checkpoints = found.snapshots.get(raw["Id"].lower(), ()) if raw else ()
        if not checkpoints or step.verb not in ("delete", "drop_snapshot") or found.never_merges(raw):
            return {}
        kept = [one for one in checkpoints if ids is not None and one["Id"] not in ids]
        return merged_files(self._driver.all_disks(), raw, kept)

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


def _unreadable(found, drive, name, option):
    """Yield the claim of a disk that could not be read: any disk may be below it, so none may be changed."""
    for last in found.chain(drive.get("Path"))[-1:]:
        # A physical disk has no files below it.
        if found.may_need_any(last):
            text = f"{last}, a disk file of {name}, cannot be read, so this disk may be below it"
            yield Claim(FILE, UNREADABLE, BASE, option, text, remedy=_ON_SHARE if is_on_share(last) else _LOCKED)


_LOCKED = (
    "Wait for the end of its merge, or close the program that uses it, such as a backup, or give the user of the"
    " connection permission to read it. If the file is lost or damaged, detach the disk."
)
_ON_SHARE = (
    "Use a connection that delegates credentials to the share, such as CredSSP. If the file is lost, detach the disk."
)


# Who needs the disks of a VM, asked again directly before a step: the plan may be minutes old. -----------------------


def check_unused(driver, vm, files, merges=False):
    """Raise Refused if another VM needs, or may need, one of the ``files`` that are deleted with ``vm``.

    ``merges``: or one into which Hyper-V merges its checkpoints, which it does whatever files are kept.
    """
    path, name = _need(driver, vm, files, merges) if files or merges else (None, None)
    if name:
        instead = f"delete VM '{name}' first" if merges else "keep the file with delete_disks: none"
        raise Refused(
            f"{vm.name}: the VM cannot be deleted: VM '{name}' needs {path} by now.",
            f"Detach it from VM '{name}', or {instead}.",
        )


def check_not_needed(driver, vm):
    """Raise Refused if a disk of another VM is, or may be, on top of one that ``vm`` writes to once it is started."""
    path, name = _need(driver, vm)
    if name:
        raise Refused(
            f"{vm.name}: the VM cannot be started: a disk of VM '{name}' is on top of {path} by now.",
            f"Delete VM '{name}' first, or start a full clone of this VM.",
        )


def _need(driver, vm, files=None, merges=False):
    """Return (file, name of the other VM that needs it) or (None, None); see ``need_of_others``.

    What is below a file cannot be read while it is merged, so the end of a merge is awaited.
    """
    clock = driver.windows.clock
    deadline = clock.now() + MERGE_TIMEOUT
    while True:
        found = driver.users_now()
        below = merged_files(found, found.raw(vm.id)).values() if merges and found.raw(vm.id) else ()
        lost = [*files, *filter(None, below)] if merges else files
        claim, raw = driver.claims.need_of_others(found, vm.id, lost)
        if claim is None or claim.identity != UNREADABLE:
            return (claim.text, raw["Name"]) if claim else (None, None)
        if clock.now() >= deadline or not found.is_working(raw):
            raise Refused(f"{vm.name}: {claim.text}.", claim.remedy)
        clock.sleep(2)
