# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The image store of a Windows host: a directory with the same files and records as on other hosts."""

from __future__ import annotations

import ntpath
import re

from ..._core.errors import PolyvirtError
from ..._ports import permits
from ..._ports.windows_request import Chain, Joined, Ref, pick, properties, read
from ..._tools.windows_files import (
    SHARING_VIOLATION,
    environment_call,
    file_command,
    free_bytes,
    hash_call,
    hash_in,
    key_of,
    removal,
    volume_call,
)
from ..store import LONGEST_RECORD, RECORD, Store, by_age, not_of_store, recorded

#: Below the directory in a variable of Windows.
_DEFAULT = "\\polyvirt\\images"
_PROCESSOR = "PROCESSOR_ARCHITECTURE"
INSTEAD = "set image_directory to a directory of another drive"
#: Endings of a file that is not complete, and of a complete one that has to be verified.
PART, WHOLE = ".part", ".whole.part"
#: An unfinished copy (copy.py): the file that it is of, its digest and id; or a piece of it.
_UNFINISHED = re.compile(r"(.+)[.][0-9a-f]{12}[.][0-9a-f]{8}(?:[.]whole)?[.]part(?:[.][0-9]+[.]gz)?", re.IGNORECASE)


class WindowsStore(Store):
    """The images in a directory of the host.

    ``requested`` is the directory that the task sets, or None: then it is below the one that the environment variable
    ``data`` of the host has. ``formats``: those of the platform. Another one may keep its images in the same directory.
    """

    instead = INSTEAD

    def __init__(self, driver, requested, data, formats):
        self._driver, self._directory, self._data = driver, requested, data
        self._endings = tuple(f".{one}" for one in formats)
        self._entries, self._free, self._processor = None, None, ""
        #: {name of a file: time of its last change}
        self._times = {}
        #: {name of a record: Stored, or None for a file of someone else}
        self._records = {}

    @property
    def directory(self):
        self._read()
        return self._directory

    @property
    def processor(self):
        """The architecture of the host, as Windows calls it."""
        self._read()
        return self._processor

    @property
    def free(self):
        """The free bytes where the directory is, or None if they are unknown."""
        self._read()
        return self._free

    def entries(self):
        """{name: bytes} of the files in the directory."""
        self._read()
        return self._entries

    def refresh(self):
        """Read the directory again before it is used next."""
        self._entries, self._records = None, {}

    def _read(self):
        if self._entries is not None:
            return
        chains = [Chain("images", (*self._environment_calls(), *self._listing_calls()))]
        result = self._driver.send(chains, about=not self._driver.about)[0]
        if result.error:
            raise result.error
        processor, *data, listing, volume = result.answers
        self._processor = _text(processor)
        self._directory = self._directory or _text(data[0]) + _DEFAULT
        if listing.error and listing.error.category != "ObjectNotFound":
            raise listing.error
        files = [one for one in listing.objects if "Length" in one]
        self._entries = {one["Name"]: one["Length"] for one in files}
        self._times = {one["Name"].lower(): one.get("LastWriteTimeUtc") for one in files}
        self._free = free_bytes(volume)

    def _environment_calls(self):
        data = [environment_call(self._data, keep="data"), pick("data", "root", path=["Value"])]
        return [environment_call(_PROCESSOR, go_on=True), *(() if self._directory else data)]

    def _listing_calls(self):
        """Read the directory, which may not exist, and the volume that it is on."""
        folder = self._directory or Joined((Ref("root"), _DEFAULT))
        place = ntpath.splitdrive(self._directory)[0] + "\\" if self._directory else Ref("root")
        shown = properties("Name", "Length", "LastWriteTimeUtc")
        return [file_command("Get-ChildItem", [folder], show=shown, go_on=True), volume_call(place)]

    # As a Store -------------------------------------------------------------------------------------------------------

    def recorded_name(self, name):
        """Return a name or address without credentials, and a path (of an ISO image) in a form for comparisons."""
        return key_of(name) if ntpath.splitdrive(name)[0] else super().recorded_name(name)

    def path_for(self, name):
        """Return the path of a file with this name in the directory."""
        return f"{self.directory}\\{name}"

    def all(self):
        """Return the complete images, the newest one last."""
        names = {name.lower(): name for name in self.entries()}
        records = [name for name in self.entries() if name.lower().endswith(RECORD)]
        images = [one for one in records if one[: -len(RECORD)].lower().endswith(self._endings)]
        self._read_records([one for one in images if one[: -len(RECORD)].lower() in names])
        return by_age(one for one in map(self._records.get, records) if one and self.size_of(one.path) == one.file_size)

    def at(self, path):
        """Return the complete image with this path, or None."""
        return next((one for one in self.all() if one.path.lower() == path.lower()), None)

    def check_free(self, path):
        """Reject a file that is not from this store."""
        if self.size_of(path) is not None and self.at(path) is None:
            raise not_of_store(path)

    def seen(self, path):
        """Return what changes when a file in the directory is replaced or written to."""
        return [self.size_of(path), self._times.get(ntpath.basename(path).lower())]

    def content_of(self, stored):
        result = self._driver.send([Chain("image", (hash_call(stored.path),))])[0]
        if result.error:
            raise result.error
        return hash_in(result.answers[0])

    def leftovers(self):
        """Return the paths of unfinished copies, and of pieces of them."""
        images = {name: image_of_copy(name) for name in sorted(self.entries())}
        return [self.path_for(name) for name, of in images.items() if of and of.lower().endswith(self._endings)]

    def remove(self, stored, leftovers):
        """Delete images, each before its record, and ``leftovers`` that nothing has open."""
        chains = [Chain(one.path, (own_removal([one.path]), own_removal([one.path + RECORD]))) for one in stored]
        chains += [Chain(path, (own_removal([path]),)) for path in leftovers]
        results = self._driver.send(chains) if chains else ()
        self.refresh()
        for chain, result in zip(chains, results):
            is_in_use = result.error and SHARING_VIOLATION in result.error.codes and chain.name in leftovers
            # Another task may have removed it.
            if result.error and result.error.category != "ObjectNotFound" and not is_in_use:
                raise _not_removed(chain.name, result.error)

    def size_of(self, path):
        """Return the bytes of a file in the directory, or None if it does not exist."""
        name = ntpath.basename(path).lower()
        return next((size for one, size in self.entries().items() if one.lower() == name), None)

    def _read_records(self, names):
        chains = [
            Chain(name, (read(self.path_for(name), LONGEST_RECORD),)) for name in names if name not in self._records
        ]
        for chain, result in zip(chains, self._driver.send(chains) if chains else ()):
            content = None if result.error else result.answers[0].bytes()
            path = self.path_for(chain.name[: -len(RECORD)])
            self._records[chain.name] = recorded(content, path) if content else None


def image_of_copy(name):
    """Return the name of the file that an unfinished copy is of; None if ``name`` is not that of such a copy."""
    found = _UNFINISHED.fullmatch(name)
    return found and found[1]


def own_removal(paths, go_on=False, **more):
    """A call that deletes files of the store: its record lists them, or a killed task has left them."""
    with permits.also(paths):
        return removal(paths, go_on, **more)


def _not_removed(path, error):
    return PolyvirtError(
        f"{path}: Windows did not remove it ({error}).", "Close the program that has it open, then run the task again."
    )


def _text(answer):
    return answer.objects[0]["Value"] if answer.objects else ""
