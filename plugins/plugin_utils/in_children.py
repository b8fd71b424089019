# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Functions that run at the same time, each in a process of its own, which ends when its time is over.

Whatever a function waits for (a host that does not answer, a program that hangs) costs no more than its time.
"""

from __future__ import annotations

import io
import json
import multiprocessing
import os
import signal
import sys
import time
from dataclasses import dataclass
from multiprocessing.connection import wait
from typing import Any, Optional

_FORK = multiprocessing.get_context("fork")
#: Seconds that a process gets to end the processes that it has started itself.
_TO_END = 3


@dataclass(frozen=True)
class Answer:
    """What a function returned, as JSON has it; or why there is nothing: ``problem`` is a sentence.

    ``is_late``: its time was over.
    """

    value: Any = None
    problem: Optional[str] = None
    is_late: bool = False


def answers(functions, seconds):
    """An Answer for each of ``functions``, which run at the same time for at most ``seconds`` (one limit for each)."""
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
        self._seconds, self._has_answered = seconds, False
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
            answered = self._receiving.recv_bytes()
            self._has_answered = True
            return Answer(**json.loads(answered))
        except EOFError:
            self._process.join(_TO_END)
            return Answer(problem=f"The process that reads it has ended with exit code {self._process.exitcode}.")

    def end(self):
        """End the process and those that it has started. One that has answered ends by itself."""
        self._receiving.close()
        if self._process.pid is None:
            return
        if not self._has_ended(_TO_END if self._has_answered else 0):
            self._process.terminate()
            self._has_ended(_TO_END)
        # Before it is waited for: until then, no other process can get its number.
        _kill_group(self._process.pid)
        self._process.kill()  # If it has not come to have a group of its own.
        self._process.join()

    def _has_ended(self, seconds):
        return bool(wait([self._process.sentinel], seconds))


def _kill_group(pid):
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass  # None of its processes is left.


def _run(function, sending):
    # A session of its own: it cannot ask at the terminal, and all its processes can be ended together.
    os.setsid()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    _silence()
    try:
        told = {"value": function()}
    except Exception as error:
        told = {"problem": str(error) or type(error).__name__}
    sending.send_bytes(json.dumps(told, default=str).encode())


def _silence():
    """What it writes would be mixed with the output of the command that the user has started."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nowhere, number)
    os.close(nowhere)
    sys.stdout = sys.stderr = io.StringIO()
