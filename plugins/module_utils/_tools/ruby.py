# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asking Ruby whether it understands a file, without running anything of it."""

from __future__ import annotations

from .._lifecycle import errors


def syntax_error(commands, text, executable="ruby"):
    """What ``ruby -c`` says against ``text``; None where it says nothing, or where no Ruby is to be found.

    HashiCorp's packages of Vagrant bring a Ruby that is not on PATH; then Vagrant is the first to read the file.
    """
    try:
        ruby = commands.find(executable)
    except errors.Unavailable:
        return None
    completed = commands.run([ruby, "-c", "-"], stdin=text)
    return None if completed.rc == 0 else completed.stderr.strip()
