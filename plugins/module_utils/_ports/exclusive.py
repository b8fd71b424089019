# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Locks between tasks of this collection on one host. The kernel releases the lock of a task that was killed."""

from __future__ import annotations

import hashlib
import os
import pwd
import stat
from contextlib import contextmanager

from .._core.errors import Refused
from .clock import Clock
from .files import ENTERED, explained
from .partial_files import is_locked

#: Seconds between two attempts to get a lock, and after which ``waiting_for`` fails.
_PAUSE, _LONGEST = 0.05, 60
#: Directories that only root can write to; the first one that exists is used.
_OF_ROOT = ("/run", "/var/run")
_FOLDER = "polyvirt-locks"
#: proc_locks(5): number, FLOCK ("->" before it: one that waits), ADVISORY, READ or WRITE, process, device and inode.
_LOCKS = "/proc/locks"


@contextmanager
def held(name, shared=False):
    """Hold the lock called ``name`` during the block; yields whether it was free. ``shared`` locks exclude only others.

    The locks of a user are in a directory of its own, whose files nobody else can open, so nobody else can hold or
    redirect them. Those of root are seen by all users, others by their own user only. If a user can have no such
    directory, each lock is free that root does not hold.
    """
    folder = _folder()
    key = hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:32]
    is_of_root = os.geteuid() != 0 and _is_held_by_root(key, shared)
    if is_of_root or folder is None:
        yield not is_of_root
        return
    path = os.path.join(folder, key)
    with explained("create", path):
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        # The last owner may have deleted it since it was opened.
        is_free = is_locked(handle, shared) and os.fstat(handle).st_nlink > 0
        try:
            yield is_free
        finally:
            # The last one of those that share it deletes it.
            if is_free and is_locked(handle) and os.fstat(handle).st_nlink > 0:
                os.unlink(path)
    finally:
        os.close(handle)


def _folder():
    """Return the directory for the locks of this user, or None. It is the same in each environment, such as cron's."""
    is_root = os.geteuid() == 0
    try:
        folder = _folder_of_root() if is_root else os.path.join(pwd.getpwuid(os.geteuid()).pw_dir, ".cache", _FOLDER)
        os.makedirs(folder, mode=0o700, exist_ok=True)
        found = os.lstat(folder)
        is_own = stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o077 & ~ENTERED
        if is_own and is_root:
            os.chmod(folder, ENTERED)  # Others look for a lock by its name, but cannot open it.
    except (OSError, KeyError, StopIteration):
        return None
    return folder if is_own else None


def _folder_of_root():
    return os.path.join(next(folder for folder in _OF_ROOT if os.path.isdir(folder)), _FOLDER)


def _is_held_by_root(key, shared):
    """Return whether root holds a lock that excludes one of another user: the kernel of Linux lists all locks.

    Who could open the file could hold its lock, and keep root from its VMs.
    """
    try:
        found = os.stat(os.path.join(_folder_of_root(), key))
        with open(_LOCKS, encoding="utf-8") as file:
            locks = [line.split() for line in file]
    except (OSError, StopIteration):
        return False
    place = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}"
    modes = {words[3] for words in locks if words[1] == "FLOCK" and words[5] == place}
    return bool(modes) and not (shared and modes == {"READ"})


@contextmanager
def waiting_for(attempt, message, clock=None):
    """Wait for a lock and hold it during the block. ``attempt()`` is a block of its own that yields whether it is free.

    Raises Refused with ``message`` if another task holds it too long: nothing is ever done without the lock.
    """
    clock = clock or Clock()
    end = clock.now() + _LONGEST
    while True:
        with attempt() as is_free:
            if is_free:
                yield
                return
        if clock.now() >= end:
            raise Refused(message, "Run the task again when it has ended.")
        clock.sleep(_PAUSE)
