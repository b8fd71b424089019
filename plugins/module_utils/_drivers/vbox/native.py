# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The option native: settings by their names in modifyvm. Only what can be read back is taken, and so compared."""

from __future__ import annotations

import re

from ..._lifecycle.errors import Refused
from ..._lifecycle.model import LIVE, NEXT_BOOT, PAUSED, POWER_OFF, RUNNING, SUSPENDED

#: modifyvm's name -> the name by which the machine's settings tell it, where that is another one.
_TOLD_AS = {
    "audio-in": "audio_in", "audio-out": "audio_out", "biosbootmenu": "bootmenu",
    "firmware-boot-menu": "bootmenu", "clipboard-mode": "clipboard", "drag-and-drop": "draganddrop",
    "keyboard": "hidkeyboard", "mouse": "hidpointing", "recording": "recording_enabled", "usbehci": "ehci",
    "usbohci": "usb", "usbxhci": "xhci", "vm-process-priority": "vmprocpriority", "x86-pae": "pae",
    "x86-long-mode": "longmode", "x86-hpet": "hpet", "x86-x2apic": "x2apic",
}  # fmt: skip
_TOLD = frozenset((
    "accelerate3d", "acpi", "audio", "autostart-delay", "biosapic", "biossystemtimeoffset", "chipset",
    "cpu-profile", "cpuexecutioncap", "cpuid-portability-level", "defaultfrontend", "draganddrop", "hardwareuuid",
    "hpet", "hwvirtex", "ioapic", "iommu", "largepages", "longmode", "monitorcount", "nestedpaging", "pae",
    "paravirtprovider", "rtcuseutc", "triplefaultreset", "usb", "vrde", "vtxux", "vtxvpid", "x2apic", *_TOLD_AS,
))  # fmt: skip
#: Told by the settings file alone -> (path in it, what is left out of it).
_IN_FILE = {
    "vm-execution-engine": ("@executionEngine", "default"),
    "autostop-type": ("Autostart@autostop", "disabled"),
}
#: All that are not of one card.
NAMES = _TOLD | frozenset(_IN_FILE) | {"audio-driver", "audio-enabled"}
_OF_CARD = re.compile(r"(cableconnected|nicpromisc|nicbootprio)([1-9]\d*)")
#: What has an option: the rest of modifyvm's names.
_OPTIONS = {
    "memory": "memory", "cpus": "cpus", "vram": "display", "firmware": "firmware", "ostype": "os_type",
    "os-type": "os_type", "description": "description", "groups": "groups", "name": "id", "tpm-type": "tpm",
    "nested-hw-virt": "nested_virtualization", "graphicscontroller": "graphics_controller",
    "autostart-enabled": "autostart", "boot": "boot_order", "nic": "networks", "nictype": "networks",
    "nic-type": "networks", "macaddress": "networks", "mac-address": "networks", "bridgeadapter": "networks",
    "intnet": "networks", "hostonlyadapter": "networks", "nat-network": "networks", "natpf": "port_forwards",
    "nat-pf": "port_forwards",
}  # fmt: skip
_SAME = {"usb": ("usbmouse", "usbkbd"), "ps2": ("ps2mouse", "ps2kbd"), "default": ("",)}
#: What can be changed while the machine runs: controlvm's words before the value.
#: Where the settings file has another word than modifyvm.
_AUDIO_DRIVERS = {"directsound": "dsound"}
_LIVE = {
    "autostart-delay": ("autostart-delay",),
    "cpuexecutioncap": ("cpuexecutioncap",),
    "clipboard-mode": ("clipboard", "mode"),
    "draganddrop": ("draganddrop",),
    "drag-and-drop": ("draganddrop",),
    "vrde": ("vrde",),
}
_LIVE_OF_CARD = {"cableconnected": "setlinkstate", "nicpromisc": "nicpromisc"}
#: What can be changed while the machine is saved.
_SAVED = frozenset((
    "rtcuseutc", "vrde", "audio", "audio-driver", "audio-in", "audio-out", "defaultfrontend", "autostart-delay",
    "autostop-type", "vm-process-priority",
))  # fmt: skip


def settled(vm, asked):
    """The keys without dashes in front, the values as modifyvm takes them. Raises Refused for what is not taken."""
    words = {_checked(vm, key): _word(vm, key, value) for key, value in asked.items()}
    if words.get("audio-driver", "").lower() == "none":
        words["audio-driver"] = "null"  # It is stored as that.
    return words


def bare(key):
    return key.lstrip("-").lower()


def _checked(vm, key):
    name = bare(key)
    option = _OPTIONS.get(name.rstrip("0123456789"))
    if option and not _OF_CARD.fullmatch(name):
        raise Refused(f"{vm.name}: native: '{key}' is not set there.", f"Use the option {option}.")
    if name not in NAMES and not _OF_CARD.fullmatch(name):
        raise Refused(
            f"{vm.name}: native: '{key}' cannot be read back, or is no setting of modifyvm.",
            "Set it with VBoxManage modifyvm yourself; a task would change it in every run.",
        )
    return name


def _word(vm, key, value):
    if isinstance(value, bool):
        return "on" if value else "off"
    if value is None or isinstance(value, (dict, list)) or not str(value):
        raise Refused(f"{vm.name}: native: the value of '{key}' is no plain value.", "Write it as modifyvm takes it.")
    return str(value)


def read(sight, key):
    name = bare(key)
    if name == "audio-driver":
        return _audio_driver(sight)
    if name == "audio-enabled":
        return "off" if sight.values.get("audio") == "none" else "on"
    if name in _IN_FILE:
        path, default = _IN_FILE[name]
        told = sight.file.told(path) if sight.file else None
        return (told or default).lower() if sight.file else None
    card = _OF_CARD.fullmatch(name)
    if card:
        nic = sight.nic(int(card[2]))
        return nic.values.get(card[1]) if nic else None
    return sight.values.get(_TOLD_AS.get(name, name))


def _audio_driver(sight):
    """From its file: the listings tell no driver of a card that is switched off."""
    if sight.file is None:
        return None
    if sight.file.told("Hardware/AudioAdapter@useDefault") == "true":
        return "default"
    driver = (sight.file.told("Hardware/AudioAdapter@driver") or "null").lower()
    return _AUDIO_DRIVERS.get(driver, driver)


def same(found, asked):
    found, asked = str(found or "").lower(), str(asked).lower()
    return found == asked or found in _SAME.get(asked, ())


def cost(vm, change):
    if vm.power in (RUNNING, PAUSED) and live_words(change.key, change.new):
        return LIVE
    card = _OF_CARD.fullmatch(change.key)
    return NEXT_BOOT if vm.power == SUSPENDED and (change.key in _SAVED or card) else POWER_OFF


def live_words(key, value):
    """controlvm's words, or None where it has none."""
    card = _OF_CARD.fullmatch(key)
    if card:
        return [f"{_LIVE_OF_CARD[card[1]]}{card[2]}", value] if card[1] in _LIVE_OF_CARD else None
    return [*_LIVE[key], value] if key in _LIVE else None


def words(key, value):
    return [f"--{key}", value]
