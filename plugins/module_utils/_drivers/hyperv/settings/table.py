# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings of single values: how each is read from a raw VM, and the call that sets it.

A setting of the table has the names of Hyper-V's objects: (object, property) to read, (command, parameter) to write.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable

from ...._ports.windows_request import Ref, pick
from ...._tools.hyperv import SERVICES, VM, hyperv, service_id
from .native import NATIVE, native_arguments, read_native

#: The choices of options in Hyper-V's names.
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
#: Devices of a generation 1 VM; all of them must be named.
_BIOS_DEVICES = {"disk": "IDE", "cdrom": "CD", "network": "LegacyNetworkAdapter"}


@dataclass(frozen=True)
class Named:
    """A setting: ``read(raw)`` gives its value, ``write(value)`` the arguments of ``command``."""

    read: Callable
    command: str
    write: Callable


def _chosen(names):
    words = {name: word for word, name in names.items()}
    return lambda found: words.get(found, found)


def _plain(command, parameter, object_, name, words=None):
    """A setting that is one parameter; ``words`` are the option's choices with Hyper-V's names."""
    read = _chosen(words) if words else lambda found: found

    def write(value):
        return {parameter: words[value] if words else value}

    return Named(lambda raw: read(_part(raw, object_).get(name)), command, write)


def _part(raw, object_):
    return raw if object_ == "VM" else raw.get(object_) or {}


def _on_off(value):
    return "On" if value else "Off"


def _read_secure_boot(raw):
    found = _part(raw, "Firmware").get("SecureBoot")
    return None if found is None else found == "On"


#: By option. Settings of one command are set together.
SETTINGS = {
    "memory": _plain("Set-VMMemory", "StartupBytes", "VM", "MemoryStartup"),
    "dynamic_memory": _plain("Set-VMMemory", "DynamicMemoryEnabled", "VM", "DynamicMemoryEnabled"),
    "minimum_memory": _plain("Set-VMMemory", "MinimumBytes", "VM", "MemoryMinimum"),
    "maximum_memory": _plain("Set-VMMemory", "MaximumBytes", "VM", "MemoryMaximum"),
    "cpus": _plain("Set-VMProcessor", "Count", "VM", "ProcessorCount"),
    "nested_virtualization": _plain(
        "Set-VMProcessor", "ExposeVirtualizationExtensions", "Processor", "ExposeVirtualizationExtensions"
    ),
    "secure_boot": Named(_read_secure_boot, "Set-VMFirmware", lambda value: {"EnableSecureBoot": _on_off(value)}),
    "secure_boot_template": _plain("Set-VMFirmware", "SecureBootTemplate", "Firmware", "SecureBootTemplate", TEMPLATES),
    "autostart": Named(
        lambda raw: _AUTOSTART.get(raw.get("AutomaticStartAction")),
        "Set-VM",
        lambda value: {"AutomaticStartAction": "Start" if value else "Nothing"},
    ),
    "stop_action": _plain("Set-VM", "AutomaticStopAction", "VM", "AutomaticStopAction", STOP_ACTIONS),
    "checkpoint_type": _plain("Set-VM", "CheckpointType", "VM", "CheckpointType", CHECKPOINTS),
    "automatic_checkpoints": _plain("Set-VM", "AutomaticCheckpointsEnabled", "VM", "AutomaticCheckpointsEnabled"),
}
#: Settings that only a VM of generation 2 has.
UEFI_ONLY = ("secure_boot", "secure_boot_template", "tpm")


def read_settings(raw, native_keys=()):
    """The values of all settings but disks, NICs and what the notes hold."""
    found = {name: setting.read(raw) for name, setting in SETTINGS.items()}
    security = raw.get("Security")
    return {
        **{name: value for name, value in found.items() if value is not None or name == "autostart"},
        **({"tpm": bool(security.get("TpmEnabled"))} if security else {}),
        "firmware": "bios" if raw.get("Generation") == 1 else "uefi",
        "boot_order": read_boot_order(raw),
        "integration_services": _read_services(raw),
        **({"native": {key: read_native(raw, key) for key in native_keys}} if native_keys else {}),
    }


def _read_services(raw):
    ends = {end: name for name, end in SERVICES.items()}
    found = {one["Id"].upper().rpartition("\\")[2]: one["Enabled"] for one in raw.get("VMIntegrationService") or ()}
    return {ends[end]: found[end] for end in SERVICES.values() if end in found}


def answers(raw, service):
    """Whether an integration service is enabled, and the guest answers."""
    services = raw.get("VMIntegrationService") or ()
    found = [one for one in services if one["Id"].upper().endswith(SERVICES[service])]
    return any(one["Enabled"] and one.get("PrimaryOperationalStatus") == "Ok" for one in found)


def read_boot_order(raw):
    """Kinds of devices in the order in which the firmware tries them; each kind once."""
    if raw.get("Generation") == 1:
        words = {device: word for word, device in _BIOS_DEVICES.items()}
        kinds = [words.get(one) for one in (raw.get("Bios") or {}).get("StartupOrder") or ()]
    else:
        known = {one["Id"]: "disk" for one in raw.get("HardDrives") or ()}
        known.update({one["Id"]: "cdrom" for one in raw.get("DVDDrives") or ()})
        known.update({one["Id"]: "network" for one in raw.get("NetworkAdapters") or ()})
        entries = (raw.get("Firmware") or {}).get("BootOrder") or ()
        kinds = [known.get((one.get("Device") or {}).get("Id")) for one in entries]
    return tuple(dict.fromkeys(kind for kind in kinds if kind))


def same_boot_order(found, requested):
    """Devices that a VM does not have cannot be in its boot order."""
    found = found or ()
    return [one for one in requested if one in found] == [one for one in found if one in requested]


# Writing --------------------------------------------------------------------------------------------------------------


def setting_calls(values):
    """Calls that set these values {option: value} of ``Ref("vm")``, one for each command."""
    arguments = {}
    for name, setting in SETTINGS.items():
        if name in values:
            arguments.setdefault(setting.command, {}).update(setting.write(values[name]))
    for key, value in (values.get("native") or {}).items():
        arguments.setdefault(NATIVE[key].command, {}).update(native_arguments(key, value))
    return [hyperv(command, {"VM": VM, **given}) for command, given in arguments.items()]


def tpm_calls(is_wanted):
    if not is_wanted:
        return [hyperv("Disable-VMTPM", {"VM": VM})]
    protector = hyperv("Set-VMKeyProtector", {"VM": VM, "NewLocalKeyProtector": True})
    return [protector, hyperv("Enable-VMTPM", {"VM": VM})]


def bios_order_call(order):
    """The boot order of a generation 1 VM: all devices, those that are not named at the end."""
    named = [_BIOS_DEVICES[one] for one in order]
    rest = [one for one in (*_BIOS_DEVICES.values(), "Floppy") if one not in named]
    return hyperv("Set-VMBios", {"VM": VM, "StartupOrder": [*named, *rest]})


def service_calls(vm_id, wanted, found=None):
    """Integration services by their ids, because their names are in the language of the host.

    ``found``: {id: whether it is enabled} of those that need no call if they are as wanted.
    """
    calls = []
    for name, is_on in wanted.items():
        if (found or {}).get(service_id(vm_id, name).lower()) == is_on:
            continue
        command = "Enable-VMIntegrationService" if is_on else "Disable-VMIntegrationService"
        calls.append(pick("vm", name, path=["VMIntegrationService"], conditions={"Id": service_id(vm_id, name)}))
        calls.append(hyperv(command, {"VMIntegrationService": Ref(name)}))
    return calls
