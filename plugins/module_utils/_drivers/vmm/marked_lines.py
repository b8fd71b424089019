# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines of this collection in a configuration file of the host, between two marked lines; the rest stays as it is.

The file is written twice if a program has to read the lines. Meanwhile a comment says that it has not done so yet.
So the next task completes one that was killed.
"""

from __future__ import annotations

import os
from contextlib import contextmanager

from ..._lifecycle.errors import CommandFailed, InvalidInput, PolyvirtError, Refused
from ..._lifecycle.options import Connection, Option
from ..._ports import files
from ..._ports.clock import Clock
from ..._ports.command import Commands
from .marked_block import cut_out, put_in
from .reader import read_text

#: A line of comment in all files that have marked lines.
_PENDING = "# These lines are not in force yet."
_PAUSE, _PAUSES = 0.25, 240
_NAMES = ("host", "network")

OPTIONS = {
    "path": Connection("path", required=True),
    "name": Option(choices=_NAMES, required=True),
    "lines": Option("list", elements="str", default=[]),
    "validate": Option("list", elements="str", default=[]),
    "apply": Option("list", elements="str", default=[]),
    "in_force": Option("bool", default=True),
    "defer": Option("bool", default=False),
    "mode": Option(default="0600"),
}


def answer(params, check):
    """What the module vmm_marked_lines returns."""
    try:
        mode = int(params["mode"], 8)
    except ValueError:
        raise InvalidInput(f"mode: {params['mode']} is not an octal number such as 0600.") from None
    with _locked(os.path.dirname(params["path"])):
        return _Lines(params, mode).answer(check)


@contextmanager
def _locked(folder):
    """The lock of all tasks of this collection that change files of this directory."""
    for _again in range(_PAUSES):
        with files.held(folder) as free:
            if free:
                yield
                return
        Clock().sleep(_PAUSE)
    raise Refused(f"Another task is changing files in {folder}.", "Run the task again when it has ended.")


class _Lines:
    """One edit."""

    def __init__(self, params, mode):
        self._path, self._name, self._mode = params["path"], params["name"], mode
        self._wanted = params["lines"]
        self._validate, self._apply, self._defer = params["validate"], params["apply"], params["defer"]
        self._commands = Commands()
        self._text = read_text(self._path)
        self._before, found, self._after = cut_out(self._text or "", self._path, self._name)
        self._found = None if found is None else [line.rstrip("\n") for line in found]
        self._pending = bool(self._found and _PENDING in self._found) or not params["in_force"]

    def answer(self, check):
        former = [line for line in self._found or () if line != _PENDING]
        differs = former != self._wanted or (self._found is not None and not self._wanted)
        is_applied = bool(self._apply) and not self._defer and (differs or self._pending)
        changed = differs or is_applied or (self._pending and not self._apply and _PENDING in (self._found or ()))
        if changed:
            self._check_current()
            if not check:
                self._change(is_applied)
        return {
            "changed": changed,
            "pending": bool(self._apply) and self._defer and (differs or self._pending),
            "diff": {
                "before_header": self._path,
                "after_header": self._path,
                "before": self._shown(former if self._found is not None else []),
                "after": self._shown(self._wanted),
            },
            "warnings": [],
        }

    def _shown(self, lines):
        return "".join(f"{line}\n" for line in lines)

    def _with(self, lines):
        """The text of the file with other lines between the marks; without lines, there are no marks."""
        if not lines:
            return self._before + self._after
        return put_in(self._before, "".join(f"{line}\n" for line in lines), self._after, self._name)

    def _change(self, is_applied):
        if not self._apply:
            self._write(self._with(self._wanted), validated=True)
            return
        self._write(self._with([_PENDING, *self._wanted]), validated=True)
        if is_applied:
            self._have_applied()
            self._write(self._with(self._wanted))

    def _have_applied(self):
        try:
            self._run(self._wanted)
        except PolyvirtError:
            self._restore()
            raise

    def _restore(self):
        """The file as it was; the program reads it again, if it can. The first error says more than a second one."""
        self._write(self._text or "")
        try:
            self._run(self._found or [])
        except PolyvirtError:
            return

    def _run(self, lines):
        """Have a program read the lines: ``{path}`` is the file, ``{lines}`` a file with these lines alone."""
        with files.private_folder() as folder:
            alone = os.path.join(folder, "lines")
            if any("{lines}" in word for word in self._apply):
                files.write_atomically(alone, "".join(f"{line}\n" for line in lines).encode("latin-1"), 0o600)
            words = [word.replace("{path}", self._path).replace("{lines}", alone) for word in self._apply]
            completed = self._commands.run([self._commands.find(words[0]), *words[1:]], writes=True)
        if completed.rc != 0:
            raise CommandFailed(
                words, completed.rc, completed.stderr or completed.stdout, remedy=f"{self._path} is as it was before."
            )

    def _write(self, text, validated=False):
        if text == (read_text(self._path) or ""):
            return
        if not text.strip():
            files.remove(self._path)
            return
        check = self._check_candidate if validated and self._validate else None
        files.replace_content(self._path, text.encode("latin-1", "replace"), check, self._mode)

    # Validation -------------------------------------------------------------------------------------------------------

    def _said(self, path):
        """What the validating program says of a file; empty if the file is valid."""
        if not self._validate:
            return ""
        words = [*self._validate, path]
        completed = self._commands.run([self._commands.find(words[0]), *words[1:]])
        said = (completed.stderr + completed.stdout).strip().replace(path, self._path)
        return "" if completed.rc == 0 else said or f"exit code {completed.rc}"

    def _check_current(self):
        """A file that is invalid already is not changed."""
        said = self._said(self._path) if self._text is not None else ""
        if said:
            raise Refused(f"{self._path} is invalid already: {said}", "Correct it first. Nothing was changed.")

    def _check_candidate(self, candidate):
        said = self._said(candidate)
        if said:
            raise Refused(f"{self._path} would become invalid: {said}", "Nothing was changed.")
