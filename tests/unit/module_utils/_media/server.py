# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A web server on this host that has files, ranges and redirects, and breaks connections off when told to."""

from __future__ import annotations

import hashlib
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import PolyvirtError
from ansible_collections.polyvirt.core.plugins.modules.install_medium import MODULE

#: The medium, and its name.
ISO = b"an ISO image " * 100_000
NAME = "d-1.2.0.iso"


class Server:
    """``files``: {path: content}; ``cuts``: {path: [bytes after which each next response is cut]}."""

    def __init__(self, certificate=None):
        self.files, self.redirects, self.cuts = {}, {}, {}
        self.ranges, self.requests = True, []
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

    def _handler(self):
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *words):
                """Nothing on stderr."""

            def do_GET(self):  # the name that http.server calls
                wanted = self.headers.get("Range")
                server.requests.append((self.path, wanted))
                if self.path in server.redirects:
                    return self._answer(302, b"", Location=server.redirects[self.path])
                content = server.files.get(self.path)
                if content is None:
                    return self._answer(404, b"no such file")
                start = int(wanted.split("=")[1].rstrip("-")) if wanted and server.ranges else 0
                if start and start >= len(content):
                    return self._answer(416, b"", **{"Content-Range": f"bytes */{len(content)}"})
                if not start:
                    return self._answer(200, content)
                return self._answer(
                    206, content[start:], **{"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"}
                )

            def _answer(self, status, body, **headers):
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                cuts = server.cuts.get(self.path)
                if cuts:
                    self.wfile.write(body[: cuts.pop(0)])
                    self.wfile.flush()
                    self.close_connection = True
                else:
                    self.wfile.write(body)

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
            {name: options.pop(name) for name in ("file", "initrd", "manual", "checksums") if name in options}
        )
        if signature:
            medium["signature"] = {"signs": "checksums", **signature}
        params = {"medium": medium, "directory": str(self.folder), "key_file": None, "require_signature": False}
        return MODULE.answer({**params, "timeout": 20, **options}, check)

    def error(self, **options):
        with pytest.raises(PolyvirtError) as raised:
            self(**options)
        return str(raised.value)

    def files(self):
        return sorted(path.name for path in self.folder.iterdir()) if self.folder.exists() else []

    def read(self):
        return (self.folder / NAME).read_bytes()
