# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Loop devices of Linux: a file of which the kernel makes a block device, such as a mounted image. They take no lock.

The kernel names the file of each in /sys (drivers/block/loop.c).
"""

from __future__ import annotations

import glob
import os

_ALL = "/sys/block/loop*"


def file_of(device):
    """Return the file of a device; empty if it is no loop device, or has none. ``device``: its directory in /sys."""
    try:
        with open(os.path.join(device, "loop/backing_file"), "rb") as file:
            return os.fsdecode(file.read()).rstrip("\n")
    except OSError:
        return ""


def is_file_of_one(path, devices=_ALL):
    """Return whether a loop device has a file."""
    return any(_is_same(path, file_of(device)) for device in glob.glob(devices))


def _is_same(path, other):
    try:
        return os.path.samefile(path, other)
    except OSError:
        return False
