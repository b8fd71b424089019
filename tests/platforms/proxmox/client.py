# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A client of the simulated cluster: of its API, and of the simulator's own interface."""

from __future__ import annotations

import json
import ssl
import urllib.request
from urllib.parse import urlencode


class Client:
    """Reads the server's port, CA file and secret from ``folder``/server.json."""

    @property
    def _server(self):
        """The data of server.json, which the test's process writes for those that it starts."""
        return json.loads((self.folder / "server.json").read_text(encoding="utf-8"))

    @property
    def connection(self):
        known = self._server
        return {
            "api_host": "localhost",
            "api_port": known["port"],
            "api_user": "root@pam",
            "api_token_id": "test",
            "api_token_secret": known["secret"],
            "ca_path": known["authority"],
        }

    @property
    def clock(self):
        """The simulated clock, which a module's sleep advances."""
        known = self._server
        authorization = f"PVEAPIToken=root@pam!test={known['secret']}"
        return {"url": f"https://localhost:{known['port']}/simulator/advance", "authorization": authorization}

    def simulator(self, action, **settings):
        """Call an action of the simulator's own interface; returns its result."""
        return self._request("POST", f"/simulator/{action}", json.dumps(settings).encode())

    def api(self, method, path, **parameters):
        """Call the API, wait until its task has ended, and remove both from the journal."""
        found = self._request(method, f"/api2/json{path}", urlencode(parameters).encode() or None)["data"]
        if isinstance(found, str) and found.startswith("UPID:"):
            self._finish(found)
        # The journal contains only requests of the modules.
        self._request("POST", "/simulator/clear", b"{}")
        return found

    def _finish(self, upid):
        while True:
            status = self._request("GET", f"/api2/json/nodes/{upid.split(':')[1]}/tasks/{upid}/status")["data"]
            if status["status"] == "stopped":
                assert status["exitstatus"] == "OK", status
                return

    def _request(self, method, path, data=None):
        known = self._server
        headers = {"Authorization": f"PVEAPIToken=root@pam!test={known['secret']}"}
        request = urllib.request.Request(
            f"https://localhost:{known['port']}{path}", data=data, headers=headers, method=method
        )
        trusted = ssl.create_default_context(cafile=known["authority"])
        with urllib.request.urlopen(request, context=trusted, timeout=60) as answer:
            return json.loads(answer.read())
