# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a clone needs from its source, looked at before the first step."""

from __future__ import annotations

import os

from ..._lifecycle.errors import NotFound, Refused
from .cloning import Original, disk_format, nvram_image, own_disks
from .definition import file_of, target_of
from .firmware import nvram_of, read_firmware, read_secure_boot
from .storage import written_files


def check_clone(driver, name, creation, source):
    """Raise NotFound or Refused for what would end a clone half-way, or tie it to disks that are written to."""
    asked = creation["clone"]
    original = Original.read(driver, source, asked.get("snapshot"))
    if original.definition is None:
        raise Refused(
            f"{name}: libvirt does not tell what '{source.name}' was at its snapshot '{asked['snapshot']}'.",
            "Clone the machine itself.",
        )
    if original.within and asked["linked"]:
        raise Refused(
            f"{name}: '{original.within}' is a snapshot within the images of '{source.name}': it can be copied, but no"
            " disk can stand on it.",
            "Leave linked out, or take an external snapshot (kind: external).",
        )
    driver.storage.check_folder()
    written_by = written_files(driver.all_definitions())
    for disk in own_disks(original.definition):
        _check_disk(driver, name, source, original, disk, asked["linked"], written_by)
    _check_nvram(driver, name, original.definition)


def _check_disk(driver, name, source, original, disk, linked, written_by):
    slot = target_of(disk)
    if not file_of(disk):
        raise Refused(
            f"{name}: disk {slot} of '{source.name}' is no file, and only files can be cloned.",
            "Give the machine that disk as a file first.",
        )
    path = original.images[slot]
    info = driver.storage.check_readable_image(name, f"disk {slot} of '{source.name}',", path)
    if original.within and original.within not in info.snapshots:
        raise NotFound(
            f"{name}: {path} no longer holds the snapshot '{original.within}' of '{source.name}'.",
            f"Drop what is left of it: virsh snapshot-delete {source.name} {original.within} --metadata",
        )
    others = [user for user in written_by.get(os.path.realpath(path), ()) if user != source.name]
    if others:
        raise Refused(
            f"{name}: {path} is a disk of {', '.join(others)} too, which may write to it.", "Detach it there."
        )
    entry = {"format": disk_format(disk, linked)}
    own = driver.storage.disk_path(name, slot, entry["format"])
    driver.storage.check_free(name, own, written_by)
    driver.storage.check_leftover(own, entry, original.image(slot, linked))


def _check_nvram(driver, name, definition):
    if read_firmware(definition) == "bios":
        return
    image = nvram_image(driver, nvram_of(definition))
    path = driver.storage.nvram_path(name, read_secure_boot(definition))
    if image is not None:
        driver.storage.check_leftover(path, {}, image)
