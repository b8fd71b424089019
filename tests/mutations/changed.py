# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has changed since a commit, as git knows it."""

from __future__ import annotations

import re
import subprocess

from collection_path import CHECKOUT

_HUNK = re.compile(r"@@ -\S+ \+(\d+)(?:,(\d+))? @@")
_MAIN = ("main", "origin/main")


def _git(*words):
    """The output of git; None if it fails, such as in a directory that is no checkout."""
    command = ["git", "-c", "safe.directory=*", *words]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, errors="replace")
    return done.stdout if done.returncode == 0 else None


def default_commit():
    """Where this branch left main; on main, the commit before the last. None if git does not know."""
    head = _git("rev-parse", "HEAD")
    bases = (_git("merge-base", "HEAD", name) for name in _MAIN)
    base = next((base for base in bases if base and base != head), None) or _git("rev-parse", "HEAD~1")
    return base and base.strip()


def lines_since(commit, *paths):
    """{file: numbers of its changed lines}, in the working tree; raises ValueError for an unknown commit."""
    text = _git("diff", "-U0", "--no-ext-diff", "--no-renames", commit, "--", *paths)
    if text is None:
        raise ValueError(f"git knows no commit {commit}")
    found, lines = {}, set()
    for line in text.splitlines():
        if line.startswith("+++ "):
            lines = found.setdefault(line.removeprefix("+++ b/"), set())
        elif hunk := _HUNK.match(line):
            first, length = int(hunk[1]), int(hunk[2] or 1)
            lines.update(range(first, first + length))
    return {file: lines for file, lines in found.items() if (CHECKOUT / file).is_file()}
