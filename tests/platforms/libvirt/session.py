# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One lasting ``virsh`` for what the suite itself reads: a new process costs 15 ms of CPU time, a command in it 0.2 ms.

The code under test always starts its own processes.
"""

from __future__ import annotations

import os
import re
import selectors
import subprocess
import tempfile
from threading import Lock

from suite.limits import scaled

# virsh repeats each command on its output, with the quotes, so that only its answer has the mark without them.
_MARK, _QUOTED_MARK = b"end-of-the-answer", '"end-of-""the-answer"'
#: virsh completes words at a tab, and ends a command at the end of a line.
_PLAIN = re.compile(r"[ -~]+")


class Session:
    """A ``virsh`` that reads commands from its standard input."""

    def __init__(self, uri, environment):
        self._lock, self._owner = Lock(), os.getpid()
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - open until the end of the session
        words = ["virsh", "-q", "-c", uri]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": self._errors}
        self._process = subprocess.Popen(words, bufsize=0, env=environment, **pipes)
        self.answer("echo", "connected")

    def answer(self, *words):
        """The standard output of a command and its errors; None if a process of its own has to run it.

        A single word is a list of commands, as virsh takes it.
        """
        command = words[0] if len(words) == 1 else " ".join(f"'{word}'" for word in words)
        is_plain = _PLAIN.fullmatch(command) and (len(words) == 1 or not any("'" in word for word in words))
        if not is_plain or os.getpid() != self._owner:
            return None
        with self._lock:
            before = os.fstat(self._errors.fileno()).st_size
            try:
                self._process.stdin.write(f"{command.rstrip('; ')}; echo {_QUOTED_MARK}\n".encode())
                output = self._read()
            except BrokenPipeError:
                return None
            errors = os.pread(self._errors.fileno(), 1 << 20, before).decode()
        # It connects again by itself, but only after a command has failed.
        return None if output is None or "onnect" in errors else (output, errors)

    def _read(self):
        """The output up to the mark, without the repeated command; None if the process has ended."""
        output = b""
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while _MARK not in output:
                assert selector.select(scaled(60)), f"virsh does not answer: {output.decode()}"
                part = self._process.stdout.read(1 << 16)
                if not part:
                    return None
                output += part
        return output.partition(_MARK)[0].partition(b"\n")[2].decode()

    def close(self):
        self._process.stdin.close()
        self._process.wait(scaled(60))
        self._process.stdout.close()
        self._errors.close()
