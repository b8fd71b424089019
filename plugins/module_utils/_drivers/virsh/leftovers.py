# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots that the images of a VM hold and libvirt does not know: an earlier VM or another tool left them."""

from __future__ import annotations

from ..._lifecycle.errors import PolyvirtError
from ..._lifecycle.model import Snapshot
from ..._ports import files
from .fields import INTERNAL


def disks_of(vm):
    return {slot: disk for slot, disk in (vm.config.get("disks") or {}).items() if disk.get("source")}


def leftovers(driver, vm):
    """(file, name) of each."""
    known = {one.name for one in vm.snapshots if one.kind == INTERNAL and not one.unfinished}
    found = []
    for disk in disks_of(vm).values():
        if disk.get("format") == "qcow2" and files.is_readable(disk["source"]):
            found += [(disk["source"], name) for name in driver.storage.qemu_img.info(disk["source"]).snapshots]
    return [(path, name) for path, name in found if name not in known]


def with_leftover_snapshots(driver, vm):
    """The VM with these among its snapshots, so that they can be removed like the others."""
    known = {one.name for one in vm.snapshots}
    try:
        names = {name: path for path, name in leftovers(driver, vm) if name not in known}
    except PolyvirtError:
        return vm  # What an image that cannot be read holds is not known.
    lost = [
        Snapshot(name, kind=INTERNAL, unfinished=f"only {path} holds it, and libvirt does not know it")
        for name, path in sorted(names.items())
    ]
    return vm.having(snapshots=(*vm.snapshots, *lost)) if lost else vm


def remove_leftover(driver, vm, name):
    """Remove a snapshot from all images of a VM that is off."""
    for path, left in leftovers(driver, vm):
        if left == name:
            driver.storage.qemu_img.drop_snapshot(path, name)
