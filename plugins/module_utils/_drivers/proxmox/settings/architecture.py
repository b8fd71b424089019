# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proxmox VE: the architecture of a VM: that of its node, or an emulated one (option arch, only for root@pam).

The server stores many values that QEMU for arm64 or its firmware does not have, and then the VM does not start.
"""

from __future__ import annotations

from ...._core.errors import ApiError, Refused, Unsupported
from ...._core.model import DESTRUCTIVE
from ...._core.texts import removal
from ...._kit.settings import Setting
from ...._tools import proxmox_values as values

AMD64, ARM64 = "amd64", "arm64"
#: {value of arch, or of a node's kernel: the architecture in the catalogue's terms}.
NAMES = {"x86_64": AMD64, "aarch64": ARM64}
_WORDS = {name: word for word, name in NAMES.items()}
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
    """The slots for an optical drive of a VM with these ``options``."""
    return _SCSI_SLOTS if read_architecture(options) == ARM64 else usual


def drive_slots_of(config, usual):
    """The same for settings."""
    return _SCSI_SLOTS if architecture_of(config) == ARM64 else usual


def usual_display(update):
    """The graphics adapter for ``display.type: vnc``."""
    found = {key: update.value(key) for key in ("arch", "machine")}
    return "virtio" if read_architecture(found) == ARM64 else "std"


def read_architecture(options):
    """The architecture of a VM with these options. Without ``arch`` it is that of the node, which they do not tell.

    The machine ``virt`` exists only for arm64.
    """
    usual = ARM64 if (options.get("machine") or "").startswith(_NATIVE["machine"]) else AMD64
    return NAMES.get(options.get("arch"), usual)


def options_of_architecture(architecture, own):
    """The options of a new VM of an architecture on a node that has the architecture ``own``.

    An explicit ``arch`` needs root@pam, also if it is that of the node. The machine then shows the architecture.
    """
    if architecture != own:
        return {"arch": _WORDS[architecture]}
    return {"machine": _NATIVE["machine"]} if own == ARM64 else {}


def read_own_architecture(tool, node):
    """The architecture of a node; None if it is not known: the account may not see it, or the node is too old."""
    try:
        kernel = tool.get(f"/nodes/{node}/status").get("current-kernel") or {}
    except (ApiError, Refused):
        return None
    return NAMES.get(kernel.get("machine"))


def check_is_known(label, node, own):
    """Raise Refused if the architecture ``own`` of a node is not known."""
    if own is None:
        raise Refused(
            f"{label}: architecture: the architecture of node '{node}' is unknown, so nothing is compared or created.",
            f"Give the account Sys.Audit on /nodes/{node}, or omit architecture. Old versions do not report it.",
        )


def with_own_architecture(vm, own):
    """The observed ``vm`` with the architecture ``own`` of its node; None if that is not known."""
    active = vm.active and {**vm.active, "architecture": own}
    return vm.having(config={**vm.config, "architecture": own}, active=active)


#: options_of_architecture writes it.
ARCHITECTURE = {
    "architecture": Setting(DESTRUCTIVE, read=read_architecture, choices=(AMD64, ARM64), unset=AMD64, native=("arch",))
}


def with_firmware(vm, config):
    """``config`` with the firmware of a VM of arm64. Raises for values that such a VM does not have."""
    if config.get("architecture") and vm.config:
        check_is_known(vm.name, vm.config.get("node"), vm.config.get("architecture", AMD64))
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
    check_buses(vm.name, {**config, "architecture": ARM64}, vm.config)
    is_new = config.get("architecture") not in (None, vm.config.get("architecture"))
    return {**config, "firmware": "uefi"} if is_new else config


def kept_as(before, after):
    """A VM that is created again has a new EFI disk, with the keys that the task requests (Traits)."""
    is_new = architecture_of(before) != architecture_of(after)
    return {"secure_boot": None} if is_new and before.get("secure_boot") and not after.get("secure_boot") else {}


def _check_native(vm, native):
    for key, least in _NATIVE.items():
        if native.get(key) and not str(native[key]).startswith(least):
            raise Refused(
                f"{vm.name}: native: {key}: VMs of {ARM64} do not start with {native[key]}.",
                f"Omit it, or set a value that begins with {least}.",
            )


def check_buses(label, config, existing=None):
    """Raise Refused for a drive of ``config`` that a VM of arm64 does not start from; ``existing`` has those it has."""
    if architecture_of(config) != ARM64:
        return
    for option in ("disks", "cdroms"):
        for slot, entry in (config.get(option) or {}).items():
            known = (existing or {}).get(option) or {}
            if entry is not None and values.bus_of(slot) in _BUSES and slot not in known:
                raise Refused(
                    f"{label}: {option}.{slot}: VMs of {ARM64} do not start from the bus {values.bus_of(slot)}.",
                    f"Use a slot such as scsi1. If the VM has it already, set {removal(option, slot)}.",
                )


def warn_of_emulation(driver, label, config, node):
    """Add a warning about a new VM that its node emulates."""
    asked = config.get("architecture")
    own = asked and driver.own_architecture(node)
    if asked != own:
        needed = ", and needs the package pve-edk2-firmware-aarch64 on the node" if asked == ARM64 else ""
        driver.tool.warn(
            f"{label}: architecture: {asked} is emulated on nodes of {own}, which is many times slower{needed}."
        )
