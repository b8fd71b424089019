# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PURE: the media of a name, and names on platforms that download images themselves: a box, or an online name."""

from __future__ import annotations

from dataclasses import replace

from .._core.options.image_names import NAME, names_of, read_image
from .resolve import resolve


def medium_of(request, needs, form, online_names=None):
    """Return the medium of the image that a new VM is created from; None if the task sets no name of the catalogue.

    ``form`` is what the platform calls its own images (``_core/options/image_names.py``). Raises PolyvirtError for
    unknown names.
    """
    asked, about = request.creation["image"], f"{request.label}: image"
    image = read_image(asked["source"], (form,), about, names_of(asked), online_names)
    if image.form != NAME:
        return None
    return resolve(media_of(asked), needs, f"{about}: {image.value}").medium


def created_from(request, source, **more):
    """Return the request with ``source``, from which the platform creates the VM; the name remains the task's."""
    asked = request.creation["image"]
    warnings = (asked.get("catalogue") or {}).get("warnings", ())
    image = {**asked, "source": source, "name": asked["source"], "fetch": None, "warnings": warnings, **more}
    return replace(request, creation={**request.creation, "image": image})


def media_of(asked):
    """The media of a name, from the user's mirrors."""
    catalogue = asked["catalogue"]
    return [_mirrored(one, catalogue.get("mirrors") or {}) for one in catalogue["media"]]


def _mirrored(medium, mirrors):
    """Return the medium with its addresses replaced: the longest prefix that fits counts."""
    if not medium.get("bases"):
        return medium
    signature = medium.get("signature")
    if signature and signature.get("key_url"):
        signature = {**signature, "key_url": _replaced(signature["key_url"], mirrors)}
    return {**medium, "bases": [_replaced(base, mirrors) for base in medium["bases"]], "signature": signature}


def _replaced(address, mirrors):
    prefix = max((one for one in mirrors if address.startswith(one)), key=len, default="")
    return mirrors[prefix] + address[len(prefix) :] if prefix else address
