# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The architecture of a VM: nodes are amd64, and emulate VMs of arm64 (the option arch, which only root@pam may set).

The server stores many values that QEMU for arm64 or its firmware does not have, and then the VM does not start.
"""

from __future__ import annotations

from ...._core.errors import Refused, Unsupported
from ...._core.model import DESTRUCTIVE
from ...._kit.settings import Setting
from ...._tools import proxmox_values as values

AMD64, ARM64 = "amd64", "arm64"
#: {value of arch: the architecture in the catalogue's terms}. A VM without arch has that of its node.
_NAMES = {"x86_64": AMD64, "aarch64": ARM64}
#: {key of native: the beginning of the values that a VM of arm64 can have}.
_NATIVE = {"machine": "virt", "scsihw": "virtio-scsi"}
#: QEMU has no IDE for it, and its firmware does not start from SATA.
_BUSES = ("ide", "sata")
#: Slots for optical drives on the controller of disks, away from those that disks get.
_SCSI_SLOTS = tuple(f"scsi{number}" for number in range(30, 20, -1))


def architecture_of(config):
    """The architecture of a VM with these settings."""
    return config.get("architecture") or AMD64


def drive_slots(options, usual):
    """The slots for an optical drive of a VM with these ``options``, or keys of options."""
    return _SCSI_SLOTS if "arch" in options else usual


def drive_slots_of(config, usual):
    """The same for settings."""
    return _SCSI_SLOTS if architecture_of(config) == ARM64 else usual


def usual_display(update):
    """The graphics adapter for ``display.type: vnc``."""
    return "virtio" if _NAMES.get(update.value("arch")) == ARM64 else "std"


def _read(options):
    return _NAMES.get(options.get("arch"), AMD64)


def _write(update, change):
    # An explicit arch needs root@pam, also if it is that of the node.
    update.set("arch", "aarch64" if change.new == ARM64 else None)


ARCHITECTURE = {
    "architecture": Setting(
        DESTRUCTIVE, read=_read, write=_write, choices=(AMD64, ARM64), unset=AMD64, native=("arch",)
    )
}


def with_firmware(vm, config):
    """``config`` with the firmware of a VM of arm64. Raises for values that such a VM does not have."""
    if architecture_of({**vm.config, **config}) != ARM64:
        return config
    if config.get("firmware") == "bios":
        raise Refused(f"{vm.name}: firmware: bios does not exist for {ARM64}.", "Set firmware: uefi, or omit it.")
    for option in ("secure_boot", "nested_virtualization"):
        if config.get(option):
            raise Unsupported(f"{vm.name}: {option} is supported only for {AMD64}, and the VM is {ARM64}.", "Omit it.")
    if (config.get("display") or {}).get("type") == "spice":
        raise Unsupported(f"{vm.name}: display.type: VMs of {ARM64} have no spice.", "Set vnc.")
    _check_native(vm, config.get("native") or {})
    for option in ("disks", "cdroms"):
        _check_slots(vm, option, config.get(option) or {})
    is_new = config.get("architecture") not in (None, vm.config.get("architecture"))
    return {**config, "firmware": "uefi"} if is_new else config


def _check_native(vm, native):
    for key, least in _NATIVE.items():
        if native.get(key) and not str(native[key]).startswith(least):
            raise Refused(
                f"{vm.name}: native: {key}: VMs of {ARM64} do not start with {native[key]}.",
                f"Omit it, or set a value that begins with {least}.",
            )


def _check_slots(vm, option, entries):
    for slot, entry in entries.items():
        if entry is not None and values.bus_of(slot) in _BUSES and slot not in (vm.config.get(option) or {}):
            raise Refused(
                f"{vm.name}: {option}.{slot}: VMs of {ARM64} do not start from the bus {values.bus_of(slot)}.",
                "Use a slot such as scsi1.",
            )


def warn_of_emulation(driver, label, config):
    """Add a warning about a new VM that its node emulates."""
    if config.get("architecture") == ARM64:
        driver.tool.warn(
            f"{label}: architecture: {ARM64} is emulated on nodes of {AMD64}, which is many times slower, and needs the"
            " package pve-edk2-firmware-aarch64 on the node."
        )
