# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VirtualBox: optical drives: their slots, and how they are read, added, filled and removed."""

from __future__ import annotations

from ...._core.errors import Refused, Stale
from ...._core.model import PAUSED, POWER_OFF, RUNNING
from ...._core.planner.drives import SKIP_PROMPT, drive_with
from ...._kit.settings import Setting
from ...._media.prepared import medium_of
from ..vbox_vm import bus_for, name_of_slot, parse_slot, slot_name
from .architecture import controller_of_disks, is_arm
from .hardware import while_on
from .media import check_slot, cost_of_adding, plain_path

#: The controller of the drives of ``iso`` and of cloud-init seeds, and its (port, device) in order of use.
_CONTROLLER = "IDE"
_SLOTS = ((0, 0), (0, 1), (1, 0), (1, 1))
#: The ports of these drives on the controller of the disks of a VM of arm64, which has no IDE.
_PORTS_OF_ARM64 = (15, 14, 13, 12)
#: Buses that take no optical drives (VERIFIED, 7.2.22).
_WITHOUT_DRIVES = ("pcie", "floppy")
_EMPTY = "emptydrive"


# Reading ------------------------------------------------------------------------------------------------------------


def read_cdroms(vbox_vm):
    """{slot: drive} of all optical drives without a cloud-init seed."""
    paths = {slot: "" if one.medium == _EMPTY else one.medium for slot, one in vbox_vm.cdroms.items()}
    return {slot: drive_with(path, medium_of(path)) for slot, path in paths.items()}


def reserved_slots(vbox_vm):
    """The slots that neither disks nor cdroms has: those of cloud-init seeds, and of floppy drives."""
    known = [*vbox_vm.disks, *vbox_vm.cdroms.values()]
    return frozenset(name_of_slot(one) for one in vbox_vm.machine.slots if one.medium != "none" and one not in known)


# Slots --------------------------------------------------------------------------------------------------------------


def _normalized(vm, cdroms, known):
    """The drives by slots as VirtualBox prints them: IDE 0:0 is IDE 0."""
    by_slot, controllers = {}, known.controllers.get(vm.id, {})
    for requested, drive in cdroms.items():
        check_slot(vm, "cdroms", requested, drive, controllers)
        parts = parse_slot(requested)
        slot, bus = slot_name(*parts), controllers.get(parts[0]) or (bus_for(parts[0]) or ("",))[0]
        if slot in by_slot:
            raise Refused(f"{vm.name}: cdroms.{requested}: slot {slot} is listed twice.", "List each slot once.")
        if drive is not None and bus in _WITHOUT_DRIVES:
            raise Refused(
                f"{vm.name}: cdroms: '{requested}' is not a valid slot of an optical drive: its controller takes none.",
                "Use a slot of an IDE, SATA, SCSI, SAS, VirtIO or USB controller.",
            )
        by_slot[slot] = {**drive, "source": plain_path(drive["source"])} if drive and drive.get("source") else drive
    return by_slot


def drive_slot(known, vm, config):
    """The slot of the drive that ``iso`` adds. Raises Refused if there is none for an image."""
    disks = {slot for slot, disk in (config.get("disks") or {}).items() if disk is not None}
    used = {*disks, *(config.get("cdroms") or ()), *vm.reserved}
    slot = next((slot for slot in slots_of_drives(known.controllers.get(vm.id, {})) if slot not in used), None)
    if slot is None and config.get("iso"):
        raise _no_free_slot(vm.name, "iso")
    return slot


def slots_of_drives(controllers):
    """The slots of the IDE controller in the order of use, {name: bus} of the controllers; a VM has at most one."""
    controller = next((name for name, bus in controllers.items() if bus == "ide"), None)
    if is_arm() and controller is None:
        return [slot_name(controller_of_disks(), port) for port in _PORTS_OF_ARM64]
    controller = controller or _CONTROLLER
    return [slot_name(controller, *place) for place in _SLOTS]


# Costs --------------------------------------------------------------------------------------------------------------


CDROMS = {
    "cdroms": Setting(read=read_cdroms, normalize=_normalized),
    "cdroms.add": Setting(cost_with=cost_of_adding),
    "cdroms.remove": Setting(cost=POWER_OFF),
    **dict.fromkeys(("cdroms.source", f"cdroms.{SKIP_PROMPT}"), Setting(cost=while_on)),
}


# Changing -----------------------------------------------------------------------------------------------------------


def change_drives(driver, uuid, changes):
    """Add drives, and insert or eject images; removals are done before, so that their slots are free."""
    # Changes of an entry have the whole entry beside them.
    for change in {change.key: change for change in changes if change.field == "cdroms"}.values():
        if change.kind == "cdroms.add":
            add_drive(driver, driver.vbox_vm(uuid), change.key, driver.image_of(change.new))
        elif change.attribute:
            _change_image(driver, uuid, change)


def add_drive(driver, vbox_vm, slot, path):
    """Add a drive. A running VM takes an image only in a drive that it has."""
    from .disks import ensure_slot

    # VirtualBox would detach it without an error.
    if any(name_of_slot(disk) == slot for disk in vbox_vm.disks):
        raise Stale(f"{vbox_vm.values['name']}: {slot} got a disk meanwhile.", "Run the task again.")
    place = ensure_slot(driver, vbox_vm, slot)
    if path and vbox_vm.state.power in (RUNNING, PAUSED):
        _insert(driver, vbox_vm.uuid, place, "")
    _insert(driver, vbox_vm.uuid, place, path)


def _insert(driver, uuid, place, path):
    from .disks import attach

    attach(driver, uuid, place, "dvddrive", path or _EMPTY)


def _change_image(driver, uuid, change):
    """Insert the image of a drive, or exchange it for the prepared one, or the other way round."""
    entry = {**change.beside, change.attribute: change.new}
    present = {} if "source" in entry else read_cdroms(driver.vbox_vm(uuid)).get(change.key, {})
    _insert(driver, uuid, parse_slot(change.key), driver.image_of({**present, **entry}))


def attach_seed(driver, vbox_vm, path):
    """Attach the seed to a separate drive in the last free slot: the first ones are for ``iso``."""
    if not any(slot.medium == path for slot in vbox_vm.drives):
        used = {name_of_slot(slot) for slot in vbox_vm.machine.slots if slot.medium != "none"}
        add_drive(driver, vbox_vm, _slot_of_seed(vbox_vm.values["name"], vbox_vm.controllers, used), path)


def seed_slot(name, controllers, config):
    """The slot in which ``attach_seed`` will attach the seed of a VM with these settings, or raises Refused."""
    return _slot_of_seed(name, controllers, {*(config.get("disks") or ()), *(config.get("cdroms") or ())})


def _slot_of_seed(name, controllers, used):
    free = [slot for slot in slots_of_drives(controllers) if slot not in used]
    if not free:
        raise _no_free_slot(name, "cloud_init")
    return free[-1]


def _no_free_slot(name, option):
    controller = controller_of_disks() if is_arm() else _CONTROLLER
    return Refused(
        f"{name}: {option}: no slot is free for an optical drive on the {controller} controller.",
        "Detach a disk or an optical drive from that controller.",
    )


def remove_drive(driver, vbox_vm, slot):
    _insert(driver, vbox_vm.uuid, (slot.controller, slot.port, slot.device), "none")
