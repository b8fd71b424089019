# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs ``vagrant`` for one project. Each call is one process, which takes most of a second.

Every command except `version` first reads the state of all VMs of the project, and stores it: a VM that its provider
does not know any more is removed from the project. Calls that must not write work on a copy (vagrant_folder).
"""

from __future__ import annotations

from .._core import errors
from .._core.errors import remedy_for
from .._ports import change_counter, permits
from .._ports.command import shown
from . import vagrant_output as output

INSTALL = "Install Vagrant, or set executable to the path of vagrant if it is not on PATH."
OLDEST = (2, 2)
#: Timeout of commands that only read, in seconds; the download of a box has no limit.
_READ = 120
#: Commands that destroy nothing. ``up`` destroys a new VM at most, if that cannot be started.
_CHANGES = ("halt", "resume", "suspend", "up", "snapshot save")
#: Errors that Vagrant raises before it changes anything.
_NOTHING_DONE = frozenset({
    "MachineActionLockedError", "MachineNotFound", "NoEnvironmentError", "ProviderNotFound", "ProviderNotUsable",
    "ProviderNotFoundSuggestion", "ActiveMachineWithDifferentProvider", "SnapshotNotFound", "SnapshotConflictFailed",
})  # fmt: skip
_ASKING = "UIExpectsTTY"
#: Errors of triggers. One after the work of a command raises the same error.
_FROM_TRIGGERS = ("TriggersBadExitCodes", "TriggersGuestNotExist", "TriggersGuestNotRunning", _ASKING)
#: Rows (texts of the error, remedy), see remedy_for; docs/errors.md lists them.
REMEDIES = (
    (
        ("another process is already executing an action",),
        "Another Vagrant process uses the VM. Run the task again when it has ended.",
    ),
    (
        ("asks a question",),
        "Nobody can answer it in a task. Remove the question: it is asked by a trigger, or by other Ruby code, in the"
        " Vagrantfile of the project, of the box, or in VAGRANT_HOME.",
    ),
    (
        ("unacceptable exit code",),
        "A trigger in the Vagrantfile of the project, of the box, or in VAGRANT_HOME has failed: correct it, or remove"
        " it.",
    ),
    (("project local plugins",), "Install the plugins that the Vagrantfile requires: vagrant plugin install NAME."),
)
# No colors, no check for a new version on HashiCorp's servers.
_QUIET = {"VAGRANT_NO_COLOR": "1", "VAGRANT_CHECKPOINT_DISABLE": "1"}


class Vagrant:
    """One project: the folder of its Vagrantfile, and the names of its files.

    ``file`` is the Vagrantfile's name, without a path. ``dotfile`` is the folder used instead of ``.vagrant``.
    """

    def __init__(self, commands, folder, file=None, dotfile=None, environment=None, executable="vagrant"):
        self._commands = commands
        self._executable = executable
        named = {"VAGRANT_VAGRANTFILE": file, "VAGRANT_DOTFILE_PATH": dotfile}
        given = {name: value for name, value in named.items() if value is not None}
        self._environment = {**(environment or {}), **_QUIET, "VAGRANT_CWD": folder, **given}

    def version(self):
        """The version, as numbers. Raises Unsupported if it is older than the oldest one supported."""
        completed = self._execute(["--version"], _READ)
        found = output.version(completed.stdout)
        if found is None:
            printed = output.error_text(completed.stderr) or completed.stdout.strip()[:200] or "nothing"
            raise errors.Unavailable(
                f"{self._executable} --version printed no version: {printed}.", why="not_responding", remedy=INSTALL
            )
        if found < OLDEST:
            raise errors.Unsupported(
                f"{self._executable} is Vagrant {'.'.join(map(str, found))}.", "Install Vagrant 2.2 or later."
            )
        return found

    def read(self, *arguments, timeout=_READ):
        """The rows printed by a command that changes nothing."""
        return self._rows(self._execute([*arguments, "--machine-readable"], timeout))

    def run(self, *arguments, timeout=None, loses=()):
        """Run one changing command and return the rows that it printed. Raises CommandFailed; see the functions below.

        ``loses`` is the thing that it destroys (permits.py). Raises Refused if no plan lists that, or none is named.

        An exit code of 0 means little: it is also 0 if nothing was halted, resumed or destroyed. Observe the VM.
        """
        permits.check_command(" ".join(arguments[: 1 + (arguments[0] == "snapshot")]), _CHANGES, loses)
        try:
            return self._rows(self._execute([*arguments, "--machine-readable"], timeout, writes=True))
        except VagrantFailed as error:
            if error.kind not in _NOTHING_DONE:
                change_counter.note(doubtful=True)  # The change may be partly done.
            raise

    def _rows(self, completed):
        found = output.rows(completed.stdout)
        if completed.rc != 0:
            raise _failure(completed, found)
        return found

    def _execute(self, arguments, timeout, writes=False):
        argv = [self._commands.find(self._executable, INSTALL), *arguments]
        return self._commands.run(argv, timeout=timeout, environment=self._environment, writes=writes)


def is_locked(error):
    """Whether another process is changing the VM, so that a retry may succeed. Vagrant does not wait."""
    return _is(error, "MachineActionLockedError")


def is_unknown_vm(error):
    """Whether the Vagrantfile has no VM of that name."""
    return _is(error, "MachineNotFound")


def is_no_project(error):
    """Whether there is no Vagrantfile of that name in the folder."""
    return _is(error, "NoEnvironmentError")


def is_provider_missing(error):
    """Whether the provider is not installed, or cannot be used on this host."""
    return _is(error, "ProviderNotFound", "ProviderNotFoundSuggestion", "ProviderNotUsable")


def is_invalid(error):
    """Whether Vagrant rejects settings of the Vagrantfile."""
    return _is(error, "ConfigInvalid")


def is_other_provider(error):
    """Whether the VM exists with another provider than requested."""
    return _is(error, "ActiveMachineWithDifferentProvider")


def is_box_missing(error):
    """Whether this user has no such box, and none could be downloaded."""
    return _is(error, "BoxAddShortNotFound", "BoxNotFound", "BoxNotFoundWithProvider", "BoxAddNoMatchingProvider",
               "BoxAddNoMatchingVersion", "BoxNotFoundWithProviderAndVersion")  # fmt: skip


def is_from_trigger(error):
    """Whether a trigger in the Vagrantfile has failed, or asks for input: then Vagrant stops before its own work."""
    return _is(error, *_FROM_TRIGGERS)


def is_boot_timeout(error):
    """Whether the guest did not answer in time. If the VM was new, Vagrant has destroyed it."""
    return _is(error, "VMBootTimeout")


def is_not_ready_for_ssh(error):
    """Whether SSH is impossible now: the VM is not created, is off, or has no address yet."""
    return _is(error, "SSHNotReady", "SSHUnavailable")


def is_snapshot_missing(error):
    return _is(error, "SnapshotNotFound")


def is_existing_snapshot(error):
    """Whether there is a snapshot of that name already."""
    return _is(error, "SnapshotConflictFailed")


def _is(error, *kinds):
    return isinstance(error, VagrantFailed) and error.kind in kinds


class VagrantFailed(errors.CommandFailed):
    """``kind`` is Vagrant's own name for the error, if it printed one; ``rows`` is what it printed before."""

    def __init__(self, completed, kind, text, rows=(), remedy=None):
        self.kind, self.rows = kind, rows
        message = f"vagrant {shown(completed.argv[1:-1])} failed: {text}"
        super().__init__(completed.argv, completed.rc, text, message=message, remedy=remedy)


def _failure(completed, rows):
    failure = output.failure(rows)
    if failure is not None:
        # Vagrant's own text says to run it with a terminal.
        text = "it asks a question" if failure.kind == _ASKING else failure.text.strip()
        return VagrantFailed(completed, failure.kind, text, rows, remedy_for(REMEDIES, text))
    # Before it prompts, which needs a terminal, it prints a warning about the reason.
    warnings = output.warnings(rows)
    text = output.error_text(completed.stderr) or f"exit code {completed.rc}, without a message"
    text = "\n".join([*warnings, text])
    return VagrantFailed(completed, None, text, rows, remedy_for(REMEDIES, text))
