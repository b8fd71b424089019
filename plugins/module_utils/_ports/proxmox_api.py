# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls of the API of Proxmox VE, on the library proxmoxer: one session, at most eight connections kept alive.

An answer of whatever status is a fact here; the caller knows what it means.
"""

from __future__ import annotations

import os
import re
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Optional

from ansible.module_utils.basic import missing_required_lib

from .._lifecycle import errors
from . import writes

try:
    # This one first: without it proxmoxer's own import ends the whole process.
    import requests
    from proxmoxer import __version__ as library_version
    from proxmoxer.backends import https
    from proxmoxer.core import AuthenticationError, ProxmoxResource, ResourceException
except ImportError:
    https = None

CONNECTIONS = 8
#: Older ones do not look at the server's certificate where a token is used.
_OLDEST_LIBRARY = (2, 1)
#: A server gives up after 30 seconds what it passes on to another node; nothing may be cut off before that.
LEAST_TIMEOUT = 35
#: How often a call that only reads is made while its connection breaks off.
_TRIES = 3
_MISTRUST = ("CERTIFICATE_VERIFY_FAILED", "certificate verify failed", "doesn't match", "mismatch")


class ConnectionLost(errors.ApiError):
    """The connection broke off: whether the call was carried out is not known."""


@dataclass(frozen=True)
class Account:
    """Where and as whom: by a token, or by a password. ``verify`` is True, False, or the file of an authority."""

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


@dataclass(frozen=True)
class Answer:
    """``reason`` is the first line of what the server says; ``errors`` are {parameter: text}."""

    status: int
    reason: str = ""
    data: Any = None
    errors: Any = None


def environment(name):
    """An environment variable, or None when it is unset or empty."""
    return os.environ.get(name) or None


class ProxmoxApi:
    """One server for one task; any number of threads may call at the same time."""

    def __init__(self, account):
        self.account = account
        self._lock = threading.Lock()
        self._root = None

    @property
    def who(self):
        return self.account.who

    @property
    def where(self):
        return self.account.where

    def call(self, method, path, parameters=None):
        """The Answer to one call. Raises Unavailable where no server answers, and ConnectionLost."""
        tries = _TRIES if method == "GET" else 1
        while True:
            tries -= 1
            try:
                return self._call(method, path, parameters or {})
            except ConnectionLost:
                if not tries:
                    if method != "GET":
                        writes.note(doubtful=True)
                    raise

    def upload(self, path, parameters, file):
        """A call that brings along the file at ``file``; the server wants it as the last part."""
        try:
            with open(file, "rb") as content:
                return self._call("POST", path, {**parameters, "filename": content})
        except OSError as error:
            raise errors.NotFound(f"{file} cannot be read: {error.strerror}.", "Correct the path.") from None

    def _call(self, method, path, parameters):
        root = self._open()
        answer = self._answer(root, method, path, parameters)
        if answer.status == 401 and not self.account.token_id:
            # A ticket has its time; the password makes another.
            self._forget(root)
            for value in parameters.values():
                if hasattr(value, "seek"):
                    value.seek(0)
            answer = self._answer(self._open(), method, path, parameters)
        return answer

    def _answer(self, root, method, path, parameters):
        resource = root(path.strip("/"))
        act = {"GET": resource.get, "POST": resource.post, "PUT": resource.put, "DELETE": resource.delete}[method]
        with self._explained():
            try:
                data = act(**parameters)
            except ResourceException as error:
                told = error.errors if isinstance(error.errors, dict) and "errors" not in error.errors else None
                reason = str(error.content).split(f" - {error.errors}", maxsplit=1)[0]
                return Answer(error.status_code, reason, errors=told)
            except OverflowError:
                raise errors.Unavailable(
                    "A file of more than 2 GiB cannot be sent without the library requests_toolbelt.",
                    "missing",
                    "Install it for the Python that runs the module, or give an address from which the node downloads.",
                ) from None
            except (KeyError, TypeError, AttributeError):
                raise self._lost("its answer is none of Proxmox VE's") from None
        if method != "GET":
            writes.note()
        if isinstance(data, dict) and isinstance(data.get("errors"), bytes):
            raise self._lost("its answer is cut off")
        return Answer(200, "OK", data)

    def _open(self):
        """The way in; with a password, the ticket is got here."""
        with self._lock:
            self._root = self._root or self._connect()
            return self._root

    def _forget(self, root):
        with self._lock:
            self._root = None if self._root is root else self._root

    def _connect(self):
        if https is None:
            raise errors.Unavailable(
                f"{missing_required_lib('proxmoxer')}.",
                why="missing",
                remedy="Install proxmoxer and requests for that Python.",
            )
        if tuple(int(part) for part in re.findall(r"\d+", library_version)[:2]) < _OLDEST_LIBRARY:
            raise errors.Unavailable(
                f"The Python library proxmoxer is {library_version}, which does not verify certificates with tokens.",
                why="too_old",
                remedy="Install proxmoxer 2.1 or later for that Python.",
            )
        own = self.account
        token = {"token_name": own.token_id, "token_value": own.token_secret}
        with self._explained():
            try:
                backend = https.Backend(
                    own.host,
                    user=own.user,
                    port=own.port,
                    # It goes with each request: what is set for the session gives way to REQUESTS_CA_BUNDLE.
                    verify_ssl=own.verify,
                    timeout=max(own.timeout, LEAST_TIMEOUT),
                    **(token if own.token_id else {"password": own.password}),
                )
            except AuthenticationError as error:
                raise self._unknown(str(error)) from None
            except (KeyError, TypeError):
                raise self._lost("its answer is none of Proxmox VE's") from None
        session = backend.get_session()
        session.mount("https://", requests.adapters.HTTPAdapter(pool_maxsize=CONNECTIONS, pool_block=True))
        return ProxmoxResource(base_url=backend.get_base_url(), session=session, serializer=backend.get_serializer())

    def _unknown(self, said):
        """Why there is no ticket: the library says it in its own words."""
        own = self.account
        if "Two Factor" in said:
            return errors.ApiError(
                f"{own.where} wants a second factor of {own.user}.", 401, "Use an API token, which needs none."
            )
        code = said.rpartition("code: ")[2]
        if code.isdigit() and code != "401":
            return errors.ApiError(
                f"{own.where} gave no ticket to {own.user} (HTTP {code}).",
                int(code),
                "See that the cluster is well: pvecm status, and systemctl status pvedaemon.",
            )
        return errors.ApiError(
            f"{own.where} does not accept the password of {own.user}.",
            401,
            "See api_user, which has a realm such as root@pam, and api_password.",
        )

    @contextmanager
    def _explained(self):
        """What goes wrong below HTTP, in words."""
        try:
            yield
        except requests.exceptions.SSLError as error:
            raise self._mistrusted(error) from None
        except requests.exceptions.RequestException as error:
            if isinstance(error, requests.exceptions.ConnectTimeout) or _is_unreachable(error):
                raise self._unreachable(error) from None
            raise self._lost(_cause(error)) from None
        except OSError as error:
            # requests itself looks for the authority's file only when it is needed.
            if not isinstance(self.account.verify, str):
                raise self._lost(_cause(error)) from None
            message = f"ca_path '{self.account.verify}' is no certificate file."
            raise errors.Unavailable(message, "not_responding", "Correct the path.") from None

    def _mistrusted(self, error):
        if any(word in str(error) for word in _MISTRUST):
            return errors.Unavailable(
                f"The certificate of {self.account.where} is not trusted ({_cause(error)}).",
                "not_responding",
                "Give the cluster's authority (/etc/pve/pve-root-ca.pem of a node) in ca_path, and as api_host a name"
                " that the certificate has. With verify_ssl: false anybody would be trusted.",
            )
        message = f"{self.account.where} does not speak TLS ({_cause(error)})."
        return errors.Unavailable(message, "not_responding", "See api_port; Proxmox VE listens on 8006.")

    def _unreachable(self, error):
        return errors.Unavailable(
            f"{self.account.where} does not answer ({_cause(error)}).",
            "not_responding",
            "See api_host and api_port, and that the service pveproxy runs there.",
        )

    def _lost(self, why):
        return ConnectionLost(f"The connection to {self.account.where} broke off ({why}).", None, "Run the task again.")


def _is_unreachable(error):
    """Nobody was there, so nothing was done."""
    return any(type(one).__name__ in ("NewConnectionError", "NameResolutionError") for one in _chain(error))


def _cause(error):
    """The innermost word of a chain of errors; those around it name objects of the library."""
    innermost = list(_chain(error))[-1]
    return getattr(innermost, "strerror", None) or str(innermost) or type(innermost).__name__


def _chain(error):
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
