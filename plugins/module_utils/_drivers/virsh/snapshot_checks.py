# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt: what is checked before a snapshot is taken, deleted or restored.

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

from ..._core.errors import CommandFailed, NotFound, Refused
from ..._core.model import PAUSED, RUNNING, STOPPED, SUSPENDED
from ..._ports import files
from ..._tools.domain_xml import Definition, file_of
from ..._tools.virsh import is_unsupported
from ..._tools.virsh_output import names as names_in
from ..._tools.virsh_output import version_numbers
from .rehearsal import observed
from .settings.disks import check_encrypted
from .settings.memory_cpus import has_added_cpus
from .snapshots import check_content, disks_of, leftovers, memory_path, overlay_path, read_snapshot
from .traits import EXTERNAL, EXTERNAL_RESTORED_SINCE, INTERNAL

#: First libvirt version with another way to load the memory of an internal snapshot.
_ADDED_CPUS_SINCE = (10, 10)
#: In bytes, on the file systems of Linux.
_LONGEST_FILE_NAME = 255


def check_snapshot(driver, plan, one):
    """Raise NotFound or Refused for a snapshot step that would lose data or fail half-way."""
    checks = {"snapshot": _check_new_snapshot, "drop_snapshot": _check_dropping, "restore": _check_restore}
    if one.step.verb in checks:
        checks[one.step.verb](driver, plan.before, one.step.arguments)


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
    _check_external_files(driver, vm, arguments, disks)


def _check_external_files(driver, vm, arguments, disks):
    for slot, disk in sorted(disks.items()):
        if not os.path.isabs(disk["source"]):
            raise Refused(
                f"{vm.name}: kind: disk {slot} is {disk['source']} on another host or in a pool, and external snapshots"
                " are supported only for disks that are files.",
                "Create an internal snapshot while the VM is stopped.",
            )
        if files.is_block_device(disk["source"]):
            raise Refused(
                f"{vm.name}: disk {slot} is the block device {disk['source']}, for which no overlay file can be"
                " created.",
                f"Create it manually: virsh snapshot-create-as {shlex.quote(vm.name)} --disk-only"
                f" --diskspec {slot},file=FILE",
            )
    paths = [overlay_path(vm, slot, arguments["name"]) for slot in disks]
    for path in (*paths, memory_path(vm, arguments["name"])):
        if len(os.path.basename(path).encode()) > _LONGEST_FILE_NAME:
            raise Refused(f"{vm.name}: the file name {os.path.basename(path)} is too long.", "Use a shorter name.")
        if files.exists(path):
            raise Refused(
                f"{vm.name}: {path} already exists.", "Use another name, or move the file to another directory."
            )
    check_encrypted(observed(driver, vm.id), disks, "kind", "libvirt creates no external snapshots of it")


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
    if snapshot.kind == INTERNAL:
        _check_checkpoints(driver, vm, name)
    if not driver.is_local:
        return
    check_content(driver, vm, name, snapshot, for_restore=True)
    _check_media(vm, name, snapshot)
    memory = snapshot.memory_file
    if memory and not files.exists(memory):
        raise NotFound(
            f"{vm.name}: {memory} with the memory of snapshot '{name}' no longer exists.",
            "Restore the file, or delete the snapshot.",
        )


def _check_checkpoints(driver, vm, name):
    """Reject a restore that libvirt ends half-way: it stops the guest, and QEMU loads no snapshot beside a bitmap."""
    answer = driver.seen.checkpoints.get(vm.id)
    if answer is None or is_unsupported(answer.error):
        return
    if answer.error:
        raise CommandFailed(("virsh", "checkpoint-list", vm.id), 1, answer.error)
    names = names_in(answer.stdout)
    if names:
        first = "" if vm.power == RUNNING else "Start the VM, because checkpoints of a stopped one remain. "
        commands = "; ".join(shlex.join(["virsh", "checkpoint-delete", vm.name, one]) for one in names)
        raise Refused(
            f"{vm.name}: snapshot '{name}' cannot be restored while the VM has checkpoints: {', '.join(names)}.",
            f"{first}Delete them: {commands}. The next backup of the program that created them must be a full one.",
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
