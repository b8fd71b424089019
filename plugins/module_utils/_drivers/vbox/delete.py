# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VirtualBox: deletes VMs with their files.

VirtualBox itself decides which images it deletes with a VM. So disks to be kept are detached first, and nothing is
deleted if the VM has other images now than when the task was planned.
"""

from __future__ import annotations

import os
from functools import partial

from ..._core.errors import CommandFailed, PartlyApplied, Refused
from ..._core.record.mark import own_mark
from ..._kit.creation import undone_on_failure
from ..._ports import change_counter, files, folders
from ..._tools.vboxmanage import Busy, is_not_found
from ..._tools.vboxmanage_output import chain
from .observe import Listing, is_lost
from .own_files import deleted_by_platform, dependents, files_of, settings_backups, spared, taken_with_vm
from .settings.addresses import release_addresses
from .settings.disks import attach, remove_disk
from .settings.images import delete_image, release_images
from .vbox_vm import slot_name


def check_no_base(vbox_vm, names):
    """Raise Refused if VirtualBox would stop half-way, because disks of other VMs are based on those of this VM."""
    for medium in (one for one in vbox_vm.media.values() if vbox_vm.uuid in one.users):
        users = ", ".join(dependents(vbox_vm, names, medium))
        if users:
            raise Refused(
                f"{vbox_vm.values['name']}: {medium.location} is needed by {users}.", f"Delete {users} first."
            )


def check_kept_disks(vbox_vm, to_delete):
    """Raise Refused if VirtualBox would delete an image that is not in ``to_delete``."""
    for medium in deleted_by_platform(vbox_vm, to_delete).values():
        if medium.location not in to_delete:
            base = vbox_vm.chain(medium.uuid)[-1]
            raise Refused(
                f"{vbox_vm.values['name']}: its disk {base.location} is to be kept, but all or part of it would be"
                " deleted with the snapshots.",
                "Delete the snapshots first (vbox_snapshot), or set delete_disks: all.",
            )


def delete(driver, vm, step):
    with driver.vm_lock_of(vm):
        delete_vm(driver, vm, step.arguments.get("files", ()), step.arguments.get("kept", ()))


def delete_vm(driver, vm, paths, kept=None):
    """Delete the files ``paths``, then the VM with everything that VirtualBox stores about it.

    ``kept`` are the other files in the plan; None: there is no plan, and all other disks are kept.
    """
    to_delete = set(paths)
    vbox_vm = _checked(driver, vm, to_delete, kept)
    if vbox_vm is None:
        _forget(driver, vm)
        return
    slots = spared(vbox_vm, to_delete)
    with undone_on_failure(partial(_attach_again, driver, vbox_vm, slots, to_delete, change_counter.count()), Busy):
        for slot in slots:
            remove_disk(driver, vbox_vm, slot_name(slot.controller, slot.port, slot.device))
        vbox_vm = _checked(driver, vm, to_delete, kept) if slots else vbox_vm
        if vbox_vm is not None:
            _delete_checked(driver, vm, vbox_vm, to_delete)


def _checked(driver, vm, to_delete, kept):
    """The VM as it is now, or None. Raises Refused if a deletion would take other files with it than planned.

    Stopping the VM took time since the plan was created.
    """
    listing = Listing.read(driver.tool)
    vbox_vm = listing.vbox_vm_of(vm.id)
    if vbox_vm is None or vm.lost:
        return None
    if kept is not None or vbox_vm.has_own_mark:  # Else it is a clone of this task, which has no mark yet.
        _check_not_completed(vm, vbox_vm)
    check_no_base(vbox_vm, listing.names)
    if kept is not None:
        _check_as_planned(listing, vm, to_delete, to_delete.union(kept))
    check_kept_disks(vbox_vm, to_delete)
    return vbox_vm


def _check_as_planned(listing, vm, to_delete, planned):
    now = {file.path for file in files_of(listing, vm) if file.role != "medium"}
    added = sorted(now - planned)
    removed = sorted(path for path in to_delete - now if files.exists(path))
    if added or removed:
        what = f"{added[0]} was attached" if added else f"{removed[0]} was detached"
        raise Refused(f"{vm.name}: {what} after the task was planned, so the VM is not deleted.", "Run the task again.")


def _attach_again(driver, vbox_vm, slots, to_delete, before, _error):
    """The deletion failed: a VM that still exists gets its disks back, unless they were deleted."""
    for slot in slots:
        if slot.medium not in to_delete or files.exists(slot.medium):
            attach(driver, vbox_vm.uuid, (slot.controller, slot.port, slot.device), "hdd", slot.values["ImageUUID"])
    if slots:
        # Whether anything else has changed is not known.
        change_counter.set_back(before)
        change_counter.note(doubtful=True)


def _delete_checked(driver, vm, vbox_vm, to_delete):
    release_images(driver, own_mark(vm).get("borrowed", ()))
    with_vm = deleted_by_platform(vbox_vm, to_delete)
    for path in (*(one.location for one in with_vm.values()), *taken_with_vm(vbox_vm)):
        files.check_loss(path)
    loose = [
        one
        for one in vbox_vm.media.values()
        if one.location in to_delete and one.uuid not in with_vm and not set(one.users) - {vbox_vm.uuid}
    ]
    # The disks that the VM has on top of these are deleted with it.
    bases = [medium for medium in loose if medium.is_never_written]
    for medium in _children_first(vbox_vm, [one for one in loose if one not in bases]):
        delete_image(driver, vm.id, medium)
    known = {medium.location for medium in vbox_vm.media.values()}
    for path in sorted(to_delete - known):
        files.remove(path)
    # They are removed before the VM is unregistered, because afterwards their owner would be unknown.
    for path in settings_backups(vbox_vm):
        files.remove(path)
    release_addresses(driver, vbox_vm)
    _unregister(driver, vm, vbox_vm.folder)
    for medium in bases:
        delete_image(driver, vm.id, medium)
    # VirtualBox leaves the files of images that it cannot open, without an error.
    for path in (one.location for one in vbox_vm.media.values() if one.error and one.location in to_delete):
        files.remove(path)
    _clear_folder(vbox_vm.folder)


def _children_first(vbox_vm, media):
    return sorted(media, key=lambda medium: len(chain(vbox_vm.media, medium)), reverse=True)


def _forget(driver, vm):
    """Unregister a VM without files; nothing to do if it is no longer registered."""
    listed = next((one for one in driver.listing().machines if one.uuid == vm.id), None)
    if listed is None:
        return
    if not is_lost(listed):
        raise Refused(f"{vm.name}: its directory contains files again.", "Run the task again to delete the VM.")
    driver.run(vm.id, "unregistervm", vm.id)


def _check_not_completed(vm, vbox_vm):
    """A VM that was incomplete when the task was planned may have been completed by another task."""
    if (vm.mark or {}).get("unfinished") and not vbox_vm.is_unfinished:
        raise Refused(
            f"{vm.name}: another task has finished creating the VM in the meantime.",
            "Run the task again to delete the VM.",
        )


def _unregister(driver, vm, folder):
    """VirtualBox unregisters a VM first, and only then reports files that it could not delete."""
    try:
        driver.run(vm.id, "unregistervm", vm.id, "--delete")
    except Busy:
        raise
    except CommandFailed as error:
        if is_not_found(error.stderr) or vm.id in driver.vbox_vms():
            raise
        raise PartlyApplied(
            f"{vm.name}: the VM is unregistered, but VirtualBox could not delete all of its files: {error.message}.",
            f"Delete the remaining files in {folder}, and check the output of VBoxManage list hdds.",
        ) from error


def _clear_folder(folder):
    """Remove the VM's directory and its subdirectories if they are empty."""
    for part in ("Snapshots", "Logs", ""):
        folders.remove_empty_folder(os.path.join(folder, part))
