# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a clone needs from its source, looked at before the first step."""

from __future__ import annotations

import os

from ..._lifecycle.errors import Refused
from .cloning import Original, disk_format, nvram_image, own_disks, source_format
from .definition import file_of, target_of
from .firmware import read_firmware, read_secure_boot
from .snapshot_checks import lost_in_image
from .space import check_space
from .storage import check_readable, written_files


def check_clone(driver, name, creation, source, doomed=()):
    """Raise NotFound or Refused for what would end a clone half-way, or tie it to disks that are written to.

    ``doomed`` are the files that a machine to be rebuilt takes along.
    """
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
        _check_source(name, source, original, disk)
        _check_image(driver, name, source, original, disk, written_by)
        entry = {"format": disk_format(disk, asked["linked"])}
        own = driver.storage.disk_path(name, target_of(disk), entry["format"])
        driver.storage.check_free(name, own, written_by)
        if os.path.realpath(own) not in doomed:
            driver.storage.check_leftover(own, entry, original.image(disk, asked["linked"]))
    images = [original.image(disk, asked["linked"]) for disk in own_disks(original.definition)]
    check_space(driver, name, images, doomed)
    _check_nvram(driver, name, original.definition, doomed)


def _check_source(name, source, original, disk):
    slot = target_of(disk)
    if not file_of(disk):
        raise Refused(
            f"{name}: disk {slot} of '{source.name}' is no file, and only files can be cloned.",
            "Give the machine that disk as a file first.",
        )
    if slot not in original.images:
        raise Refused(
            f"{name}: the snapshot of '{source.name}' was taken without its disk {slot}.",
            "Clone the machine itself, or another of its snapshots.",
        )


def _check_image(driver, name, source, original, disk, written_by):
    """The image is there, is what libvirt takes it for, holds the snapshot, and nobody else writes to it."""
    path, option = original.images[target_of(disk)], f"disk {target_of(disk)} of '{source.name}',"
    info = driver.storage.check_readable_image(name, option, path, source_format(disk))
    if original.within and original.within not in info.snapshots:
        raise lost_in_image(name, source.name, path, original.within)
    others = [user for user in written_by.get(os.path.realpath(path), ()) if user != source.name]
    if others:
        raise Refused(
            f"{name}: {path} is a disk of {', '.join(others)} too, which may write to it.", "Detach it there."
        )


def _check_nvram(driver, name, definition, doomed):
    if read_firmware(definition) == "bios":
        return
    image, secure_boot = nvram_image(definition), read_secure_boot(definition)
    path = driver.storage.nvram_path(name, secure_boot)
    if image is None:
        driver.storage.check_no_nvram(name, secure_boot, doomed)
    elif os.path.realpath(path) not in doomed:
        check_readable(name, "firmware variables", image["source"])
        driver.storage.check_leftover(path, {}, image)
