# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""OpenBSD: the module vmm_marked_lines edits lines between two marked lines of a file; the rest stays the same.

If a program has to read the lines, the file is written twice: until the program has read it, a comment says so. With
this comment, the next task can complete an interrupted one.
"""

from __future__ import annotations

import os
from functools import partial

from ..._core.errors import CommandFailed, InvalidInput, PolyvirtError, Refused
from ..._core.options.option import Connection, Option
from ..._ports import files, permits
from ..._ports.command import Commands
from ..._ports.exclusive import waiting_for
from ..._tools.marked_block import cut_out, put_in
from ..._tools.vm_conf import decoded, encoded

#: A line that is a comment in all files with marked lines.
_PENDING = "# These lines are not in force yet."
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


def answer(params, check, approval):
    """Return the result of the module vmm_marked_lines."""
    try:
        mode = int(params["mode"], 8)
    except ValueError:
        raise InvalidInput(f"mode: {params['mode']} is not an octal number such as 0600.") from None
    folder = os.path.dirname(params["path"])
    with waiting_for(partial(files.held, folder), f"Another task is changing files in {folder}."):
        return _Lines(params, mode).answer(check, approval)


class _Lines:
    """One edit of the lines in one file."""

    def __init__(self, params, mode):
        self._path, self._name, self._mode = params["path"], params["name"], mode
        self._wanted = [encoded(line) for line in params["lines"]]
        self._validate, self._apply, self._defer = params["validate"], params["apply"], params["defer"]
        self._commands = Commands()
        self._text = files.read_latin1(self._path)
        self._before, lines, self._after = cut_out(self._text or "", self._path, self._name)
        self._current = None if lines is None else [line.rstrip("\n") for line in lines]
        self._pending = bool(self._current and _PENDING in self._current) or not params["in_force"]

    def answer(self, check, approval):
        before = [line for line in self._current or () if line != _PENDING]
        differs = before != self._wanted or (self._current is not None and not self._wanted)
        is_applied = bool(self._apply) and not self._defer and (differs or self._pending)
        changed = differs or is_applied or (self._pending and not self._apply and _PENDING in (self._current or ()))
        if not changed:
            approval.permit([], [])
        else:
            self._check_current()
            self._permit(approval, before, is_applied)
            if not check:
                self._change(is_applied)
        return {
            "changed": changed,
            "pending": bool(self._apply) and self._defer and (differs or self._pending),
            "diff": {
                "before_header": self._path,
                "after_header": self._path,
                "before": decoded(_joined(before)),
                "after": decoded(_joined(self._wanted)),
            },
            "warnings": [],
        }

    def _permit(self, approval, before, is_applied):
        commands = {"validate": self._validate, "apply": self._apply}
        plan = {"path": self._path, "before": before, "after": self._wanted, "mode": self._mode, **commands}
        lines = [*(f"- {one}" for one in before), *(f"+ {one}" for one in self._wanted)]
        run = [f"run {' '.join(self._apply)}"] if is_applied else []
        approval.permit({**plan, "is_applied": is_applied}, [(None, [f"{self._path}:", *map(decoded, lines), *run])])

    def _text_with(self, lines):
        """Return the text of the file with these lines; without lines, there are no marked lines either."""
        if not lines:
            return self._before + self._after
        return put_in(self._before, _joined(lines), self._after, self._name)

    def _change(self, is_applied):
        if not self._apply:
            self._write(self._text_with(self._wanted), validated=True)
            return
        self._write(self._text_with([_PENDING, *self._wanted]), validated=True)
        if is_applied:
            self._run_or_restore()
            self._write(self._text_with(self._wanted))

    def _run_or_restore(self):
        try:
            self._run(self._wanted)
        except PolyvirtError:
            self._restore()
            raise

    def _restore(self):
        """Restore the file, and have the program read it again. Ignore its errors: the first one is more important."""
        self._write(self._text or "")
        try:
            self._run(self._current or [])
        except PolyvirtError:
            return

    def _run(self, lines):
        """Run the program of the option ``apply``. ``{path}`` is the file, ``{lines}`` a file with only these lines."""
        with files.private_folder() as folder:
            lines_file = os.path.join(folder, "lines")
            if any("{lines}" in word for word in self._apply):
                files.write_atomically(lines_file, _joined(lines).encode("latin-1"))
            words = [word.replace("{path}", self._path).replace("{lines}", lines_file) for word in self._apply]
            completed = self._commands.run([self._commands.find(words[0]), *words[1:]], writes=True)
        if completed.rc != 0:
            raise CommandFailed(
                words, completed.rc, completed.stderr or completed.stdout, remedy=f"{self._path} is as it was before."
            )

    def _write(self, text, validated=False):
        if text == (files.read_latin1(self._path) or ""):
            return
        if not text.strip():
            with permits.also([self._path]):  # Nothing but the marked lines was in it.
                files.remove(self._path)
            return
        check = self._check_candidate if validated and self._validate else None
        files.replace_content(self._path, text.encode("latin-1"), check, self._mode)

    # Validation -------------------------------------------------------------------------------------------------------

    def _validation_error(self, path):
        """Return the output of the validating program if it rejects a file, else an empty text."""
        if not self._validate:
            return ""
        words = [*self._validate, path]
        completed = self._commands.run([self._commands.find(words[0]), *words[1:]])
        output = (completed.stderr + completed.stdout).strip().replace(path, self._path)
        return "" if completed.rc == 0 else output or f"exit code {completed.rc}"

    def _check_current(self):
        """Raise Refused if the file is invalid before the change."""
        error = self._validation_error(self._path) if self._text is not None else ""
        if error:
            raise Refused(f"{self._path} is invalid already: {error}", "Correct it first. Nothing was changed.")

    def _check_candidate(self, candidate):
        error = self._validation_error(candidate)
        if error:
            raise Refused(f"{self._path} would become invalid: {error}", "Nothing was changed.")


def _joined(lines):
    return "".join(f"{line}\n" for line in lines)
