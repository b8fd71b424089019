# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tests' interface to the shim, which replaces a backend's commands: recorded calls, and orders to disturb one."""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

_SHIM = Path(__file__).with_name("shim_command")


@dataclass(frozen=True)
class Call:
    """One call of a backend's command by the task ``label``; ``files`` and ``left`` are the contents of the watched
    directory before and after it.
    """

    number: int
    label: str
    argv: tuple
    files: str = ""
    left: str = ""


class Shim:
    """A directory of commands that record their calls and run the real ones."""

    def __init__(self, folder, commands):
        self.notes, self.bin, self.watched = Path(folder) / "notes", Path(folder) / "bin", ""
        self.bin.mkdir(parents=True)
        for command in commands:
            # A copy, not a link, so that other users can run it.
            shutil.copy(_SHIM, self.bin / command)
        self.forget()

    def forget(self):
        """Delete the recorded calls and the order."""
        self.reset_calls()
        (self.notes / "order").unlink(missing_ok=True)

    def reset_calls(self):
        """Delete the recorded calls, so that the count begins at 1 again. The order remains."""
        for notes in ("calls", "files"):
            # A command that outlives its killed task may write there now, so that only a renamed directory gets empty.
            if (self.notes / notes).exists():
                old = Path(tempfile.mkdtemp(dir=self.notes.parent))
                (self.notes / notes).rename(old / notes)
                shutil.rmtree(old, ignore_errors=True)
            (self.notes / notes).mkdir(parents=True)
        (self.notes / "count").unlink(missing_ok=True)

    def environment(self, label="", programs=None):
        """The environment of a task; commands in the directory ``programs`` come before those of the host."""
        real = os.environ.get("PATH", os.defpath)
        real = f"{programs}:{real}" if programs else real
        return {
            "PATH": f"{self.bin}:{real}",
            "POLYVIRT_SHIM": str(self.notes),
            "POLYVIRT_SHIM_PATH": real,
            "POLYVIRT_SHIM_LABEL": label,
            "POLYVIRT_WATCHED": str(self.watched),
        }

    def order(self, text):
        """Set the order, such as ``kill-before 3``: action and number of the call."""
        (self.notes / "order").write_text(f"{text}\n", encoding="utf-8")

    def calls(self):
        """All recorded calls, in order."""
        files = sorted((self.notes / "calls").iterdir(), key=lambda file: int(file.name))
        return [_call(file) for file in files]


def _call(file):
    label, *argv = file.read_text(encoding="utf-8", errors="surrogateescape").split("\0")[:-1]
    watched = [file.parents[1] / "files" / name for name in (file.name, f"{file.name}-left")]
    files = [one.read_text(encoding="utf-8", errors="surrogateescape") if one.exists() else "" for one in watched]
    return Call(int(file.name), label, tuple(argv), *files)


def as_calls(label, recorded):
    """Calls that were not commands, which a platform recorded itself as lists of words."""
    return [Call(number, label, tuple(words)) for number, words in enumerate(recorded, 1)]
