# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is written to a VM, or copied for it: privileges, space, and disks that can be moved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from ..._lifecycle.errors import Refused
from ..._tools import proxmox_values as values
from . import native_checks, needs
from .sight import Sight, cards_of, disks_of
from .snapshots import options_in, snapshots_of


@dataclass(frozen=True)
class Basis:
    """What is changed: a machine that is there, or a clone as it will be made of its source's options."""

    sight: Sight
    node: str
    is_protected: bool
    #: None: it is not made yet.
    vmid: Optional[str] = None
    pool: Optional[str] = None
    #: Whether it has memory at that time.
    is_on: bool = False


def check_writing(driver, label, basis, node, changes, writing):
    """Privileges for the options that are written, and space for new disks and growth."""
    subject = needs.ExistingVm(driver, basis.vmid) if basis.vmid else needs.NewVm(driver, {"pool": basis.pool})
    needs.check_options(driver, label, subject, node, writing.put, [*writing.gone, *writing.lost])
    keys = [change.key for change in changes if change.field == "native"]
    native_checks.check_values(driver, label, node, keys, _after(basis.sight.stored, writing))
    if writing.grown:
        subject.check(label, "VM.Config.Disk")
    wanted = {}
    for change in changes:
        if change.kind == "disks.add" and not change.new.get("source"):
            storage = change.new.get("storage") or writing.storage
            wanted[storage] = wanted.get(storage, 0) + (change.new.get("size") or 0)
        elif change.kind == "disks.storage":
            drive = values.parse(change.key, basis.sight.stored.get(change.key, ""))
            wanted[change.new] = wanted.get(change.new, 0) + (values.size_of(drive.get("size")) or 0)
        elif change.kind == "disks.size":
            drive = values.parse(change.key, basis.sight.stored.get(change.key, ""))
            storage = drive.get("file", "").partition(":")[0]
            driver.eyes.rights.check(label, f"/storage/{storage}", "Datastore.AllocateSpace")
            wanted[storage] = wanted.get(storage, 0) + change.new - (values.size_of(drive.get("size")) or 0)
    if wanted:
        needs.check_space(driver, label, node, wanted)


def check_moving_disk(driver, label, basis, node, change):
    """A disk that has snapshots stays where they are."""
    driver.places.choose_storage(label, node, "images", change.new)
    driver.eyes.rights.check(label, f"/storage/{change.new}", "Datastore.AllocateSpace")
    volume = disks_of(basis.sight.stored).get(change.key, {}).get("file", "")
    if not basis.vmid:
        return
    needs.ExistingVm(driver, basis.vmid).check(label, "VM.Config.Disk")
    for snapshot in snapshots_of(driver.tool, basis.sight):
        held = disks_of(options_in(driver.tool, basis.sight, snapshot.name)).values()
        if any(drive["file"] == volume for drive in held):
            raise Refused(
                f"{label}: disks.{change.key}.storage: the disk cannot be moved: snapshot '{snapshot.name}' holds it.",
                "Delete the snapshots first, or remove the option.",
            )


def _after(options, writing):
    """All options of a VM once they are written."""
    gone = {*writing.gone, *writing.lost}
    return {key: text for key, text in {**options, **writing.put}.items() if key not in gone}


def check_copying(driver, label, arguments, sight, node):
    """Privileges on the source, its bridges and storages, and the space for what is copied."""
    asked, source = arguments["creation"]["clone"], arguments["source"]
    rights, subject = driver.eyes.rights, needs.NewVm(driver, arguments["config"], arguments.get("id"))
    rights.check(label, f"/vms/{source.id}", "VM.Clone")
    subject.check(label, "VM.Allocate")
    subject.check(label, "VM.Config.Options")
    for card in cards_of(sight.stored).values():
        needs.check_bridge(driver, label, node, card)
    if asked.get("linked"):
        return
    if source.on and not asked.get("snapshot") and "tpmstate0" in sight.stored:
        raise Refused(
            f"{label}: '{source.name}' is {source.power} and has a TPM, whose state is not copied while it runs.",
            "Stop it first, or clone a snapshot of it (clone.snapshot).",
        )
    wanted = {}
    for drive in disks_of(sight.stored).values():
        storage = driver.storage or drive["file"].partition(":")[0]
        rights.check(label, f"/storage/{storage}", "Datastore.AllocateSpace")
        wanted[storage] = wanted.get(storage, 0) + (values.size_of(drive.get("size")) or 0)
    needs.check_space(driver, label, node, wanted)
