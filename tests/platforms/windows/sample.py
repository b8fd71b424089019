# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module golden/Sample.psm1 in Python. The answers were recorded with it, and tests of the port use it."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

from platforms.windows.binder import Command
from platforms.windows.conversions import Types
from platforms.windows.failures import Failed
from platforms.windows.host import Context, WindowsHost
from platforms.windows.objects import NetObject, Text, has_wildcards, like

POWER = {"Other": 1, "Running": 2, "Off": 3, "Stopping": 4, "Saved": 6}
_TYPES = Types({"Power": POWER})
_GIB = 1 << 30


def _parameter(type_, *sets, mandatory=False):
    return {"type": type_, "sets": {one: {"mandatory": mandatory} for one in sets or ("*",)}}


_MACHINES, _MACHINE = (_parameter(f"Machine{ending}", mandatory=True) for ending in ("[]", ""))
_SIGNATURES = {
    "Get-SampleMachine": {"Name": _parameter("string[]", "Name"), "Id": _parameter("guid?", "Id")},
    "Set-SampleMachine": {
        "Machine": _parameter("Machine[]", "Machine", mandatory=True),
        "Name": _parameter("string[]", "Name", mandatory=True),
        "Memory": _parameter("long?"),
        "Notes": _parameter("string"),
        "State": _parameter("Power"),
        "Flag": _parameter("bool"),
        "Passthru": _parameter("switch"),
    },
    "Stop-SampleMachine": {"Machine": _MACHINES, "Force": _parameter("switch")},
    "Remove-SampleMachine": {"Machine": _MACHINE},
    "Get-SampleDisk": {"Path": _parameter("string[]", mandatory=True)},
    "Get-SampleLook": {},
    "Reset-SampleLook": {},
    "Wait-Sample": {"Seconds": _parameter("double"), "Fail": _parameter("switch")},
    "Get-SampleValue": {
        "Value": _parameter("object"),
        "Text": _parameter("string"),
        "Texts": _parameter("string[]"),
        "Long": _parameter("long?"),
        "Big": _parameter("uint64"),
        "Flag": _parameter("bool"),
        "Switch": _parameter("switch"),
        "Guid": _parameter("guid"),
    },
    "Get-SampleNothing": {},
}
_ASKS = {"Set-SampleMachine", "Stop-SampleMachine", "Remove-SampleMachine"}


def _command(name, parameters):
    has_sets = any("Name" in about["sets"] for about in parameters.values())
    signature = {
        "parameters": parameters,
        "default_set": "Name" if has_sets else None,
        "impact": "Medium" if name in _ASKS else None,
    }
    return Command(name, signature, _TYPES, compiled=False, module="Sample", owner=name)


COMMANDS = [_command(name, parameters) for name, parameters in _SIGNATURES.items()]


def sample_host(**options):
    """A host that has the module, with its three sample machines."""
    return WindowsHost(COMMANDS, Sample().invoke, **options)


def _gone():
    raise ValueError("gone")


def _machine(number, name, state):
    adapters = [
        NetObject(
            "Sample.Adapter", Name=f"nic {one}", Id=f"{number}-{one}", Addresses=[f"10.0.0.{one}"], Connected=None
        )
        for one in range(1, number)
    ]
    disk = NetObject("Sample.Disk", Path=f"C:\\{name}.vhdx", ParentPath="C:\\base.vhdx", Size=10 * _GIB)
    return NetObject(
        "Sample.Machine",
        Id=f"{number:08}-0000-4000-8000-000000000000",
        Name=name,
        State=state,
        Memory=2 * _GIB * number,
        Notes=None,
        Created=datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc),
        Uptime=timedelta(seconds=90061.9),
        Version=Text("10.0"),
        Heartbeat=None,
        Load=0.5,
        Adapters=adapters,
        Disks=[disk],
        States=["Running", "Saved"] if number == 2 else ["Running"],
        Big=(1 << 64) - 1,
        Letter="C",
        Table=Text("System.Collections.Generic.Dictionary`2[System.String,System.Int32]"),
        Broken=_gone,
    )


def _absent(id_, category, message, target):
    return Failed(f"{id_},Get-SampleMachine", category, message, target, "System.ArgumentException", 0x80070057)


class Sample:
    """The state of the module."""

    def __init__(self):
        gamma = "gamma [x] * 'q' `b $(throw) \"d\""
        self.machines = [_machine(1, "alpha", "Off"), _machine(2, "beta", "Running"), _machine(3, gamma, "Saved")]
        self.looks = 0

    def invoke(self, context, command, bound):
        verb, noun = command.name.split("-")
        return getattr(self, f"{verb}_{noun}".lower())(context, bound.values)

    def get_samplemachine(self, context, given):
        self.looks += 1
        if "Id" in given:
            found = [one for one in self.machines if one.get("Id") == given["Id"]]
            if not found:
                message = f"no machine with id {given['Id'] or ''}"
                context.error(_absent("ObjectNotFound", "ObjectNotFound", message, given["Id"] or ""))
            yield from found
        elif not given.get("Name"):
            yield from self.machines
        for name in given.get("Name") or ():
            found = [one for one in self.machines if like(one.get("Name"), name)]
            if not found and not has_wildcards(name):
                context.error(_absent("InvalidParameter", "InvalidArgument", f"no machine named {name}", name))
            yield from found

    def set_samplemachine(self, context, given):
        # The inner call stops at its first error, even if the outer call continues.
        inner = Context(context.host, context.command)
        targets = given["Machine"] if "Machine" in given else list(self.get_samplemachine(inner, given))
        if "Memory" in given:
            given = {**given, "Memory": given["Memory"] or 0}
        for one in targets:
            if "State" in given and one.get("State") == given["State"]:
                context.warn("The machine is already in the specified state.")
            one.change(**{name: given[name] for name in ("Memory", "Notes", "State") if name in given})
            if given.get("Passthru"):
                yield one

    def stop_samplemachine(self, context, given):
        for one in given["Machine"]:
            if not given.get("Force"):
                context.ask("turn off?")
            one.change(State="Off")
        return ()

    def remove_samplemachine(self, context, given):
        self.machines = [one for one in self.machines if one.get("Id") != given["Machine"].get("Id")]
        return ()

    def get_sampledisk(self, context, given):
        for path in given["Path"]:
            parent = "C:\\middle.vhdx" if re.match(r"C:\\(alpha|beta)", path, re.IGNORECASE) else ""
            parent = "C:\\base.vhdx" if path.lower() == "c:\\middle.vhdx" else parent
            yield NetObject("Sample.Disk", Path=path, ParentPath=parent, Size=5 * _GIB)

    def get_samplelook(self, context, given):
        self.looks += 1
        state = "Off" if self.looks >= 3 else "Stopping"
        return [NetObject("Look", Name="alpha", State=state, Looks=self.looks)]

    def reset_samplelook(self, context, given):
        self.looks = 0
        return ()

    def wait_sample(self, context, given):
        context.wait(given.get("Seconds", 0))
        if given.get("Fail"):
            failed = ("OperationFailed,Wait-Sample", "NotSpecified", "Failed to stop.", "", "System.TimeoutException")
            context.error(Failed(*failed, 0x80131505))
        return ()

    def get_samplevalue(self, context, given):
        value = given.get("Value")
        names = {type(None): None, str: "String", int: "Int64", float: "Double", bool: "Boolean", list: "Object[]"}
        defaults = {"Text": "", "Texts": None, "Long": None, "Big": 0, "Flag": False, "Switch": False}
        shown = {**defaults, "Guid": "00000000-0000-0000-0000-000000000000", "Value": value, **given}
        bound = sorted(name for name in given if not name.startswith(("Error", "Warning")))
        return [NetObject("Value", **shown, Type=names.get(type(value), type(value).__name__), Bound=bound)]

    def get_samplenothing(self, context, given):
        return ()
