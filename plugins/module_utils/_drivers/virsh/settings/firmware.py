# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt: firmware with secure boot, and the boot order."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from ...._core.errors import Refused
from ...._kit.settings import Setting
from .architecture import row_in

#: What the names of NVRAM files contain for firmware that starts only signed boot loaders.
SECURE_NVRAM = ".nvram-secure"
#: First libvirt version that selects firmware by requested features.
FIRMWARE_SINCE = (7, 2)


def read_firmware(definition):
    has_flash = definition.native("os/loader@type") == "pflash"
    return "uefi" if has_flash or definition.native("os@firmware") == "efi" else "bios"


def read_secure_boot(definition):
    """Whether the firmware starts only signed boot loaders; None if the definition does not say it.

    This needs both features: without enrolled keys, firmware with secure boot checks no signatures.
    """
    if read_firmware(definition) == "bios":
        return False
    features = {one.get("name"): one.get("enabled") for one in definition.root.findall("os/firmware/feature")}
    if not features and _is_without_template(definition):
        return SECURE_NVRAM in (nvram_of(definition) or "").rpartition("/")[2]
    both = {features.get("secure-boot"), features.get("enrolled-keys")}
    return False if "no" in both else True if both == {"yes"} else None


def _is_without_template(definition):
    """Whether this collection has created the NVRAM (nvram.py), and libvirt has not added what it knows of firmware."""
    return definition.native("os/nvram@templateFormat") == "qcow2" and not definition.native("os/nvram@template")


def is_by_files(definition):
    """Whether the definition names files of firmware that another program has chosen."""
    return not (definition.native("os@firmware") == "efi" or _is_without_template(definition))


def has_nvram_of_others(definition, own):
    """Whether another program has chosen the firmware's files, or its NVRAM; ``own``: those of this collection.

    If libvirt knows the files that a definition names, it adds the features that they have (verified with 11.3.0).
    """
    nvram = nvram_of(definition)
    if read_firmware(definition) == "bios" or _is_without_template(definition) or nvram in own:
        return False
    # libvirt chooses files in this directory itself.
    return is_by_files(definition) or bool(nvram and "/qemu/nvram/" not in nvram)


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
    if change.new and row_in(definition).has_smm:
        # The firmware protects its variables with system management mode (SMM).
        definition.set("features/smm", "").set("state", "on")


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


#: A change of one of these settings selects another firmware, and so another NVRAM file.
FIRMWARE = {
    "firmware": Setting(read=read_firmware, write=write_firmware, native=(r"os@firmware$",), since=FIRMWARE_SINCE),
    "secure_boot": Setting(
        read=read_secure_boot, write=write_secure_boot, native=(r"os/firmware\b",), since=FIRMWARE_SINCE
    ),
}
BOOT_ORDER = {
    "boot_order": Setting(
        read=read_boot_order,
        write=write_boot_order,
        native=(r"os/boot(?![\w])", r"devices/[\w-]+/boot(?![\w])"),
    )
}
