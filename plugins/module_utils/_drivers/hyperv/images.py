# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images by name or address: the controller downloads and converts them, and copies them to the host.

Windows has no program that reads the images of vendors.
"""

from __future__ import annotations

import ntpath
from dataclasses import replace
from functools import partial

from ..._core.image_names import NAME, read_image
from ..._media.by_controller import CopiedImages, images_of_controller
from ..._media.resolve import Needs
from ..._media.store import is_unlocked
from ..._tools.windows_files import absolute_path, key_of
from .image_copy import ImageCopy
from .mark import own_mark, temporary_name
from .store import WindowsStore, image_of_copy

_EXAMPLE = "D:\\\\images"
#: The words of the catalogue for the values of PROCESSOR_ARCHITECTURE.
_ARCHITECTURES = {"AMD64": "amd64", "ARM64": "arm64"}


def resolved(driver, request):
    """Return the request with a file on the host as its image; a path is left as it is.

    Secure Boot accepts only loaders of Windows unless the template is another one, and the images of the catalogue
    contain none. The setting of an existing VM is not compared unless the task sets it.
    """
    asked = request.creation["image"]
    begun = driver.images.recorded(asked, _unfinished_inputs(driver, request.name))
    if begun:
        found = replace(request, creation={**request.creation, "image": begun})
    else:
        found = driver.images.resolved(request, partial(driver.image_needs, request))
    is_name = read_image(asked["source"], (), "image").form == NAME
    set_by_task = {key: request.config.get(key) for key in ("secure_boot", "secure_boot_template")}
    if not is_name or request.config.get("firmware") == "bios" or set(set_by_task.values()) != {None}:
        return found
    return replace(found, config={**found.config, "secure_boot_template": "linux"})


def _unfinished_inputs(driver, name):
    """The inputs in the mark of the VM that an interrupted task has left, which this task creates again."""
    left = (raw for raw in driver.found.vms.values() if name and raw["Name"] == temporary_name(name))
    return next((own_mark(raw)["inputs"] for raw in left), {})


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
    return HostImages(driver, WindowsStore(driver, directory), images_of_controller())


class HostImages(CopiedImages):
    """The images of the host."""

    def __init__(self, driver, store, controller):
        super().__init__(store, controller)
        self._driver = driver

    @property
    def place(self):
        return self._driver.about.get("computer") or "host"

    def fetch(self, image):
        """Have the controller fetch an image, and copy it; returns whether the host did not have it by now."""
        copy = image["fetch"]
        with self.local(image) as local:
            stored = replace(local, path=copy.stored.path)
            is_new = ImageCopy(self._driver, self.store, copy.local, stored, copy.patience).run()
        found = self._driver.found
        found.disks = {**found.disks, key_of(stored.path): {"Path": stored.path, "Size": stored.size}}
        return is_new

    def leftovers(self):
        """Return the paths of unfinished copies on the host, without those that a task on this controller makes."""
        return [path for path in super().leftovers() if is_unlocked(self._part_of(path))]

    def _part_of(self, leftover):
        """The file of the controller that a task locks while it makes this copy."""
        return self.part_of_copy(image_of_copy(ntpath.basename(leftover)))


def fetch(driver, vm, step):
    """Carry out the verb ``fetch``. It has no calls for ``in_rounds``: other VMs may need the same image."""
    return driver.images.fetch(step.arguments["image"])
    yield  # As all steps, it is a generator.
