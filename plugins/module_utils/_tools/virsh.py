# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running ``virsh``.

Many reads share one process (`batch`), because processes are slow. Changes use one process each (`run`), because
only then does the exit code belong to one command. Error texts lose virsh's own ``error: `` in front of each line.
"""

from __future__ import annotations

import os
import re
import shlex

from .._core import errors
from .._core.errors import remedy_for
from .._core.frozen import Frozen
from .._core.pattern import Pattern
from .._ports import change_counter as counted
from .._ports import permits
from .virsh_remedies import REMEDIES, UNREACHABLE

INSTALL = "Install virsh: package libvirt-clients (Debian, Ubuntu) or libvirt-client (Fedora, RHEL, SUSE)."
SYSTEM_URI = "qemu:///system"
# Linux rejects an argument of 128 KiB or more, and a batch is a single argument.
_LARGEST_BATCH = 120 * 1024
_PREFIX = "error: "
#: The driver in virsh itself, which parses, stores and prints definitions without a daemon.
TEST_DRIVER = "test:///default"
#: Seconds for reads, and for changes, which may take long: thirty simultaneous starts take over a minute.
_READ, _CHANGE = 120, 600
# Later errors of the batch are ignored: after a disconnect libvirt reports every domain as "not found".
_DISCONNECTED = Pattern(r"^error: (Disconnected from .* due to .*)$", re.MULTILINE)
# virsh prints the line above only if it notices the end of the connection in time; otherwise the call fails with one of
# these. Only at the start of a line: the daemon may quote such a text of another program.
_BROKEN_OFF = Pattern(
    r"^error: ((?:internal error: )?(?:End of file while reading data|Cannot recv data|Cannot write data"
    r"|An error occurred, but the cause is unknown|client socket is closed|connection closed due to keepalive timeout"
    r"|received (?:hangup|error)\b.* event on socket).*)$",
    re.MULTILINE,
)
#: A shell, such as a wrapper of virsh, returns the sum of this number and that of the signal that killed its command.
_KILLED, _MOST_SIGNALS = 128, 64
_LOCKED = "cannot acquire state change lock"
_NO_CONNECTION = Pattern(r"failed to (re)?connect to the hypervisor", re.IGNORECASE)
# The daemon asks polkit on the system bus for users other than root.
_DENIED = Pattern(
    r"permission denied|polkit|authentication (failed|unavailable|cancelled)|access denied|system bus connection", re.I
)
#: Commands that change nothing.
_READS = frozenset({
    "backup-dumpxml", "blockjob", "capabilities", "checkpoint-dumpxml", "checkpoint-list", "connect", "domblkinfo",
    "domcapabilities", "domifaddr", "domiflist", "dominfo", "domjobinfo", "domstate", "domstats", "domxml-to-native",
    "dumpxml", "find-storage-pool-sources", "list", "managedsave-dumpxml", "net-dhcp-leases", "net-dumpxml", "net-info",
    "net-list", "net-port-dumpxml", "net-port-list", "nodedev-dumpxml", "nodedev-list", "pool-capabilities",
    "pool-dumpxml", "pool-info", "pool-list", "snapshot-current", "snapshot-dumpxml", "snapshot-info", "snapshot-list",
    "uri", "version", "vol-list", "vol-path",
})  # fmt: skip
#: Commands that may have changed something although they failed: a device, or one of several disks.
_MAY_CHANGE_AND_FAIL = frozenset({
    "attach-device", "blkdeviotune", "blockresize", "change-media", "detach-device", "detach-disk",
    "managedsave", "setmem", "setvcpus", "snapshot-create", "snapshot-delete", "snapshot-revert",
    "update-device",
})  # fmt: skip
#: Commands that destroy something: what (permits.py), and the option with its name.
_DESTROYS = {
    "undefine": ("vm", None), "managedsave-remove": ("memory", None), "snapshot-revert": ("state", None),
    "snapshot-delete": ("snapshot", "--snapshotname"), "checkpoint-delete": ("snapshot", "--checkpointname"),
    "vol-delete": ("volume", None), "net-undefine": ("net", None), "pool-undefine": ("pool", None),
}  # fmt: skip
#: Commands that destroy nothing.
_CHANGES = _MAY_CHANGE_AND_FAIL - _DESTROYS.keys() | {
    "autostart", "backup-begin", "define", "destroy", "domfsfreeze", "domfsthaw", "domjobabort", "net-autostart",
    "net-define", "net-destroy", "net-start", "net-update", "pool-autostart", "pool-build", "pool-define",
    "pool-destroy", "pool-refresh", "pool-start", "qemu-agent-command", "reset", "resume", "send-key", "shutdown",
    "start", "suspend",
}  # fmt: skip
_PLAIN_WORD = Pattern(r"[A-Za-z0-9_./:=@%+,-]+\Z")

# libvirt's error messages, as recorded, by kind of object.
_NOT_FOUND = {
    "domain": ("failed to get domain '", "Domain not found: "),
    "snapshot": ("Domain snapshot not found: ",),
    "checkpoint": ("Domain checkpoint not found: ",),
    "network": ("failed to get network '", "Network not found: "),
    "metadata": ("metadata not found: ",),
    "node device": ("Node device not found: ",),
}
_CHECK_DAEMON = "Check the uri, and that libvirtd or virtqemud is running. The role libvirt_host installs it."
#: What domjobinfo answers of a VM without a job, and directly after a backup began.
_NO_JOB, _NEW_JOB = ("domain is not running",), "backup job data missing"
_JOB = Pattern(r"^(Job type|Operation):\s*(.*?)\s*$", re.MULTILINE)
_UNSUPPORTED = ("this function is not supported by the connection driver", "unsupported flags (")


def is_local(uri):
    """Whether libvirt runs on this host: otherwise the files of its VMs cannot be created or read here."""
    return not re.match(r"[^:]+://[^/]", uri)


def connection_uri(commands, requested=None, default=SYSTEM_URI):
    """Return the URI of a connection: the requested one, else that of the environment, else ``default``."""
    return requested or commands.environment("LIBVIRT_DEFAULT_URI") or default


class Answer(Frozen):
    """The output of one command of a batch; ``error`` is None on success."""

    stdout: str
    error: str | None


class ConnectionLost(errors.CommandFailed):
    """The connection to libvirt was lost during a command, or virsh was killed.

    The command may have been executed or not, and libvirt may still be executing it.
    """


class Virsh:
    """virsh on one connection."""

    def __init__(self, commands, executable, uri):
        self._commands = commands
        self._executable = executable
        self.uri = uri

    @property
    def argv(self):
        """The command line of virsh on this connection, without a command."""
        return [self._commands.find(self._executable, INSTALL), "-q", "-c", self.uri]

    def batch(self, requests, timeout=_READ):
        """The answers to many read commands, each a sequence of words, in the same order.

        Raises Unavailable when libvirt cannot be reached, CommandFailed when virsh does not know a command or an
        option: then it runs none of the batch.
        """
        for words in requests:
            check_permitted(words)
        marks = f"polyvirt-{os.urandom(8).hex()}"
        answers = []
        for chunk in _chunks([_marked(words, f"{marks}-{index};") for index, words in enumerate(requests)]):
            completed = self._execute(["; ".join(text for text, mark in chunk)], timeout=timeout)
            answers += self._attributed(completed, [mark for text, mark in chunk])
        return answers

    def run(self, *words, stdin=None, timeout=_CHANGE):
        """Run one command and return its output. Raises CommandFailed with virsh's error lines."""
        check_permitted(words)
        completed = self._execute(words, stdin, timeout, writes=words[0] not in _READS)
        if completed.rc != 0:
            if words[0] in _MAY_CHANGE_AND_FAIL:
                counted.note(doubtful=True)
            raise self._failure(completed, _error_lines(completed.stderr) or completed.stderr)
        return completed.stdout

    def _execute(self, words, stdin=None, timeout=_READ, writes=False):
        completed = self._commands.run([*self.argv, *words], stdin=stdin, timeout=timeout, writes=writes)
        lost = None if writes and completed.rc == 0 else _how_lost(completed)
        if lost:
            if writes and completed.rc > 0:  # The port has counted the call if it was killed.
                counted.note(doubtful=True)
            raise self._failure(completed, lost, ConnectionLost)
        error = _error_lines(completed.stderr)
        if error and _NO_CONNECTION.search(error):
            raise _unavailable(self.uri, error)
        return completed

    def _attributed(self, completed, marks):
        """The Answer of each command, split at its mark on both streams."""
        stdout = _split(completed.stdout, marks)
        stderr = _split(completed.stderr, marks)
        if stdout is None or stderr is None:
            raise self._failure(completed, _error_lines(completed.stderr) or "virsh exited before its last command.")
        return [Answer(output, _error_lines(error_output)) for output, error_output in zip(stdout, stderr)]

    def _failure(self, completed, text, kind=errors.CommandFailed):
        command = shlex.join(completed.argv[4:])
        short = command if len(command) <= 120 else f"{command[:120]}..."
        reason = text.strip().replace("\n", "; ") or f"exit code {completed.rc} without an error message"
        message = f"virsh {short} on {self.uri} failed: {reason}"
        return kind(completed.argv, completed.rc, text, message=message, remedy=remedy_for(REMEDIES, text))


def check_permitted(words):
    """Raise Refused for a command that destroys what no plan lists, and for one that is in no table."""
    kind, option = _DESTROYS.get(words[0], (None, None))
    name = words[words.index(option) + 1 :][:1] if option in words else ()
    permits.check_command(words[0], _READS | _CHANGES, kind and (kind, *words[1:2], *name))


def raise_for_errors(requests, answers, is_gone=lambda error: False):
    """Raise CommandFailed for the first of the read commands that failed; further answers are not considered.

    ``is_gone(error)``: whether there is nothing to read. What exists and cannot be read could use anything.
    """
    for words, answer in zip(requests, answers):
        if answer.error and not is_gone(answer.error):
            raise errors.CommandFailed(("virsh", *words), 1, answer.error)


def _how_lost(completed):
    """How the answer of virsh was lost, or None."""
    signal = -completed.rc if completed.rc < 0 else completed.rc - _KILLED
    if 0 < signal <= _MOST_SIGNALS:
        return f"virsh was killed (signal {signal})"
    lost = _DISCONNECTED.search(completed.stderr)
    if not lost and not _NO_CONNECTION.search(completed.stderr):
        lost = _BROKEN_OFF.search(completed.stderr)
    return lost and lost[1]


def is_not_found(error, kind="domain"):
    """Whether the object itself is missing. A missing *network* of a domain has another message."""
    return _says(error, _NOT_FOUND[kind])


def is_not_saved(error):
    """Whether a VM has no saved memory: it was started or discarded in the meantime."""
    return _says(error, ("does not have managed save image",))


def may_pass(error):
    """Whether a command may succeed when it is sent again: another task held the VM (libvirt itself waits 30 s before
    it reports that), or the connection was lost.
    """
    return isinstance(error, (ConnectionLost, errors.Held)) or _LOCKED in str(error)


def job_in(answer):
    """Return the job that runs on a VM, from an answer to ``domjobinfo``; empty if none. Raises CommandFailed."""
    error = answer.error
    if error and _NEW_JOB in error:
        return "backup"
    if error and not (_says(error, _NO_JOB) or is_unsupported(error) or is_not_found(error)):
        raise errors.CommandFailed(("virsh", "domjobinfo"), 1, error)
    found = dict(_JOB.findall(answer.stdout))
    return "" if found.get("Job type") in (None, "None") else found.get("Operation", "unknown").lower()


def is_unsupported(error):
    """Whether this connection's driver does not support the function or flag."""
    return _says(error, _UNSUPPORTED)


def cannot_say(error):
    """Whether libvirt has not judged a definition: the call is missing or not permitted."""
    is_missing = is_unsupported(error) and "CPU model" not in error  # Of ARM, libvirt calls models unsupported.
    return is_missing or bool(_DENIED.search(error)) or "operation forbidden" in error


def _says(error, texts):
    return bool(error) and any(text in error for text in texts)


def _marked(words, mark):
    """A command followed by our mark on both streams: output before the mark belongs to the command."""
    line = " ".join(quoted(word) for word in words)
    return f"{line}; echo '{mark}'; echo --err '{mark}'", mark


def quoted(word):
    """A word quoted for virsh's parser: within single quotes only the single quote itself is special."""
    if _PLAIN_WORD.match(word):
        return word
    return "'" + word.replace("'", "'\\''") + "'"


def _chunks(commands):
    """Commands in as few lists as possible, each within the size limit in bytes."""
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

    ``echo`` prints no line break on standard output with -q, but one on standard error, which is removed.
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
    """virsh's error message in a piece of standard error, or None.

    Log lines of libraries before it are omitted; lines after it belong to it even without the prefix. A bare prefix is
    printed by ``echo --err`` before our mark.
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
        remedy = remedy_for(UNREACHABLE, last) or _CHECK_DAEMON
    return errors.Unavailable(message, why="not_responding", remedy=remedy)
