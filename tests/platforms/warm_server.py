# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the programs of doubles in forks of one warm process: ``python warm_server.py SOCKET MODULE...``.

A call of a double needs 0.07 s of CPU time if Python is started for it, and a third of that in a fork. Each call runs
in its own process, with the caller's directory, environment, arguments and streams.
"""

from __future__ import annotations

import importlib
import os
import runpy
import socket
import sys
import time
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts" / "lib"))

from suite import forking


def _received(connection):
    """Receive a request: (file descriptors of the caller's streams, list of texts)."""
    size, streams, _flags, _address = socket.recv_fds(connection, 4, 3)
    left, parts = int.from_bytes(size, "big"), []
    while left:
        parts.append(connection.recv(left))
        left -= len(parts[-1])
    return streams, os.fsdecode(b"".join(parts)).split("\0")


def _become(streams, fields):
    """Run the module with the streams, directory, environment and arguments of the caller."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    # The server's stream objects have properties of the files on which they were opened.
    sys.stdin, sys.stdout, sys.stderr = (os.fdopen(number, mode, closefd=False) for number, mode in enumerate("rww"))
    folder, count, *words = fields
    os.chdir(folder)
    module, *arguments = words[: int(count)]
    os.environ.clear()
    os.environ.update(word.split("=", 1) for word in words[int(count) :])
    time.tzset()
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def main():
    for module in sys.argv[2:]:
        importlib.import_module(module)
    # That is its purpose: a fork runs one of the modules that were imported before.
    warnings.filterwarnings("ignore", ".* found in sys.modules after import of package", RuntimeWarning)
    request = forking.serve(sys.argv[1], _received)
    if request is not None:
        forking.end_after(lambda: _become(*request))


if __name__ == "__main__":
    main()
