# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Media: an ISO image is a volume, a file that is uploaded, or an address from which the node itself downloads it."""

from __future__ import annotations

from dataclasses import replace

from ..._lifecycle.errors import ApiError, InvalidInput, NotFound
from .traits import iso_name

_SUMS = ("md5", "sha1", "sha224", "sha256", "sha384", "sha512")


def stored(driver, node, change):
    """The change, with a medium that is no volume yet made one."""
    if change.kind != "iso" or not change.new or iso_name(change.new) is None:
        return change
    return replace(change, new=volume_for(driver, node, change.new))


def volume_for(driver, node, iso):
    """The volume of a medium on a node; what is not there yet is brought there."""
    name = iso_name(iso)
    if name is None:
        return iso
    storage = driver.places.choose_storage("iso", node, "iso", driver.storage)
    volume = f"{storage}:iso/{name}"
    # Several machines of a task want the same one at the same moment.
    with driver.bringing:
        if volume not in volumes(driver, node, storage):
            _bring(driver, node, storage, iso, name)
    return volume


def _bring(driver, node, storage, iso, name):
    path, asked = f"/nodes/{node}/storage/{storage}", {"content": "iso", **_sum(driver.iso_checksum)}
    if iso.startswith("/"):
        driver.tool.upload(f"{path}/upload", iso, **asked)
    else:
        driver.tool.run("POST", f"{path}/download-url", url=iso, filename=name, **asked)


def volumes(driver, node, storage, content="iso"):
    """Names of the volumes of one kind on a node's storage."""
    return [one["volid"] for one in driver.tool.get(f"/nodes/{node}/storage/{storage}/content", content=content)]


def _sum(text):
    if not text:
        return {}
    kind, _colon, value = text.partition(":")
    return {"checksum-algorithm": kind, "checksum": value}


def check_sum(text):
    """Raise InvalidInput where a checksum does not say what it is of."""
    kind, colon, value = (text or "").partition(":")
    if text and (kind not in _SUMS or not colon or not value):
        raise InvalidInput(f"iso_checksum: '{text}' is no checksum.", f"Write KIND:SUM with one of {', '.join(_SUMS)}.")


def size_of_volume(driver, label, node, volume):
    """Bytes of a volume. Raises NotFound where it is not on the node."""
    storage = volume.partition(":")[0]
    try:
        return driver.tool.get(f"/nodes/{node}/storage/{storage}/content/{volume}")["size"]
    except ApiError as error:
        raise NotFound(
            f"{label}: node '{node}' has no volume '{volume}' ({error.message})",
            f"See what there is: pvesm list {storage}.",
        ) from error
