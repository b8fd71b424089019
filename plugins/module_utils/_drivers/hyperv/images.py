# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images by name or address: the controller downloads and converts them, and copies them to the host.

Windows has no program that reads the images of vendors.
"""

from __future__ import annotations

import ntpath
import os
from dataclasses import dataclass, replace
from functools import partial
from typing import Optional

from ..._core.errors import Refused
from ..._core.image_names import NAME, read_image
from ..._core.units import rounded_up
from ..._media import fetching, keeping
from ..._media.images import Fetch, Images, Lookup, warnings_of_stored
from ..._media.resolve import Needs
from ..._media.store import Stored, is_unlocked
from ..._ports.clock import Clock
from ..._tools.windows_files import absolute_path, key_of
from .image_copy import ImageCopy
from .store import WindowsStore, image_of_copy

#: The key of the lock while an image is copied (fetching.downloading).
_COPY = "copy"
_EXAMPLE = "D:\\\\images"
#: The words of the catalogue for the values of PROCESSOR_ARCHITECTURE.
_ARCHITECTURES = {"AMD64": "amd64", "ARM64": "arm64"}


def resolved(driver, request):
    """Return the request with a file on the host as its image; a path is left as it is.

    Secure Boot accepts only loaders of Windows unless the template is another one, and the images of the catalogue
    contain none. The setting of an existing VM is not compared unless the task sets it.
    """
    asked = request.creation["image"]
    found = driver.images.resolved(request, partial(driver.image_needs, request))
    is_name = read_image(asked["source"], (), "image").form == NAME
    set_by_task = {key: request.config.get(key) for key in ("secure_boot", "secure_boot_template")}
    if not is_name or request.config.get("firmware") == "bios" or set(set_by_task.values()) != {None}:
        return found
    return replace(found, config={**found.config, "secure_boot_template": "linux"})


def image_needs(driver, request):
    """Return the Needs of a new VM."""
    return Needs(
        platform="Hyper-V",
        architecture=_ARCHITECTURES.get(driver.images.store.processor, "amd64"),
        formats=("vhdx",),
        firmware=request.config.get("firmware") or "uefi",
        where=" on the controller",
    )


def images_of(driver):
    """Return the HostImages of a driver."""
    requested = driver.options.get("image_directory")
    directory = absolute_path("image_directory", requested, _EXAMPLE) if requested else None
    controller = Images(keeping.on_controller())
    controller.store.instead = "set the environment variable POLYVIRT_IMAGE_DIRECTORY to another directory"
    return HostImages(driver, WindowsStore(driver, directory), controller)


@dataclass(frozen=True)
class Copy:
    """The way of an image to the host. ``fetch`` is its download, None if the controller has it.

    ``stored`` is the image as the host will have it, ``local`` the path on the controller.
    """

    stored: Stored
    local: str
    fetch: Optional[Fetch]
    patience: int

    @property
    def extent(self):
        """The bytes that are needed on the host, at least; None: unknown."""
        return self.fetch.extent if self.fetch else self.stored.file_size

    @property
    def note(self):
        if self.fetch:
            return f"{self.fetch.note}, by the controller"
        return f"{self.stored.name}: {rounded_up(self.extent)} from the controller"


class HostImages(Lookup):
    """The images of the host; ``controller`` are those of the controller (Images)."""

    def __init__(self, driver, store, controller):
        super().__init__(store)
        self._driver, self._controller = driver, controller

    def completed(self, needs):
        return self._controller.completed(needs)

    def located(self, asked, wanted, choice, about, patience):
        stored = None if asked.get("refresh") else self.store.find(wanted)
        if stored:
            return stored, None, warnings_of_stored(stored, about)
        local, fetch, warnings = self._controller.located(asked, wanted, choice, about, patience)
        here = replace(local, path=self.store.path_for(os.path.basename(local.path)))
        stored = self.store.stored_as(here)
        if stored:
            return stored, None, warnings
        self.store.check_free(here.path)
        copy = Copy(here, local.path, fetch, patience)
        self.store.check_space(copy.extent or 0, about)
        return here, copy, warnings

    def fetch(self, image):
        """Have the controller fetch an image, and copy it; returns whether the host did not have it by now."""
        copy = image["fetch"]
        if copy.fetch:
            self._controller.fetch({**image, "fetch": copy.fetch})
        local = self._controller.store.at(copy.local)
        if local is None:
            raise Refused(f"{copy.local}: the image was removed from the controller meanwhile.", "Run the task again.")
        stored = replace(local, path=copy.stored.path)
        with fetching.downloading(self._lock(copy.local), _COPY, Clock().now() + copy.patience):
            is_new = ImageCopy(self._driver, self.store, copy.local, stored, copy.patience).run()
        found = self._driver.found
        found.disks = {**found.disks, key_of(stored.path): {"Path": stored.path, "Size": stored.size}}
        return is_new

    def leftovers(self):
        """Return the paths of unfinished copies on the host, without those that a task on this controller makes."""
        return [path for path in super().leftovers() if is_unlocked(self._part_of(path))]

    def _part_of(self, leftover):
        """The file of the controller that a task locks while it makes this copy."""
        local = os.path.join(self._controller.store.directory, image_of_copy(ntpath.basename(leftover)))
        return fetching.part_of(self._lock(local), _COPY)

    def _lock(self, local):
        """The name that is locked while a task copies an image to this host; that of no download begins with it."""
        folder, name = os.path.split(local)
        return os.path.join(folder, f"to-{self._driver.about.get('computer') or 'host'}-{name}")


def fetch(driver, vm, step):
    """Carry out the verb ``fetch``. It has no calls for ``in_rounds``: other VMs may need the same image."""
    return driver.images.fetch(step.arguments["image"])
    yield  # As all steps, it is a generator.
