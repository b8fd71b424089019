# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images by name or address: the node downloads them to one of its storages, where they are named by their content.

The host of the task reads and verifies the vendor's list of checksums, and the node verifies the checksum of the file.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date

from ..._core.errors import ApiError, NotFound, Refused, Unavailable
from ..._core.image_names import PATH, VOLUME, names_of, read_image
from ..._core.mark import image_in, name_of_image
from ..._core.units import too_little_space
from ..._media.images import Lookup, base_of, digits_of_address
from ..._media.resolve import Needs
from ..._media.store import DIGITS, FOR_DOWNLOAD, file_name
from ..._ports import download
from .settings.place import AUTO

#: The first version that downloads disk images to a storage. Source: changelog of pve-storage, 8.3.6.
_SINCE = (8, 4)
CONTENT = "import"
#: Types of storages that have a directory. Others may have the content Import, too, such as that of an ESXi host.
_WITH_FILES = frozenset({"btrfs", "cephfs", "cifs", "dir", "nfs"})
_SET_VOLUME = "put it on a storage with the content Import, and set its volume (STORAGE:import/NAME)."
_DIGITS = re.compile(rf"-([0-9a-f]{{{DIGITS}}})[.][a-z0-9]+$")
#: The words of the catalogue for devices that a kernel may have no driver for.
_NICS = {
    "e1000": "e1000", "e1000-82540em": "e1000", "e1000-82544gc": "e1000", "e1000-82545em": "e1000",
    "e1000e": "e1000e", "pcnet": "pcnet",
}  # fmt: skip
_CONTROLLERS = {"lsi": "lsi", "lsi53c810": "lsi"}


def resolved(driver, request):
    """Return the request with a volume as its image; a volume is left as it is."""
    asked, label = request.creation["image"], request.label
    image = read_image(asked["source"], {VOLUME}, f"{label}: image", names_of(asked))
    if image.form in (PATH, VOLUME):
        return request
    name = name_of_image(asked)
    unfinished = driver.unfinished_options(label)
    if unfinished is not None and unfinished.inputs.get("image") == name:
        return _with_image(request, _as_recorded(asked, unfinished.inputs))
    if driver.release() < _SINCE:
        raise Refused(
            f"{label}: image '{name}': this is Proxmox VE {driver.version()}, but names and addresses of images need"
            " 8.4 or later.",
            "Set the volume of an image that is on a storage, or clone a template.",
        )
    node = _node_for(driver, request)
    found = images_on(driver, node, label).resolved(request, lambda: _needs(request))
    # The file is on this node only, unless the storage is shared.
    found = replace(found, config={**found.config, "node": node})
    return _with_image(found, {**found.creation["image"], "node": node})


def _with_image(request, image):
    return replace(request, creation={**request.creation, "image": image})


def _as_recorded(asked, inputs):
    """The image of an unfinished VM, which has its disk already, whatever the vendor publishes now."""
    return {**asked, **image_in(inputs), "source": inputs["image"], "fetch": None, "warnings": (), "is_imported": True}


def _node_for(driver, request):
    """The node of a new VM; if the task sets none, one that has a storage for images."""
    resources, label, node = driver.resources, request.label, request.config.get("node") or AUTO
    if node != AUTO:
        resources.check_node(label, node)
        return node
    memory = request.config.get("memory") or driver.traits().defaults.get("memory") or 0
    return resources.choose_node(label, driver.storage, memory, lambda one: _storage_on(driver, one, label))


def _needs(request):
    """The Needs of a new VM. Its CPU model is not known."""
    config = request.config
    devices = {_NICS.get((nic or {}).get("model")) for nic in (config.get("networks") or {}).values()}
    devices.add(_CONTROLLERS.get((config.get("native") or {}).get("scsihw")))
    return Needs(
        platform="Proxmox VE",
        architecture="amd64",
        formats=("qcow2", "raw", "vmdk"),
        firmware=config.get("firmware") or "bios",
        devices=tuple(sorted(devices - {None})),
        without_tools=f"The node cannot unpack or convert it. Do that elsewhere, {_SET_VOLUME}",
    )


def images_on(driver, node, label):
    """The NodeImages of a node."""
    if node not in driver.images:
        driver.images[node] = NodeImages(NodeStore(driver, node, _storage_on(driver, node, label)))
    return driver.images[node]


def _storage_on(driver, node, label):
    """The storage of a node for images."""
    resources, requested = driver.resources, driver.image_storage
    found = sorted(one for one in resources.storages(node, CONTENT) if resources.type_of(one) in _WITH_FILES)
    if requested and requested not in found:
        raise NotFound(
            f"{label}: image_storage: node '{node}' has no active storage '{requested}' with files and the content"
            " Import.",
            f"It has: {', '.join(found) or 'none'}.",
        )
    if not found:
        raise NotFound(
            f"{label}: image: node '{node}' has no active storage with files and the content Import.",
            "Add this content to one: pvesm set local --content iso,vztmpl,backup,import (with all that it has now).",
        )
    return requested or found[0]


class NodeImages(Lookup):
    """The images on a storage. The node only verifies a checksum; it sends no headers, and unpacks nothing."""

    def adapted(self, asked, choice, about):
        medium = choice.medium
        addresses = [*medium["bases"], medium.get("address") or ""]
        if any(download.shown(address) != address for address in addresses):
            raise Refused(
                f"{about}: its address contains a password, which the node's task log would show.",
                f"Download it yourself, {_SET_VOLUME}",
            )
        if (medium.get("signature") or {}).get("signs") != "file" or asked.get("checksum"):
            return choice, []
        if asked.get("require_signature"):
            raise Refused(
                f"{about}: its signature cannot be checked: it is of the file, and a node verifies only a checksum.",
                f"Omit require_signature, or download and verify it yourself, {_SET_VOLUME}",
            )
        warning = f"{about}: the signature was not checked: it is of the file, and a node verifies only a checksum."
        return choice._replace(medium={**medium, "signature": None}), [warning]

    def beginning(self, asked, found, line):
        try:
            return super().beginning(asked, found, line)
        except Unavailable:
            # With a checksum in the task, only the node needs a connection to the vendor.
            if "://" in (asked.get("checksum") or "://"):
                raise
            return None, None


class NodeStore:
    """A storage of a node, with the methods of a Store (_media/store.py)."""

    def __init__(self, driver, node, name):
        self._driver, self._node, self.name = driver, node, name
        self.path = f"/nodes/{node}/storage/{name}"
        #: {volume: entry} as the node listed them first.
        self._listed = None

    def volumes(self):
        """{volume: entry} of the images that the storage has now."""
        listed = self._driver.tool.get(f"{self.path}/content", content=CONTENT)
        return {entry["volid"]: entry for entry in listed}

    def _known(self):
        if self._listed is None:
            self._listed = self.volumes()
        return self._listed

    def path_of(self, name, digits, image_format):
        return f"{self.name}:{CONTENT}/{file_name(name, digits, image_format)}"

    def find(self, wanted):
        """Return the newest image that serves ``wanted``, or None. Of a file, only its name and date are known."""
        checksum = wanted.asked_checksum or ""
        if "://" in checksum:
            return None  # Only the list at this address tells the name of the file.
        digits = checksum.partition(":")[2].lower()
        if not digits and "://" in wanted.name:
            digits = digits_of_address(wanted.name)
        found = [entry for volume, entry in self._known().items() if self._is_of(volume, wanted, digits)]
        newest = max(found, key=lambda entry: (entry.get("ctime", 0), entry["volid"]), default=None)
        return newest and _stored(replace(wanted, digest=checksum.lower() or None), newest)

    def _is_of(self, volume, wanted, digits):
        """Whether a volume has the name of an image, with these digits if they are known (else: any)."""
        found = _DIGITS.search(volume)
        return bool(found) and volume == self.path_of(base_of(wanted.name), digits or found[1], wanted.format)

    def stored_as(self, stored):
        entry = self._known().get(stored.path)
        return entry and _stored(stored, entry)

    def check_free(self, path):
        """The node itself never replaces a file."""

    def check_space(self, needed, about):
        free = self._driver.resources.free_bytes(self._node, self.name)
        if free is not None and needed > free:
            place, alternative = f"storage '{self.name}' on node '{self._node}'", "set image_storage to another storage"
            raise too_little_space(about, needed, place, max(free, 0), alternative, FOR_DOWNLOAD)


def _stored(stored, entry):
    """``stored`` as an entry of the storage's list."""
    fetched = date.fromtimestamp(entry.get("ctime", 0)).isoformat()
    return replace(stored, path=entry["volid"], fetched=fetched, file_size=entry.get("size", 0), size=None)


def fetch(driver, vm, step):
    """Let the node download an image, unless it has it already, or is downloading it for another task."""
    image = step.arguments["image"]
    node, store, path = image["node"], images_on(driver, image["node"], vm.name).store, image["source"]
    file, found = path.rpartition("/")[2], image["fetch"].found
    checksum = {}
    if found.checksum:
        checksum = {"checksum": found.checksum.digits, "checksum-algorithm": found.checksum.kind}
    # Several VMs of a task may need the same image at the same time.
    with driver.upload_lock:
        _await_download(driver, node, file, image["fetch"].patience)
        if path in store.volumes():
            return
        try:
            driver.tool.run(
                "POST", f"{store.path}/download-url", content=CONTENT, url=found.url, filename=file, **checksum
            )
        except ApiError:
            # Another task may have downloaded it at the same moment.
            if path not in store.volumes():
                raise


def _await_download(driver, node, file, patience):
    """Wait for a task of the node that downloads this file: of another task, or of an interrupted run."""
    for task in driver.tool.running_tasks(node, "download"):
        if task.get("id") == file and not driver.tool.wait(task["upid"], patience):
            raise Refused(f"{file}: node '{node}' is still downloading it.", "Run the task again when it has ended.")
