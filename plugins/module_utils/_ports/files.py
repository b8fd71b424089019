# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file actions a driver needs, each leaving either the old state or the new one."""

from __future__ import annotations

import errno
import fcntl
import os
import pwd
import shutil
import stat
import tempfile
from contextlib import contextmanager

from .._lifecycle import errors
from . import writes
from .clock import Clock

_PARTIAL = ".polyvirt-partial"
# Seconds, and how many of them: two renames that follow each other take less, even on a busy host.
_MOMENT, _MOMENTS = 0.01, 100
# What file systems without hard links (FAT, some network and user-space ones) answer to link().
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)


def read(path):
    with _explained("read", path), open(path, "rb") as file:
        return file.read()


def read_replaced(path, new):
    """A file that its program replaces in two steps: for a moment in between it has the name ``new`` alone."""
    for _again in range(_MOMENTS):
        try:
            return read(path)
        except errors.NotFound:
            if not exists(new):
                break
            Clock().sleep(_MOMENT)
    return read(path)


def read_part(path, offset, length):
    """At most ``length`` bytes from ``offset`` on."""
    with _explained("read", path), open(path, "rb") as file:
        file.seek(offset)
        return file.read(length)


@contextmanager
def partial(path):
    """A temporary name beside ``path`` for a file in the making, gone at the end whatever happens.

    The name tells its process, so what a killed run left behind is removed by the next one, and nothing else is.
    """
    folder, base = os.path.split(path)
    _remove_stale_partials(folder or ".", base)
    temporary = os.path.join(folder, f".{base}.{os.getpid()}{_PARTIAL}")
    try:
        yield temporary
    finally:
        remove_whole(temporary)


def remove_whole(path):
    """Remove a file, or a folder with all it holds; afterwards there is none."""
    if os.path.isdir(path) and not os.path.islink(path):
        with _explained("remove", path):
            shutil.rmtree(path)
    else:
        remove(path)


def _remove_stale_partials(folder, base):
    for entry in entries(folder):
        if not (entry.startswith(f".{base}.") and entry.endswith(_PARTIAL)):
            continue
        process = entry[len(base) + 2 : -len(_PARTIAL)]
        if process.isdigit() and not os.path.exists(f"/proc/{process}") and os.path.exists("/proc/self"):
            remove_whole(os.path.join(folder, entry))


def write_atomically(path, data, mode=0o644):
    """Put ``data`` (bytes) at ``path``: a reader, or a run killed here, sees the old content or all of the new."""
    with _explained("write", path), partial(path) as temporary:
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        os.replace(temporary, path)
        writes.note()


def rename_into_place(temporary, final):
    """Give a finished file its name, but never the name of a file that is already there (Refused).

    A plain rename would replace another's file without a word. A hard link fails when the name is taken, in one
    step of the kernel; being killed between the two steps leaves both names on one file, which harms nobody.
    """
    with _explained("rename", temporary):
        try:
            os.link(temporary, final)
        except FileExistsError:
            raise _taken(final) from None
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            _rename_over_placeholder(temporary, final)
        else:
            os.unlink(temporary)
        writes.note()


def remove(path):
    """Whether there was such a file; afterwards there is none."""
    with _explained("remove", path):
        try:
            os.unlink(path)
        except FileNotFoundError:
            return False
        writes.note()
        return True


def entries(folder):
    """Names in a folder; none where there is no such folder."""
    try:
        with _explained("list", folder):
            return sorted(os.listdir(folder))
    except errors.NotFound:
        return []


def starts_with(path, word, offset=0):
    """Whether ``word`` (bytes) stands at ``offset`` of a regular file; False for anything that cannot be read."""
    try:
        if not os.path.isfile(path):
            return False
        with open(path, "rb") as file:
            file.seek(offset)
            return file.read(len(word)) == word
    except OSError:
        return False


def holds_zeroes(path):
    """Whether zero bytes are among the first of a file, as in images and archives and in no text."""
    try:
        with open(path, "rb") as file:
            return b"\0" in file.read(4096)
    except OSError:
        return False


def exists(path):
    return os.path.exists(path)


def holds_files(folder):
    """Whether a folder holds a file, at any depth; True also where it cannot be looked into."""
    try:
        with os.scandir(folder) as found:
            return any(not one.is_dir(follow_symlinks=False) or holds_files(one.path) for one in found)
    except FileNotFoundError:
        return False
    except OSError:
        return True


def make_folder(path):
    """A folder and those above it, where they are missing."""
    with _explained("create", path):
        os.makedirs(path, mode=0o711, exist_ok=True)


def is_file(path):
    return os.path.isfile(path)


def is_block_device(path):
    return os.path.exists(path) and stat.S_ISBLK(os.stat(path).st_mode)


def is_folder(path):
    return os.path.isdir(path)


def is_writable(path):
    return os.access(path, os.W_OK)


def size(path):
    with _explained("access", path):
        return os.stat(path).st_size


def allocated(path):
    """Bytes that a file takes on its disk: holes take none."""
    with _explained("access", path):
        return os.stat(path).st_blocks * 512


def free_space(folder):
    """Bytes that an ordinary user may still write there."""
    with _explained("access", folder):
        system = os.statvfs(folder)
        return system.f_bavail * system.f_frsize


def is_readable(path):
    return os.access(path, os.R_OK)


def folders_above(path):
    """All folders above a path that exist, the root first."""
    folders = []
    while path != os.path.dirname(path):
        path = os.path.dirname(path)
        folders.insert(0, path)
    return [folder for folder in folders if os.path.isdir(folder)]


def may_everybody_enter(folder):
    return bool(os.stat(folder).st_mode & stat.S_IXOTH)


def may_enter(folder, uid, gid):
    """Whether a user may enter a folder, as far as is known: an access list can let in anybody."""
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


@contextmanager
def private_folder(parent=None):
    """A folder nobody else can enter, gone with all it holds at the end.

    In ``parent`` it is named after its process: what a killed run left there goes with the next one.
    """
    if parent is None:
        with tempfile.TemporaryDirectory(prefix="polyvirt-") as folder:
            yield folder
        return
    with _explained("write to", parent), partial(os.path.join(parent, "polyvirt")) as folder:
        os.mkdir(folder, 0o700)
        yield folder


@contextmanager
def held(folder, shared=False):
    """Hold a folder for the time of the block; yields whether that is possible now. It ends with the process.

    What is held ``shared`` can be held by others in the same way at the same time, and by nobody alone.
    A folder that is not there, or lies where nothing can be held, is held by nobody.
    """
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        yield True
        return
    try:
        fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        free = True
    except OSError as error:
        free = error.errno not in (errno.EWOULDBLOCK, errno.EACCES)
    try:
        yield free
    finally:
        os.close(handle)


def remove_empty_folder(path):
    """Whether it is gone; a folder that holds something stays."""
    try:
        os.rmdir(path)
    except OSError:
        return not os.path.exists(path)
    return True


def _rename_over_placeholder(temporary, final):
    """The way without hard links: take the name with an empty file first, then rename over what is surely ours."""
    try:
        os.close(os.open(final, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        raise _taken(final) from None
    os.replace(temporary, final)


def _taken(final):
    return errors.Refused(f"{final} already exists.", "Use another name, or move the file to another directory.")


@contextmanager
def _explained(action, path):
    """The system's refusals in the words of this collection."""
    try:
        yield
    except FileNotFoundError as error:
        raise errors.NotFound(f"Could not {action} {path}: {error.strerror}.") from error
    except OSError as error:
        remedy = "Run the task as a user with permission (become)." if isinstance(error, PermissionError) else None
        raise errors.PolyvirtError(f"Could not {action} {path}: {error.strerror}.", remedy) from error
