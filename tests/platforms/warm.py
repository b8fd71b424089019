# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Executables of doubles that are Python programs and need not wait for Python to start."""

from __future__ import annotations

import atexit
import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

_HERE = Path(__file__).resolve().parent
_SOCKET = "POLYVIRT_TEST_WARM_SERVER"
_DOUBLES = ("platforms.vagrant.double.commands", "platforms.virtualbox.double.commands")


def _server():
    """The path of the server's socket, which processes that this one starts share."""
    if _SOCKET not in os.environ:
        os.environ[_SOCKET] = _started()
    return os.environ[_SOCKET]


def _started():
    """The server starts with the first double and ends with this process."""
    folder = tempfile.TemporaryDirectory(prefix="polyvirt-warm-")
    path = f"{folder.name}/socket"
    words = [sys.executable, _HERE / "warm_server.py", path, *_DOUBLES]
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    atexit.register(_end, process, folder)
    assert process.stdout.readline() == b"ready\n", "the doubles' server does not start: its error is above"
    return path


def _end(process, folder):
    process.stdin.close()
    process.wait()
    process.stdout.close()
    folder.cleanup()


def script(module, *words):
    """The text of an executable that runs ``python -m MODULE WORD...`` with its own words behind those."""
    client = [sys.executable, "-S", "-E", str(_HERE / "warm_client.py"), _server(), module, *map(str, words)]
    return f'#!/bin/sh\nexec {shlex.join(client)} "$@"\n'
