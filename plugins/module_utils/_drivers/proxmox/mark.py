# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The mark of this collection: the last line of a VM's notes, as a comment that the web interface does not show."""

from __future__ import annotations

import re

from ..._core import mark as marks

_LINE = re.compile(r"(?:^|\n)<!-- polyvirt (\{.*\}) -->\s*\Z")


def new_mark(vmid, inputs):
    """The mark of a VM that a task started to create and has not finished."""
    return marks.unfinished_mark(marks.new_mark(str(vmid), inputs=inputs))


def is_of(vmid, mark):
    """Whether a mark belongs to the VM. A copy that a user made has the mark of its source."""
    return bool(mark) and mark.get("id") == str(vmid)


def own_mark(vmid, mark):
    """The mark of the VM to add to; a new one if it has none, or that of another VM."""
    return mark if is_of(vmid, mark) else marks.new_mark(str(vmid), inputs={})


def split_notes(notes):
    """Split the notes of a VM into (text of the user, mark or None)."""
    found = _LINE.search(notes or "")
    if found is None:
        return (notes or "").rstrip("\n"), None
    return notes[: found.start()], marks.parsed(found[1])


def notes_of(text, mark):
    """The notes of a VM: ``text``, and the mark unless it is None."""
    if mark is None:
        return text
    line = f"<!-- polyvirt {marks.printed(mark)} -->"
    return f"{text}\n{line}" if text else line


def is_unfinished(vmid, mark):
    """Whether a task started to create the VM and did not finish."""
    return is_of(vmid, mark) and marks.is_unfinished(mark)
