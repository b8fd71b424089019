# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hyper-V: firmware, Secure Boot, TPM and boot order."""

from __future__ import annotations

from ...._core.errors import Refused
from ...._core.model import DESTRUCTIVE, POWER_OFF
from ...._kit.settings import Setting
from ...._ports.windows_request import Ref
from ...._tools.hyperv import VM, hyperv
from .values import part, value

#: {choice of the option: name in Hyper-V}
_TEMPLATES = {
    "windows": "MicrosoftWindows",
    "linux": "MicrosoftUEFICertificateAuthority",
    "shielded": "OpenSourceShieldedVM",
}
#: {kind of device: name in the boot order of a generation 1 VM}; Hyper-V requires all of them in the order.
_BIOS_DEVICES = {"disk": "IDE", "cdrom": "CD", "network": "LegacyNetworkAdapter"}
#: {kind of device: property of a VM with the devices}
BOOT_DEVICES = {"disk": "HardDrives", "cdrom": "DVDDrives", "network": "NetworkAdapters"}
SECURE_BOOT = ("secure_boot", "secure_boot_template")
#: Settings that only a VM of generation 2 has.
_UEFI_ONLY = (*SECURE_BOOT, "tpm")


def normalize_bios(vm, config):
    """Return ``config`` without switches that are off and that a VM with firmware: bios does not have.

    Raises Refused for other settings that it does not have.
    """
    native = {f"native.{key}": key for key in config.get("native") or {} if key.startswith("Firmware.")}
    for option, name in {**{name: name for name in _UEFI_ONLY if config.get(name)}, **native}.items():
        raise Refused(
            f"{vm.name}: {option}: not supported with firmware: bios (generation 1).",
            f"Omit {name}, or create the VM with firmware: uefi.",
        )
    # A VM that is created again may have it.
    return {name: value for name, value in config.items() if name not in _UEFI_ONLY or vm.config.get(name)}


def _read_firmware(raw, _found):
    return "bios" if raw.get("Generation") == 1 else "uefi"


def _read_tpm(raw, _found):
    security = raw.get("Security")
    return bool(security.get("TpmEnabled")) if security else None


def _read_boot_order(raw, _found):
    """Return the kinds of devices in the order in which the firmware tries them, each kind once."""
    if raw.get("Generation") == 1:
        kind_of = {device: kind for kind, device in _BIOS_DEVICES.items()}
        kinds = [kind_of.get(one) for one in part(raw, "Bios").get("StartupOrder") or ()]
    else:
        kind_of = {one["Id"]: kind for kind, name in BOOT_DEVICES.items() for one in raw.get(name) or ()}
        entries = part(raw, "Firmware").get("BootOrder") or ()
        kinds = [kind_of.get((one.get("Device") or {}).get("Id")) for one in entries]
    return tuple(dict.fromkeys(kind for kind in kinds if kind))


def _is_same_order(found, requested):
    """Compare boot orders, but only devices that are in both: a VM cannot boot from devices that it does not have."""
    found = found or ()
    return [one for one in requested if one in found] == [one for one in found if one in requested]


def tpm_calls(is_requested):
    if not is_requested:
        return [hyperv("Disable-VMTPM", {"VM": VM})]
    protector = hyperv("Set-VMKeyProtector", {"VM": VM, "NewLocalKeyProtector": True})
    return [protector, hyperv("Enable-VMTPM", {"VM": VM})]


def bios_order_call(order):
    """Return the call that sets the boot order of a generation 1 VM; devices missing in ``order`` come last."""
    first = [_BIOS_DEVICES[one] for one in order]
    rest = [one for one in (*_BIOS_DEVICES.values(), "Floppy") if one not in first]
    return hyperv("Set-VMBios", {"VM": VM, "StartupOrder": [*first, *rest]})


def first_boot_call(device_ref):
    """Return the call that moves a device to the front of the boot order; the order of the others stays the same."""
    return hyperv("Set-VMFirmware", {"VM": VM, "FirstBootDevice": Ref(device_ref)})


FIRMWARE = {
    "firmware": Setting(DESTRUCTIVE, read=_read_firmware, default="uefi"),
    "secure_boot": value(
        "Set-VMFirmware",
        "EnableSecureBoot",
        "Firmware",
        "SecureBoot",
        {True: "On", False: "Off"},
        cost=POWER_OFF,
        unset=True,
    ),
    "secure_boot_template": value(
        "Set-VMFirmware", "SecureBootTemplate", "Firmware", names=_TEMPLATES, cost=POWER_OFF, unset="windows"
    ),
    "tpm": Setting(POWER_OFF, read=_read_tpm),
    "boot_order": Setting(POWER_OFF, same=_is_same_order, read=_read_boot_order),
}
