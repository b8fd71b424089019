# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt: devices of the host: what a plan needs from the host, and what cannot be done with a VM that has some."""

from __future__ import annotations

from ..._core.errors import CommandFailed, NotFound, Refused
from ..._core.model import PAUSED, RUNNING
from ..._core.options.devices import PCI, USB
from ..._core.planner.planned_steps import planned
from ..._tools.domain_xml import Definition
from .settings.devices import described_elements, elements_of, type_of, unreadable
from .traits import INTERNAL

#: Drivers of Linux that leave a device to guests.
_FOR_GUESTS = ("", "vfio-pci", "pci-stub")
_NO_IOMMU = (
    "Turn on the IOMMU in the firmware of the host (VT-d, AMD-Vi), and boot Linux with intel_iommu=on on Intel. Then"
    " /sys/kernel/iommu_groups is not empty."
)


# What the host needs ------------------------------------------------------------------------------------------------


def check_devices(driver, plan):
    """Raise NotFound or Refused if the host cannot give the VM the devices that the plan adds, or starts it with."""
    added = {one.key for step in planned(plan) for one in step.changes if one.kind == "devices.add"}
    needed = added | (_with_which_it_starts(driver, plan) - added if _starts(plan) else set())
    devices = plan.after.config.get("devices") or {}
    if driver.hypervisor == "TEST" or not needed & devices.keys():
        return
    own = frozenset(one["id"] for one in devices.values() if one["type"] == PCI)
    for key in sorted(needed & devices.keys()):
        label, check = f"{plan.after.name}: devices.{key}", _CHECKS[devices[key]["type"]]
        try:
            check(driver.node_devices, label, devices[key]["id"], own)
        except CommandFailed as error:
            # What was configured before this task may be started: libvirt itself needs no list of devices.
            if key in added:
                raise unreadable(plan.after.name, error) from error


def _starts(plan):
    return any(step.verb == "start" or step.arguments.get("power") == RUNNING for step in plan.steps)


def _with_which_it_starts(driver, plan):
    """The devices that the VM already has, and without which libvirt does not start it."""
    devices = plan.before.config.get("devices") or {}
    if not devices or not plan.before.id:
        return set()
    elements = described_elements(driver.definition(plan.before.id))
    return {key for key in devices.keys() & elements if elements[key].find("source").get("startupPolicy") != "optional"}


def _check_pci(host, label, address, own):
    device = host.pci([address]).get(address)
    if device is None:
        raise NotFound(f"{label}: the host has no such PCI device.", "lspci -nn on the host lists its devices.")
    if device.is_bridge:
        raise Refused(f"{label}: it is a PCI bridge.", "Set the address of a device behind it.")
    if device.group is None:
        raise Refused(f"{label}: the device is in no IOMMU group: the host has no IOMMU, or it is off.", _NO_IOMMU)
    members = host.pci([one for one in device.group if one not in own]).values()
    used = [one for one in members if not one.is_bridge and one.driver not in _FOR_GUESTS]
    if used:
        listed = ", ".join(f"{one.address} ({one.driver})" for one in used)
        raise Refused(
            f"{label}: the host uses other devices of its IOMMU group: {listed}.",
            "Add them to devices, or detach them from the host (virsh nodedev-detach).",
        )


def _check_usb(host, label, product, own):
    count = host.usb_with(product)
    if not count:
        raise NotFound(f"{label}: the host has no such USB device.", "Plug it in; lsusb on the host lists its devices.")
    if count > 1:
        raise Refused(
            f"{label}: the host has {count} such USB devices, and libvirt does not know which one is meant.",
            "Unplug the others.",
        )


_CHECKS = {PCI: _check_pci, USB: _check_usb}


# What is not possible -----------------------------------------------------------------------------------------------


#: {verb of a step that saves memory: what to do instead}
_INSTEAD = {
    "suspend": "Stop the VM (state: stopped), or pause it (state: paused).",
    "snapshot": "Stop the VM first, or create an external snapshot without memory (include_memory: false).",
}


def check_memory(driver, plan, one):
    """Raise Refused if a step saves the memory of a VM with a device that libvirt cannot save."""
    vm = one.vm
    if not saves_memory(vm, one.step):
        return
    # libvirt saves the memory in spite of USB devices.
    types = {type_of(device) for device in elements_of(Definition(driver.virsh.run("dumpxml", vm.id)))} - {USB}
    if types:
        raise Refused(
            f"{vm.name}: its memory cannot be saved, because it has a device of the host ({sorted(types)[0]}).",
            _INSTEAD[one.step.verb],
        )


def saves_memory(vm, step):
    """Whether a step suspends the VM, or takes a snapshot with its memory."""
    if step.verb != "snapshot" or vm.power not in (RUNNING, PAUSED):
        return step.verb == "suspend"
    return step.arguments["kind"] == INTERNAL or bool(step.arguments["include_memory"])
