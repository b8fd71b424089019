# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""File operations for drivers; each is atomic: it leaves either the old or the new state."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import shutil
import stat
import tempfile
from contextlib import contextmanager

from .._core import errors
from . import change_counter, permits
from .clock import Clock

#: The mode of a directory that the user of the hypervisor has to enter: he opens files in it by their names.
ENTERED = 0o711
_BLOCK = 1 << 20
# Seconds between reads, and how many: more than two consecutive renames take, even on a busy host.
_READ_PAUSE, _READ_TRIES = 0.01, 100
# What file systems without hard links (FAT, some network and user-space ones) answer to link().
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)


def host_name():
    """Return the name of the computer that has the files."""
    return os.uname().nodename


def read(path):
    with explained("read", path), open(path, "rb", opener=_with_content) as file:
        return file.read()


def read_replaced(path, new):
    """Read a file that its program replaces in two steps: between them only the file ``new`` exists."""
    for _again in range(_READ_TRIES):
        try:
            return read(path)
        except errors.NotFound:
            if not exists(new):
                break
            Clock().sleep(_READ_PAUSE)
    return read(path)


def read_latin1(path):
    """Return a file as text with one character for each byte; None if it does not exist."""
    try:
        return read(path).decode("latin-1")
    except errors.NotFound:
        return None


def read_part(path, offset, length):
    """Return at most ``length`` bytes, from ``offset`` on; none if the file ends before, wherever a header points."""
    with explained("read", path), open(path, "rb", opener=_with_content) as file:
        if file.seek(0, os.SEEK_END) < offset:
            return b""
        file.seek(offset)
        return file.read(length)


def read_end(path, length):
    """Return at most ``length`` bytes from the end of a regular file, and whether there are more before them.

    A program other than ours chose the file, so no link is followed, and nothing is read that could block.
    """
    with explained("read", path), open(path, "rb", opener=_regular) as file:
        start = max(os.fstat(file.fileno()).st_size - length, 0)
        file.seek(start)
        return file.read(length), start > 0


@contextmanager
def new_file(path):
    """Open a file for writing that does not exist, or that this process has created; its owner alone can read it."""
    check_loss(path, "overwrite")
    with explained("write", path), open(path, "wb", opener=private) as file:
        permits.created(path, identity(path))
        change_counter.note()
        yield file


@contextmanager
def partial(path):
    """Yield a temporary name for an incomplete file in the directory of ``path``; it is always removed at the end.

    The name contains the pid, and of which host or container it is, so that the next run removes exactly the files of a
    killed run. If the file still exists at the end, it was not used, so the writes to it do not count as changes.
    """
    folder, base = os.path.split(path)
    _remove_stale_partials(folder or ".", base)
    temporary = os.path.join(folder, f".{base}.{os.getpid()}{partial_suffix()}")
    before = change_counter.count()
    try:
        yield temporary
    finally:
        if os.path.lexists(temporary):
            _remove_whole(temporary)
            change_counter.set_back(before)


def remove_whole(path):
    """Remove a file, or a directory with its content, if it exists."""
    check_loss(path)
    _remove_whole(path)


def _remove_whole(path):
    if os.path.isdir(path) and not os.path.islink(path):
        with explained("remove", path):
            shutil.rmtree(path)
    else:
        _remove(path)


def partial_suffix():
    """Return how the names of incomplete files end: the pids of another host or container say nothing here."""
    try:
        processes = os.readlink("/proc/self/ns/pid")
    except OSError:  # OpenBSD has no /proc.
        processes = ""
    about = f"{os.uname().nodename} {processes}".encode("utf-8", "surrogateescape")
    return f".{hashlib.sha256(about).hexdigest()[:8]}.polyvirt-partial"


def _remove_stale_partials(folder, base):
    suffix = partial_suffix()
    for entry in entries(folder):
        if not (entry.startswith(f".{base}.") and entry.endswith(suffix)):
            continue
        try:
            os.kill(int(entry[len(base) + 2 : -len(suffix)]), 0)
        except ProcessLookupError:
            _remove_whole(os.path.join(folder, entry))
        except (PermissionError, OverflowError, ValueError):
            continue  # The process of another user, or not the number of a process.


def _with_content(path, flags, kinds=(stat.S_IFREG, stat.S_IFBLK, stat.S_IFDIR)):
    """An opener of ``open``: nothing whose content others write now, such as a pipe, which could keep us waiting."""
    handle = os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)
    if stat.S_IFMT(os.fstat(handle).st_mode) in kinds:
        return handle
    os.close(handle)
    raise errors.Refused(f"{path} is not a regular file.", "Use the path of one.")


def _regular(path, flags):
    return _with_content(path, flags | os.O_NOFOLLOW, (stat.S_IFREG,))


def private(path, flags):
    """An opener of ``open``: only its owner can read a new file."""
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def take_over(paths):
    """Permit this process to destroy files that the record of an unfinished VM, or of a change to it, names.

    That is another way to a permit than a plan: such a record is read when its names are needed.
    """
    for path in paths:
        permits.created(path, identity(path))


def write_atomically(path, data, mode=0o600):
    """Write ``data`` (bytes) to ``path``: the file always has either the old or the complete new content.

    Only its owner can read it, unless the caller has a reason for another mode.
    """
    with explained("write", path), partial(path) as temporary:
        _write_new(temporary, data, lambda handle: os.fchmod(handle, mode))
        _replace(temporary, path)


def _replace(temporary, path):
    check_loss(path, "replace")
    os.replace(temporary, path)
    permits.created(path, identity(path))
    change_counter.note()


def check_loss(path, verb="delete"):
    """Raise Refused if a file exists that this task may not destroy: here, or by another program that it calls."""
    if os.path.lexists(path):
        permits.check_here(path, identity(path), verb)


def _write_new(path, data, set_mode):
    """Write a complete file that only its owner can read until ``set_mode(handle)`` is called."""
    with open(path, "wb", opener=private) as file:
        file.write(data)
        file.flush()
        set_mode(file.fileno())
        os.fsync(file.fileno())


def rename_into_place(temporary, final):
    """Give a complete file its final name; raises Refused if a file of this name exists.

    A plain rename would silently replace an existing file. A hard link fails if the name exists, in one atomic step.
    If the process is killed before the old name is removed, the file has both names, which does no harm.
    """
    with explained("rename", temporary):
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
        permits.created(final, identity(final))
        change_counter.note()


def remove(path):
    """Remove a file; returns whether it existed."""
    check_loss(path)
    return _remove(path)


def _remove(path):
    with explained("remove", path):
        try:
            os.unlink(path)
        except FileNotFoundError:
            return False
        change_counter.note()
        return True


def entries(folder):
    """Return the sorted names in a directory; empty if it does not exist."""
    try:
        with explained("list", folder):
            return sorted(os.listdir(folder))
    except errors.NotFound:
        return []


def starts_with(path, word, offset=0):
    """Return whether a regular file contains ``word`` (bytes) at ``offset``; False if it cannot be read."""
    try:
        return os.path.isfile(path) and read_part(path, offset, len(word)) == word
    except errors.PolyvirtError:
        return False


def exists(path):
    return os.path.exists(path)


def holds_files(folder):
    """Return whether a directory contains a file, at any depth; True also if it cannot be read."""
    try:
        with os.scandir(folder) as found:
            return any(not one.is_dir(follow_symlinks=False) or holds_files(one.path) for one in found)
    except FileNotFoundError:
        return False
    except OSError:
        return True


def make_folder(path, mode=0o700):
    """Create a directory and its parents if they are missing: for their owner only, or with the mode ENTERED."""
    if os.path.isdir(path):
        return
    make_folder(os.path.dirname(path.rstrip("/")) or ".", mode)
    with explained("create", path):
        try:
            os.mkdir(path, mode)
            os.chmod(path, mode)  # The umask may be narrower.
        except FileExistsError:  # Another task has created it.
            if not os.path.isdir(path):
                raise


def is_file(path):
    return os.path.isfile(path)


def identity(path):
    """What identifies a file or device under all its names: (device, inode); the real path of a missing file.

    A loop device is the file that it has. None for a character device such as /dev/null: any program can write to it.
    """
    try:
        found = os.stat(path)
    except OSError:
        return os.path.realpath(path)
    if not stat.S_ISBLK(found.st_mode):
        return None if stat.S_ISCHR(found.st_mode) else (found.st_dev, found.st_ino)
    from . import locks

    file = locks.loop_file(f"/sys/dev/block/{os.major(found.st_rdev)}:{os.minor(found.st_rdev)}")
    return identity(file) if file else ("device", found.st_rdev)


def version(path):
    """Return what changes with the content of a file: [size, time of the last change in ns, inode].

    Empty if there is none, and None if that cannot be seen.
    """
    try:
        found = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError:
        return None
    return [found.st_size, found.st_mtime_ns, found.st_ino]


def is_block_device(path):
    return os.path.exists(path) and stat.S_ISBLK(os.stat(path).st_mode)


def is_folder(path):
    return os.path.isdir(path)


def is_writable(path):
    return os.access(path, os.W_OK)


def is_read_only(path):
    """Return whether the file system of a file is mounted read-only, so that nobody can write to it, whoever may."""
    return os.path.exists(path) and bool(os.statvfs(path).f_flag & os.ST_RDONLY)


def size(path):
    with explained("access", path):
        return os.stat(path).st_size


def digest(path, kind="sha256"):
    """Return the checksum of a file in hexadecimal digits; ``kind`` is a name of hashlib."""
    checksum = hashlib.new(kind)
    with explained("read", path), open(path, "rb", opener=_with_content) as file:
        for block in iter(lambda: file.read(_BLOCK), b""):
            checksum.update(block)
    return checksum.hexdigest()


def allocated(path):
    """Return the allocated size of a file in bytes, without holes."""
    with explained("access", path):
        return os.stat(path).st_blocks * 512


def free_space(folder):
    """Return the free bytes for an unprivileged user where a directory is, or would be created."""
    while not is_folder(folder) and os.path.dirname(folder) != folder:
        folder = os.path.dirname(folder)
    with explained("access", folder):
        system = os.statvfs(folder)
        return system.f_bavail * system.f_frsize


def is_readable(path):
    return os.access(path, os.R_OK)


@contextmanager
def private_folder(parent=None):
    """Yield a directory that no other user can enter; it is removed with its content at the end.

    With ``parent``, its name contains the pid: the next run removes the directory of a killed run.
    """
    if parent is None:
        with tempfile.TemporaryDirectory(prefix="polyvirt-") as folder:
            yield folder
        return
    with explained("write to", parent), partial(os.path.join(parent, "polyvirt")) as folder:
        os.mkdir(folder, 0o700)
        yield folder


@contextmanager
def held(folder, shared=False):
    """Lock a directory during the block; yields whether that succeeded. A killed process releases its lock.

    A ``shared`` lock allows other shared locks at the same time, but no exclusive one.
    If the directory does not exist or does not support locks, it always yields True.
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


def _rename_over_placeholder(temporary, final):
    """Without hard links: create an empty file with the name first, then rename over it."""
    try:
        os.close(os.open(final, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        raise _taken(final) from None
    os.replace(temporary, final)


def _taken(final):
    return errors.Refused(f"{final} already exists.", "Use another name, or move the file to another directory.")


@contextmanager
def explained(action, path):
    """Convert errors of the operating system into errors of this collection."""
    try:
        yield
    except FileNotFoundError as error:
        raise errors.NotFound(f"Could not {action} {path}: {error.strerror}.") from error
    except OSError as error:
        remedy = "Run the task as a user with permission (become)." if isinstance(error, PermissionError) else None
        raise errors.PolyvirtError(f"Could not {action} {path}: {error.strerror}.", remedy) from error


def replace_content(path, data, validate=None, mode=0o600):
    """Replace the content of a system file and keep its mode and owner; a new file gets ``mode``.

    If it is a symbolic link, the file that it points to is replaced. ``validate(path)`` is called with a temporary file
    that has the new content; if it raises, nothing is changed.
    """
    path = os.path.realpath(path)
    with explained("write", path), partial(path) as temporary:
        _write_new(temporary, data, lambda handle: _copy_owner_and_mode(handle, path, mode))
        if validate is not None:
            validate(temporary)
        os.replace(temporary, path)
        change_counter.note()


def _copy_owner_and_mode(handle, path, mode):
    """Give a new file the mode and owner of the file that it replaces; ``mode`` if there is none."""
    try:
        former = os.stat(path)
    except FileNotFoundError:
        os.fchmod(handle, mode)
        return
    os.fchown(handle, former.st_uid, former.st_gid)
    os.fchmod(handle, stat.S_IMODE(former.st_mode))


def replace_file(temporary, final, keep_mode=False):
    """Replace ``final`` with a complete file; with ``keep_mode``, it gets the mode and owner of the former file."""
    with explained("rename", temporary):
        if keep_mode:
            with open(temporary, "rb") as file:
                _copy_owner_and_mode(file.fileno(), final, stat.S_IMODE(os.fstat(file.fileno()).st_mode))
        _replace(temporary, final)
