# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Process a request, with checks in the order of the real server.

The order: authentication, unknown method, repeated parameters, permissions, the requested node, the format of the
parameters, the method itself.
"""

from __future__ import annotations

import inspect
import json
import traceback
from dataclasses import dataclass, field

from . import api, privileges, validate
from .access import User
from .api_tasks import Listed
from .errors import ApiError, Dropped, Forbidden, ParameterError, Unauthorized
from .world import Call

_ROOT = User("root@pam")
_PROXY_LIMIT = 30.0
_BRANCHES = frozenset({"access", "cluster", "nodes", "pools", "storage", "version"})
#: A second line, which is only in the body.
_HINT = "\nIf the real server has it: it is not simulated."
#: Paths that need no authentication.
_PUBLIC = ("/access/ticket",)


@dataclass
class Request:
    """``path`` is relative to /api2/json. Parameters of the ``query`` win over ``params``, those of the body."""

    method: str
    path: str
    query: dict = field(default_factory=dict)
    params: dict = field(default_factory=dict)
    headers: dict = field(default_factory=dict)
    cookies: dict = field(default_factory=dict)
    #: For calls in process, without authentication: the caller.
    user: User | None = None
    connection: object = None


@dataclass
class Answer:
    """``body`` is None if the server sends none."""

    status: int = 200
    reason: str = "OK"
    body: dict | None = None
    #: A simulated error: "truncate" (half of the text) or "not_json".
    garbled: str | None = None

    @property
    def data(self):
        return (self.body or {}).get("data")

    @property
    def errors(self):
        return (self.body or {}).get("errors")


class Gateway:
    """Answers requests to one world; each answer is a process of its engine."""

    def __init__(self, world):
        self.world = world

    def open(self, request):
        """Start and return a Process. In the end its value is the Answer, or its error is Dropped."""
        self.world.engine.run_due()
        return self.world.engine.start(self._answered(request))

    def call(self, method, path, params=None, user=_ROOT):
        """A call in process; a driven clock advances until it is answered."""
        process = self.open(Request(method, path, params=dict(params or {}), user=user))
        self.world.engine.finish(process)
        if process.error:
            raise process.error
        return process.value

    def finished(self, upid):
        """The Task with this UPID after its end; a driven clock advances until then."""
        task = self.world.tasks.get(upid)
        self.world.engine.finish(task.process)
        return task

    def _answered(self, request):
        world = self.world
        entry = world.journal.request(
            world.now, request.method, request.path, {**request.params, **request.query}, request.connection
        )
        fault = world.faults.of_request(request.method, request.path)
        here = world.cluster.nodes.get(world.local_node)
        if (fault and fault.kind == "reset") or (here and not here.online):
            raise Dropped
        if fault and fault.kind == "expire":
            world.access.expired_before = world.now + 1
        if fault and fault.kind == "reply":
            # The request itself is not carried out.
            answer = _reply(fault)
        else:
            answer = yield from self._done(request, entry)
        if fault and fault.kind == "reply_after":
            answer = _reply(fault)
        elif fault:
            yield from _disturb(fault, answer)
        entry.status = answer.status
        return answer

    def _done(self, request, entry):
        try:
            return (yield from self._method(request, entry))
        except Unauthorized as error:
            if self.world.timing.refused:
                yield self.world.timing.refused
            return Answer(error.status, error.message)
        except ApiError as error:
            return refused(error, self.world.schema.version)
        except Exception as error:
            # An error of the simulator itself, which must be visible.
            self.world.tasks.crashed(traceback.format_exc())
            return refused(ApiError(f"simulator fault: {error!r}"))

    def _method(self, request, entry):
        world = self.world
        user = self._user(request)
        entry.user = user.id if user else None
        found = world.schema.match(request.method, request.path)
        if found is None:
            # The real server may have endpoints below these that the simulator does not know.
            hint = _HINT if request.path.strip("/").partition("/")[0] in _BRANCHES else ""
            raise ApiError(f"Method '{request.method} {request.path}' not implemented{hint}", 501)
        endpoint, variables = found
        values = _merged(request, variables)
        self._check_rights(user, endpoint, values, request.path)
        self._check_node(endpoint, values)
        behind_proxy = world.schema.endpoints[endpoint].get("protected")
        if behind_proxy and world.faults.daemon == "stopped":
            raise Unreachable("Connection refused")
        params = validate.parameters(world.schema, endpoint, values)
        if endpoint not in api.METHODS:
            raise ApiError(f"Method '{request.method} {request.path}' not implemented{_HINT}", 501)
        call, method = Call(world, user, params), api.METHODS[endpoint]
        if behind_proxy and world.faults.daemon == "frozen":
            data = yield from self._within_limit(self._thawed(call, method))
        else:
            data = method(call)
        if inspect.isgenerator(data):
            proxied = values.get("node", world.local_node) != world.local_node
            data = yield from self._within_limit(data) if proxied else data
        body = {"data": data}
        if isinstance(data, Listed):
            body["total"] = data.total
        return Answer(body=body)

    def _thawed(self, call, method):
        """A request that the daemon has received but only answers after it continues."""
        while self.world.faults.daemon == "frozen":
            yield 0.05
        data = method(call)
        return (yield from data) if inspect.isgenerator(data) else data

    def _within_limit(self, method):
        """A request that is proxied to another node fails after a timeout; the work there continues."""
        engine = self.world.engine
        process = engine.start(method)
        give_up = engine.now + _PROXY_LIMIT
        while not process.done:
            if engine.now >= give_up:
                raise Unreachable("Connection timed out", 596)
            yield 0.05
        if process.error:
            raise process.error
        return process.value

    def _user(self, request):
        has_token = request.headers.get("authorization", "").startswith("PVEAPIToken=")
        if request.user or (request.path in _PUBLIC and not has_token):
            return request.user
        # An upload does not need the CSRF token.
        method = "GET" if request.path.endswith("/upload") else request.method
        return self.world.access.user_of(method, request.headers, request.cookies)

    def _check_rights(self, user, endpoint, values, path):
        if user is None:
            return
        if user.token and not self.world.schema.endpoints[endpoint].get("allowtoken"):
            raise Forbidden(f"URI '{path}' not available with API token, need proper ticket.\n")
        privileges.check_endpoint(self.world, user, endpoint, values)

    def _check_node(self, endpoint, values):
        name = values.get("node")
        if name is None or not self.world.schema.endpoints[endpoint].get("proxyto"):
            return
        nodes = self.world.cluster.nodes
        if name == "localhost":
            values["node"] = self.world.local_node
        elif name not in nodes:
            why = f"failed to get address info for: {name}: Name or service not known"
            raise ApiError(f"hostname lookup '{name}' failed - {why}")
        elif not nodes[name].online:
            raise Unreachable


class Unreachable(ApiError):
    """The node to which a request is proxied does not answer."""

    def __init__(self, reason="No route to host", status=595):
        super().__init__(reason, status)


def _merged(request, variables):
    values = {**request.params, **request.query}
    for key, value in variables.items():
        if key in values and str(values[key]) != value:
            conflict = "duplicate parameter (already defined in URI) with conflicting values!"
            raise ParameterError.of({key: conflict})
        values[key] = value
    return values


def refused(error, version=(9, 2)):
    """The Answer for an error."""
    if error.status in (595, 596, 599) or isinstance(error, Unauthorized):
        return Answer(error.status, error.message)
    body = {"data": None}
    if error.errors is not None:
        body["errors"] = error.errors
    if version >= (8, 4):
        # Older servers return the message only in the reason phrase.
        body["message"] = f"{error.message}\n"
    return Answer(error.status, error.message.split("\n")[0], body)


def _reply(fault):
    if fault.status == 401:
        return Answer(401, fault.reason)
    return refused(ApiError(fault.reason, fault.status, fault.errors))


def _disturb(fault, answer):
    if fault.kind == "delay":
        yield fault.seconds
    elif fault.kind == "reset_after":
        raise Dropped
    elif fault.kind in ("truncate", "not_json"):
        answer.garbled = fault.kind


def body_text(answer):
    """The body of an answer, as bytes."""
    if answer.garbled == "not_json":
        return b"<html><body>Bad Gateway</body></html>"
    text = b"" if answer.body is None else json.dumps(answer.body, ensure_ascii=False).encode()
    return text[: len(text) // 2] if answer.garbled else text
