# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs ``VBoxManage``.

Each call is one process. The exit code is not reliable: some changing commands print an error and exit with 0. So a
change fails if an error was printed.
"""

from __future__ import annotations

import os
import re

from .._core import errors
from .._core.errors import remedy_for
from .._core.frozen import replace
from .._core.pattern import Pattern
from .._ports import change_counter as counted
from .._ports import files, permits
from .._ports.clock import Clock
from .._ports.command import environments_of, shown
from . import vboxmanage_output as output
from .vboxmanage_remedies import REMEDIES

INSTALL = "Install VirtualBox. If VBoxManage is not on PATH, set executable to its path."
OLDEST = (6, 1)

_ERROR = Pattern(r"VBoxManage: (?:fatal )?error: ")
_WARNING = Pattern(r"VBoxManage: warning: ")
# Positions in the source code of VirtualBox do not help users.
_INTERNAL = Pattern(r"Details: |Context: |/\S+\.cpp\[\d+\] ")
_PROGRESS = Pattern(r"^(?:\d+%\.\.\.)+(?:100%|[A-Z][A-Z0-9_]*)?(?:\n|\Z)")
_USAGE = Pattern(r"^Usage - ", re.MULTILINE)

# VirtualBox's error messages, as recorded, by kind of object.
_NOT_FOUND = {
    "machine": ("Could not find a registered machine named '", "Could not find a registered machine with UUID {"),
    "snapshot": ("Could not find a snapshot ", "This machine does not have any snapshots"),
    "medium": ("Could not find file for the medium '", "is not fully qualified"),
    "controller": ("Could not find a storage controller named '", "Could not find a controller named '"),
    "slot": ("No storage device attached to device slot ",),
    "shared_folder": ("Could not find a shared folder named '",),
}
# A running VM is locked by its own process; a stopped one only briefly, by other calls.
_HELD = (
    "is already locked for a session (or being unlocked)",
    "is already locked by a session (or being locked or unlocked)",
    "while it is locked",
)
# The daemon VBoxSVC ended during the call, which may or may not have been executed.
_LOST = ("NS_ERROR_ABORT (0x80004004)", "NS_ERROR_CALL_FAILED")
# No session was opened for the VM, so the call was not executed.
_NO_SESSION = (
    "already has a lock request pending",
    "was unlocked unexpectedly while attempting to share its session",
    "Failed to assign the machine to the session",
    "Failed to create the VirtualBox object!",
)
_TEMPORARY = (*_LOST, *_NO_SESSION, "The object is not ready")
_WRONG_STATE = (
    "Invalid machine state: ",
    "Machine in invalid state ",
    "(machine state: ",
    "The machine is not mutable",
    "Already paused",
)
# Errors of calls that changed nothing. After any other error, the change may have been made: for example, the objects
# of a VM are no longer ready once its process has ended, as it does at the end of ``savestate``.
_NOTHING_DONE = (
    *_NO_SESSION,
    *_HELD,
    "is not currently running",
    *_WRONG_STATE,
    *(text for some in _NOT_FOUND.values() for text in some),
)
#: Seconds between retries of a read, for example while the daemon restarts; reads can be repeated safely.
_PAUSES = (0.05, 0.1, 0.2, 0.5, 1, 1, 2, 2, 3, 3)
#: How often a read is repeated if its output may be incomplete; after that the output is accepted.
_REPEATS_IF_INCOMPLETE = 3
#: Default timeout of a call in seconds. With forty simultaneous tasks in one registry on a busy host, the last one
#: waits for over a minute.
_TIMEOUT = 180
#: The daemon that serves all calls of a user reads these when its first client starts it, and ignores those of others.
_DAEMON, _HOME, _SOCKET = "VBoxSVC", "VBOX_USER_HOME", "VBOX_IPC_SOCKETID"
#: Commands in which a later word says what is done, and the place of that word.
_SUBCOMMANDS = {"snapshot": 2, "guestproperty": 1, "dhcpserver": 1, "sharedfolder": 1}
#: Commands that destroy nothing.
_KNOWN = frozenset({
    "--version", "list", "showvminfo", "showmediuminfo", "guestproperty enumerate", "dhcpserver findlease",
    "snapshot showvminfo",
    "clonemedium", "clonevm", "closemedium", "controlvm", "convertfromraw", "createmedium", "createvm",
    "dhcpserver add", "dhcpserver modify", "dhcpserver restart", "modifymedium", "modifynvram", "modifyvm",
    "registervm", "setextradata", "sharedfolder add", "sharedfolder remove", "snapshot edit", "snapshot take",
    "startvm", "storageattach", "storagectl",
})  # fmt: skip
#: Commands that destroy something: what (permits.py), and the places of the words that name it.
_DESTROYS = {
    "unregistervm": ("vm", 1), "discardstate": ("memory", 1), "snapshot restore": ("state", 1),
    "snapshot delete": ("snapshot", 1, 3), "closemedium --delete": ("medium", 2),
}  # fmt: skip
_NO_SNAPSHOTS = "This machine does not have any snapshots\n"


class Busy(errors.CommandFailed):
    """Another process is working on the VM: the core retries. All other errors are final."""


class VBoxManage:
    """One user's registry of VMs."""

    def __init__(self, commands, executable="VBoxManage", timeout=_TIMEOUT, clock=None):
        self._commands = commands
        self._clock = clock or Clock()
        self._executable = executable
        self._timeout = timeout
        #: What the script of a distribution printed before the output, because the kernel module is missing.
        self.warning = ""

    def version(self):
        """The version, as numbers. Raises Unavailable if it is older than the oldest supported one."""
        printed = self.read("--version")
        found = output.version(printed)
        if found is None:
            raise errors.Unavailable(
                f"{self._executable} reports no version: {printed.strip()[:200]!r}.",
                why="not_responding",
                remedy=INSTALL,
            )
        if found < OLDEST:
            raise errors.Unavailable(
                f"{self._executable} is VirtualBox {'.'.join(map(str, found))}.",
                why="too_old",
                remedy="VirtualBox 6.1 or later is required.",
            )
        return found

    def read(self, *words, timeout=None):
        """The output of a command, for parsing. Raises CommandFailed if it ends within a line.

        In a wrong locale VBoxManage stops at the first character that it cannot print, and exits with 0. An error
        printed besides the output concerns a single object: a list continues after a VM that cannot be read, or that
        has snapshots locked by another process (seen on 7.2.22: the output lacks them), which is temporary.
        """
        completed = self._execute(words, timeout=timeout)
        for number, pause in enumerate(_PAUSES):
            is_good_enough = completed.rc == 0 and number >= _REPEATS_IF_INCOMPLETE
            if is_good_enough or not _contains(completed.stderr, _TEMPORARY):
                break
            self._clock.sleep(pause)
            completed = self._execute(words, timeout=timeout)
        _check_registry()  # This call may have started the daemon.
        if completed.rc != 0 and completed.stdout == _NO_SNAPSHOTS:
            return ""
        if completed.rc != 0:
            raise _failure(completed)
        if completed.stdout and not completed.stdout.endswith("\n"):
            raise _cut_off(completed)
        return completed.stdout

    def run(self, *words, timeout=None, stdin=None):
        """Run one command and return its output. Raises CommandFailed with VirtualBox's error lines."""
        _check_registry()  # Another daemon may serve the user since the last read.
        completed = self._execute(words, timeout, stdin, writes=True)
        if completed.rc != 0 or _ERROR.search(completed.stderr):
            if completed.rc != 0 and not _contains(completed.stderr, _NOTHING_DONE):
                counted.note(doubtful=True)
            raise _failure(completed)
        return completed.stdout

    def _execute(self, words, timeout=None, stdin=None, writes=False):
        check_permitted(words)
        argv = [self._commands.find(self._executable, INSTALL), *words]
        completed = self._commands.run(argv, stdin=stdin, timeout=timeout or self._timeout, writes=writes)
        printed = output.without_warning(completed.stdout)
        self.warning = " ".join(completed.stdout[: len(completed.stdout) - len(printed)].split())
        return replace(completed, stdout=printed)


def check_permitted(words):
    """Raise Refused for a command that destroys what no plan lists, and for one that is in no table."""
    command = " ".join((words[0], *words[_SUBCOMMANDS[words[0]] :][:1])) if words[0] in _SUBCOMMANDS else words[0]
    command += " --delete" if command == "closemedium" and "--delete" in words else ""
    kind, *places = _DESTROYS.get(command, (command,))
    permits.check_command(command, _KNOWN, (kind, *(words[place] for place in places)))


def _check_registry():
    """Raise Refused if the daemon of this user has another registry than this task."""
    own, daemons = environments_of(_DAEMON)
    if daemons is None and own.get(_HOME) and not own.get(_SOCKET):
        raise errors.Refused(
            f"{_HOME} is {own[_HOME]}, but a VirtualBox that already runs would use its own registry, and this host"
            " does not report which one that is.",
            f"Set {_SOCKET} in the environment of the task, too, to a name for this registry.",
        )
    for pid, of in (daemons or {}).items():
        theirs, ours = _registry(of), _registry(own)
        if theirs != ours and (of.get(_SOCKET) or None) == (own.get(_SOCKET) or None):
            raise errors.Refused(
                f"The registry of this task is {ours}, but VirtualBox uses {theirs}: its process {_DAEMON} ({pid}),"
                " which serves all calls of this user, was started with that.",
                f"To use {theirs}, set {_HOME} to it in the environment of the task. To use {ours}, set {_SOCKET} there"
                f" to a name for this registry, or run the task again when {_DAEMON} has ended: it ends 5 s after its"
                " last client, such as a window of VirtualBox.",
            )


def _registry(environment):
    """The directory of the registry that VirtualBox uses in this environment (READ in GetVBoxUserHomeDirectory.cpp)."""
    home = environment.get("HOME") or os.path.expanduser("~")
    older, config = os.path.join(home, ".VirtualBox"), environment.get("XDG_CONFIG_HOME")
    newer = os.path.join(config or os.path.join(home, ".config"), "VirtualBox")
    return os.path.realpath(environment.get(_HOME) or (older if files.is_folder(older) else newer))


def is_not_found(error, kind="machine"):
    """Whether the object itself is missing."""
    return _contains(error, _NOT_FOUND[kind])


def is_locked(error):
    """Whether a retry may succeed: another process is working on the VM, or the daemon is just starting.

    For a running VM, `is_held` is not temporary.
    """
    return _contains(error, _TEMPORARY) or is_held(error)


def is_held(error):
    """Whether the VM is locked: by its own session while it is running, or briefly by that of another call."""
    return _contains(error, _HELD)


def _contains(error, texts):
    return bool(error) and any(text in error for text in texts)


def _cut_off(completed):
    message = f"VBoxManage {shown(completed.argv[1:])} printed an incomplete line."
    remedy = "Install the locale C.UTF-8 on this host."
    return errors.CommandFailed(completed.argv, completed.rc, completed.stderr, message=message, remedy=remedy)


def _failure(completed):
    words = completed.argv[1:]
    printed = _PROGRESS.sub("", completed.stderr)
    reason = "; ".join(_error_lines(printed)) or printed.strip() or f"exit code {completed.rc} without an error message"
    message = f"VBoxManage {shown(words)} failed: {reason}"
    printed = _USAGE.split(printed)[0]
    remedy = remedy_for(REMEDIES, printed)
    return errors.CommandFailed(completed.argv, completed.rc, printed, message=message, remedy=remedy)


def _error_lines(text):
    """VirtualBox's errors, each once: outermost first, without prefix and internal details."""
    lines, is_in_error = [], False
    for line in _USAGE.split(text)[0].split("\n"):
        start = _ERROR.match(line)
        if start:
            line = line[start.end() :]
            is_in_error = not _INTERNAL.match(line)
        elif _WARNING.match(line) or not line.strip():
            is_in_error = False
        # A name or path may contain a line break; the next line then has no prefix.
        if is_in_error and line not in lines:
            lines.append(line)
    return lines
