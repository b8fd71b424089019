# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images that the controller downloads, and copies to a Windows host, which has no program that verifies them."""

from __future__ import annotations

import ntpath
from dataclasses import replace

from .._tools.windows_files import absolute_path
from .by_controller import CopiedImages, images_of_controller
from .store import is_unlocked
from .windows_copy import ImageCopy
from .windows_store import WindowsStore, image_of_copy

_EXAMPLE = "D:\\\\images"
#: The words of the catalogue for the values of PROCESSOR_ARCHITECTURE.
_ARCHITECTURES = {"AMD64": "amd64", "ARM64": "arm64"}


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
        return _ARCHITECTURES.get(self.store.processor, "amd64")

    def check_content(self, stored, about):
        self.store.check_content(stored, about)

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
    return driver.images.fetch(step.arguments["image"])
    yield  # As all steps, it is a generator.
