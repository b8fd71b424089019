# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proxmox VE: images by name or address: the node downloads them to one of its storages, named by their content.

The host of the task reads and verifies the vendor's list of checksums, and the node verifies the checksum of the file.
What a node cannot do (_is_uploaded), the host of the task does: it downloads the image, and uploads the result.
"""

from __future__ import annotations

from ..._core.errors import Refused, Unavailable
from ..._core.frozen import replace
from ..._core.options.image_names import PATH, VOLUME, check_no_download, names_of, read_image
from ..._core.record.mark import image_in, name_of_image
from ..._media.by_controller import CopiedImages, Copy, images_of_controller
from ..._media.choose import Needs
from ..._media.images import Lookup
from ..._media.names import with_image
from ..._ports import download
from .settings.architecture import AMD64, ARM64
from .settings.hardware import AUTO
from .store import CONTENT, NodeStore, node_with_storage, storage_on

#: The first version that downloads disk images to a storage. Source: changelog of pve-storage, 8.3.6.
_SINCE = (8, 4)
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
        check_no_download(asked, f"{label}: image")
        return request
    name = name_of_image(asked)
    unfinished = driver.unfinished_options(label)
    if unfinished is not None and unfinished.inputs.get("image") == name:
        return with_image(request, _as_recorded(asked, unfinished.inputs))
    check_release(driver, f"{label}: image '{name}': ")
    node = node_for(driver, request)
    found = images_on(driver, node, f"{label}: ").image(request, image.form, f"{label}: image")
    # The file is on this node only, unless the storage is shared.
    config = {**request.config, "node": node}
    if driver.own_architecture(node) == ARM64:
        config.setdefault("architecture", ARM64)
    return with_image(replace(request, config=config), {**found, "node": node})


def check_release(driver, where, what="names and addresses of images"):
    if driver.release() < _SINCE:
        raise Refused(
            f"{where}this is Proxmox VE {driver.version()}, but {what} need 8.4 or later.",
            "Set the volume of an image that is on a storage, or clone a template.",
        )


def _as_recorded(asked, inputs):
    """The image of an unfinished VM, which has its disk already, whatever the vendor publishes now."""
    return {**asked, **image_in(inputs), "source": inputs["image"], "fetch": None, "warnings": (), "is_imported": True}


def node_for(driver, request):
    """The node of a new VM; if the task sets none, one that has a storage for images."""
    resources, label, node = driver.resources, request.label, request.config.get("node") or AUTO
    if node != AUTO:
        resources.check_node(label, node)
        return node
    memory = request.config.get("memory") or driver.traits().defaults.get("memory") or 0
    return resources.choose_node(label, driver.storage, memory, lambda one: storage_on(driver, one, f"{label}: "))


def images_on(driver, node, where=""):
    """The NodeImages of a node; ``where`` begins messages."""
    if node not in driver.images:
        store = NodeStore(driver, node, storage_on(driver, node, where))
        driver.images[node] = NodeImages(driver, node, store)
    return driver.images[node]


class HostOfImages:
    """A node for the modules image and image_info (_media/store_tasks.py)."""

    def __init__(self, driver):
        check_release(driver, "platform: proxmox: ")
        self.node = node_with_storage(driver, driver.options.get("node"))
        self.images = images_on(driver, self.node)


class NodeImages(CopiedImages):
    """The images on a storage."""

    who = "the host of the task"
    #: Images are imported.
    are_used = False

    def __init__(self, driver, node, store):
        super().__init__(store, images_of_controller())
        self._driver, self._node = driver, node

    @property
    def directory(self):
        return f"{self.store.name}:{CONTENT}"

    def needs(self, request):
        """Return the Needs of a new VM. Its CPU model is not known."""
        config = request.config
        # No release of Proxmox VE is for another CPU than amd64, so an unknown node is taken for one.
        architecture = config.get("architecture") or self._driver.own_architecture(self._node) or AMD64
        devices = {_NICS.get((nic or {}).get("model")) for nic in (config.get("networks") or {}).values()}
        devices.add(_CONTROLLERS.get((config.get("native") or {}).get("scsihw")))
        return Needs(
            platform="Proxmox VE",
            architecture=architecture,
            formats=("qcow2", "raw", "vmdk"),
            firmware=config.get("firmware") or ("uefi" if architecture == ARM64 else "bios"),
            devices=tuple(sorted(devices - {None})),
            where=f" on {self.who}",
        )

    @property
    def place(self):
        return f"{self._driver.tool.api.where}-{self._node}-{self.store.name}".replace(":", "-")

    def located(self, asked, wanted, choice, about, patience):
        if _is_uploaded(asked, choice):
            # The storage lists an image while the node is still copying it there.
            self.await_uploads(patience)
        return super().located(asked, wanted, choice, about, patience)

    def way(self, asked, wanted, choice, about, patience):
        kind = CopiedImages if _is_uploaded(asked, choice) else Lookup
        return kind.way(self, asked, wanted, choice, about, patience)

    def beginning(self, asked, found, line):
        try:
            return super().beginning(asked, found, line)
        except Unavailable:
            # With a checksum in the task, only the node needs a connection to the vendor.
            if "://" in (asked.get("checksum") or "://"):
                raise
            return None, None

    def check_fetch(self, image, about):
        downloading = None if isinstance(image["fetch"], Copy) else self._node
        self._driver.permissions.check_upload(about, self.store.name, downloading)

    def check_removal(self, stored):
        if stored:
            names = ", ".join(sorted({one.name for one in stored}))
            self._driver.permissions.check(f"name: {names}", f"/storage/{self.store.name}", "Datastore.Allocate")

    def fetch(self, image):
        """Let the node download an image, or upload it, unless the node has it, or gets it for another task."""
        # Several VMs of a task may need the same image at the same time.
        with self._driver.upload_lock:
            if isinstance(image["fetch"], Copy):
                self._upload(image)
            else:
                self._download(image)

    def _download(self, image):
        path, found = image["source"], image["fetch"].found
        file, checksum = path.rpartition("/")[2], {}
        if found.checksum:
            checksum = {"checksum": found.checksum.digits, "checksum-algorithm": found.checksum.kind}
        self._await_download(file, image["fetch"].patience)
        if path not in self.store.volumes():
            self.store.download(found.url, file, checksum)

    def _upload(self, image):
        patience = image["fetch"].patience
        with self.local(image) as local:
            self.await_uploads(patience)
            if image["source"] in self.store.volumes():
                return
            self.store.check_space(local.file_size, f"image: {local.name}")
            self.store.upload(local.path)

    def _await_download(self, file, patience):
        """Wait for a task of the node that downloads this file: of another task, or of an interrupted run."""
        tool = self._driver.tool
        for task in tool.running_tasks(self._node, "download"):
            if task.get("id") == file and not tool.wait(task["upid"], patience):
                raise Refused(
                    f"{file}: node '{self._node}' is still downloading it.", "Run the task again when it has ended."
                )

    def await_uploads(self, patience):
        """Wait for uploads that nodes are storing, which name no files: of another task, or of an interrupted run."""
        resources = self._driver.resources
        nodes = [one.name for one in resources.nodes.values() if one.online]
        for node in nodes if resources.is_shared(self.store.name) else [self._node]:
            for task in self._driver.tool.running_tasks(node, "imgcopy"):
                if not self._driver.tool.wait(task["upid"], patience):
                    raise Refused(
                        f"image: node '{node}' is still storing an upload.", "Run the task again when it has ended."
                    )


def _is_uploaded(asked, choice):
    """Return whether the host of the task has to fetch an image, because a node cannot, or would show a secret.

    A node can neither unpack an image nor check the signature of a file, and its task log shows addresses.
    """
    medium = choice.medium
    addresses = [*medium["bases"], medium.get("address") or ""]
    has_secret = asked.get("headers") or any(download.shown(address) != address for address in addresses)
    is_signed = (medium.get("signature") or {}).get("signs") == "file" and not asked.get("checksum")
    return bool(choice.chain or has_secret or is_signed)
