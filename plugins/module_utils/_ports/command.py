# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run programs: never through a shell, with a time limit, and with the C locale."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
from contextlib import suppress

from .._core import errors
from .._core.frozen import Frozen
from . import change_counter as counted
from .clock import RAISE_CALL_TIMEOUT

# Messages and number formats are read by the tools layer, so every program speaks plain English in UTF-8.
_LANGUAGE = {"LC_ALL": "C.UTF-8", "LANGUAGE": "C"}
# A login without a profile often lacks these, although administration tools live there.
_MORE_DIRECTORIES = ("/usr/local/sbin", "/usr/sbin", "/sbin")
_MAX_SHOWN = 200


class Completed(Frozen):
    """The result of a program. An exit code other than 0 is not an error here; the caller interprets it."""

    argv: tuple[str, ...]
    rc: int
    stdout: str
    stderr: str


class Commands:
    """Runs programs on this host. ``maximum``: the maximum duration of any call, in seconds."""

    maximum = None

    def __init__(self, maximum=None):
        self.maximum = maximum

    def find(self, name_or_path, hint=None):
        """Return the absolute path of a program. ``hint`` says what to install; raises Unavailable.

        The environment may name another program or path: POLYVIRT_QEMU_IMG for qemu-img.
        """
        if os.sep not in name_or_path:
            name_or_path = self.environment(f"POLYVIRT_{name_or_path.upper().replace('-', '_')}") or name_or_path
        if os.sep in name_or_path:
            path = os.path.abspath(name_or_path)
            if os.path.isfile(path) and os.access(path, os.X_OK):
                return path
            raise errors.Unavailable(f"{path} is not an executable program.", why="missing", remedy=hint)
        search = os.pathsep.join((os.environ.get("PATH", os.defpath), *_MORE_DIRECTORIES))
        path = shutil.which(name_or_path, path=search)
        if path is None:
            raise errors.Unavailable(f"{name_or_path} was not found on PATH.", why="not_on_path", remedy=hint)
        return os.path.abspath(path)

    def environment(self, name):
        """Return an environment variable, or None if it is unset or empty."""
        return os.environ.get(name) or None

    def run(self, argv, stdin=None, timeout=60, environment=None, writes=False):
        """Run ``argv`` to its end. ``timeout`` is in seconds (None: no limit); raises Timeout and Unavailable.

        ``stdin`` is text and may contain secrets: it appears in no error. ``environment`` has additional variables.
        ``writes``: it is counted as a change if it exits with 0, and as a possible change if it was killed.
        """
        argv = tuple(argv)
        timeout = min((limit for limit in (timeout, self.maximum) if limit is not None), default=None)
        process = start(argv, environment or {})
        try:
            stdout, stderr = process.communicate(_encode(stdin), timeout)
        except subprocess.TimeoutExpired:
            if writes:
                counted.note(doubtful=True)
            raise errors.Timeout(
                f"'{shown(argv)}' did not finish within {timeout} seconds and was killed.",
                waited=timeout,
                remedy=RAISE_CALL_TIMEOUT if timeout == self.maximum else None,
            ) from None
        finally:
            end(process)
        if writes and process.returncode <= 0:
            counted.note(doubtful=process.returncode < 0)
        return Completed(argv, process.returncode, _decode(stdout), _decode(stderr))

    def end(self, pid, is_meant):
        """Terminate a process that another program left behind, if ``is_meant(argv)``: its pid may have been reused.

        If its argv cannot be read (no /proc), or it belongs to another user, it is not terminated.
        """
        try:
            if is_meant(_read(f"/proc/{pid}/cmdline").split("\0")):
                os.kill(pid, signal.SIGTERM)
        except OSError:
            pass


def environments_of(program):
    """Return (environment of this process, {process id: environment} of this user's processes of ``program``).

    The latter is None if the host has no such list. What cannot be read has ended, or is another user's.
    """
    found = {} if sys.platform.startswith("linux") else None
    for pid in filter(str.isdigit, os.listdir("/proc") if found is not None else ()):
        with suppress(OSError):
            if os.stat(f"/proc/{pid}").st_uid == os.geteuid() and _read(f"/proc/{pid}/comm") == f"{program}\n":
                entries = dict(entry.partition("=")[::2] for entry in _read(f"/proc/{pid}/environ").split("\0"))
                found.update({int(pid): entries} if entries != {"": ""} else {})
    return os.environ, found


def _read(path):
    with open(path, "rb") as file:
        return _decode(file.read())


def shown(argv):
    """Return a command line for messages: quoted for a shell, and shortened."""
    line = shlex.join(argv)
    return line if len(line) <= _MAX_SHOWN else f"{line[:_MAX_SHOWN]}..."


def start(argv, environment):
    """Start a program with pipes and the C locale. Raises Unavailable."""
    try:
        return subprocess.Popen(  # pylint: disable=ansible-bad-function # run_command() needs a module, and has no timeout
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **environment, **_LANGUAGE},
            # A separate session: the process group can be killed, and no child (ssh, polkit) prompts on a terminal.
            start_new_session=True,
            # Only the user can read what a program creates, such as the disk of a VM.
            umask=0o077,
        )
    except OSError as error:
        raise errors.Unavailable(f"{argv[0]} could not be run: {error.strerror}.", why="missing") from error


def end(process):
    """Kill a program that still runs, with all processes that it started, and close its pipes."""
    if process.returncode is None:
        with suppress(ProcessLookupError):  # It may have ended in the meantime.
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    for stream in (process.stdin, process.stdout, process.stderr):
        with suppress(BrokenPipeError):  # A killed program may not have read its input.
            stream.close()


def _encode(text):
    return None if text is None else text.encode("utf-8", "surrogateescape")


def _decode(data):
    return data.decode("utf-8", "surrogateescape")


def is_installed(commands, name_or_path):
    """Return whether ``commands`` find a program."""
    try:
        commands.find(name_or_path)
    except errors.Unavailable:
        return False
    return True
