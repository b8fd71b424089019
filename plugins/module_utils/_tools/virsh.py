# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Speaking to libvirt through ``virsh``.

Reads go many at a time (`batch`): a process costs far more than an answer. Changes go one by one (`run`), because
only then does the exit code belong to one command. Error texts lose virsh's own ``error: `` in front of each line.
"""

from __future__ import annotations

import os
import re
import shlex
from dataclasses import dataclass

from .._lifecycle import errors
from .._ports import writes as counted

INSTALL = "Install virsh: package libvirt-clients (Debian, Ubuntu) or libvirt-client (Fedora, RHEL, SUSE)."
# Linux refuses one argument of 128 KiB; the whole batch is one.
_LARGEST_BATCH = 120 * 1024
_PREFIX = "error: "
#: Seconds for reads, and for changes, which are the platform's own work: thirty starts at once take over a minute.
_READ, _CHANGE = 120, 600
# What follows it about domains says nothing: one that could not be asked for is "not found" in the same words.
_DISCONNECTED = re.compile(r"^error: (Disconnected from .* due to .*)$", re.MULTILINE)
_LOCKED = "cannot acquire state change lock"
_NO_CONNECTION = re.compile(r"failed to (re)?connect to the hypervisor", re.IGNORECASE)
# The system bus is where the daemon asks whether a user who is not root may; root is not asked about.
_DENIED = re.compile(
    r"permission denied|polkit|authentication (failed|unavailable|cancelled)|access denied|system bus connection", re.I
)
#: Commands that change nothing.
_READS = frozenset({
    "capabilities", "domcapabilities", "domstate", "dumpxml", "list", "snapshot-dumpxml", "uri", "version",
})  # fmt: skip
_PLAIN_WORD = re.compile(r"[A-Za-z0-9_./:=@%+,-]+\Z")

# What libvirt says, as recorded; the first name is the kind of thing looked for.
_NOT_FOUND = {
    "domain": ("failed to get domain '", "Domain not found: "),
    "snapshot": ("Domain snapshot not found: ",),
    "network": ("failed to get network '", "Network not found: "),
    "metadata": ("metadata not found: ",),
}
_UNSUPPORTED = ("this function is not supported by the connection driver", "unsupported flags (")


@dataclass(frozen=True)
class Answer:
    """What one command of a batch said; ``error`` is None when it went well."""

    stdout: str
    error: str | None


class ConnectionLost(errors.CommandFailed):
    """The connection to libvirt ended during a command: nobody knows whether libvirt carried it out."""


class Virsh:
    """One connection's worth of virsh."""

    def __init__(self, commands, executable, uri):
        self._commands = commands
        self._executable = executable
        self.uri = uri

    def batch(self, requests, timeout=_READ):
        """The answers to many read commands, each a sequence of words, in the order asked.

        Raises Unavailable when libvirt cannot be reached, CommandFailed when virsh does not know a command or an
        option: then it runs none of the batch.
        """
        marks = f"polyvirt-{os.urandom(8).hex()}"
        answers = []
        for chunk in _chunks([_marked(words, f"{marks}-{index};") for index, words in enumerate(requests)]):
            completed = self._execute(["; ".join(text for text, mark in chunk)], timeout=timeout)
            answers += self._attributed(completed, [mark for text, mark in chunk])
        return answers

    def run(self, *words, stdin=None, timeout=_CHANGE):
        """Do one command and return what it printed. Raises CommandFailed with virsh's error lines."""
        completed = self._execute(words, stdin, timeout, writes=words[0] not in _READS)
        if completed.rc != 0:
            raise self._failure(completed, _error_lines(completed.stderr) or completed.stderr)
        return completed.stdout

    def _execute(self, words, stdin=None, timeout=_READ, writes=False):
        argv = [self._commands.find(self._executable, INSTALL), "-q", "-c", self.uri, *words]
        completed = self._commands.run(argv, stdin=stdin, timeout=timeout, writes=writes)
        lost = _DISCONNECTED.search(completed.stderr)
        if lost and not (writes and completed.rc == 0):
            if writes:
                counted.note(doubtful=True)
            raise self._failure(completed, lost[1], ConnectionLost)
        error = _error_lines(completed.stderr)
        if error and _NO_CONNECTION.search(error):
            raise _unavailable(self.uri, error)
        return completed

    def _attributed(self, completed, marks):
        stdout = _split(completed.stdout, marks)
        stderr = _split(completed.stderr, marks)
        if stdout is None or stderr is None:
            raise self._failure(completed, _error_lines(completed.stderr) or "virsh exited before its last command.")
        return [Answer(said, _error_lines(complaint)) for said, complaint in zip(stdout, stderr)]

    def _failure(self, completed, text, kind=errors.CommandFailed):
        command = shlex.join(completed.argv[4:])
        short = command if len(command) <= 120 else f"{command[:120]}..."
        said = text.strip().replace("\n", "; ") or f"exit code {completed.rc} without an error message"
        message = f"virsh {short} on {self.uri} failed: {said}"
        return kind(completed.argv, completed.rc, text, message=message)


def is_not_found(error, kind="domain"):
    """Whether the thing itself is missing. A domain whose *network* is missing says so with other words."""
    return _says(error, _NOT_FOUND[kind])


def may_pass(error):
    """Whether a command may succeed when it is sent again: another task held the VM (libvirt itself waits 30 s before
    it reports that), or the connection was lost.
    """
    return isinstance(error, ConnectionLost) or _LOCKED in str(error)


def is_unsupported(error):
    """Whether this connection's driver has no such function or flag at all."""
    return _says(error, _UNSUPPORTED)


def _says(error, texts):
    return bool(error) and any(text in error for text in texts)


def _marked(words, mark):
    """A command and, after it, our mark on both streams: what stands before a mark belongs to its command."""
    quoted = " ".join(_quote(word) for word in words)
    return f"{quoted}; echo '{mark}'; echo --err '{mark}'", mark


def _quote(word):
    """A word for virsh's own parser: within single quotes only the single quote itself is special."""
    if _PLAIN_WORD.match(word):
        return word
    return "'" + word.replace("'", "'\\''") + "'"


def _chunks(commands):
    """Commands in as few lists as fit into one argument each; sizes are of bytes, names may be of any script."""
    chunk, used = [], 0
    for command in commands:
        length = len(command[0].encode("utf-8", "surrogateescape")) + 2
        if chunk and used + length > _LARGEST_BATCH:
            yield chunk
            chunk, used = [], 0
        chunk.append(command)
        used += length
    if chunk:
        yield chunk


def _split(text, marks):
    """The pieces of a stream before each mark; None if a mark is missing.

    ``echo`` ends without a line break when virsh is quiet, and with one on standard error: one is taken off.
    """
    pieces = []
    for mark in marks:
        piece, found, text = text.partition(mark)
        if not found:
            return None
        pieces.append(piece)
        text = text[1:] if text.startswith("\n") else text
    return pieces


def _error_lines(text):
    """virsh's complaint out of a piece of standard error, or None.

    What libraries log before it is left out; lines after it belong to it even without the prefix. A bare prefix is
    what ``echo --err`` puts before our mark.
    """
    lines = text.split("\n")
    while lines and not lines[0].startswith(_PREFIX):
        del lines[0]
    plain = [line[len(_PREFIX) :] if line.startswith(_PREFIX) else line for line in lines]
    return "\n".join(line for line in plain if line.strip()) or None


def _unavailable(uri, error):
    last = error.split("\n")[-1]
    message = f"libvirt cannot be reached at {uri}: {last.rstrip('.')}."
    if "ssh" in uri.split(":")[0]:
        remedy = "Check that ssh to that host works without a prompt."
    elif _DENIED.search(last):
        remedy = "Permission is missing: add the user to the group libvirt, or run the task with become."
    else:
        remedy = "Check the uri, and that the libvirt daemon is running (libvirtd or virtqemud)."
    return errors.Unavailable(message, why="not_responding", remedy=remedy)
