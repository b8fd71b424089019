# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images that the controller fetches, and copies to a Windows host, which has no program that verifies them.

A copy is sent in pieces, because connections cannot continue a file that was cut off.

The unfinished file has the digest of the file in its name and an id of its own. The next task of this controller finds
it by the digest and continues it; nobody else ever writes it.
"""

from __future__ import annotations

import ntpath
import os
import uuid

from ..._core.errors import Refused, Unavailable
from ..._core.frozen import replace
from ..._core.units import MIB, too_little_space
from ..._ports import files, partial_files
from ..._ports.progress import report
from ..._ports.windows import CallFailed, ConnectionLost
from ..._ports.windows_request import Chain, append, write
from ..._tools.windows_files import (
    SHARING_VIOLATION,
    absolute_path,
    check_folder,
    check_no_file,
    file_command,
    files_test,
    folder_call,
    hash_call,
    hash_in,
    parents_of,
)
from ..by_controller import CopiedImages, images_of_controller
from ..store import RECORD, is_unlocked, record_of
from .store import INSTEAD, PART, WHOLE, WindowsStore, image_of_copy, own_removal

#: Bytes of one piece, before it is packed.
PIECE = 64 * MIB
#: Attempts without progress, and seconds between two.
_TRIES, _PAUSE = 5, 2
_FULL = {0x80070070, 0x80070027}
#: Errors about a piece that did not arrive as it was sent, or was appended already. Others are not repeated.
_OF_PIECES = frozenset({"InvalidDataException", "NoPiece", "TooShort", "WrongSize"})
_FOR_COPY = " for the copy"
_EXAMPLE = "D:\\\\images"
#: The words of the catalogue for the values of PROCESSOR_ARCHITECTURE.
_ARCHITECTURES = {"AMD64": "amd64", "ARM64": "arm64"}


class _Again(Exception):
    """The copy has to begin again."""


class ImageCopy:
    """The copy of the file ``local`` of the controller to the host, where it becomes ``stored``."""

    def __init__(self, driver, store, local, stored, patience):
        self._driver, self._store, self._local, self._stored = driver, store, local, stored
        self._clock = driver.windows.clock
        self._deadline = self._clock.now() + patience
        self._size, self._digest = files.size(local), files.digest(local)
        #: The beginning of the names of unfinished files with this content.
        self._prefix = f"{os.path.basename(local)}.{self._digest[:12]}."
        #: The bytes that are on the host, at most; how often the whole file had another digest.
        self._sent, self._damaged = 0, 0
        #: Whether a request was sent that gives the file its name.
        self._is_own = False

    def run(self):
        """Copy the file; returns False if the host has the image by now, from another task."""
        tries = _TRIES
        while True:
            sent = self._sent
            try:
                return self._carry_on()
            except _Again:
                pass
            except ConnectionLost:
                tries = _TRIES if self._sent > sent else tries - 1
                if not tries:
                    raise
            except CallFailed as error:
                tries = _TRIES if self._sent > sent else tries - 1
                self._check_retry(error, tries)
            self._clock.sleep(_PAUSE)

    def _check_retry(self, error, tries):
        """Raise unless the copy can be continued after this error of a call."""
        if _FULL & error.codes:
            raise self._no_space() from error
        if SHARING_VIOLATION in error.codes and self._clock.now() < self._deadline:
            return
        if error.id not in _OF_PIECES or not tries:
            raise error

    def _carry_on(self):
        """Continue with what the host has, to the end."""
        self._store.refresh()
        if self._is_stored():
            self._remove_unfinished()
            return self._is_own
        names = [name for name in self._store.entries() if name.startswith(self._prefix)]
        whole = next((name for name in names if name.endswith(WHOLE)), None)
        if not whole:
            parts = [name for name in names if name.endswith(PART)]
            part = max(parts, key=self._store.size_of, default=f"{self._prefix}{uuid.uuid4().hex[:8]}{PART}")
            self._send_rest(part)
            whole = f"{part[: -len(PART)]}{WHOLE}"
            self._move(part, whole)
        self._verify(whole)
        return self._publish(whole)

    def _is_stored(self):
        return self._store.stored_as(self._stored) is not None

    def _path(self, name):
        return self._store.path_for(name)

    def _call(self, *calls):
        """Send calls; returns the last Answer, and raises the error of the first that failed."""
        result = self._driver.send([Chain(self._stored.name, calls)])[0]
        if result.error:
            raise result.error
        return result.answers[-1]

    # Pieces -----------------------------------------------------------------------------------------------------------

    def _send_rest(self, part):
        length = self._store.size_of(part)
        if length is None:
            self._make_folder()
        at = min(length or 0, self._size)
        at -= at % PIECE if at < self._size else 0
        needed = self._size - (length or 0)
        if self._store.free is not None and needed > self._store.free:
            raise self._no_space()
        with files.private_folder() as folder:
            local = os.path.join(folder, "piece")
            while at < self._size:
                self._sent = max(self._sent, at)
                self._show(at)
                at = self._send_piece(part, local, at)
        self._sent = self._size

    def _show(self, at):
        report(f"copy of {self._stored.name} to the host", at, self._size)

    def _send_piece(self, part, local, at):
        """Send one piece; returns the length of the file on the host then."""
        size, remote = min(PIECE, self._size - at), self._path(f"{part}.{at // PIECE}.gz")
        partial_files.write_packed(local, self._local, at, size)
        try:
            self._driver.windows.put(local, remote)
        except Unavailable:
            self._store.refresh()
            if self._store.free is not None and self._store.free < size:
                raise self._no_space() from None
            raise
        return self._call(append(self._path(part), remote, at, size)).details["length"]

    def _make_folder(self):
        folder = self._store.directory
        above = [folder, *parents_of(folder)]
        are_files = dict(zip(above, self._call(files_test(above)).objects))
        check_no_file("image_directory", folder, are_files)
        check_folder("image_directory", folder, self._call(folder_call(folder)))

    def _no_space(self):
        """Remove what was copied, and return the error."""
        self._store.refresh()
        self._remove_unfinished()
        self._store.refresh()
        about, place, free = f"image: {self._stored.name}", self._store.directory, self._store.free or 0
        return too_little_space(about, self._size, place, free, INSTEAD, _FOR_COPY)

    # The whole file ---------------------------------------------------------------------------------------------------

    def _move(self, name, to):
        """Rename a file; fails if a file of the other name exists."""
        self._call(file_command("Move-Item", [self._path(name)], {"Destination": self._path(to)}))

    def _verify(self, whole):
        """Compare the digest of a file that has a name of its own, so that no request on its way can change it."""
        if hash_in(self._call(hash_call(self._path(whole)))) == self._digest:
            return
        self._remove([whole])
        self._damaged += 1
        if self._damaged > 1:
            raise Refused(
                f"image: {self._stored.name}: its copy on the host was damaged twice.",
                "Check the drive of the host and the connection, then run the task again.",
            )
        self._sent = 0
        raise _Again

    def _publish(self, whole):
        """Give the file its name, unless another task has put the same image there: then that one is used."""
        name = os.path.basename(self._local)
        self._store.refresh()
        if not self._is_stored():
            self._store.check_free(self._stored.path)
            self._is_own = True
            # The record comes first, so that an image without one is never from this collection.
            # A new name changes none of what it says of the file.
            stored = replace(self._stored, content=self._digest, seen=self._store.seen(whole))
            self._call(write(self._path(name + RECORD), record_of(stored)))
            self._move(whole, name)
        self._store.refresh()
        self._remove_unfinished()
        return self._is_own

    def _remove_unfinished(self):
        """Remove the unfinished files and pieces of this content."""
        self._remove([one for one in self._store.entries() if one.startswith(self._prefix)])

    def _remove(self, names):
        if names:
            self._call(own_removal([*map(self._path, names)], partial=True))


class ImagesOnWindows(CopiedImages):
    """The images of a host. ``data`` and ``formats`` are those of a WindowsStore."""

    def __init__(self, driver, data, formats):
        requested = driver.options.get("image_directory")
        directory = absolute_path("image_directory", requested, _EXAMPLE) if requested else None
        super().__init__(WindowsStore(driver, directory, data, formats), images_of_controller())
        self._driver = driver

    @property
    def place(self):
        return self._driver.about.get("computer") or "host"

    @property
    def architecture(self):
        """The architecture of the host, as the catalogue calls it."""
        found = self.store.processor
        if found.upper() not in _ARCHITECTURES:
            raise Refused(
                f"image: the architecture of the host is {found or 'unknown'}, and images exist for"
                f" {' and '.join(_ARCHITECTURES.values())} only.",
                "Set the path of an image that is on the host.",
            )
        return _ARCHITECTURES[found.upper()]

    def fetch(self, image):
        """Have the controller fetch an image, and copy it; returns whether the host did not have it by now."""
        copy = image["fetch"]
        with self.local(image) as local:
            stored = replace(local, path=copy.stored.path)
            return ImageCopy(self._driver, self.store, copy.local, stored, copy.patience).run()

    def leftovers(self):
        """Return the paths of unfinished copies on the host, without those that a task on this controller makes."""
        return [path for path in super().leftovers() if is_unlocked(self._part_of(path))]

    def _part_of(self, leftover):
        """The file of the controller that a task locks while it makes this copy."""
        return self.part_of_copy(image_of_copy(ntpath.basename(leftover)))


def fetch(driver, vm, step):
    """Carry out the verb ``fetch``. It has no calls for ``in_rounds``: other VMs may need the same image."""
    if "medium" in step.arguments:
        driver.without_prompt(step.arguments["medium"])
        return True
    image = step.arguments["image"]
    # Of an appliance, the controller also has to download the archive.
    return image["fetch"].run(driver.images, image)
    yield  # As all steps, it is a generator.
