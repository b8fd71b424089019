# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Firmware, secure boot, TPM and boot order, and checks whether the host supports the requested hardware."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import dataclass
from functools import partial
from typing import Optional

from ...._core.errors import CommandFailed, Refused, Unsupported
from ...._core.planned import planned
from ...._tools import virsh as tool
from ...._tools import virsh_output as output
from ..definition import ARCHITECTURE, machine_type
from .display import MODELS_WITHOUT_MEMORY
from .memory_cpus import check_nested

#: A change of one of these fields selects another firmware, and so another NVRAM file.
FIRMWARE_FIELDS = frozenset({"firmware", "secure_boot"})


def read_firmware(definition):
    has_flash = definition.native("os/loader@type") == "pflash"
    return "uefi" if has_flash or definition.native("os@firmware") == "efi" else "bios"


def read_secure_boot(definition):
    """Whether the firmware starts only signed boot loaders; None if the definition does not say it.

    This needed_checks both features: without enrolled keys, firmware with secure boot checks no signatures.
    """
    if read_firmware(definition) == "bios":
        return False
    features = {one.get("name"): one.get("enabled") for one in definition.root.findall("os/firmware/feature")}
    both = {features.get("secure-boot"), features.get("enrolled-keys")}
    return False if "no" in both else True if both == {"yes"} else None


def runs_with_stored_firmware(stored, running, secure_boot):
    """Whether a VM runs with the firmware of its stored definition, if ``running`` does not contain firmware features.

    The definition that libvirt saves with a VM's memory lacks them (libvirt 9.0.0), so firmware files are compared.
    ``secure_boot`` is the value in the stored definition.
    """
    is_secure = running.native("os/loader@secure") == "yes"
    return is_secure == bool(secure_boot) and nvram_of(stored) in (None, nvram_of(running))


def nvram_of(definition):
    """The NVRAM file in a definition. None: there is none, or libvirt 9.0 chose a path that it does not report."""
    nvram, source = definition.get("os/nvram"), definition.root.find("os/nvram/source")
    return (nvram or "").strip() or (source.get("file") if source is not None else None)


def write_firmware(definition, change):
    system = definition.root.find("os")
    _remove_children(system, "loader", "nvram")
    if change.new == "uefi":
        system.set("firmware", "efi")
        if system.find("firmware") is None:
            _request_features(system, {"secure-boot": "no"})
    else:
        system.attrib.pop("firmware", None)
        _remove_children(system, "firmware")


def write_secure_boot(definition, change):
    if read_firmware(definition) == "bios" and not change.new:
        return
    system = definition.root.find("os")
    _remove_children(system, "loader", "nvram", "firmware")
    system.set("firmware", "efi")
    _request_features(system, {"secure-boot": "yes", "enrolled-keys": "yes"} if change.new else {"secure-boot": "no"})
    if change.new:
        # The firmware protects its variables with system management mode (SMM).
        definition.set("features/smm", "").set("state", "on")


def place_nvram(definition, storage, name):
    """Set the path of the NVRAM file in the definition and return it; None for BIOS, which has no NVRAM."""
    if read_firmware(definition) == "bios":
        return None
    path = storage.nvram_path(name, read_secure_boot(definition))
    nvram = definition.set("os/nvram", path)
    # A cloned definition may contain the source's file in a child element (libvirt 8.5 and later).
    nvram.attrib.pop("type", None)
    for child in list(nvram):
        nvram.remove(child)
    return path


def _request_features(system, features):
    firmware = ET.SubElement(system, "firmware")
    for name, enabled in features.items():
        ET.SubElement(firmware, "feature", {"enabled": enabled, "name": name})


def _remove_children(system, *tags):
    for tag in tags:
        for element in system.findall(tag):
            system.remove(element)


def normalize_firmware(vm, config):
    """``config`` with ``secure_boot`` set if the firmware changes; Refused if secure boot is requested without UEFI."""
    requested, present = config.get("firmware"), vm.config.get("firmware")
    if config.get("secure_boot") and (requested or present) != "uefi":
        what = f"the firmware is {requested or present}" if requested or present else "firmware is not set"
        raise Refused(f"{vm.name}: secure_boot requires UEFI, but {what}.", "Set firmware: uefi.")
    if requested == "bios" or (requested == "uefi" and present != "uefi"):
        # Without this, libvirt would use the host's first firmware, which has secure boot only on some hosts.
        return {"secure_boot": False, **config}
    return dict(config)


def read_tpm(definition):
    return definition.root.find("devices/tpm") is not None


def write_tpm(definition, change):
    for tpm in definition.root.findall("devices/tpm"):
        definition.devices.remove(tpm)
    if change.new:
        is_pc = definition.native("os/type@arch") in ("x86_64", "i686")
        tpm = ET.SubElement(definition.devices, "tpm", {"model": "tpm-crb"} if is_pc else {})
        ET.SubElement(tpm, "backend", {"type": "emulator", "version": "2.0"})


#: libvirt's boot devices by the choices of ``boot_order``, and the reverse.
_BOOT_DEVICES = {"disk": "hd", "cdrom": "cdrom", "network": "network"}
_BOOT_CHOICES = {device: choice for choice, device in _BOOT_DEVICES.items()}


def read_boot_order(definition):
    """Kinds of boot devices in their order. Kinds that ``boot_order`` does not have keep libvirt's names."""
    numbered = [device for device in definition.root.findall("devices/*") if device.find("boot") is not None]
    if numbered:
        numbered.sort(key=lambda device: int(device.find("boot").get("order")))
        return tuple(dict.fromkeys(_kind_of(device) for device in numbered))
    boot_devices = (boot.get("dev") for boot in definition.root.findall("os/boot"))
    return tuple(_BOOT_CHOICES.get(device, device) for device in boot_devices)


def _kind_of(device):
    if device.tag == "interface":
        return "network"
    kind = device.get("device", "disk") if device.tag == "disk" else device.tag
    return "disk" if kind == "lun" else kind


def write_boot_order(definition, change):
    """Set the order of kinds, and remove boot numbers of single devices: libvirt rejects both together."""
    for parent in (definition.root.find("os"), *definition.root.findall("devices/*")):
        for boot in parent.findall("boot"):
            parent.remove(boot)
    for kind in change.new:
        ET.SubElement(definition.root.find("os"), "boot", {"dev": _BOOT_DEVICES[kind]})


#: First libvirt version that can reset the NVRAM.
_RESET_SINCE = (8, 1)
_OVMF = "ovmf (Debian, Ubuntu), edk2-ovmf (Fedora, RHEL) or qemu-ovmf-x86_64 (SUSE)"


@dataclass(frozen=True)
class _Hardware:
    """What determines the available hardware of a VM: virtualization type, architecture and machine type."""

    name: str
    virt_type: str
    architecture: str
    model: str
    video: Optional[str] = None


def check_hardware(driver, plan):
    """Raise Refused or Unsupported if the host does not support hardware that the plan adds."""
    for one in planned(plan):
        if one.step.verb == "create":
            config = one.step.arguments["config"]
            _check_requested(driver, one.changes, partial(_new_hardware, driver, plan.after.name, config))
        elif one.step.verb == "configure":
            _check_requested(driver, one.changes, partial(_existing_hardware, driver, one.vm, plan.after.name))
        elif one.step.arguments.get("reset_nvram"):
            _check_reset(driver, plan)


def _new_hardware(driver, name, config):
    return _Hardware(name, driver.virt_type_for_new_vm(), ARCHITECTURE, machine_type(config))


def _existing_hardware(driver, vm, name):
    """The hardware of ``vm``, which a clone of it will have too; ``name`` is for errors."""
    definition = driver.definition(vm.id)
    return _Hardware(
        name=name,
        virt_type=definition.root.get("type"),
        architecture=definition.native("os/type@arch"),
        model=definition.native("os/type@machine"),
        video=definition.native("devices/video[1]/model@type"),
    )


def _check_requested(driver, changes, read_hardware):
    """Check changes of hardware. ``read_hardware()`` returns a _Hardware; it is called only if it is needed."""
    requested = {change.kind: change.new for change in changes}
    needed_checks = {kind: check for kind, check in _CHECKS.items() if requested.get(kind) not in _SUPPORTED_EVERYWHERE}
    nested = requested.get("nested_virtualization")
    if not needed_checks and nested is None and "display.video_memory" not in requested:
        return
    machine = read_hardware()
    if nested is not None:
        check_nested(machine.name, machine.virt_type, nested)
    if "display.video_memory" in requested and machine.video in MODELS_WITHOUT_MEMORY:
        raise Refused(
            f"{machine.name}: display.video_memory is not supported by the video model '{machine.video}'.",
            "Set the model to vga first (native: devices/video/model@type).",
        )
    host = _capabilities(driver, machine) if needed_checks else None
    if host is None:
        return
    for kind, check in needed_checks.items():
        check(machine, host, requested[kind])


def _capabilities(driver, machine):
    """What QEMU supports for such a VM according to libvirt; None if the connection cannot report it."""
    options = ("--virttype", machine.virt_type, "--arch", machine.architecture, "--machine", machine.model)
    try:
        return output.domain_capabilities(driver.virsh.run("domcapabilities", *options))
    except CommandFailed as error:
        if tool.is_unsupported(error.stderr):
            return None
        raise


def _check_firmware(machine, host, wanted):
    if "efi" not in host.firmwares:
        raise Unsupported(
            f"{machine.name}: firmware: the hypervisor has no UEFI firmware for the machine type {machine.model}.",
            f"Install {_OVMF} on the hypervisor.",
        )


def _check_secure_boot(machine, host, wanted):
    if not host.secure_boot:
        raise Unsupported(
            f"{machine.name}: secure_boot: the hypervisor has no UEFI firmware with Secure Boot for the machine type"
            f" {machine.model}.",
            f"Use the machine type q35 (native: os/type@machine), and install {_OVMF} on the hypervisor.",
        )


def _check_tpm(machine, host, wanted):
    if "emulator" not in host.tpm_backends:
        raise Unsupported(
            f"{machine.name}: tpm: the hypervisor has no TPM emulator.",
            "Install swtpm and swtpm-tools on the hypervisor.",
        )


def _check_display(machine, host, wanted):
    if wanted not in host.displays:
        known = ", ".join(kind for kind in ("vnc", "spice") if kind in host.displays) or "none"
        raise Unsupported(
            f"{machine.name}: display.type: QEMU on the hypervisor does not support {wanted}.", f"Supported: {known}."
        )


#: Values that every host supports.
_SUPPORTED_EVERYWHERE = (None, False, "bios", "none")
#: Checks of the host by kind of change: functions of (_Hardware, DomainCapabilities, requested value).
_CHECKS = {
    "firmware": _check_firmware,
    "secure_boot": _check_secure_boot,
    "tpm": _check_tpm,
    "display.type": _check_display,
}


def _check_reset(driver, plan):
    name = plan.before.name
    if output.version_numbers(driver.library) < _RESET_SINCE:
        raise Unsupported(
            f"{name}: reset_nvram requires libvirt {'.'.join(map(str, _RESET_SINCE))} or later, and this is"
            f" {driver.library}.",
            "Update libvirt, or omit reset_nvram.",
        )
    if plan.after.config.get("firmware") != "uefi":
        raise Refused(
            f"{name}: reset_nvram: the VM has no NVRAM, because its firmware is not UEFI.", "Omit reset_nvram."
        )
