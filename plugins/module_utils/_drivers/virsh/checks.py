# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks before the first step of a plan: whether the host has what it needs. Each error names VM, option, remedy.

Known problems of libvirt with snapshots (all seen with libvirt 9.0.0):

* A restore with missing files stops the guest and changes its definition.
* Deleting an external snapshot destroys internal ones in its overlay.
* Deleting an external snapshot of a suspended VM merges the files that its saved memory needs.
* If an image already contains a snapshot with the name, it gets a second one with that name.
* While the VM is stopped, only the newest external snapshot can be deleted.
* The memory of a VM with CPUs that were added while it ran cannot be loaded again.
"""

from __future__ import annotations

import os
import shlex

from ..._core.claims import FILE
from ..._core.errors import NotFound, Refused
from ..._core.model import PAUSED, RUNNING, SNAPSHOT_VERBS, STOPPED, SUSPENDED
from ..._core.planned import deleted_files, planned
from ..._ports import files
from ..._tools import seed
from ..._tools.virsh_output import version_numbers
from .create import check_architecture
from .definition import Definition, file_of
from .host_checks import check_host
from .settings.disks import check_added_disk, check_disk, check_disk_can_grow, slot_name
from .settings.display import check_serial_log
from .settings.firmware import FIRMWARE
from .settings.hardware import check_hardware
from .settings.memory_cpus import MEMORY_CPUS, check_fixed_maximum, has_added_cpus
from .settings.port_forwards import check_passt
from .settings.shared_folders import check_shares
from .snapshots import check_content, disks_of, leftovers, memory_path, overlay_path, read_snapshot
from .storage import check_iso, check_space
from .traits import EXTERNAL, EXTERNAL_RESTORED_SINCE, INTERNAL

#: First libvirt version with another way to load the memory of an internal snapshot.
_ADDED_CPUS_SINCE = (10, 10)
#: In bytes, on the file systems of Linux.
_LONGEST_FILE_NAME = 255


def check_plan(driver, plan, released=frozenset()):
    """Raise NotFound or Refused if the plan would fail after some of its steps.

    ``released`` are the claims that earlier plans of the task let go of.
    """
    own_files = deleted_files(plan)
    to_delete = {files.identity(path) for path in own_files}
    to_delete |= {identity[1] for kind, identity in released if kind == FILE}
    cloned = None
    for one in planned(plan):
        if one.step.verb == "create":
            _check_creation(driver, plan.after.name, one.step.arguments, to_delete, own_files)
        elif one.step.verb == "clone":
            cloned = _check_clone(driver, plan.after.name, one.step.arguments, to_delete, own_files)
        elif one.step.verb == "configure":
            _check_changes(driver, one.vm, one.changes, to_delete)
            _check_maxima(driver, one.vm, one.changes, cloned)
        elif one.step.verb in SNAPSHOT_VERBS:
            check_snapshot(driver, plan.before, one.step)
    check_hardware(driver, plan)
    check_shares(driver, plan)
    check_passt(driver, plan)
    _check_deletion(driver, plan)
    check_host(driver, plan)


def _check_clone(driver, name, arguments, to_delete, own_files):
    from .clone import check_clone

    definition = check_clone(driver, name, arguments["creation"], arguments["source"], to_delete, own_files)
    _check_seed(driver, name, arguments)
    return definition


def _check_creation(driver, name, arguments, to_delete, own_files):
    config, creation = arguments["config"], arguments["creation"]
    check_architecture(name, driver.hypervisor)
    image = creation.get("image")
    disks = config.get("disks") or {}
    if disks or creation.get("cloud_init"):
        driver.storage.check_folder()
    if config.get("firmware") == "uefi":
        driver.storage.check_folder(written=False)
        driver.storage.check_no_nvram(name, config["secure_boot"], to_delete)
    if config.get("serial_log"):
        _check_serial_log(driver, name, config["serial_log"])
    for slot, entry in disks.items():
        base = image if slot == slot_name(0) else None
        if base:
            driver.storage.check_image(name, base, entry)
        check_disk(driver, name, slot, entry, base, to_delete)
        if base and not entry.get("source"):
            check_space(driver, name, [base], own_files)
    if config.get("iso"):
        check_iso(name, config["iso"])
    _check_seed(driver, name, arguments)


def _check_seed(driver, name, arguments):
    if arguments["creation"].get("cloud_init") is not None:
        seed.find_tool(driver.commands)
        seed.check_documents(arguments, name)


def _check_serial_log(driver, name, path):
    if driver.is_local:
        check_serial_log(name, path)


def _check_changes(driver, vm, changes, released):
    added = [change for change in changes if change.kind == "disks.add"]
    if added:
        driver.storage.check_folder()
        for change in added:
            check_added_disk(driver, vm, change, released)
    after = {**vm.config, **{change.field: change.new for change in changes}}
    if any(change.field in FIRMWARE for change in changes) and after["firmware"] == "uefi":
        driver.storage.check_folder(written=False)
    for change in changes:
        if change.kind == "iso" and change.new:
            check_iso(vm.name, change.new)
        if change.kind == "serial_log" and change.new:
            _check_serial_log(driver, vm.name, change.new)
        if change.kind == "disks.size":
            check_disk_can_grow(vm, change)


def _check_maxima(driver, vm, changes, cloned):
    """Check CPUs and memory with the definition of the VM, or the one that it is ``cloned`` from."""
    for change in changes:
        if change.field in MEMORY_CPUS:
            for definition in driver.definitions_of(vm) if cloned is None else [cloned]:
                check_fixed_maximum(definition, change)


def _check_deletion(driver, plan):
    """Reject files in a directory that is not writable, before the VM is stopped: they could not be deleted."""
    for path in deleted_files(plan):
        folder = os.path.dirname(path)
        if files.exists(folder) and not files.is_writable(folder) and os.path.lexists(path):
            raise Refused(
                f"{plan.before.name}: {path} cannot be deleted, because its directory is not writable.",
                "Run the task with become, or keep the disks (delete_disks: none).",
            )


def check_snapshot(driver, vm, step):
    """Raise NotFound or Refused for a snapshot step that would lose data or fail half-way."""
    {"snapshot": _check_new_snapshot, "drop_snapshot": _check_dropping, "restore": _check_restore}[step.verb](
        driver, vm, step.arguments
    )


# New snapshots ------------------------------------------------------------------------------------------------------


def _check_new_snapshot(driver, vm, arguments):
    kind = arguments["kind"]
    others = {one.kind for one in vm.snapshots} - {kind}
    if others:
        raise Refused(
            f"{vm.name}: kind: its snapshots are {others.pop()}, and libvirt cannot delete single snapshots if an"
            f" {kind} one is mixed with them.",
            "Omit kind, or delete those snapshots first.",
        )
    if kind == INTERNAL:
        _check_internal(driver, vm, arguments)
    else:
        _check_external(driver, vm, arguments)


def _check_internal(driver, vm, arguments):
    name = arguments["name"]
    if arguments["include_memory"] is False and vm.power in (RUNNING, PAUSED):
        raise Refused(
            f"{vm.name}: include_memory: an internal snapshot of a running VM always includes its memory.",
            "Omit include_memory, stop the VM first, or create an external snapshot (kind: external).",
        )
    if vm.power in (RUNNING, PAUSED) and _cannot_load(driver, Definition(driver.virsh.run("dumpxml", vm.id)).root):
        raise Refused(
            f"{vm.name}: CPUs were added while the VM ran, and libvirt {driver.library} cannot restore an internal"
            " snapshot with them.",
            "Restart or stop the VM first, or create an external snapshot (kind: external).",
        )
    for slot, disk in sorted(disks_of(vm).items()):
        if disk.get("format") != "qcow2":
            raise Refused(
                f"{vm.name}: disk {slot} is {disk.get('format')}, and only qcow2 images support internal snapshots.",
                "Create an external snapshot (kind: external), or convert the disk.",
            )
    if driver.is_local:
        for path, found in leftovers(driver, vm):
            if found == name:
                raise Refused(
                    f"{vm.name}: {path} already contains a snapshot '{name}' from an earlier VM or another tool.",
                    f"Use another name, or delete it: {shlex.join(['qemu-img', 'snapshot', '-d', name, path])}",
                )


def _check_external(driver, vm, arguments):
    if not vm.persistent:
        raise Refused(
            f"{vm.name}: the VM is transient, so libvirt would forget the files of an external snapshot when it stops.",
            "Make the VM persistent first (virsh define).",
        )
    if not driver.is_local or driver.hypervisor == "TEST":
        raise Refused(
            f"{vm.name}: kind: external snapshots create files, which is not possible on this connection.",
            "Run the task on the hypervisor itself, or create an internal snapshot.",
        )
    disks = vm.config.get("disks") or {}
    if not disks or len(disks_of(vm)) < len(disks):
        raise Refused(
            f"{vm.name}: kind: external snapshots are supported only for disks that are files.",
            "Create an internal snapshot while the VM is stopped.",
        )
    if vm.active is not None and set(vm.active.get("disks") or {}) != set(disks):
        raise Refused(
            f"{vm.name}: the disks of the running VM differ from those of its next start, and an external snapshot"
            " needs both to be the same.",
            "Restart the VM first.",
        )
    for slot, disk in sorted(disks.items()):
        if files.is_block_device(disk["source"]):
            raise Refused(
                f"{vm.name}: disk {slot} is the block device {disk['source']}, for which no overlay file can be"
                " created.",
                f"Create it manually: virsh snapshot-create-as {vm.name} --disk-only --diskspec {slot},file=FILE",
            )
    paths = [overlay_path(vm, slot, arguments["name"]) for slot in disks]
    for path in (*paths, memory_path(vm, arguments["name"])):
        if len(os.path.basename(path).encode()) > _LONGEST_FILE_NAME:
            raise Refused(f"{vm.name}: the file name {os.path.basename(path)} is too long.", "Use a shorter name.")
        if files.exists(path):
            raise Refused(
                f"{vm.name}: {path} already exists.", "Use another name, or move the file to another directory."
            )


# Deleting and restoring snapshots -----------------------------------------------------------------------------------


def _check_dropping(driver, vm, arguments):
    to_delete = set(arguments["names"])
    external = {one.name for one in vm.snapshots if one.kind == EXTERNAL and one.name in to_delete}
    internal = [one.name for one in vm.snapshots if one.kind == INTERNAL and not one.unfinished]
    unlisted = [one.name for one in vm.snapshots if one.unfinished and one.name in to_delete]
    if unlisted and vm.power != STOPPED:
        snapshot = unlisted[0]
        raise Refused(
            f"{vm.name}: the snapshot '{snapshot}' exists only in the image of a disk, which cannot be changed while"
            f" the VM is {vm.power}.",
            "Stop it first.",
        )
    if external and internal:
        raise Refused(
            f"{vm.name}: deleting the external snapshot '{min(external)}' merges its files, which would destroy"
            f" internal snapshots that they may contain: {', '.join(internal)}.",
            "Delete the internal snapshots first.",
        )
    if external and vm.power == SUSPENDED:
        raise Refused(
            f"{vm.name}: the VM is suspended, and its saved memory needs the files that deleting snapshot"
            f" '{min(external)}' would merge.",
            "Start or stop the VM first.",
        )
    if external and vm.power == STOPPED and version_numbers(driver.library) < EXTERNAL_RESTORED_SINCE:
        _check_order(driver, vm, arguments["names"])


def _check_order(driver, vm, names):
    """Reject the deletion of an external snapshot of a stopped VM before that of a newer one."""
    remaining = {one.name: one.parent for one in vm.snapshots}
    for name in names:
        del remaining[name]
        newer = [one for one, parent in remaining.items() if parent == name]
        if newer:
            raise Refused(
                f"{vm.name}: libvirt {driver.library} cannot delete the external snapshot '{name}' while the VM is"
                f" stopped, because '{newer[0]}' is newer.",
                "Start the VM first, or delete the newer snapshots first.",
            )


def _cannot_load(driver, root):
    """Whether this libvirt cannot load the memory of a running VM; ``root`` is its domain element (None: not known)."""
    return root is not None and has_added_cpus(root) and version_numbers(driver.library) < _ADDED_CPUS_SINCE


def _check_restore(driver, vm, arguments):
    name = arguments["name"]
    if driver.hypervisor == "TEST":
        return
    snapshot = read_snapshot(driver.virsh, vm.id, name)
    if snapshot.kind == INTERNAL and snapshot.power != STOPPED and _cannot_load(driver, snapshot.root.find("domain")):
        raise Refused(
            f"{vm.name}: CPUs were added while the VM ran, before snapshot '{name}' was created, and libvirt"
            f" {driver.library} cannot load its memory.",
            f"Create a clone with its disks instead (clone.snapshot: {name}).",
        )
    if not driver.is_local:
        return
    check_content(driver, vm, name, snapshot)
    _check_media(vm, name, snapshot)
    memory = snapshot.memory_file
    if memory and not files.exists(memory):
        raise NotFound(
            f"{vm.name}: {memory} with the memory of snapshot '{name}' no longer exists.",
            "Restore the file, or delete the snapshot.",
        )


def _check_media(vm, name, snapshot):
    """Reject a restore if an ISO image of the snapshot is missing: libvirt would stop the guest before it fails."""
    media = snapshot.definition.drives("cdrom", "floppy") if snapshot.definition else ()
    for path in sorted(file_of(drive) for drive in media if file_of(drive)):
        if not files.exists(path):
            raise NotFound(
                f"{vm.name}: {path}, which was in a drive when snapshot '{name}' was created, no longer exists.",
                "Restore the file, or delete the snapshot.",
            )
