# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The keys of the option ``native``: settings of Hyper-V without their own option, named ``Object.Property``."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ...._core.errors import Refused
from ...._core.model import LIVE, NEVER, POWER_OFF, STOPPED
from ...._kit.settings import Setting

_COMMANDS = {
    "VM": "Set-VM",
    "Processor": "Set-VMProcessor",
    "Memory": "Set-VMMemory",
    "Firmware": "Set-VMFirmware",
}
_NUMBER = re.compile(r"-?\d{1,18}", re.ASCII)
_PERCENT = range(101)
_ON_OFF = ("On", "Off")


@dataclass(frozen=True)
class Native:
    """A setting. ``kind`` is its type, a tuple of its choices, or a range of numbers; ``cost`` is that of a change.

    ``parameter`` is the name of the command's parameter; empty means that of the property.
    """

    kind: object
    cost: str = POWER_OFF
    parameter: str = ""
    object: str = "VM"

    @property
    def command(self):
        return _COMMANDS[self.object]


def _settings_of(object_, **settings):
    """Return {``Object.Property``: Native} of one object of Hyper-V."""
    return {
        f"{object_}.{name}": Native(one.kind, one.cost, one.parameter or name, object_)
        for name, one in settings.items()
    }


#: Keys that are reported, and cannot be set.
STATUS = ("VM.CPUUsage", "VM.MemoryAssigned", "VM.MemoryDemand", "VM.Uptime", "VM.Version", "VM.IsClustered")

NATIVE = {
    **_settings_of(
        "VM",
        AutomaticStartAction=Native(("Nothing", "StartIfRunning", "Start"), LIVE),
        AutomaticStartDelay=Native(int, LIVE),
        AutomaticCriticalErrorAction=Native(("None", "Pause"), LIVE),
        AutomaticCriticalErrorActionTimeout=Native(int, LIVE),
        SnapshotFileLocation=Native(str),
        SmartPagingFilePath=Native(str),
        GuestControlledCacheTypes=Native(bool),
        LowMemoryMappedIoSpace=Native(int),
        HighMemoryMappedIoSpace=Native(int),
        BatteryPassthroughEnabled=Native(bool),
        EnhancedSessionTransportType=Native(("VMBus", "HvSocket")),
        LockOnDisconnect=Native(_ON_OFF, LIVE),
    ),
    **_settings_of(
        "Processor",
        CompatibilityForMigrationEnabled=Native(bool),
        CompatibilityForOlderOperatingSystemsEnabled=Native(bool),
        HwThreadCountPerCore=Native(int),
        Maximum=Native(_PERCENT, LIVE),
        Reserve=Native(_PERCENT, LIVE),
        RelativeWeight=Native(range(1, 10001), LIVE),
        MaximumCountPerNumaNode=Native(int),
        MaximumCountPerNumaSocket=Native(int),
        EnableHostResourceProtection=Native(bool),
    ),
    **_settings_of("Memory", Buffer=Native(range(5, 2001), LIVE), Priority=Native(_PERCENT, LIVE)),
    **_settings_of(
        "Firmware",
        PreferredNetworkBootProtocol=Native(("IPv4", "IPv6")),
        ConsoleMode=Native(("Default", "COM1", "COM2", "None")),
        PauseAfterBootFailure=Native(_ON_OFF),
    ),
}


def native_properties(keys):
    """Return {object: names of the properties to read} for these keys."""
    names = {}
    for key in keys:
        object_, _dot, name = key.partition(".")
        names.setdefault(object_, []).append(name)
    return names


def read_native(raw, key):
    object_, _dot, name = key.partition(".")
    return (raw if object_ == "VM" else raw.get(object_) or {}).get(name)


def native_arguments(key, value):
    return {NATIVE[key].parameter: value}


def _cost(vm, change):
    if change.key not in NATIVE:
        return NEVER
    return NATIVE[change.key].cost if vm.power != STOPPED else LIVE


def _normalized_all(vm, given, *_known):
    """Return the settings with values of the right types. Raises Refused for unknown keys and invalid values."""
    return {key: _normalized(vm, key, value) for key, value in given.items()}


def _normalized(vm, key, value):
    known = NATIVE.get(key)
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
