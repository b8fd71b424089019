# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hyper-V: the keys of the option ``native``: settings without an option, named ``Object.Property``."""

from __future__ import annotations

import re

from ...._core.errors import Refused
from ...._core.frozen import Frozen, replace
from ...._core.model import LIVE, NEVER, POWER_OFF, STOPPED
from ...._core.pattern import Pattern
from ...._kit.settings import Setting, options_of_native
from ...._tools.windows_files import key_of
from .actions import ACTIONS
from .cdroms import CDROMS
from .disks import DISKS, OF_NEW_VM
from .firmware import FIRMWARE
from .memory_cpus import MEMORY_CPUS
from .networks import NICS

_COMMANDS = {
    "VM": "Set-VM",
    "Processor": "Set-VMProcessor",
    "Memory": "Set-VMMemory",
    "Firmware": "Set-VMFirmware",
}
_NUMBER = Pattern(r"-?\d{1,18}", re.ASCII)
_PERCENT = range(101)
_ON_OFF = ("On", "Off")
_OF_HOST = object()


class Native(Frozen):
    """A setting. ``kind`` is its type, a tuple of its choices, or a range of numbers; ``cost`` is that of a change.

    ``parameter`` is the name of the command's parameter; empty means that of the property. ``unset`` is the value of a
    new VM, ``_OF_HOST`` if that depends on the host.
    """

    kind: object
    cost: str = POWER_OFF
    parameter: str = ""
    object: str = "VM"
    unset: object = False

    @property
    def command(self):
        return _COMMANDS[self.object]


def _settings_of(object_, **settings):
    """Return {``Object.Property``: Native} of one object of Hyper-V."""
    return {
        f"{object_}.{name}": replace(one, parameter=one.parameter or name, object=object_)
        for name, one in settings.items()
    }


#: {(option, value or None for all): the first build of Windows whose Hyper-V has it}. Sources: a list of the commands
#: of build 14393, the properties of WMI, and Microsoft's page about the scheduler. That all later builds have it, and
#: that the battery came with 16299, is assumed: the pages of the commands are copies of one page.
_SINCE = {
    ("automatic_checkpoints", True): 16299,
    ("secure_boot_template", "shielded"): 16299,
    ("native.VM.BatteryPassthroughEnabled", None): 16299,
    ("native.VM.EnhancedSessionTransportType", None): 17134,
    ("native.Processor.HwThreadCountPerCore", 0): 17763,
}
#: Keys that are reported, and cannot be set.
STATUS = ("VM.CPUUsage", "VM.MemoryAssigned", "VM.MemoryDemand", "VM.Uptime", "VM.Version", "VM.IsClustered")
#: Those of them that are no settings, but measured.
_MEASURED = STATUS[:4]

NATIVE = {
    **_settings_of(
        "VM",
        AutomaticStartAction=Native(("Nothing", "StartIfRunning", "Start"), LIVE, unset=_OF_HOST),
        AutomaticStartDelay=Native(int, LIVE, unset=0),
        AutomaticCriticalErrorAction=Native(("None", "Pause"), LIVE, unset="Pause"),
        AutomaticCriticalErrorActionTimeout=Native(int, LIVE, unset=30),
        SnapshotFileLocation=Native(str, unset=_OF_HOST),
        SmartPagingFilePath=Native(str, unset=_OF_HOST),
        GuestControlledCacheTypes=Native(bool),
        LowMemoryMappedIoSpace=Native(int, unset=128 << 20),
        HighMemoryMappedIoSpace=Native(int, unset=512 << 20),
        BatteryPassthroughEnabled=Native(bool, unset=True),
        EnhancedSessionTransportType=Native(("VMBus", "HvSocket"), unset="VMBus"),
        LockOnDisconnect=Native(_ON_OFF, LIVE, unset="Off"),
    ),
    **_settings_of(
        "Processor",
        CompatibilityForMigrationEnabled=Native(bool),
        CompatibilityForOlderOperatingSystemsEnabled=Native(bool),
        HwThreadCountPerCore=Native(int, unset=0),
        Maximum=Native(_PERCENT, LIVE, unset=100),
        Reserve=Native(_PERCENT, LIVE, unset=0),
        RelativeWeight=Native(range(1, 10001), LIVE, unset=100),
        MaximumCountPerNumaNode=Native(int, unset=_OF_HOST),
        MaximumCountPerNumaSocket=Native(int, unset=_OF_HOST),
        EnableHostResourceProtection=Native(bool),
    ),
    **_settings_of("Memory", Buffer=Native(range(5, 2001), LIVE, unset=20), Priority=Native(_PERCENT, LIVE, unset=50)),
    **_settings_of(
        "Firmware",
        PreferredNetworkBootProtocol=Native(("IPv4", "IPv6"), unset="IPv4"),
        ConsoleMode=Native(("Default", "COM1", "COM2", "None"), unset="Default"),
        PauseAfterBootFailure=Native(_ON_OFF, unset="Off"),
    ),
}


#: {setting that no option and no key sets: the value of a new VM; _OF_HOST if that depends on the host}.
NOT_SET = {
    **dict.fromkeys(("Processor.ResourcePoolName", "Memory.ResourcePoolName"), "Primordial"),
    **dict.fromkeys(("Processor.EnableLegacyApicMode", "Processor.AllowACountMCount", "Bios.NumLockEnabled"), False),
    "Security.EncryptStateAndVmMigrationTraffic": False,
    "Security.VirtualizationBasedSecurityOptOut": False,
    "Memory.MaximumPerNumaNode": _OF_HOST,
}


def undescribed(raw, all_raw):
    """Return {path: reason} of what no option sets. ``all_raw``: the VMs with which limits of the host are compared."""
    of_host = [key for key, known in NATIVE.items() if known.unset is _OF_HOST and known.kind is int]
    values = {**dict.fromkeys(of_host, _OF_HOST), **NOT_SET}
    for key, new in values.items():
        usual = [read_native(one, key) for one in all_raw]
        values[key] = max(usual, key=usual.count, default=None) if new is _OF_HOST else new
    found = {key: read_native(raw, key) for key in values}
    found |= {f"{port}.Path": (raw.get(port) or {}).get("Path") or None for port in ("ComPort1", "ComPort2")}
    found = {key: value for key, value in found.items() if value is not None and value != values.get(key)}
    if any(one.get("BootType") == "File" for one in (raw.get("Firmware") or {}).get("BootOrder") or ()):
        found["Firmware.BootOrder"] = "one with a file"
    found = {key: f"It is {value}. No option sets it." for key, value in found.items()}
    if raw.get("Controllers", ()) is None:
        found["ScsiControllers"] = "They could not be read."
    more = [number for number in raw.get("Controllers") or () if number not in OF_NEW_VM]
    return {**found, **{f"ScsiControllers.{one}": "No option adds it, see Add-VMScsiController." for one in more}}


def native_properties(keys):
    """Return {object: names of the properties to read} for these keys."""
    names = {}
    for key in keys:
        object_, _dot, name = key.partition(".")
        names.setdefault(object_, []).append(name)
    return names


def check_release(vm, config, build):
    """Raise Refused for a setting that Hyper-V of this build of Windows lacks; None is an unknown build."""
    given = {**config, **{f"native.{key}": value for key, value in (config.get("native") or {}).items()}}
    for (option, value), since in _SINCE.items():
        if option in given and value in (None, given[option]) and (build or since) < since:
            shown = option if value is None else f"{option}: {str(value).lower()}"
            raise Refused(f"{vm.name}: {shown}: Hyper-V has it since build {since}. The host has {build}.", "Omit it.")


def has_automatic_checkpoints(build):
    """Return whether Hyper-V of this build of Windows takes checkpoints by itself, which a command can turn off."""
    return not build or build >= _SINCE[("automatic_checkpoints", True)]


def read_native(raw, key):
    object_, _dot, name = key.partition(".")
    values = raw if object_ == "VM" else raw.get(object_)
    # Without a dot, it is the name of a value of the VM.
    return values.get(name) if isinstance(values, dict) else None


def described_native(found, folder):
    """Return those of the values of a VM that a new VM does not have, and the status that can only be read.

    ``folder`` is the directory of the VM, in which a new VM has its other files.
    """
    return {
        key: value for key, value in found.items() if key not in NATIVE or _is_described(NATIVE[key], value, folder)
    }


def without_measured(vm, config):
    """Return the settings of a VM without what is measured."""
    native = {key: value for key, value in (config.get("native") or {}).items() if key not in _MEASURED}
    return {**config, "native": native}


def _is_described(native, value, folder):
    if native.kind is str and value and folder:
        return key_of(value) != key_of(folder)
    return native.unset is not _OF_HOST and value is not None and value != native.unset


def native_arguments(key, value):
    return {NATIVE[key].parameter: value}


def _cost(vm, change):
    if change.key not in NATIVE:
        return NEVER
    return NATIVE[change.key].cost if vm.power != STOPPED else LIVE


def _normalized_all(vm, given, *_known):
    """Return the settings with values of the right types. Raises Refused for unknown keys and invalid values."""
    return {key: _normalized(vm, key, value) for key, value in given.items()}


#: {key: option that sets the same}
_OPTIONS = options_of_native({**MEMORY_CPUS, **FIRMWARE, **ACTIONS, **DISKS, **CDROMS, **NICS})
#: A key of an option, and its only value that the option does not have.
_BEYOND = ("VM.AutomaticStartAction", "startifrunning")


def _normalized(vm, key, value):
    known = NATIVE.get(key)
    if key in _OPTIONS and (key, str(value).lower()) != _BEYOND:
        raise Refused(
            f"{vm.name}: native: '{key}' cannot be set through native.", f"Use the option {_OPTIONS[key]} instead."
        )
    if known is None:
        raise Refused(f"{vm.name}: native: '{key}' is not supported.", f"Supported keys: {', '.join(sorted(NATIVE))}.")
    if isinstance(known.kind, tuple):
        choices = {choice.lower(): choice for choice in known.kind}
        if str(value).lower() in choices:
            return choices[str(value).lower()]
        expected = f"one of {', '.join(known.kind)}"
    elif known.kind is int or isinstance(known.kind, range):
        number, limits = _number(value), None if known.kind is int else known.kind
        if number is not None and (limits is None or number in limits):
            return number
        expected = f"a whole number{f' from {limits[0]} to {limits[-1]}' if limits else ''}"
    else:
        if isinstance(value, known.kind):
            return value
        expected = {bool: "true or false", str: "text"}[known.kind]
    raise Refused(f"{vm.name}: native.{key}: {value!r} is not {expected}.", "Correct the value.")


def _number(value):
    is_number = isinstance(value, (int, str)) and not isinstance(value, bool) and _NUMBER.fullmatch(str(value))
    return int(value) if is_number else None


NATIVE_ROW = Setting(cost=_cost, normalize=_normalized_all)
