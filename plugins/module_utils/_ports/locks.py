# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether another program has a file of a VM open, asked of the locks on the file itself. No process is needed.

A loop device of Linux, such as that of a mounted image, takes no lock. The kernel names the file of each in /sys
(drivers/block/loop.c).
"""

from __future__ import annotations

import errno
import fcntl
import glob
import os
import struct
import sys
from contextlib import contextmanager

from .clock import Clock

#: F_OFD_GETLK of <linux/fcntl.h>, which not every Python names.
_OFD_GETLK = 36
#: struct flock of Linux on 64 bits: type, whence, start, length, process.
_FLOCK = struct.Struct("hhqqi4x")
#: QEMU locks one byte for each permission that it uses (from 100), and for each that it denies others (from 200).
#: What a program that reads an image meets: others that use more than reading, and those that deny reading.
_ALL, _BEYOND_READING, _AGAINST_READING = (100, 200), (101, 199), (101, 100)
#: Seconds between questions, and how many, about a file that is only read. A VM reads the raw file below its disk like
#: that, and so does ``qemu-img -U`` for a moment, also in other tasks of this collection.
_PAUSE, _TRIES = 0.05, 40
_LOOP_DEVICES = "/sys/block/loop*"


def is_open_elsewhere(path):
    """Return whether QEMU, or one of its tools, has an image open: as a disk, or below the overlay of a running VM.

    Also True if a loop device of this host has it, which takes no lock, or if that is on another host, where the file
    system passes locks on (NFS since version 4, OCFS2, GFS2 ...).
    False if it is not locked, or if this cannot be asked.
    """
    with _opened(path) as handle:
        if handle is None or not sys.platform.startswith("linux"):
            return False
        if _is_locked(handle, *_BEYOND_READING) or has_loop_device(path):
            return True
        for _again in range(_TRIES):
            if not _is_locked(handle, *_ALL):
                return False
            Clock().sleep(_PAUSE)
        return True


def is_written_elsewhere(path):
    """Return whether QEMU, or one of its tools, has an image open such that qemu-img cannot copy it."""
    with _opened(path) as handle:
        return handle is not None and sys.platform.startswith("linux") and _is_locked(handle, *_AGAINST_READING)


def _is_locked(handle, start, length):
    asked = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, start, length, 0)
    try:
        answer = fcntl.fcntl(handle, _OFD_GETLK, asked)
    except OSError:
        return False  # The file system has no locks.
    return _FLOCK.unpack(answer)[0] != fcntl.F_UNLCK


def is_locked_as_whole(path):
    """Return whether another program has locked a file with flock(2), as vmd does with the disks of running VMs.

    False if it is not locked, or if this cannot be asked.
    """
    with shared_as_whole(path) as is_free:
        return not is_free


@contextmanager
def shared_as_whole(path):
    """Hold a shared flock(2) on a file, so that no program can lock it for itself, as vmd does to start a VM.

    Yields False if another program has locked it already; True without a lock if this cannot be asked.
    """
    with _opened(path) as handle:
        yield handle is None or _shares(handle)


def _shares(handle):
    try:
        # It fails only beside an exclusive one, and two tasks that ask do not see each other.
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in (errno.EWOULDBLOCK, errno.EACCES)
    return True


@contextmanager
def _opened(path):
    """Yield a handle of a regular file for reading, which keeps no lock; None if there is none, or no permission."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC) if os.path.isfile(path) else None
    except OSError:
        handle = None
    try:
        yield handle
    finally:
        if handle is not None:
            os.close(handle)


def loop_file(device):
    """Return the file of a loop device; empty if it is none, or has no file. ``device``: its directory in /sys."""
    try:
        with open(os.path.join(device, "loop/backing_file"), "rb") as file:
            return os.fsdecode(file.read()).rstrip("\n")
    except OSError:
        return ""


def has_loop_device(path, devices=_LOOP_DEVICES):
    """Return whether a file is that of a loop device."""
    return any(_is_same(path, loop_file(device)) for device in glob.glob(devices))


def _is_same(path, other):
    try:
        return os.path.samefile(path, other)
    except OSError:
        return False
