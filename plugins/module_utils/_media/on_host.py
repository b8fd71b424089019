# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The part of a driver for a host that keeps images in a directory. What only some tasks need is imported there."""

from __future__ import annotations

import os
from functools import cached_property

from .._core.errors import PolyvirtError
from .._core.frozen import replace
from .._core.model import Step
from .._core.planner.drives import SKIP_PROMPT, media_of, prepared_iso
from .._ports import files
from . import prepared

_FETCH = "fetch"


class PreparesMedia:
    """The part of a driver with the option ``skip_boot_prompt``; its ``images`` prepare ISO images (prepared.py)."""

    def with_choices(self, plan):
        """The plan with a step that prepares the ISO image that it inserts without its prompt, if that is missing."""
        iso = prepared_iso(plan)
        if iso is None:
            return plan
        missing = prepared.missing(self.images, iso)
        if missing is None:
            return plan
        note = f"{iso} without its prompt, as {missing.path}"
        first, *others = plan.segments
        return replace(plan, segments=((Step(_FETCH, arguments={"medium": iso}, note=note), *first), *others))

    def image_of(self, drive):
        """Return the path of the image for an entry of ``cdroms``."""
        path = drive.get("source") or ""
        return self.without_prompt(path) if path and drive.get(SKIP_PROMPT) else path

    def without_prompt(self, iso):
        """Return the path of the prepared ISO image, which is created if it is missing."""
        return prepared.prepare(self.images, iso, self.options.get("timeout") or 0)


class KeepsImages(PreparesMedia):
    """A driver has ``default_image_directory``, and ``images_in(directory)``, which returns its Images."""

    @cached_property
    def images(self):
        return self.images_in(self.options.get("image_directory") or self.default_image_directory)

    def file_version(self, path, plan):
        """The version of a file, and those of the files below it; an ISO image has none below it."""
        found = files.version(path)
        if not found or path in {one for _option, one in media_of(plan.after.config)}:
            return found
        # Few plans read images.
        from .disk_header import files_below

        try:
            return [*found, *([one, files.version(one)] for one in files_below(path))]
        except PolyvirtError:
            return None

    def file_identity(self, path):
        """The inode: no other file has it while this one exists."""
        return (files.version(path) or [])[2:]

    def used_files(self, plan):
        # Most tasks change nothing.
        from .._core.results.plan_content import native_files

        return native_files(plan)

    def resolve_image(self, request):
        """Return the request with the file on the host as its image, or with what its appliance has."""
        if "appliance" in request.creation:
            # Few tasks create a VM from one.
            from .appliances.lookup import resolved

            return resolved(request, self.images.appliances, self.images)
        return self.images.resolved(request)


def default_directory():
    """Return where a host keeps images for a platform that has no directory for the files of all users."""
    return "/var/lib/polyvirt/images" if os.geteuid() == 0 else os.path.expanduser("~/.local/share/polyvirt/images")


def on_controller():
    """Return where a controller keeps images on their way to hosts that cannot fetch them."""
    return os.environ.get("POLYVIRT_IMAGE_DIRECTORY") or default_directory()


def fetch(driver, vm, step):
    """Carry out the verb ``fetch``."""
    if "medium" in step.arguments:
        driver.without_prompt(step.arguments["medium"])
    else:
        image = step.arguments["image"]
        image["fetch"].run(driver.images, image)
