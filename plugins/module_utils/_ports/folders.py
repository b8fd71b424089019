# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Directories of this host: who may enter and change them, and how large their files can be; users and groups."""

from __future__ import annotations

import errno
import fcntl
import grp
import os
import pwd
import stat
import struct

from .files import folders_above

_REQUEST, _ARGUMENTS = 0xC020660B, "=QQLLLL"
_IN_MEMORY = ("tmpfs", "ramfs", "devtmpfs")
#: QEMU, in whole sectors.
_LARGEST = (1 << 63) - 512


def shared_folder(path):
    """Return the first of a directory and those above it in which others may write than root and this user, or None.

    Above, a sticky directory of root, such as /tmp, is none: files in it can be exchanged by their owners only.
    """
    path = os.path.realpath(path)
    for folder in folders_above(os.path.join(path, "")):
        found = os.stat(folder)
        is_sticky = folder != path and found.st_uid == 0 and found.st_mode & stat.S_ISVTX
        may_group = found.st_mode & stat.S_IWGRP and not _is_alone(found.st_uid, found.st_gid)
        if found.st_uid not in (0, os.geteuid()) or (not is_sticky and (may_group or found.st_mode & stat.S_IWOTH)):
            return folder
    return None


def _is_alone(uid, gid):
    """Return whether a group has no member but this user."""
    try:
        members = {*grp.getgrgid(gid).gr_mem, *(one.pw_name for one in pwd.getpwall() if one.pw_gid == gid)}
        return members <= {pwd.getpwuid(uid).pw_name}
    except KeyError:
        return False


def mount_point(folder):
    """Return the directory at which the file system of a directory is mounted; that of its parents if it is missing."""
    return next(
        one for one in reversed(folders_above(os.path.join(os.path.realpath(folder), ""))) if os.path.ismount(one)
    )


def is_in_memory(folder):
    """Return whether the files in a directory are lost when the host restarts; False if that is unknown."""
    try:
        with open("/proc/mounts", encoding="utf-8", errors="surrogateescape") as lines:
            types = {point: kind for _device, point, kind, *_more in map(str.split, lines)}
    except OSError:  # OpenBSD has none.
        return False
    return types.get(mount_point(folder).replace(" ", r"\040")) in _IN_MEMORY


def may_everybody_enter(folder):
    return bool(os.stat(folder).st_mode & stat.S_IXOTH)


def may_enter(folder, uid, gid):
    """Return whether a user may enter a directory; True if unknown, because the directory has an access list."""
    status = os.stat(folder)
    if uid in (0, status.st_uid):
        return uid == 0 or bool(status.st_mode & stat.S_IXUSR)
    if _has_access_list(folder):
        return True
    is_member = status.st_gid in {gid, *_groups(uid, gid)}
    return bool(status.st_mode & (stat.S_IXGRP if is_member else stat.S_IXOTH))


def _has_access_list(path):
    try:
        return bool(os.getxattr(path, "system.posix_acl_access"))
    except OSError:
        return False


def _groups(uid, gid):
    try:
        return os.getgrouplist(pwd.getpwuid(uid).pw_name, gid)
    except KeyError:
        return []


def is_user(name):
    return _is_known(pwd.getpwnam, name)


def is_group(name):
    return _is_known(grp.getgrnam, name)


def _is_known(look_up, name):
    try:
        return bool(look_up(name))
    except KeyError:
        return False


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


def remove_empty_folder(path):
    """Remove a directory if it is empty; returns whether it no longer exists."""
    try:
        os.rmdir(path)
    except OSError:
        return not os.path.exists(path)
    return True
