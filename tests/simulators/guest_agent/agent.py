# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A QEMU guest agent that runs commands on this host and as this user.

Its answers are those of qemu-ga 7.2 to the same requests: errors, modes of new files, the end of a command while its
child process continues, the environment without a home directory.
"""

from __future__ import annotations

import base64
import os
import subprocess
import threading

from simulators.proxmox.errors import AgentError

_MOST_OUTPUT = 16 * 1024 * 1024
_MOST_READ = 48 * 1024 * 1024
COMMANDS = (
    "guest-ping", "guest-info", "guest-exec", "guest-exec-status", "guest-file-open", "guest-file-read",
    "guest-file-write", "guest-file-close",
)  # fmt: skip


class Agent:
    """``disabled`` are commands that its configuration disables."""

    def __init__(self, disabled=()):
        self.disabled = set(disabled)
        self._running, self._files, self._next = {}, {}, 1000
        #: The names of the commands of all requests.
        self.asked = []

    def ask(self, request):
        """The return value of a request. Raises AgentError."""
        name, arguments = request["execute"], request.get("arguments", {})
        self.asked.append(name)
        if name not in COMMANDS:
            raise AgentError(f"The command {name} has not been found", "CommandNotFound")
        if name in self.disabled:
            raise AgentError(f"Command {name} has been disabled", "CommandNotFound")
        return getattr(self, name.replace("guest-", "_", 1).replace("-", "_"))(arguments)

    def _ping(self, arguments):
        return {}

    def _info(self, arguments):
        listed = [{"name": name, "enabled": name not in self.disabled, "success-response": True} for name in COMMANDS]
        return {"version": "7.2.22", "supported_commands": listed}

    def _exec(self, arguments):
        captured = subprocess.PIPE if arguments.get("capture-output") else subprocess.DEVNULL
        environment = {"PATH": os.environ["PATH"]}
        try:
            process = subprocess.Popen(
                [arguments["path"], *arguments.get("arg", ())],
                stdin=subprocess.PIPE,
                stdout=captured,
                stderr=captured,
                env=environment,
                cwd="/",
                start_new_session=True,
            )
        except OSError as error:
            text = f"Failed to execute child process \u201c{arguments['path']}\u201d ({error.strerror})"
            raise AgentError(f"Guest agent command failed, error was '{text}'") from None
        self._running[process.pid] = _Running(process, base64.b64decode(arguments.get("input-data", "")))
        return {"pid": process.pid}

    def _exec_status(self, arguments):
        running = self._running.get(arguments["pid"])
        if running is None:
            raise AgentError("Invalid parameter 'pid'")
        if running.is_alive():
            return {"exited": False}
        del self._running[arguments["pid"]]
        status = {"exited": True}
        code = running.process.returncode
        status["signal" if code < 0 else "exitcode"] = abs(code)
        for name, data in zip(("out", "err"), running.output, strict=True):
            if data:
                status[f"{name}-data"] = _encoded(data[:_MOST_OUTPUT])
                status[f"{name}-truncated"] = len(data) > _MOST_OUTPUT
        return status

    def _file_open(self, arguments):
        path, mode = arguments["path"], arguments.get("mode", "r")
        try:
            is_new = "r" not in mode and not os.path.exists(path)
            file = open(path, mode if "b" in mode else f"{mode}b", buffering=0)  # noqa: SIM115
            if is_new:
                os.chmod(path, 0o666)
        except OSError as error:
            raise AgentError(f"failed to open file '{path}' (mode: '{mode}'): {error.strerror}") from None
        self._next += 1
        self._files[self._next] = file
        return self._next

    def _file_read(self, arguments):
        count = arguments.get("count", 4096)
        if count > _MOST_READ:
            raise AgentError(f"value '{count}' is invalid for argument count")
        file = self._file(arguments)
        data = b""
        while len(data) < count:
            piece = file.read(count - len(data))
            if not piece:
                return {"count": len(data), "buf-b64": _encoded(data), "eof": True}
            data += piece
        return {"count": len(data), "buf-b64": _encoded(data), "eof": False}

    def _file_write(self, arguments):
        """Write a part of the data, as the real agent may do."""
        data = base64.b64decode(arguments["buf-b64"])
        written = self._file(arguments).write(data[:40_000])
        return {"count": written, "eof": False}

    def _file_close(self, arguments):
        self._file(arguments).close()
        del self._files[arguments["handle"]]
        return {}

    def _file(self, arguments):
        try:
            return self._files[arguments["handle"]]
        except KeyError:
            raise AgentError(f"handle '{arguments['handle']}' has not been found") from None

    @property
    def open_files(self):
        return len(self._files)


class _Running:
    """A command. It ends when no process holds its output any more."""

    def __init__(self, process, stdin):
        self.process, self.output = process, (b"", b"")
        self._thread = threading.Thread(target=self._communicate, args=(stdin,), daemon=True)
        self._thread.start()

    def _communicate(self, stdin):
        out, err = self.process.communicate(stdin)
        self.output = (out or b"", err or b"")

    def is_alive(self):
        self._thread.join(0.005)
        return self._thread.is_alive()


def _encoded(data):
    return base64.b64encode(data).decode("ascii")
