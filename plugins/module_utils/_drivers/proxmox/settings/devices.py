# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proxmox VE: devices passed to a VM: hostpciN and usbN, each a device of the node or a mapping of the cluster.

What else such a key has (pcie, x-vga, rombar ...) is kept. Keys with several devices, and spice, are left to native.
"""

from __future__ import annotations

from functools import cache

from ...._core.errors import NotFound, Refused
from ...._core.model import NEXT_BOOT
from ...._core.options.devices import PCI, USB, device_id, entry_of, is_product, is_valid, key_of
from ...._core.pattern import Pattern
from ...._kit.settings import Setting
from ...._tools import proxmox_values as values
from .hardware import cost_by_hotplug

#: {stem of a key: type of its device}, and how many keys a VM has (API schema).
STEMS = {"hostpci": PCI, "usb": USB}
_MOST = {"hostpci": 16, "usb": 14}
#: Older guests have fewer USB ports: the keys that only Linux and Windows from version 8 on have begin with this one.
_FIRST_OF_NEW_GUESTS = 5
_NEW_GUESTS = ("l26", "win8", "win10", "win11")
_SEE_HARDWARE = "List the devices: pvesh get /nodes/{}/hardware/{}."
#: What the server lists as IOMMU group of a device that has none.
_NO_GROUP = -1
_KEY = Pattern(r"(hostpci|usb)(\d+)")
#: The first version with mappings.
_MAPPINGS_SINCE = (8, 0)
_MAPPED = "mapping"
#: The only account that may set devices without a mapping; no token may.
ROOT = "root@pam"


def _entries(options):
    """Yield (key, {what identifies its device: entry}) of the keys of devices, in their order."""
    for key in sorted(filter(_KEY.fullmatch, options)):
        yield key, _entry(key, options[key])


def slots_of(options):
    """{what identifies a device: its key} of the devices that an entry of the option can describe."""
    return {device: key for key, entry in _entries(options) for device in entry}


def _entry(key, text):
    """{what identifies the device: entry} of the value of one key; empty if no entry can describe the device."""
    kind, parts = STEMS[values.stem(key)], values.parse(key, text)
    if parts.get(_MAPPED):
        return {key_of(kind, parts[_MAPPED]): {"type": kind, _MAPPED: parts[_MAPPED]}}
    text = device_id(parts.get("host", ""), key)
    return entry_of(kind, text) if is_valid(kind, text) else {}


def is_plain(key, text):
    """Whether an entry of the option describes the whole value of a key."""
    return bool(_entry(key, text)) and len(values.parse(key, text)) == 1


def _read(options):
    return {device: one for _key, entry in _entries(options) for device, one in entry.items()}


def _normalized(vm, devices, known):
    for key, device in devices.items():
        if device["type"] == PCI and is_product(device.get("id", "")):
            raise Refused(
                f"{vm.name}: devices.{key}: Proxmox VE identifies a PCI device by its address, not by its product.",
                "Set its address, such as 0000:01:00.0, or a mapping.",
            )
    return devices


def _cost(vm, change):
    return cost_by_hotplug("usb", vm) if change.key.startswith(USB) else NEXT_BOOT


def _write(update, change):
    present = slots_of({key: update.value(key) or "" for key in {*update.current, *update.to_set}}).get(change.key)
    if change.new is None and present:
        update.set(present, None)
    elif change.new is not None and not present:
        stem = next(one for one, kind in STEMS.items() if kind == change.new["type"])
        device = change.new
        update.set(_free_key(update, stem), f"mapping={device[_MAPPED]}" if _MAPPED in device else device["id"])


def _free_key(update, stem):
    is_new = (update.value("ostype") or "other") in _NEW_GUESTS
    most = _FIRST_OF_NEW_GUESTS if stem == "usb" and not is_new else _MOST[stem]
    # One call cannot empty and fill the same key.
    free = [f"{stem}{number}" for number in range(most) if f"{stem}{number}" not in update.used_slots]
    if not free:
        raise Refused(f"devices: the VM can have at most {most} devices of this type.", "Remove one in a task before.")
    return free[0]


def check_devices(driver, label, node, devices):
    """Raise NotFound or Refused if the node does not have all ``devices``, or the cluster not all their mappings."""
    get = cache(driver.tool.get)  # Several devices are in the same list.
    for key, device in sorted(devices.items()):
        where = f"{label}: devices.{key}"
        if _MAPPED in device:
            _check_mapping(driver, get, where, node, device)
        elif driver.tool.api.who == ROOT:
            # For other accounts, privileges.py rejects the device. They may not be able to read the hardware either.
            _check_hardware(get, where, node, device)


def _check_hardware(get, label, node, device):
    kind = device["type"]
    # By default, the server leaves out some classes of PCI devices.
    all_classes = {"pci-class-blacklist": ""} if kind == PCI else {}
    listed = get(f"/nodes/{node}/hardware/{kind}", **all_classes)
    found = [one for one in listed if device["id"] in _names(kind, one)]
    if not found:
        raise NotFound(f"{label}: node '{node}' has no such device.", _SEE_HARDWARE.format(node, kind))
    if kind == PCI and all(one.get("iommugroup") == _NO_GROUP for one in found):
        raise Refused(
            f"{label}: the device has no IOMMU group, so no VM could start with it: the IOMMU of node '{node}' is off.",
            "Enable VT-d or AMD-Vi in the firmware of the node, and restart it.",
        )


def _names(kind, listed):
    """Everything that can be the id of a listed device: a PCI device without its function stands for all functions."""
    if kind == PCI:
        return {listed["id"], listed["id"].rpartition(".")[0]}
    product = f"{listed['vendid']}:{listed['prodid']}"
    return {product, f"{listed['busnum']}-{listed['usbpath']}"} if "usbpath" in listed else {product}


def _check_mapping(driver, get, label, node, device):
    if driver.release() < _MAPPINGS_SINCE:
        raise Refused(
            f"{label}: this is Proxmox VE {driver.version()}, but mappings need 8.0 or later.",
            "Set the id of the device, as root@pam.",
        )
    listed = get(f"/cluster/mapping/{device['type']}")
    found = next((one for one in listed if one["id"] == device[_MAPPED]), None)
    remedy = "Add it in the datacenter (Resource Mappings)."
    if found is None:
        raise NotFound(f"{label}: the cluster has no mapping '{device[_MAPPED]}' of this type.", remedy)
    nodes = sorted({_node_of(text) for text in found.get("map", ())})
    if node not in nodes:
        raise Refused(
            f"{label}: the mapping has no device of node '{node}', only of {', '.join(nodes) or 'none'}.",
            f"{remedy[:-1]}, or set the node.",
        )


def _node_of(text):
    """The node of an entry of a mapping, such as node=pve1,path=0000:01:00.0,id=10de:1eb8."""
    return dict(part.partition("=")[::2] for part in text.split(",")).get("node", "")


def check_memory(driver, label, vm, remedy):
    """Raise Refused if the server cannot save the memory of a running VM, because it has a PCI device."""
    key = next((key for key in sorted(driver.last_options(vm.id).running) if values.stem(key) == "hostpci"), None)
    if key:
        raise Refused(f"{label}: its memory cannot be saved, because it has a PCI device of its node ({key}).", remedy)


DEVICES = {
    "devices": Setting(read=_read, normalize=_normalized, write=_write),
    "devices.add": Setting(cost=_cost),
    "devices.remove": Setting(cost=_cost),
    "devices.type": Setting(),
    "devices.id": Setting(),
    "devices.mapping": Setting(),
}
