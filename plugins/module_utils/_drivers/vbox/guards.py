# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VirtualBox: all checks before the first step of a plan, as rows (_kit/guards.py). Errors name VM, option, remedy."""

from __future__ import annotations

import os
import shlex

from ..._core.errors import NotFound, Refused
from ..._core.model import STOPPED, SUSPENDED
from ..._core.planner.contents import contents_of
from ..._core.planner.plan_create import find_snapshot
from ..._core.planner.planned_steps import planned_changes
from ..._core.planner.simulate import simulate
from ..._core.sharing.file_checks import check_files
from ..._core.units import MIB
from ..._kit.guards import Guard, SharedGuard, StepGuard
from ..._kit.space import check_memory
from ..._ports import files
from ..._tools import seed
from ..._tools import vboxmanage_output as output
from .create import check_disk_of_image, unfinished_vm_in
from .delete import check_kept_disks
from .needed import VBoxFiles
from .settings.addresses import check_addresses
from .settings.architecture import first_disk
from .settings.cdroms import seed_slot
from .settings.disk_checks import ADDED, REMOVED, check_media
from .settings.hardware import DEFAULT_OS_TYPE
from .settings.networks import check_networks
from .settings.port_forwards import check_ports
from .settings.serial_log import LOG, check_port
from .snapshots import check_snapshots, taken
from .vbox_vm import bus_for, name_of_slot, parse_slot, place_fault, slot_name

_SIMILAR = 5
_DEFAULT_CHIPSET = "piix3"


def _check_files(driver, plan, released):
    is_new = any(step.verb in ("create", "clone") for step in plan.steps)
    unfinished = unfinished_vm_in(driver.listing(), plan.after.name) if is_new else None
    return check_files(VBoxFiles(driver, plan, unfinished), driver.space, released)


def _check_disks_of_images(driver, plan, one):
    """What a killed task has begun is completed, if its disks can be."""
    unfinished = unfinished_vm_in(driver.listing(), plan.after.name)
    for slot in contents_of(one.step.arguments["creation"], first_disk()) if unfinished else ():
        check_disk_of_image(unfinished, slot)


def _not_cloned(driver, plan, one):
    """A warning about what leads out of the source of a clone: both VMs would write there, or wait for each other."""
    source, snapshot = one.step.arguments["source"], one.step.arguments["creation"]["clone"].get("snapshot")
    vbox_vm, snapshot = driver.listing().vbox_vm_of(source.id), find_snapshot(source, snapshot)
    file = vbox_vm.file if vbox_vm is not None else None
    file = file.taken(snapshot.id) if file and snapshot else file
    found = ", ".join(f"{what} ({path})" if path else what for what, path, _words in (file.ways_out if file else ()))
    return [f"{plan.after.name}: the clone does not have what leads out of '{source.name}': {found}."] if found else []


def _check_saved_state(driver, plan):
    """Raise Refused if VirtualBox would delete the file of a saved state that a user has adopted (adoptstate)."""
    found = driver.listing().vbox_vm_of(plan.before.id) if plan.before.power == SUSPENDED else None
    path = found.file.state_file if found and found.file else ""
    is_own = not os.path.isabs(path) or path.startswith(os.path.join(found.values["SnapFldr"], ""))
    if not is_own:
        raise Refused(
            f"{plan.before.name}: VirtualBox would delete the file of its saved state, {path}, which is not in the"
            " directory of the VM.",
            "Copy the file if you still need it. Then discard the state: VBoxManage discardstate.",
        )


def _check_networks(driver, plan):
    check_networks(driver, plan, _chipset(driver.listing(), plan))


def _chipset(listing, plan):
    """The chipset of the VM, or of its clone source; a new VM has the default."""
    steps = {step.verb: step for step in plan.steps}
    uuid = steps["clone"].arguments["source"].id if "clone" in steps else plan.before.id
    found = next((one.machine for one in listing.machines if one.uuid == uuid and one.machine), None)
    return found.values.get("chipset", _DEFAULT_CHIPSET) if found else _DEFAULT_CHIPSET


# Making and disks -------------------------------------------------------------------------------------------------


def _check_copying(driver, plan, one):
    """Reject disks that were enlarged after a snapshot: VirtualBox 7.2 cannot copy them."""
    name, source, requested = plan.after.name, one.step.arguments["source"], one.step.arguments["creation"]["clone"]
    snapshot = find_snapshot(source, requested.get("snapshot"))
    config = source.config if snapshot is None or snapshot.config is None else snapshot.config
    sizes = {medium.location: medium.capacity for medium in driver.listing().media.values()}
    for slot, disk in sorted((config.get("disks") or {}).items()):
        # A source that the same task creates has no files yet, and the size of a disk that it attaches is not known.
        size, base_size = disk.get("size"), sizes.get(disk.get("source"))
        if not requested["linked"] and base_size and size and size != base_size * MIB:
            raise Refused(
                f"{name}: disk {slot} of '{source.name}' was enlarged after a snapshot was taken, and VirtualBox"
                " cannot copy such a disk.",
                "Delete the snapshots taken before that, or create a linked clone of a later snapshot.",
            )


def _check_slots(driver, plan, one):
    vbox_vm, freed = _with_slots(driver, plan)
    freed = {*freed, *(change.key for change in one.changes if change.kind in REMOVED)}
    added = [change for change in one.changes if change.kind in ADDED]
    for change in added if vbox_vm is not None else ():
        _check_slot(vbox_vm, f"{plan.after.name}: {change.path}", change.key, freed)


def _with_slots(driver, plan):
    """(the VM with the controllers and slots that the plan changes, slots that are free then); the VM may be None.

    A clone has those of its source, or of a snapshot, without the drives of a seed.
    """
    clone = next((step.arguments for step in plan.steps if step.verb == "clone"), None)
    if clone is None:
        return driver.listing().vbox_vm_of(plan.before.id), ()
    source, name = clone["source"], clone["creation"]["clone"].get("snapshot")
    vbox_vm, snapshot = driver.listing().vbox_vm_of(source.id), find_snapshot(source, name)
    if vbox_vm is not None and snapshot is not None:
        vbox_vm = taken(driver, vbox_vm, snapshot.id)
    seeds = vbox_vm.seed_files() if vbox_vm is not None and source.owned else ()
    return vbox_vm, {name_of_slot(slot) for slot in vbox_vm.drives if slot.medium in seeds} if seeds else ()


def _check_slot(vbox_vm, label, slot, freed):
    """Reject a new disk or drive at a slot that the VM does not have, or that is used; ``freed`` are free before."""
    controller, port, device = parse_slot(slot)
    present = next((one for one in vbox_vm.machine.controllers if one.name == controller), None)
    if present is None:
        bus, ports = bus_for(controller)
        same = [name for name, one in vbox_vm.controllers.items() if one == bus]
        if same:
            raise Refused(
                f"{label}: the VM has no controller '{controller}'; its controller of that type is named '{same[0]}'.",
                f"Use slot {slot_name(same[0], port, device)}.",
            )
    else:
        bus, ports = vbox_vm.controllers[controller], int(present.values["maxportcount"])
    fault = "has only floppy drives" if bus == "floppy" else place_fault(bus, ports, port, device)
    if fault:
        raise Refused(f"{label}: controller '{controller}' {fault}.", "Use another slot.")
    taken = {name_of_slot(one): one for one in vbox_vm.machine.slots if one.medium != "none"}
    if slot in taken and slot not in freed:
        user = "a disk" if taken[slot] in vbox_vm.disks else "an optical drive"
        raise Refused(f"{label}: the slot is used by {user}.", "Use another slot.")


def _check_log(driver, plan):
    vbox_vm = driver.listing().vbox_vm_of(plan.before.id)
    if vbox_vm is not None:
        check_port(plan.before.name, vbox_vm)


def _check_seed_slot(driver, plan):
    """Reject a seed without a free slot, and what a clone gets in that slot afterwards."""
    for step in plan.steps:
        if (step.arguments.get("creation") or {}).get("cloud_init") is None:
            continue
        source = driver.listing().vbox_vm_of(step.arguments["source"].id) if step.verb == "clone" else None
        slot = seed_slot(plan.after.name, source.controllers if source else {}, step.arguments["config"])
        later = [change for other in plan.steps for change in other.changes if change.kind in ADDED]
        for change in later:
            if change.key == slot:
                raise Refused(
                    f"{plan.after.name}: {change.path}: the slot is used by the drive of the cloud-init seed.",
                    "Use another slot.",
                )


def _check_deletion(driver, plan, one):
    vbox_vm = driver.listing().vbox_vm_of(plan.before.id)
    if vbox_vm is not None and not plan.before.lost:
        check_kept_disks(vbox_vm, one.step.arguments.get("files", ()))


# The host ---------------------------------------------------------------------------------------------------------


def _planned(plan, path):
    """The value that the plan sets, or None."""
    return next((change.new for _vm, change in planned_changes(plan) if change.path == path), None)


def _check_os_type(driver, plan):
    """modifyvm accepts any value, so it is checked here."""
    os_type = _planned(plan, "os_type")
    if not os_type or os_type == DEFAULT_OS_TYPE:
        return
    known = [one.id for one in output.ostypes(driver.tool.read("list", "ostypes"))]
    if os_type.lower() not in {one.lower() for one in known}:
        stem = os_type.lower().split("_")[0].rstrip("0123456789 ")[:4]
        similar = [one for one in known if stem and one.lower().startswith(stem)][:_SIMILAR]
        raise NotFound(
            f"{plan.after.name}: os_type: '{os_type}' is not known to this version of VirtualBox.",
            f"{f'Similar: {chr(44).join(similar)}. ' if similar else ''}VBoxManage list ostypes lists all.",
        )


def _check_autostart(driver, plan):
    if driver.listing().properties.get("Autostart database path"):
        return
    autostop = _planned(plan, "native.autostop-type")
    values = {"autostart": _planned(plan, "autostart"), "native: autostop-type": autostop}
    for option, value in values.items():
        if value and value != "disabled":
            raise Refused(
                f"{plan.after.name}: {option}: VirtualBox has no autostart database.",
                "Set a directory for it that the users of VirtualBox can write to: VBoxManage setproperty"
                " autostartdbpath /etc/vbox",
            )


def _is_booted(plan):
    """Return whether a step of the plan starts the VM without saved memory."""
    vm = plan.before
    for step in plan.steps:
        if step.verb == "start" and vm.power == STOPPED:
            return True
        vm = simulate(vm, [step])
    return False


def _check_teleporter(driver, plan):
    """Reject the start of a VM that is set up to receive the state of a running VM from another host.

    VBoxManage would not return until a host has sent it. Saved memory is restored nevertheless.
    """
    if not _is_booted(plan):
        return
    # A clone gets this setting from its source.
    sources = [step.arguments["source"] for step in plan.steps if step.verb == "clone"]
    uuid = (sources or [plan.before])[0].id
    found = next((one for one in driver.listing().machines if one.uuid == uuid and one.machine), None)
    if found is not None and found.machine.values.get("teleporterenabled") == "on":
        raise Refused(
            f"{plan.after.name}: its teleporter is enabled, so a start would wait until another host sends it the state"
            " of a running VM.",
            f"Turn the teleporter off: VBoxManage modifyvm {shlex.quote(found.name)} --teleporter off.",
        )


GUARDS = (
    SharedGuard((), _check_files, "a file is missing, exists already, is used, or does not fit"),
    Guard(("create", "clone"), seed.check, "the seed of cloud-init cannot be made when the disks exist"),
    StepGuard(("clone",), _check_copying, "VirtualBox cannot copy a disk that was enlarged after a snapshot"),
    StepGuard(("create",), _check_disks_of_images, "a disk that a killed task has left cannot be completed"),
    StepGuard(tuple(ADDED), _check_slots, "the VM lacks the slot, or it is used"),
    Guard((LOG,), _check_log, "the serial port is used otherwise"),
    StepGuard(("delete",), _check_deletion, "VirtualBox deletes an image that is to be kept"),
    Guard(("create", "clone"), _check_seed_slot, "the seed has no slot, or another image gets it"),
    # With these, VirtualBox deletes saved memory.
    Guard(("kill", "delete", "restore"), _check_saved_state, "VirtualBox deletes a user's file of saved memory"),
    Guard(("snapshot", "drop_snapshot"), check_snapshots, "a snapshot cannot be taken or deleted half-way"),
    Guard(("start", *ADDED), check_media, "a disk cannot be read, or its controller has no port left"),
    Guard(("create", "start", "memory"), lambda _driver, plan: check_memory(plan, files), "the host has less memory"),
    Guard(("create", "os_type"), _check_os_type, "modifyvm accepts any value"),
    Guard(("create", "autostart", "native"), _check_autostart, "the VM is not started with the host, without an error"),
    Guard(("create", "networks"), _check_networks, "VirtualBox accepts any network, and does not start the VM"),
    SharedGuard(("create", "networks"), check_addresses, "an address is reserved by another VM"),
    SharedGuard(("start", "restore", "port_forwards"), check_ports, "the VM runs without a port that is used"),
    Guard(("start",), _check_teleporter, "VBoxManage waits until another host sends the state of a VM"),
    StepGuard(("clone",), _not_cloned, "what leads out of the source is not cloned (a warning)"),
)
