# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The largest file of a file system, which the kernel reports for a directory without a write."""

from __future__ import annotations

import errno
import fcntl
import os
import struct

#: FS_IOC_FIEMAP: where the bytes of a file are. It fails with EFBIG for a place that no file can have.
_REQUEST, _ARGUMENTS = 0xC020660B, "=QQLLLL"
#: QEMU, in whole sectors.
_LARGEST = (1 << 63) - 512


def largest_file(folder):
    """Return the most bytes that a file in a directory can have; of file systems that do not report it, QEMU's limit.

    ext4 reports it: with blocks of 4 KiB, a file is smaller than 16 TiB. XFS and Btrfs do not, and have a larger limit.
    """
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return _LARGEST
    try:
        least, most = 0, _LARGEST
        while least < most:
            middle = (least + most + 1) // 2
            least, most = (least, middle - 1) if _is_beyond(handle, middle) else (middle, most)
        return most
    finally:
        os.close(handle)


def _is_beyond(handle, place):
    try:
        fcntl.ioctl(handle, _REQUEST, struct.pack(_ARGUMENTS, place, 1, 0, 0, 0, 0))
    except OSError as error:
        return error.errno == errno.EFBIG
    return False
