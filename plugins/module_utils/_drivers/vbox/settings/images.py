# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Disk images and ISO images: checks of files, and creating images."""

from __future__ import annotations

import os

from ...._core.errors import CommandFailed, NotFound, Refused
from ...._core.units import MIB, human_size
from ...._ports import files
from ...._tools import disk_header, optical
from ...._tools.vboxmanage import Busy
from ..vbox_vm import NOT_RESIZABLE

_WRITABLE = ("vdi", "vmdk", "vhd")
#: First bytes of a VISO (VirtualBox builds an ISO image from it), and first bytes of the last block of a DMG.
_VISO, _DMG = b"--iprt-iso-maker-file-marker", b"koly"
_DMG_END = 512


def create_image(driver, path, image_format, size, image=None):
    """Create an image at ``path``, empty or from ``image``; ``size`` in bytes."""
    if image is None:
        words = ("--filename", path, "--size", str(size // MIB), "--format", image_format)
        driver.run(None, "createmedium", "disk", *words)
        return
    source = image["source"]
    if disk_header.format_of(source) == "raw":
        driver.run(None, "convertfromraw", source, path, "--format", image_format)
    else:
        driver.run(None, "clonemedium", "disk", source, path, "--format", image_format)
    if size and size > disk_header.capacity(path):
        driver.run(None, "modifymedium", "disk", path, "--resize", str(size // MIB))


def images_to_release(driver, image):
    """Paths of images to unregister after the copy, which registers its source, if they were not registered before."""
    if image is None or disk_header.format_of(image["source"]) == "raw":
        return []
    return [] if os.path.realpath(image["source"]) in driver.disks_before else [image["source"]]


def release_images(driver, paths):
    for path in paths:
        try:
            driver.run(None, "closemedium", "disk", path)
        except Busy:
            raise
        except CommandFailed:
            pass  # Another copy is using it, and will unregister it.


# Checks before anything is changed ---------------------------------------------------------------------------------


def check_readable(name, option, path):
    if not files.exists(path):
        raise NotFound(
            f"{name}: {option}: {path} does not exist on this host.", "Correct the path, or copy the file to it."
        )
    if not files.is_file(path):
        raise Refused(f"{name}: {option}: {path} is not a file.", "Use the path of a file.")
    if not files.is_readable(path):
        raise Refused(f"{name}: {option}: {path} is not readable.", "Run the task as a user with read permission.")


def check_iso(name, path):
    """Reject an invalid ISO image: VirtualBox would create the drive before it detects that."""
    check_readable(name, "iso", path)
    end = files.size(path) - _DMG_END
    is_viso_or_dmg = files.starts_with(path, _VISO) or (end > 0 and files.starts_with(path, _DMG, end))
    if not is_viso_or_dmg and not optical.is_iso(path):
        raise Refused(f"{name}: iso: {path} is not an ISO image.", "Use an ISO 9660 or UDF image.")


def check_image(name, option, path, raw_too=False):
    """(format, size in bytes) of an image. Raises NotFound or Refused if VirtualBox cannot use it."""
    check_readable(name, option, path)
    found = disk_header.format_of(path)
    if found == "raw":
        _check_raw(name, option, path, raw_too)
        return "raw", files.size(path)
    if found not in _WRITABLE:
        raise Refused(
            f"{name}: {option}: {path} has the format {found}, which VirtualBox does not support.",
            _conversion(found, path),
        )
    capacity = disk_header.capacity(path)
    if not capacity:
        raise Refused(
            f"{name}: {option}: the disk size of the {found} image {path} cannot be read.", "Use another image."
        )
    return found, capacity


def _check_raw(name, option, path, raw_too):
    if files.size(path) % 512 or not files.size(path):
        raise Refused(f"{name}: {option}: {path} is not a disk image.", "Use a VDI, VMDK, VHD or raw image.")
    if not raw_too:
        raise Refused(
            f"{name}: {option}: {path} is a raw image, which VirtualBox cannot attach.", _conversion("raw", path)
        )


def _conversion(found, path):
    stem = os.path.splitext(path)[0]
    return f"Convert it: qemu-img convert -f {found} -O vdi {path} {stem}.vdi"


def check_size(name, path, entry, present):
    """Reject a size that a disk created from the image ``path`` cannot have; ``present`` is that of the image."""
    requested = entry.get("size") or present
    if requested < present:
        raise Refused(
            f"{name}: a disk of {human_size(requested)} is smaller than the image {path} of {human_size(present)}.",
            f"Set a size of {human_size(present)} or more, or omit the option.",
        )
    if requested > present and entry.get("format") == NOT_RESIZABLE:
        raise Refused(
            f"{name}: a {NOT_RESIZABLE} disk of {human_size(requested)} cannot be created from the image {path} of"
            f" {human_size(present)}: VirtualBox cannot enlarge such a disk.",
            "Omit the size, or set format: vdi.",
        )


def check_uuid(name, option, path, media):
    """Reject an image with the UUID of another registered one, such as a copied file: VirtualBox would reject it."""
    known = media.get(disk_header.uuid_of(path))
    if known is not None and os.path.realpath(known.location) != os.path.realpath(path):
        raise Refused(
            f"{name}: {option}: {path} has the same UUID as {known.location}, like a copy made with cp.",
            f"Set a new UUID: VBoxManage internalcommands sethduuid {path}",
        )


def check_free_space(driver, name, folder, option, paths):
    """Raise Refused if there is not enough space for a copy of ``paths``."""
    needed = sum(files.allocated(path) for path in paths if files.exists(path))
    alternative = "set storage_path to another directory"
    driver.space.reserve(name, option, folder, needed, files.free_space(folder), alternative)
