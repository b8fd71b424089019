# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings with a single value, as a table: how to read each from a raw VM, and the call that sets it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable

from ...._ports.windows_request import Ref, pick
from ...._tools.hyperv import SERVICES, VM, hyperv, service_id
from .native import NATIVE, native_arguments, read_native

#: {choice of the option: name in Hyper-V}
TEMPLATES = {
    "windows": "MicrosoftWindows",
    "linux": "MicrosoftUEFICertificateAuthority",
    "shielded": "OpenSourceShieldedVM",
}
CHECKPOINTS = {
    "production": "Production",
    "production_only": "ProductionOnly",
    "standard": "Standard",
    "disabled": "Disabled",
}
STOP_ACTIONS = {"save": "Save", "shut_down": "ShutDown", "turn_off": "TurnOff"}
_AUTOSTART = {"Start": True, "Nothing": False}
#: {kind of device: name in the boot order of a generation 1 VM}; Hyper-V requires all of them in the order.
_BIOS_DEVICES = {"disk": "IDE", "cdrom": "CD", "network": "LegacyNetworkAdapter"}


@dataclass(frozen=True)
class Setting:
    """A setting: ``read(raw)`` returns its value, ``write(value)`` returns the arguments of ``command``."""

    read: Callable
    command: str
    write: Callable


def _single(command, parameter, object_, property_, names=None):
    """Return a Setting that is read from one property and written with one parameter.

    ``names`` is {choice of the option: name in Hyper-V}; None if the values are the same.
    """
    choices = {name: choice for choice, name in (names or {}).items()}

    def read(raw):
        value = _part(raw, object_).get(property_)
        return choices.get(value, value) if choices else value

    def write(value):
        return {parameter: names[value] if names else value}

    return Setting(read, command, write)


def _part(raw, object_):
    """Return the object of Hyper-V that contains a property: the VM itself, or such as its Firmware."""
    return raw if object_ == "VM" else raw.get(object_) or {}


def _on_off(value):
    return "On" if value else "Off"


def _read_secure_boot(raw):
    value = _part(raw, "Firmware").get("SecureBoot")
    return None if value is None else value == "On"


#: {option: Setting}. Settings with the same command are set in one call.
SETTINGS = {
    "memory": _single("Set-VMMemory", "StartupBytes", "VM", "MemoryStartup"),
    "dynamic_memory": _single("Set-VMMemory", "DynamicMemoryEnabled", "VM", "DynamicMemoryEnabled"),
    "minimum_memory": _single("Set-VMMemory", "MinimumBytes", "VM", "MemoryMinimum"),
    "maximum_memory": _single("Set-VMMemory", "MaximumBytes", "VM", "MemoryMaximum"),
    "cpus": _single("Set-VMProcessor", "Count", "VM", "ProcessorCount"),
    "nested_virtualization": _single(
        "Set-VMProcessor", "ExposeVirtualizationExtensions", "Processor", "ExposeVirtualizationExtensions"
    ),
    "secure_boot": Setting(_read_secure_boot, "Set-VMFirmware", lambda value: {"EnableSecureBoot": _on_off(value)}),
    "secure_boot_template": _single(
        "Set-VMFirmware", "SecureBootTemplate", "Firmware", "SecureBootTemplate", TEMPLATES
    ),
    "autostart": Setting(
        lambda raw: _AUTOSTART.get(raw.get("AutomaticStartAction")),
        "Set-VM",
        lambda value: {"AutomaticStartAction": "Start" if value else "Nothing"},
    ),
    "stop_action": _single("Set-VM", "AutomaticStopAction", "VM", "AutomaticStopAction", STOP_ACTIONS),
    "checkpoint_type": _single("Set-VM", "CheckpointType", "VM", "CheckpointType", CHECKPOINTS),
    "automatic_checkpoints": _single("Set-VM", "AutomaticCheckpointsEnabled", "VM", "AutomaticCheckpointsEnabled"),
}
#: Settings that only a VM of generation 2 has.
UEFI_ONLY = ("secure_boot", "secure_boot_template", "tpm")


def read_settings(raw, native_keys=()):
    """Return the values of all settings except disks, NICs and those in the notes."""
    values = {name: setting.read(raw) for name, setting in SETTINGS.items()}
    security = raw.get("Security")
    return {
        **{name: value for name, value in values.items() if value is not None or name == "autostart"},
        **({"tpm": bool(security.get("TpmEnabled"))} if security else {}),
        "firmware": "bios" if raw.get("Generation") == 1 else "uefi",
        "boot_order": read_boot_order(raw),
        "integration_services": _read_services(raw),
        **({"native": {key: read_native(raw, key) for key in native_keys}} if native_keys else {}),
    }


def _read_services(raw):
    enabled = {one["Id"].upper().rpartition("\\")[2]: one["Enabled"] for one in raw.get("VMIntegrationService") or ()}
    return {name: enabled[guid] for name, guid in SERVICES.items() if guid in enabled}


def service_responds(raw, service):
    """Return whether an integration service is enabled and the guest responds to it."""
    services = raw.get("VMIntegrationService") or ()
    found = [one for one in services if one["Id"].upper().endswith(SERVICES[service])]
    return any(one["Enabled"] and one.get("PrimaryOperationalStatus") == "Ok" for one in found)


def read_boot_order(raw):
    """Return the kinds of devices in the order in which the firmware tries them, each kind once."""
    if raw.get("Generation") == 1:
        kind_of = {device: kind for kind, device in _BIOS_DEVICES.items()}
        kinds = [kind_of.get(one) for one in (raw.get("Bios") or {}).get("StartupOrder") or ()]
    else:
        kind_of = {one["Id"]: "disk" for one in raw.get("HardDrives") or ()}
        kind_of.update({one["Id"]: "cdrom" for one in raw.get("DVDDrives") or ()})
        kind_of.update({one["Id"]: "network" for one in raw.get("NetworkAdapters") or ()})
        entries = (raw.get("Firmware") or {}).get("BootOrder") or ()
        kinds = [kind_of.get((one.get("Device") or {}).get("Id")) for one in entries]
    return tuple(dict.fromkeys(kind for kind in kinds if kind))


def same_boot_order(found, requested):
    """Compare boot orders, but only devices that are in both: a VM cannot boot from devices that it does not have."""
    found = found or ()
    return [one for one in requested if one in found] == [one for one in found if one in requested]


# Writing --------------------------------------------------------------------------------------------------------------


def setting_calls(values):
    """Return the calls that set {option: value} of the VM that is stored as "vm", one call per command."""
    arguments = {}
    for name, setting in SETTINGS.items():
        if name in values:
            arguments.setdefault(setting.command, {}).update(setting.write(values[name]))
    for key, value in (values.get("native") or {}).items():
        arguments.setdefault(NATIVE[key].command, {}).update(native_arguments(key, value))
    return [hyperv(command, {"VM": VM, **values_of}) for command, values_of in arguments.items()]


def tpm_calls(is_wanted):
    if not is_wanted:
        return [hyperv("Disable-VMTPM", {"VM": VM})]
    protector = hyperv("Set-VMKeyProtector", {"VM": VM, "NewLocalKeyProtector": True})
    return [protector, hyperv("Enable-VMTPM", {"VM": VM})]


def bios_order_call(order):
    """Return the call that sets the boot order of a generation 1 VM; devices missing in ``order`` come last."""
    first = [_BIOS_DEVICES[one] for one in order]
    rest = [one for one in (*_BIOS_DEVICES.values(), "Floppy") if one not in first]
    return hyperv("Set-VMBios", {"VM": VM, "StartupOrder": [*first, *rest]})


def service_calls(vm_id, wanted, current=None):
    """Return the calls that enable and disable integration services, {name: whether to enable it}.

    They are selected by id, because their names are in the language of the host. ``current`` is {id: whether it is
    enabled}; services that already are as requested need no call.
    """
    calls = []
    for name, is_on in wanted.items():
        if (current or {}).get(service_id(vm_id, name).lower()) == is_on:
            continue
        command = "Enable-VMIntegrationService" if is_on else "Disable-VMIntegrationService"
        calls.append(pick("vm", name, path=["VMIntegrationService"], conditions={"Id": service_id(vm_id, name)}))
        calls.append(hyperv(command, {"VMIntegrationService": Ref(name)}))
    return calls
