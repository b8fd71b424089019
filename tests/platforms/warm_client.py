# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a module by a server: ``python -S -E warm_client.py SOCKET MODULE WORD...`` (warm_server.py).

The server runs the module in a fork. This process ends with the exit code or signal of the fork; if this process is
killed, the fork is killed, too. warm_client.pl does the same for executables of doubles. Not the module signal, whose
import takes half as long as the start of Python.
"""

import os
import sys

# The module socket takes as long to import as Python takes to start.
from _socket import AF_UNIX, SCM_RIGHTS, SOCK_STREAM, SOL_SOCKET, socket

SERVER_IS_GONE = 125


def run(server, *words):
    """End this process as the server's fork ends. The words are a module and its arguments."""
    with_values = (f"{name}={value}" for name, value in os.environ.items())
    fields = [os.getcwd(), str(len(words)), *words, *with_values]
    request = os.fsencode("\0".join(fields))
    streams = b"".join(number.to_bytes(4, sys.byteorder) for number in (0, 1, 2))
    connection = socket(AF_UNIX, SOCK_STREAM)
    connection.connect(server)
    connection.sendmsg([len(request).to_bytes(4, "big")], [(SOL_SOCKET, SCM_RIGHTS, streams)])
    connection.sendall(request)
    code = int(connection.recv(16) or SERVER_IS_GONE)
    if code < 0:
        os.kill(os.getpid(), -code)
    os._exit(code)


if __name__ == "__main__":
    run(*sys.argv[1:])
