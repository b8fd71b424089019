# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proxmox VE: disks: reading, writing and checking them."""

from __future__ import annotations

from decimal import Decimal
from urllib.parse import quote, unquote

from ...._core.errors import ApiError, NotFound, Refused
from ...._core.model import LIVE, NEVER, NEXT_BOOT, POWER_OFF
from ...._core.pattern import Pattern
from ...._core.texts import removal
from ...._core.units import MIB
from ...._kit.disk_limits import Limit, check_limit, normalized_limits
from ...._kit.settings import Setting
from ...._tools import proxmox_values as values
from .hardware import cost_by_hotplug

UNUSED = Pattern(r"unused\d+")
_DECIMAL = Pattern(r"\d+(\.\d+)?")
DELETE_UNUSED = DELETE_OWNED, DELETE_ALL = "delete_owned", "delete_all"
#: Volumes with the state of the firmware and of the TPM.
STATE_VOLUMES = ("efidisk0", "tpmstate0")
VOLUME = Pattern(r"[A-Za-z][\w.-]*:[^\s,]+")
#: In the name of a volume: content other than a disk.
_KIND = Pattern(r"[^:]+:(iso|import|vztmpl|snippets|backup)/")
_OPTION_OF_KIND = {
    "iso": "For an ISO image use the option iso.",
    "import": "To create a disk from it, set it as image of a new VM.",
}
#: The slot of the disk that is created from an image.
FIRST_SLOT = "scsi0"
#: Disks on these buses can be attached and detached while a VM runs.
_HOTPLUG_BUSES = ("scsi", "virtio")
_LONGEST_SERIAL = 20
#: The server ignores a disk with ``bps`` next to ``mbps``.
_BPS = ("bps", "bps_rd", "bps_wr")
#: {option: sub-keys of a disk}
LIMITS = {
    "iops_limit": Limit("iops", ("iops_rd", "iops_wr"), "iops_max"),
    "bandwidth_limit": Limit("mbps", ("mbps_rd", "mbps_wr", *_BPS), "mbps_max"),
}


def drives_of(options):
    """{slot: sub-keys} of all drives: disks, optical drives and the cloud-init drive."""
    return {key: values.parse(key, text) for key, text in sorted(options.items()) if values.bus_of(key)}


def disks_of(options):
    """{slot: sub-keys} of all disks."""
    return {slot: drive for slot, drive in drives_of(options).items() if not values.is_cdrom(drive) and drive}


def volumes_of(options):
    """{option: volume} of all volumes except ISO images.

    These are disks, detached disks, the states of firmware and TPM, saved memory, and the cloud-init drive.
    """
    found = {}
    for key, text in options.items():
        if values.bus_of(key) or key in STATE_VOLUMES or UNUSED.fullmatch(key):
            drive = values.parse(key, text)
            if ":" in drive.get("file", "") and (not values.is_cdrom(drive) or values.is_seed(drive)):
                found[key] = drive["file"]
        elif key == "vmstate":
            found[key] = text
    return found


def unused_of(options):
    """{option: volume} of the disks that are not attached, in the order of their numbers."""
    found = [key for key in options if UNUSED.fullmatch(key)]
    return {key: options[key] for key in sorted(found, key=lambda key: int(key[len("unused") :]))}


def _normalized_unused(vm, requested, known):
    """The unused disks that remain: all, none, or those that no task has detached."""
    found = vm.config.get("unused_disks") or ()
    if requested == DELETE_OWNED:
        mark = vm.mark if vm.owned else {"slots": ()}
        return tuple(one for one in found if values.owner_of(one) != vm.id or not _is_detached_by_task(mark, one))
    return () if requested == DELETE_ALL else found


def _is_detached_by_task(mark, volume):
    """A mark of an earlier version does not name what was detached: all count, as for a deletion of the VM."""
    return "slots" not in mark or volume in mark.get("detached", ())


def _delete_unused(update, change):
    gone = set(change.old or ()) - set(change.new)
    update.to_purge += [key for key, volume in unused_of(update.current).items() if volume in gone]


def _read_disk(drive):
    volume = drive.get("file", "")
    return {
        "size": values.size_of(drive.get("size")),
        "format": values.format_of(volume),
        "storage": storage_of(volume),
        "source": volume,
        **({"serial": unquote(drive["serial"])} if drive.get("serial") else {}),
        **_read_limits(drive),
    }


def _read_disks(options):
    return {slot: _read_disk(drive) for slot, drive in disks_of(options).items()}


def storage_of(volume):
    """The storage of a volume; None for a path on the node."""
    storage, colon, _name = volume.partition(":")
    return storage if colon and not volume.startswith("/") else None


def _add_disk(update, change):
    if change.key in update.current:
        return
    requested = change.new
    if requested.get("source"):
        update.to_set[change.key] = values.printed(change.key, {"file": requested["source"], **own_parts(requested)})
        return
    volume = f"{requested.get('storage') or update.storage}:{values.gibibytes(requested['size'])}"
    parts = {"file": volume, **own_parts(requested)}
    if requested.get("format") and requested["format"] != "raw":
        parts["format"] = requested["format"]
    update.to_set[change.key] = values.printed(change.key, parts)


def _remove_disk(update, change):
    if change.key in update.current:
        update.to_remove.append(change.key)


def _grow_disk(update, change):
    current = values.size_of(values.parse(change.key, update.current.get(change.key, "")).get("size"))
    if current is None or current < change.new:
        update.to_grow[change.key] = change.new


def _set_serial(update, change):
    update.merge(change.key, serial_part({"serial": change.new}))


def own_parts(disk):
    """The sub-keys that a disk has besides its volume, as the server stores them."""
    return {**serial_part(disk), **_limit_parts(disk)}


def serial_part(disk):
    return {"serial": quote(disk["serial"])} if disk.get("serial") else {}


def _limit_parts(disk):
    """The sub-keys of the limits. Of an integer number of bytes, the number of MiB has a finite number of digits."""
    return {limit.name: _printed_limit(option, disk[option]) for option, limit in LIMITS.items() if disk.get(option)}


def _printed_limit(option, value):
    return f"{Decimal(value) / MIB:f}" if option == "bandwidth_limit" else str(value)


def _read_limits(drive):
    numbers = {option: _number(drive.get(limit.name)) for option, limit in LIMITS.items()}
    numbers["bandwidth_limit"] *= MIB
    return {option: int(number) for option, number in numbers.items() if number >= 1}


def _number(text):
    return Decimal(text) if _DECIMAL.fullmatch(text or "") else Decimal(0)


def _set_limit(update, change):
    parts = {limit.name: None for option, limit in LIMITS.items() if option == change.attribute}
    update.merge(change.key, {**parts, **_limit_parts({change.attribute: change.new})})


def check_limits(label, slots, options):
    """Raise Refused if QEMU would not start the VM with the limits of its disks in ``options``."""
    for slot in slots:
        drive = values.parse(slot, options.get(slot) or "")
        numbers = {name: float(_number(text)) for name, text in drive.items()}
        for option, limit in LIMITS.items():
            about = f"{label}: disks.{slot}.{option}"
            check_limit(about, limit, numbers, lambda name, slot=slot: f"Set native: {{{slot}: '{name}='}}.")


def _normalized(vm, requested, known):
    for slot, disk in requested.items():
        if disk is None and slot in (*vm.reserved, *(vm.config.get("cdroms") or ())):
            way = "cloud_init: {state: absent}" if slot in vm.reserved else removal("cdroms", slot)
            raise Refused(f"{vm.name}: disks.{slot}: it is not a disk, but an optical drive.", f"Remove it by {way}.")
        _check_disk(vm, slot, disk or {})
        _check_storage(vm, slot, disk, known.storage)
    return normalized_limits(vm, requested, LIMITS)


def _check_disk(vm, slot, disk):
    if values.bus_of(slot) is None:
        buses = ", ".join(f"{bus}0 to {bus}{count - 1}" for bus, count in values.BUSES.items())
        raise Refused(f"{vm.name}: disks: '{slot}' is not a valid slot.", f"Slots are {buses}.")
    if len(disk.get("serial", "")) > _LONGEST_SERIAL:
        raise Refused(
            f"{vm.name}: disks: serial of {slot} has {len(disk['serial'])} characters.",
            f"Proxmox VE takes at most {_LONGEST_SERIAL}.",
        )
    if disk.get("source") and not VOLUME.fullmatch(disk["source"]):
        raise Refused(
            f"{vm.name}: disks: source of {slot} is '{disk['source']}', which is not a volume.",
            "Write STORAGE:VOLUME, as pvesm list shows it.",
        )


def _check_storage(vm, slot, disk, storage):
    """Raise Refused if the option storage of the task, or of the disk, does not match an existing disk or a source.

    The option storage of the task is for new disks; it does not move existing ones. The disks of a new clone do not
    exist yet.
    """
    found = ((vm.config.get("disks") or {}).get(slot) or {}) if disk is not None else {}
    source, own = (disk or {}).get("source"), (disk or {}).get("storage")
    if source and own and storage_of(source) != own:
        raise Refused(f"{vm.name}: disks: storage of {slot} is '{own}', but its source is '{source}'.", "Remove one.")
    if storage and found.get("source") and not (own or source) and found["storage"] not in (None, storage):
        raise Refused(
            f"{vm.name}: storage: disk {slot} is on '{found['storage']}', not on '{storage}'; the option storage is for"
            " new disks only.",
            f"To move the disk set disks: [{{slot: {slot}, storage: {storage}}}]; to leave it set its storage to"
            f" '{found['storage']}' there.",
        )


def check_new_disks(driver, label, before, node, disks):
    """Raise Refused or NotFound for the first of ``disks`` ({slot: new disk}) that ``node`` cannot create or attach.

    ``before`` is the VmBefore. The format of a disk cannot change, so the next run would reject a difference.
    """
    for slot, disk in disks.items():
        requested, volume, storage = disk.get("format"), disk.get("source"), disk.get("storage")
        if storage:
            driver.resources.choose_storage(label, node, "images", storage)
        if volume:
            _check_source(driver, label, before, node, slot, volume)
        if requested and volume:
            _check_format_of_volume(label, slot, requested, volume)
        elif requested and requested != "raw":
            storage = driver.resources.choose_storage(label, node, "images", storage or driver.storage)
            _check_holds_files(driver, label, slot, requested, storage)


def space_of_new(disks, storage):
    """Return {storage: bytes} that new ``disks`` need; ``storage`` is that of those without their own."""
    needed = {}
    for disk in disks.values():
        if not disk.get("source"):
            own = disk.get("storage") or storage
            needed[own] = needed.get(own, 0) + (disk.get("size") or 0)
    return needed


def _check_source(driver, label, before, node, slot, volume):
    _check_kind(label, slot, volume)
    owner = values.owner_of(volume)
    # The name of a volume contains the id of a VM. The volume is deleted with this VM, even if it is not attached.
    user = driver.name_of(owner)
    if user and owner != before.vmid:
        raise Refused(
            f"{label}: disks: source of {slot}: '{volume}' belongs to '{user}', and is deleted with it.",
            "Detach it there, and change its owner first (web interface: Reassign Owner).",
        )
    size_of_volume(driver, label, node, volume)


def _check_kind(label, slot, volume):
    kind = _KIND.match(volume)
    if kind:
        remedy = _OPTION_OF_KIND.get(kind[1], "Use a volume that pvesm list shows with the content images.")
        raise Refused(f"{label}: disks: source of {slot}: '{volume}' is no disk, its content is {kind[1]}.", remedy)


def check_slot(label, slot, options):
    """Raise Refused if the slot of a new disk contains an optical or cloud-init drive."""
    if slot in options:
        is_seed = values.is_seed(values.parse(slot, options[slot]))
        content = "the drive of cloud-init" if is_seed else "an optical drive"
        raise Refused(f"{label}: disks: {slot} is {content}, so it cannot be a disk.", "Use another slot.")


def _check_format_of_volume(label, slot, requested, volume):
    found = values.format_of(volume)
    if requested != found:
        raise Refused(
            f"{label}: disks: format of {slot} is '{requested}', and '{volume}' is {found}.", "Remove the format."
        )


def _check_holds_files(driver, label, slot, requested, storage):
    if not driver.resources.holds_files(storage):
        raise Refused(
            f"{label}: disks: format of {slot} is '{requested}', but storage '{storage}' has only raw data, no files.",
            "Remove the format, or use a storage that holds files.",
        )


def size_of_volume(driver, label, node, volume):
    """The size of a volume in bytes. Raises NotFound if the node does not have it."""
    storage = volume.partition(":")[0]
    try:
        return driver.tool.get(f"/nodes/{node}/storage/{storage}/content/{volume}")["size"]
    except ApiError as error:
        raise NotFound(
            f"{label}: node '{node}' has no volume '{volume}' ({error.message})",
            f"List the volumes: pvesm list {storage}.",
        ) from error


def free_slot(used, slots, what):
    """The first of ``slots`` that is not used. Raises Refused, with ``what`` as the option, if there is none."""
    free = next((slot for slot in slots if slot not in used), None)
    if free is None:
        raise Refused(
            f"{what}: no slot is free for its drive: {', '.join(sorted(slots))} are in use.",
            f"Detach a disk from one of them in an earlier task, such as {removal('disks', slots[-1])}, or give a new"
            " VM's disks other slots.",
        )
    return free


def boot_disks_of(options):
    """The devices in the boot order, which the server does not detach from a running VM (recorded: destroy_refused)."""
    order = values.parse("boot", options.get("boot", "")).get("order")
    return tuple((options.get("bootdisk", "") if order is None else order).split(";"))


def cost_of_disk(vm, change):
    is_booted = change.kind.endswith(".remove") and change.key in (vm.active or {}).get("boot_disks", ())
    can_be_live = values.bus_of(change.key) in _HOTPLUG_BUSES and not is_booted
    return cost_by_hotplug("disk", vm) if can_be_live else NEXT_BOOT


def _cost_of_growth(vm, change):
    """The server resizes and moves the disks of the running VM.

    A disk that is attached at the next start can be resized or moved only after that.
    """
    waits = vm.on and vm.active is not None and _source_of(vm.active, change.key) != _source_of(vm.config, change.key)
    return POWER_OFF if waits else LIVE


def _source_of(config, slot):
    return (config["disks"].get(slot) or {}).get("source")


DISKS = {
    "disks": Setting(read=_read_disks, normalize=_normalized, native=("unused",)),
    "disks.add": Setting(cost=cost_of_disk, write=_add_disk),
    "disks.remove": Setting(cost=cost_of_disk, write=_remove_disk),
    "disks.size": Setting(cost=_cost_of_growth, whole=1024, write=_grow_disk),
    "disks.format": Setting(cost=NEVER, choices=("raw", "qcow2", "vmdk")),
    # Moves to another storage are calls of their own, see moving.py.
    "disks.storage": Setting(cost=_cost_of_growth),
    # The server stores it at once, although the guest has the former one until it is off: nothing would show that.
    "disks.serial": Setting(cost=POWER_OFF, write=_set_serial),
    **dict.fromkeys((f"disks.{option}" for option in LIMITS), Setting(cost=_cost_of_growth, write=_set_limit)),
    "disks.source": Setting(cost=NEVER, same=values.is_same_volume),
    # The server deletes them at once, also while the VM runs.
    "unused_disks": Setting(
        cost=LIVE,
        read=lambda options: tuple(unused_of(options).values()),
        normalize=_normalized_unused,
        write=_delete_unused,
    ),
}
