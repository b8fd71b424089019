# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs commands and transfers files in a guest through its QEMU guest agent, on any platform.

The agent's own behaviour was observed with qemu-ga 7.2 and is described in
https://www.qemu.org/docs/master/interop/qemu-ga-ref.html.
"""

from __future__ import annotations

import re
import shlex

from .._core.errors import PolyvirtError, Unavailable, Unsupported
from .._core.frozen import Frozen

#: Commands of the agent that a connection needs. Some distributions disable some of them.
NEEDED = ("guest-exec", "guest-exec-status", "guest-file-open", "guest-file-write", "guest-file-close")
#: The agent runs without a login: HOME is not set, and `~` would be a directory of that name.
_AS_LOGIN = 'if [ -z "$HOME" ]; then HOME=$(eval "echo ~$(id -un)"); export HOME; fi; cd "$HOME" 2>/dev/null; '
#: Seconds until the status of a command is read first, and at most until it is read again.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.02, 1.0
#: Seconds between two attempts to reach an agent.
_RETRY = 1.0


#: What libvirt and Proxmox VE report about a VM that the agent cannot be reached through.
_NO_CHANNEL = re.compile(r"QEMU guest agent (is not )?configured")
#: Those that are enough to run a command.
_TO_RUN = ("guest-exec", "guest-exec-status")


class NoAnswer(PolyvirtError):
    """The agent did not answer: it is not installed, not running yet, or too busy."""


class NotPermitted(Unavailable):
    """The agent answers, but its configuration turns off what is needed."""


class Ended(Frozen):
    """The result of a command; ``rc`` is 128 plus the signal if a signal killed it, as in a shell."""

    rc: int
    stdout: bytes
    stderr: bytes


class GuestAgent:
    """The agent of one VM. Subclasses add ``commands``, ``start``, ``status``, ``output``, ``write`` and ``fetch``.

    ``vm`` is its name in messages, ``timeout`` the seconds in which the agent must answer.
    """

    #: The largest input of a command in bytes; a larger one is passed in a file.
    most_input = 0
    #: How a VM gets a channel for its agent.
    add_channel = ""

    def __init__(self, vm, clock, timeout):
        self.vm, self.timeout = vm, timeout
        self._clock = clock

    def connect(self):
        """Wait for the agent, and check that it permits the needed commands. Raises Unavailable."""
        until = self._clock.now() + self.timeout
        while True:
            try:
                return self._check(self.commands())
            except NoAnswer as error:
                if self._clock.now() + _RETRY > until:
                    raise Unavailable(
                        f"{self.vm}: the guest agent does not answer: {error.message}",
                        "not_responding",
                        "Check that the VM runs and has a channel for the agent, and that the service"
                        " qemu-guest-agent runs in the guest.",
                    ) from None
            self._clock.sleep(_RETRY)

    def _check(self, commands, needed=NEEDED):
        missing = [name for name in needed if not commands.get(name)]
        if missing:
            raise NotPermitted(
                f"{self.vm}: the guest agent does not permit {', '.join(missing)}.",
                "not_responding",
                "Permit these commands in the guest: in /etc/sysconfig/qemu-ga (Fedora, RHEL), or"
                " /etc/qemu/qemu-ga.conf; then restart the service qemu-guest-agent.",
            )

    def ask(self, command):
        """Run a command without waiting for an agent that does not answer now. Raises NoAnswer and Unsupported."""
        try:
            self._check(self.commands(), _TO_RUN)
        except NoAnswer as error:
            if not _NO_CHANNEL.search(error.message):
                raise
            raise Unsupported("the VM has no channel for a guest agent.", self.add_channel) from None
        except NotPermitted as error:
            raise Unsupported(error.message.removeprefix(f"{self.vm}: "), error.remedy) from None
        return self.run(command)

    def run(self, command, stdin=b""):
        """Run a shell command in the home directory, as with SSH, and return its result (Ended)."""
        if not self.takes(stdin):
            command, stdin = self._with_file_as_input(command, stdin), b""
        pid = self.start(["/bin/sh", "-c", _AS_LOGIN + command], stdin)
        pause = _FIRST_PAUSE
        while True:
            self._clock.sleep(pause)
            status = self.status(pid)
            if status.get("exited"):
                return self._ended(status)
            pause = min(pause * 1.5, _LONGEST_PAUSE)

    def takes(self, stdin):
        """Whether this input can be passed to a command without a file."""
        return len(stdin) <= self.most_input

    def _with_file_as_input(self, command, stdin):
        path = self._checked(self.run("umask 077 && mktemp"), "a temporary file").stdout.decode().strip()
        self.put([stdin], path)
        return f"exec < {shlex.quote(path)}; rm -f {shlex.quote(path)}; {command}"

    def put(self, parts, path):
        """Write a file from an iterable of bytes. A new file can be read by its owner alone."""
        # The agent itself creates files that everybody can write to (mode 0666).
        self._checked(self.run(f"umask 077 && : > {shlex.quote(path)}"), path)
        self.write(parts, path)

    def _checked(self, ended, what):
        if ended.rc:
            error = ended.stderr.decode("utf-8", "replace").strip()
            raise PolyvirtError(
                f"{self.vm}: {what} cannot be written: {error}.", "Check that its directory exists and has free space."
            )
        return ended

    def _ended(self, status):
        for stream in ("out", "err"):
            if status.get(f"{stream}-truncated"):
                raise PolyvirtError(
                    f"{self.vm}: the agent cut off the output of the command after 16 MiB.",
                    "Write the output to a file, and fetch the file.",
                )
        rc = 128 + status["signal"] if "signal" in status else status["exitcode"]
        return Ended(rc, self.output(status.get("out-data", "")), self.output(status.get("err-data", "")))


def result_of(agent, command):
    """Run a command, close the agent, and return (exit code, standard output). Raises as ``GuestAgent.ask``."""
    try:
        ended = agent.ask(command)
    finally:
        agent.close()
    return ended.rc, ended.stdout.decode("utf-8", "replace")


def pieces(parts, size):
    """An iterable of bytes as pieces of ``size`` bytes; only the last piece may be smaller."""
    held = bytearray()
    for part in parts:
        held += part
        while len(held) >= size:
            yield bytes(held[:size])
            del held[:size]
    if held:
        yield bytes(held)
