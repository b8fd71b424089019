# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ISO images on a Windows host: read in blocks, and prepared by the host, which copies the file and edits the copy.

Nothing is mounted: that would be a change, and needs the rights of an administrator.
"""

from __future__ import annotations

import ntpath
import uuid
from contextlib import suppress

from ..._core.errors import PolyvirtError, Refused
from ..._core.frozen import replace
from ..._core.units import MIB
from ..._ports.progress import report
from ..._ports.windows import CallFailed, ConnectionLost
from ..._ports.windows_request import Chain, copy_part, edit, read, read_part, write
from ..._tools.windows_files import file_command, folder_call, key_of, version_call, version_in
from ..disc import Disc
from ..prepared import NO_PROMPT, Medium, changed_meanwhile
from ..store import LONGEST_RECORD, RECORD, record_of, recorded
from .store import PART, image_of_copy, own_removal

#: Bytes that one call reads, and that one request copies. The latter takes some seconds, also on a slow drive.
BLOCK, PIECE = 256 << 10, 256 * MIB
#: Attempts without progress, and seconds between two.
_TRIES, _PAUSE = 5, 2
#: Errors after another task has deleted the unfinished copy, or has created the image.
_OF_OTHER_TASKS = frozenset({"TooShort", "FileNotFoundException", "PathNotFound", "MoveFileInfoItemIOError"})


def medium_on(driver, iso):
    """Return the Medium with this path on the host of a driver."""
    result = driver.send([Chain("medium", (version_call(iso),))])[0]
    version = version_in(result.answers[0])
    return Medium(iso, key_of(iso), ntpath.basename(iso), version, Disc(Blocks(driver.send, iso).read, iso))


class Blocks:
    """A file on the host, of which each block is read once."""

    def __init__(self, send, path):
        self._send, self._path, self._blocks = send, path, {}

    def read(self, offset, length):
        """Return bytes of the file; fewer at its end."""
        numbers = range(offset // BLOCK, -(-(offset + length) // BLOCK))
        self._add([number for number in numbers if number not in self._blocks])
        start = offset - numbers.start * BLOCK
        return b"".join(self._blocks[number] for number in numbers)[start : start + length]

    def _add(self, numbers):
        if not numbers:
            return
        calls = tuple(read_part(self._path, number * BLOCK, BLOCK) for number in numbers)
        result = self._send([Chain("medium", calls)])[0]
        if result.error:
            raise Refused(f"{self._path} cannot be read: {result.error}", "Check the file and its permissions.")
        if not result.answers[0].details["exists"]:
            raise Refused(f"{self._path} does not exist, or cannot be seen.", "Check the path and its permissions.")
        self._blocks.update((number, answer.bytes()) for number, answer in zip(numbers, result.answers))


def media_behind(driver, paths):
    """Return {path: ISO image} of those images that were prepared from an ISO image that is still the same file."""
    paths = [path for path in paths if NO_PROMPT in path.lower()]
    records = [Chain(path, (read(path + RECORD, LONGEST_RECORD, go_on=True), version_call(path))) for path in paths]
    found = {}
    for path, result in zip(paths, driver.send(records) if records else ()):
        content, version = result.answers[0].bytes(), version_in(result.answers[1])
        stored = recorded(content, path) if content else None
        if stored and stored.made_from and version and stored.is_unchanged(version):
            found[path] = stored
    versions = [Chain(path, (version_call(stored.name),)) for path, stored in found.items()]
    results = driver.send(versions) if versions else ()
    now = {one.name: version_in(result.answers[0]) for one, result in zip(versions, results)}
    return {path: stored.name for path, stored in found.items() if now[path] == list(stored.made_from)}


class PreparedCopy:
    """The copy of an ISO image that becomes ``wanted`` (Stored). It has a name of its own until it is complete."""

    def __init__(self, driver, store, wanted, change):
        self._driver, self._store, self._wanted, self._change = driver, store, wanted, change
        name = ntpath.basename(wanted.path)
        digits = name.rpartition(".")[0][-12:]
        self._part = f"{name}.{digits}.{uuid.uuid4().hex[:8]}{PART}"
        #: The bytes that are copied, at most.
        self._done = 0

    def run(self):
        """Create the image, unless another task has done so meanwhile."""
        self._call(folder_call(self._store.directory))
        self._remove_unfinished()
        tries = _TRIES
        while True:
            done = self._done
            try:
                return self._carry_on()
            except (ConnectionLost, CallFailed) as error:
                tries = _TRIES if self._done > done else tries - 1
                if not tries or not (isinstance(error, ConnectionLost) or error.id in _OF_OTHER_TASKS):
                    self._remove(self._part)
                    raise
            except PolyvirtError:
                self._remove(self._part)
                raise
            self._driver.windows.clock.sleep(_PAUSE)

    def _carry_on(self):
        self._store.refresh()
        if not self._store.at(self._wanted.path):
            self._store.check_free(self._wanted.path)
            self._copy()
            self._publish()
            self._store.refresh()
        self._remove_unfinished()

    def _copy(self):
        size, length = self._wanted.size, self._store.size_of(self._part) or 0
        # After a lost connection, it is not known whether the last piece is complete.
        at = length - (length % PIECE if length < size else 0)
        while at < size:
            report(f"{self._wanted.name}: copy it without its prompt", at, size)
            piece = min(PIECE, size - at)
            copied = self._call(copy_part(self._path(self._part), self._wanted.name, at, piece))
            if copied.details["length"] != at + piece:
                raise changed_meanwhile(self._wanted.name)
            at += piece
            self._done = max(self._done, at)

    def _publish(self):
        """Edit the copy, and give it its name. The record comes first, so that no image is without one."""
        wanted, part = self._wanted, self._path(self._part)
        if version_in(self._call(version_call(wanted.name))) != wanted.made_from:
            raise changed_meanwhile(wanted.name)
        edited = edit(part, self._change.at, self._change.old, self._change.new)
        seen = version_in(self._call(edited, version_call(part)))
        self._call(
            write(wanted.path + RECORD, record_of(replace(wanted, file_size=wanted.size, seen=seen))),
            file_command("Move-Item", [part], {"Destination": wanted.path}),
        )

    def _remove_unfinished(self):
        """Remove what killed tasks have left of this image."""
        name = ntpath.basename(self._wanted.path).lower()
        self._remove(*[one for one in self._store.entries() if (image_of_copy(one) or "").lower() == name])

    def _remove(self, *names):
        if names:
            removal = own_removal([*map(self._path, names)], go_on=True, partial=True)
            with suppress(ConnectionLost):  # The next task removes it.
                self._driver.send([Chain(self._wanted.name, (removal,))])
            self._store.refresh()

    def _path(self, name):
        return self._store.path_for(name)

    def _call(self, *calls):
        """Send calls; returns the last Answer, and raises the error of the first that failed."""
        result = self._driver.send([Chain(self._wanted.name, calls)])[0]
        if result.error:
            raise result.error
        return result.answers[-1]
