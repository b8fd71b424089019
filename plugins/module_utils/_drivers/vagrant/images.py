# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The box of an image: named by the task, or that of the catalogue for the VM's provider."""

from __future__ import annotations

from dataclasses import replace

from ..._core.errors import InvalidInput
from ..._core.image_names import REGISTRY
from ..._media.named import created_from, medium_of
from ..._media.resolve import BOX, Needs
from ..._ports import host


def resolved(driver, request):
    """Return the request with the box of its image, as if the task had set ``box``."""
    needs = Needs(
        platform="Vagrant",
        architecture=host.architecture(),
        formats=("box",),
        kind=BOX,
        provider=driver.provider_of(request),
        alternative="Set box, box_url and box_checksum.",
    )
    medium = medium_of(request, needs, REGISTRY)
    asked, config = request.creation["image"]["source"], request.config
    box = medium["image"]["box"] if medium else asked
    if config.get("box") not in (None, box):
        raise InvalidInput(
            f"{request.label}: image: {asked}: its box is {box}, and the task sets box: {config['box']}.",
            "Set only one of them.",
        )
    return created_from(replace(request, config={**config, "box": box}), box)
