# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt: what a backup or a restore needs from the host, checked before the first step."""

from __future__ import annotations

import os

from ..._core.backup import manifest as manifests
from ..._core.errors import Refused
from ..._core.model import PAUSED, RUNNING, Plan
from ..._core.record.mark import proven_of
from ..._core.sharing.file_checks import check_folder
from ..._media.foreign_image import check_directory
from ..._ports import files, folders
from ..._tools import virsh_backup as jobs
from ..._tools.domain_xml import file_of, file_or_device_of, target_of
from ..._tools.virsh_output import version_numbers
from .backups import disks_to_back_up
from .clone import source_format
from .needed import VirshFiles
from .restore import folders_of_disks, host_access_of, is_folder_of_others, may_have_disks
from .settings.disks import is_encrypted
from .settings.hardware import read_tpm
from .snapshots import disks_of


def check_backup_step(driver, vm, step):
    """Raise Refused if the step would fail half-way. Returns warnings."""
    if step.verb == "backup":
        return _check_new(driver, vm, step.arguments["made"])
    if step.verb in ("restore_backup", "create_from_backup"):
        return _check_restore(driver, vm, step)
    if step.verb == "finish_restore":  # Something may have changed the VM since it was restored.
        return [f"{vm.name}: {text}" for text in step.also]
    return ()


def _check_new(driver, vm, made):
    is_running = vm.power in (RUNNING, PAUSED)
    if is_running and version_numbers(driver.library)[:2] < jobs.SINCE:
        raise Refused(
            f"{vm.name}: backups of running VMs require libvirt {'.'.join(map(str, jobs.SINCE))}, and this is"
            f" {driver.library}.",
            "Set consistency: stopped with allow_restart: true.",
        )
    definition = driver.definition(vm.id)
    slots = {target_of(disk) for disk in definition.drives("disk", "lun")}
    _check_slots(vm, made, slots, is_running)
    included = disks_to_back_up(definition, made.excluded)
    if not included:
        raise Refused(f"{vm.name}: no disk is left to back up.", "Exclude fewer disks.")
    for slot, disk in sorted(included.items()):
        _check_included(vm, slot, disk)
    directory = driver.options["directory"]
    _check_directory(driver, vm, directory)
    needed = sum(_needed(driver, disk) for disk in included.values())
    # What interrupted tasks have left is removed before, or completed.
    left = sum(one.size for one in vm.backups if one.unfinished and not one.is_foreign)
    free = files.free_space(directory) + left
    driver.space.reserve(vm.name, "directory", _place(directory), needed, free, "choose another directory")
    return [*_warnings(vm, directory, included), *_warnings_of_tpm(vm, definition)]


def _check_slots(vm, made, slots, is_running):
    unknown = [slot for slot in made.excluded if slot not in slots]
    if unknown:
        raise Refused(
            f"{vm.name}: exclude: the VM has no disk {unknown[0]}.", f"Its disks: {', '.join(sorted(slots))}."
        )
    if is_running and vm.active is not None and set(vm.active.get("disks") or {}) != slots:
        raise Refused(
            f"{vm.name}: the disks of the running VM differ from those of its next start.", "Restart the VM first."
        )


def _check_included(vm, slot, disk):
    reason = ""
    if is_encrypted(disk):
        reason = "is encrypted"
    elif not file_or_device_of(disk):
        reason = "is neither a file nor a block device"
    elif disk.get("device") == "lun":
        reason = "is a device that is passed through"
    if reason:
        raise Refused(
            f"{vm.name}: disk {slot} {reason}, so the backup cannot contain it.",
            f"Set exclude: [{slot}] for a backup without it.",
        )


def _check_directory(driver, vm, directory):
    """A directory of images is emptied by others. One below a directory in which somebody keeps disks is not."""
    own, default = os.path.realpath(directory), os.path.realpath(driver.default_folder)
    images = {"/": "the operating system", default: "the images of libvirt", **folders_of_disks(driver)}
    for folder, what in sorted(images.items()):
        if own == folder or (folder == default and own.startswith(f"{folder}/")):
            raise Refused(
                f"{vm.name}: directory: {directory} is in the directory of {what}.",
                "Choose a directory for backups alone, on another device than the disks.",
            )
    if files.exists(directory) and not files.is_folder(directory):
        raise Refused(f"{vm.name}: directory: {directory} is not a directory.", "Choose another one.")


def _place(path):
    """The file system of a file or directory, which may not exist yet."""
    while not files.exists(path):
        path = os.path.dirname(path)
    return files.identity(path)[0]


def _needed(driver, disk):
    return driver.storage.qemu_img.needed(file_or_device_of(disk), source_format(disk))


def _warnings(vm, directory, disks):
    place = _place(directory)
    same = [slot for slot, disk in sorted(disks.items()) if file_of(disk) and _place(file_of(disk)) == place]
    if not same:
        return ()
    return (f"{vm.name}: directory: {directory} is on the same device as disk {same[0]}, and would be lost with it.",)


def _warnings_of_tpm(vm, definition):
    if not read_tpm(definition):
        return ()
    return (f"{vm.name}: backups do not contain the state of its TPM; keep the recovery keys of encrypted disks.",)


def _check_restore(driver, vm, step):
    backup, of_vm = step.arguments["backup"], driver.backup_folder.path(step.arguments["backup"].birth)
    manifest = driver.backup_folder.manifest(backup.birth, backup.id)
    if manifest is None:
        raise Refused(f"{vm.name}: backup '{backup.id}' does not exist any more.", "Choose another one.")
    # It may be a copy from another host, with other owners.
    check_directory(f"{vm.name}: directory", os.path.join(of_vm, backup.id), driver.options, copied=of_vm)
    if vm.id:
        _check_replaced(driver, vm, manifest)
    elif vm.name == manifest["vm"]:
        _check_uuid(driver, vm, manifest)
    lost = host_access_of(driver, vm, manifest)
    paths = disks_of(vm.having(config=backup.config))
    sizes, warnings = {}, [f"{vm.name}: the restored VM does not have: {', '.join(lost)}."] if lost else []
    for slot, one in manifests.disks_of(manifest).items():
        folder = os.path.dirname(paths[slot]["source"])
        warnings += _check_place(driver, f"{vm.name}: backup '{manifest['id']}'", slot, one, folder)
        source = driver.backup_folder.path(manifest["birth"], manifest["id"], one["name"])
        sizes.setdefault(folder, []).append(driver.storage.qemu_img.needed(source, "qcow2"))
    begun = driver.unfinished.get(vm.name, vm)
    left = proven_of(begun.mark, files.identity) if begun.owned else ()
    for folder, needed in sorted(sizes.items()):
        warnings += check_folder(VirshFiles(driver, Plan(vm, vm)), f"{vm.name}: disk_directory", folder)
        driver.space.reserve(
            vm.name,
            f"restored disks in {folder}",
            _place(folder),
            sum(needed),
            files.free_space(folder) + sum(files.allocated(path) for path in left if os.path.dirname(path) == folder),
            "set disk_directory",
        )
    return warnings


def _check_place(driver, about, slot, one, folder):
    """Reject a directory that only the backup names. Returns a warning about one that is no place for new disks."""
    source, is_chosen = one.get("source") or "", bool(driver.options.get("disk_directory"))
    named = os.path.dirname(source)
    if may_have_disks(named) and is_folder_of_others(driver, named):
        raise Refused(
            f"{about} has {named} for disk {slot}, where no VM has disks.",
            f"Set disk_directory: {named} if that is right, or another directory.",
        )
    mount = folders.mount_point(folder)
    if not is_chosen and folder == named and one.get("mount") not in (None, mount):
        raise Refused(
            f"{about} has {named} for disk {slot}, on the file system mounted at {one['mount']}. Now it is on that of"
            f" {mount}.",
            f"Mount {one['mount']}, or set disk_directory.",
        )
    if is_chosen or not files.is_folder(named) or may_have_disks(named):
        return []
    return [f"{about} has {source} for disk {slot}, and new disks cannot be there. Its new file is in {folder}."]


def _check_uuid(driver, vm, manifest):
    """A lost VM gets its UUID again, which it still has if it was only renamed."""
    for one in driver.all_definitions():
        if one.uuid == manifest["birth"] and one.name != vm.name:
            raise Refused(
                f"{vm.name}: the VM of backup '{manifest['id']}' exists with the name {one.name}.",
                f"Set name: {one.name} and replace: true to replace it, or new_name to restore another VM.",
            )


def _check_replaced(driver, vm, manifest):
    """A VM that is replaced keeps the disks that the backup lacks, so it must have them, and shares no other disk."""
    present = {target_of(disk): disk for disk in driver.definition(vm.id).drives("disk", "lun")}
    for slot in manifests.disks_of(manifest):
        if slot in present and present[slot].find("shareable") is not None:
            raise Refused(
                f"{vm.name}: disk {slot} is shareable, and would be replaced by a copy that other VMs do not use.",
                "Restore the backup as another VM (new_name), or create backups with exclude: [SLOT] of such disks.",
            )
    for slot in manifest["excluded"]:
        path = file_of(present[slot]) if slot in present else ""
        if slot in present and not (path and not files.exists(path)):
            continue
        reason = f"{path} does not exist" if path else "the VM has no such disk now"
        raise Refused(
            f"{vm.name}: backup '{manifest['id']}' does not contain disk {slot}, and {reason}.",
            "Attach that disk first, or restore the backup as another VM (new_name).",
        )
