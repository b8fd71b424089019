# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Endpoints that run commands and read or write files in a guest by its agent (PVE/API2/Qemu/Agent.pm)."""

from __future__ import annotations

import base64

from .errors import AgentError, ApiError
from .vm_agent import asked


def _of_agent(answer):
    """Create an endpoint that returns ``answer(call, ask)``; ``ask`` sends a request to the agent."""

    def method(call):
        machine = call.machine()
        refused = yield from asked(call, machine)
        if refused or machine.guest.agent is None:
            raise ApiError(f"Agent error: {refused['error']['desc'] if refused else 'no commands are simulated here'}")

        def ask(name, **arguments):
            try:
                return machine.guest.agent.ask({"execute": name, "arguments": arguments})
            except AgentError as error:
                raise ApiError(f"Agent error: {error}") from None

        return answer(call, ask)

    return method


def _execute(call, ask):
    path, *words = _listed(call.get("command"))
    given = call.get("input-data")
    more = {"input-data": _encoded(given.encode("latin-1"))} if given else {}
    return {"pid": ask("guest-exec", path=path, arg=words, **{"capture-output": True}, **more)["pid"]}


def _listed(value):
    return value if isinstance(value, list) else [value]


def _status(call, ask):
    status = ask("guest-exec-status", pid=int(call.get("pid")))
    answer = {**status, "exited": int(status["exited"])}
    for key in ("out-data", "err-data"):
        if key in status:
            # Perl treats bytes as characters.
            answer[key] = base64.b64decode(status[key]).decode("latin-1")
    return answer


def _write(call, ask):
    content = call.get("content")
    if str(call.get("encode", "1")) in ("1", "true"):
        content = _encoded(content.encode("latin-1"))
    handle = ask("guest-file-open", path=call.get("file"), mode="wb")
    data = base64.b64decode(content)
    while data:
        data = data[ask("guest-file-write", handle=handle, **{"buf-b64": _encoded(data)})["count"] :]
    ask("guest-file-close", handle=handle)


def _encoded(data):
    return base64.b64encode(data).decode("ascii")


execute = _of_agent(_execute)
status = _of_agent(_status)
write = _of_agent(_write)
