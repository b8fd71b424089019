# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VirtualBox: snapshots: created, deleted, restored and checked; addressed by UUID, because names may repeat."""

from __future__ import annotations

from ..._core.errors import CommandFailed, Refused
from ..._core.frozen import replace
from ..._core.planner.simulate import simulate
from ..._core.record.leases import described
from ..._core.record.mark import IN_MARK
from ..._ports import files
from ..._tools import vboxmanage_long as long
from ..._tools.vboxmanage import is_locked, is_not_found
from .own_files import dependents
from .own_files import taken as taken_with
from .settings.table import config_of


def with_configs(driver, listing, vm, native_keys):
    """The VM with the settings of its snapshots. Each one needs a process, so they are read only if needed."""
    listed = next(one for one in listing.machines if one.uuid == vm.id)
    vbox_vm = listing.vbox_vm(listed)
    reported = []
    for one in vm.snapshots:
        try:
            then = taken(driver, vbox_vm, one.id)
        except CommandFailed as error:
            if not is_locked(error.stderr):
                raise
            # Another process holds the lock, which the list of VMs does not need.
            return vm.having(busy="another process is working on it")
        reported.append(replace(one, config=_config_then(vm, then, native_keys)) if then else one)
    return vm.having(snapshots=tuple(reported))


def taken(driver, vbox_vm, uuid):
    """The VM as it is in a snapshot; None if VirtualBox cannot read that."""
    found = long.vms(driver.tool.read("snapshot", vbox_vm.uuid, "showvminfo", uuid))
    if not found or found[0].machine is None:
        return None
    return replace(vbox_vm, machine=found[0].machine, file=vbox_vm.file.taken(uuid) if vbox_vm.file else None)


def _config_then(vm, vbox_vm, native_keys):
    """The settings of the VM after a restore, which does not change those in _NOT_RESTORED."""
    config = config_of(vbox_vm, native_keys)
    return {**config, **{name: vm.config[name] for name in _NOT_RESTORED if name in vm.config}}


_NOT_RESTORED = ("description", "groups", *IN_MARK, "os_type")


def snapshot(driver, vm, step):
    name = step.arguments["name"]
    description = described(step.arguments["description"], step.arguments["expires"], vm.id)
    with driver.vm_lock_of(vm):
        if any(one.name == name for one in driver.vbox_vm(vm.id).machine.snapshots):
            return  # The step may have been sent before.
        words = ["--description", description] if description else []
        driver.run(vm.id, "snapshot", vm.id, "take", name, *words)


def edit_snapshot(driver, vm, step):
    """Store another expiry in the description."""
    key, expires = step.arguments["id"], step.arguments["expires"]
    with driver.vm_lock_of(vm):
        found = next(one for one in vm.snapshots if key in (one.id, one.name))
        text = described(found.description, expires, vm.id)
        driver.run(vm.id, "snapshot", vm.id, "edit", key, "--description", text)


def drop_snapshot(driver, vm, step):
    with driver.vm_lock_of(vm):
        for uuid in step.arguments["ids"]:
            _check_taken(driver, vm, step)
            try:
                driver.run(vm.id, "snapshot", vm.id, "delete", uuid)
            except CommandFailed as error:
                if not is_not_found(error.stderr, "snapshot"):
                    raise


def restore(driver, vm, step):
    """A restore does not change our mark, so files that were created since the snapshot still belong to the VM."""
    with driver.vm_lock_of(vm):
        if vm.id not in driver.restored:  # What the first call has created on top of the snapshot is empty.
            _check_taken(driver, vm, step)
        driver.restored.add(vm.id)
        driver.run(vm.id, "snapshot", vm.id, "restore", step.arguments["id"])


def _check_taken(driver, vm, step):
    """Raise Refused if VirtualBox would delete an image that the plan does not list: another client was there since."""
    for path in taken_with(driver.vbox_vm(vm.id), step):
        files.check_loss(path)


def check_snapshots(driver, plan):
    """Raise Refused if the plan takes or deletes a snapshot and VirtualBox cannot do that."""
    listing, vm = driver.listing(), plan.before
    for step in plan.steps:
        if step.verb == "snapshot":
            _check_shared_disks(listing, vm)
        if step.verb == "drop_snapshot":
            for key in step.arguments["ids"]:
                vm = _without(listing, vm, step, key)
        else:
            vm = simulate(vm, [step])


def _check_shared_disks(listing, vm):
    """VirtualBox creates no differencing image on top of an image that another VM has attached."""
    images = {one.uuid: {slot.values.get("ImageUUID") for slot in one.machine.slots} for one in _readable(listing)}
    for other in _readable(listing):
        both = images[other.uuid] & images[vm.id] if other.uuid != vm.id else ()
        shared = next((one for one in map(listing.media.get, both) if one and one.kind.startswith("normal")), None)
        if shared is not None:
            raise Refused(
                f"{vm.name}: {shared.location} is also a disk of '{other.name}', and VirtualBox cannot take a snapshot"
                " of a disk of two VMs.",
                "Detach it from one of them first.",
            )


def _readable(listing):
    return [one for one in listing.machines if one.machine is not None]


def _without(listing, vm, step, key):
    """The VM after the snapshot ``key`` is deleted; raises Refused if that is impossible."""
    dropped = next(one for one in vm.snapshots if key in (one.id, one.name))
    _check_current(vm, dropped)
    _check_dependent_images(listing, vm, dropped)
    return simulate(vm, [replace(step, arguments={**step.arguments, "names": (dropped.name,), "ids": (key,)})])


def _check_current(vm, dropped):
    """VirtualBox cannot delete the current snapshot if it has a child."""
    children = [one.name for one in vm.snapshots if one.parent is not None and one.parent in (dropped.id, dropped.name)]
    if dropped.current and children:
        raise Refused(
            f"{vm.name}: snapshot '{dropped.name}' is the current snapshot and has the child '{children[0]}';"
            " VirtualBox cannot delete such a snapshot.",
            "Delete its children too (children: true), or restore another snapshot first.",
        )


def _check_dependent_images(listing, vm, dropped):
    """Raise Refused if other images need those of the snapshot: VirtualBox can merge each with only one image."""
    vbox_vm = listing.vbox_vm_of(vm.id)
    in_snapshot = [medium for medium in listing.media.values() if dropped.id in medium.users.get(vm.id, ())]
    found = sorted({user for medium in in_snapshot for user in dependents(vbox_vm, listing.names, medium)})
    if found:
        users = ", ".join(found)
        raise Refused(f"{vm.name}: snapshot '{dropped.name}' is needed by {users}.", f"Delete {users} first.")
    bases = [medium.uuid for medium in in_snapshot]
    for medium in (one for one in vbox_vm.detached_images() if one.parent in bases):
        if any(one.parent == medium.parent and one is not medium for one in listing.media.values()):
            raise Refused(
                f"{vm.name}: snapshot '{dropped.name}' is needed by {medium.location}, which contains what was"
                " written to a disk before it was detached.",
                f"Delete that file if it is no longer needed: VBoxManage closemedium disk {medium.uuid} --delete",
            )
