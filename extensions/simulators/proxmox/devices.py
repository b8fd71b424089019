# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Devices of nodes that are passed to VMs, and their mappings in the cluster (PCI.pm and USB.pm of qemu-server).

No recording covers them: all of this is ASSUMED from the server's code.
"""

from __future__ import annotations

from . import propertystring
from .errors import ApiError

PRIVILEGES = ["Mapping.Modify", "Mapping.Use", "Mapping.Audit"]


def pci_mappings(call):
    return _mappings(call, "pci")


def usb_mappings(call):
    return _mappings(call, "usb")


def _mappings(call, kind):
    """The mappings that the caller may see, with one entry for each device."""
    access, found = call.world.access, call.world.cluster.mappings[kind]
    return [
        {"id": name, "map": [f"node={node},path={path}" for node, paths in of_nodes.items() for path in paths]}
        for name, of_nodes in sorted(found.items())
        if access.may(call.user, f"/mapping/{kind}/{name}", PRIVILEGES, any_of=True)
    ]


def pci_of_node(call):
    """The PCI devices of a node (lspci in SysFSTools.pm), as far as they matter for VMs."""
    node = call.world.cluster.nodes[call.node]
    gpu = {"class": "0x030000", "vendor": "0x10de", "device": "0x1eb8"}
    return [
        {"id": address, **gpu, "iommugroup": number if node.iommu else -1} for number, address in enumerate(node.pci, 1)
    ]


def usb_of_node(call):
    """The USB devices of a node (scan_usb in SysFSTools.pm): a hub of the bus has no path."""
    hub = {
        "busnum": 1,
        "devnum": 1,
        "level": 0,
        "port": 0,
        "class": 9,
        "speed": "480",
        "vendid": "1d6b",
        "prodid": "0002",
    }
    found = [hub]
    for number, (port, product) in enumerate(sorted(call.world.cluster.nodes[call.node].usb.items()), 2):
        bus, _dash, path = port.partition("-")
        vendor, _colon, model = product.partition(":")
        found.append({
            **hub, "busnum": int(bus), "devnum": number, "level": 1 + path.count("."), "class": 0,
            "usbpath": path, "vendid": vendor, "prodid": model,
        })  # fmt: skip
    return found


def take(world, machine):
    """Reserve the devices of a VM that is started. Raises the error of a device that is missing or in use."""
    options, taken = machine.config.current, []
    for key in sorted(options):
        device = _device(world, key, options[key])
        if device and key.startswith("hostpci"):
            taken += _chosen(world, machine, key, device, taken)
        elif device and device.get("mapping"):
            _mapped(world, machine, "usb", device["mapping"])
    machine.devices = tuple(taken)


def _device(world, key, value):
    stem = key.rstrip("0123456789")
    is_device = stem in ("hostpci", "usb") and key != stem
    return propertystring.parse(value, world.schema.properties_of(key)) if is_device else None


def _mapped(world, machine, kind, name):
    paths = world.cluster.mappings[kind].get(name, {}).get(machine.node)
    if not paths:
        raise ApiError(f"{kind.upper()} device mapping not found for '{name}'")
    if kind == "usb" and len(paths) > 1:
        raise ApiError("More than one USB mapping per host not supported")
    return paths


def _chosen(world, machine, key, device, taken):
    """The addresses of the first device that nobody uses; of a mapping, any of its devices will do."""
    alternatives = _mapped(world, machine, "pci", device["mapping"]) if device.get("mapping") else [device["host"]]
    known, errors = world.cluster.nodes[machine.node].pci, []
    for alternative in alternatives:
        addresses = [_in_full(address) for address in alternative.split(";")]
        missing = [one for one in addresses if not any(each == one or each.startswith(f"{one}.") for each in known)]
        if missing:
            raise ApiError(f"no PCI device found for '{missing[0]}'")
        used = _used_by_others(world, machine, addresses)
        if not used and not set(addresses) & set(taken):
            return addresses
        errors += [f"PCI device '{one}' already in use by VMID '{vmid}'" for one, vmid in used]
        errors += [f"device '{one}' assigned more than once" for one in addresses if one in taken]
    raise ApiError(errors[0] if len(alternatives) == 1 else f"could not find a free device for '{key}'")


def _in_full(address):
    return address if address.count(":") == 2 else f"0000:{address}"


def _used_by_others(world, machine, addresses):
    others = [one for one in world.cluster.machines.values() if one is not machine and one.node == machine.node]
    return [(address, one.vmid) for one in others for address in addresses if address in one.devices]


def check_saved(options):
    """The memory of a VM with a PCI device is not saved (vm_suspend)."""
    if any(key.startswith("hostpci") for key in options):
        raise ApiError(
            "cannot suspend VM to disk due to passed-through PCI device(s), which lack the possibility to save/restore"
            " their internal state"
        )
