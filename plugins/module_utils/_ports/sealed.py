# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files below one directory, where no link is followed: others may be able to write there."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from contextlib import contextmanager, suppress

from .._core import errors
from . import change_counter

_PIECE = 1 << 20
_NEW = ".new"


class Sealed:
    """``parts`` are names of directories below ``root``, and the name of a file at the end."""

    def __init__(self, root):
        self.root = root

    def path(self, *parts):
        return os.path.join(self.root, *parts)

    def names(self, *parts):
        """Return the sorted names in a directory; empty if there is none, such as for a file or a link."""
        try:
            with self._folder(parts) as handle:
                return sorted(os.listdir(handle))
        except (errors.NotFound, errors.Refused):
            return []

    def read(self, *parts, limit):
        """Return the content of a file of at most ``limit`` bytes."""
        with self._file(parts) as file:
            if os.fstat(file.fileno()).st_size > limit:
                raise errors.Refused(f"{self.path(*parts)} has more than {limit} bytes.")
            return file.read()

    def size(self, *parts):
        """Return the size of a file; None if it does not exist. Raises Refused if it is no regular file, or a link."""
        try:
            with self._file(parts) as file:
                return os.fstat(file.fileno()).st_size
        except errors.NotFound:
            return None

    def digest(self, *parts):
        """Return (size, SHA-256) of a file, after its data has reached the disk."""
        found = hashlib.sha256()
        with self._file(parts) as file:
            os.fsync(file.fileno())
            for piece in iter(lambda: file.read(_PIECE), b""):
                found.update(piece)
            return file.tell(), found.hexdigest()

    def make_folder(self, *parts, mode):
        """Create a directory; one that exists gets the mode if it is the last part."""
        for number in range(1, len(parts) + 1):
            with self._folder(parts[: number - 1]) as handle, suppress(FileExistsError):
                os.mkdir(parts[number - 1], mode, dir_fd=handle)
                os.fsync(handle)
                change_counter.note()
        with self._folder(parts) as handle:
            os.fchmod(handle, mode)

    def write(self, *parts, data):
        """Write a file that only its owner can read; it has either the old or the complete new content."""
        *folder, name = parts
        with self._folder(folder) as handle:
            with suppress(FileNotFoundError):
                os.unlink(name + _NEW, dir_fd=handle)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
            with os.fdopen(os.open(name + _NEW, flags, 0o600, dir_fd=handle), "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(name + _NEW, name, src_dir_fd=handle, dst_dir_fd=handle)
            os.fsync(handle)
        change_counter.note()

    def sync(self, *parts):
        """Return when the content of a file is on its device."""
        with self._file(parts) as file:
            os.fsync(file.fileno())

    def protect(self, *parts):
        """Permit only the owner to read a file."""
        with self._file(parts) as file:
            os.fchmod(file.fileno(), 0o600)

    def remove(self, *parts):
        """Remove a file or a link, if it exists."""
        *folder, name = parts
        with suppress(errors.NotFound), self._folder(folder) as handle, suppress(FileNotFoundError):
            os.unlink(name, dir_fd=handle)
            change_counter.note()

    def remove_folder(self, *parts):
        """Remove a directory if it is empty."""
        *above, name = parts
        with suppress(errors.NotFound), self._folder(above) as handle, suppress(OSError):
            os.rmdir(name, dir_fd=handle)

    @contextmanager
    def _folder(self, parts):
        with self._explained(parts):
            handle = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY)
        try:
            for number, name in enumerate(parts):
                with self._explained(parts[: number + 1]):
                    below = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=handle)
                os.close(handle)
                handle = below
            with self._explained(parts):
                yield handle
        finally:
            os.close(handle)

    @contextmanager
    def _file(self, parts):
        *folder, name = parts
        with self._folder(folder) as above:
            flags = os.O_NOFOLLOW | os.O_NONBLOCK

            def opener(path, mode):
                return os.open(path, mode | flags, dir_fd=above)

            with self._explained(parts), open(name, "rb", opener=opener) as file:
                found = os.fstat(file.fileno())
                if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
                    raise errors.Refused(f"{self.path(*parts)} is not a regular file with one name.")
                yield file

    @contextmanager
    def _explained(self, parts):
        try:
            yield
        except FileNotFoundError as error:
            raise errors.NotFound(f"{self.path(*parts)} does not exist.") from error
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENOTDIR, errno.EISDIR):
                raise errors.Refused(f"{self.path(*parts)} is a link, or of another type than expected.") from error
            raise errors.PolyvirtError(f"Could not use {self.path(*parts)}: {error.strerror}.") from error
