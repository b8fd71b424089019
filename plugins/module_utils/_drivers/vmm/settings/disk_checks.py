# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check disks before the first step: sources and free space."""

from __future__ import annotations

import os

from ...._core.errors import NotFound, Refused
from ...._core.planned import deleted_files
from ...._core.units import human_size
from ...._ports import files
from ...._tools import disk_header
from ..observe import bases_of
from ..options import STORAGE
from .disks import FIRST, new_disks, seed_path

_BASE_FORMAT, _SECTOR = "qcow2", 512


def check_disks(driver, found, plan, steps, released):
    """Raise NotFound or Refused for problems that vmctl or vmd would report only after something was changed.

    ``released`` are the identities of files that earlier plans delete.
    """
    deleted = released | {files.identity(path) for path in deleted_files(plan)}
    for one in steps:
        if one.step.verb in ("create", "clone"):
            _check_content(driver, plan.after.name, one.step)
        _check_new_files(driver, found, plan.after.name, one, deleted)
        for change in one.changes:
            if change.kind == "disks.add" and change.new.get("source"):
                _check_source(plan.after.name, change)
            elif change.kind == "disks.size":
                _check_growth(plan, one.vm, change)


def _check_content(driver, name, step):
    """Check what a new VM is created from: the image, or the disks of the VM to clone."""
    image = step.arguments["creation"].get("image")
    entries = step.arguments["config"].get("disks") or {}
    if image:
        _check_image(name, "image.source", image["source"], image["linked"], entries[FIRST].get("size"))
        _check_space(driver, name, [] if image["linked"] else [image["source"]])
    source, requested = step.arguments.get("source"), step.arguments["creation"].get("clone")
    if source is None or not requested:
        return
    # A source that the same task creates has no files yet.
    disks = {slot: disk["source"] for slot, disk in (source.config.get("disks") or {}).items() if disk.get("source")}
    for slot, path in disks.items():
        _check_image(name, f"clone.source: disks.{slot}", path, requested["linked"], None)
    _check_space(driver, name, [] if requested["linked"] else list(disks.values()))


def _check_space(driver, name, copied):
    """Raise Refused if the copies do not fit: a copy needs about as much as its source has allocated.

    Empty disks are not counted, because they need space only when a guest writes.
    """
    if not copied:
        return
    folder, alternative = driver.options["storage_path"], "set another storage_path, or linked: true"
    needed = sum(files.allocated(one) for path in copied for one in (path, *bases_of(path)))
    driver.space.reserve(name, "storage_path", folder, needed, files.free_space(folder), alternative)


def _check_image(name, option, path, linked, size):
    if not files.is_file(path):
        raise NotFound(f"{name}: {option}: {path} is not a file.", "Correct the path.")
    kind, capacity = disk_header.format_of(path), disk_header.capacity(path)
    if kind not in ("raw", _BASE_FORMAT):
        raise Refused(f"{name}: {option}: {path} is a {kind} image, and vmd uses raw and qcow2.", "Convert it first.")
    if kind == "raw" and (not capacity or capacity % _SECTOR):
        raise Refused(f"{name}: {option}: {path} is not a disk image.", "Use a raw or qcow2 image.")
    if linked and kind != _BASE_FORMAT:
        raise Refused(f"{name}: {option}: {path} is a raw image, and linked: true needs qcow2.", "Omit linked.")
    if linked and size and size != capacity:
        raise Refused(
            f"{name}: disks.{FIRST}.size: a linked disk has the size of its image, {human_size(capacity)}.",
            "Omit the size, or omit linked.",
        )
    if size and capacity and size < capacity:
        raise Refused(
            f"{name}: disks.{FIRST}.size: {human_size(size)} is smaller than its image, {human_size(capacity)}.",
            f"Set a size of at least {human_size(capacity)}, or remove the option.",
        )


def _check_new_files(driver, found, name, one, deleted):
    mark = found.mark(name) or {}
    leftovers = {*mark.get("making", ()), *mark.get("adding", ())}
    paths = [path for _slot, path, _entry in new_disks(driver, one.vm, one.step)]
    if (one.step.arguments.get("creation") or {}).get("cloud_init") is not None:
        paths.append(seed_path(driver, name))
    for path in paths:
        if files.exists(path) and path not in leftovers and files.identity(path) not in deleted:
            raise Refused(f"{name}: {path} already exists.", "Move it, or attach it with disks[].source.")
    if paths:
        _check_folder(name, driver.options["storage_path"])


def _check_folder(name, folder):
    if not files.exists(folder) and folder != STORAGE:
        raise NotFound(f"{name}: storage_path: {folder} does not exist.", "Create it, or correct the path.")
    if files.exists(folder) and not files.is_writable(folder):
        raise Refused(f"{name}: storage_path: {folder} cannot be written.", "Run the task as root (become: true).")


def _check_source(name, change):
    path = change.new["source"]
    if not files.is_file(path):
        raise NotFound(f"{name}: {change.path}.source: {path} is not a file.", "Correct the path.")


def _check_growth(plan, vm, change):
    path = vm.config["disks"][change.key].get("source")
    # The disk of a linked clone that the plan creates has no file yet.
    linked = bases_of(path)[:1] if path else [one.arguments["source"].name for one in _linked_clones(plan)]
    if linked:
        raise Refused(
            f"{vm.name}: {change.path}: the disk is linked to {linked[0]}, and vmctl cannot enlarge such a disk.",
            "Omit the size, or create the VM without linked: true.",
        )
    if path and files.is_file(path) and disk_header.is_qcow(path):
        _check_space_of_copy(vm.name, change.path, os.path.realpath(path))


def _check_space_of_copy(name, option, path):
    """Raise Refused if there is no space for a copy of a disk: a qcow2 image is enlarged by copying it."""
    folder = os.path.dirname(path)
    needed, free = files.allocated(path), files.free_space(folder)
    if needed > free:
        raise Refused(
            f"{name}: {option}: enlarging {path} needs {human_size(needed)} for a copy, and {folder} has"
            f" {human_size(free)}.",
            "Free some space, or move the disk.",
        )


def _linked_clones(plan):
    return [step for step in plan.steps if step.verb == "clone" and step.arguments["creation"]["clone"]["linked"]]


def check_start(plan):
    """Raise for a missing disk: vmd reports it with the same message as one that is in use."""
    for slot, disk in sorted((plan.after.config.get("disks") or {}).items()):
        path = disk.get("source")
        if path is None:
            continue  # The same plan creates it.
        missing = next((one for one in (path, *bases_of(path)) if not files.exists(one)), None)
        if missing:
            name = plan.after.name
            raise NotFound(f"{name}: disks.{slot}: {missing} does not exist, so the VM cannot start.", "Restore it.")
