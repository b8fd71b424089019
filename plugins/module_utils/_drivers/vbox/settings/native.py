# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VirtualBox: the option native: settings by their names in modifyvm. Only those that can be read back are accepted."""

from __future__ import annotations

import shlex

from ...._core.errors import Refused
from ...._core.model import LIVE, NEXT_BOOT, PAUSED, POWER_OFF, RUNNING, SUSPENDED
from ...._core.options.option_errors import did_you_mean
from ...._core.pattern import Pattern
from ...._kit.settings import Setting, options_of_native
from .hardware import HARDWARE
from .networks import NICS
from .port_forwards import FORWARDS
from .serial_log import SERIAL_LOG

#: Option of modifyvm -> its key in VBoxVm.values, if it differs.
_KEYS = {
    "audio-in": "audio_in", "audio-out": "audio_out", "biosbootmenu": "bootmenu", "clipboard-mode": "clipboard",
    "keyboard": "hidkeyboard", "mouse": "hidpointing", "recording": "recording_enabled", "usbehci": "ehci",
    "usbxhci": "xhci", "vm-process-priority": "vmprocpriority",
}  # fmt: skip
_READABLE = frozenset((
    "accelerate3d", "acpi", "audio", "autostart-delay", "biosapic", "biossystemtimeoffset", "chipset",
    "cpu-profile", "cpuexecutioncap", "cpuid-portability-level", "defaultfrontend", "draganddrop", "hardwareuuid",
    "hpet", "hwvirtex", "ioapic", "iommu", "largepages", "longmode", "monitorcount", "nestedpaging", "pae",
    "paravirtprovider", "triplefaultreset", "usb", "vrde", "vtxux", "vtxvpid", "x2apic", *_KEYS,
))  # fmt: skip
#: Settings reported only by the settings file -> (path in it, default).
_IN_FILE = {
    "vm-execution-engine": ("@executionEngine", "default"),
    "autostop-type": ("Autostart@autostop", "disabled"),
}
#: All supported options that do not belong to a NIC.
NATIVE_NAMES = _READABLE | frozenset(_IN_FILE) | {"audio-driver", "audio-enabled"}
_OF_NIC = Pattern(r"(cableconnected|nicpromisc|nicbootprio|natlocalhostreachable)([1-9]\d*)")
#: Settings of a NIC in the file: VirtualBox keeps them while the NIC has another type.
_NATS = ("NAT", "DisabledModes/NAT")
#: Names without dashes, without beginnings that only VirtualBox 7 has -> names that all versions accept.
_NAMES = {
    **{name.replace("-", ""): name for name in NATIVE_NAMES},
    "clipboard": "clipboard-mode",
    "usbohci": "usb",
}
_BEFORE_7 = {"x86": "", "firmware": "bios"}
_OF_VERSION_7 = Pattern("|".join(_BEFORE_7))
_SET = {**HARDWARE, **SERIAL_LOG, **NICS, **FORWARDS}
#: {name of an option of modifyvm without dashes: option of this collection}
_OPTIONS = {"name": "id", **{key.replace("-", ""): option for key, option in options_of_native(_SET).items()}}
#: {requested value: other values that mean the same}
_SAME = {"usb": ("usbmouse", "usbkbd"), "ps2": ("ps2mouse", "ps2kbd"), "default": ("",)}
#: Values that the settings file names differently from modifyvm.
_AUDIO_DRIVERS = {"directsound": "dsound"}
#: Settings that can be changed while the VM is running: arguments of controlvm before the value.
_LIVE = {
    "autostart-delay": ("autostart-delay",),
    "cpuexecutioncap": ("cpuexecutioncap",),
    "clipboard-mode": ("clipboard", "mode"),
    "draganddrop": ("draganddrop",),
    "vrde": ("vrde",),
}
#: {option: values of new VMs} of the values that are described. Others depend on the type of the operating system.
_NEW = {
    "accelerate3d": ("off",), "acpi": ("on",), "audio-driver": ("default", "null"), "audio-enabled": ("off",),
    "audio-in": ("off",),
    "audio-out": ("off",), "autostart-delay": ("0",), "biosapic": ("apic",), "biossystemtimeoffset": ("0",),
    "chipset": ("piix3",), "clipboard-mode": ("disabled",), "cpu-profile": ("host",), "cpuexecutioncap": ("100",),
    "cpuid-portability-level": ("0",), "draganddrop": ("disabled",), "biosbootmenu": ("messageandmenu",),
    "hpet": ("off",), "hwvirtex": ("on",), "ioapic": ("on",), "iommu": ("none",), "keyboard": ("ps2",),
    "largepages": ("off",), "monitorcount": ("1",), "mouse": ("usbtablet",), "nestedpaging": ("on",),
    "paravirtprovider": ("default",), "recording": ("off",),
    "triplefaultreset": ("off",), "usb": ("off",),
    "usbehci": ("off",), "usbxhci": ("off",), "vm-execution-engine": ("default",), "vm-process-priority": ("default",),
    "vtxux": ("on",), "vtxvpid": ("on",),
}  # fmt: skip
_NEW_NIC = {"cableconnected": ("on",), "nicpromisc": ("deny",), "nicbootprio": ("0",)}
#: VirtualBox 7.2 does not keep off: it writes no value, reads that as on once its service has ended, and stores on.
_NOT_KEPT = "natlocalhostreachable"
_LIVE_OF_NIC = {"cableconnected": "setlinkstate", "nicpromisc": "nicpromisc"}
#: Options that can be changed while the VM is saved.
_SAVED = frozenset((
    "vrde", "audio", "audio-driver", "audio-in", "audio-out", "defaultfrontend", "autostart-delay",
    "autostop-type", "vm-process-priority",
))  # fmt: skip


def _normalized(vm, requested, known):
    """The keys without leading dashes, the values as for modifyvm. Raises Refused for anything not supported."""
    keys = {}
    for key in requested:
        other = keys.setdefault(_checked(vm, key), key)
        if other != key:
            raise Refused(f"{vm.name}: native: '{other}' and '{key}' are one option of modifyvm.", f"Remove '{other}'.")
    values = {name: _value(vm, key, requested[key]) for name, key in keys.items()}
    if values.get("audio-driver", "").lower() == "none":
        values["audio-driver"] = "null"  # VirtualBox stores none as null.
    return values


def bare_key(key):
    """The name that all versions accept: usbxhci for --usb-xhci, as the manual of VirtualBox 7 has it."""
    plain = key.lower().replace("-", "")
    older = _OF_VERSION_7.sub(lambda found: _BEFORE_7[found[0]], plain)
    return _NAMES.get(plain) or _NAMES.get(older) or (plain if _OF_NIC.fullmatch(plain) else key.lstrip("-").lower())


def _checked(vm, key):
    name = bare_key(key)
    if name in NATIVE_NAMES or _OF_NIC.fullmatch(name):
        return name
    plain = name.replace("-", "")
    option = _OPTIONS.get(plain) or _OPTIONS.get(plain.rstrip("0123456789"))
    if option:
        raise Refused(f"{vm.name}: native: '{key}' cannot be set through native.", f"Use the option {option} instead.")
    command = shlex.join(["VBoxManage", "modifyvm", vm.name, f"--{name}", "VALUE"])
    raise Refused(
        f"{vm.name}: native: '{key}' is not an option of modifyvm, or its value cannot be read back, so each run would"
        f" report a change.",
        f"{did_you_mean(name, NATIVE_NAMES)}Set it in a separate task: {command}",
    )


def _value(vm, key, value):
    if value is None or isinstance(value, (dict, list)) or not str(value):
        raise Refused(
            f"{vm.name}: native: the value of '{key}' is not a plain value.",
            "Write a single value as on the command line of modifyvm.",
        )
    text = ("on" if value else "off") if isinstance(value, bool) else str(value)
    if bare_key(key).startswith(_NOT_KEPT) and text != "on":
        raise Refused(
            f"{vm.name}: native: '{key}' can only be on: VirtualBox does not keep another value.",
            f"Remove '{key}'. To keep a guest from services on the loopback of the host, use another type than nat.",
        )
    return text


def read_native(vbox_vm, key):
    name = bare_key(key)
    if name == "audio-driver":
        return _audio_driver(vbox_vm)
    if name == "audio-enabled":
        return "off" if vbox_vm.values.get("audio") == "none" else "on"
    if name in _IN_FILE:
        path, default = _IN_FILE[name]
        reported = vbox_vm.file.attribute(path) if vbox_vm.file else None
        return (reported or default).lower() if vbox_vm.file else None
    of_nic = _OF_NIC.fullmatch(name)
    if of_nic and of_nic[1] == _NOT_KEPT:
        return _is_reachable(vbox_vm, int(of_nic[2]))
    if of_nic:
        nic = vbox_vm.nic(int(of_nic[2]))
        return nic.values.get(of_nic[1]) if nic else None
    return vbox_vm.values.get(_KEYS.get(name, name))


def _is_reachable(vbox_vm, number):
    """Whether the settings file has the value on: no list of all VMs has it."""
    if vbox_vm.file is None:
        return None
    adapter = f"Hardware/Network/Adapter[@slot='{number - 1}']"
    found = [vbox_vm.file.attribute(f"{adapter}/{nat}@localhost-reachable") for nat in _NATS]
    return "on" if "true" in found else "off"


def described_native(vbox_vm):
    """{option of modifyvm: value} of the values that a new VM does not have."""
    names = [f"{name}{nic.number}" for nic in vbox_vm.machine.nics for name in _NEW_NIC]
    found = {key: read_native(vbox_vm, key) for key in (*_NEW, *names)}
    return {key: value for key, value in found.items() if value and not _is_usual(key, value)}


def _is_usual(key, value):
    of_nic = _OF_NIC.fullmatch(key)
    usual = _NEW_NIC[of_nic[1]] if of_nic else _NEW[key]
    return any(_is_same(value, one) for one in usual)


def _audio_driver(vbox_vm):
    """Read from the settings file: the lists do not contain the driver of a disabled sound card."""
    if vbox_vm.file is None:
        return None
    if vbox_vm.file.attribute("Hardware/AudioAdapter@useDefault") == "true":
        return "default"
    driver = (vbox_vm.file.attribute("Hardware/AudioAdapter@driver") or "null").lower()
    return _AUDIO_DRIVERS.get(driver, driver)


def _is_same(found, requested):
    found, requested = str(found or "").lower(), str(requested).lower()
    return found == requested or found in _SAME.get(requested, ())


def _cost(vm, change):
    if vm.power in (RUNNING, PAUSED) and native_live_arguments(change.key, change.new):
        return LIVE
    nic = _OF_NIC.fullmatch(change.key)
    return NEXT_BOOT if vm.power == SUSPENDED and (change.key in _SAVED or nic) else POWER_OFF


def native_live_arguments(key, value):
    """Arguments of controlvm, or None."""
    nic = _OF_NIC.fullmatch(key)
    if nic:
        return [f"{_LIVE_OF_NIC[nic[1]]}{nic[2]}", value] if nic[1] in _LIVE_OF_NIC else None
    return [*_LIVE[key], value] if key in _LIVE else None


def native_arguments(key, value):
    return [f"--{key}", value]


NATIVE = {"native": Setting(cost=_cost, same=_is_same, normalize=_normalized)}
