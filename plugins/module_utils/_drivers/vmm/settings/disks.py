# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""vmd: disk images and cloud-init seeds: their paths, and how to create, copy and enlarge them with vmctl."""

from __future__ import annotations

import os

from ...._core.errors import PolyvirtError, Refused
from ...._core.units import MIB
from ...._ports import files, partial_files, permits
from ...._tools import seed
from ...._tools.seed_network import macs_by_place
from ..definition import fixed_mac, slot_name

_DEFAULT_FORMAT = "qcow2"
#: The errors of ``vmctl create`` if there is a file of others at its path: it never overwrites one.
_TAKEN = ("create imagefile operation failed: File exists", "failed to create destination image file")
FIRST = slot_name(0)


def disk_path(driver, name, slot, image_format):
    return os.path.join(driver.options["storage_path"], f"{name}-{slot}.{image_format or _DEFAULT_FORMAT}")


def seed_path(driver, name):
    return os.path.join(driver.options["storage_path"], f"{name}.polyvirt-seed.iso")


def new_files(driver, pairs):
    """Return {VM name: paths} of the files that steps create; ``pairs`` are (VM, step)."""
    return {vm.name: list(_new_files(driver, vm, step)) for vm, step in pairs}


def _new_files(driver, vm, step):
    yield from (path for _slot, path, _entry in new_disks(driver, vm, step))
    if (step.arguments.get("creation") or {}).get("cloud_init") is not None:
        yield seed_path(driver, vm.name)


def new_disks(driver, vm, step):
    """Yield (slot, path, requested disk) for each disk image that a step creates."""
    if step.verb in ("create", "clone"):
        entries = (step.arguments["config"].get("disks") or {}).items()
    else:
        entries = ((change.key, change.new) for change in step.changes if change.kind == "disks.add")
    for slot, entry in sorted(entries):
        if not entry.get("source"):
            yield slot, disk_path(driver, vm.name, slot, entry.get("format")), entry


def create_disks(driver, vm, step, content=None):
    """Create the disk images of a step, and return their paths.

    ``content`` is {slot: (image, whether linked)} of those that are not empty.
    """
    created = driver.edit.created_files[vm.name] = []
    for slot, path, entry in new_disks(driver, vm, step):
        files.make_folder(os.path.dirname(path), files.ENTERED)
        _remove_leftover(driver, vm.name, path)
        try:
            _create_disk(driver, path, entry, *(content or {}).get(slot, (None, False)))
        except PolyvirtError as error:
            if not any(text in str(error) for text in _TAKEN):  # Otherwise, it leaves an incomplete copy.
                _record(driver, vm.name, path)
            driver.edit.discard([vm.name])
            raise
        _record(driver, vm.name, path)
    return list(created)


def _record(driver, name, path):
    """Record a file that vmctl or this process has created for a VM."""
    driver.edit.created_files[name].append(path)
    driver.created.add(path)
    files.take_over([path])


def _remove_leftover(driver, name, path):
    """Remove the file of an interrupted task. Raises Refused for another one, which was put there since the check."""
    if files.exists(path) and path not in driver.edit.leftovers(name):
        driver.edit.discard([name])
        raise Refused(f"{name}: {path} already exists.", "Move it to another directory.")
    files.take_over([path])
    files.remove(path)


def _create_disk(driver, path, entry, image, linked):
    size = ["-s", f"{entry['size'] // MIB}M"] if entry.get("size") else []
    if image is None:
        driver.tool.create(*size, _typed(path, entry))
    elif linked:
        driver.tool.create("-b", image, path)
    else:
        driver.tool.create("-i", image, *size, _typed(path, entry))


def _typed(path, entry):
    """Return the path with its format, because vmctl would guess the format from the name."""
    return f"{entry.get('format') or _DEFAULT_FORMAT}:{path}"


def grow_disk(driver, entry, size):
    """Enlarge a disk image: a raw one gets a hole at its end; a qcow2 one is copied, because vmctl cannot resize it.

    If the path is a symbolic link, the file that it points to is replaced.
    """
    if entry["format"] == "raw":
        partial_files.grow(entry["source"], size)
        return
    path = os.path.realpath(entry["source"])
    files.check_loss(entry["source"], "overwrite")
    with files.partial(path) as copy, permits.also([path]):
        driver.tool.create("-i", path, "-s", f"{size // MIB}M", f"qcow2:{copy}")
        files.replace_file(copy, path, keep_mode=True)


def create_seed(driver, vm, step, networks):
    """Create the cloud-init seed ISO of a step; return its path in a list, which is empty without cloud_init."""
    cloud_init = step.arguments["creation"].get("cloud_init")
    if cloud_init is None:
        return []
    path = seed_path(driver, vm.name)
    files.make_folder(os.path.dirname(path), files.ENTERED)
    _remove_leftover(driver, vm.name, path)
    try:
        documents = seed.nocloud_documents(cloud_init, vm.name, vm.name, macs_by_place(networks))
        seed.make_seed(driver.commands, files, path, documents, cloud_init.get("answer_drivers"))
    except PolyvirtError:
        driver.edit.discard([vm.name])
        raise
    _record(driver, vm.name, path)
    return [path]


def with_macs(name, networks):
    """Return the NICs with a MAC address each."""
    return {
        index: {**entry, "mac": entry.get("mac") or fixed_mac(name, index)} for index, entry in (networks or {}).items()
    }
