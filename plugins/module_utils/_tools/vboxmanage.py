# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Speaking to VirtualBox through ``VBoxManage``.

One call is one process; there is no way to ask many things at once. The exit code alone says little: some changes
print an error and end with 0. So for a change it counts whether an error was printed.
"""

from __future__ import annotations

import re
from dataclasses import replace

from .._lifecycle import errors
from .._ports import writes as counted
from .._ports.clock import Clock
from .._ports.command import shown
from . import vboxmanage_output as output

INSTALL = "Install VirtualBox. If VBoxManage is not on PATH, set executable to its path."
OLDEST = (6, 1)

_ERROR = re.compile(r"VBoxManage: (?:fatal )?error: ")
_WARNING = re.compile(r"VBoxManage: warning: ")
# Where in its own sources an error arose helps nobody who reads a task's result.
_INTERNAL = re.compile(r"Details: |Context: |/\S+\.cpp\[\d+\] ")
_PROGRESS = re.compile(r"^(?:\d+%\.\.\.)+(?:100%|[A-Z][A-Z0-9_]*)?(?:\n|\Z)")
_USAGE = re.compile(r"^Usage - ", re.MULTILINE)

# What VirtualBox says, as recorded; the first name is the kind of thing looked for.
_NOT_FOUND = {
    "machine": ("Could not find a registered machine named '", "Could not find a registered machine with UUID {"),
    "snapshot": ("Could not find a snapshot ", "This machine does not have any snapshots"),
    "medium": ("Could not find file for the medium '", "is not fully qualified"),
    "controller": ("Could not find a storage controller named '", "Could not find a controller named '"),
    "slot": ("No storage device attached to device slot ",),
    "shared_folder": ("Could not find a shared folder named '",),
}
# A machine that runs is held by its own process as long as it does; one that is off, by another call for a moment.
_HELD = (
    "is already locked for a session (or being unlocked)",
    "is already locked by a session (or being locked or unlocked)",
    "while it is locked",
)
# The daemon ended during the call: nobody knows whether it carried it out.
_LOST = ("NS_ERROR_ABORT (0x80004004)", "NS_ERROR_CALL_FAILED")
_PASSING = (
    *_LOST,
    "already has a lock request pending",
    "was unlocked unexpectedly while attempting to share its session",
    "The object is not ready",
    "Failed to assign the machine to the session",
    "Failed to create the VirtualBox object!",
)
_NOT_RUNNING = ("is not currently running",)
_WRONG_STATE = (
    "Invalid machine state: ",
    "Machine in invalid state ",
    "(machine state: ",
    "The machine is not mutable",
    "Already paused",
)
_INACCESSIBLE = ("The object functionality is limited",)
#: Seconds. A daemon that ends meets one that begins: reading harms nobody, so it is asked again, ever more slowly.
_PAUSES = (0.05, 0.1, 0.2, 0.5, 1, 1, 2, 2, 3, 3)
#: How often an answer that may lack something is asked for again; it is good enough in the end.
_INCOMPLETE_AGAIN = 3
#: Seconds. Of forty tasks at once in one registry on a busy host the last waits for longer than a minute.
_PATIENCE = 180
_NO_SNAPSHOTS = "This machine does not have any snapshots\n"


class Busy(errors.CommandFailed):
    """Somebody else works with the VM at this moment: the core asks again. All other errors are final."""


class VBoxManage:
    """One user's registry of machines."""

    def __init__(self, commands, executable="VBoxManage", timeout=_PATIENCE, clock=None):
        self._commands = commands
        self._clock = clock or Clock()
        self._executable = executable
        self._timeout = timeout

    def version(self):
        """The version, as numbers. Raises Unavailable when it is older than what this collection knows."""
        said = self.read("--version")
        found = output.version(said)
        if found is None:
            raise errors.Unavailable(
                f"{self._executable} reports no version: {said.strip()[:200]!r}.", why="not_responding", remedy=INSTALL
            )
        if found < OLDEST:
            raise errors.Unavailable(
                f"{self._executable} is VirtualBox {'.'.join(map(str, found))}.",
                why="too_old",
                remedy="VirtualBox 6.1 or later is required.",
            )
        return found

    def read(self, *words, timeout=None):
        """What a command prints, when that is to be parsed. Raises CommandFailed where it was cut off.

        In a wrong locale VBoxManage stops at the first letter that it cannot print, and ends with 0. An error printed
        beside the answer is about one thing of many: a list goes on after a machine that cannot be read, or whose
        snapshots somebody else works with (seen on 7.2.22: the answer lacks them), which passes.
        """
        completed = self._execute(words, timeout=timeout)
        for number, pause in enumerate(_PAUSES):
            is_good_enough = completed.rc == 0 and number >= _INCOMPLETE_AGAIN
            if is_good_enough or not _says(completed.stderr, _PASSING):
                break
            self._clock.sleep(pause)
            completed = self._execute(words, timeout=timeout)
        if completed.rc != 0 and completed.stdout == _NO_SNAPSHOTS:
            return ""
        if completed.rc != 0:
            raise _failure(completed)
        if completed.stdout and not completed.stdout.endswith("\n"):
            raise _cut_off(completed)
        return completed.stdout

    def run(self, *words, timeout=None, stdin=None):
        """Do one command and return what it printed. Raises CommandFailed with VirtualBox's error lines."""
        completed = self._execute(words, timeout, stdin, writes=True)
        if completed.rc != 0 or _ERROR.search(completed.stderr):
            if completed.rc != 0 and _says(completed.stderr, _LOST):
                counted.note(doubtful=True)
            raise _failure(completed)
        return completed.stdout

    def _execute(self, words, timeout=None, stdin=None, writes=False):
        argv = [self._commands.find(self._executable, INSTALL), *words]
        completed = self._commands.run(argv, stdin=stdin, timeout=timeout or self._timeout, writes=writes)
        return replace(completed, stdout=output.without_warning(completed.stdout))


def is_not_found(error, kind="machine"):
    """Whether the thing itself is missing."""
    return _says(error, _NOT_FOUND[kind])


def is_locked(error):
    """Whether it may go well in a moment: somebody else works with the machine, or the daemon is just starting.

    Where the machine is on, `is_held` is no matter of a moment.
    """
    return _says(error, _PASSING) or is_held(error)


def is_held(error):
    """Whether a session holds the machine: its own as long as it runs, another call's for a moment."""
    return _says(error, _HELD)


def is_not_running(error):
    """Whether there is nobody to be told something: the machine is off, or has gone off meanwhile."""
    return _says(error, _NOT_RUNNING)


def is_wrong_state(error):
    """Whether the machine's state forbids what was asked."""
    return _says(error, _WRONG_STATE)


def is_inaccessible(error):
    """Whether VirtualBox knows the machine but cannot read its settings."""
    return _says(error, _INACCESSIBLE)


def _says(error, texts):
    return bool(error) and any(text in error for text in texts)


def _cut_off(completed):
    message = f"VBoxManage {shown(completed.argv[1:])} printed an incomplete line."
    remedy = "Install the locale C.UTF-8 on this host."
    return errors.CommandFailed(completed.argv, completed.rc, completed.stderr, message=message, remedy=remedy)


def _failure(completed):
    words = completed.argv[1:]
    said = _PROGRESS.sub("", completed.stderr)
    reason = "; ".join(_error_lines(said)) or said.strip() or f"exit code {completed.rc} without an error message"
    message = f"VBoxManage {shown(words)} failed: {reason}"
    return errors.CommandFailed(completed.argv, completed.rc, _USAGE.split(said)[0], message=message)


def _error_lines(text):
    """VirtualBox's complaints, each once: outermost first, without their prefix and what only its authors need."""
    lines, within = [], False
    for line in _USAGE.split(text)[0].split("\n"):
        start = _ERROR.match(line)
        if start:
            line = line[start.end() :]
            within = not _INTERNAL.match(line)
        elif _WARNING.match(line) or not line.strip():
            within = False
        # A name or path may break a line; what follows it has no prefix.
        if within and line not in lines:
            lines.append(line)
    return lines
