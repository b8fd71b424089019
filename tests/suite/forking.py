# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server that runs each request in a fork of one prepared process, and the function that starts such a server.

A connection carries one request. The answer is the exit code of the fork (negative: the signal that killed it). A fork
is killed when its caller closes the connection. A server has no threads (a fork of a process with threads may hang) and
ends when its standard input is closed.
"""

from __future__ import annotations

import atexit
import gc
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress


def start(server, *words, environment=None):
    """Start ``python SERVER SOCKET WORD...``, which ends with this process. Returns the path of the socket."""
    # Not a TemporaryDirectory: a process that multiprocessing forks from this one forgets its exit functions (Python
    # 3.13), and with the last reference to the object its directory would be removed.
    folder = tempfile.mkdtemp(prefix="polyvirt-fork-")
    path = f"{folder}/socket"
    command, pipes = [sys.executable, server, path, *words], {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    process = subprocess.Popen(command, env=environment, **pipes)
    atexit.register(_end, process, folder)
    assert process.stdout.readline() == b"ready\n", f"{server} does not start: its error is above"
    return path


def _end(process, folder):
    process.stdin.close()
    process.wait()
    process.stdout.close()
    shutil.rmtree(folder)


class _Forks:
    """The requests that run: each has a fork, and the connection of its caller."""

    def __init__(self, poll):
        self._poll, self._running = poll, {}

    def add(self, process, connection):
        ended = os.pidfd_open(process)
        self._poll.register(ended, select.POLLIN)
        # Only its end counts: the request, which the fork reads, is no event.
        self._poll.register(connection, 0)
        self._running[ended] = process, connection

    def close(self):
        """Forget them, in a fork of the server."""
        for ended, (_process, connection) in self._running.items():
            os.close(ended)
            connection.close()

    def handle(self, number):
        """A fork has ended, or its caller has."""
        if number in self._running:
            self._answer(number, *self._running.pop(number))
        for process, connection in self._running.values():
            if connection.fileno() == number:
                os.kill(process, signal.SIGKILL)

    def _answer(self, ended, process, connection):
        _process, status = os.waitpid(process, 0)
        with suppress(OSError):  # The caller may have ended.
            connection.sendall(str(os.waitstatus_to_exitcode(status)).encode())
        for one in (ended, connection):
            self._poll.unregister(one)
        os.close(ended)
        connection.close()


def end_after(run):
    """Run a program in a fork of the server, and end the process as Python does, but without freeing its objects.

    That would write to, and so copy, all memory that forks share with the server.
    """
    code = 0
    try:
        run()
    except SystemExit as end:
        code = end.code if isinstance(end.code, (int, type(None))) else 1
        if end.code is not code:
            print(end.code, file=sys.stderr)
    except BaseException:  # As at the end of a program.
        sys.excepthook(*sys.exc_info())
        code = 1
    threading._shutdown()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):  # Nobody reads it any more.
            stream.flush()
    os._exit((code or 0) & 0xFF)


def serve(path, receive):
    """Serve requests. Returns a request in the fork that runs it, and None in the server at the end of the tests.

    ``receive(connection)`` reads one request. All forks share the modules that are imported before.
    """
    # Objects that are frozen are not copied by the first garbage collection of every fork.
    gc.freeze()
    poll = select.poll()
    forks = _Forks(poll)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen(64)
        poll.register(listening, select.POLLIN)
        poll.register(sys.stdin, select.POLLIN)
        print("ready", flush=True)
        while sys.stdin.fileno() not in (ready := [number for number, _event in poll.poll()]):
            for number in ready:
                if number != listening.fileno():
                    forks.handle(number)
                    continue
                connection, _address = listening.accept()
                process = os.fork()
                if process == 0:
                    forks.close()
                    listening.close()
                    with connection:
                        return receive(connection)
                forks.add(process, connection)
    return None
