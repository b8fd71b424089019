# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the programs of doubles in forks of one warm process: ``python warm_server.py SOCKET MODULE...``.

A double costs 0.07 s of processor time for each call if Python starts for it, and a third of that in a fork. Each call
is a process of its own, with the caller's directory, environment, arguments and streams. It is killed when its caller
is. The server ends when its standard input is closed.
"""

from __future__ import annotations

import gc
import importlib
import os
import runpy
import select
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))


def _received(connection):
    """(streams, fields) of a request."""
    size, streams, _flags, _address = socket.recv_fds(connection, 4, 3)
    left, parts = int.from_bytes(size, "big"), []
    while left:
        parts.append(connection.recv(left))
        left -= len(parts[-1])
    return streams, os.fsdecode(b"".join(parts)).split("\0")


def _become(streams, fields):
    """Run the module as the process that its caller started."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    # Those of the server remember what they were opened on.
    sys.stdin, sys.stdout, sys.stderr = (os.fdopen(number, mode, closefd=False) for number, mode in enumerate("rww"))
    folder, count, *words = fields
    os.chdir(folder)
    module, *arguments = words[: int(count)]
    os.environ.clear()
    os.environ.update(word.split("=", 1) for word in words[int(count) :])
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _answer(connection):
    """Returns in the module's process only, with its request; the process that waits for it ends here."""
    request = _received(connection)
    process = os.fork()
    if process == 0:
        connection.close()
        return request
    ended = os.pidfd_open(process)
    ready = select.select([ended, connection], [], [])[0]
    if ended not in ready:
        os.kill(process, signal.SIGKILL)
    _process, status = os.waitpid(process, 0)
    with suppress(OSError):  # The caller may be gone.
        connection.sendall(str(os.waitstatus_to_exitcode(status)).encode())
    return os._exit(0)


def _next_request(listening):
    """Serve until a fork has become the process of a call: its request, or None at the end."""
    while sys.stdin not in (ready := select.select([listening, sys.stdin], [], [])[0]):
        if listening in ready:
            connection, _address = listening.accept()
            if os.fork() == 0:
                listening.close()
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                return _answer(connection)
            connection.close()
    return None


def main():
    for module in sys.argv[2:]:
        importlib.import_module(module)
    # What is frozen is not copied by the first garbage collection of every fork.
    gc.freeze()
    # Nobody waits for the processes that wait for calls.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(sys.argv[1])
        listening.listen(64)
        print("ready", flush=True)
        request = _next_request(listening)
    if request is not None:
        _become(*request)


if __name__ == "__main__":
    main()
