# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Speaking to ``vagrant``: one project, one process for each call, most of a second each.

Every command but `version` looks at all machines of the project first, and writes about what it found: a machine that
its provider does not know any more is forgotten. To ask without that, ask on a copy (vagrant_folder).
"""

from __future__ import annotations

from .._lifecycle import errors
from .._ports import writes
from .._ports.command import shown
from . import vagrant_output as output

INSTALL = "Install Vagrant, and give the path of vagrant where it is not on PATH."
OLDEST = (2, 2)
#: Seconds for looking; a box that is fetched first may take as long as it takes.
_READ = 120
#: Failures before anything was done.
_NOTHING_DONE = frozenset({
    "MachineActionLockedError", "MachineNotFound", "NoEnvironmentError", "ProviderNotFound", "ProviderNotUsable",
    "ProviderNotFoundSuggestion", "ActiveMachineWithDifferentProvider", "SnapshotNotFound", "SnapshotConflictFailed",
})  # fmt: skip
# No words to a terminal, no questions to the maker's servers.
_PLUGINS = "Install the plugins that the Vagrantfile requires: vagrant plugin install NAME."
_QUIET = {"VAGRANT_NO_COLOR": "1", "VAGRANT_CHECKPOINT_DISABLE": "1"}


class Vagrant:
    """One project: the folder of its Vagrantfile, and the names that Vagrant is to use in it.

    ``file`` is the Vagrantfile's name, no path. ``dotfile`` is the folder in the place of ``.vagrant``.
    """

    def __init__(self, commands, folder, file=None, dotfile=None, environment=None, executable="vagrant"):
        self._commands = commands
        self._executable = executable
        named = {"VAGRANT_VAGRANTFILE": file, "VAGRANT_DOTFILE_PATH": dotfile}
        given = {name: value for name, value in named.items() if value is not None}
        self._environment = {**(environment or {}), **_QUIET, "VAGRANT_CWD": folder, **given}

    def version(self):
        """The version, as numbers. Raises Unsupported when it is older than what this collection knows."""
        completed = self._execute(["--version"], _READ)
        found = output.version(completed.stdout)
        if found is None:
            said = output.complaint(completed.stderr) or completed.stdout.strip()[:200] or "nothing"
            raise errors.Unavailable(
                f"{self._executable} names no version; it says: {said}", why="not_responding", remedy=INSTALL
            )
        if found < OLDEST:
            raise errors.Unsupported(
                f"{self._executable} is Vagrant {'.'.join(map(str, found))}.", "Vagrant 2.2 or later is needed."
            )
        return found

    def read(self, *words, timeout=_READ):
        """The rows that a command prints which changes nothing."""
        return self._rows(self._execute([*words, "--machine-readable"], timeout))

    def run(self, *words, timeout=None):
        """Do one command and return the rows that it printed. Raises CommandFailed, recognised by the functions below.

        An exit code of 0 says little: nothing is halted, resumed or destroyed with 0 too. Look at the machine.
        """
        try:
            return self._rows(self._execute([*words, "--machine-readable"], timeout, writes=True))
        except VagrantFailed as error:
            if error.kind not in _NOTHING_DONE:
                writes.note(doubtful=True)  # It may have gone half of the way.
            raise

    def _rows(self, completed):
        found = output.rows(completed.stdout)
        if completed.rc != 0:
            raise _failure(completed, found)
        return found

    def _execute(self, words, timeout, writes=False):
        argv = [self._commands.find(self._executable, INSTALL), *words]
        return self._commands.run(argv, timeout=timeout, environment=self._environment, writes=writes)


def is_locked(error):
    """Whether another process works with the machine now, so that it may go well in a moment. Vagrant does not wait."""
    return _is(error, "MachineActionLockedError")


def is_unknown_machine(error):
    """Whether the Vagrantfile has no machine of that name."""
    return _is(error, "MachineNotFound")


def is_no_project(error):
    """Whether there is no Vagrantfile of that name in the folder."""
    return _is(error, "NoEnvironmentError")


def is_provider_missing(error):
    """Whether the provider is not installed, or says that it cannot be used here."""
    return _is(error, "ProviderNotFound", "ProviderNotFoundSuggestion", "ProviderNotUsable")


def is_invalid(error):
    """Whether Vagrant rejects settings of the Vagrantfile."""
    return _is(error, "ConfigInvalid")


def is_other_provider(error):
    """Whether the machine exists with another provider than asked."""
    return _is(error, "ActiveMachineWithDifferentProvider")


def is_box_missing(error):
    """Whether there is no such box here, and none could be fetched."""
    return _is(error, "BoxAddShortNotFound", "BoxNotFound", "BoxNotFoundWithProvider", "BoxAddNoMatchingProvider",
               "BoxAddNoMatchingVersion", "BoxNotFoundWithProviderAndVersion")  # fmt: skip


def is_boot_timeout(error):
    """Whether the guest did not answer in time. A machine that was just made has been destroyed again then."""
    return _is(error, "VMBootTimeout")


def is_not_ready_for_ssh(error):
    """Whether there is nothing to connect to: the machine is not made, off, or has no address yet."""
    return _is(error, "SSHNotReady", "SSHUnavailable")


def is_snapshot_missing(error):
    return _is(error, "SnapshotNotFound")


def is_snapshot_taken(error):
    """Whether there is a snapshot of that name already."""
    return _is(error, "SnapshotConflictFailed")


def _is(error, *kinds):
    return isinstance(error, VagrantFailed) and error.kind in kinds


class VagrantFailed(errors.CommandFailed):
    """``kind`` is Vagrant's own name for what happened; None where it had not begun to speak. ``rows``: said before."""

    def __init__(self, completed, kind, text, rows=(), remedy=None):
        self.kind, self.rows = kind, rows
        message = f"vagrant {shown(completed.argv[1:-1])} failed: {text}"
        super().__init__(completed.argv, completed.rc, text, message=message, remedy=remedy)


def _failure(completed, rows):
    failure = output.failure(rows)
    if failure is not None:
        return VagrantFailed(completed, failure.kind, failure.text.strip(), rows)
    # Before it asks something, which needs a terminal, it says what about.
    warnings = output.warnings(rows)
    text = output.complaint(completed.stderr) or f"exit code {completed.rc} and no word"
    remedy = _PLUGINS if any("plugin" in warning for warning in warnings) else None
    return VagrantFailed(completed, None, "\n".join([*warnings, text]), rows, remedy)
