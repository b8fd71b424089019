# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt: disks: slots, reading and writing them in a definition, changing them, and checks."""

from __future__ import annotations

import os
import re
import xml.etree.ElementTree as ET
from shlex import quote

from ...._core.errors import CommandFailed, Refused
from ...._core.model import LIVE, NEVER, NEXT_BOOT, PAUSED, POWER_OFF, SUSPENDED
from ...._core.pattern import Pattern
from ...._core.record.mark import own_mark, reusable_of
from ...._kit.disk_limits import normalized_limits
from ...._kit.settings import DIRECTORY, Setting, check_directories
from ...._ports import change_counter, files
from ...._tools.domain_xml import file_or_device_of, find_or_add_child, source_of, target_of
from .disk_limits import LIMITS, cost_if_attached, disk_at, read_limits, write_limit

_BUSES = {"vd": "virtio", "sd": "scsi", "hd": "ide"}
_HOT_PLUGGABLE = ("virtio", "scsi")
_TARGET = Pattern(r"(vd|sd|hd)[a-z]{1,3}")
_SECTOR = 512
_SATA = Pattern(r"sata([0-9]{1,3})")


def bus_of(slot, entry=None):
    """The bus of a disk: ``bus`` of its entry, else the bus implied by its slot."""
    return (entry or {}).get("bus") or _BUSES.get(slot[:2], "virtio")


def slot_name(index, prefix="vd"):
    """The target with this index on a bus: vda, vdb ... vdz, vdaa (the inverse of libvirt's virDiskNameToIndex)."""
    letters, number = "", index + 1
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(ord("a") + rest) + letters
    return prefix + letters


def normalize_slots(vm, disks):
    """``disks`` with libvirt's targets as keys; sata0 becomes sda with ``bus`` sata, because sda alone means SCSI."""
    normalized = {}
    for slot, entry in disks.items():
        target, normalized_entry = _target(vm, slot), entry
        if target != slot:
            present = (vm.config.get("disks") or {}).get(target)
            if entry is None and present and present["bus"] != "sata":
                continue  # The existing disk is on another bus, so the disk to be removed does not exist.
            normalized_entry = None if entry is None else {**entry, "bus": "sata"}
        if target in normalized:
            raise Refused(f"{vm.name}: disks: {slot} and {target} are the same slot.", "Keep only one of them.")
        normalized[target] = _in_sectors(normalized_entry)
    check_directories(vm, normalized, os.path.dirname, os.path.realpath)
    return normalized_limits(vm, normalized, LIMITS)


def named_slots(disks):
    """``disks`` with the slots as keys that a task sets: sata0 for sda on SATA (the inverse of normalize_slots)."""
    return {_slot_of(target, entry): _without_bus(target, entry) for target, entry in disks.items()}


def _slot_of(target, entry):
    is_sata = entry.get("bus") == "sata" and re.fullmatch(r"sd[a-z]", target)
    return f"sata{ord(target[2]) - ord('a')}" if is_sata else target


def _without_bus(target, entry):
    """The entry without a bus that follows from its slot."""
    is_implied = entry.get("bus") in (_BUSES.get(target[:2]), "sata" if target.startswith("sd") else None)
    return {name: value for name, value in entry.items() if name != "bus" or not is_implied}


def _in_sectors(entry):
    """The entry with its size rounded up to whole sectors, as QEMU does."""
    if entry is None or not entry.get("size"):
        return entry
    return {**entry, "size": -(-entry["size"] // _SECTOR) * _SECTOR}


def target_meant(slot):
    """libvirt's target of a slot: sda for sata0, others are unchanged."""
    sata = _SATA.fullmatch(slot)
    return slot_name(int(sata[1]), "sd") if sata else slot


def _target(vm, slot):
    if _SATA.fullmatch(slot):
        return target_meant(slot)
    if not _TARGET.fullmatch(slot):
        raise Refused(
            f"{vm.name}: disks: '{slot}' is not a valid slot.",
            "Use a slot such as vda (virtio), sda (SCSI), sata0 (SATA) or hda (IDE).",
        )
    return slot


def _cost_of_hot_plug(vm, change):
    return LIVE if bus_of(change.key, change.new or change.old) in _HOT_PLUGGABLE else NEXT_BOOT


def _cost_of_detaching(vm, change):
    """The guest must release the disk, which a paused guest does not."""
    return NEXT_BOOT if vm.power == PAUSED else _cost_of_hot_plug(vm, change)


def _cost_of_size(vm, change):
    # The guest in the saved memory would continue with the old size.
    return POWER_OFF if vm.power == SUSPENDED else cost_if_attached(vm, change)


DISKS = {
    "disks": Setting(normalize=normalize_slots),
    "disks.add": Setting(cost=_cost_of_hot_plug),
    "disks.remove": Setting(cost=_cost_of_detaching),
    "disks.size": Setting(cost=_cost_of_size),
    "disks.format": Setting(cost=NEVER, choices=("qcow2", "raw")),
    "disks.source": Setting(cost=NEVER),
    "disks.directory": DIRECTORY,
    "disks.serial": Setting(cost=NEXT_BOOT),
    **dict.fromkeys((f"disks.{option}" for option in LIMITS), Setting(cost=cost_if_attached)),
    "disks.bus": Setting(
        cost=NEVER,
        instead="SATA and SCSI disks share their slots: sata0 is sda. Use another slot, or detach the disk first.",
    ),
}


# Disks --------------------------------------------------------------------------------------------------------------


def read_disks(definition, sizes):
    """{slot: disk}; ``sizes`` is {slot: bytes}, and a size that could not be read is None."""
    return {target_of(disk): _read_disk(disk, sizes) for disk in definition.drives("disk", "lun")}


def _read_disk(disk, sizes):
    driver = disk.find("driver")
    return {
        "size": sizes.get(target_of(disk)),
        "format": driver.get("type", "raw") if driver is not None else "raw",
        "source": source_of(disk),
        "bus": disk.find("target").get("bus"),
        **({"serial": disk.findtext("serial")} if disk.findtext("serial") else {}),
        **read_limits(disk),
    }


def is_encrypted(disk):
    """Whether libvirt decrypts the image of a disk, with a passphrase that only its definition names."""
    return any(disk.find(path) is not None for path in ("encryption", "source/encryption"))


def check_encrypted(definition, slots, option, what):
    """Raise Refused if one of the disks is encrypted."""
    for disk in definition.drives("disk", "lun"):
        if target_of(disk) in slots and is_encrypted(disk):
            raise Refused(
                f"{definition.name}: {option}: disk {target_of(disk)} is encrypted, and {what}.",
                "Do it with virsh and qemu-img, and the passphrase of the disk.",
            )


def disk_element(slot, path, image_format, entry):
    kind, attribute = ("block", "dev") if files.is_block_device(path) else ("file", "file")
    disk = ET.Element("disk", {"type": kind, "device": "disk"})
    ET.SubElement(disk, "driver", {"name": "qemu", "type": image_format, "discard": "unmap"})
    ET.SubElement(disk, "source", {attribute: path})
    ET.SubElement(disk, "target", {"dev": slot, "bus": bus_of(slot, entry)})
    if entry.get("serial"):
        ET.SubElement(disk, "serial").text = entry["serial"]
    for option in LIMITS:
        if entry.get(option):
            write_limit(disk, option, entry[option])
    return disk


def set_serial(driver, vm, definition, running, change, created):
    """Set the serial number of a disk from the next start on."""
    find_or_add_child(disk_at(definition, change.key), "serial").text = change.new


def set_disk_file(disk, path, image_format):
    """Set a disk's file, and remove the recorded backing files of the previous one."""
    for tag in ("source", "backingStore", "mirror"):
        for child in disk.findall(tag):
            disk.remove(child)
    disk.set("type", "file")
    disk.append(ET.Element("source", {"file": path}))
    find_or_add_child(disk, "driver").set("type", image_format)


def set_disk_content(disk, other):
    """Give a disk the content of another one, and how it is accessed; its place in the VM remains."""
    for tag in ("source", "backingStore", "auth", "encryption", "readonly", "shareable"):
        for child in disk.findall(tag):
            disk.remove(child)
        disk.extend(other.findall(tag))
    disk.set("type", other.get("type", "file"))
    disk.set("device", other.get("device", "disk"))
    driver = other.find("driver")
    find_or_add_child(disk, "driver").set("type", "raw" if driver is None else driver.get("type", "raw"))


def insert_disk(definition, element):
    definition.devices.append(element)


def remove_disk_element(definition, slot):
    for disk in definition.drives("disk", "lun"):
        if target_of(disk) == slot:
            definition.devices.remove(disk)


def add_disk(driver, vm, definition, running, change, created):
    """Add a disk. A new file is in the mark already, as one that is being created (``configure.record_first``)."""
    slot, entry, new_files, before = change.key, change.new, [], change_counter.count()
    attached = attached_at(running, slot)
    if attached is not None:
        # An interrupted run has attached it to the running VM, but did not store it (``check_attached``).
        path, image_format = file_or_device_of(attached), attached.find("driver").get("type")
    elif entry.get("source"):
        path = entry["source"]
        image_format = driver.storage.format_of(entry)
    else:
        path, image_format = driver.storage.create_disk_of_vm(vm.name, slot, entry, None, new_files, own_mark(vm))
    if not entry.get("source"):
        created.append(path)
    element = disk_element(slot, path, image_format, entry)
    if running is not None and attached is None:
        _attach_disk(driver, vm, element, new_files, before)
    insert_disk(definition, element)


def check_attached(driver, vm, running, changes, mark):
    """Raise Refused if the running VM has a disk at the slot of a new one that no interrupted task has attached.

    ``running`` is its definition; None: it is off. ``mark`` names the files that a task is creating, or that a restore
    has left, before this step adds its own.
    """
    making = reusable_of(mark, files.identity)
    for change in (one for one in changes if one.kind == "disks.add" and one.cost == LIVE):
        attached = attached_at(running, change.key)
        if attached is not None:
            _check_attached(driver, vm, change, attached, making)


def attached_at(running, slot):
    """The disk at a slot of a running VM (its definition; None: it does not run), or None."""
    return disk_at(running, slot) if running is not None else None


def _check_attached(driver, vm, change, attached, making):
    """Only a file that the task names, or that the mark has named before it existed, is the new disk."""
    slot, source, path = change.key, change.new.get("source"), file_or_device_of(attached)
    expected = source or driver.storage.disk_path(vm.name, slot, change.new)
    is_known = source or expected in making
    if path and is_known and files.identity(path) == files.identity(expected):
        return
    found = path or source_of(attached) or "a disk"
    keep = f" To keep it, set disks.{slot}.source: {path}." if path else ""
    raise Refused(
        f"{vm.name}: disks.{slot}: the running VM has {found} there, which is not in its definition: another program"
        " has attached it.",
        f"Use another slot, or detach it (virsh detach-disk {quote(vm.name)} {slot} --live).{keep}",
    )


def _attach_disk(driver, vm, element, new_files, before):
    """Attach a disk to the running VM. After an error, its new files are removed if no VM uses them.

    libvirt may attach the disk although the call fails, for example because its answer was lost. This is no error.
    ``before`` is the number of changes before the files were created: files that are removed again are no change.
    """
    try:
        attach(driver, vm, element)
    except CommandFailed as error:
        from ..storage import remove_unused  # Here, because info modules do not need it.

        definitions = remove_unused(driver, new_files, error)
        if any(_has_disk(definition, element) for definition in definitions if definition.uuid == vm.id):
            return
        if definitions:
            change_counter.set_back(before)
            change_counter.note(doubtful=True)
        raise


def _has_disk(definition, element):
    place = target_of(element), file_or_device_of(element)
    return place in [(target_of(disk), file_or_device_of(disk)) for disk in definition.drives("disk")]


def remove_disk(driver, vm, definition, running, change, created):
    if running is not None and any(target_of(disk) == change.key for disk in running.drives("disk", "lun")):
        driver.virsh.run("detach-disk", vm.id, change.key, "--live")
    remove_disk_element(definition, change.key)


def grow_disk(driver, vm, definition, running, change, created):
    """Enlarge a disk. The core has rejected smaller sizes: blockresize would shrink the disk without a warning."""
    if running is not None:
        disks = [one for one in running.drives("disk", "lun") if target_of(one) == change.key]
        for path in filter(None, map(file_or_device_of, disks)):  # A volume has no path there.
            driver.check_written(path, "enlarge")
        driver.virsh.run("blockresize", vm.id, change.key, f"{change.new}B")
        return
    disk = vm.config["disks"][change.key]
    driver.storage.qemu_img.grow(disk["source"], disk["format"], change.new)


_NO_PCI_SLOT = "No more available PCI slots"


def attach(driver, vm, element):
    """Attach a device to the running VM. CommandFailed has a remedy if the VM has no free PCI slot."""
    try:
        driver.virsh.run("attach-device", vm.id, "/dev/stdin", "--live", stdin=ET.tostring(element, encoding="unicode"))
    except CommandFailed as error:
        if _NO_PCI_SLOT not in error.stderr:
            raise
        raise CommandFailed(
            error.argv,
            error.rc,
            error.stderr,
            message=f"{vm.name}: the running VM has no free PCI slot, so no {element.tag} can be added.",
            remedy="Stop the VM and run the task again: libvirt adds PCI slots to a stopped VM.",
        ) from error


def check_slots(driver, plan, one):
    """Reject a new disk at the slot of an optical drive, or of a disk that only the running VM has."""
    vm, changes = one.vm, [change for change in one.changes if change.kind == "disks.add"]
    for change in changes:
        drives = {target_of(drive) for one in driver.definitions_of(vm) for drive in one.drives("cdrom", "floppy")}
        if change.key in drives:
            raise Refused(
                f"{vm.name}: disks.{change.key}: the slot is used by an optical drive.",
                f"Use another slot, such as {_another_slot(driver, vm, change)}.",
            )
    running = [one for one in driver.definitions_of(vm) if one.root.get("id")] if changes else ()
    for definition in running:
        check_attached(driver, vm, definition, changes, own_mark(vm))


#: Kinds of changes that libvirt makes to the disk that the running VM has at a slot.
_OF_FILE = ("disks.size", "disks.remove", *(f"disks.{option}" for option in LIMITS))


def check_running_disks(driver, plan, one):
    """Reject a change of a disk of which the running VM has another file: libvirt would change that one."""
    vm = one.vm
    running, stored = ((config or {}).get("disks") or {} for config in (vm.active, vm.config))
    for change in one.changes:
        if change.kind not in _OF_FILE or change.cost != LIVE or change.key not in running:
            continue
        found, known = running[change.key].get("source"), (stored.get(change.key) or {}).get("source")
        if found != known:
            raise Refused(
                f"{vm.name}: {change.path}: the running VM has {found} there, and its definition has {known}.",
                "Restart the VM, or detach the disk that it has now with the program that has attached it.",
            )


def _another_slot(driver, vm, change):
    """A slot to suggest in the error."""
    if bus_of(change.key, change.new) != "sata":
        return "vdb"
    kinds = ("disk", "lun", "cdrom", "floppy")
    taken = {target_of(drive) for one in driver.definitions_of(vm) for drive in one.drives(*kinds)}
    return next(f"sata{unit}" for unit in range(len(taken) + 1) if slot_name(unit, "sd") not in taken)
