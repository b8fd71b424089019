# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images that the controller, or the host of the task, fetches, unpacks and converts, and then copies to a store.

For stores that cannot do this themselves: the directory of a Windows host, and a storage of Proxmox VE.
"""

from __future__ import annotations

import ntpath
import os
from contextlib import contextmanager
from typing import Any

from .._core.errors import Refused
from .._core.frozen import Frozen, replace
from .._core.units import rounded_up
from .._ports.clock import Clock
from . import download, on_host
from .images import Images, Lookup
from .store import Stored

#: The key of the lock while an image is copied (download.downloading).
_COPY = "copy"


def images_of_controller():
    """Return the Images of the directory where this process keeps them."""
    controller = Images(on_host.on_controller())
    controller.store.instead = "set the environment variable POLYVIRT_IMAGE_DIRECTORY to another directory"
    return controller


class Copy(Frozen):
    """The way of an image to the store. ``fetch`` is its download or conversion, None if the controller has it.

    ``stored`` is the image as the store will have it, ``local`` the path on the controller. ``who``: for messages.
    """

    stored: Stored
    local: str
    fetch: Any
    patience: int
    who: str

    @property
    def extent(self):
        """The bytes of the image as far as they are known, else None."""
        return self.fetch.extent if self.fetch else self.stored.file_size

    @property
    def needed(self):
        return self.extent or 0

    @property
    def note(self):
        if self.fetch:
            return f"{self.fetch.note}, by {self.who}"
        return f"{self.stored.name}: {rounded_up(self.extent)} from {self.who}"

    def run(self, images, image):
        """Have ``images`` copy the image; returns whether the store did not have it by now."""
        return images.fetch(image)


class CopiedImages(Lookup):
    """The images of a store; ``controller`` are those of the controller (Images).

    The store also has ``path_for(name)``, the path of a file with this name. A subclass has ``place``, a name that no
    other store has to which one controller copies images.
    """

    who = "the controller"

    def __init__(self, store, controller):
        super().__init__(store)
        self.controller = controller

    def completed(self, needs):
        return self.controller.completed(needs)

    def way(self, asked, wanted, choice, about, patience):
        local, fetch, warnings = self.controller.located(asked, wanted, choice, about, patience)
        here = replace(local, path=self.store.path_for(os.path.basename(local.path)))
        return here, Copy(here, local.path, fetch, patience, self.who), warnings

    def converted(self, wanted, conversion, about, patience):
        """Return (Stored, Copy or None) of a file that the controller makes from another one.

        ``wanted`` is the Stored, which has the store's path, and ``conversion(Stored)`` returns what makes that of the
        controller: it has ``run``, ``extent``, ``needed`` and ``note`` as a Fetch.
        """
        stored = self.store.checked(wanted, about)
        if stored:
            return stored, None
        own = self.controller.store
        local = replace(wanted, path=own.path_for(ntpath.basename(wanted.path)))
        kept = own.checked(local, about)
        here = replace(kept or local, path=wanted.path)
        return here, Copy(here, local.path, None if kept else conversion(local), patience, self.who)

    def check_space_of(self, copies, about, purpose):
        """Reject several copies that do not fit together, here or in the store."""
        self.controller.store.check_space(sum(one.fetch.needed for one in copies if one.fetch), about, purpose)
        self.store.check_space(sum(one.needed for one in copies), about, purpose)

    @contextmanager
    def local(self, image):
        """Have the controller fetch an image; yields it as Stored of the controller. One task at a time copies it."""
        copy = image["fetch"]
        if copy.fetch:
            copy.fetch.run(self.controller, image)
        stored = self.controller.store.at(copy.local)
        if stored is None:
            raise Refused(f"{copy.local}: the image was removed from {self.who} meanwhile.", "Run the task again.")
        with self.copying(os.path.basename(copy.local), copy.patience):
            yield stored

    def copying(self, name, patience):
        """Hold the lock of this controller for the copy of an image with this file name."""
        lock = self._lock(os.path.join(self.controller.store.directory, name))
        return download.downloading(lock, _COPY, Clock().now() + patience)

    def part_of_copy(self, name):
        """Return the file that a task of this controller locks while it copies the image with this file name."""
        return download.part_of(self._lock(os.path.join(self.controller.store.directory, name)), _COPY)

    def _lock(self, local):
        """The name that is locked while a task copies an image; that of no download begins with it."""
        folder, name = os.path.split(local)
        return os.path.join(folder, f"to-{self.place}-{name}")
