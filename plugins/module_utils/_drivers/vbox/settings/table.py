# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Simple settings: how each is read, and the arguments of modifyvm and controlvm that set it."""

from __future__ import annotations

from ...._core.units import MIB
from ...._kit.settings import Setting

_SWITCH = {True: "on", False: "off"}
#: Device in boot_order -> VirtualBox's name of it.
BOOT = {"disk": "disk", "cdrom": "dvd", "network": "net", "floppy": "floppy"}
_BOOT_DEVICES = {vbox_name: device for device, vbox_name in BOOT.items()}


def _setting(read, option, text=str):
    """A setting of one option of modifyvm: ``write(value)`` gives the arguments."""
    return Setting(read, lambda value: [f"--{option}", text(value)])


def _value(name, default=None):
    return lambda vbox_vm: vbox_vm.values.get(name, default)


def _number(name, unit=1):
    return lambda vbox_vm: int(vbox_vm.values[name]) * unit


def _is_on(name):
    return lambda vbox_vm: vbox_vm.values.get(name) == "on"


def _mebibytes(size):
    return str(size // MIB)


def _read_firmware(vbox_vm):
    return "bios" if vbox_vm.values.get("firmware", "BIOS").upper() == "BIOS" else "uefi"


def _read_os_type(vbox_vm):
    return vbox_vm.file.os_type if vbox_vm.file else vbox_vm.values.get("ostype")


def _read_tpm(vbox_vm):
    return bool(vbox_vm.file and vbox_vm.file.attribute("Hardware/TrustedPlatformModule@type") not in (None, "None"))


def _read_graphics_controller(vbox_vm):
    controller = vbox_vm.values.get("graphicscontroller")
    return "none" if controller in (None, "null") else controller


def _read_boot_order(vbox_vm):
    names = (vbox_vm.values.get(f"boot{number}", "none") for number in range(1, 5))
    return tuple(_BOOT_DEVICES.get(name, name) for name in names if name != "none")


def _boot_order_arguments(order):
    names = [BOOT[device] for device in order]
    all_four = [*names, *["none"] * (4 - len(names))]
    return [word for number, name in enumerate(all_four, 1) for word in (f"--boot{number}", name)]


def _read_display_type(vbox_vm):
    return "none" if vbox_vm.values.get("vrde", "off") == "off" else "rdp"


#: {kind of change: Setting}, in the order that modifyvm needs: settings that others depend on come first.
#: ``write(value)`` returns arguments of modifyvm, ``write_live(value)`` those of controlvm for a running VM.
SETTINGS = {
    "description": _setting(_value("description", ""), "description"),
    "groups": _setting(lambda vbox_vm: tuple(vbox_vm.values.get("groups", "/").split(",")), "groups", ",".join),
    "os_type": _setting(_read_os_type, "ostype"),
    "firmware": _setting(_read_firmware, "firmware", {"bios": "bios", "uefi": "efi"}.get),
    "memory": _setting(_number("memory", MIB), "memory", _mebibytes),
    "cpus": _setting(_number("cpus"), "cpus"),
    "graphics_controller": _setting(_read_graphics_controller, "graphicscontroller"),
    "display.video_memory": _setting(_number("vram", MIB), "vram", _mebibytes),
    "display.type": Setting(_read_display_type, lambda value: ["--vrde", "off"], lambda value: ["vrde", "off"]),
    "nested_virtualization": _setting(_is_on("nested-hw-virt"), "nested-hw-virt", _SWITCH.get),
    "tpm": _setting(_read_tpm, "tpm-type", {True: "2.0", False: "none"}.get),
    "boot_order": Setting(_read_boot_order, _boot_order_arguments),
    "autostart": Setting(
        _is_on("autostart-enabled"),
        lambda value: ["--autostart-enabled", _SWITCH[value]],
        lambda value: ["autostart-enabled", "on"],
    ),
}
