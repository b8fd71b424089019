# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images by name or address: the controller downloads and converts them, and copies them to the host.

Windows has no program that reads the images of vendors.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from ..._core.options.image_names import NAME, read_image
from ..._media.choose import Needs
from ..._media.windows.copy import ImagesOnWindows
from ..._tools.windows_files import key_of
from .mark import own_mark, temporary_name

_FORMATS = ("vhdx",)


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
        architecture=driver.images.architecture,
        formats=_FORMATS,
        firmware=request.config.get("firmware") or "uefi",
        where=" on the controller",
    )


class HostImages(ImagesOnWindows):
    """The images of a host with Hyper-V."""

    def __init__(self, driver):
        super().__init__(driver, "ProgramData", _FORMATS)

    def fetch(self, image):
        is_new, stored = super().fetch(image), image["fetch"].stored
        found = self._driver.found
        found.disks = {**found.disks, key_of(stored.path): {"Path": stored.path, "Size": stored.size}}
        return is_new
