# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hyper-V: VMs from appliances: the controller reads the appliance and converts each disk, as for images by name.

A converted disk is an image in the stores of the controller and of the host. Its name has a digest of the appliance's
path, version and part, so an interrupted task is completed with the disks of this version only.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Optional

from ..._core.errors import Refused
from ..._core.frozen import Frozen, replace
from ..._core.record.mark import digest_of_disk
from ..._core.texts import without_secrets
from ..._media.appliances.defaults import Words
from ..._media.appliances.disk import checked, most_bytes, name_of, paths_of, unpacked, version_of
from ..._media.appliances.lookup import resolved as read_appliance
from ..._media.download import downloading, private_file
from ..._media.store import Stored
from ..._ports import files
from ..._ports.clock import Clock, call_timeout, today
from ..._ports.command import Commands
from ..._ports.partial_files import may_everybody_read
from ..._ports.progress import report
from ..._tools.qemu_img import QemuImg
from .settings.disks import slot_name

#: VMs of generation 1 start from IDE only, which each guest has a driver for. All NICs are synthetic.
APPLIANCES = Words(
    slot=lambda _bus, number, firmware: slot_name(number, firmware == "bios"),
    models={},
    default_model=None,
    windows={},
)
_FORMAT = "vhdx"
_PURPOSE = " for the disks of the appliance"
#: The key of the lock of a conversion (download.downloading).
_KEY = "convert"


def resolved(driver, request):
    """Return the request with what its appliance has; each disk is a file of the host, or is copied there."""
    option = f"{request.label}: appliance"
    found = read_appliance(request, APPLIANCES, driver.images.controller)
    appliance = found.creation["appliance"]
    disks = _Disks(driver.images, appliance, option, request.policy.timeout, QemuImg(driver.commands))
    entries = {slot: disks.entry(image) for slot, image in appliance["disks"].items()}
    driver.images.check_space_of([one["fetch"] for one in entries.values() if one["fetch"]], option, _PURPOSE)
    creation = {**found.creation, "appliance": {**appliance, "disks": entries}}
    return replace(found, config={**found.config, **_secure_boot(request, found)}, creation=creation)


def _secure_boot(request, found):
    """Secure Boot is off unless the task sets how: most appliances have no loader that the default template accepts."""
    asked = [request.config.get(key) for key in ("secure_boot", "secure_boot_template")]
    return {"secure_boot": False} if found.config["firmware"] == "uefi" and asked == [None, None] else {}


class _Disks:
    """The disks of one appliance on their way to the host."""

    def __init__(self, images, appliance, option, patience, qemu_img):
        self._images, self._appliance, self._option = images, appliance, option
        self._patience, self._qemu_img = patience, qemu_img

    def entry(self, image):
        """Return a disk as the suboptions of an image in the store of the host."""
        digest = digest_of_disk(image)
        stored, copy = self._images.converted(
            self._wanted(image, digest), lambda local: self._conversion(image, local), self._option, self._patience
        )
        known = {"name": stored.name, "digest": digest, "format": stored.format, "size": stored.size}
        return {**known, "source": stored.path, "linked": False, "fetch": copy}

    def _wanted(self, image, digest):
        source = without_secrets(self._appliance["source"])
        name = os.path.splitext(os.path.basename(source))[0]
        return Stored(
            path=self._images.store.path_of(name, digest, _FORMAT),
            name=source,
            architecture="",
            file=os.path.basename(image["source"]),
            format=_FORMAT,
            address=source,
            fetched=today().isoformat(),
            checked="none" if self._appliance["warnings"] else "checksum",
            file_size=0,
            size=image["size"],
        )

    def _conversion(self, image, local):
        found = checked(self._qemu_img, image)
        if found.fault:
            raise Refused(f"{self._option}: {image['source']} {found.fault}.", found.remedy)
        return Conversion(local, image, most_bytes(self._qemu_img, image), self._patience, self._version(image))

    def _version(self, image):
        """The version of the files with a disk as they were read, None if the controller does not have them yet."""
        if "://" in self._appliance["source"]:
            return None if image["fetch"] else version_of(paths_of(image))
        return image["digest"]


class Conversion(Frozen):
    """A disk that the controller converts to ``stored``, a file of its own store; ``extent`` is its size at most.

    ``version`` is that of the files with the disk, None if the controller does not have it yet.
    """

    stored: Stored
    image: Mapping
    extent: int
    patience: int
    version: Optional[str]

    @property
    def needed(self):
        return self.extent

    @property
    def note(self):
        return f"{self.stored.name}: a disk as {self.stored.format}"

    def run(self, images, _image):
        """Convert the disk; another task may have done so meanwhile."""
        store, stored, image = images.store, self.stored, self.image
        if image.get("fetch"):
            image["fetch"].run(images, image)
        files.make_folder(store.directory)
        with downloading(stored.path, _KEY, Clock().now() + self.patience) as part:
            if store.at(stored.path):
                return
            store.check_free(stored.path)
            report(f"{stored.name}: convert a disk to {stored.format}")
            with private_file(part, stored.format) as new:
                with unpacked(image, new) as source:
                    QemuImg(Commands(call_timeout(None))).convert(name_of(source), source["format"], new, stored.format)
                if self.version not in (None, version_of(paths_of(image))):
                    raise Refused(f"{stored.name} was changed while this task read it.", "Run the task again.")
                is_public = all(map(may_everybody_read, paths_of(image)))
                store.add(new, replace(stored, file_size=files.size(new)), is_public)
