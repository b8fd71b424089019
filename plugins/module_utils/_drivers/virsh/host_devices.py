# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Devices of the host that a definition passes through to its VM: only one running VM can have each of them."""

from __future__ import annotations

from ..._core.errors import Refused
from ..._core.model import PAUSED, RUNNING
from .definition import Definition
from .traits import INTERNAL

#: NICs that are a function of a PCI device (SR-IOV) have their address in the same form as other devices.
_PATHS = ("devices/hostdev", "devices/interface[@type='hostdev']")
_USB = "usb"


def passed_through(definition):
    """[(type, what identifies the device on its host)]; devices that another way identifies are left out."""
    found = [(_type(one), _identity(one)) for one in _elements(definition)]
    return [device for device in found if device[1]]


def check_memory(driver, vm, step):
    """Raise Refused if a step saves the memory of a VM with a device that libvirt cannot save."""
    remedy = _remedy(vm, step)
    if not remedy:
        return
    # libvirt saves the memory in spite of USB devices.
    types = {_type(one) for one in _elements(Definition(driver.virsh.run("dumpxml", vm.id)))} - {_USB}
    if types:
        raise Refused(
            f"{vm.name}: its memory cannot be saved, because it has a device of the host ({sorted(types)[0]}).", remedy
        )


def _remedy(vm, step):
    """What to do instead of a step that saves memory; empty if it saves none."""
    if step.verb == "suspend":
        return "Stop the VM (state: stopped), or pause it (state: paused)."
    if step.verb != "snapshot" or vm.power not in (RUNNING, PAUSED):
        return ""
    saves = step.arguments["kind"] == INTERNAL or step.arguments["include_memory"]
    return "Stop the VM first, or create an external snapshot without memory (include_memory: false)." if saves else ""


def _elements(definition):
    return [one for path in _PATHS for one in definition.root.findall(path)]


def _type(element):
    return "pci" if element.tag == "interface" else element.get("type") or ""


def _identity(element):
    """The address of a PCI device, the UUID of a mediated one, or the vendor and product of a USB device."""
    address, kind = element.find("source/address"), _type(element)
    if kind == "pci" and address is not None:
        domain, bus, slot, function = (
            int(address.get(part) or "0", 0) for part in ("domain", "bus", "slot", "function")
        )
        return f"{domain:04x}:{bus:02x}:{slot:02x}.{function:x}"
    if kind == "mdev" and address is not None:
        return address.get("uuid") or ""
    return _usb_identity(element) if kind == _USB else ""


def _usb_identity(element):
    vendor, product, address = (element.find(f"source/{name}") for name in ("vendor", "product", "address"))
    if vendor is not None and product is not None:
        return ":".join(f"{int(one.get('id') or '0', 0):04x}" for one in (vendor, product))
    # The number of a device changes each time it is plugged in. As long as it is there, no other one has it.
    return "" if address is None else f"bus {address.get('bus')} device {address.get('device')}"
