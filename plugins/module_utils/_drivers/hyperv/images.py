# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hyper-V: images by name or address: the controller downloads and converts them, and copies them to the host.

Windows has no program that reads the images of vendors.
"""

from __future__ import annotations

import ntpath

from ..._core.errors import Refused
from ..._core.frozen import replace
from ..._core.options.image_names import NAME, read_image
from ..._core.record.mark import name_of_image
from ..._media.choose import Needs
from ..._media.on_host import on_controller
from ..._media.windows.copy import ImagesOnWindows
from ..._media.windows.store import image_of_copy
from ..._ports import files
from ..._tools.windows_files import key_of
from .mark import own_mark, temporary_name

_FORMATS = ("vhdx",)
_MEDIUM = "iso"


class HostImages(ImagesOnWindows):
    """The images of a host with Hyper-V."""

    def __init__(self, driver):
        super().__init__(driver, "ProgramData", (*_FORMATS, _MEDIUM))
        #: {path of an ISO image: Medium}, each read once in a task.
        self._media = {}

    def needs(self, request):
        return Needs(
            platform="Hyper-V",
            architecture=self.architecture,
            formats=_FORMATS,
            firmware=request.config.get("firmware") or "uefi",
            where=" on the controller",
        )

    def has_begun(self, request):
        """Return a function from a Stored to whether an interrupted task has begun a VM with it, or None.

        Its mark says so, and this task creates the VM again.
        """
        unfinished = temporary_name(request.name) if request.name else None
        left = (raw for raw in self._driver.found.vms.values() if raw["Name"] == unfinished)
        inputs = next((own_mark(raw)["inputs"] for raw in left), {})
        digest = inputs.get("digest")
        if not digest or inputs.get("image") != name_of_image(request.creation["image"]):
            return None
        return lambda stored: stored.digest == digest

    def resolved(self, request):
        """Return the request with a file on the host as its image; a path is left as it is.

        Secure Boot accepts only loaders of Windows unless the template is another one, and the images of the catalogue
        contain none. The setting of an existing VM is not compared unless the task sets it.
        """
        found = super().resolved(request)
        is_name = read_image(request.creation["image"]["source"], (), "image").form == NAME
        set_by_task = {key: request.config.get(key) for key in ("secure_boot", "secure_boot_template")}
        if not is_name or request.config.get("firmware") == "bios" or set(set_by_task.values()) != {None}:
            return found
        return replace(found, config={**found.config, "secure_boot_template": "linux"})

    medium_format = _MEDIUM

    def medium(self, iso):
        """Return the Medium (prepared.py) with this path on the host."""
        from ..._media.windows.medium import medium_on

        if iso not in self._media:
            self._media[iso] = medium_on(self._driver, iso)
        return self._media[iso]

    def has_medium(self, wanted):
        """Whether a prepared ISO image (Stored) exists; raises Refused if it is no longer as it was created."""
        found = self.store.at(wanted.path)
        if found is None:
            return False
        is_same = list(found.made_from or ()) == list(wanted.made_from) and key_of(found.name) == key_of(wanted.name)
        if not is_same or not found.is_unchanged(self.store.seen(found.path)):
            users = self._driver.found.names_with_medium(found.path)
            eject = f'Eject it from {", ".join(users)} (iso: ""). Then remove' if users else "Remove"
            raise Refused(
                f"skip_boot_prompt: {found.path}, which was prepared from {wanted.name}, was changed since.",
                f"{eject} it, with the module image: name: {wanted.name}, state: absent. Then run the task again.",
            )
        return True

    def bytes_of_medium(self, wanted):
        """Return the bytes that a prepared ISO image (Stored) needs, beside what killed tasks have left of it."""
        name = ntpath.basename(wanted.path).lower()
        left = [path for path in self.leftovers() if image_of_copy(ntpath.basename(path)).lower() == name]
        return wanted.size - sum(map(self.store.size_of, left))

    def add_medium(self, wanted, edit, patience):
        """Create a prepared ISO image, unless another task has done so meanwhile."""
        from ..._media.windows.medium import PreparedCopy

        files.make_folder(on_controller())
        with self.copying(ntpath.basename(wanted.path), patience):
            PreparedCopy(self._driver, self.store, wanted, edit).run()

    def fetch(self, image):
        is_new, stored = super().fetch(image), image["fetch"].stored
        found = self._driver.found
        found.disks = {**found.disks, key_of(stored.path): {"Path": stored.path, "Size": stored.size}}
        return is_new
