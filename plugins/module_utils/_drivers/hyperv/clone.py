# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cloning: a new VM like the source, whose disks are copies, or are based on those of the source."""

from __future__ import annotations

from ..._lifecycle.plan_create import find_snapshot
from .create import create_vm
from .settings.disks import drive_slot


def clone(driver, vm, step):
    source, requested = step.arguments["source"], step.arguments["creation"]["clone"]
    files = source_files(driver, source, requested.get("snapshot"))
    content = {slot: (path, requested["linked"]) for slot, path in files.items()}
    yield from create_vm(driver, vm, step, content, {"clone": source.id})


def source_files(driver, source, snapshot=None):
    """{slot: file} to be copied: what the source has attached, or what one of its checkpoints had.

    Convert-VHD copies all that a file is based on, too.
    """
    taken = find_snapshot(source, snapshot)
    raw = driver.found.raw(source.id)
    if taken is not None:
        raw = next(one for one in driver.found.snapshots[source.id.lower()] if one["Id"] == taken.id)
    return {drive_slot(drive): drive["Path"] for drive in raw.get("HardDrives") or () if drive.get("Path")}
