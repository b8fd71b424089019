# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Call the API of Proxmox VE with the library proxmoxer. Any HTTP status is returned; the caller interprets it.

Comments that begin with "proxmoxer" explain workarounds for the library.
"""

from __future__ import annotations

import os
import threading
from functools import partial
from typing import Any, Optional

from .._core import errors
from .._core.frozen import Frozen, field
from . import change_counter, proxmox_upload
from .proxmox_failures import LEAST_TIMEOUT, ConnectionLost, check_library, explained, lost, not_logged_in

try:
    import proxmoxer
except ImportError:
    proxmoxer = None

#: Maximum number of parallel calls: proxmoxer opens a connection for each.
CONNECTIONS = 8
#: proxmoxer does not retry: tries of a call that only reads, if the connection is lost.
_TRIES = 3


class Account(Frozen):
    """Server and credentials (a token or a password). ``verify`` is True, False, or the path of a CA file."""

    host: str
    port: int
    user: str
    password: Optional[str] = field(default=None, repr=False)
    token_id: Optional[str] = None
    token_secret: Optional[str] = field(default=None, repr=False)
    verify: Any = True
    timeout: int = LEAST_TIMEOUT

    @property
    def who(self):
        return f"{self.user}!{self.token_id}" if self.token_id else self.user

    @property
    def where(self):
        return f"{self.host}:{self.port}"

    @property
    def address(self):
        """Host and port as they are written in a URL."""
        return f"[{self.host}]:{self.port}" if self.host.count(":") > 1 and self.host[0] != "[" else self.where

    @property
    def seconds(self):
        """How long an answer may take; proxmoxer's default is 5 seconds."""
        return max(self.timeout, LEAST_TIMEOUT)


class Answer(Frozen):
    """``reason`` is the first line of the server's message; ``errors`` are {parameter: text}."""

    status: int
    reason: str = ""
    data: Any = None
    errors: Any = None


def environment(name):
    """Return an environment variable, or None if it is unset or empty."""
    return os.environ.get(name) or None


class ProxmoxApi:
    """The API of one server for one task; any number of threads may call it in parallel."""

    def __init__(self, account):
        self.account, self.who, self.where = account, account.who, account.where
        self._client, self._lock, self._calls = None, threading.Lock(), threading.BoundedSemaphore(CONNECTIONS)

    def call(self, method, path, parameters=None):
        """Make a call and return its Answer. Raises Unavailable if no server answers, and ConnectionLost."""
        tries = _TRIES if method == "GET" else 1
        while True:
            tries -= 1
            try:
                return self._with_ticket(partial(self._answer, method, path, parameters or {}))
            except ConnectionLost:
                if not tries:
                    if method != "GET":
                        change_counter.note(doubtful=True)
                    raise

    def upload(self, path, parameters, file):
        """Make a call that uploads the file at the path ``file``; the server needs it as the last part."""
        try:
            with open(file, "rb") as content:
                return self._with_ticket(partial(self._sent, content, path, parameters))
        except ConnectionLost:
            change_counter.note(doubtful=True)
            raise
        except OSError as error:
            raise errors.NotFound(f"{file} cannot be read: {error.strerror}.", "Correct the path.") from None

    def _sent(self, content, path, parameters, client):
        """Upload an open file; returns an Answer."""
        content.seek(0)
        url = f"https://{self.account.address}/api2/json{path}"
        with self._calls, explained(self.account):
            response = proxmox_upload.post(url, parameters, content, self.account, client.get_tokens())
            try:
                found = response.json()
            except ValueError:
                found = None
        if response.status_code >= 400:
            found = found if isinstance(found, dict) else {}
            return Answer(response.status_code, response.reason, errors=found.get("errors"))
        if not isinstance(found, dict) or "data" not in found:
            raise lost(self.account, "the answer is not from Proxmox VE")
        change_counter.note()
        return Answer(200, "OK", found["data"])

    def _with_ticket(self, made):
        """Return the Answer of the call ``made(client)``; it is repeated with a new ticket if the old one is over."""
        client = self._logged_in()
        answer = made(client)
        if answer.status == 401 and not self.account.token_id:
            # proxmoxer renews a ticket only by its age, not if the server no longer accepts it.
            with self._lock:
                self._client = None if self._client is client else self._client
            answer = made(self._logged_in())
        return answer

    def _answer(self, method, path, parameters, client):
        call = getattr(client(path.strip("/")), method.lower())
        with self._calls, explained(self.account):
            try:
                data = call(**parameters)
            except proxmoxer.ResourceException as error:
                # proxmoxer appends the errors to the reason, and adds an error of its own if the answer is not JSON.
                rejected = error.errors if isinstance(error.errors, dict) and "errors" not in error.errors else None
                return Answer(error.status_code, str(error.content).split(f" - {error.errors}", 1)[0], errors=rejected)
            except (KeyError, TypeError, AttributeError):
                # proxmoxer does not check what it decodes.
                raise lost(self.account, "the answer is not from Proxmox VE") from None
        if method != "GET":
            change_counter.note()
        if isinstance(data, dict) and isinstance(data.get("errors"), bytes):
            # proxmoxer returns an answer that it cannot decode as data.
            raise lost(self.account, "the answer is cut off")
        return Answer(200, "OK", data)

    def _logged_in(self):
        with self._lock:
            self._client = self._client or self._login()
            return self._client

    def _login(self):
        check_library(proxmoxer)
        own = self.account
        secret = {"token_name": own.token_id, "token_value": own.token_secret}
        with explained(own):
            try:
                client = proxmoxer.ProxmoxAPI(
                    own.host,
                    port=own.port,
                    user=own.user,
                    verify_ssl=own.verify,
                    timeout=own.seconds,
                    **(secret if own.token_id else {"password": own.password}),
                )
                _resolve_environment(client, f"https://{own.address}/", own.verify)
                return client
            except proxmoxer.AuthenticationError as error:
                raise not_logged_in(own, str(error)) from None
            except (KeyError, TypeError):
                raise lost(own, "the answer is not from Proxmox VE") from None


def _resolve_environment(client, url, verify):
    """Resolve the proxies and the CA file of the environment once: the library requests does it for each request.

    requests still resolves them for the target of a redirect. It does not read ~/.netrc for a session with credentials.
    """
    # proxmoxer: its session is not public. Without it, requests only take longer.
    session = getattr(client, "_store", {}).get("session")
    if session:
        settings = session.merge_environment_settings(url, {}, None, verify, None)
        session.merge_environment_settings = lambda *_request: settings
