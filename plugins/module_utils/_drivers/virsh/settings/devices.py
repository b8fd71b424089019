# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt: devices of the host that are passed to a VM: PCI devices by address, USB devices by vendor and product.

A USB device is added to and removed from a running VM. A PCI device waits for the next start: to remove it needs the
guest's cooperation, and to add it needs memory that cannot be paged out, and a free port of the VM.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET

from ...._core.errors import CommandFailed, Refused
from ...._core.model import LIVE, NEXT_BOOT, PAUSED, RUNNING
from ...._core.options.devices import PCI, USB, entry_of, is_product, is_valid, key_of
from ...._kit.settings import Setting

#: NICs that are a function of a PCI device (SR-IOV) have their address in the same form as other devices.
_PATHS = ("devices/hostdev", "devices/interface[@type='hostdev']")
_PARTS = ("domain", "bus", "slot", "function")


# Reading ------------------------------------------------------------------------------------------------------------


def passed_through(definition):
    """[(type, what identifies the device on its host)]; devices that another way identifies are left out."""
    found = [(type_of(one), identity_of(one)) for one in elements_of(definition)]
    return [device for device in found if device[1]]


def elements_of(definition):
    """The elements of all devices of the host, NICs included."""
    return [one for path in _PATHS for one in definition.root.findall(path)]


def type_of(element):
    return PCI if element.tag == "interface" else element.get("type") or ""


def identity_of(element):
    """The address of a PCI device, the UUID of a mediated one, or the vendor and product of a USB device."""
    from ...._tools.virsh_node_devices import address_of  # Few VMs have such devices.

    address, kind = element.find("source/address"), type_of(element)
    if kind == PCI and address is not None:
        return address_of(address.attrib)
    if kind == "mdev" and address is not None:
        return address.get("uuid") or ""
    return _usb_identity(element) if kind == USB else ""


def _usb_identity(element):
    from ...._tools.virsh_node_devices import product_of

    source = element.find("source")
    product, address = ("", None) if source is None else (product_of(source), source.find("address"))
    # The number of a device changes each time it is plugged in. As long as it is there, no other one has it.
    number = "" if address is None else f"bus {address.get('bus')} device {address.get('device')}"
    return product or number


def is_described(element):
    """Whether an entry of the option can describe a device."""
    kind = type_of(element)
    return element.tag == "hostdev" and kind in (PCI, USB) and is_valid(kind, identity_of(element))


def described_elements(definition):
    """{what identifies a device: its first element} of the devices that an entry of the option can describe."""
    found = {}
    for element in filter(is_described, elements_of(definition)):
        found.setdefault(key_of(type_of(element), identity_of(element)), element)
    return found


def read_devices(definition):
    return {
        key: {"type": type_of(element), "id": identity_of(element)}
        for key, element in described_elements(definition).items()
    }


# Checking -----------------------------------------------------------------------------------------------------------


def normalized_devices(vm, devices, node_devices):
    """The requested devices as libvirt identifies them. ``node_devices`` is read only for a product of PCI devices."""
    found = {}
    for key, entry in devices.items():
        if "id" not in entry:
            return devices  # libvirt has no mappings; the core rejects them.
        kind, text = entry["type"], entry["id"]
        if kind == PCI:
            text = _address(vm, key, text, node_devices)
        elif not is_product(text):
            raise Refused(
                f"{vm.name}: devices.{key}: libvirt identifies a USB device by vendor and product, not by its port.",
                "Set an id such as 046d:c52b: see lsusb.",
            )
        normal = entry_of(kind, text)
        if found.keys() & normal.keys():
            raise Refused(f"{vm.name}: devices.{key}: it is {text}, which is also listed.", "List each device once.")
        found.update(normal)
    return found


def _address(vm, key, text, node_devices):
    if is_product(text):
        return _only_address(vm, key, text, node_devices)
    if "." not in text:
        raise Refused(
            f"{vm.name}: devices.{key}: libvirt passes each function of a PCI device separately.",
            f"List its functions: {text}.0 and so on.",
        )
    return text


def _only_address(vm, key, product, node_devices):
    try:
        addresses = node_devices.pci_with(product)
    except CommandFailed as error:
        raise unreadable(vm.name, error) from error
    if len(addresses) == 1:
        return addresses[0]
    what = f"the host has {len(addresses)} PCI devices {product}: {', '.join(addresses)}"
    raise Refused(
        f"{vm.name}: devices.{key}: {what if addresses else f'the host has no PCI device {product}'}.",
        "Set the address of one of them." if addresses else "lspci -nn on the host lists its devices.",
    )


def unreadable(name, error):
    """The error if libvirt cannot list the devices of its host."""
    return Refused(
        f"{name}: devices: the devices of the host cannot be read: {error.stderr.strip() or error.message}",
        "Install and start libvirt's driver for node devices (virtnodedevd).",
    )


def _cost(vm, change):
    return LIVE if change.key.startswith(USB) and vm.power in (RUNNING, PAUSED) else NEXT_BOOT


# Writing ------------------------------------------------------------------------------------------------------------


def write_device(definition, change):
    present = described_elements(definition).get(change.key)
    if change.new is None and present is not None:
        definition.devices.remove(present)
    elif change.new is not None and present is None:
        definition.devices.append(_element(change.new))


def plug_device(driver, vm, running, change):
    """Add the device to the running VM, or remove it, unless an earlier attempt has done that."""
    present = described_elements(running).get(change.key)
    if (present is None) == (change.new is None):
        return
    element, command = (present, "detach-device") if change.new is None else (_element(change.new), "attach-device")
    driver.virsh.run(command, vm.id, "/dev/stdin", "--live", stdin=ET.tostring(element, encoding="unicode"))


def _element(device):
    element = ET.Element("hostdev", {"mode": "subsystem", "type": device["type"], "managed": "yes"})
    source = ET.SubElement(element, "source")
    if device["type"] == USB:
        for name, number in zip(("vendor", "product"), device["id"].split(":")):
            ET.SubElement(source, name, {"id": f"0x{number}"})
        return element
    domain, bus, place = device["id"].split(":")
    numbers = (domain, bus, *place.split("."))
    ET.SubElement(source, "address", {part: f"0x{number}" for part, number in zip(_PARTS, numbers)})
    return element


DEVICES = {
    "devices": Setting(
        read=read_devices,
        write=write_device,
        write_live=plug_device,
        native=(r"devices/hostdev(@type|@mode)?$", r"devices/hostdev/source\b"),
    ),
    "devices.add": Setting(cost=_cost),
    "devices.remove": Setting(cost=_cost),
    "devices.type": Setting(),
    "devices.id": Setting(),
}
