# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Firmware and secure boot. libvirt finds the files by itself (``os firmware='efi'``), by the features asked.

An NVRAM file that is there is never filled anew at a start, whatever its template (libvirt 9.0.0): a machine that
turns to secure boot would keep variables without keys, and boot everything. So each of the two kinds has an NVRAM
file of its own, named by us; turning back finds the old one with its boot entries, and a machine that runs is not
disturbed.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET

from ..._lifecycle.errors import Refused

#: Fields whose change means another kind of firmware.
FIRMWARE_FIELDS = frozenset({"firmware", "secure_boot"})


def read_firmware(definition):
    has_flash = definition.native("os/loader@type") == "pflash"
    return "uefi" if has_flash or definition.native("os@firmware") == "efi" else "bios"


def read_secure_boot(definition):
    """Whether only signed systems boot; None where the definition leaves it to the host or does not tell.

    Without enrolled keys, firmware that could check signatures checks none.
    """
    if read_firmware(definition) == "bios":
        return False
    features = {one.get("name"): one.get("enabled") for one in definition.root.findall("os/firmware/feature")}
    both = {features.get("secure-boot"), features.get("enrolled-keys")}
    return False if "no" in both else True if both == {"yes"} else None


def runs_as_stored(stored, running, secure_boot):
    """Whether a machine whose definition does not tell the features of its firmware runs with those that are stored.

    In the definition that is saved with a machine's memory they are missing (libvirt 9.0.0); its files are named.
    """
    is_secure = running.native("os/loader@secure") == "yes"
    return is_secure == bool(secure_boot) and nvram_of(stored) in (None, nvram_of(running))


def nvram_of(definition):
    """The NVRAM file that a definition names, or None: libvirt 9.0 then has a place of its own, known to it alone."""
    nvram, source = definition.get("os/nvram"), definition.root.find("os/nvram/source")
    return (nvram or "").strip() or (source.get("file") if source is not None else None)


def write_firmware(definition, change):
    system = definition.root.find("os")
    _forget(system, "loader", "nvram")
    if change.new == "uefi":
        system.set("firmware", "efi")
        if system.find("firmware") is None:
            _ask_for(system, {"secure-boot": "no"})
    else:
        system.attrib.pop("firmware", None)
        _forget(system, "firmware")


def write_secure_boot(definition, change):
    if read_firmware(definition) == "bios" and not change.new:
        return
    system = definition.root.find("os")
    _forget(system, "loader", "nvram", "firmware")
    system.set("firmware", "efi")
    _ask_for(system, {"secure-boot": "yes", "enrolled-keys": "yes"} if change.new else {"secure-boot": "no"})
    if change.new:
        # The firmware guards its variables in system management mode.
        definition.set("features/smm", "").set("state", "on")


def place_nvram(definition, storage, name):
    """Name the NVRAM file of this kind of firmware, and return its path; None where there is none to name."""
    if read_firmware(definition) == "bios":
        return None
    path = storage.nvram_path(name, read_secure_boot(definition))
    nvram = definition.set("os/nvram", path)
    # A definition that is cloned may name its source's file in a newer way (libvirt 8.5 and later).
    nvram.attrib.pop("type", None)
    for child in list(nvram):
        nvram.remove(child)
    return path


def _ask_for(system, features):
    asked = ET.SubElement(system, "firmware")
    for name, enabled in features.items():
        ET.SubElement(asked, "feature", {"enabled": enabled, "name": name})


def _forget(system, *tags):
    for tag in tags:
        for element in system.findall(tag):
            system.remove(element)


def settled_firmware(vm, config):
    """``config`` with what a change of firmware means for secure boot; refused where the two contradict."""
    asked, found = config.get("firmware"), vm.config.get("firmware")
    if config.get("secure_boot") and (asked or found) != "uefi":
        what = f"it has the firmware {asked or found}" if asked or found else "no firmware is asked"
        raise Refused(f"{vm.name}: secure_boot needs UEFI, and {what}.", "Ask for firmware: uefi too.")
    if asked == "bios" or (asked == "uefi" and found != "uefi"):
        # Of itself libvirt takes the host's first firmware, with secure boot on one host and without on the next.
        return {"secure_boot": False, **config}
    return dict(config)
