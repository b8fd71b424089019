# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``vmctl``: its options, messages and exit codes. A ``peer`` (peer.py) answers for vmd.

``peer.connect()`` may raise OSError. ``peer.request(message)`` yields the answers. Messages are mappings with a
``type``, which has the name of vmd's protocol.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import NamedTuple

from . import create, options, status
from .host import Host, text_of
from .options import Failure, Misuse, NotRecorded
from .start import Start
from .vmconf import LONGEST_NAME

SOCKET = "/var/run/vmd.sock"
_UNSIGNED = 2**32
_MODES = {"all": "ALL", "switches": "SWITCHES", "vms": "VMS"}


@dataclass
class Call:
    """One call of vmctl: its output, vmd (``peer``) and the host."""

    peer: object
    host: Host
    release: str = "7.8"
    out: list = field(default_factory=list)
    err: list = field(default_factory=list)

    def warn(self, text):
        self.err.append(f"vmctl: {text}\n")

    def ask(self, message):
        """The answers of vmd. Raises Failure if vmd reports a failure or closes the connection."""
        for answer in self.peer.request(message):
            if answer["type"] == "close":
                raise Failure("vmctl: pipe closed\n")
            if answer["type"] == "raw":
                self._broken(bytes.fromhex(answer["hex"]))
            elif answer["type"] == "hang":
                raise options.Hang
            elif answer["type"] == "IMSG_CTL_FAIL":
                error = answer.get("errno", {})
                known = f": {error_text(error)}" if error.get("number") else ""
                raise Failure(f"vmctl: command failed{known}\n")
            else:
                yield answer
        raise Failure("vmctl: pipe closed\n")

    def _broken(self, data):
        """Fail if the data is a whole header, because its length is not valid; with less data, vmctl waits for more."""
        if len(data) >= 16:
            raise Failure("vmctl: imsg_get error\n" if self.is_old else "vmctl: read error: Result too large\n")

    def console(self, tty):
        """End the test: no test needs a console, which is another program."""
        raise NotRecorded(f"console {tty}")

    @property
    def is_old(self):
        """Whether the release is older than 7.5, so that it behaves like 7.4."""
        return self.release < "7.5"


def error_text(error):
    """The text of an error number, given as ``{name, number}``."""
    return text_of(error["name"]) if "name" in error else f"Unknown error: {error['number']}"


def run(call, words):
    """The exit code of ``vmctl WORDS``; only the commands that modules, roles and their tests use are known."""
    command = _COMMANDS.get(words[0] if words else "")
    try:
        if command:
            return command(call, words[1:])
    except Failure as failure:
        call.err.append(failure.text)
        return failure.code
    except Misuse:
        pass
    raise NotRecorded(f"vmctl {' '.join(words)}")


class Target(NamedTuple):
    """The VM that a word on the command line names, by id or name."""

    id: int
    name: str
    #: Whether messages contain the name, which may be empty.
    is_named: bool = True


def target(call, word):
    """The Target of a word on the command line; a number is always an id."""
    if word.startswith("-"):
        raise Failure(f"vmctl: invalid id: {word}\n")
    found = re.fullmatch(r"[ \t\n\v\f\r]*\+?([0-9]+)", word)
    if found and int(found.group(1)) < _UNSIGNED:
        return Target(int(found.group(1)), "", is_named=False)
    if len(word.encode()) > LONGEST_NAME:
        call.warn("name too long")
        raise Failure(f"vmctl: invalid id: {word}\n")
    return Target(0, word)


def _connect(call):
    try:
        call.peer.connect()
    except OSError as reason:
        raise Failure(f"vmctl: connect: {SOCKET}: {reason.strerror}\n") from None


def _one(words):
    if len(words) != 1:
        raise Misuse
    return words[0]


def _signed(number):
    return (number + 2**31) % 2**32 - 2**31


# Commands about one VM ------------------------------------------------------------------------------------------------


def _start(call, words):
    found, operands = options.parse(words, "B:b:cd:i:Lm:n:r:t:")
    start = Start(call, found)
    wanted = target(call, _one(operands))
    _connect(call)
    answers = call.ask(start.message(wanted))
    for answer in answers:
        if answer["type"] != "IMSG_VMDOP_START_VM_RESPONSE":
            call.warn("unexpected response received from vmd")
            return 1
        return start.complete(answer)
    return 1


def _about(request, wanted, flags=()):
    return {"type": request, "vid_id": wanted.id, "vid_name": wanted.name, "vid_flags": list(flags)}


_STOP_ERRORS = {
    "ENOENT": "vm not found",
    "EINTR": "interrupted call",
    "VMD_VM_STOP_INVALID": "cannot stop vm that is not running",
}


def _terminated(answer, flags):
    number = _signed(answer.get("vmr_id", 0))
    error = answer.get("vmr_result")
    if answer["type"] not in ("IMSG_VMDOP_TERMINATE_VM_RESPONSE", "IMSG_VMDOP_TERMINATE_VM_EVENT"):
        return "unexpected response received from vmd\n", 1
    # An error in an event is ignored.
    if error and error.get("number") and answer["type"] == "IMSG_VMDOP_TERMINATE_VM_RESPONSE":
        return _STOP_ERRORS.get(error.get("name"), f"failed: {error_text(error)}") + "\n", 1
    if answer["type"] == "IMSG_VMDOP_TERMINATE_VM_RESPONSE":
        return f"requested to shutdown vm {number}\n", 0
    if "WAIT" in flags:
        return f"terminated vm {number}\n", 0
    return (f"forced to terminate vm {number}\n" if "FORCE" in flags else ""), 0


def _stop(call, words):
    """The message is written in two parts: before the request and after the answer."""
    found, operands = options.parse(words, "fw")
    letters = [letter for letter, _value in found]
    flags = [name for letter, name in (("f", "FORCE"), ("w", "WAIT")) if letter in letters]
    wanted = target(call, _one(operands))
    _connect(call)
    call.err.append(f"stopping vm {wanted.name}: " if wanted.is_named else "stopping vm: ")
    for answer in call.ask(_about("IMSG_VMDOP_TERMINATE_VM_REQUEST", wanted, flags)):
        text, code = _terminated(answer, flags)
        call.err.append(text)
        return code
    return 1


def _pause(call, words):
    return _change(call, words, "pause")


def _unpause(call, words):
    return _change(call, words, "unpause")


def _change(call, words, verb):
    wanted = target(call, _one(words))
    _connect(call)
    for answer in call.ask(_about(f"IMSG_VMDOP_{verb.upper()}_VM", wanted)):
        if answer["type"] != f"IMSG_VMDOP_{verb.upper()}_VM_RESPONSE":
            call.warn("unexpected response received from vmd")
            return 1
        error = answer.get("vmr_result")
        if "short_int" in answer:
            if call.release >= "7.8":
                raise Failure("vmctl: vmctl: vmop_result_read: Bad message\n")
            error = answer["short_int"]
        if error and error.get("number"):
            call.warn(f"{verb} vm command failed: {error_text(error)}")
            return 1
        call.warn(f"{verb}d vm {_signed(answer.get('vmr_id', 0))} successfully")
        return 0
    return 1


def _status(call, words):
    if len(words) > 1 or "".join(words).startswith("-"):
        raise Misuse
    wanted = target(call, words[0]) if words else Target(0, "")
    _connect(call)
    return status.show(call, wanted)


# Commands about vmd ---------------------------------------------------------------------------------------------------


def _control(call, message):
    _connect(call)
    for _answer in call.ask(message):
        return 0
    return 1


def _load(call, words):
    return _control(call, {"type": "IMSG_VMDOP_LOAD", "path": _one(words)})


def _reload(call, words):
    if words:
        raise Misuse
    return _control(call, {"type": "IMSG_VMDOP_RELOAD"})


def _reset(call, words):
    if len(words) > 1 or (words and words[0].lower() not in _MODES):
        raise Misuse
    return _control(call, {"type": "IMSG_CTL_RESET", "mode": _MODES[words[0].lower() if words else "all"]})


def _create(call, words):
    return create.run(call, words)


_COMMANDS = {
    "create": _create,
    "load": _load,
    "pause": _pause,
    "reload": _reload,
    "reset": _reset,
    "start": _start,
    "status": _status,
    "stop": _stop,
    "unpause": _unpause,
}
