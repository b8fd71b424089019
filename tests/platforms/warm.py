# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Executables for doubles, which are Python programs: the executables need not wait until Python has started."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

from suite import forking

_HERE = Path(__file__).resolve().parent
_SOCKET = "POLYVIRT_TEST_WARM_SERVER"
_DOUBLES = (
    "platforms.vagrant.double.commands",
    "platforms.virtualbox.double.commands",
    "platforms.vmm.double.commands",
)


def _server():
    """The path of the server's socket. The first call starts the server; child processes use the same server."""
    if _SOCKET not in os.environ:
        os.environ[_SOCKET] = forking.start(_HERE / "warm_server.py", *_DOUBLES)
    return os.environ[_SOCKET]


def script(module, *words):
    """The text of an executable that runs ``python -m MODULE WORD...``, followed by the executable's own arguments."""
    client = [sys.executable, "-S", "-E", str(_HERE / "warm_client.py"), _server(), module, *map(str, words)]
    return f'#!/bin/sh\nexec {shlex.join(client)} "$@"\n'
