# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VirtualBox: disk images and ISO images: facts about files, and creating images."""

from __future__ import annotations

from ...._core.errors import CommandFailed
from ...._core.units import MIB
from ...._media import disk_header
from ...._media.appliances.disk import is_of_appliance, name_of, unpacked
from ...._ports import files, permits
from ...._tools.qemu_img import QemuImg, qemu_name
from ...._tools.vboxmanage import Busy

#: The formats of images that VirtualBox can attach.
ATTACHABLE = ("vdi", "vmdk", "vhd")
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
    if is_of_appliance(image):
        target = qemu_name(image_format.lower())
        with unpacked(image, path) as disk:
            QemuImg(driver.commands).convert(name_of(disk), disk["format"], path, target)
    elif disk_header.format_of(source) == "raw":
        driver.run(None, "convertfromraw", source, path, "--format", image_format)
    else:
        driver.run(None, "clonemedium", "disk", source, path, "--format", image_format)
    if size and size > disk_header.capacity(path):
        resize(driver, None, path, size)


def resize(driver, uuid, disk, size):
    """Grow a disk image. VBoxManage rejects --resize to more than a thousand times the size as a mistake."""
    driver.run(uuid, "modifymedium", "disk", disk, "--resizebyte", str(size // MIB * MIB))


def delete_image(driver, uuid, medium):
    """Delete a registered image with its file, which a plan has to list, or which this process has created."""
    files.check_loss(medium.location)
    with permits.also(things=[("medium", medium.uuid)]):
        driver.run(uuid, "closemedium", "disk", medium.uuid, "--delete")


def images_to_release(driver, image):
    """Paths of images to unregister after the copy, which registers its source, if they were not registered before."""
    if image is None or is_of_appliance(image) or disk_header.format_of(image["source"]) == "raw":
        return []
    return [] if files.identity(image["source"]) in driver.disks_before else [image["source"]]


def release_images(driver, paths):
    for path in paths:
        try:
            driver.run(None, "closemedium", "disk", path)
        except Busy:
            raise
        except CommandFailed:
            pass  # Another copy is using it, and will unregister it.


# Facts ------------------------------------------------------------------------------------------------------------


def is_viso_or_dmg(path):
    """Whether VirtualBox can use a file as it does an ISO image; it would create the drive before it detects that."""
    end = files.size(path) - _DMG_END
    return files.starts_with(path, _VISO) or (end > 0 and files.starts_with(path, _DMG, end))


def same_uuid(path, media):
    """The path of another registered image with the UUID of this one, such as a copied file; None if there is none."""
    known = media.get(disk_header.uuid_of(path))
    is_other = known is not None and files.identity(known.location) != files.identity(path)
    return known.location if is_other else None
