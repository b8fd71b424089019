# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A SOCKS5 proxy on loopback (RFC 1928: CONNECT without authentication), like that of ``ssh -D``."""

from __future__ import annotations

import socket
import struct
import threading
from socketserver import StreamRequestHandler, ThreadingTCPServer

_SUCCEEDED, _REFUSED, _NOT_SUPPORTED = 0, 5, 7
_IPV4, _NAME, _IPV6, _CONNECT = 1, 3, 4, 1


class SocksProxy:
    """A proxy until its context ends. It reaches ``targets`` only: {(host, port): port on loopback}.

    ``requested`` are the hosts and ports of all requests.
    """

    def __init__(self, targets):
        self.targets, self.requested = targets, []
        self._server = ThreadingTCPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"proxy": self}))
        self._server.daemon_threads = True
        self.url = f"socks5h://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_exception):
        self._server.shutdown()
        self._server.server_close()


class _Handler(StreamRequestHandler):
    proxy = None
    rbufsize = 0

    def handle(self):
        _version, count = self.rfile.read(2)
        if 0 not in self.rfile.read(count):
            self.wfile.write(b"\5\xff")
            return
        self.wfile.write(b"\5\0")
        _version, command, _reserved, kind = self.rfile.read(4)
        requested = (self._host(kind), struct.unpack(">H", self.rfile.read(2))[0])
        self.proxy.requested.append(requested)
        port = self.proxy.targets.get(requested)
        if command != _CONNECT or port is None:
            self._reply(_NOT_SUPPORTED if command != _CONNECT else _REFUSED)
            return
        with socket.create_connection(("127.0.0.1", port)) as target:
            self._reply(_SUCCEEDED)
            back = threading.Thread(target=_copy, args=(target, self.connection), daemon=True)
            back.start()
            _copy(self.connection, target)
            back.join()

    def _host(self, kind):
        if kind == _NAME:
            return self.rfile.read(self.rfile.read(1)[0]).decode()
        family, length = {_IPV4: (socket.AF_INET, 4), _IPV6: (socket.AF_INET6, 16)}[kind]
        return socket.inet_ntop(family, self.rfile.read(length))

    def _reply(self, code):
        self.wfile.write(bytes([5, code, 0, _IPV4]) + bytes(6))


def _copy(source, target):
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        # The other side has closed the connection.
        pass
