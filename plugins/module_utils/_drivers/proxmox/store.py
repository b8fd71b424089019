# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proxmox VE: the image store of a node: a storage with the content Import. Its only records are names of files."""

from __future__ import annotations

import os
import re
from datetime import date

from ..._core.errors import ApiError, InvalidInput, NotFound, Refused
from ..._core.frozen import replace
from ..._media.download import digits_of_address
from ..._media.names import base_of, base_of_stored, name_and_architecture
from ..._media.store import DIGITS, Store, Stored, by_age, plain_name
from ..._ports import files, permits
from ..._tools.proxmox import ConnectionLost
from .settings.hardware import AUTO

CONTENT = "import"
#: Types of storages that have a directory. Others may have the content Import, too, such as that of an ESXi host.
_WITH_FILES = frozenset({"btrfs", "cephfs", "cifs", "dir", "nfs"})
_UPLOAD_CHECKSUM = "sha256"
_DELETE_VOLUME = "Delete the incomplete image before you run the task again"
_VOLUME = re.compile(rf"[^:]+:{CONTENT}/(.+)-([0-9a-f]{{{DIGITS}}})[.]([a-z0-9]+)")


def storage_on(driver, node, where=""):
    """Return the storage of a node for images; ``where`` begins messages."""
    resources, requested = driver.resources, driver.image_storage
    found = sorted(one for one in resources.storages(node, CONTENT) if resources.type_of(one) in _WITH_FILES)
    if requested and requested not in found:
        raise NotFound(
            f"{where}image_storage: node '{node}' has no active storage '{requested}' with files and the content"
            " Import.",
            f"It has: {', '.join(found) or 'none'}.",
        )
    if not found:
        raise NotFound(
            f"{where}image: node '{node}' has no active storage with files and the content Import.",
            "Add this content to one: pvesm set local --content iso,vztmpl,backup,import (with all that it has now).",
        )
    return requested or found[0]


def node_with_storage(driver, requested):
    """Return the node with the images of a task without VMs; raises if the task must choose between several."""
    resources = driver.resources
    if requested not in (None, AUTO):
        resources.check_node("node", requested)
        return requested
    storages, problems = {}, []
    for node in sorted(one.name for one in resources.nodes.values() if one.online):
        try:
            storages[node] = storage_on(driver, node)
        except NotFound as error:
            problems.append(error)
    if not storages:
        raise problems[0] if problems else Refused("node: no node is online.", "Start one, then run the task again.")
    names = set(storages.values())
    if len(storages) > 1 and (len(names) > 1 or not resources.is_shared(*names)):
        raise InvalidInput(
            f"node: the nodes {', '.join(storages)} have separate storages for images.",
            "Set node, or set image_storage to a storage that they share.",
        )
    return next(iter(storages))


class NodeStore(Store):
    """A storage of a node."""

    instead = "set image_storage to another storage"

    def __init__(self, driver, node, name):
        self._driver, self._node, self.name = driver, node, name
        self.path = f"/nodes/{node}/storage/{name}"
        #: {volume: entry} as the node listed them first.
        self._listed = None

    @property
    def place(self):
        return f"storage '{self.name}' on node '{self._node}'"

    def volumes(self):
        """{volume: entry} of the images that the storage has now."""
        listed = self._driver.tool.get(f"{self.path}/content", content=CONTENT)
        return {entry["volid"]: entry for entry in listed}

    def _known(self):
        if self._listed is None:
            self._listed = self.volumes()
        return self._listed

    def all(self):
        """Return the images, the newest one last. Nobody has recorded where they come from, and their digest."""
        return by_age(filter(None, map(self.at, self._known())))

    def at(self, path):
        """Return the image that is this volume, or None."""
        found, entry = _VOLUME.fullmatch(path), self._known().get(path)
        if not found or entry is None:
            return None
        unknown = dict.fromkeys(("file", "address", "fetched"), "")
        name, architecture = name_and_architecture(found[1])
        image = Stored(path, name, architecture, format=found[3], checked=None, file_size=0, **unknown)
        return _stored(image, entry)

    def recorded_name(self, name):
        """Return what an image with this name or address is called here: by the name of its file."""
        return plain_name(base_of(name))

    def leftovers(self):
        """A node lists no incomplete downloads."""
        return []

    def download(self, url, file, checksum):
        """Let the node download a file."""
        path = self.path_for(file)
        try:
            self._run("POST", "download-url", content=CONTENT, url=url, filename=file, **checksum)
        except ApiError:
            # Another task may have downloaded it at the same moment.
            if path not in self.volumes():
                raise

    def upload(self, local):
        """Upload a file; the node verifies its checksum. An existing file of this name is replaced."""
        path, checksum = self.path_for(os.path.basename(local)), files.digest(local, _UPLOAD_CHECKSUM)
        requested = {"content": CONTENT, "checksum-algorithm": _UPLOAD_CHECKSUM, "checksum": checksum}
        try:
            self._driver.tool.upload(f"{self.path}/upload", local, **requested)
        except ConnectionLost:
            raise
        except ApiError as error:
            # The node copies the file to its place last, so a part of it may be there.
            self._remove_incomplete(path, error)
            raise

    def _remove_incomplete(self, path, error):
        try:
            if path in self.volumes():
                self._delete(path)
        except (ApiError, Refused):
            raise ApiError(error.message, error.status, f"{_DELETE_VOLUME}: pvesm free {path}") from None

    def remove(self, stored, leftovers):
        """Delete images."""
        for one in stored:
            try:
                self._delete(one.path)
            except ApiError:
                # Another task may have deleted it meanwhile.
                if one.path in self.volumes():
                    raise

    def _delete(self, path):
        with permits.also([path]):
            self._run("DELETE", f"content/{path}")

    def _run(self, method, path, **parameters):
        self._driver.tool.run(method, f"{self.path}/{path}", **parameters)

    def path_for(self, name):
        """Return the volume that is a file with this name."""
        return f"{self.name}:{CONTENT}/{name}"

    def find(self, wanted):
        """Return the newest image that serves ``wanted``, or None. Of a file, only its name and date are known."""
        checksum = wanted.asked_checksum or ""
        if "://" in checksum:
            return None  # Only the list at this address has the name of the file.
        digits = checksum.partition(":")[2].lower()
        if not digits and "://" in wanted.name:
            digits = digits_of_address(wanted.name)
        found = [entry for volume, entry in self._known().items() if self._is_of(volume, wanted, digits)]
        newest = max(found, key=lambda entry: (entry.get("ctime", 0), entry["volid"]), default=None)
        return newest and _stored(replace(wanted, digest=checksum.lower() or None), newest)

    def _is_of(self, volume, wanted, digits):
        """Whether a volume has the name of an image, with these digits if they are known (else: any)."""
        found = _VOLUME.fullmatch(volume)
        return bool(found) and volume == self.path_of(base_of_stored(wanted), digits or found[2], wanted.format)

    def stored_as(self, stored):
        entry = self._known().get(stored.path)
        return entry and _stored(stored, entry)

    def check_free(self, path):
        """The node itself never replaces a file."""

    def check_content(self, stored, about):
        """Nobody has recorded the content."""

    @property
    def free(self):
        free = self._driver.resources.free_bytes(self._node, self.name)
        return free and max(free, 0)


def _stored(stored, entry):
    """``stored`` as an entry of the storage's list."""
    fetched = date.fromtimestamp(entry.get("ctime", 0)).isoformat()
    return replace(stored, path=entry["volid"], fetched=fetched, file_size=entry.get("size", 0), size=None)
