# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SSH banners and ports, with real sockets."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import contextmanager

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._ports.net import is_free, ssh_banner


@contextmanager
def server(*pieces, host="127.0.0.1", hang_up=True):
    """Accept one connection, send ``pieces`` one by one, and close it (``hang_up``) or wait for the client to do so."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as listening:

        def serve():
            connection, _peer = listening.accept()
            with connection:
                for piece in pieces:
                    connection.sendall(piece)
                    time.sleep(0.02)
                if not hang_up:
                    connection.recv(1)

        thread = threading.Thread(target=serve)
        thread.start()
        yield listening.getsockname()[1]
        thread.join()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_banner_is_read(host):
    with server(b"SSH-2.0-Open", b"SSH_9.2\r\n", host=host) as port:
        assert ssh_banner(host, port) == "SSH-2.0-OpenSSH_9.2"


def test_lines_before_the_banner_are_allowed():
    with server(b"welcome\r\nSSH-2.0-x\r\n") as port:
        assert ssh_banner("127.0.0.1", port) == "SSH-2.0-x"


@pytest.mark.parametrize("pieces", [(), (b"HTTP/1.1 400\r\n",), (b"SSH-2.0-unfinished",), (b"x" * 8192,)])
def test_other_answers_are_not_banners(pieces):
    with server(*pieces) as port:
        assert ssh_banner("127.0.0.1", port) is None


def test_silent_server_ends_in_a_timeout():
    # The server never ends the connection, so only the timeout can.
    with server(hang_up=False) as port:
        assert ssh_banner("127.0.0.1", port, timeout=0.3) is None


@pytest.mark.parametrize(
    ("host", "port"), [("127.0.0.1", 1), ("a" * 70 + ".invalid", 22), ("127.0.0.1", 70000), ("", 0)]
)
def test_connection_errors_give_no_banner(host, port):
    assert ssh_banner(host, port, timeout=0.5) is None


@pytest.mark.parametrize(("protocol", "kind"), [("tcp", socket.SOCK_STREAM), ("udp", socket.SOCK_DGRAM)])
def test_port_that_a_server_uses_is_not_free(protocol, kind):
    with socket.socket(socket.AF_INET, kind) as server:
        # A server that allows reuse of its port still uses it.
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("127.0.0.1", 0))
        if protocol == "tcp":
            server.listen()
        port = server.getsockname()[1]
        assert not is_free("127.0.0.1", port, protocol)
    assert is_free("127.0.0.1", port, protocol)
