# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt: comparing the files in a VM's disks at two points: two snapshots, or a snapshot and the current disks.

The tool needs an image file for each disk. For an external snapshot this is the file that it froze. An internal
snapshot is copied out of its image: only the data in the image itself, as the copy has the same backing file.
"""

from __future__ import annotations

import os

from ..._core.errors import CommandFailed, Refused
from ..._core.frozen import Frozen
from ..._core.model import FAILED, PAUSED, RUNNING
from ..._core.units import MIB, human_size
from ..._ports import files
from ..._tools.virt_diff import VirtDiff
from .snapshots import check_content, read_snapshot
from .traits import INTERNAL


class _Disk(Frozen):
    """One disk at one point; ``internal_snapshot`` is the name of the snapshot to copy out of the image, or None."""

    slot: str
    path: str
    format: str
    internal_snapshot: str | None = None


def compare_content(driver, vm, before, after):
    """Compare two snapshots with ``virt-diff``; ``after`` None: the current disks. Temporary copies are removed."""
    tool = VirtDiff(driver.commands)
    points = [_disks_at(driver, vm, before), _disks_now(vm) if after is None else _disks_at(driver, vm, after)]
    copied = [disk for disks in points for disk in disks if disk.internal_snapshot is not None]
    disk_folder = os.path.dirname(copied[0].path) if copied else None
    if copied:
        _check_space(vm, copied, disk_folder)
    with files.private_folder(disk_folder) as folder:
        images = [
            [_image(driver, disk, os.path.join(folder, f"{point}-{disk.slot}")) for disk in disks]
            for point, disks in zip(("before", "after"), points)
        ]
        try:
            return tool.compare(*images, scratch=folder)
        except CommandFailed as error:
            error.message = f"{vm.name}: {error.message}"
            raise


def _disks_at(driver, vm, snapshot):
    snapshot_xml = read_snapshot(driver.virsh, vm.id, snapshot.name)
    _check_files(vm, f"snapshot '{snapshot.name}'", snapshot.config.get("disks") or {}, snapshot_xml.disk_files)
    check_content(driver, vm, snapshot.name, snapshot_xml)
    internal_snapshot = snapshot.name if snapshot.kind == INTERNAL else None
    disks = snapshot.config["disks"]
    return [
        _Disk(slot, path, disks[slot]["format"], internal_snapshot)
        for slot, path in sorted(snapshot_xml.disk_files.items())
    ]


def _disks_now(vm):
    if vm.power in (RUNNING, PAUSED, FAILED):
        raise Refused(
            f"{vm.name}: the VM is {vm.power}; its disks can be compared only while it is stopped.",
            "Stop it first, or create a snapshot and set to to its name.",
        )
    disks = vm.config.get("disks") or {}
    paths = {slot: disk["source"] for slot, disk in disks.items() if files.is_file(disk.get("source") or "")}
    _check_files(vm, "the VM", disks, paths)
    return [_Disk(slot, path, disks[slot]["format"]) for slot, path in sorted(paths.items())]


def _check_files(vm, what, disks, paths):
    missing = sorted(set(disks) - set(paths))
    if missing or not paths:
        found = f"disk {', '.join(missing)} of {what} is not a file" if missing else f"{what} has no disk files"
        raise Refused(f"{vm.name}: content: {found}, so it cannot be compared.", "Omit content.")


def _check_space(vm, copied, folder):
    # A copy is never larger than the allocated size of its image.
    needed = sum(files.allocated(path) for path in sorted(disk.path for disk in copied))
    free = files.free_space(folder) // MIB * MIB
    if needed > free:
        raise Refused(
            f"{vm.name}: comparing the contents of its disks may need {human_size(needed)} of temporary space in"
            f" {folder}, but only {human_size(free)} is free.",
            "Free some space there, or omit content.",
        )


def _image(driver, disk, copy):
    """(path, format) of the image to compare; an internal snapshot is copied to ``copy``."""
    if disk.internal_snapshot is None:
        return disk.path, disk.format
    driver.storage.qemu_img.copy_out(disk.path, disk.internal_snapshot, copy)
    return copy, "qcow2"
