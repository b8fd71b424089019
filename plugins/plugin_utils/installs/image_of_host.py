# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PURE: image, architecture and platform in the name of a host, such as debian-13-web or debian-13-arm64.libvirt."""

from __future__ import annotations

import re

from .catalogue_media import ARCHITECTURES

#: What a name of the catalogue can be; other names are not looked up, because names are parts of paths there.
_NAME = re.compile(r"[a-z0-9][a-z0-9.-]*")
#: Places where a name of the catalogue can end.
_END = re.compile(r"(?=[.-])|$")


def image_of_host(host, is_in_catalogue, platforms):
    """Return {"image": name of the catalogue or "", "architecture": likewise, "platform": one of ``platforms`` or ""}.

    The image is the longest name of the catalogue that the host's name begins with, followed by its end, a dot or a
    dash. The platform is the last part after a dot, and the architecture the last part after a dash, before the
    platform. A host without an image has neither: it was named without this meaning.
    """
    host = host.lower()
    image = next((name for name in _beginnings(host) if _NAME.fullmatch(name) and is_in_catalogue(name)), "")
    rest = host[len(image) :] if image else ""
    platform = next((word for word in platforms if rest.endswith(f".{word}")), "")
    rest = rest[: -len(platform) - 1] if platform else rest
    architecture = next((word for word in ARCHITECTURES if rest.endswith(f"-{word}")), "")
    return {"image": image, "architecture": architecture, "platform": platform}


def _beginnings(host):
    return [host[: found.start()] for found in reversed(list(_END.finditer(host))) if found.start()]
