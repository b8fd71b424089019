# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shim before a backend's commands, from the tests' side: what was called, and what shall happen at a call."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

_SHIM = Path(__file__).with_name("shim_command")


@dataclass(frozen=True)
class Call:
    """One call of a backend's command while ``label`` was done; ``files`` is the watched folder as it was before it,
    ``left`` as it was after it.
    """

    number: int
    label: str
    argv: tuple
    files: str = ""
    left: str = ""


class Shim:
    """One folder of commands that note their calls."""

    def __init__(self, folder, commands):
        self.notes, self.bin, self.watched = Path(folder) / "notes", Path(folder) / "bin", ""
        self.bin.mkdir(parents=True)
        for command in commands:
            # A copy, not a link: other users than the tests' own must be able to run it.
            shutil.copy(_SHIM, self.bin / command)
        self.forget()

    def forget(self):
        """Begin to count anew, without orders."""
        self.start_anew()
        (self.notes / "order").unlink(missing_ok=True)

    def start_anew(self):
        """Begin to count anew; orders stand."""
        for notes in ("calls", "files"):
            shutil.rmtree(self.notes / notes, ignore_errors=True)
            (self.notes / notes).mkdir(parents=True)
        (self.notes / "count").unlink(missing_ok=True)

    def environment(self, label="", programs=None):
        """``programs`` is a folder with commands that come before those of the host."""
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
        """Tell what shall happen, such as ``kill-before 3``."""
        (self.notes / "order").write_text(f"{text}\n", encoding="utf-8")

    def calls(self):
        """All calls noted, in order."""
        noted = sorted((self.notes / "calls").iterdir(), key=lambda file: int(file.name))
        return [_call(file) for file in noted]


def _call(file):
    label, *argv = file.read_text(encoding="utf-8", errors="surrogateescape").split("\0")[:-1]
    watched = [file.parents[1] / "files" / name for name in (file.name, f"{file.name}-left")]
    files = [one.read_text(encoding="utf-8", errors="surrogateescape") if one.exists() else "" for one in watched]
    return Call(int(file.name), label, tuple(argv), *files)


def as_calls(label, noted):
    """Calls that were no commands; a platform noted them itself, as lists of words."""
    return [Call(number, label, tuple(words)) for number, words in enumerate(noted, 1)]
