# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that are downloaded and unpacked: their locks, and how they are written."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import stat
from contextlib import contextmanager, suppress

from . import change_counter, files, folders, permits
from .files import check_loss, explained, new_file

#: Bytes of zeroes that are skipped when a sparse file is written.
_SPARSE_BLOCK = 1 << 16


@contextmanager
def held_file(path):
    """Lock a file during the block, which is created if it does not exist; yields whether that succeeded.

    A file that another process has renamed or removed meanwhile counts as locked: the caller tries again. Within the
    block, the file may be destroyed, and what is unpacked from it: their names begin with its name and a dot.
    """
    with explained("create", path):
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        is_free = is_locked(handle) and _is_at(handle, path)
        with permits.also(locked=[path] if is_free else ()):
            yield is_free
    finally:
        os.close(handle)


@contextmanager
def reserved(paths):
    """Create the incomplete file of each path during the block; yields {path: identity}.

    ``files.partial`` yields these files, so that a complete one has this identity under its final name. Those that were
    not used are removed at the end. The next run removes those of a killed one.
    """
    names = {}
    for path in paths:
        with files.partial(path) as names[path]:
            pass
    try:
        for path, name in names.items():
            with explained("create", path):
                os.close(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
            permits.created(name, files.identity(name))
        yield {path: files.identity(name) for path, name in names.items()}
    finally:
        for name in names.values():
            with suppress(OSError):
                os.unlink(name)


def is_locked(handle, shared=False):
    """Whether the lock was free; a file system without locks has none that another process could hold."""
    try:
        fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in (errno.EWOULDBLOCK, errno.EACCES)
    return True


def _is_at(handle, path):
    try:
        return os.path.samestat(os.fstat(handle), os.stat(path))
    except OSError:
        return False


def write_sparse(path, stream):
    """Write what ``stream`` contains to a new file; blocks of zeroes need no space on the disk."""
    with new_file(path) as file:
        while True:
            block = stream.read(_SPARSE_BLOCK)
            if not block:
                file.truncate()
                return
            if block.count(0) == len(block):
                file.seek(len(block), os.SEEK_CUR)
            else:
                file.write(block)


def write_packed(path, source, offset, length):
    """Write ``length`` bytes of the file ``source`` to a new gzip file."""
    from gzip import compress  # Few tasks need it.

    with new_file(path) as file:
        file.write(compress(files.read_part(source, offset, length), 6))


def write_blocks(path, blocks):
    """Write a new file from these blocks of bytes. Only its owner can read it: the blocks may be secret."""
    with new_file(path) as file:
        for block in blocks:
            file.write(block)


def copy(source, path):
    """Copy a file to a new one."""
    with new_file(path):
        shutil.copyfile(source, path)


def overwrite(path, offset, data):
    """Replace bytes within a file."""
    check_loss(path, "overwrite")
    with explained("write", path), open(path, "r+b") as file:
        file.seek(offset)
        file.write(data)


def truncate(path):
    check_loss(path, "empty")
    with explained("write", path):
        os.truncate(path, 0)


def sync(path):
    """Return when the content of a file is on its device."""
    with explained("write", path), open(path, "rb") as file:
        os.fsync(file.fileno())


def protect(path):
    """Close a file or directory to all but its owner."""
    with explained("protect", path):
        os.chmod(path, 0o700 if os.path.isdir(path) else 0o600)


def grow(path, size):
    """Enlarge a file to ``size`` bytes; the added part is a hole."""
    with explained("enlarge", path):
        if os.stat(path).st_size < size:
            os.truncate(path, size)
            change_counter.note()


def make_readable(path):
    """Allow all users to read a file."""
    with explained("change the mode of", path):
        os.chmod(path, 0o644)


def give(path, user, group):
    """Change the owner of a file to a user and a group by their numbers; returns whether that is permitted."""
    try:
        os.chown(path, user, group)
    except OSError:
        return False
    return True


def can_change_owner_and_back(path):
    """Return whether a service of root can change the owner of a file of this user for a time.

    root of this host may be nobody for a file system (NFS), and the former owner is recorded in an extended attribute.
    """
    try:
        os.getxattr(path, "user.polyvirt")
        has_attributes = True
    except OSError as error:
        has_attributes = error.errno == errno.ENODATA
    return os.stat(path).st_uid == os.geteuid() and (has_attributes or os.geteuid() == 0)


def may_everybody_read(path):
    """Return whether all users can read a file: by its mode, and those of the directories above it."""
    path = os.path.realpath(path)
    with explained("access", path):
        is_readable = bool(os.stat(path).st_mode & stat.S_IROTH)
        return is_readable and all(map(folders.may_everybody_enter, folders.folders_above(path)))
