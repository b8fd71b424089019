# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PURE: what the text of ``image`` names. The form of the text decides, and nothing else."""

from __future__ import annotations

import re
from typing import NamedTuple

from ..errors import InvalidInput
from ..pattern import Pattern

#: A file where the VM will be, an address, a volume of a storage, owner and name in a registry, a name of the online
#: list of the platform, a name of the catalogue.
PATH, URL, VOLUME, REGISTRY, ONLINE, NAME = "path", "url", "volume", "registry", "online", "name"
_FORMS = (
    # A drive letter is a path: names of storages have at least two characters.
    (Pattern(r"/.*|[A-Za-z]:.+|\\\\.+", re.DOTALL), PATH),
    (Pattern(r"[A-Za-z][A-Za-z0-9+.-]+://.+", re.DOTALL), URL),
    (Pattern(r"[A-Za-z0-9][A-Za-z0-9._-]+:[^\\/].*", re.DOTALL), VOLUME),
    (Pattern(r"[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*"), REGISTRY),
)
#: Suboptions of an image that are about its download.
_OF_DOWNLOADS = ("checksum", "refresh", "headers", "require_signature")
_SHAPES = {VOLUME: "a volume of a storage", REGISTRY: "a name in a registry"}
_RELATIVE = Pattern(r"[\\/]|[.](?:qcow2|raw|img|vmdk|vdi|vhdx?|tar|gz|xz|zst|wsl|ova)$", re.IGNORECASE)


class Image(NamedTuple):
    """A value of ``image``: one of the forms, and the text, as the catalogue or the list writes it."""

    form: str
    value: str


def normalized_source(text, option, forms=()):
    """Return ``image.source`` if it has one of the forms that the platform takes; raises InvalidInput.

    ``forms`` are those beyond PATH, URL and NAME.
    """
    read_image(text, forms, option)
    return text


def check_no_download(image, option):
    """Raise InvalidInput if the task sets suboptions about a download, for an image that exists already."""
    given = next((name for name in _OF_DOWNLOADS if image.get(name)), None)
    if given:
        raise InvalidInput(
            f"{option}.{given}: it is about a download, and '{image['source']}' is not downloaded.",
            "Omit it, or set the address of the image.",
        )


def names_of(image):
    """Return the names of the catalogue that the action plugin has passed on, None if it has found the name.

    They are {name: code name of the version, or empty}.
    """
    catalogue = image.get("catalogue") or {}
    return None if catalogue.get("media") else catalogue.get("names") or ()


def read_image(text, forms, about, names=None, online_names=None):
    """Return what ``text`` names; raises InvalidInput with the nearest names if it can be nothing.

    ``forms`` are those that the platform has beyond PATH, URL and NAME. ``names`` are those of the catalogue and
    ``online_names`` those of the online list; None: not known here, so that any name may be one of them. ``about``
    begins the message, such as ``web1: image``.
    """
    form = next((form for pattern, form in _FORMS if pattern.fullmatch(text)), NAME)
    if form in (PATH, URL) or form in forms:
        return Image(form, text)
    if form != NAME or _RELATIVE.search(text):
        raise _no_name(text, form, about)
    if ONLINE in forms and text in (online_names or ()):
        return Image(ONLINE, text)
    known = {name.lower(): name for name in names or ()}
    if names is None or text.lower() in known:
        return Image(NAME, known.get(text.lower(), text))
    online = {name.lower(): name for name in online_names or ()}
    if ONLINE in forms and (online_names is None or text.lower() in online):
        return Image(ONLINE, online.get(text.lower(), text))
    codes = names if isinstance(names, dict) else {}
    raise _unknown(text, about, [*names, *(online_names or ())], _instead(forms, online_names), codes)


def _no_name(text, form, about):
    """The error for a relative path, or for a form that this platform does not have."""
    if form == VOLUME or (form == REGISTRY and not _RELATIVE.search(text.partition("/")[2])):
        return InvalidInput(
            f"{about}: '{text}' looks like {_SHAPES[form]}, which this platform does not have.",
            "Set a name such as debian-13, an absolute path, or an address (https://...).",
        )
    return InvalidInput(
        f"{about}: '{text}' is a relative path.", "Set the absolute path of the image on the host of the VM."
    )


def _instead(forms, online_names):
    if online_names:
        return f"Set a name of the catalogue, the path of an archive, or one of {', '.join(online_names)}."
    if REGISTRY in forms:
        return "Set a name of the catalogue, or one of a registry such as debian/trixie64."
    return "Set a name of the catalogue, an absolute path, or an address."


def _unknown(text, about, names, instead, codes):
    from difflib import get_close_matches  # Only errors need it.

    lower = {name.lower(): name for name in names}
    known = [name for name in lower if name.startswith(text.lower()) or codes.get(name) == text.lower()]
    near = known or get_close_matches(text.lower(), lower)
    meant = " or ".join(lower[name] for name in near)
    return InvalidInput(
        f"{about}: there is no image named '{text}'.",
        f"Did you mean {meant}?" if meant else instead,
    )
