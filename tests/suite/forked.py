# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The client of the fork server: run one module in a fork of a prepared process."""

from __future__ import annotations

import socket
from functools import lru_cache
from itertools import count
from json import dumps, loads
from pathlib import Path

from ansible.module_utils.common.parameters import PASS_VARS

from suite import forking
from suite.limits import scaled

_SERVER = Path(__file__).with_name("fork_server.py")
#: Seconds after which a task is considered hung.
_PATIENCE = 300
_numbers = count(1)


@lru_cache(maxsize=1)
def _server():
    """The path of the server's socket; the server starts with the first task and ends with this process."""
    return forking.start(_SERVER)


def run(module, arguments, environment, folder, clock=None):
    """Run one module: (exit code, result as JSON, standard error). The code is negative when it was killed.

    ``arguments`` is a file in the form in which Ansible passes them; ``folder`` receives the output; ``clock`` is that
    of a double (fork_server.py), or None for real time.
    """
    number = next(_numbers)
    streams = {name: Path(folder) / f"{name}-{number}" for name in ("stdout", "stderr")}
    request = {"module": module, "arguments": str(arguments), "environment": environment, "clock": clock}
    rc = _ask({**request, **{name: str(path) for name, path in streams.items()}})
    texts = [path.read_text(encoding="utf-8", errors="replace") for path in streams.values()]
    for path in streams.values():
        path.unlink()
    return rc, as_kept(texts[0]), texts[1]


def invocation(is_requested=True):
    """The parameter by which Ansible requests the invocation in the result. Old versions always add it instead."""
    return {"_ansible_inject_invocation": is_requested} if "inject_invocation" in PASS_VARS else {}


def as_kept(stdout):
    """The part of a module's output that Ansible keeps. Since ansible-core 2.22, it first takes the secrets from it."""
    if "_ansible_new_secrets" not in stdout:
        return stdout
    return dumps({key: value for key, value in loads(stdout).items() if key != "_ansible_new_secrets"})


def _ask(request):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(scaled(_PATIENCE))
        connection.connect(_server())
        connection.sendall(f"{dumps(request)}\n".encode())
        try:
            return int(connection.recv(16))
        except TimeoutError:
            raise AssertionError(f"{request['module']} had not ended after {scaled(_PATIENCE)} s") from None
