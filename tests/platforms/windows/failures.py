# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Error records of PowerShell, and faults that tests can plan."""

from __future__ import annotations

from dataclasses import dataclass

_AUTOMATION = "System.Management.Automation."


@dataclass(eq=False)
class Failed(Exception):
    """An error record. Commands raise it, or write it to their context and continue."""

    id: str
    category: str = "NotSpecified"
    message: str = ""
    target: str = ""
    type: str = "System.Exception"
    hresult: int = 0x80131500

    def answer(self):
        """The error in the form in which windows_calls returns it."""
        return {**vars(self), "hresult": f"0x{self.hresult:08X}"}


def call_error(id_, message):
    """An error of windows_calls itself."""
    return Failed(id_, "InvalidOperation", message, type="System.InvalidOperationException", hresult=0x80131509)


def exception(type_, message, hresult):
    """An exception of .NET in a script; the error's id is the short name of its type."""
    return Failed(type_.rsplit(".", 1)[-1], "NotSpecified", message, type=type_, hresult=hresult)


def not_bound(error, command):
    """The error record of a BindingError."""
    message = f"{command.name}: {error}"
    return Failed(f"{error.id},{command.owner}", error.category, message, "", _AUTOMATION + error.type, 0x80131501)


def no_command(name):
    id_ = "CommandNotFoundException,Microsoft.PowerShell.Commands.GetCommandCommand"
    message = (
        f"The term '{name}' is not recognized as a name of a cmdlet, function, script file, or executable program.\n"
        "Check the spelling of the name, or if a path was included, verify that the path is correct and try again."
    )
    return Failed(id_, "ObjectNotFound", message, name, f"{_AUTOMATION}CommandNotFoundException", 0x80131501)


def no_module(name):
    id_ = "Modules_ModuleNotFound,Microsoft.PowerShell.Commands.ImportModuleCommand"
    message = (
        f"The specified module '{name}' was not loaded because no valid module file was found in any module directory."
    )
    return Failed(id_, "ResourceUnavailable", message, name, "System.IO.FileNotFoundException", 0x80070002)


def null_index():
    message = "Index operation failed; the array index evaluated to null."
    type_ = f"{_AUTOMATION}RuntimeException"
    return Failed("NullArrayIndex", "InvalidOperation", message, type=type_, hresult=0x80131501)


def prompt(command, text, is_background):
    """The error of a function that asks for confirmation (ShouldContinue), which nobody can answer."""
    if is_background:
        message = (
            "A command that prompts the user failed because the host program or the command type does not support user"
            f" interaction. The host was attempting to request confirmation with the following message: {text}"
        )
        type_, hresult = "Host.HostException", 0x80131501
    else:
        message = "PowerShell is in NonInteractive mode. Read and Prompt functionality is not available."
        type_, hresult = "PSInvalidOperationException", 0x80131509
    id_ = f"{type_.rsplit('.', 1)[-1]},{command.owner}"
    return Failed(id_, "NotSpecified", message, type=_AUTOMATION + type_, hresult=hresult)


class Killed(Exception):
    """The process on the host has ended in the middle of a request."""


@dataclass
class Fault:
    """A fault at one call. Calls are counted over all requests, from 1.

    ``kind``: "fail" (the call returns ``error`` and does nothing), "lose" (the request is carried out, but its answer
    is lost), "kill" (the process ends after the call, or ``before`` it).
    """

    kind: str
    call: int
    before: bool = False
    error: Failed | None = None


class Faults:
    """The planned faults of a host; ``calls`` is the number of calls so far."""

    def __init__(self):
        self.planned, self.calls, self.is_lost = [], 0, False

    def plan(self, kind, call, **how):
        """Plan a fault at the ``call``-th call from now."""
        self.planned.append(Fault(kind, self.calls + call, **how))

    def around(self, act):
        """Count a call, carry it out with ``act`` and return its answer, unless a fault is due."""
        self.calls += 1
        due = [one for one in self.planned if one.call == self.calls]
        for fault in due:
            if fault.kind == "fail":
                return {"ok": False, "error": fault.error.answer()}
            if fault.kind == "kill" and fault.before:
                raise Killed
        self.is_lost = self.is_lost or any(fault.kind == "lose" for fault in due)
        answer = act()
        if any(fault.kind == "kill" for fault in due):
            raise Killed
        return answer


def interruptions(error):
    """What can interrupt a task at a call, as {label: arguments of ``faults.plan``}; ``error`` is that of the call."""
    return {
        "lose": {"kind": "lose"},
        "kill before": {"kind": "kill", "before": True},
        "kill after": {"kind": "kill"},
        "fail": {"kind": "fail", "error": error},
    }
