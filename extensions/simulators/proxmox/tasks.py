# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks: background work of calls, with UPID, log and result."""

from __future__ import annotations

import re
import sys
import traceback
from dataclasses import dataclass, field

from .errors import ApiError, ParameterError

UPID = re.compile(
    r"UPID:([a-zA-Z0-9](?:[a-zA-Z0-9\-]*[a-zA-Z0-9])?):[0-9A-Fa-f]{8}:[0-9A-Fa-f]{8,9}:[0-9A-Fa-f]{8}:"
    r"[^:\s/]+:[^:\s/]*:[^:\s/]+:"
)


@dataclass
class Task:
    upid: str
    node: str
    type: str
    id: str
    user: str
    pid: int
    began: float
    ended: float | None = None
    exitstatus: str | None = None
    log: list = field(default_factory=list)
    warnings: int = 0
    process: object = None

    def say(self, line):
        self.log.append(line)

    def warn(self, line):
        self.warnings += 1
        self.log += f"WARN: {line}".split("\n")

    @property
    def succeeded(self):
        return self.exitstatus == "OK" or self.exitstatus.startswith("WARNINGS")

    @property
    def last_line(self):
        if self.succeeded:
            return f"TASK {self.exitstatus}"
        return f"TASK ERROR: {self.exitstatus}"


class Tasks:
    """All tasks by UPID. ``trouble(task, step)`` returns the error with which a step fails, or None."""

    def __init__(self, engine, trouble):
        self.by_upid = {}
        #: Tracebacks of errors of the simulator itself.
        self.crashes = []
        self._engine = engine
        self._trouble = trouble
        self._pids = iter(range(0x1000, 1 << 31))

    def start(self, node, type, id, user, work):
        """Run ``work(task)``, a generator, and return the UPID."""
        pid, began = next(self._pids), self._engine.now
        upid = f"UPID:{node}:{pid:08X}:{int(began * 100) & 0xFFFFFFFF:08X}:{int(began):08X}:{type}:{id}:{user}:"
        task = self.by_upid[upid] = Task(upid, node, type, str(id), user, pid, began)
        # The task may run before this method returns; its end is recorded in any case.
        self._engine.start(self._run(task, work), lambda process: self._end(task, process))
        return upid

    def get(self, upid):
        if not UPID.fullmatch(upid):
            raise ParameterError(upid="unable to parse worker upid")
        if upid not in self.by_upid:
            raise ParameterError(upid="no such task")
        return self.by_upid[upid]

    def is_unknown(self, upid):
        """Whether a UPID has the right form, but there is no such task."""
        return UPID.fullmatch(upid) is not None and upid not in self.by_upid

    def crashed(self, text):
        """Record and print a traceback of the simulator itself."""
        self.crashes.append(text)
        print(text, file=sys.stderr)

    def interrupt(self, task):
        if task.ended is None:
            self._engine.interrupt(task.process, ApiError("received interrupt"))

    def running(self, vmid, type):
        """Running tasks of a VM."""
        return [
            task for task in self.by_upid.values() if task.ended is None and task.id == str(vmid) and task.type == type
        ]

    def _run(self, task, work):
        task.process = self._engine.current
        body, step, error = work(task), 0, None
        while True:
            try:
                pause = body.throw(error) if error else next(body)
            except StopIteration:
                return
            step, error = step + 1, self._trouble(task, step)
            if error is None:
                try:
                    yield pause
                except ApiError as interruption:
                    error = interruption

    def _end(self, task, process):
        task.ended = self._engine.now
        error = process.error
        if error is None:
            task.exitstatus = f"WARNINGS: {task.warnings}" if task.warnings else "OK"
        elif isinstance(error, ApiError):
            # The status of a task is one line.
            task.exitstatus = " ".join(str(error).split("\n")).strip()
        else:
            task.exitstatus = f"simulator fault: {error!r}"
            self.crashed("".join(traceback.format_exception(error)))
