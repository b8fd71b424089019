# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files belong to a VM, which other VMs need them, and deleting VM and files.

VirtualBox deletes all disks that only this VM uses, in any directory: disks to be kept are detached first.
"""

from __future__ import annotations

import os
import re

from ..._core.errors import CommandFailed, PartlyApplied, Refused
from ..._core.mark import own_mark
from ..._core.model import File
from ..._ports import files
from ..._tools.vboxmanage import Busy, is_not_found
from .mark import resolved_mark
from .observe import is_lost
from .settings.addresses import release_addresses
from .settings.disks import base_name, remove_disk
from .settings.images import release_images
from .vbox_vm import slot_name

_UNKNOWN = "another VM"


def files_of(listing, vm):
    """The files of one VM. The bases of other VMs' disks cannot be kept without it."""
    listed = next((one for one in listing.machines if one.uuid == vm.id), None)
    if listed is None or listed.machine is None or vm.lost:
        return ()
    vbox_vm, mark = listing.vbox_vm(listed), resolved_mark(own_mark(vm), listing.media.values())
    names = {one.uuid: one.name or one.uuid for one in listing.machines}
    found = {}
    for medium in _own_media(vbox_vm, mark):
        base = vbox_vm.chain(medium.uuid)[-1]
        # On top of an image that is never written, VirtualBox creates a differencing image for each VM.
        ours = vm.owned and (base.uuid in mark["disks"] or (base.is_never_written and base is not medium))
        is_base = bool(_dependents(vbox_vm, names, medium))
        found[medium.location] = File(medium.location, "disk", ours, bound=is_base)
    for slot in vbox_vm.drives:
        if slot.medium != "emptydrive":
            is_seed = slot.medium in vbox_vm.seed_files()
            found[slot.medium] = File(slot.medium, "support" if is_seed else "medium", is_seed and vm.owned)
    for path in (*vbox_vm.seed_files(), *mark.get("making", ())) if vm.owned else ():
        if path not in found and files.exists(path):
            found[path] = File(path, "support", True)
    return tuple(found.values())


def _own_media(vbox_vm, mark):
    """The images that the VM or its snapshots use, and those created for it that are detached now."""
    media = vbox_vm.media.values()
    detached = [medium for medium in media if medium.uuid in mark["disks"] and not medium.users]
    return [medium for medium in media if vbox_vm.uuid in medium.users] + detached


def _dependents(vbox_vm, names, medium):
    """Names of the other VMs whose disks are differencing images of an image, or paths of such images without a VM."""
    dependents, own_detached = set(), vbox_vm.detached_images()
    for child in (one for one in vbox_vm.media.values() if one.parent == medium.uuid):
        if vbox_vm.uuid not in child.users and child not in own_detached:
            dependents |= {names.get(user, _UNKNOWN) for user in child.users} or {child.location}
    return sorted(dependents)


def check_no_base(vbox_vm, names):
    """Raise Refused if VirtualBox would stop half-way, because disks of other VMs are based on those of this VM."""
    for medium in (one for one in vbox_vm.media.values() if vbox_vm.uuid in one.users):
        users = ", ".join(_dependents(vbox_vm, names, medium))
        if users:
            raise Refused(
                f"{vbox_vm.values['name']}: {medium.location} is needed by {users}.", f"Delete {users} first."
            )


def check_kept_disks(vbox_vm, to_delete):
    """Raise Refused if VirtualBox would delete an image that is not in ``to_delete``."""
    name = vbox_vm.values["name"]
    for medium in (one for one in vbox_vm.media.values() if vbox_vm.uuid in one.users):
        # A disk can be detached from the current state, but not from a snapshot.
        if vbox_vm.machine.snapshots and medium.location not in to_delete:
            base = vbox_vm.chain(medium.uuid)[-1]
            raise Refused(
                f"{name}: its disk {base.location} is to be kept, but all or part of it would be deleted with the"
                " snapshots.",
                "Delete the snapshots first (vbox_snapshot), or set delete_disks: all.",
            )


def delete(driver, vm, step):
    with driver.vm_lock_of(vm):
        delete_vm(driver, vm, step.arguments.get("files", ()))


def delete_vm(driver, vm, paths):
    """Delete the files ``paths``, then the VM with everything that VirtualBox stores about it."""
    vbox_vms = driver.vbox_vms()
    vbox_vm = vbox_vms.get(vm.id)
    if vbox_vm is None or vm.lost:
        _forget(driver, vm)
        return
    to_delete = set(paths)
    _check_not_completed(vm, vbox_vm)
    # Checked again: stopping the VM took time since the plan was created.
    check_no_base(vbox_vm, {uuid: one.values["name"] for uuid, one in vbox_vms.items()})
    check_kept_disks(vbox_vm, to_delete)
    for slot in vbox_vm.disks:
        attached, _base = vbox_vm.image_in(slot)
        if attached is None or attached.location not in to_delete:
            remove_disk(driver, vbox_vm, slot_name(slot.controller, slot.port, slot.device))
    release_images(driver, own_mark(vm).get("borrowed", ()))
    detached = [medium for medium in vbox_vm.media.values() if medium.location in to_delete and not medium.users]
    # The disks that the VM has on top of these are deleted with it.
    bases = [medium for medium in detached if medium.is_never_written]
    for medium in (*vbox_vm.detached_images(), *(one for one in detached if one not in bases)):
        driver.run(vm.id, "closemedium", "disk", medium.uuid, "--delete")
    known = {medium.location for medium in vbox_vm.media.values()}
    for path in sorted(to_delete - known):
        files.remove(path)
    _remove_settings_backups(vbox_vm.folder, base_name(vbox_vm))
    release_addresses(driver, vbox_vm)
    _unregister(driver, vm, vbox_vm.folder)
    for medium in bases:
        driver.run(vm.id, "closemedium", "disk", medium.uuid, "--delete")
    _clear_folder(vbox_vm.folder)


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


def _remove_settings_backups(folder, name):
    """Remove the backups that VirtualBox creates when it upgrades the format of a settings file.

    They are removed before the VM is unregistered, because afterwards their owner would be unknown.
    """
    backup = re.compile(rf"{re.escape(name)}-\d+\.\d+-\w+\.vbox")
    for entry in files.entries(folder):
        if backup.fullmatch(entry):
            files.remove(os.path.join(folder, entry))


def _clear_folder(folder):
    """Remove the VM's directory and its subdirectories if they are empty."""
    for part in ("Snapshots", "Logs", ""):
        files.remove_empty_folder(os.path.join(folder, part))
