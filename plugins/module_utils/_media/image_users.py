# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who needs the stored images that are to be deleted or listed: VMs, and disk files that no VM has."""

from __future__ import annotations

from .._core.errors import PolyvirtError
from .._core.sharing.claims import DELETE, FILE, UNREADABLE, WITHOUT_VM, Claim, Held
from .._core.sharing.world import World


class ImageUsers:
    """Who needs ``stored`` images for disks: VMs, and disk files without a VM. With ``mode`` DELETE, more is read."""

    def __init__(self, driver, stored, mode):
        self._claims, held = driver.claims if driver.images.are_used else None, ()
        self.unused_remedy = self._claims and self._claims.unused_remedy
        paths = [one.path for one in stored if self._claims]
        if paths:
            # As in a task about VMs: what all VMs hold is read after an observation.
            driver.traits()
            driver.observe([], frozenset({"power"}))
            held = self._claims.held([Claim(FILE, self._claims.identity(one), mode, "image", one) for one in paths])
        self._world = World(held)
        unused = [one for one in paths if mode == DELETE and not self.of(one)]
        if unused:
            self._world = World([*held, *self._without_vm(unused, held)])

    def _without_vm(self, images, held):
        try:
            return self._claims.without_vm(images, held)
        except PolyvirtError as error:
            message = f"it is not known which disk files without a VM need the image: {error.message}"
            claim = Claim(FILE, UNREADABLE, UNREADABLE, "", message, remedy=error.remedy or "")
            return [Held(WITHOUT_VM, "", claims=(claim,))]

    def of(self, path):
        """Return the names of the VMs that need an image, and the paths of such disk files."""
        return list(self._world.users("", self._claims.identity(path))) if self._claims else []

    def files(self, path):
        """Return the disk files that no VM has, and that need an image."""
        holders = self._world.holders("", FILE, self._claims.identity(path)) if self._claims else ()
        return [one.name for one in holders if all(claim.option == WITHOUT_VM for claim in one.claims)]

    def unreadable(self):
        """Return the Claim of a disk that may need any file, or None."""
        holders = self._world.holders("", FILE, UNREADABLE)
        return next((claim for one in holders for claim in one.claims if claim.identity == UNREADABLE), None)
