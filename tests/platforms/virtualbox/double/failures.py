# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Error messages of VBoxManage, with the error code and the component that reports it."""

from __future__ import annotations

_CODES = {
    "VBOX_E_OBJECT_NOT_FOUND": "0x80bb0001",
    "VBOX_E_INVALID_VM_STATE": "0x80bb0002",
    "VBOX_E_VM_ERROR": "0x80bb0003",
    "VBOX_E_FILE_ERROR": "0x80bb0004",
    "VBOX_E_IPRT_ERROR": "0x80bb0005",
    "VBOX_E_INVALID_OBJECT_STATE": "0x80bb0007",
    "VBOX_E_NOT_SUPPORTED": "0x80bb0009",
    "VBOX_E_OBJECT_IN_USE": "0x80bb000c",
    "VBOX_E_PLATFORM_ARCH_NOT_SUPPORTED": "0x80bb0012",
    "E_ACCESSDENIED": "0x80070005",
    "NS_ERROR_INVALID_ARG": "0x80070057",
    "NS_ERROR_FAILURE": "0x80004005",
}
PROGRESS = "0%...10%...20%...30%...40%...50%...60%...70%...80%...90%...100%\n"
_BANNER = (
    "Oracle VirtualBox Command Line Management Interface Version {version}\n"
    "Copyright (C) 2005-2026 Oracle and/or its affiliates\n\n"
)


class Failure(Exception):
    """A failed command. With ``work`` it failed in a background task; its progress is printed before the message."""

    def __init__(self, *lines, code=None, part="SessionMachine", work=False, after=(), stdout="", rc=1):
        super().__init__(*lines)
        self.lines, self.code, self.part, self.work, self.after = lines, code, part, work, after
        self.stdout, self.rc = stdout, rc

    def text(self, _version):
        text = f"0%...10%...{self.code}\n" if self.work else ""
        text += "".join(_error(line) for line in self.lines)
        if self.code:
            # A background task has no callee.
            callee = "" if self.work else ", callee nsISupports"
            interface = "I" + self.part.removesuffix("Wrap").replace("Session", "")
            number = _CODES[self.code]
            text += _error(
                f"Details: code {self.code} ({number}), component {self.part}, interface {interface}{callee}"
            )
            text += _error('Context: "Call()" at line 1 of file VBoxManage.cpp')
        return text + "".join(_error(line) for line in self.after)


class NeverEnds(Exception):
    """A command that does not end, because it waits for another host."""


class Misuse(Exception):
    """A command with wrong arguments. ``gap``: a blank line before the usage; ``close``: the message again after it;
    ``plain``: the message alone.
    """

    def __init__(self, line, rc=2, gap=True, close=False, plain=False):
        super().__init__(line)
        self.line, self.rc, self.gap, self.close, self.plain = line, rc, gap, close, plain
        self.stdout = ""

    def text(self, version):
        if self.plain:
            return _error(self.line)
        gap = "\n" if self.gap else ""
        usage = f"{gap}Usage - VirtualBox:\n\n  VBoxManage ...\n\n"
        return _BANNER.format(version=version) + _error(self.line) + usage + (_error(self.line) if self.close else "")


def _error(line):
    return f"VBoxManage: error: {line}\n"


def not_found(text, part="VirtualBoxWrap"):
    return Failure(text, code="VBOX_E_OBJECT_NOT_FOUND", part=part)


def wrong_state(text, part="SessionMachine"):
    return Failure(text, code="VBOX_E_INVALID_VM_STATE", part=part)


def invalid(text, part="SessionMachine"):
    return Failure(text, code="NS_ERROR_INVALID_ARG", part=part)


def in_use(text, part="SessionMachine"):
    return Failure(text, code="VBOX_E_OBJECT_IN_USE", part=part)


def held(text, part="MachineWrap"):
    return Failure(text, code="VBOX_E_INVALID_OBJECT_STATE", part=part)
