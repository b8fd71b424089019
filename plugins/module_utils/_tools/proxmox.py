# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls of Proxmox VE's API: explains errors, and waits for tasks."""

from __future__ import annotations

from .._core.errors import ApiError, Refused, Timeout, Unavailable
from .._core.pattern import Pattern
from .._ports import change_counter, permits
from .._ports.clock import RAISE_CALL_TIMEOUT
from .._ports.proxmox_api import ConnectionLost
from . import proxmox_values as values
from .proxmox_errors import DOUBTFUL, GATEWAY_ERRORS, NODE_ERRORS, PASSING, Busy, HotplugFailed, explained, remedy_for

#: Seconds until the status of a task is read first, and at most until it is read again.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.15, 2
#: How long the status of a task may be unavailable, in seconds; the task continues meanwhile.
_LONGEST_SILENCE = 120
#: More than a job has that backs up all VMs of a node.
_LOG_LINES = 50_000
_SHOWN_LINES = 5
_UPID = Pattern(r"UPID:([^:]+):[^:]+:[^:]+:[^:]+:([^:]+):")
#: Seconds before a call that only reads is repeated, if a proxy answered instead of the server.
_PAUSES = (0.5, 1, 2)
#: Exit status of tasks that changed nothing.
_NOTHING_DONE = Pattern(
    r"already running|not running|VM is locked|can't lock file|checksum mismatch|Configuration file"
)
_VM, _STORAGE = r"/nodes/[^/]+/qemu/(\d+)", r"/nodes/[^/]+/storage/[^/]+"
#: Calls that destroy something, with the parameters that decide this: what (permits.py).
_DESTROYS = {
    Pattern(rf"DELETE {_VM}"): "vm",
    Pattern(rf"DELETE {_VM}/snapshot/([^/]+)"): "snapshot",
    Pattern(rf"POST {_VM}/snapshot/[^/]+/rollback"): "state",
    Pattern(r"POST /nodes/[^/]+/qemu force=1 vmid=(\d+)"): "state",
    Pattern(rf"(?:POST|PUT) {_VM}/config delete=\S*\bvmstate\b.*"): "memory",
    Pattern(rf"(?:POST|PUT) {_VM}/config delete=(?:\S*\bunused\d.*|.* force=1)"): "volumes",
    Pattern(rf"DELETE {_STORAGE}/content/(.+)"): "volume",
}
#: Calls that destroy nothing else.
_CHANGES = Pattern(
    rf"POST {_VM}/(agent/[\w-]+|clone|config|migrate|move_disk|snapshot|template|status/\w+)|POST /nodes/[^/]+/vzdump"
    rf"|PUT ({_VM}/(cloudinit|config|resize|snapshot/[^/]+/config)|{_STORAGE}/content/.+|/pools(/.+)?)"
    rf"|POST (/nodes/[^/]+/qemu|{_STORAGE}/download-url)"
)


class Proxmox:
    """``api`` makes the calls, ``clock`` the pauses; ``maximum`` is the most seconds to wait for a task, or None."""

    def __init__(self, api, clock, maximum=None):
        self.api, self._clock, self._maximum = api, clock, maximum
        self._warnings = []

    def get(self, path, /, **parameters):
        return self._call("GET", path, parameters)

    def put(self, path, **parameters):
        return self._call("PUT", path, parameters)

    def post(self, path, **parameters):
        return self._call("POST", path, parameters)

    def _call(self, method, path, parameters):
        given = {key: _wire(value) for key, value in parameters.items() if value is not None}
        check_permitted(method, path, given)
        answer = self.api.call(method, path, given)
        for pause in _PAUSES if method == "GET" else ():
            if answer.status not in GATEWAY_ERRORS:
                break
            self._clock.sleep(pause)
            answer = self.api.call(method, path, given)
        return self._data(answer, method, path)

    def _data(self, answer, method, path):
        """The data of an answer. Raises the explained error if it is one."""
        if answer.status < 400:
            return answer.data
        error = explained(answer, f"{method} {path}", self.api.who, self.api.where)
        if method != "GET" and answer.status in DOUBTFUL:
            change_counter.note(doubtful=True)
        elif isinstance(error, HotplugFailed):
            change_counter.note()
        raise error

    def now(self):
        """The time in seconds, for differences."""
        return self._clock.now()

    def warn(self, text):
        """Add a warning, unless it was added before."""
        if text not in self._warnings:
            self._warnings.append(text)

    def taken_warnings(self):
        """The warnings since the last call of this method; threads may add more meanwhile."""
        taken = []
        while self._warnings:
            taken.append(self._warnings.pop(0))
        return taken

    # Tasks ----------------------------------------------------------------------------------------------------------

    def run(self, method, path, at_most=None, **parameters):
        """Make a call that starts a task, wait for it, and return its type; None if this version starts no task.

        After ``at_most`` seconds, a running task is left alone.
        """
        upid = self._call(method, path, parameters)
        self.finish(upid, at_most)
        return upid and task_type(upid)

    def upload(self, path, file, **parameters):
        """Upload a file, and wait for the task."""
        answer = self.api.upload(path, {key: _wire(value) for key, value in parameters.items()}, file)
        self.finish(self._data(answer, "POST", path))

    def finish(self, upid, at_most=None):
        """Wait until a task ends. Its warnings are kept; raises Busy and ApiError with the end of its log."""
        if upid is None:
            return
        end = self._ended(upid, at_most)
        if end == "unexpected status":
            # A worker that has just ended looks like one that died for a moment.
            end = self._ended(upid)
        if end in ("OK", None):
            return
        lines = self.log(upid)
        if end.startswith("WARNINGS:"):
            self._warn(upid, lines)
            return
        # The call that started the task was counted, but some tasks fail before they change anything.
        change_counter.take_back(doubtful=_NOTHING_DONE.search(end) is None)
        raise _failed(upid, end, lines)

    def wait(self, upid, at_most):
        """Wait for a task that this process did not start, whatever its result; returns whether it has ended."""
        return self._ended(upid, at_most) is not None

    def running_tasks(self, node, kind, vmid=None):
        """Return the tasks of a type, or those for a VM, that a node carries out now; none if they cannot be read."""
        try:
            tasks = self.get(f"/nodes/{node}/tasks", source="active", typefilter=kind)
        except (ApiError, Refused):
            return []
        return [one for one in tasks if not one.get("endtime") and vmid in (None, str(one.get("id")))]

    def own_tasks(self, node, kind, vmid):
        """Those of this account."""
        found = self.running_tasks(node, kind, vmid)
        return [one for one in found if "!".join(filter(None, (one["user"], one.get("tokenid")))) == self.api.who]

    def _ended(self, upid, at_most=None):
        """Wait for a task, and return its exit status; None if it still runs after ``at_most`` seconds."""
        pause, started = _FIRST_PAUSE, self._clock.now()
        seen, last_progress, known_lines = started, started, 0
        while True:
            self._clock.sleep(pause)
            if self._maximum is not None and self._clock.now() - last_progress >= self._maximum:
                new_lines = len(self._lines(upid, known_lines))
                if not new_lines:
                    message = f"The task {upid} has not ended after {self._maximum} s."
                    raise Timeout(message, self._maximum, RAISE_CALL_TIMEOUT)
                last_progress, known_lines = self._clock.now(), known_lines + new_lines
            try:
                task = self.get(f"{_tasks(upid)}/status")
            except (ApiError, Unavailable) as error:
                if not _is_passing(error):
                    raise
                if self._clock.now() - seen > _LONGEST_SILENCE:
                    raise self._unavailable(upid, error) from error
                task = {}
            else:
                seen = self._clock.now()
            if task.get("status") == "stopped":
                return task.get("exitstatus", "unexpected status")
            if at_most is not None and self._clock.now() - started >= at_most:
                return None
            pause = min(pause * 1.5, _LONGEST_PAUSE)

    def _unavailable(self, upid, error):
        return ApiError(
            f"{self.api.where} did not report the state of the task {upid} for {_LONGEST_SILENCE} s: {error.message}",
            None,
            "The task may still be running: check the task list of the web interface before you run this task again.",
        )

    def log(self, upid):
        """The lines of a task's log, without its last line; empty if the log cannot be read."""
        lines = self._lines(upid, 0)
        return [line for line in lines if not line.startswith("TASK ") and line != "no content"]

    def _lines(self, upid, start):
        try:
            return [line["t"] for line in self.get(f"{_tasks(upid)}/log", start=start, limit=_LOG_LINES)]
        except ApiError:
            return []

    def _warn(self, upid, lines):
        starts = [number for number, line in enumerate(lines) if line.startswith("WARN: ")]
        ends = [min(end, start + _SHOWN_LINES) for start, end in zip(starts, [*starts[1:], len(lines)])]
        # Only the first line of a warning is marked.
        texts = [" ".join(lines[start:end]).removeprefix("WARN: ") for start, end in zip(starts, ends)]
        for text in texts or ["it ended with warnings; see its log."]:
            self.warn(f"The task {task_type(upid)} warned: {text}")


def check_permitted(method, path, given):
    """Raise Refused for a call that destroys what no plan lists, and for one that is in no table."""
    deciding = [f"{key}={given[key]}" for key in ("delete", "force", "vmid") if given.get(key)]
    is_known = method == "GET" or _CHANGES.fullmatch(f"{method} {path}")
    for pattern, kind in _DESTROYS.items():
        found = pattern.fullmatch(" ".join((method, path, *deciding)))
        is_known = is_known or found
        if found and kind == "volume":
            permits.check(found[1], values.volume_key(found[1]))
        elif found:
            permits.check_thing(kind, *found.groups())
    # With a pool, the server asks for VM.Allocate on that pool only, and overwrites whichever VM has the number.
    if not is_known or (given.get("force") and given.get("pool")):
        permits.check_thing(f"{method} {path}")


def _wire(value):
    """A parameter as the API expects it: booleans are 0 or 1."""
    return int(value) if isinstance(value, bool) else value


def _tasks(upid):
    """The path of a task, which is below the node on which it runs."""
    return f"/nodes/{_UPID.match(upid)[1]}/tasks/{upid}"


def task_type(upid):
    return _UPID.match(upid)[2]


def _is_passing(error):
    """Whether only the connection failed: a proxy may be restarted while a task continues."""
    return isinstance(error, (ConnectionLost, Unavailable)) or error.status in (*NODE_ERRORS, *GATEWAY_ERRORS)


def _failed(upid, end, lines):
    if PASSING.search(end):
        return Busy(f"{end}.", None)
    if "hotplug problem" in end:
        return HotplugFailed(end, None)
    log = [line for line in lines if line.strip() and line.strip() not in end][-_SHOWN_LINES:]
    shown = f" Its log: {' | '.join(log)}." if log else ""
    return ApiError(f"the task {task_type(upid)} failed: {end}.{shown}", None, remedy_for(end))
