# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run functions in parallel, each in its own process, which is ended after a time limit.

So a host that does not answer or a program that hangs cannot block Ansible for longer than the limit. On Linux, such a
process ends all programs that it has started, also those that have a session of their own, as Ansible's ssh.
"""

from __future__ import annotations

import ctypes
import glob
import io
import json
import multiprocessing
import os
import signal
import sys
import time
from multiprocessing.connection import wait
from typing import Any, Optional

from ...module_utils._core.frozen import Frozen

_FORK = multiprocessing.get_context("fork")
#: Seconds for a process to end its own child processes.
_END_TIMEOUT = 3
#: The longest time limit in seconds: poll(2) has an int of milliseconds. The tasks of a hundred VMs can have more.
_LONGEST = 2_000_000
#: prctl(2): orphaned descendants become children of this process.
_SET_CHILD_SUBREAPER = 36
#: The process title of an ssh that keeps a connection for others (ControlPersist), and ends after a time.
_SHARED_SSH = b"ssh: "


class Answer(Frozen):
    """``value`` is what a function returned, as JSON types. ``problem`` is a sentence if there is no value.

    ``is_late``: the function did not return within the time limit.
    """

    value: Any = None
    problem: Optional[str] = None
    is_late: bool = False


def answers(functions, seconds):
    """Run ``functions`` in parallel and return an Answer for each; ``seconds`` has the time limit of each."""
    children = [_Child(function, limit) for function, limit in zip(functions, seconds)]
    try:
        for child in children:
            child.start()
        return [child.answer() for child in children]
    finally:
        for child in children:
            child.end()


class _Child:
    def __init__(self, function, seconds):
        self._seconds, self._has_answered = min(seconds, _LONGEST), False
        self._receiving, sending = _FORK.Pipe(duplex=False)
        self._sending = sending
        self._process = _FORK.Process(target=_run, args=(function, sending), daemon=False)

    def start(self):
        self._deadline = time.monotonic() + self._seconds
        self._process.start()
        self._sending.close()

    def answer(self):
        if not self._receiving.poll(max(0, self._deadline - time.monotonic())):
            return Answer(problem=f"No answer within {self._seconds} s.", is_late=True)
        try:
            received = self._receiving.recv_bytes()
            self._has_answered = True
            return Answer(**json.loads(received))
        except EOFError:
            self._process.join(_END_TIMEOUT)
            return Answer(problem=f"The process that reads it has ended with exit code {self._process.exitcode}.")

    def end(self):
        """End the process and its child processes. A process that has answered is given time to exit on its own."""
        self._receiving.close()
        if self._process.pid is None:
            return
        if not self._has_ended(_END_TIMEOUT if self._has_answered else 0):
            self._process.terminate()
            self._has_ended(_END_TIMEOUT)
        # Before join(): until then, no other process can get the same process ID.
        _kill_group(self._process.pid)
        self._process.kill()  # For a process that has not called setsid() yet.
        self._process.join()

    def _has_ended(self, seconds):
        return bool(wait([self._process.sentinel], seconds))


def _kill_group(pid):
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass  # All its processes have ended.


def _run(function, sending):
    # In its own session, it cannot prompt at the terminal, and all its processes can be killed together.
    os.setsid()
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, lambda *_any: sys.exit())
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    _silence()
    try:
        try:
            message = {"value": function()}
        except Exception as error:
            message = {"problem": str(error) or type(error).__name__}
        sending.send_bytes(json.dumps(message, default=str).encode())
    finally:
        _end_descendants()


def _end_descendants():
    while children := _children():
        for pid in children:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def _children():
    """Return the PIDs of the children of this process; empty on systems other than Linux."""
    pids = [pid for path in glob.glob("/proc/self/task/*/children") for pid in _content(path).split()]
    return [int(pid) for pid in pids if not _content(f"/proc/{int(pid)}/cmdline").startswith(_SHARED_SSH)]


def _content(path):
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""  # The process has ended.


def _silence():
    """Discard the output of the process: it would be mixed with the output of the user's command."""
    null_device = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(null_device, number)
    os.close(null_device)
    sys.stdout = sys.stderr = io.StringIO()
