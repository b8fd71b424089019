# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files in a VM's disks at two points of its history, compared.

A point becomes images that a tool can read: an external snapshot is the file that it froze, an internal one is copied
out of its image (only what the image itself holds: the copy stands on the same images below), and now is the disk.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from ..._lifecycle.errors import CommandFailed, Refused
from ..._lifecycle.model import FAILED, PAUSED, RUNNING
from ..._lifecycle.units import MIB, human_size
from ..._ports import files
from ..._tools.virt_diff import VirtDiff
from .snapshots import check_content, read_one
from .traits import INTERNAL


@dataclass(frozen=True)
class _Disk:
    """One disk at one point; ``tag`` is the internal snapshot to be copied out of its image, or None."""

    slot: str
    path: str
    format: str
    tag: str | None = None


def compare_content(driver, vm, before, after):
    """Compare two points with ``virt-diff``; ``after`` None is the present state. Temporary copies are removed."""
    tool = VirtDiff(driver.commands)
    points = [_disks_at(driver, vm, before), _disks_now(vm) if after is None else _disks_at(driver, vm, after)]
    copied = [disk for disks in points for disk in disks if disk.tag is not None]
    beside = os.path.dirname(copied[0].path) if copied else None
    if copied:
        _check_room(vm, copied, beside)
    with files.private_folder(beside) as folder:
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
    kept = read_one(driver.virsh, vm.id, snapshot.name)
    _check_files(vm, f"snapshot '{snapshot.name}'", snapshot.config.get("disks") or {}, kept.frozen)
    check_content(driver, vm, snapshot.name, kept)
    tag = snapshot.name if snapshot.kind == INTERNAL else None
    formats = snapshot.config["disks"]
    return [_Disk(slot, path, formats[slot]["format"], tag) for slot, path in sorted(kept.frozen.items())]


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
    lacking = sorted(set(disks) - set(paths))
    if lacking or not paths:
        found = f"disk {', '.join(lacking)} of {what} is not a file" if lacking else f"{what} has no disk files"
        raise Refused(f"{vm.name}: content: {found}, so it cannot be compared.", "Omit content.")


def _check_room(vm, copied, folder):
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
    if disk.tag is None:
        return disk.path, disk.format
    driver.storage.qemu_img.copy_out(disk.path, disk.tag, copy)
    return copy, "qcow2"
