# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cloning VMs, and what a clone needs of its source and of the node that it is created on."""

from __future__ import annotations

from dataclasses import replace

from ..._lifecycle.errors import Refused
from ..._lifecycle.plan_create import find_snapshot
from ..._tools import proxmox_values as values
from . import mark
from .create import claim, inputs_of, is_created, numbered, undone_on_failure
from .places import check_space, storage_for
from .privileges import NewVm
from .settings.cloud_init import free_seed_slot, password_option, seed_slot
from .settings.disks import disks_of, drives_of
from .settings.networks import check_bridge_privilege, nics_of
from .snapshots import options_in
from .traits import AUTO


def clone(driver, vm, step):
    """Create a VM that is off, like its source, with the id of the step; None: the next that is free."""
    name = vm.name
    if is_created(driver, name):
        return
    inputs = inputs_of(step.arguments["creation"], step.arguments["source"])
    vm_options = driver.observer.unfinished(name, inputs) or _copy(driver, name, step.arguments, inputs)
    options = {"onboot": 0} if vm_options.stored.get("onboot") == "1" else {}
    with undone_on_failure(driver, vm_options, name, options):
        reported = password_option(driver)
        if reported and seed_slot(vm_options.stored) is None:
            reported[free_seed_slot(vm_options.stored)] = f"{storage_for(driver, vm_options.node, name)}:cloudinit"
        claim(driver, vm_options, name, {**options, **reported})


def _copy(driver, name, arguments, inputs):
    config, requested, source = arguments["config"], arguments["creation"]["clone"], arguments["source"]
    origin = driver.observer.read_options(source.id)
    node = config.get("node") if config.get("node") not in (None, AUTO) else origin.node
    taken = find_snapshot(source, requested.get("snapshot"))

    def begin(vmid):
        return driver.tool.post(
            f"{origin.path}/clone",
            newid=vmid,
            name=name,
            description=mark.notes_of("", mark.new_mark(vmid, inputs)),
            full=not requested.get("linked"),
            snapname=taken.name if taken else None,
            storage=None if requested.get("linked") else driver.storage,
            pool=config.get("pool") or None,
            target=None if node == origin.node else node,
        )

    return driver.observer.read_options(numbered(driver, name, arguments.get("id"), begin), node)


def check_copying(driver, label, arguments, vm_options, node):
    """Privileges on the source, its bridges and storages, and the space for what is copied."""
    requested, source = arguments["creation"]["clone"], arguments["source"]
    rights, subject = driver.observer.rights, NewVm(driver, arguments["config"], arguments.get("id"))
    rights.check(label, f"/vms/{source.id}", "VM.Clone")
    subject.check(label, "VM.Allocate")
    subject.check(label, "VM.Config.Options")
    for nic in nics_of(vm_options.stored).values():
        check_bridge_privilege(driver, label, node, nic)
    if requested.get("linked"):
        return
    if source.on and not requested.get("snapshot") and "tpmstate0" in vm_options.stored:
        raise Refused(
            f"{label}: '{source.name}' is {source.power} and has a TPM, whose state is not copied while it runs.",
            "Stop it first, or clone a snapshot of it (clone.snapshot).",
        )
    wanted = {}
    for drive in disks_of(vm_options.stored).values():
        storage = driver.storage or drive["file"].partition(":")[0]
        rights.check(label, f"/storage/{storage}", "Datastore.AllocateSpace")
        wanted[storage] = wanted.get(storage, 0) + (values.size_of(drive.get("size")) or 0)
    check_space(driver, label, node, wanted)


def copied(driver, source, snapshot):
    """The options that a clone gets, and nothing of what its source runs with."""
    vm_options = driver.observer.last_options(source.id)
    taken = find_snapshot(source, snapshot)
    stored = options_in(driver.tool, vm_options, taken.name) if taken else vm_options.stored
    return replace(vm_options, stored=stored, running=stored)


def check_shared(driver, label, node, source, vm_options):
    """A VM is cloned to another node only where all that it has is there, too: media and the seed as well."""
    drives = drives_of(vm_options.stored).values()
    volumes = [drive["file"] for drive in drives if ":" in drive["file"]]
    local = next((one for one in volumes if not driver.places.is_shared(one.partition(":")[0])), None)
    if local:
        raise Refused(
            f"{label}: '{source.name}' cannot be cloned to node '{node}': {local} is on a storage that is not shared.",
            f"Clone it on {source.config['node']}, and move the clone by another task with node.",
        )
