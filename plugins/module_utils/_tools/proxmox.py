# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proxmox VE's API as one tool: calls whose refusals are errors in words, and tasks that are seen to their end."""

from __future__ import annotations

import re

from .._lifecycle.errors import ApiError, Timeout, Unavailable
from .._ports import writes
from .._ports.ceiling import RAISE_CALL_TIMEOUT
from .._ports.proxmox_api import ConnectionLost
from .proxmox_errors import (
    DOUBTFUL,
    GATEWAY_TROUBLES,
    NODE_TROUBLES,
    PASSING,
    Busy,
    HotplugFailed,
    explained,
    remedy_for,
)

#: Shares of a second until a task is looked at for the first time, and at most.
_FIRST_LOOK, _LONGEST_PAUSE = 0.15, 2
#: For how many seconds a task may be out of sight; it goes on all the same. A look itself may take long.
_LONGEST_BLIND = 120
_LOG_LINES = 500
_SHOWN_LINES = 5
_UPID = re.compile(r"UPID:([^:]+):[^:]+:[^:]+:[^:]+:([^:]+):")
#: Seconds before a call that only reads is repeated, where a proxy answered in place of the server.
_PAUSES = (0.5, 1, 2)
#: Ends of tasks that changed nothing.
_NOTHING_DONE = re.compile(
    r"already running|not running|VM is locked|can't lock file|checksum mismatch|Configuration file"
)


class Proxmox:
    """``api`` makes the calls, ``clock`` tells and passes the time between looks at a task."""

    def __init__(self, api, clock, ceiling=None):
        self.api, self._clock, self._ceiling = api, clock, ceiling
        self._warnings = []

    def get(self, path, /, **parameters):
        return self._call("GET", path, parameters)

    def put(self, path, **parameters):
        return self._call("PUT", path, parameters)

    def post(self, path, **parameters):
        return self._call("POST", path, parameters)

    def _call(self, method, path, parameters):
        given = {key: _wire(value) for key, value in parameters.items() if value is not None}
        answer = self.api.call(method, path, given)
        for pause in _PAUSES if method == "GET" else ():
            if answer.status not in GATEWAY_TROUBLES:
                break
            self._clock.sleep(pause)
            answer = self.api.call(method, path, given)
        return self._data(answer, method, path)

    def _data(self, answer, method, path):
        """What an answer holds. Raises what it means if it is an error."""
        if answer.status < 400:
            return answer.data
        error = explained(answer, f"{method} {path}", self.api.who, self.api.where)
        if method != "GET" and answer.status in DOUBTFUL:
            writes.note(doubtful=True)
        elif isinstance(error, HotplugFailed):
            writes.note()
        raise error

    def warn(self, text):
        """Note what is to be told, once."""
        if text not in self._warnings:
            self._warnings.append(text)

    def taken_warnings(self):
        """What was noted since the last time; any number of threads may note more meanwhile."""
        taken = []
        while self._warnings:
            taken.append(self._warnings.pop(0))
        return taken

    # Tasks ----------------------------------------------------------------------------------------------------------

    def run(self, method, path, **parameters):
        """A call that begins a task, seen to the task's end; some versions do the same at once. The task's type."""
        upid = self._call(method, path, parameters)
        self.finish(upid)
        return upid and task_type(upid)

    def upload(self, path, file, **parameters):
        """The same, with a file brought along."""
        answer = self.api.upload(path, {key: _wire(value) for key, value in parameters.items()}, file)
        self.finish(self._data(answer, "POST", path))

    def finish(self, upid):
        """Look at a task until it ends. What it warned of is kept; raises Busy and ApiError with the end of its log."""
        if upid is None:
            return
        told = self._ended(upid)
        if told == "unexpected status":
            # For a moment a worker that ends looks like one that died.
            told = self._ended(upid)
        if told == "OK":
            return
        lines = self._log(upid)
        if told.startswith("WARNINGS:"):
            self._warn(upid, lines)
            return
        # The call that began the task was counted, but not all tasks do something before they fail.
        writes.take_back(doubtful=_NOTHING_DONE.search(told) is None)
        raise _failed(upid, told, lines)

    def _ended(self, upid):
        """How a task ended."""
        pause, began = _FIRST_LOOK, self._clock.now()
        seen = began
        while True:
            self._clock.sleep(pause)
            if self._ceiling is not None and self._clock.now() - began >= self._ceiling:
                message = f"The task {upid} has not ended after {self._ceiling} s."
                raise Timeout(message, self._ceiling, RAISE_CALL_TIMEOUT)
            try:
                told = self.get(f"{_tasks(upid)}/status")
            except (ApiError, Unavailable) as error:
                if not _is_out_of_sight(error):
                    raise
                if self._clock.now() - seen > _LONGEST_BLIND:
                    raise self._lost_sight(upid, error) from error
                told = {}
            else:
                seen = self._clock.now()
            if told.get("status") == "stopped":
                return told.get("exitstatus", "unexpected status")
            pause = min(pause * 1.5, _LONGEST_PAUSE)

    def _lost_sight(self, upid, error):
        return ApiError(
            f"{self.api.where} did not report the state of the task {upid} for {_LONGEST_BLIND} s: {error.message}",
            None,
            "The task may still be running: check the task list of the web interface before you run this task again.",
        )

    def _log(self, upid):
        """The lines of a task's log, without its own last word; the task's end counts without it, too."""
        try:
            lines = [line["t"] for line in self.get(f"{_tasks(upid)}/log", start=0, limit=_LOG_LINES)]
        except ApiError:
            return []
        return [line for line in lines if not line.startswith("TASK ") and line != "no content"]

    def _warn(self, upid, lines):
        texts = [line.removeprefix("WARN: ") for line in lines if line.startswith("WARN: ")]
        for text in texts or ["it ended with warnings; see its log."]:
            self.warn(f"The task {task_type(upid)} warned: {text}")


def _wire(value):
    """Truth travels as a number."""
    return int(value) if isinstance(value, bool) else value


def _tasks(upid):
    """A task's path is that of the node on which it works."""
    return f"/nodes/{_UPID.match(upid)[1]}/tasks/{upid}"


def task_type(upid):
    return _UPID.match(upid)[2]


def _is_out_of_sight(error):
    """Whether it is the way there that is broken: a proxy may be restarted while a task goes on."""
    return isinstance(error, (ConnectionLost, Unavailable)) or error.status in (*NODE_TROUBLES, *GATEWAY_TROUBLES)


def _failed(upid, told, lines):
    if PASSING.search(told):
        return Busy(f"{told}.", None)
    if "hotplug problem" in told:
        return HotplugFailed(told, None)
    log = [line for line in lines if line.strip() and line.strip() not in told][-_SHOWN_LINES:]
    shown = f" Its log: {' | '.join(log)}." if log else ""
    return ApiError(f"the task {task_type(upid)} failed: {told}.{shown}", None, remedy_for(told))
