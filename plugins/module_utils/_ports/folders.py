# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Directories of this host: who may enter and change them, how large their files can be, and which files begin with
given bytes; users and groups.
"""

from __future__ import annotations

import errno
import fcntl
import grp
import json
import os
import pwd
import select
import signal
import stat
import struct
from collections import deque
from itertools import islice

from .clock import Clock

_REQUEST, _ARGUMENTS = 0xC020660B, "=QQLLLL"
_IN_MEMORY = ("tmpfs", "ramfs", "devtmpfs")
#: QEMU, in whole sectors.
_LARGEST = (1 << 63) - 512
#: A search enters so many levels below a directory, lists so many entries of one directory and of all together, and
#: waits so many seconds for a directory.
_LEVELS, _ENTRIES, _ALL_ENTRIES, _PATIENCE = 3, 10_000, 30_000, 10


def folders_above(path):
    """Return all existing parent directories of a path, the root first."""
    folders = []
    while path != os.path.dirname(path):
        path = os.path.dirname(path)
        folders.insert(0, path)
    return [folder for folder in folders if os.path.isdir(folder)]


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


# Searching ------------------------------------------------------------------------------------------------------------


def files_with_beginnings(begins, whole, others=(), seconds=_PATIENCE):
    """Return (paths of files that begin with one of ``begins`` or cannot be read, {directory: why it is not listed}).

    Directories in ``whole`` are listed without a limit of entries; ``others``, and all below, within limits. Links to
    directories, hidden directories and other file systems below are not entered. A process of its own searches, so a
    directory that does not answer, such as a dead network mount, delays nobody for longer than ``seconds``.
    """
    skipped, folder = {}, ""
    while folder is not None:
        found, missed, folder = set(), {}, ""
        for folder, paths, problem in _told(_search(begins, whole, others, skipped), seconds):
            found.update(paths)
            missed.update({folder: problem} if problem else {})
        if folder is not None:
            hanging = [folder] if folder else [*whole, *others]
            skipped.update(dict.fromkeys(hanging, f"it does not answer within {seconds} seconds"))
    return sorted(found), {**missed, **skipped}


def _search(begins, whole, others, skipped):
    """Yield (directory, paths of files, why it is not listed in full) before and after each; at last, no directory."""
    waiting = deque((path, 0, None) for path in [*whole, *sorted({*others} - {*whole})])
    seen, left = set(), _ALL_ENTRIES
    while waiting:
        folder, level, device = waiting.popleft()
        if folder in skipped:
            continue
        yield folder, (), None
        entries, found, below, problem = [], [], [], None
        limit = None if folder in whole else min(_ENTRIES, left)
        try:
            status = os.stat(folder)
            if (status.st_dev, status.st_ino) not in seen and device in (None, status.st_dev):
                seen.add((status.st_dev, status.st_ino))
                with os.scandir(os.path.realpath(folder)) as listed:
                    entries = list(islice(listed, limit))
            folders = {one.path for one in entries if one.is_dir(follow_symlinks=False)}
            below = [one.path for one in entries if one.path in folders and not one.name.startswith(".")]
            found = [one.path for one in entries if one.path not in folders and _may_begin(one.path, begins)]
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            problem = error.strerror
        left -= 0 if limit is None else len(entries)
        waiting.extend((one, level + 1, status.st_dev) for one in below if level < _LEVELS)
        is_cut = len(entries) == limit or (below and level == _LEVELS)
        yield folder, found, "it has too many entries or levels" if is_cut else problem
    yield None, (), None


def _may_begin(path, begins):
    """Return whether a regular file begins with one of ``begins``; True if it cannot be read."""
    try:
        before = os.stat(path)
        if not stat.S_ISREG(before.st_mode):
            return False
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb", buffering=0) as file:
            is_same = os.path.samestat(before, os.fstat(file.fileno()))
            return not is_same or file.read(max(map(len, begins))).startswith(tuple(begins))
    except OSError as error:
        return error.errno not in (errno.ENOENT, errno.ELOOP)


def _told(records, seconds):
    """Yield ``records``, which a process of its own produces, until they end or none comes for so many seconds."""
    reader, writer = os.pipe()
    process = os.fork()
    if not process:
        try:
            os.dup2(writer, 3)
            os.closerange(4, os.sysconf("SC_OPEN_MAX"))  # A process that hangs must not hold locks of this one.
            for record in records:
                os.write(3, json.dumps(record).encode() + b"\n")
        finally:
            os._exit(0)
    os.close(writer)
    poll, data, rest = select.poll(), b" ", b""
    poll.register(reader, select.POLLIN)
    while data and poll.poll(seconds * 1000):
        data = os.read(reader, 1 << 16)
        *lines, rest = (rest + data).split(b"\n")
        yield from map(json.loads, lines)
    os.close(reader)
    os.kill(process, signal.SIGKILL)
    for _again in range(100):  # One that waits for a dead disk ends later, and nobody waits for that.
        if os.waitpid(process, os.WNOHANG)[0]:
            return
        Clock().sleep(0.01)
