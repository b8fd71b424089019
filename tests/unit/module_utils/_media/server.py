# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A web server on this host that has files, ranges and redirects, and breaks off connections as a test requests."""

from __future__ import annotations

import hashlib
import select
import socket
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import PolyvirtError
from ansible_collections.polyvirt.core.plugins.module_utils._core.results.approval import Approval
from ansible_collections.polyvirt.core.plugins.modules.install_medium import MODULE

#: The medium, and its name.
ISO = b"an ISO image " * 100_000
NAME = "d-1.2.0.iso"


class Server:
    """``files``: {path: content}; ``cuts``: {path: [bytes after which each next response is cut (None: not)]}.

    ``pauses``: {path: what is called after so many bytes of the next response without a range: (bytes, function)}.
    """

    def __init__(self, certificate=None):
        self.files, self.redirects, self.cuts, self.pauses = {}, {}, {}, {}
        self.ranges, self.requests, self.headers = True, [], []
        #: What is reported as the size of each file, if it is not the right one.
        self.size = None
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        scheme = "http"
        if certificate:
            scheme = "https"
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._http.socket = context.wrap_socket(self._http.socket, server_side=True)
        self.url = f"{scheme}://127.0.0.1:{self._http.server_port}"
        threading.Thread(target=self._http.serve_forever, daemon=True).start()

    def close(self):
        self._http.shutdown()
        self._http.server_close()

    def fetched(self, path):
        """The ranges with which a path was requested; None: the whole file."""
        return [wanted for name, wanted in self.requests if name == path]

    def _paused(self, path, body, stream):
        """Send the beginning of a response, if it has a pause then, and return what remains."""
        count, call = self.pauses.pop(path, (0, lambda: None))
        stream.write(body[:count])
        stream.flush()
        call()
        return body[count:]

    def _handler(self):
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *words):
                """Nothing on stderr."""

            def do_GET(self):  # the name that http.server calls
                wanted = self.headers.get("Range")
                server.requests.append((self.path, wanted))
                server.headers.append(dict(self.headers))
                if self.path in server.redirects:
                    return self._answer(302, b"", Location=server.redirects[self.path])
                content = server.files.get(self.path)
                if content is None:
                    return self._answer(404, b"no such file")
                if not (wanted and server.ranges):
                    return self._answer(200, content)
                first, _dash, last = wanted.removeprefix("bytes=").partition("-")
                start, end = int(first), min(int(last or len(content)), len(content) - 1)
                if start >= len(content):
                    return self._answer(416, b"", **{"Content-Range": f"bytes */{len(content)}"})
                size = server.size or len(content)
                return self._answer(206, content[start : end + 1], **{"Content-Range": f"bytes {start}-{end}/{size}"})

            def _answer(self, status, body, **headers):
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                cuts = server.cuts.get(self.path)
                body = server._paused(self.path, body, self.wfile) if status == 200 else body
                if cuts:
                    self.wfile.write(body[: cuts.pop(0)])
                    self.wfile.flush()
                    self.close_connection = True
                else:
                    self.wfile.write(body)

        return Handler


class Proxy:
    """A proxy for https: ``asked`` are the hosts to which it has opened tunnels."""

    def __init__(self):
        self.asked = []
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        threading.Thread(target=self._http.serve_forever, daemon=True).start()

    def close(self):
        self._http.shutdown()
        self._http.server_close()

    def _handler(self):
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *words):
                """Nothing on stderr."""

            def do_CONNECT(self):  # the name that http.server calls
                proxy.asked.append(self.path)
                host, _colon, port = self.path.rpartition(":")
                with socket.create_connection((host, int(port))) as other:
                    self.send_response(200)
                    self.end_headers()
                    ends = {self.connection: other, other: self.connection}
                    while True:
                        for end in select.select(list(ends), [], [])[0]:
                            data = end.recv(1 << 16)
                            if not data:
                                return
                            ends[end].sendall(data)

        return Handler


def checksum(content):
    return hashlib.sha256(content).hexdigest()


class Cache:
    """A directory to download to, and the module on it."""

    def __init__(self, folder, server):
        self.folder, self.server = folder / "cache", server

    def __call__(self, check=False, signature=None, bases=None, **options):
        medium = {"type": "iso", "file": "d-1.*.iso", "bases": bases or [f"{self.server.url}/r/"], "checksums": "SUMS"}
        medium.update(
            {
                name: options.pop(name)
                for name in ("file", "initrd", "manual", "checksums", "unverified")
                if name in options
            }
        )
        if signature:
            medium["signature"] = {"signs": "checksums", **signature}
        medium = options.pop("medium", medium)
        params = {"medium": medium, "directory": str(self.folder), "key_file": None, "require_signature": False}
        return MODULE.answer({**params, "architecture": None, "timeout": 20, **options}, check, Approval())

    def error(self, **options):
        with pytest.raises(PolyvirtError) as raised:
            self(**options)
        return str(raised.value)

    def files(self):
        return sorted(path.name for path in self.folder.iterdir()) if self.folder.exists() else []

    def read(self):
        return (self.folder / NAME).read_bytes()
