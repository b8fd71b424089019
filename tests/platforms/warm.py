# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Executables for doubles, which are Python programs: the executables need not wait until Python has started."""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import sys
from pathlib import Path

from suite import forking

_HERE = Path(__file__).resolve().parent
_SERVER = _HERE / "warm_server.py"
#: {architecture: number of the system call sendmsg(2)}, for warm_client.pl.
_SENDMSG = {"x86_64": 46, "aarch64": 211}
_SOCKET = "POLYVIRT_TEST_WARM_SERVER"
_DOUBLES = (
    "platforms.vagrant.double.commands",
    "platforms.virtualbox.double.commands",
    "platforms.vmm.double.commands",
)


def server(variable, *modules):
    """The path of the socket of a server with these modules, kept in an environment variable: the first call starts the
    server, and child processes use the same one.
    """
    if variable not in os.environ:
        os.environ[variable] = forking.start(_SERVER, *modules)
    return os.environ[variable]


def new_server(environment, *modules):
    """The path of the socket of another server, which imports these modules with an environment of its own."""
    return forking.start(_SERVER, *modules, environment=environment)


def command(socket, module, *words):
    """The words of a command that runs ``python -m MODULE WORD...`` by a server."""
    return [sys.executable, "-S", "-E", str(_HERE / "warm_client.py"), socket, module, *map(str, words)]


def script(module, *words):
    """The text of an executable that runs ``python -m MODULE WORD...``, followed by the executable's own arguments."""
    words = [server(_SOCKET, *_DOUBLES), module, *words]
    perl, sendmsg = shutil.which("perl"), _SENDMSG.get(platform.machine())
    words = [perl, _HERE / "warm_client.pl", sendmsg, *words] if perl and sendmsg else command(*words)
    return f'#!/bin/sh\nexec {shlex.join(map(str, words))} "$@"\n'
