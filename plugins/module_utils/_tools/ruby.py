# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks the syntax of Ruby code with ``ruby -c``, which does not run it."""

from __future__ import annotations

from .._core import errors


def syntax_error(commands, text, executable="ruby"):
    """The error of ``ruby -c`` for ``text``; None if the syntax is valid, or if no Ruby is found.

    HashiCorp's packages of Vagrant contain a Ruby that is not on PATH; then only Vagrant itself detects syntax errors.
    """
    try:
        ruby = commands.find(executable)
    except errors.Unavailable:
        return None
    completed = commands.run([ruby, "-c", "-"], stdin=text)
    return None if completed.rc == 0 else completed.stderr.strip()
