# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SSH banners, ports and HTTP, with real sockets."""

from __future__ import annotations

import http.server
import socket
import ssl
import subprocess
import threading
import time
from contextlib import contextmanager

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.options.guest_conditions import Http
from ansible_collections.polyvirt.core.plugins.module_utils._ports import net
from ansible_collections.polyvirt.core.plugins.module_utils._ports.net import guest_answers, is_free, ssh_banner


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


def test_open_port_is_one_that_accepts_a_connection():
    with server() as port:
        assert guest_answers("127.0.0.1", port, "port")
    assert not guest_answers("127.0.0.1", port, "port"), "it is closed now"
    assert guest_answers("127.0.0.1", port, "address"), "a host that refuses a connection is there"


@pytest.mark.parametrize(("pieces", "answers"), [((b"220 mail\r\n",), True), ((), False)])
def test_server_behind_nat_has_to_send_something(pieces, answers):
    """NAT accepts a connection to a forwarded port and closes it if the guest does not listen."""
    with server(*pieces) as port:
        assert guest_answers("127.0.0.1", port, "answer") is answers


def test_server_behind_nat_that_is_silent_gets_a_line_of_http():
    with web_server(400) as port:
        assert guest_answers("127.0.0.1", port, "answer")
    assert not guest_answers("127.0.0.1", port, "answer")


def test_nat_that_holds_the_connection_of_a_guest_that_boots_is_no_answer():
    with socket.create_server(("127.0.0.1", 0)) as listening:  # Accepted by the kernel, and never read.
        assert not net.sends_something("127.0.0.1", listening.getsockname()[1], timeout=0.3)
        assert guest_answers("127.0.0.1", listening.getsockname()[1], "port")


@contextmanager
def web_server(status, tls=None):
    """A server that answers every request with a status; a redirect leads nowhere."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status)
            self.send_header("Location", "http://nowhere.invalid/")
            self.end_headers()

        def log_message(self, format, *args):
            """Print nothing."""

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as serving:
        if tls is not None:
            serving.socket = tls.wrap_socket(serving.socket, server_side=True)
        thread = threading.Thread(target=serving.serve_forever, args=(0.01,))
        thread.start()
        yield serving.server_port
        serving.shutdown()
        thread.join()


@pytest.mark.parametrize(("status", "answers"), [(200, True), (302, True), (404, False), (503, False)])
def test_page_answers_by_its_status(status, answers):
    with web_server(status) as port:
        assert guest_answers("127.0.0.1", port, Http("http", "/health", range(200, 400))) is answers


def test_certificate_of_a_page_is_not_verified(tmp_path):
    """No certificate is that of an address which a VM has just got."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(self_signed(tmp_path))
    with web_server(200, tls) as port:
        assert guest_answers("127.0.0.1", port, Http("https", "/", range(200, 400)))
        assert not guest_answers("127.0.0.1", port, Http("http", "/", range(200, 400)))


def self_signed(folder):
    """Return a file with a key and a certificate of another name."""
    argv = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1"]
    files = ["-subj", "/CN=elsewhere.invalid", "-keyout", "key.pem", "-out", "certificate.pem"]
    subprocess.run([*argv, *files], cwd=folder, check=True, capture_output=True)
    both = folder / "both.pem"
    both.write_bytes((folder / "key.pem").read_bytes() + (folder / "certificate.pem").read_bytes())
    return both


@pytest.mark.parametrize("pieces", [(), (b"SSH-2.0-OpenSSH_9.2\r\n",)])
def test_what_is_no_web_server_has_no_page(pieces):
    with server(*pieces) as port:
        assert not guest_answers("127.0.0.1", port, Http("http", "/", range(200, 400)))
    assert not guest_answers("127.0.0.1", port, Http("http", "/", range(200, 400)))
