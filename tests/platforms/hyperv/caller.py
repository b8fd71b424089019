# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Send single calls to the double of Hyper-V, in the form in which a driver sends them."""

from __future__ import annotations

import json

import pytest

from platforms.hyperv.double.records import Snapshot, Vm

DISK = "C:\\Disks\\web.vhdx"


class Error(Exception):
    """The error of a call; ``head`` is the part of its id before the first comma."""

    def __init__(self, answer):
        super().__init__(answer["id"])
        self.head, self.category, self.message = answer["id"].split(",")[0], answer["category"], answer["message"]


class Caller:
    """Sends calls to a host."""

    def __init__(self, host):
        self.host = host

    def answer(self, command, show=None, about=(), **arguments):
        """The answer to a call. If an argument is a VM or checkpoint, the same chain reads it first."""
        calls, given = [], {}
        for name, value in arguments.items():
            given[name] = f"={value}" if isinstance(value, str) else value
            if isinstance(value, list):
                given[name] = [f"={one}" if isinstance(one, str) else one for one in value]
            reader = {Vm: "Get-VM", Snapshot: "Get-VMSnapshot"}.get(type(value))
            if reader:
                calls.append({"op": "call", "command": reader, "with": {"Id": f"={value.id}"}, "keep": name})
                given[name] = {"ref": name}
        tree = dict.fromkeys(show.split(), True) if isinstance(show, str) else show
        last = {"op": "call", "command": command, "with": given, "show": tree or {}, **dict(about)}
        return self._last([*calls, last])

    def _last(self, calls):
        answer = json.loads(self.host.windows.answer(json.dumps({"chains": [{"calls": calls}]})))
        found = answer["chains"][0]["calls"][-1]
        if not found["ok"]:
            raise Error(found["error"])
        return found

    def __call__(self, command, show=None, **arguments):
        return self.answer(command, show, **arguments)["objects"]

    def picked(self, vm, path, command, argument, where=None, **arguments):
        """Call a command with objects of a VM as its ``argument``; ``path`` is the VM's property that contains them."""
        read = {"op": "call", "command": "Get-VM", "with": {"Id": f"={vm.id}"}, "keep": "vm"}
        pick = {"op": "pick", "from": "vm", "path": [path], "keep": "one", **({"where": where} if where else {})}
        given = {name: f"={value}" if isinstance(value, str) else value for name, value in arguments.items()}
        call = {"op": "call", "command": command, "with": {**given, argument: {"ref": "one"}}}
        return self._last([read, pick, call])


def fails(call, head, category=None):
    """Assert that a call fails with this head of its id and this category; returns its Error."""
    with pytest.raises(Error) as error:
        call()
    assert error.value.head == head
    assert category in (None, error.value.category)
    return error.value


def on(web, state="Running", **guest):
    web.state = state
    vars(web.guest).update(guest)
    return web
