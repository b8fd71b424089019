# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The double of Hyper-V: commands for files answer as those of a real PowerShell.

There are no recordings of Hyper-V's own commands. What the double answers to them is tested only through the driver.
"""

from __future__ import annotations

import json

import pytest

from platforms.hyperv.double.host import HyperV
from platforms.windows.failures import Failed


class Error(Exception):
    """The error of a call; ``head`` is the part of its id before the first comma."""

    def __init__(self, answer):
        super().__init__(answer["id"])
        self.head, self.category, self.message = answer["id"].split(",")[0], answer["category"], answer["message"]


class Caller:
    """Sends calls to a host."""

    def __init__(self, host):
        self.host = host

    def __call__(self, command, show=None, **arguments):
        given = {}
        for name, value in arguments.items():
            given[name] = f"={value}" if isinstance(value, str) else value
            if isinstance(value, list):
                given[name] = [f"={one}" for one in value]
        tree = dict.fromkeys((show or "").split(), True)
        call = {"op": "call", "command": command, "with": given, "show": tree}
        answer = json.loads(self.host.windows.answer(json.dumps({"chains": [{"calls": [call]}]})))
        found = answer["chains"][0]["calls"][-1]
        if not found["ok"]:
            raise Error(found["error"])
        return found["objects"]


def fails(call, head, category=None):
    """Assert that a call fails with this head of its id and this category; returns its Error."""
    with pytest.raises(Error) as error:
        call()
    assert error.value.head == head
    assert category in (None, error.value.category)
    return error.value


D, E, F, G, N = ("C:\\d", "C:\\e", "C:\\f", "C:\\g", "C:\\n")
FOLDER, FORCED, FILE = {"ItemType": "Directory"}, {"ItemType": "Directory", "Force": True}, {"ItemType": "File"}
IN_WAY, NO_ITEM = ("MoveFileInfoItemIOError", "WriteError"), ("PathNotFound", "ObjectNotFound")
NO_SOURCE = ("InvalidOperation", "InvalidOperation")


@pytest.mark.parametrize(
    ("command", "arguments", "answer"),
    [
        ("New-Item", {"Path": [D], **FORCED}, 1),
        ("New-Item", {"Path": [N + "\\a\\b"], **FORCED}, 1),
        ("New-Item", {"Path": [N + "\\a\\b"], **FOLDER}, 1),
        ("New-Item", {"Path": [F], **FORCED}, 0),
        ("New-Item", {"Path": [F + "\\a"], **FORCED}, 0),
        ("New-Item", {"Path": ["C:\\" + "n" * 256], **FORCED}, 0),
        ("New-Item", {"Path": ["X:\\n"], **FORCED}, ("DriveNotFound", "ObjectNotFound")),
        ("New-Item", {"Path": [D], **FOLDER}, ("DirectoryExist", "ResourceExists")),
        ("New-Item", {"Path": [F], **FOLDER}, ("DirectoryExist", "ResourceExists")),
        ("New-Item", {"Path": [F + "\\a"], **FOLDER}, ("CreateDirectoryIOError", "WriteError")),
        ("New-Item", {"Path": [F], **FILE}, ("NewItemIOError", "WriteError")),
        ("New-Item", {"Path": [F], **FILE, "Force": True}, 1),
        ("Remove-Item", {"LiteralPath": [N]}, NO_ITEM),
        ("Remove-Item", {"LiteralPath": [D], "Force": True}, NO_SOURCE),
        ("Remove-Item", {"LiteralPath": [E]}, 0),
        ("Move-Item", {"LiteralPath": [F], "Destination": G}, IN_WAY),
        ("Move-Item", {"LiteralPath": [F], "Destination": G, "Force": True}, 0),
        ("Move-Item", {"LiteralPath": [F], "Destination": E}, 0),
        ("Move-Item", {"LiteralPath": [N], "Destination": E}, NO_SOURCE),
        ("Move-Item", {"LiteralPath": [F], "Destination": N + "\\a"}, IN_WAY),
        ("Test-Path", {"LiteralPath": [D, F, N]}, 3),
        ("Get-Item", {"LiteralPath": [N]}, NO_ITEM),
        ("Get-ChildItem", {"LiteralPath": [N]}, NO_ITEM),
    ],
    ids=str,
)
def test_file_commands_answer_as_a_real_powershell(command, arguments, answer):
    host = HyperV()
    call = Caller(host)
    host.files.make(E)
    for file in (F, G, f"{D}\\f"):
        host.files.put(file, file.encode())
    if isinstance(answer, tuple):
        before = (dict(host.files.contents), set(host.files.folders))
        fails(lambda: call(command, **arguments), *answer)
        assert (host.files.contents, host.files.folders) == before
    else:
        assert len(call(command, "FullName", **arguments)) == answer


def test_file_commands_change_what_a_real_powershell_changes():
    host = HyperV()
    call, files = Caller(host), host.files
    for file in (F, G, f"{D}\\f"):
        files.put(file, file.encode())
    files.make(E)
    files.put(G, F.encode())
    call("Move-Item", LiteralPath=[G], Destination=E)
    assert (files.file(G), files.file(f"{E}\\g")) == (None, F.encode())
    fails(lambda: call("Remove-Item", LiteralPath=[F, N, f"{E}\\g"]), *NO_ITEM)
    assert (files.file(F), files.file(f"{E}\\g")) == (None, F.encode())
    call("New-Item", Path=[f"{E}\\g"], **FILE, Force=True)
    assert files.file(f"{E}\\g") == b""
    with pytest.raises(Failed, match="IOException"):
        files.write(E, "")
    assert files.read(E, 1) == {"ok": True, "exists": False}
