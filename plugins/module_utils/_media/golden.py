# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Golden images: the disk of a stopped VM becomes a version of an image in the store of its host.

``inputs`` is the digest of what an image is built from: a version with the same digest is not built again. Versions
that are not the newest one are removed, unless a VM needs them.

A VM is stored only if it was created for this image, and its own guest has reported that it was sealed: ``sealed`` is
the id of the VM that the role passed to the guest, and that the guest printed when it was sealed.
"""

from __future__ import annotations

import os

from .._core.errors import InvalidInput, NotFound, Refused
from .._core.model import STOPPED, Target
from .._core.pattern import Pattern
from .._core.sharing.claims import DELETE
from .._core.units import rounded_up
from .._ports import files, locks, partial_files
from .._ports.clock import Clock, call_timeout, today
from .._ports.command import Commands
from .._ports.progress import report
from .._tools.qemu_img import QemuImg
from .download import downloading, private_file
from .store import Stored
from .store_tasks import ImageUsers, diff, permit, shown

#: The names that a catalogue can have (plugin_utils/installs/catalogue.py).
_NAME = Pattern(r"[a-z0-9][a-z0-9.-]*")
_FORMAT = "qcow2"
_BUSES = {"v": "virtio", "sd": "scsi", "sa": "sata", "h": "ide", "f": "floppy"}


def present(driver, params, check, approval):
    """Have a version of the image with the inputs of ``from_vm`` in the store; returns the result of the module."""
    name, asked = _name_in(params), params["from_vm"]
    versions = _versions(driver.images.store, name)
    current = next((one for one in reversed(versions) if one.golden["inputs"] == asked["inputs"]), None)
    if current:
        driver.images.store.check_content(current, f"name: {name}")
    source = None if current else _Source(driver, asked, name)
    unused, kept_for = _unused(driver, [one for one in versions if one is not current])
    plan = [("store", name, *source.plan, asked["inputs"])] if source else []
    permit(approval, [*plan, *(("delete", one.path, one.content) for one in unused)])
    if source and not check:
        current = _stored(driver, name, asked, source, versions, params["timeout"])
    if not check:
        driver.images.store.remove(unused, ())
    # The name of a new file is known only after the copy.
    kept = [_line(name, one.golden["inputs"]) for one in versions if one not in unused]
    return {
        "changed": bool(source or unused),
        "images": [shown(current, [])] if current else [],
        "diff": diff(
            driver,
            [_line(name, one.golden["inputs"]) for one in versions],
            {*kept, _line(name, asked["inputs"])},
        ),
        "warnings": [f"name: {name}: older versions are kept: {one}" for one in kept_for],
    }


def _line(name, inputs):
    return f"{name} built from {inputs}"


def _name_in(params):
    """Return the name of the image, which must be possible in a catalogue, and not that of a download."""
    names = params["name"]
    if len(names) != 1 or not _NAME.fullmatch(names[0]):
        raise InvalidInput(
            f"name: {', '.join(names)}: from_vm needs a single name of lower-case letters, digits, dots and dashes."
        )
    return names[0]


def _versions(store, name):
    versions = [one for one in store.all() if one.name == name]
    other = next((one for one in versions if not one.golden), None)
    if other:
        raise Refused(
            f"name: {name}: {other.path} has this name, and is not a golden image.",
            "Use another name. Nothing was changed.",
        )
    # Several versions of one day have the same date.
    return sorted(versions, key=lambda one: one.golden["version"])


def _unused(driver, versions):
    """(versions that no disk needs and no program has open, why others are kept that no VM needs)"""
    users = ImageUsers(driver, versions, DELETE)
    if users.unreadable() is not None:
        return [], [users.unreadable().text]
    needed = {one.path: users.of(one.path) for one in versions}
    kept_for = [f"{one}, which no VM has, needs {path}" for path in needed for one in users.files(path)]
    return [one for one in versions if not needed[one.path] and not locks.is_open_elsewhere(one.path)], kept_for


class _Source:
    """The disk of a stopped VM that was created for this image and sealed; ``asked`` is the option ``from_vm``."""

    def __init__(self, driver, asked, image):
        name, about = asked["name"], f"name: {image}"
        vm = _vm(driver, name, about)
        _check_sealed(vm, asked["sealed"], image)
        disks = vm.config.get("disks") or {}
        if len(disks) != 1:
            raise Refused(
                f"{about}: the VM {name} has {len(disks)} disks.", "A golden image is a single disk: use a VM with one."
            )
        ((self.slot, disk),) = disks.items()
        self.path, self.format = disk.get("source") or "", disk.get("format")
        if not (driver.is_local and os.path.isabs(self.path) and files.is_file(self.path)):
            raise Refused(
                f"{about}: the disk {self.path} of {name} is not a file of this host.",
                "Run the task on the host of the VM, with a disk that is a file.",
            )
        self.plan = (vm.identity, self.path)
        self.architecture = vm.config.get("architecture") or "amd64"
        self.firmware = vm.config.get("firmware") or "bios"

    @property
    def bus(self):
        return next((bus for beginning, bus in _BUSES.items() if self.slot.startswith(beginning)), self.slot)


def _vm(driver, name, about):
    driver.traits()
    found = [vm for vm in driver.observe([Target(name=name)], frozenset({"power", "config"})).vms if vm.name == name]
    if not found:
        raise NotFound(f"{about}: from_vm.name: there is no VM {name}.")
    if not found[0].created:
        raise Refused(
            f"{about}: from_vm.name: {name} has no record of creation by this collection.",
            "A golden image is made only from a VM that was created for it. Nothing was changed.",
        )
    if found[0].power != STOPPED:
        raise Refused(f"{about}: from_vm.name: {name} is {found[0].power}.", "Stop it first. Nothing was changed.")
    return found[0]


def _check_sealed(vm, sealed, image):
    """Reject a VM that was created for something else, or that is not the one that was sealed."""
    about, owner = f"name: {image}", f"golden image {image}"
    if vm.mark.get("owner") != owner:
        raise Refused(
            f"{about}: from_vm.name: the owner of {vm.name} is {vm.mark.get('owner') or 'not set'}, not {owner}.",
            "A golden image is made only from a VM that was created for it. Nothing was changed.",
        )
    if sealed != vm.id:
        raise Refused(
            f"{about}: from_vm.sealed: the id of {vm.name} is {vm.id}, and that of the VM that was sealed is"
            f" {sealed or 'not set'}.",
            "Build the image again with the role golden_image, one host at a time. Nothing was changed.",
        )


def _stored(driver, name, asked, source, versions, patience):
    """Store a copy of the disk that needs no other file; returns its Stored."""
    store, tool = driver.images.store, QemuImg(Commands(call_timeout(None)))
    needed = tool.needed(source.path, source.format)
    store.check_space(needed, f"name: {name}", " for the image")
    files.make_folder(store.directory, files.ENTERED)
    # Of this name, only one task writes a version.
    with downloading(store.path_for(f"{name}.golden"), "new", Clock().now() + patience) as part:
        report(f"{name}: copy the disk of {asked['name']} (at most {rounded_up(needed)})")
        with private_file(part, _FORMAT) as new:
            tool.convert(source.path, source.format, new, _FORMAT)
            stored = _described(store, name, asked, source, versions, new)
            # Files of the guest can contain keys and passwords.
            store.add(new, stored, partial_files.may_everybody_read(source.path))
    return store.at(stored.path)


def _described(store, name, asked, source, versions, new):
    content = files.digest(new)
    path = store.path_of(name, content, _FORMAT)
    known = {"inputs": asked["inputs"], "vm": asked["name"], "firmware": source.firmware, "bus": source.bus}
    return Stored(
        path=path,
        name=name,
        architecture=source.architecture,
        file=os.path.basename(path),
        format=_FORMAT,
        address="",
        fetched=today().isoformat(),
        checked="none",
        file_size=files.size(new),
        digest=f"sha256:{content}",
        size=QemuImg(Commands()).info(new, _FORMAT).virtual_size,
        golden={**asked["record"], **known, "version": 1 + max((one.golden["version"] for one in versions), default=0)},
    )
