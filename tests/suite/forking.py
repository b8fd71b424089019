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


def serve(path, receive):
    """Serve requests. Returns a request in the fork that runs it, and None in the server at the end of the tests.

    ``receive(connection)`` reads one request. All forks share the modules that are imported before.
    """
    # Objects that are frozen are not copied by the first garbage collection of every fork.
    gc.freeze()
    # The processes that wait for forks need not be waited for.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen(64)
        print("ready", flush=True)
        while sys.stdin not in (ready := select.select([listening, sys.stdin], [], [])[0]):
            if listening in ready:
                connection, _address = listening.accept()
                if os.fork() == 0:
                    listening.close()
                    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                    return _forked(connection, receive)
                connection.close()
    return None


def _forked(connection, receive):
    """Returns the request, in the process that runs it. The process that waits for that one ends here."""
    request = receive(connection)
    process = os.fork()
    if process == 0:
        connection.close()
        return request
    ended = os.pidfd_open(process)
    if ended not in select.select([ended, connection], [], [])[0]:
        os.kill(process, signal.SIGKILL)
    _process, status = os.waitpid(process, 0)
    with suppress(OSError):  # The caller may have ended.
        connection.sendall(str(os.waitstatus_to_exitcode(status)).encode())
    return os._exit(0)
