# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An HTTP server for a simulated Windows host, for modules in other processes: they send requests, and sleep."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@contextmanager
def served(find):
    """A context with an HTTP server; yields its URL. ``find()`` is called at each request and returns the host."""
    one_at_a_time = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            with one_at_a_time:
                try:
                    answer = self._answer(find(), body)
                except ConnectionError:
                    self.close_connection = True
                    return
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer.encode())

        def _answer(self, host, body):
            if self.path == "/sleep":
                host.clock.sleep(json.loads(body)["seconds"])
            elif self.path == "/put":
                host.put(self.headers["Path"], body)
            else:
                return host.answer(body.decode())
            return "{}"

        def log_message(self, format, *arguments):
            """Log nothing: the host itself records requests."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
