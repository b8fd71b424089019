# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands storagectl, storageattach, and all that work on media. The double's images are small files."""

from __future__ import annotations

import os
from pathlib import Path

from . import images
from .failures import PROGRESS, Failure, Misuse, in_use, invalid, not_found, wrong_state
from .registry import ON, folder_of, options

#: {bus: (type, initial number of ports, maximum, devices per port)}.
_CONTROLLERS = {
    "sata": ("IntelAhci", 30, 30, 1),
    "ide": ("PIIX4", 2, 2, 2),
    "scsi": ("LsiLogic", 16, 16, 1),
    "sas": ("LsiLogicSas", 8, 255, 1),
    "floppy": ("I82078", 1, 1, 2),
    "usb": ("USB", 8, 8, 1),
    "pcie": ("NVMe", 1, 255, 1),
    "virtio-scsi": ("VirtioSCSI", 1, 256, 1),
}
_FORMATS = ("VDI", "VMDK", "VHD", "RAW")
_MIB = 1024 * 1024
#: The size in MiB of the largest image that is not broken. VirtualBox creates larger ones without an error.
_LARGEST = {"VDI": (1 << 30) - 1024, "VHD": (2 << 20) - 1, "VMDK": 1 << 30, "RAW": 1 << 30}


def control(registry, words):
    (name,), given = options(
        words, ("name", "add", "controller", "portcount", "bootable", "hostiocache", "rename"), ("remove",)
    )
    config = registry.lock(name)["config"]
    controller = _controller(config, given["name"])
    if "add" in given:
        _add_controller(config, given, controller)
    elif controller is None:
        raise not_found(f"Could not find a storage controller named '{given['name']}'", "SessionMachine")
    elif "remove" in given:
        config["controllers"].remove(controller)
        del config["slots"][given["name"]]
    elif "rename" in given:
        config["slots"][given["rename"]] = config["slots"].pop(given["name"])
        controller["name"] = given["rename"]
    elif "portcount" in given:
        _set_ports(controller, given["portcount"])


def _controller(config, name):
    return next((one for one in config["controllers"] if one["name"] == name), None)


def _add_controller(config, given, existing):
    if given["add"] not in _CONTROLLERS:
        raise Failure(f"Invalid --add argument '{given['add']}'")
    if existing:
        raise in_use(f"Storage controller named '{given['name']}' already exists")
    kind, ports, most, devices = _CONTROLLERS[given["add"]]
    if given["add"] == "sata" and any(one["type"] == kind for one in config["controllers"]):
        raise invalid("Too many storage controllers of this type", "StorageControllerWrap")
    controller = {"name": given["name"], "type": kind, "instance": "0", "maxportcount": str(most),
                  "portcount": str(ports), "bootable": given.get("bootable", "on"), "devices": devices}  # fmt: skip
    if "portcount" in given:
        _set_ports(controller, given["portcount"])
    config["controllers"].append(controller)
    config["slots"][given["name"]] = {}


def _set_ports(controller, ports):
    if not 1 <= int(ports) <= int(controller["maxportcount"]):
        raise invalid(
            f"Invalid port count: {ports} (must be in range [1, {controller['maxportcount']}])", "StorageControllerWrap"
        )
    controller["portcount"] = ports


def attach(registry, words):
    values = ("storagectl", "port", "device", "type", "medium", "hotpluggable", "nonrotational", "discard", "mtype")
    (name,), given = options(words, values, ("forceunmount",))
    machine = registry.lock(name, write=False)
    config, place = machine["config"], f"{given.get('port', '0')}-{given.get('device', '0')}"
    controller = _controller(config, given["storagectl"])
    if controller is None:
        raise Failure(f"Could not find a controller named '{given['storagectl']}'")
    if machine["state"] in ("saved", "aborted-saved"):
        raise wrong_state("The machine is not mutable or running (state is Saved)")
    slots = config["slots"][controller["name"]]
    if given["medium"] == "none":
        _detach(machine, slots, controller, place)
        return
    kind = given.get("type") or slots.get(place, {}).get("kind", "hdd")
    slot = {"medium": _medium_for(registry, given), "kind": kind}
    flags = {"hot-pluggable": "hotpluggable", "nonrotational": "nonrotational", "discard": "discard"}
    slot.update({key: given[option] for key, option in flags.items() if option in given})
    _add_ports(machine, controller, place)
    _require_valid_place(controller, place)
    _require_drives(machine, slots, controller, place, slot)
    _require_unattached(registry, config, slot, slots.get(place))
    _require_hot_pluggable(machine, slots, controller, place, slot)
    if given.get("mtype") == "immutable":
        registry.media[slot["medium"]]["kind"] = "immutable"
        attach_child(registry, machine, slot)
    slots[place] = slot


def _medium_for(registry, given):
    if given["medium"] == "emptydrive":
        return "emptydrive"
    try:
        return registry.medium_of(given["medium"])["uuid"]
    except Failure as failure:
        failure.after = (f'Invalid UUID or filename "{given["medium"]}"',)
        raise


def _detach(machine, slots, controller, place):
    port, device = place.split("-")
    if place not in slots:
        raise not_found(
            f"No storage device attached to device slot {device} on port {port} of controller '{controller['name']}'",
            "SessionMachine",
        )
    _require_hot_pluggable(machine, slots, controller, place, None)
    del slots[place]


def _require_drives(machine, slots, controller, place, slot):
    """Fail for an optical drive on NVMe, and for an image in a drive that a VM does not have while it is on."""
    is_filled = slot["medium"] != "emptydrive"
    if slot["kind"] != "dvddrive":
        return
    if controller["type"] == "NVMe":
        given = "given attachment" if is_filled else "attachment"
        raise Failure(f"The {given} is not supported by the storage controller '{controller['name']}'")
    if machine["state"] in ON and is_filled and place not in slots:
        port, device = place.split("-")
        raise not_found(
            f"No drive attached to device slot {device} on port {port} of controller '{controller['name']}'",
            "SessionMachine",
        )


def _require_hot_pluggable(machine, slots, controller, place, slot):
    """Fail unless the change is possible while the VM is on: another ISO image in a drive, or a disk or empty drive in
    a free slot of a SATA controller, which can then be detached again.
    """
    before = slots.get(place)
    is_exchange = slot and before and before["kind"] == slot["kind"] == "dvddrive"
    if machine["state"] not in ON:
        return
    if not is_exchange and controller["type"] != "IntelAhci":
        raise wrong_state(f"Controller '{controller['name']}' does not support hot-plugging")
    if not is_exchange and before and not before.get("hot"):
        port, device = place.split("-")
        where = f"device slot {device} on port {port} of controller '{controller['name']}'"
        raise Failure(f"The {where} does not support hot-plugging", code="VBOX_E_NOT_SUPPORTED")
    if slot and (not before or before.get("hot")):
        slot["hot"] = True


def _add_ports(machine, controller, place):
    """Enlarge the number of a controller's ports up to ``place``, if its maximum allows it."""
    wanted = int(place.split("-")[0]) + 1
    if machine["state"] not in ON and int(controller["portcount"]) < wanted <= int(controller["maxportcount"]):
        controller["portcount"] = str(wanted)


def _require_valid_place(controller, place):
    port, device = map(int, place.split("-"))
    if port >= int(controller["portcount"]) or device >= controller["devices"]:
        raise invalid(
            f"The port and/or device parameter are out of range: port={port} (must be in range "
            f"[0, {int(controller['portcount']) - 1}]), device={device} (must be in range "
            f"[0, {controller['devices'] - 1}])",
            "StorageControllerWrap",
        )


def _require_unattached(registry, config, slot, before):
    attached = [one["medium"] for slots in config["slots"].values() for one in slots.values() if one is not before]
    if slot["kind"] == "hdd" and slot["medium"] in attached:
        path = registry.media[slot["medium"]]["location"]
        raise in_use(f"Medium '{path}' is already attached to this virtual machine")


def create_medium(registry, words):
    _plain, given = options(words, ("filename", "size", "sizebyte", "format", "variant", "diffparent"))
    form = given.get("format", "VDI")
    if form not in _FORMATS:
        raise invalid(f"Invalid medium storage format '{form}'", "MediumWrap")
    if not given.get("filename"):
        raise Misuse("Parameter --filename is required")
    parent = registry.medium_of(given["diffparent"]) if "diffparent" in given else {"uuid": None, "size": 0}
    size = int(given["sizebyte"]) // _MIB if "sizebyte" in given else int(given.get("size", parent["size"]))
    if not size:
        raise Misuse("Parameter --size is required")
    path = given["filename"]
    path = path if os.path.splitext(path)[1] else f"{path}.{form.lower()}"
    if os.path.exists(path):
        raise Failure(
            "Failed to create medium",
            f"Could not create the medium storage unit '{path}'.",
            f"{form}: cannot create image '{path}' (VERR_ALREADY_EXISTS)",
            code="VBOX_E_FILE_ERROR",
            part="MediumWrap",
            work=True,
        )
    if form == "VMDK" and size > _LARGEST[form]:
        raise Failure(
            "Failed to create medium",
            f"Could not create the medium storage unit '{path}' (VERR_VD_INVALID_SIZE)",
            code="VBOX_E_FILE_ERROR",
            part="MediumWrap",
            work=True,
        )
    broken = {"broken": True} if size > _LARGEST[form] else {}
    medium = _make(registry, path, form, size, parent["uuid"], variant=given.get("variant", "Standard"), **broken)
    registry.print(f"Medium created. UUID: {medium['uuid']}")
    registry.stderr.append(PROGRESS)


def _make(registry, path, form, size, parent=None, register=True, **more):
    properties = {"location": path, "format": form, "size": size, "parent": parent, **more}
    medium = {"uuid": properties.pop("uuid", None) or registry.new_uuid(), **properties}
    images.write(medium)
    if register:
        registry.media[medium["uuid"]] = medium
    return medium


def convert_from_raw(registry, words):
    """Create an image from a raw file. The name of this file determines the simulated guest."""
    (raw, path), given = options(words, ("format", "variant"))
    size = os.path.getsize(raw)
    begin = Path(raw).read_bytes()
    guest = (os.path.splitext(os.path.basename(raw))[0], images.crc_of(begin))
    registry.stderr.append(f'Converting from raw image file="{raw}" to file="{path}"...\n')
    registry.stderr.append(f"Creating dynamic image with size {size} bytes ({size // _MIB}MB)...\n")
    medium = _make(registry, path, given.get("format", "VDI"), size // _MIB, register=False, guest=guest)
    images.fill_from(medium, begin)


def attach_child(registry, machine, slot, full=False):
    """Replace the image in a slot by a new differencing image on top of it, or with ``full`` by a copy of it."""
    before = registry.media[slot["medium"]]
    if full:
        base = registry.base_of(before)
        path = os.path.join(folder_of(machine), f"{os.path.basename(folder_of(machine))}.vdi")
        number = 1
        while os.path.exists(path):
            number += 1
            path = os.path.join(folder_of(machine), f"{os.path.basename(folder_of(machine))}-disk{number}.vdi")
        variant = base.get("variant", "Standard")
        medium = _make(registry, path, before["format"], before["size"], guest=base.get("guest"), variant=variant)
        images.fill(medium, registry.chain(before))
    else:
        uuid = registry.new_uuid()
        suffix = os.path.splitext(registry.base_of(before)["location"])[1]
        path = os.path.join(folder_of(machine), "Snapshots", f"{{{uuid}}}{suffix}")
        medium = _make(registry, path, before["format"], before["size"], parent=before["uuid"], uuid=uuid)
    slot["medium"] = medium["uuid"]


def remove_medium(registry, medium):
    """Delete an image. VirtualBox does not delete the file of one that it cannot open, and reports no error."""
    registry.media.pop(medium["uuid"], None)
    if os.path.exists(medium["location"]) and not medium.get("broken"):
        os.remove(medium["location"])


def access_error(medium):
    """Why an image cannot be opened, or an empty string."""
    path = medium["location"]
    if medium.get("broken"):
        return f"Could not open the medium '{path}'."
    found = images.uuid_in(path)
    if found in (None, medium["uuid"]):
        return ""
    return (
        f"UUID {{{found}}} of the medium '{path}' does not match the value {{{medium['uuid']}}} stored in the media"
        " registry ('VirtualBox.xml')"
    )


def require_accessible(registry, medium):
    """Fail for an image that cannot be opened, or that is on top of such an image."""
    for one in registry.chain(medium):
        if access_error(one):
            raise Failure(access_error(one), code="NS_ERROR_FAILURE", part="MediumWrap")


def users(registry, medium, machines=None):
    """(VM, its snapshots that use the medium) of each VM that uses a medium now or in a snapshot."""
    found = []
    for machine in registry.machines.values() if machines is None else machines:
        snapshots = [one for one in machine["snapshots"] if _uses(one["config"], medium)]
        if _uses(machine["config"], medium) or snapshots:
            found.append((machine, snapshots))
    return found


def _uses(config, medium):
    return any(slot["medium"] == medium["uuid"] for slots in config["slots"].values() for slot in slots.values())


def describe(registry, medium, machines=None):
    """The lines of showmediuminfo; with ``machines``, only a list of those VMs that use the medium."""
    used = []
    for machine, snapshots in users(registry, medium, machines):
        own = f"{machine['name']} (UUID: {machine['uuid']})"
        theirs = ", ".join(f"{one['name']} (UUID: {one['uuid']})" for one in snapshots)
        used.append(f"{own} [{theirs}]" if theirs else own)
    if machines is not None:
        return used
    is_child, is_image = bool(medium["parent"]), medium["format"] == "RAW"
    lock = "read" if is_image else "write"
    is_locked = any(machine["state"] in ON for machine, _snapshots in users(registry, medium))
    variant = "differencing" if is_child else "fixed" if is_image or medium.get("variant") == "Fixed" else "dynamic"
    normal = f"normal ({'differencing' if is_child else 'base'})"
    kind = "readonly" if is_image else medium.get("kind", normal)
    error = access_error(medium)
    state = "inaccessible" if error else f"locked {lock}" if is_locked else "created"
    lines = [f"UUID:           {medium['uuid']}", f"Parent UUID:    {medium['parent'] or 'base'}",
             f"State:          {state}"]  # fmt: skip
    lines += [f"Access Error:   {error}"] if error else []
    lines += [f"Type:           {kind}"]
    lines += ["Auto-Reset:     off"] if is_child else []
    lines += [f"Location:       {medium['location']}", f"Storage format: {medium['format']}",
              f"Format variant: {variant} default", f"Capacity:       {medium['size']} MBytes",
              "Size on disk:   2 MBytes", "Encryption:     disabled"]  # fmt: skip
    lines += [] if is_image else ["Property:       AllocationBlockSize=1048576"]
    children = [one["uuid"] for one in registry.media.values() if one["parent"] == medium["uuid"]]
    return lines + _column("In use by VMs:", used) + _column("Child UUIDs:", children)


def _column(title, values):
    return [f"{title if not number else '':15} {value}" for number, value in enumerate(values)]


def show_medium(registry, words):
    plain, _given = options(words)
    registry.print("\n".join(describe(registry, registry.medium_of(plain[-1]))))


def modify_medium(registry, words):
    plain, given = options(words, ("resize", "resizebyte", "type", "move"), ("compact",))
    medium = registry.medium_of(plain[-1])
    if any(machine["state"] in ON for machine, _snapshots in users(registry, medium)):
        raise Failure(
            f"Failed to lock media when resizing '{medium['location']}'",
            code="VBOX_E_INVALID_OBJECT_STATE",
            part="MediumWrap",
            after=("Failed to resize medium!",),
        )
    size = int(given["resizebyte"]) // _MIB if "resizebyte" in given else int(given.get("resize", medium["size"]))
    problem = None
    if size < medium["size"]:
        problem = f"Shrinking is not yet supported for medium '{medium['location']}'"
    elif size > medium["size"] and medium.get("variant") == "Fixed":
        problem = f"Resizing to new size {size * _MIB} is not yet supported for medium '{medium['location']}'"
    if problem:
        raise Failure("Failed to resize medium", problem, code="VBOX_E_NOT_SUPPORTED", part="MediumWrap", work=True)
    medium["size"] = size
    images.write(medium)
    registry.stderr.append(PROGRESS)


def clone_medium(registry, words):
    plain, given = options(words, ("format", "variant"), ("existing",))
    source = registry.medium_of(plain[-2])
    require_accessible(registry, source)
    form = given.get("format", source["format"])
    copy = _make(registry, plain[-1], form, source["size"], guest=registry.base_of(source).get("guest"))
    images.fill(copy, registry.chain(source))
    registry.print(f"Clone medium created in format '{form}'. UUID: {copy['uuid']}")
    registry.stderr.append(PROGRESS)


def close_medium(registry, words):
    plain, given = options(words, (), ("delete",))
    medium = registry.medium_of(plain[-1])
    used = users(registry, medium)
    if used:
        where = f"it is still attached to {len(used)} virtual machines"
        if "delete" in given:
            _print_deletion_error(registry, medium, used)
        raise in_use(f"Medium '{medium['location']}' cannot be closed because {where}", "MediumWrap")
    children = [one for one in registry.media.values() if one["parent"] == medium["uuid"]]
    if children:
        text = f"Cannot close medium '{medium['location']}' because it has {len(children)} child media"
        raise in_use(text, "MediumWrap")
    if "delete" in given:
        remove_medium(registry, medium)
        registry.stderr.append(PROGRESS)
    else:
        registry.media.pop(medium["uuid"])


def _print_deletion_error(registry, medium, used):
    """VBoxManage tries to delete the medium, prints this error, and then tries to close it."""
    machines = ", ".join(machine["uuid"] for machine, _snapshots in used)
    failure = in_use(
        f"Cannot delete storage: medium '{medium['location']}' is still attached to the following {len(used)} "
        f"virtual machine(s): {machines}",
        "MediumWrap",
    )
    failure.after = ("Failed to delete medium. Error code VBOX_E_OBJECT_IN_USE",)
    registry.print_error(failure)
