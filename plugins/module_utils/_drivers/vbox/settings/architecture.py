# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VirtualBox: the architecture of VMs, which is that of the host: others could be created, but never started.

On an Arm host, the type of the operating system decides about the architecture of a new VM, whatever else is set.
VirtualBox stores many values that such a VM does not start with.
"""

from __future__ import annotations

from ...._core.errors import Refused, Unsupported
from ...._core.model import NEVER
from ...._kit.settings import Setting
from ...._ports import host
from ..vbox_vm import bus_for, parse_slot, slot_name

AMD64, ARM64 = "amd64", "arm64"
_SINCE = (7, 1)
_ENDING = "_arm64"
#: {type of amd64: that of arm64}, where more differs than the ending.
_OS_TYPES = {
    "Linux26_64": "Linux_arm64", "Gentoo_64": "Linux_arm64", "RedHat_64": "RedHat10_arm64",
    "OpenSUSE_64": "OpenSUSE_Leap_arm64",
}  # fmt: skip
#: Options of modifyvm that VirtualBox rejects, or with which a VM of arm64 does not start.
_OF_X86 = ("apic", "chipset", "hpet", "hwvirtex", "longmode", "nestedpaging", "pae", "vtxux", "vtxvpid", "x2apic")
#: Buses of which the firmware for arm64 has no driver.
_BUSES = ("ide", "floppy", "scsi", "sas")
#: What a new VM of arm64 needs beside the settings that all get.
INPUT = ("--usbxhci", "on", "--keyboard", "usb")


def host_architecture():
    return ARM64 if host.architecture() == ARM64 else AMD64


def is_arm():
    return host_architecture() == ARM64


def controller_of_disks():
    """The controller of the disks of a new VM; the optical drives of a VM of arm64 are on it, too."""
    return "VirtIO" if is_arm() else "SATA"


def first_disk():
    """The slot of the disk that a new VM is created with."""
    return slot_name(controller_of_disks(), 0)


ARCHITECTURE = {
    # A VM that is created again keeps its type, firmware and drives, which do not exist on the other architecture.
    "architecture": Setting(
        NEVER,
        read=lambda vbox_vm: ARM64 if vbox_vm.values.get("platformArchitecture", "").lower() == "arm" else AMD64,
        choices=(AMD64, ARM64),
        instead="Omit the option, or delete the VM (state: absent) and create a new one.",
    )
}


def with_architecture(vm, config, version):
    """``config`` with what a new VM of arm64 needs. Raises for another architecture, and for what it does not have."""
    found, own = vm.config.get("architecture"), host_architecture()
    if config.get("architecture", own) not in (own, found):
        # Not Unsupported: it depends on the host.
        raise Refused(
            f"{vm.name}: architecture: VirtualBox runs only VMs of the architecture of its host, which is {own}.",
            f"Set {own}, or omit the option.",
        )
    if (found or own) != ARM64:
        return config
    if version < _SINCE:
        raise Unsupported(f"{vm.name}: VMs of {ARM64} need VirtualBox 7.1 or later.", "Update VirtualBox.")
    _check_values(vm, config)
    requested = config.get("os_type") if found else config.get("os_type") or "Linux26_64"
    os_type = {"os_type": _os_type(vm, requested)} if requested else {}
    new = {} if found else {"architecture": ARM64, "firmware": "uefi"}
    return {**config, **new, **os_type}


def _os_type(vm, requested):
    found = _OS_TYPES.get(requested) or requested.replace("_64", _ENDING)
    if not found.endswith(_ENDING):
        raise Refused(
            f"{vm.name}: os_type: {requested} is not a type of {ARM64}.",
            f"Set one that ends in {_ENDING}: VBoxManage list ostypes.",
        )
    return found


def _check_values(vm, config):
    if config.get("firmware") == "bios":
        raise Refused(f"{vm.name}: firmware: bios does not exist for {ARM64}.", "Set firmware: uefi, or omit it.")
    if config.get("nested_virtualization"):
        raise Unsupported(f"{vm.name}: nested_virtualization is supported only for {AMD64} hosts.", "Omit the option.")
    for name in config.get("native") or ():
        if name.replace("-", "").lower().removeprefix("x86") in _OF_X86:
            raise Refused(f"{vm.name}: native: '{name}' exists only on x86, and the VM is {ARM64}.", "Omit it.")
    for option in ("disks", "cdroms"):
        for slot, entry in (config.get(option) or {}).items():
            place = parse_slot(slot)
            bus = (bus_for(place[0]) or ("",))[0] if place else ""
            if entry is not None and bus in _BUSES and slot not in (vm.config.get(option) or {}):
                raise Refused(
                    f"{vm.name}: {option}.{slot}: VMs of {ARM64} do not start from the bus {bus}.",
                    "Use a slot such as VirtIO 1.",
                )
