# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Disk images: what a file is, and making one. What VirtualBox can only read is converted by its owner first."""

from __future__ import annotations

import os

from ..._lifecycle.errors import NotFound, Refused
from ..._lifecycle.units import MIB, human_size
from ..._ports import files
from ..._tools import disk_header, optical
from ..._tools import vboxmanage_output as output

_WRITABLE = ("vdi", "vmdk", "vhd")
#: How the text begins from which VirtualBox itself makes a medium, and the end of Apple's images, which it reads too.
_VISO, _DMG = b"--iprt-iso-maker-file-marker", b"koly"
_DMG_END = 512


def make(driver, path, image_format, size, image=None):
    """Make an image at ``path``, empty or from ``image``; ``size`` in bytes."""
    if image is None:
        words = ("--filename", path, "--size", str(size // MIB), "--format", image_format)
        driver.run(None, "createmedium", "disk", *words)
        return
    source = image["source"]
    if disk_header.format_of(source) == "raw":
        driver.run(None, "convertfromraw", source, path, "--format", image_format)
    else:
        _copy(driver, source, path, image_format)
    if size and size > disk_header.capacity(path):
        driver.run(None, "modifymedium", "disk", path, "--resize", str(size // MIB))


def _copy(driver, source, path, image_format):
    """Copying makes the source known to VirtualBox, which it is not to stay."""
    known = {os.path.realpath(medium.location) for medium in output.media(driver.tool.read("list", "hdds"))}
    driver.run(None, "clonemedium", "disk", source, path, "--format", image_format)
    if os.path.realpath(source) not in known:
        driver.run(None, "closemedium", "disk", source)


# Checks, made before anything is changed --------------------------------------------------------------------------


def check_readable(name, option, path):
    if not os.path.isabs(path):
        raise Refused(f"{name}: {option} '{path}' is no absolute path.", "Give its full path on the hypervisor.")
    if not files.exists(path):
        raise NotFound(f"{name}: {option} {path} does not exist on this host.", "Correct the path, or put it there.")
    if not files.is_file(path):
        raise Refused(f"{name}: {option} {path} is no file.", "Name a file.")
    if not files.is_readable(path):
        raise Refused(f"{name}: {option} {path} cannot be read.", "Run the task as a user who may read it.")


def check_iso(name, path):
    """VirtualBox makes the drive before it finds that it cannot read what shall be in it."""
    check_readable(name, "iso", path)
    end = files.size(path) - _DMG_END
    is_own = files.starts_with(path, _VISO) or (end > 0 and files.starts_with(path, _DMG, end))
    if not is_own and not optical.is_iso(path):
        raise Refused(f"{name}: iso {path} is no ISO image.", "Name an ISO 9660 or UDF image.")


def check_image(name, option, path, raw_too=False):
    """(format, bytes) of an image that VirtualBox can use."""
    check_readable(name, option, path)
    found = disk_header.format_of(path)
    if found == "raw":
        _check_raw(name, option, path, raw_too)
        return "raw", files.size(path)
    if found not in _WRITABLE:
        raise Refused(f"{name}: {option} {path} is {found}, which VirtualBox does not use.", _conversion(found, path))
    capacity = disk_header.capacity(path)
    if not capacity:
        raise Refused(f"{name}: {option} {path} is a {found} of unknown size.", "Name another image.")
    return found, capacity


def _check_raw(name, option, path, raw_too):
    if files.size(path) % 512 or not files.size(path):
        raise Refused(f"{name}: {option} {path} is no disk image.", "Name a VDI, VMDK, VHD or raw image.")
    if not raw_too:
        raise Refused(f"{name}: {option} {path} is raw, and VirtualBox attaches no such.", _conversion("raw", path))


def _conversion(found, path):
    stem = os.path.splitext(path)[0]
    return f"Convert it: qemu-img convert -f {found} -O vdi {path} {stem}.vdi"


def check_size(name, path, asked, present):
    if asked and asked < present:
        raise Refused(
            f"{name}: a disk of {human_size(asked)} is too small for the image {path}, which has"
            f" {human_size(present)}.",
            "Ask for its size or more.",
        )
