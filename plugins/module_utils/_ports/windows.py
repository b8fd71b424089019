# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Windows host: requests are sent through the connection of the task, and answers become objects.

Errors are told apart by id, category and HRESULT. Their messages are in the language of the host.
"""

from __future__ import annotations

import base64
import re
import threading
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Optional

from .._lifecycle import errors
from . import writes
from .clock import Clock
from .windows_request import LONGEST_WAIT, Chain, is_write, repeated, requests

_VERSION = 1
#: How often requests that only read are sent while the connection breaks off.
_TRIES = 3
_CODE = re.compile(r"0x([0-9A-Fa-f]{8})\b")
_task = threading.local()


class Lost(Exception):
    """Raised by a connection that broke off. ``before``: the request was certainly not carried out.

    ``again``: a new connection may help.
    """

    def __init__(self, why, before=False, again=True):
        super().__init__(why)
        self.before, self.again = before, again


class ConnectionLost(errors.PolyvirtError):
    """The connection broke off. Unknown is what was carried out, so the state is read before anything is repeated."""


class CallFailed(errors.PolyvirtError):
    """A call failed. ``id`` is without the name of the command; ``codes`` are the HRESULTs of the error."""

    def __init__(self, error):
        self.id, _comma, self.source = str(error.get("id")).partition(",")
        self.category, self.type, self.target = (error.get(name) for name in ("category", "type", "target"))
        message = error.get("message") or self.id
        found = [*_CODE.findall(error.get("hresult") or ""), *_CODE.findall(message)]
        self.codes = {int(code, 16) for code in found}
        super().__init__(" ".join(message.split()))


@dataclass(frozen=True)
class Answer:
    """What became of one call; ``error`` is None or a CallFailed, ``errors`` are those that did not stop it.

    ``details`` has what only some calls report: count, met, pending, exists, ended, exit_code.
    """

    error: Optional[CallFailed] = None
    objects: tuple = ()
    errors: tuple = ()
    warnings: tuple = ()
    details: Mapping = field(default_factory=dict)

    def bytes(self, name="base64"):
        """The content of a file, or ``stdout`` and ``stderr`` of a program."""
        return base64.b64decode(self.details.get(name) or "")


@dataclass(frozen=True)
class Result:
    """The answers to the calls of one chain, up to the one that ended it."""

    name: str
    answers: tuple
    #: Whether all calls of the chain were carried out.
    is_complete: bool

    @property
    def error(self):
        """The error that ended the chain, or None."""
        return None if self.is_complete else self.answers[-1].error

    @property
    def steps_done(self):
        return len(self.answers) - (0 if self.is_complete else 1)


class Windows:
    """One host for one task. ``send(text)`` returns the answer of windows_calls as an object, or raises Lost;
    ``reset()`` makes the next request use a new connection.
    """

    def __init__(self, send, reset, clock=None):
        self._send, self._reset, self.clock = send, reset, clock or Clock()
        # A connection carries out one request at a time.
        self._one_at_a_time = threading.Lock()
        #: How many requests that only read were repeated: what they read may be what their first try has left.
        self.repeats = 0
        #: {name: fact} about host and session, after a request with ``about``.
        self.about: Any = None

    def call(self, chains, modules=(), about=False):
        """The Results of the chains, in their order. Raises ConnectionLost, and Unavailable for a missing module."""
        results = []
        for text, group in requests(chains, modules, about):
            answer = self._answer(text, all(chain.reads_only for chain in group))
            self._check(answer)
            self.about = answer.get("about", self.about)
            results += map(_result, group, answer["chains"])
        return results

    def poll(self, one, conditions, seconds, modules=()):
        """Repeat a call that reads until it meets a condition: its last Answer, with ``met`` in its details.

        Each request is short, so the operation that is waited for outlives lost connections.
        """
        end, lost = self.clock.now() + seconds, None
        while True:
            left = max(end - self.clock.now(), 0)
            part = repeated(one, conditions, min(left, LONGEST_WAIT / 2))
            try:
                answer, lost = self.call([Chain("poll", (part,))], modules)[0].answers[0], None
            except ConnectionLost as error:
                lost = error
            if not lost and (answer.error or answer.details.get("met")):
                return answer
            if self.clock.now() >= end:
                if lost:
                    raise lost
                return answer
            if lost:
                self.clock.sleep(min(left, 1))

    def _answer(self, text, reads_only):
        tries = _TRIES if reads_only else 1
        with self._one_at_a_time:
            while True:
                tries -= 1
                try:
                    return normalized(self._send(text))
                except Lost as lost:
                    if not lost.again:
                        raise errors.Unavailable(f"The Windows host cannot be used: {lost}", "not_responding") from None
                    self._reset()
                    if not tries:
                        if not reads_only and not lost.before:
                            writes.note(doubtful=True)
                        message = f"The connection to the Windows host broke off ({lost})."
                        raise ConnectionLost(message, "Run the task again.") from None
                    self.repeats += 1

    def _check(self, answer):
        if not isinstance(answer, Mapping) or answer.get("version") != _VERSION:
            raise errors.Unavailable("The answer is not from the module windows_calls.", "not_responding")
        for one in answer["missing"]:
            failed = CallFailed(one["error"])
            if failed.id == "ImplicitRemoting":
                raise errors.Unavailable(
                    f"PowerShell 7 can use the module {one['name']} only through Windows PowerShell on this host.",
                    "too_old",
                    "Use Windows PowerShell 5.1: remove ansible_pwsh_interpreter, or the name of the PSRP endpoint.",
                )
            message = f"PowerShell cannot load the module {one['name']} ({failed})."
            raise errors.Unavailable(message, "missing", "Install the Windows feature that has this module.")


def side_by_side(send, calls):
    """The calls of several VMs in one request: {place: (Result or error, whether anything was changed)}.

    ``send(chains)`` returns the Results; ``calls`` is {place: calls}. After a lost connection nobody knows: None.
    """
    try:
        results = send([Chain(str(place), tuple(own)) for place, own in calls.items()])
    except ConnectionLost as error:
        return {place: (error, None if any(map(is_write, own)) else False) for place, own in calls.items()}
    return {place: _outcome(calls[place], result) for place, result in zip(calls, results)}


def _outcome(calls, result):
    wrote = any(is_write(one) and answer.error is None for one, answer in zip(calls, result.answers))
    if result.error is None:
        return result, wrote
    result.error.result = result
    return result.error, wrote


def normalized(answer):
    """An answer without a form of Windows PowerShell 5.1: it may write an array as an object with value and Count."""
    if isinstance(answer, Mapping):
        if set(answer) == {"value", "Count"} and isinstance(answer["value"], list):
            return normalized(answer["value"])
        return {name: normalized(one) for name, one in answer.items()}
    return [normalized(one) for one in answer] if isinstance(answer, list) else answer


def _result(chain, answered):
    for one, answer in zip(chain.calls, answered["calls"]):
        if answer["ok"] and is_write(one):
            # A program that fails may have changed something.
            writes.note(doubtful=bool(answer.get("exit_code")))
    answers = tuple(map(_one_answer, answered["calls"]))
    goes_on = bool(answers) and chain.calls[len(answers) - 1].get("on_error") == "go_on"
    has_failed = bool(answers) and answers[-1].error is not None and not goes_on
    return Result(chain.name, answers, len(answers) == len(chain.calls) and not has_failed)


def _one_answer(answer):
    if not answer["ok"]:
        return Answer(CallFailed(answer["error"]))
    known = ("ok", "objects", "errors", "warnings")
    return Answer(
        None,
        tuple(answer.get("objects", ())),
        tuple(map(CallFailed, answer.get("errors", ()))),
        tuple(answer.get("warnings", ())),
        {name: one for name, one in answer.items() if name not in known},
    )


@contextmanager
def connected(windows):
    """Within this, ``connection()`` of this thread is ``windows``."""
    _task.windows = windows
    try:
        yield
    finally:
        _task.windows = None


def connection():
    """The host of the task that runs, for the drivers of platforms on Windows."""
    windows = getattr(_task, "windows", None)
    if windows is None:
        raise errors.Unavailable(
            "This module runs on the controller and needs a connection to a Windows host.",
            "wrong_system",
            "Use ansible_connection winrm or psrp, or ssh with ansible_shell_type powershell.",
        )
    return windows
