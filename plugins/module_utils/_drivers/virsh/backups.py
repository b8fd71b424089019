# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt: creating and deleting backups: by a backup job while the VM runs, by copies of its disks while it is off."""

from __future__ import annotations

import os

from ..._core.backup import manifest as manifests
from ..._core.backup.backup import CRASH, FILESYSTEM, OFF, births_of
from ..._core.errors import CommandFailed, PolyvirtError, Refused
from ..._core.model import PAUSED, RUNNING, Vm
from ..._core.record.reader import Damaged
from ..._kit.creation import undone_on_failure
from ..._media.backup_folder import BackupFolder
from ..._ports import change_counter, files, folders
from ..._ports.clock import Clock, call_timeout
from ..._tools import virsh_backup as jobs
from ..._tools.domain_xml import file_or_device_of, target_of
from ..._tools.virsh import ConnectionLost
from .clone import nvram_image, source_format
from .settings.firmware import nvram_of

_JOB = "job.xml"
_DEFINITION = "definition.xml"
_NVRAM = "nvram"
#: Clocks of tests.
CLOCK = Clock


def read_backups(driver, vm, asked, reads_content):
    """The backups of a VM in the directory of the task (``KeepsBackups`` of driver.py)."""
    from .restore import settings_after

    # Its backups before a renaming are those of the VM, too.
    source = _vm_named(driver, asked.of) if asked.is_beside else vm
    births = births_of(source) if source.id else ()
    written = _written_files(driver, vm)

    def is_written(manifest):
        return any(
            driver.backup_folder.path(manifest["birth"], manifest["id"], name) in written for name in _names(manifest)
        )

    is_restored, now = asked.state == "restored", driver.options.get("controller_time")
    found = driver.backup_folder.list(births, asked.of or vm.name, reads_content and not is_restored, is_written)
    if not is_restored:
        return [backup for backup, _manifest in found]
    chosen = []
    # Only what the plan may choose is read: the requested backup, or the newest ones until one is good.
    for backup, manifest in sorted(found, key=lambda one: (one[0].start, one[0].id), reverse=True):
        one = backup
        if backup.is_good and backup.may_be_restored(asked, now) and not _is_decided(chosen, vm, backup):
            one = driver.backup_folder.read_whole(backup, manifest) if reads_content else backup
            one = settings_after(driver, vm, asked, one, manifest)
        chosen.append(one)
    return chosen


def _vm_named(driver, name):
    """What is recorded of the VM that has a name now: its identity, and those that it continues."""
    found = next((one for one in driver.all_definitions() if one.name == name), None)
    return Vm(name, found.uuid, mark=found.mark) if found else Vm.absent(name)


def _is_decided(chosen, vm, backup):
    """Whether a newer good backup was read, or this one is of another VM with the name of an existing one."""
    is_other = vm.id is not None and backup.birth not in births_of(vm)
    return is_other or any(one.config is not None for one in chosen)


def _names(manifest):
    return [one["name"] for one in manifest["files"]]


def _written_files(driver, vm):
    """The files that a running job of the VM writes."""
    if vm.id is None or not vm.on:
        return frozenset()
    return jobs.running_files(driver.virsh.batch([("backup-dumpxml", vm.id)])[0])


def disks_to_back_up(definition, excluded):
    """{slot: disk} of all disks of a definition, without optical drives and those that the task excludes."""
    return {target_of(disk): disk for disk in definition.drives("disk", "lun") if target_of(disk) not in excluded}


# Steps ----------------------------------------------------------------------------------------------------------------


def backup(driver, vm, step):
    """Create a backup. One that this task has completed is left; one that a running job writes is completed."""
    made, folder = step.arguments["made"], driver.backup_folder
    manifest = folder.manifest(made.birth, made.id)
    if manifest is not None and not manifest["unfinished"]:
        return
    is_running = vm.power in (RUNNING, PAUSED)
    if manifest is not None and not (is_running and _is_still_written(driver, vm)):
        with folder.its_own(manifest):
            discard(driver, vm, manifest)
        manifest = None
    if manifest is not None:
        # The virsh that began it may have been killed before it thawed the guest.
        thaw(driver, vm, manifest)
        _complete(driver, vm, manifest, step.arguments["consistency"], manifest.get("reached", CRASH), ())
        return
    definition = driver.definition(vm.id)
    manifest = _new_manifest(driver, vm, made, definition)
    files.make_folder(folder.path(), files.ENTERED)
    before = change_counter.count()
    with undone_on_failure(lambda error: _undo(driver, vm, manifest, before), ConnectionLost):
        folder.begin(manifest)
        folder.write(manifest, _DEFINITION, definition.text().encode())
        _copy_nvram(driver, manifest, definition)
        if is_running:
            _back_up_running(driver, vm, manifest, definition, step.arguments["consistency"])
        else:
            _back_up_stopped(driver, vm, manifest, definition)


def _is_still_written(driver, vm):
    return bool(_written_files(driver, vm)) and not jobs.is_over(driver.virsh, vm.id)


def _undo(driver, vm, manifest, before):
    # The stored one records whether the guest may be frozen.
    manifest = driver.backup_folder.manifest(manifest["birth"], manifest["id"]) or manifest
    with driver.backup_folder.its_own(manifest):
        discard(driver, vm, manifest)
    # The VM is unchanged, and nothing remains of the backup.
    change_counter.set_back(before)


def _new_manifest(driver, vm, made, definition):
    disks = disks_to_back_up(definition, made.excluded)
    entries = [_disk_entry(driver, slot, disk) for slot, disk in sorted(disks.items())]
    entries.append({"name": _DEFINITION, "role": manifests.DEFINITION})
    nvram = nvram_image(definition)
    if nvram:
        entries.append({"name": _NVRAM, "role": manifests.NVRAM, "format": nvram["format"]})
    if vm.power in (RUNNING, PAUSED):
        entries.append({"name": _JOB})
    return manifests.unfinished(
        vm, made.birth, driver.backup_folder.host, made.id, made.start, entries, made.excluded, made.protected
    )


def _disk_entry(driver, slot, disk):
    path, image_format = file_or_device_of(disk), source_format(disk)
    size = driver.storage.qemu_img.info(path, image_format, as_disk=True).virtual_size
    return {
        "name": f"{slot}.qcow2",
        "role": manifests.DISK,
        "slot": slot,
        "format": image_format,
        "virtual_size": size,
        "source": path,
        # If the file system is missing at a restore, its directory is that of another one.
        "mount": folders.mount_point(os.path.dirname(path)),
    }


def _path(driver, manifest, name):
    return driver.backup_folder.path(manifest["birth"], manifest["id"], name)


def _closed_file(driver, manifest, name):
    """Create an empty file that only its owner can read; qemu-img keeps its mode. Returns its path."""
    driver.backup_folder.write(manifest, name, b"")
    return _path(driver, manifest, name)


def _copy_nvram(driver, manifest, definition):
    entry = manifests.file_of(manifest, manifests.NVRAM)
    if entry:
        # QEMU writes the small file in one operation, so it can be read while the VM runs.
        target = _closed_file(driver, manifest, entry["name"])
        driver.storage.qemu_img.convert(nvram_of(definition), entry["format"], target, entry["format"], in_use=True)


def _back_up_running(driver, vm, manifest, definition, wanted):
    xml = _path(driver, manifest, _JOB)
    included = manifests.disks_of(manifest)
    targets = {
        target_of(disk): _path(driver, manifest, included[target_of(disk)]["name"])
        if target_of(disk) in included
        else None
        for disk in definition.drives("disk", "lun", "cdrom", "floppy")
    }
    driver.backup_folder.write(manifest, _JOB, jobs.backup_xml(targets).encode())
    is_frozen = vm.power == RUNNING and jobs.agent_answers(driver.virsh, vm.id)
    if wanted == FILESYSTEM and not is_frozen:
        raise Refused(
            f"{vm.name}: consistency: filesystem: no agent answers in the guest, so its file systems cannot be frozen.",
            "Install and start qemu-guest-agent in the guest, or set consistency: crash.",
        )
    # Recorded before it begins, so that the next task knows that a guest may be frozen.
    driver.backup_folder.store({**manifest, "may_be_frozen": is_frozen})
    problem = jobs.begin(driver.virsh, vm.id, xml, is_frozen)
    # Recorded when it is known: a task that completes the job of another one claims no more.
    manifest = {**manifest, "may_be_frozen": is_frozen, "reached": FILESYSTEM if is_frozen and not problem else CRASH}
    driver.backup_folder.store(manifest)
    if problem and wanted == FILESYSTEM:
        raise Refused(f"{vm.name}: consistency: filesystem: the agent could not freeze the file systems: {problem}.")
    notes = (f"its file systems could not be frozen: {problem}",) if problem else ()
    _complete(driver, vm, manifest, wanted, manifest["reached"], notes)


def _complete(driver, vm, manifest, wanted, reached, notes):
    """Wait for the job of a backup, check its images and complete its manifest."""
    if wanted == FILESYSTEM != reached:
        raise Refused(
            f"{vm.name}: the running backup job has not the consistency {wanted}.", "Run the task again later."
        )
    jobs.Waiting(driver.virsh, CLOCK(), call_timeout(driver.options.get("call_timeout"))).until_end(vm.id)
    _check_images(driver, vm, manifest)
    driver.backup_folder.finish(manifest, reached, notes)


def _back_up_stopped(driver, vm, manifest, definition):
    disks = disks_to_back_up(definition, manifest["excluded"])
    sources = {slot: file_or_device_of(disk) for slot, disk in disks.items()}
    before = {path: files.version(path) for path in sources.values()}
    for slot, entry in manifests.disks_of(manifest).items():
        target = _closed_file(driver, manifest, entry["name"])
        # Without a lock, which would prevent the start of the VM; a start is detected below.
        driver.storage.qemu_img.convert(sources[slot], entry["format"], target, "qcow2", in_use=True)
    is_off = driver.virsh.run("domstate", vm.id).strip() == "shut off"
    if not is_off or before != {path: files.version(path) for path in sources.values()}:
        raise Refused(f"{vm.name}: the VM was started while it was backed up.", "Run the task again.")
    _check_images(driver, vm, manifest)
    driver.backup_folder.finish(manifest, OFF)


def _check_images(driver, vm, manifest):
    for slot, entry in manifests.disks_of(manifest).items():
        image = driver.storage.qemu_img.info(_path(driver, manifest, entry["name"]), "qcow2")
        if image.backing or image.virtual_size != entry["virtual_size"]:
            raise PolyvirtError(f"{vm.name}: the backup of disk {slot} is not complete.", "Run the task again.")


def discard(driver, vm, manifest):
    """Remove an unfinished backup. The guest is thawed first: its task may have been killed after it was frozen."""
    thaw(driver, vm, manifest)
    if vm.power in (RUNNING, PAUSED):
        _abort_own_job(driver, vm, manifest)
    driver.backup_folder.remove(manifest)


def thaw(driver, vm, manifest):
    """Thaw a guest that an unfinished backup may have frozen. Raises Refused if it may still be frozen."""
    if not manifest.get("may_be_frozen") or vm.power not in (RUNNING, PAUSED):
        return
    problem = "the VM is paused" if vm.power == PAUSED else None
    problem = problem or jobs.thaw(driver.virsh, vm.id)
    if problem:
        raise Refused(
            f"{vm.name}: backup '{manifest['id']}' is unfinished, and the file systems of the guest may still be"
            f" frozen: {problem}.",
            f"Make sure that the VM runs and its agent answers (virsh domfsthaw {vm.id}), and run the task again.",
        )


def _abort_own_job(driver, vm, manifest):
    own = {_path(driver, manifest, name) for name in _names(manifest)}
    if own & _written_files(driver, vm):
        try:
            driver.virsh.run("domjobabort", vm.id)
        except CommandFailed as error:
            if "no job is active" not in error.stderr:
                raise
        jobs.Waiting(driver.virsh, CLOCK(), jobs.FREEZE).until_gone(vm.id)


def drop_backup(driver, vm, step):
    """Delete backups of a VM; one that was unfinished is left if it is complete by now."""
    for backup_id in step.arguments["ids"]:
        found = next((one for one in vm.backups if one.id == backup_id), None)
        if found is None:
            continue
        try:
            manifest = driver.backup_folder.manifest(found.birth, backup_id)
        except Damaged:
            continue  # Since the plan: the end of the task reports it.
        if manifest is None or (backup_id in step.arguments["unfinished"] and not manifest["unfinished"]):
            continue
        if manifest["unfinished"]:
            discard(driver, vm, manifest)
            continue
        if manifest["protected"] and not found.protected:
            raise Refused(f"{vm.name}: backup '{backup_id}' was protected meanwhile.", "Run the task again.")
        driver.backup_folder.remove(manifest)


def edit_backup(driver, vm, step):
    """Protect a backup, or remove its protection."""
    found = next(one for one in vm.backups if one.id == step.arguments["id"])
    manifest = driver.backup_folder.manifest(found.birth, found.id)
    driver.backup_folder.store({**manifest, "protected": step.arguments["protected"]})


def all_backups(directory, reads_content):
    """All backups in a directory, of any VM."""
    folder = BackupFolder(directory, files.host_name())
    return [backup for backup, _manifest in folder.list(None, None, reads_content)]
