# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clone a VM: its disks are copied, or new disks are based on them (linked clone)."""

from __future__ import annotations

from ..._core.planner.plan_create import find_snapshot
from .create import create_vm
from .settings.disks import drive_slot


def clone(driver, vm, step):
    source, requested = step.arguments["source"], step.arguments["creation"]["clone"]
    files = source_files(driver, source, requested.get("snapshot"))
    content = {slot: (path, requested["linked"]) for slot, path in files.items()}
    yield from create_vm(driver, vm, step, content)


def source_files(driver, source, snapshot=None):
    """Return {slot: file} of the disks to copy: those of the source, or of one of its checkpoints.

    The parents of a file need not be listed: Convert-VHD copies their content too.
    """
    checkpoint = find_snapshot(source, snapshot)
    raw = driver.found.raw(source.id)
    if checkpoint is not None:
        raw = next(one for one in driver.found.snapshots[source.id.lower()] if one["Id"] == checkpoint.id)
    return {drive_slot(drive): drive["Path"] for drive in raw.get("HardDrives") or () if drive.get("Path")}
