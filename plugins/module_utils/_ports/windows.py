# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Windows host: send requests through the connection of the task, and parse the answers.

Errors are identified by id, category and HRESULT, because their messages are in the language of the host.
"""

from __future__ import annotations

import base64
import threading
from collections.abc import Mapping
from contextlib import contextmanager
from typing import Any, Optional

from .._core import errors
from .._core.frozen import Frozen, field
from .._core.pattern import Pattern
from . import change_counter
from .clock import Clock
from .windows_request import LONGEST_WAIT, Chain, is_write, repeated, requests

_VERSION = 1
#: Tries of a request that only reads, if the connection is lost.
_TRIES = 3
_CODE = Pattern(r"0x([0-9A-Fa-f]{8})\b")
_task = threading.local()


class Lost(Exception):
    """The connection was lost. ``before``: the request was certainly not carried out. ``again``: a retry may help."""

    def __init__(self, why, before=False, again=True):
        super().__init__(why)
        self.before, self.again = before, again


class ConnectionLost(errors.PolyvirtError):
    """The connection was lost. It is not known what was carried out, so the state must be read before a retry."""


class CallFailed(errors.PolyvirtError):
    """A call failed. ``id`` does not contain the name of the command; ``codes`` are the HRESULTs of the error."""

    def __init__(self, error):
        self.id, _comma, self.source = str(error.get("id")).partition(",")
        self.category, self.type, self.target = (error.get(name) for name in ("category", "type", "target"))
        message = error.get("message") or self.id
        found = [*_CODE.findall(error.get("hresult") or ""), *_CODE.findall(message)]
        self.codes = {int(code, 16) for code in found}
        super().__init__(" ".join(message.split()))


class Answer(Frozen):
    """The result of one call; ``error`` is None or a CallFailed, ``errors`` are non-terminating errors.

    ``details`` has values that only some calls report: count, met, pending, exists, ended, exit_code.
    """

    error: Optional[CallFailed] = None
    objects: tuple = ()
    errors: tuple = ()
    warnings: tuple = ()
    details: Mapping = field(default_factory=dict)

    def bytes(self, name="base64"):
        """Return the content of a file, or ``stdout`` or ``stderr`` of a program."""
        return base64.b64decode(self.details.get(name) or "")


class Result(Frozen):
    """The answers to the calls of one chain, up to the call that ended it."""

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
    ``reset()`` makes the next request use a new connection. ``put(local, remote)`` copies a file to the host, or raises
    Lost.
    """

    def __init__(self, send, reset, clock=None, put=None):
        self._send, self._reset, self.clock = send, reset, clock or Clock()
        self._put = put
        # A connection carries out one request at a time.
        self._one_at_a_time = threading.Lock()
        #: How many requests that only read were retried: they may read effects of their own first try.
        self.repeats = 0
        #: {name: fact} about host and session, after a request with ``about``.
        self.about: Any = None

    def call(self, chains, modules=(), about=False):
        """Send the chains; returns their Results in order. Raises ConnectionLost, or Unavailable (missing module)."""
        results = []
        for text, group in requests(chains, modules, about):
            answer = self._answer(text, all(chain.reads_only for chain in group))
            self._check(answer)
            self.about = answer.get("about", self.about)
            results += map(_result, group, answer["chains"])
        return results

    def put(self, local, remote):
        """Copy a file to the host. Raises ConnectionLost, and Unavailable if the connection cannot write it there."""
        with self._one_at_a_time:
            try:
                self._put(local, remote)
            except Lost as lost:
                if not lost.again:
                    raise errors.Unavailable(f"{remote} could not be written: {lost}", "not_responding") from None
                self._reset()
                raise _broken_off(lost) from None

    def poll(self, one, conditions, seconds, modules=()):
        """Repeat a call that reads until a condition is met; returns the last Answer, with ``met`` in its details.

        Each request is short, so the wait continues after a lost connection.
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
                            change_counter.note(doubtful=True)
                        raise _broken_off(lost) from None
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


def _broken_off(lost):
    return ConnectionLost(f"The connection to the Windows host broke off ({lost}).", "Run the task again.")


def side_by_side(send, calls):
    """Send the calls of several VMs in one request. ``calls`` is {index: parts}, each part a list of calls.

    ``send(chains)`` returns the Results. Returns {index: [(Result or error, whether anything was changed)]}, with one
    item per part up to the first that failed; None after a lost connection, because it is not known what was changed.
    """
    chains = [Chain(str(index), tuple(one for part in parts for one in part)) for index, parts in calls.items()]
    before = change_counter.count()
    try:
        results = send(chains)
    except errors.PolyvirtError as error:
        is_sent = change_counter.count() != before
        return {
            index: [(error, None if is_sent and not one.reads_only else False)] for index, one in zip(calls, chains)
        }
    return {index: list(_outcomes(parts, result)) for (index, parts), result in zip(calls.items(), results)}


def _outcomes(parts, result):
    left = result.answers
    for calls in parts:
        answers, left = left[: len(calls)], left[len(calls) :]
        part = Result(result.name, answers, result.is_complete or bool(left))
        if part.error is not None:
            part.error.result = part
            yield part.error, _wrote(calls, answers)
            return
        yield part, _wrote(calls, answers)


def _wrote(calls, answers):
    """Return whether anything was changed; None if only failed programs may have changed something."""
    written = [answer for one, answer in zip(calls, answers) if is_write(one) and answer.error is None]
    if any(not answer.details.get("exit_code") for answer in written):
        return True
    return None if written else False


def normalized(answer):
    """Return the answer with plain arrays: Windows PowerShell 5.1 may write them as objects with value and Count."""
    if isinstance(answer, Mapping):
        if set(answer) == {"value", "Count"} and isinstance(answer["value"], list):
            return normalized(answer["value"])
        return {name: normalized(one) for name, one in answer.items()}
    return [normalized(one) for one in answer] if isinstance(answer, list) else answer


def _result(chain, answered):
    for one, answer in zip(chain.calls, answered["calls"]):
        if answer["ok"] and is_write(one):
            # A program that failed may have changed something.
            change_counter.note(doubtful=bool(answer.get("exit_code")))
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


def not_windows(host, why):
    """Return the error about a task that runs on another system."""
    return errors.Unavailable(
        f"{host} is not a Windows host: {why}.",
        "wrong_system",
        "Run the task on a Windows host. Its inventory has ansible_host, ansible_user, ansible_password and"
        " ansible_connection: winrm (or psrp), or ansible_connection: ssh and ansible_shell_type: powershell.",
    )


@contextmanager
def connected(windows):
    """During the block, ``connection()`` returns ``windows`` in this thread."""
    _task.windows = windows
    try:
        yield
    finally:
        _task.windows = None


def connection():
    """Return the Windows host of the current task. Raises Unavailable without a connection."""
    windows = getattr(_task, "windows", None)
    if windows is None:
        raise errors.Unavailable(
            "This module runs on the controller and needs a connection to a Windows host.",
            "wrong_system",
            "Use ansible_connection winrm or psrp, or ssh with ansible_shell_type powershell.",
        )
    return windows


def is_connected():
    """Return whether the current task is about a Windows host."""
    return getattr(_task, "windows", None) is not None


class OnWindows:
    """The base of drivers for Windows hosts: they connect when they are used for the first time."""

    _windows = None

    @property
    def windows(self):
        """The connection of the task."""
        self._windows = self._windows or connection()
        return self._windows

    @property
    def about(self):
        """What the host has reported about itself; empty before the first request."""
        return (self._windows.about if self._windows else None) or {}

    def host_time(self, _vm):
        """Return the time of the host in ISO 8601; None if it is not known."""
        return self.about.get("now")

    def lane(self, _vm):
        """Return the same lane for all VMs: one request contains the calls of all that are ready."""
        return "windows"
