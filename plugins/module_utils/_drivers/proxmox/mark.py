# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The mark of this collection on a VM: the last line of its notes, where the web interface does not show it."""

from __future__ import annotations

import re

from ..._lifecycle import mark as marks

_LINE = re.compile(r"(?:^|\n)<!-- polyvirt (\{.*\}) -->\s*\Z")


def new_mark(vmid, inputs):
    """The mark of a VM that a task started to create and has not finished."""
    return marks.new_mark(str(vmid), inputs=inputs, unfinished=True)


def is_of(vmid, mark):
    """Whether a mark is that of the VM itself; a copy has the mark of its source."""
    return bool(mark) and mark.get("id") == str(vmid)


def own(vmid, mark):
    """The mark of a VM, to be added to."""
    return mark if is_of(vmid, mark) else marks.new_mark(str(vmid), inputs={})


def finished(mark):
    return {key: value for key, value in mark.items() if key != "unfinished"}


def split(notes):
    """(the text for people, the mark or None) of a VM's notes."""
    found = _LINE.search(notes or "")
    if found is None:
        return (notes or "").rstrip("\n"), None
    return notes[: found.start()], marks.parsed(found[1])


def notes_of(text, mark):
    """A VM's notes; without a mark nothing is added to the text."""
    if mark is None:
        return text
    line = f"<!-- polyvirt {marks.printed(mark)} -->"
    return f"{text}\n{line}" if text else line


def is_unfinished(vmid, mark):
    """Whether a task started to create the VM and did not finish."""
    return is_of(vmid, mark) and bool(mark.get("unfinished"))
