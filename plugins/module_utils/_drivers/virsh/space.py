# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether copies of images fit into their directory. New and linked disks are thin: they take hardly any space yet."""

from __future__ import annotations

import os

from ..._lifecycle.errors import CommandFailed, Refused
from ..._lifecycle.units import GIB, MIB, human_size
from ..._ports import files


def check_space(driver, name, images, doomed=()):
    """Refuse copies of ``images`` for which there is no room beside those of the other VMs of the task.

    ``doomed`` are files that are deleted before.
    """
    copied = [image for image in images if image and not image.get("linked")]
    needed = sum(_needed(driver, image) for image in copied)
    if not needed:
        return
    folder = driver.storage.folder
    claimed = driver.claimed.get(folder, 0)
    free = files.free_space(_existing(folder)) - claimed + sum(map(_given_back, doomed))
    if needed > free:
        raise Refused(
            f"{name}: storage_path: copying its disks takes {_shown(needed)} in {folder}, and only"
            f" {_shown(max(free, 0))} is free{' beside the disks of the other VMs of this task' if claimed else ''}.",
            "Free some space, name another storage_path, or set linked: true.",
        )
    driver.claimed[folder] = claimed + needed


def _needed(driver, image):
    """Bytes that a copy takes at most: those of the image that are in use, compressed or not."""
    key = (image["source"], image.get("snapshot"))
    if key not in driver.measured:
        try:
            driver.measured[key] = driver.storage.qemu_img.needed(image["source"], image.get("format"), key[1])
        except CommandFailed:
            driver.measured[key] = files.allocated(image["source"])  # Not every format can be measured.
    return driver.measured[key]


def _existing(folder):
    while not files.is_folder(folder):
        folder = os.path.dirname(folder)
    return folder


def _given_back(path):
    return files.allocated(path) if files.is_file(path) else 0


def _shown(size):
    unit = GIB if size >= 10 * GIB else MIB
    return human_size(-(-size // unit) * unit)
