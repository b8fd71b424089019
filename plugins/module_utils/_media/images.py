# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images by name or address, for VMs that are created: which file it will be, and its way into the store of the host.

``Lookup.resolved`` only reads, and runs in check mode too: the list of checksums, its signature, the size of the file
and its first bytes. If the store has the image, it makes no request.
"""

from __future__ import annotations

import os
from datetime import date, timedelta
from typing import Optional

from .._core.errors import InvalidInput, Refused
from .._core.frozen import Frozen, replace
from .._core.options.image_names import NAME, PATH, check_no_download, names_of, read_image
from .._core.record.mark import name_of_image
from .._core.texts import without_secrets
from .._core.units import rounded_up
from .._ports import download, files, partial_files
from .._ports.clock import Clock, today
from .._ports.command import Commands
from .._ports.progress import report
from . import disk_header, foreign_image, unpack
from .choose import QEMU_IMG, Choice, resolve
from .download import (
    SECONDS_WITHOUT_ANSWER,
    Found,
    Line,
    check_signature,
    download_verified,
    downloading,
    of_vendor,
    private_file,
    verifier_of,
)
from .names import ARCHIVES, base_of_stored, media_of, medium_of_address, with_image
from .prepared import Medium, changed_meanwhile, medium_of
from .store import FolderStore, Stored

#: Bytes of an image that are read before it is downloaded. qemu-img needs no more of a qcow2 image either.
_BEGINNING = 4096
_OLD = timedelta(days=90)


class Fetch(Frozen):
    """The download of an image that the store does not have. ``stored`` is the result; ``found`` is the vendor's file.

    ``extent`` is the size of the download in bytes, None if the server does not report it. All users of the host can
    read the stored file if it ``is_public``.
    """

    stored: Stored
    found: Found
    choice: Choice
    line: Line
    extent: Optional[int]
    patience: int
    requires_signature: bool = False
    is_public: bool = True

    @property
    def needed(self):
        """The bytes that are needed in the store, at least."""
        return (self.extent or 0) * (2 if self.choice.chain else 1)

    @property
    def note(self):
        size = f"{rounded_up(self.extent)} " if self.extent else ""
        return f"{self.stored.name}: {size}from {download.shown(self.found.base)}"

    def run(self, images, image):
        """Have ``images`` store the image."""
        images.fetch({**image, "fetch": self})


class Lookup:
    """The images of one store, for one task.

    ``store`` has ``find``, ``checked``, ``path_of``, ``check_free`` and ``check_space``, as Store has them. The
    modules image and image_info also need ``all``, ``at``, ``recorded_name``, ``leftovers`` and ``remove``. A subclass
    has ``fetch(image)`` for an image that is not stored, and those of a platform ``needs(request)``, which returns the
    Needs of a new VM (choose.py); ``completed(needs)`` adds to them what can be unpacked and converted.
    """

    #: Whether disks of VMs need the file of an image. Elsewhere, they have its content.
    are_used = True

    def __init__(self, store):
        self.store = store
        #: {what was asked: result of _find}, so that several VMs of a task cost one request.
        self._found = {}
        #: {address of an appliance: Remote}, each read once in a task (appliances/address.py).
        self.remotes = {}

    @property
    def directory(self):
        """Where the images are, for messages."""
        return self.store.directory

    def has_begun(self, _request):
        """Return a function from a Stored to whether the disk of an interrupted task has its content, or None.

        None: there is no such disk, or this platform creates it again.
        """

    def check_fetch(self, image, about):
        """Raise if an image cannot be fetched, for what is otherwise checked as part of a plan; only reads."""

    def check_removal(self, stored):
        """Raise if the images ``stored`` cannot be removed; only reads."""

    def leftovers(self):
        """Return the paths of incomplete files in the store that no task holds."""
        return self.store.leftovers()

    def beginning(self, asked, found, line):
        """Return (first bytes of the vendor's file or None, its size or None)."""
        return download.beginning(found.url, line.timeout, _BEGINNING, line.headers_for(found.url))

    def resolved(self, request):
        """Return ``request`` with the file in the store as its image; raises PolyvirtError. A path is left as it is.

        A disk that an interrupted task has left counts, whatever the vendor publishes now.
        """
        asked, has_begun_with = request.creation["image"], self.has_begun(request)
        begun = has_begun_with and self.begun(asked, has_begun_with)
        if begun:
            return with_image(request, begun)
        return self.of_form(request, read_image(asked["source"], (), f"{request.label}: image", names_of(asked)).form)

    def of_form(self, request, form):
        """As ``resolved``, for an image of which the text has this form (PATH, URL or NAME)."""
        option = f"{request.label}: image"
        if form == PATH:
            check_no_download(request.creation["image"], option)
            return request
        return with_image(request, self.image(request, form, option))

    def image(self, request, form, option):
        """Return the suboptions of the image of a request with its file in the store; ``option`` begins messages."""
        asked, needs = request.creation["image"], self.completed(self.needs(request))
        name = name_of_image(asked)
        about = f"{option}: {name}"
        if form == NAME and asked.get("headers"):
            raise InvalidInput(f"{about}: headers are sent only to the server of an address.", "Set source to one.")
        media = media_of(asked) if form == NAME else [medium_of_address(asked, needs, about)]
        choice = resolve(media, needs, about)
        wanted = _wanted(asked, name, choice)
        stored, fetch, warnings = self.located(asked, wanted, choice, about, request.policy.timeout)
        warnings = [*warnings, *(asked.get("catalogue") or {}).get("warnings", ())]
        return {**_as_stored(asked, name, stored), "fetch": fetch, "warnings": warnings}

    def begun(self, asked, has_begun_with):
        """Return the suboptions ``asked`` with the newest stored image of this name that fits, or None."""
        name, checksum = name_of_image(asked), _asked_checksum(asked)
        stored = [one for one in self.store.all() if one.name == name and one.asked_checksum == checksum]
        found = next((one for one in reversed(stored) if has_begun_with(one)), None)
        return found and {**_as_stored(asked, name, found), "fetch": None, "warnings": []}

    def located(self, asked, wanted, choice, about, patience):
        """Return (Stored, Fetch or None, warnings); ``wanted`` is the Stored that would serve the task."""
        stored = None if asked.get("refresh") else self.store.find(wanted)
        if stored:
            self.store.check_content(stored, about)
            return stored, None, _warnings_of_stored(stored, about)
        new, fetch, warnings = self.way(asked, wanted, choice, about, patience)
        # It may have been stored for a task with another text of the same checksum.
        stored = self.store.checked(new, about)
        if stored:
            return stored, None, warnings
        self.store.check_space(fetch.needed, about)
        return new, fetch, warnings

    def way(self, asked, wanted, choice, about, patience):
        """Return (the new Stored, its Fetch, warnings). The vendor is asked once for all VMs of a task."""
        key = (wanted.name, choice.medium["file"], choice.format, asked.get("checksum"))
        if key not in self._found:
            self._found[key] = self._find(asked, wanted, choice, about, patience)
        fetch, warnings = self._found[key]
        return fetch.stored, fetch, warnings

    def _find(self, asked, wanted, choice, about, patience):
        """Ask the vendor. Returns (Fetch, warnings); raises PolyvirtError for everything that can be read before."""
        if not choice.medium.get("bases"):
            manual = choice.medium.get("manual") or "Add its address to the catalogue (bases)."
            raise Refused(f"{about}: this host does not have the image, and no address of it is known.", manual)
        line = Line(SECONDS_WITHOUT_ANSWER, asked.get("headers"), asked["source"])
        found, warnings = of_vendor(asked, choice.medium, line, about)
        content, extent = self.beginning(asked, found, line)
        image_format, size = choice.medium["image"]["format"], None
        if content is not None and not choice.medium["image"].get("compression"):
            _check_beginning(content, image_format, found, about)
            size = extent if image_format == "raw" else disk_header.capacity_in(content, image_format)
        stored = replace(
            wanted,
            path=self.store.path_of(base_of_stored(wanted), found.digits, choice.format),
            digest=found.digest,
            size=size,
            fetched=today().isoformat(),
            checked=found.checked,
        )
        return Fetch(stored, found, choice, line, extent, patience, bool(asked.get("require_signature"))), warnings


class Images(Lookup):
    """The images that a host keeps in a directory; ``driver`` is that of a platform.

    ``appliances``: the Words of a platform on which VMs can be created from appliances (appliances/defaults.py).
    """

    appliances = None

    def __init__(self, directory, driver=None):
        super().__init__(FolderStore(directory))
        self._driver = driver

    #: The format of an ISO image that is prepared (prepared.py): a copy, or a layer on top of it.
    medium_format = "iso"

    def check_removal(self, stored):
        self.store.check_unlocked(stored)

    def has_medium(self, wanted):
        """Whether a prepared ISO image (Stored) exists as it was stored, and its ISO image is still the same file."""
        return medium_of(wanted.path) == wanted.name

    def medium(self, iso):
        """Return the Medium (prepared.py) with this path."""
        from .windows_medium import disc_at

        return Medium(iso, iso, os.path.basename(iso), files.version(iso), disc_at(iso))

    def bytes_of_medium(self, wanted):
        """Return the bytes that a prepared ISO image (Stored) needs."""
        return wanted.size

    def add_medium(self, wanted, edit, patience):
        """Create a prepared ISO image, unless another task has done so meanwhile."""
        store, iso = self.store, wanted.name
        files.make_folder(store.directory, files.ENTERED)
        with downloading(wanted.path, "", Clock().now() + patience) as part:
            if self.has_medium(wanted):
                return
            store.check_free(wanted.path)
            report(f"{iso}: prepare it without its prompt")
            with private_file(part, wanted.format) as new:
                self.write_medium(iso, new, edit)
                if files.version(iso) != wanted.made_from:
                    raise changed_meanwhile(iso)
                # A private image can contain an answer file or a product key.
                store.add(new, replace(wanted, file_size=files.size(new)), partial_files.may_everybody_read(iso))

    def write_medium(self, iso, path, edit):
        """Write a new file that reads as the ISO image with an Edit of prepared.py."""
        partial_files.copy(iso, path)
        partial_files.overwrite(path, edit.at, edit.new)

    def completed(self, needs):
        commands = Commands()
        return replace(
            needs,
            converters=unpack.converters(commands, QEMU_IMG),
            decompressors=unpack.unpackers(commands),
        )

    def fetch(self, image):
        """Download, verify, unpack and store an image; another task may have done so meanwhile."""
        fetch = image["fetch"]
        found, stored, medium = fetch.found, fetch.stored, fetch.choice.medium
        files.make_folder(self.store.directory, files.ENTERED)
        key = found.digits[:16]
        self.store.remove_former(stored.path, base_of_stored(stored), key)
        with downloading(stored.path, key, Clock().now() + fetch.patience) as part:
            if self.store.at(stored.path):
                return
            self.store.check_free(stored.path)
            base = download_verified(found, medium["bases"], part, fetch.line)
            verifier = verifier_of(medium, fetch.requires_signature, fetch.line.timeout)
            check_signature(base, part, medium, verifier)
            if fetch.choice.chain:
                report(f"{stored.name}: {', '.join(step.verb for step in fetch.choice.chain)}")
            complete = unpack.unpack(part, fetch.choice.chain, medium["image"]["format"])
            self.store.add(complete, replace(stored, file_size=files.size(complete)), fetch.is_public)
            files.remove(part)


def _as_stored(asked, name, stored):
    known = {"digest": stored.digest, "fetched": stored.fetched, "size": stored.size}
    return {**asked, "source": stored.path, "format": stored.format, "name": name, **known}


def _wanted(asked, name, choice):
    """The Stored that would serve a task."""
    return Stored(
        path="",
        name=name,
        architecture=choice.medium["architecture"],
        file=choice.medium["file"],
        format=choice.format,
        address=download.shown((choice.medium.get("bases") or [""])[0]),
        fetched="",
        checked="",
        file_size=0,
        asked_checksum=_asked_checksum(asked),
    )


def _asked_checksum(asked):
    return without_secrets(asked["checksum"]) if asked.get("checksum") else None


def _check_beginning(content, image_format, found, about):
    where, kind = f"{download.shown(found.base)}/{found.file}", disk_header.format_in(content)
    if image_format in ARCHIVES.values():
        kind = image_format if unpack.is_archive(content) else None
    # A VHD of fixed size has its signature at its end, and a raw image has none. The first qcow has the same name.
    names = {"raw": (None,), "vhd": ("vhd", None), "qcow2": ("qcow2", "qcow")}.get(image_format, (image_format,))
    if kind not in names:
        raise Refused(f"{about}: {where} is not an image in the format {image_format}.", "Check the address.")
    if foreign_image.named_in(content, kind):
        raise foreign_image.refused(f"{about}: {where}")


def _warnings_of_stored(stored, about):
    age = today() - date.fromisoformat(stored.fetched)
    if age <= _OLD:
        return []
    return [f"{about}: the stored image is {age.days} days old. Set image.refresh: true for the newest one."]
