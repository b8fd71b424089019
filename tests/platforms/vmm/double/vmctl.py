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
from .options import Failure, Misuse
from .start import Start
from .vmconf import LONGEST_NAME

SOCKET = "/var/run/vmd.sock"
_UNSIGNED = 2**32
_USAGE = {
    "console": "id",
    "create": "[-b base | -i disk] [-s size] disk",
    "load": "filename",
    "log": "[brief | verbose]",
    "pause": "id",
    "receive": "name",
    "reload": "",
    "reset": "[all | switches | vms]",
    "send": "id",
    "show": "[id]",
    "start": (
        "[-cL] [-B device] [-b path] [-d disk] [-i count]\n\t\t[-m size] [-n switch] [-r path] [-t name] id | name"
    ),
    "status": "[-r] [id]",
    "stop": "[-fw] [id | -a]",
    "unpause": "id",
    "wait": "id",
}
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
        """The exit code of the program that shows a console."""
        code = self.peer.console(self, tty)
        if code is None:
            raise Failure("vmctl: failed to open the console: No such file or directory\n")
        return code

    @property
    def is_old(self):
        """Whether the release is older than 7.5, so that it behaves like 7.4."""
        return self.release < "7.5"

    @property
    def can_send(self):
        return self.release < "7.8"

    def usage(self, command):
        text = _USAGE[command]
        if self.is_old and command == "status":
            text = "[id]"
        return f"usage:\tvmctl [-v] {command} {text}\n"


def error_text(error):
    """The text of an error number, given as ``{name, number}``."""
    return text_of(error["name"]) if "name" in error else f"Unknown error: {error['number']}"


def run(call, words):
    """The exit code of ``vmctl WORDS``."""
    try:
        try:
            _found, words = options.parse(words, "v")
        except Misuse as misuse:
            raise Failure(f"vmctl: {misuse.line}\n{_GENERAL}") from None
        if not words:
            raise Failure(_GENERAL)
        command = _command(call, words[0])
        try:
            return _COMMANDS[command](call, words[1:])
        except Misuse as misuse:
            line = f"{misuse.line}\n" if misuse.line.startswith("could not") else f"vmctl: {misuse.line}\n"
            raise Failure((line if misuse.line else "") + call.usage(command)) from None
    except Failure as failure:
        call.err.append(failure.text)
        return failure.code


_GENERAL = "usage:\tvmctl [-v] command [arg ...]\n"


def _command(call, word):
    """The only command that begins with this word."""
    found = [name for name in _COMMANDS if name.startswith(word)]
    if not call.can_send:
        found = [name for name in found if name not in ("send", "receive")]
    if len(found) == 1:
        return found[0]
    raise Failure(f"{'ambiguous' if found else 'unknown'} argument: {word}\n{_GENERAL}")


class Target(NamedTuple):
    """The VM that a word on the command line names, by id or name."""

    id: int
    name: str
    #: Whether messages contain the name, which may be empty.
    is_named: bool = True


def target(call, word, needs_name=False):
    """The Target of a word on the command line; a number is always an id."""
    if word.startswith("-"):
        raise Failure(f"vmctl: invalid id: {word}\n")
    found = re.fullmatch(r"[ \t\n\v\f\r]*\+?([0-9]+)", word)
    if found and int(found.group(1)) < _UNSIGNED:
        if needs_name:
            call.warn("invalid vm name")
            raise Failure(f"vmctl: invalid id: {word}\n")
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


def _terminate(call, request, wanted, flags, title, waits=False):
    """Stop a VM or wait for its end. The message is written in two parts: before the request and after the answer."""
    call.err.append(f"{title} {wanted.name}: " if wanted.is_named else f"{title}: ")
    for answer in call.ask(_about(request, wanted, flags)):
        text, code = _terminated(answer, [*flags, *(["WAIT"] if waits else [])])
        call.err.append(text)
        return code
    return 1


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
    found, operands = options.parse(words, "afw")
    letters = [letter for letter, _value in found]
    flags = [name for letter, name in (("f", "FORCE"), ("w", "WAIT")) if letter in letters]
    if "a" not in letters:
        wanted = target(call, _one(operands))
        _connect(call)
        return _terminate(call, "IMSG_VMDOP_TERMINATE_VM_REQUEST", wanted, flags, "stopping vm")
    if operands:
        raise Misuse
    _connect(call)
    vms = status.listed(call)
    if vms is None:
        return 1
    for vm in vms:
        if vm["creator_pid"] and vm["id"]:
            _terminate(call, "IMSG_VMDOP_TERMINATE_VM_REQUEST", Target(0, vm["name"]), flags, "stopping vm")
    # Errors of single VMs do not change the exit code.
    return 0


def _wait(call, words):
    wanted = target(call, _one(words))
    _connect(call)
    return _terminate(call, "IMSG_VMDOP_WAIT_VM_REQUEST", wanted, [], "waiting for vm", waits=True)


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
            if not call.can_send:
                raise Failure("vmctl: vmctl: vmop_result_read: Bad message\n")
            error = answer["short_int"]
        if error and error.get("number"):
            call.warn(f"{verb} vm command failed: {error_text(error)}")
            return 1
        call.warn(f"{verb}d vm {_signed(answer.get('vmr_id', 0))} successfully")
        return 0
    return 1


def _status(call, words):
    found, operands = ([], words) if call.is_old else options.parse(words, "r")
    if len(operands) > 1:
        raise Misuse
    wanted = target(call, operands[0]) if operands else Target(0, "")
    _connect(call)
    return status.show(call, wanted, only_running=bool(found))


def _console(call, words):
    wanted = target(call, _one(words))
    _connect(call)
    vms = status.listed(call)
    if vms is None:
        return 1
    for vm in vms:
        matches = vm["id"] == wanted.id if wanted.id else vm["name"] == wanted.name != ""
        if matches and vm["creator_pid"] and vm["ttyname"]:
            return call.console(vm["ttyname"])
    raise Failure("vmctl: console not found\n")


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


def _log(call, words):
    word = _one(words).lower()
    level = next((level for name, level in (("brief", 0), ("verbose", 2)) if name.startswith(word)), None)
    if level is None:
        raise Misuse
    return _control(call, {"type": "IMSG_CTL_VERBOSE", "verbose": level})


def _reset(call, words):
    if len(words) > 1 or (words and words[0].lower() not in _MODES):
        raise Misuse
    return _control(call, {"type": "IMSG_CTL_RESET", "mode": _MODES[words[0].lower() if words else "all"]})


# Older releases -------------------------------------------------------------------------------------------------------


def _send(call, words):
    """``vmctl send``: it always reports success, because it only notices that vmd closed the file."""
    wanted = target(call, _one(words))
    _connect(call)
    for answer in call.peer.request(_about("IMSG_VMDOP_SEND_VM_REQUEST", wanted)):
        if answer["type"] == "fd_write":
            call.out.append(answer["data"])
    call.warn(f"sent vm {wanted.name or wanted.id} successfully")
    return 0


def _receive(call, words):
    wanted = target(call, _one(words), needs_name=True)
    _connect(call)
    for answer in call.ask(_about("IMSG_VMDOP_RECEIVE_VM_REQUEST", wanted)):
        return Start(call, []).complete(answer)
    return 1


def _create(call, words):
    return create.run(call, words)


_COMMANDS = {
    "console": _console,
    "create": _create,
    "load": _load,
    "log": _log,
    "pause": _pause,
    "receive": _receive,
    "reload": _reload,
    "reset": _reset,
    "send": _send,
    "show": _status,
    "start": _start,
    "status": _status,
    "stop": _stop,
    "unpause": _unpause,
    "wait": _wait,
}
