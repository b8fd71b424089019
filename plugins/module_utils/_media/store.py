# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The image store of a host: a directory with images named by their content, and a record (.json) next to each.

The record is written first, so that a killed task leaves no image without one: other files are never overwritten.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from datetime import date
from functools import partial
from typing import Optional

from .._core.errors import Refused
from .._core.frozen import Frozen, fields, replace
from .._core.record.reader import Damaged, is_mapping, is_number, is_text, list_of, optional, read
from .._core.sharing.file_checks import check_free
from .._core.texts import without_secrets
from .._core.units import too_little_space
from .._ports import files, folders, locks, partial_files, permits

_VERSION = 1
_CHECKSUM = "sha256"
RECORD = ".json"
#: For what space is needed.
_FOR_DOWNLOAD = " for the download"
#: Digits of the checksum in the name of a file.
DIGITS = 12
#: An incomplete download (download.py), which is the lock of the task, and what is unpacked from it (unpack.py).
_PART = re.compile(r"([.].+[.]part)([.].+)?")
_ODD = re.compile(r"[^A-Za-z0-9._-]+")


class Stored(Frozen):
    """One image. ``name`` is its name in the catalogue, or the address that a task has set.

    ``file``: name or pattern of the vendor's file. ``digest``: the vendor's checksum of that file, None if there is
    none. ``asked_checksum``: as a task has set it. ``size`` is the size of the disk (None: unknown), ``file_size`` that
    of the stored file, both in bytes. ``fetched`` is a date, ``checked`` one of signature, checksum and none, or None
    if nobody has recorded it. ``content`` is the checksum of the stored file, and ``seen`` its version (size, time,
    inode) when it was stored; None in records of earlier versions. ``made_from`` is the version of the ISO image
    ``name`` that it was prepared from (prepared.py), None if it was downloaded. ``golden`` is the record of a golden
    image (golden.py), None of any other.
    """

    path: str
    name: str
    architecture: str
    file: str
    format: str
    address: str
    fetched: str
    checked: Optional[str]
    file_size: int
    digest: Optional[str] = None
    asked_checksum: Optional[str] = None
    size: Optional[int] = None
    content: Optional[str] = None
    seen: Optional[Sequence] = None
    made_from: Optional[Sequence] = None
    golden: Optional[Mapping] = None

    def serves(self, other):
        """Whether a task that asks for ``other`` can use it without a request to the vendor."""
        return all(getattr(self, key) == getattr(other, key) for key in _ASKED)

    def is_unchanged(self, version):
        """Whether the file with this version is as it was stored. Earlier versions recorded its size only."""
        if self.seen is None:
            return bool(version) and version[0] == self.file_size
        return version == list(self.seen)


_ASKED = ("name", "architecture", "file", "format", "asked_checksum")
#: Bytes of the record of an image.
LONGEST_RECORD = 1 << 16


def _is_date(value):
    try:
        return bool(date.fromisoformat(value))
    except (TypeError, ValueError):
        return False


#: Windows reports times as texts.
_is_version = optional(list_of(lambda part: is_number(part) or is_text(part)))
_SCHEMA = {
    **dict.fromkeys(("name", "architecture", "file", "format", "address"), is_text),
    "fetched": _is_date,
    **dict.fromkeys(("checked", "digest", "asked_checksum", "content"), optional(is_text)),
    "file_size": is_number,
    "size": optional(is_number),
    **dict.fromkeys(("seen", "made_from"), _is_version),
    "golden": optional(
        lambda value: is_mapping(value) and is_text(value.get("inputs")) and is_number(value.get("version"))
    ),
}


def record_of(stored):
    """Return the content of the record of an image."""
    content = {"v": _VERSION, **{key: getattr(stored, key) for key in fields(stored) if key != "path"}}
    return (json.dumps(content, indent=1, sort_keys=True) + "\n").encode()


def recorded(content, path):
    """Return the image with this record, or None if the file is of someone else, or of a later version."""
    try:
        known = read(content.decode("utf-8", "replace"), _SCHEMA, [_VERSION], default=_VERSION)
    except Damaged:
        return None
    # Earlier versions have recorded the whole query of an address.
    plain = {key: known[key] and without_secrets(known[key]) for key in ("name", "address", "asked_checksum")}
    return Stored(path=path, **{**{key: known.get(key) for key in _SCHEMA}, **plain})


def by_age(stored):
    """Return images in the order of their download, the newest one last."""
    return sorted(stored, key=lambda one: (one.fetched, one.path))


def not_of_store(path):
    """Return the error about a file that is not from a store, or is damaged: it may be somebody's disk."""
    return Refused(
        f"{path} exists, and is not a complete image of this store.", "Check what it is, then move or delete it."
    )


class Store:
    """The images in one place, for one task.

    A subclass has ``directory``, ``path_for(name)``, ``all()`` and ``at(path)``, the bytes that are ``free`` (None:
    unknown), ``seen(path)``, which changes when a file is replaced or written to, and ``content_of(stored)``.
    """

    #: What to do if there is too little space.
    instead = "set image_directory to another directory"
    #: Returns a name or address of an image in the form in which a task and a record are compared.
    recorded_name = staticmethod(without_secrets)

    @property
    def place(self):
        return self.directory

    def find(self, asked):
        """Return the newest image that ``asked`` (a Stored) can use, or None."""
        found = [one for one in self.all() if one.serves(asked)]
        return found[-1] if found else None

    def stored_as(self, stored):
        """Return the image that was stored meanwhile as the path of ``stored``, or None."""
        return self.at(stored.path)

    def found_or_free(self, path, find):
        """Return ``find()``. If it finds nothing, reject a file at this path that is not from this store.

        Another task may complete the image meanwhile. Its record was written before its file, so it is found then.
        """
        found = find()
        if not found:
            try:
                self.check_free(path)
            except Refused:
                found = find()
                if not found:
                    raise
        return found

    def checked(self, wanted, about):
        """Return the image that is stored as the path of ``wanted``, or None if the path is free.

        Rejects one with another content, because the path has only the first digits of the checksum.
        """
        stored = self.found_or_free(wanted.path, partial(self.stored_as, wanted))
        if stored and None not in (stored.digest, wanted.digest) and stored.digest != wanted.digest:
            raise Refused(
                f"{about}: checksum: {stored.path} is stored with the checksum {stored.digest}, and it must be"
                f" {wanted.digest}.",
                "Correct the checksum. If it is right, delete this file and its record (.json).",
            )
        if stored:
            self.check_content(stored, about)
        return stored

    def path_of(self, name, digits, image_format):
        """Return the path of an image: its name, the first digits of its checksum, and its format."""
        return self.path_for(file_name(name, digits, image_format))

    def check_space(self, needed, about, purpose=_FOR_DOWNLOAD):
        """Reject an image that does not fit: the download, and beside it what is unpacked or converted from it."""
        free = self.free
        if free is not None and needed > free:
            raise too_little_space(about, needed, self.place, free, self.instead, purpose)

    def check_content(self, stored, about):
        """Reject a stored image if its file was replaced or changed; only a file that looks different is read."""
        if stored.content is None or self.seen(stored.path) == list(stored.seen or ()):
            return
        if self.content_of(stored) != stored.content:
            raise Refused(
                f"{about}: {stored.path} was changed since it was stored.",
                "Delete this file and its record (.json): the next task downloads the image again.",
            )


class FolderStore(Store):
    """The images in one directory of this host, which need not exist."""

    seen = staticmethod(files.version)

    def __init__(self, directory):
        self.directory = directory

    @property
    def free(self):
        return files.free_space(self.directory)

    def check_space(self, needed, about, purpose=_FOR_DOWNLOAD):
        """Also reject a directory in which the user of the task may create nothing."""
        # The directory itself may not exist yet.
        folder = folders.folders_above(os.path.join(self.directory, ""))[-1]
        if not files.is_writable(folder):
            message = f"{about}: the user of the task may not write to {folder}."
            raise Refused(message, f"Run the task as another user (become: true), or {self.instead}.")
        super().check_space(needed, about, purpose)

    def path_for(self, name):
        return os.path.join(self.directory, name)

    def all(self):
        """Return the complete images, the newest one last."""
        names = [name for name in files.entries(self.directory) if name.endswith(RECORD)]
        found = [self._read(os.path.join(self.directory, name)) for name in names]
        return by_age(filter(None, found))

    def at(self, path):
        """Return the image with this path, or None."""
        return self._read(path + RECORD)

    def _read(self, record):
        path = record[: -len(RECORD)]
        if not files.is_file(record) or files.size(record) > LONGEST_RECORD:
            return None
        stored = recorded(files.read(record), path)
        is_complete = stored and files.is_file(path) and files.size(path) == stored.file_size
        return stored if is_complete else None

    def check_free(self, path):
        """Reject a file that is not from this store."""
        if files.exists(path):
            raise not_of_store(path)

    def add(self, temporary, stored, is_public=True):
        """Give a complete file its name and its record; all users can read it if it ``is_public``."""
        self.check_free(stored.path)
        # A new name changes none of these.
        stored = replace(stored, content=files.digest(temporary, _CHECKSUM), seen=files.version(temporary))
        # All users can read what an image is, as its VMs do.
        with permits.also([stored.path + RECORD]):  # A killed task may have left it, without an image.
            files.write_atomically(stored.path + RECORD, record_of(stored), 0o644)
        if is_public:
            partial_files.make_readable(temporary)
        files.rename_into_place(temporary, stored.path)

    def content_of(self, stored):
        with files.explained("read", stored.path):
            return files.digest(stored.path, _CHECKSUM)

    def check_unlocked(self, stored):
        """Reject images that a VM of another connection or host has open, as its disk or below it."""
        for one in stored:
            check_free(f"name: {one.name}", [("", one.path, "removed")], locks.is_open_elsewhere)

    def remove(self, stored, leftovers):
        """Delete images, each before its record, and some of ``leftovers``."""
        self.check_unlocked(stored)
        for one in stored:
            with permits.also([one.path, one.path + RECORD]):
                files.remove(one.path)
                files.remove(one.path + RECORD)
        for path in leftovers:
            self.remove_leftover(path)

    def leftovers(self):
        """Return the paths of incomplete downloads, and of what was unpacked from them, that no task holds."""
        found = [os.path.join(self.directory, name) for name in files.entries(self.directory) if _PART.fullmatch(name)]
        return [path for path in found if is_unlocked(_part_of(path))]

    def remove_former(self, path, name, key):
        """Remove incomplete downloads of other versions of an image, which nothing completes any more.

        ``path`` is where the image called ``name`` will be, and ``key`` is that of its download (download.downloading).
        """
        file, plain = os.path.basename(path), plain_name(name)
        # A format can have two parts: tar.gz.
        kind, own = file[len(plain) + DIGITS + 2 :], f".{file}.{key}."
        former = re.compile(rf"[.]{re.escape(plain)}-[0-9a-f]{{{DIGITS}}}[.]{re.escape(kind)}[.][0-9a-f]+[.]part.*")
        for leftover in self.leftovers():
            file = os.path.basename(leftover)
            if former.fullmatch(file) and not file.startswith(own):
                self.remove_leftover(leftover)

    def remove_leftover(self, path):
        """Remove one of ``leftovers``, unless a task has continued it meanwhile."""
        with _locked(_part_of(path)) as is_free, permits.also([path]):
            if is_free:
                files.remove(path)


def file_name(name, digits, image_format):
    """Return the name of a stored file: that of the image, the first digits of its checksum, and its format."""
    return f"{plain_name(name)}-{digits[:DIGITS]}.{image_format}"


def plain_name(name):
    """Return the name of an image as names of files begin with it."""
    return _ODD.sub("-", name).strip("-")


def is_unlocked(part):
    """Return whether no task holds the lock ``part`` (download.downloading)."""
    with _locked(part) as is_free:
        return is_free


def _part_of(path):
    folder, name = os.path.split(path)
    return os.path.join(folder, _PART.fullmatch(name)[1])


def _locked(part):
    """Lock an incomplete download; without its file, nobody holds it."""
    return partial_files.held_file(part) if files.exists(part) else nullcontext(True)
