# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A disk of an appliance, as qemu-img reads it out of its archive. Its header is checked before."""

from __future__ import annotations

from contextlib import contextmanager

from ..._core.errors import CommandFailed, Refused, Timeout
from ..._core.sharing.needed_files import Image
from ..._ports import files, partial_files
from ..._tools.qemu_img import within

#: Seconds.
_MEASURE_TIMEOUT = 20
_AGAIN = "Get the appliance again."


def is_of_appliance(image):
    return image is not None and "part" in image


def version_of(paths):
    """Return the version of files of an appliance as text; it changes when one is replaced or written to."""
    return ":".join(str(one) for path in dict.fromkeys(paths) for one in files.version(path) or ())


def paths_of(image):
    """Return the paths of the files that have the content of a disk: one, or several pieces."""
    return [path for path, *_place in image["packed"]["parts"]] if image.get("packed") else [image["source"]]


def name_of(image):
    """The name of an image for qemu-img; others than disks of an archive have their path."""
    return within(image["source"], image["format"], image["part"]) if image.get("part") else image["source"]


@contextmanager
def unpacked(image, path):
    """Yield ``image`` as qemu-img can read it: a packed one is next to ``path`` for as long as the block runs.

    Raises Refused if the block finds that the disk of an appliance is damaged: its header does not show that.
    """
    try:
        if image is None or not image.get("packed"):
            yield image
            return
        # Few appliances are packed.
        from .parts import Packed

        with files.partial(f"{path}.unpacked") as temporary:
            partial_files.write_blocks(temporary, Packed.of_data(image["packed"]).blocks())
            yield {**image, "source": temporary, "packed": None}
    except CommandFailed as error:
        if not is_of_appliance(image) or "error while reading" not in error.stderr:
            raise
        raise Refused(f"{image['source']} contains a damaged disk: {error.stderr}.", _AGAIN) from error


def checked(qemu_img, image):
    """What qemu-img finds in the disk, as an Image of needed_files.py; the header of one that is not a file yet."""
    if image.get("packed") or image.get("fetch"):
        return Image(image["format"], image["size"])
    try:
        info = qemu_img.info(name_of(image), image["format"])
    except CommandFailed as error:
        return Image(fault=f"contains a damaged disk: {error.stderr}", remedy=_AGAIN)
    if info.virtual_size != image["size"]:
        return Image(fault="contains a disk of which the header has another size", remedy="Export it again.")
    return Image(image["format"], info.virtual_size)


def most_bytes(qemu_img, image):
    """The maximum size of a copy; of a packed disk, the space that it needs at least, next to its unpacked file.

    Of a disk that is not downloaded yet, the space that it needs at least.
    """
    if image.get("packed"):
        return 2 * image["unpacked"]
    if image.get("fetch"):
        return image["fetch"].extent
    try:
        return qemu_img.needed(name_of(image), image["format"], timeout=_MEASURE_TIMEOUT)
    except (CommandFailed, Timeout):  # It cannot measure every format, and takes minutes for a disk of many empty TB.
        return image["size"]
