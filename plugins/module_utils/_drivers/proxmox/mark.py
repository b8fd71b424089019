# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proxmox VE: the mark of this collection: a line of a VM's notes, as a comment that the web interface does not show.

The server copies the notes of a VM with it, and gives the number of a deleted VM to a new one. So the mark names the
``birth`` of its VM, too.
"""

from __future__ import annotations

import re
import secrets

from ..._core.pattern import Pattern
from ..._core.record import mark as marks
from ..._tools import proxmox_values as values

#: A user may have added text below it.
_LINE = Pattern(r"^<!-- polyvirt (\{.*\}) -->[ \t\r]*(?:\n|\Z)", re.MULTILINE)
#: Only in the mark of an unfinished VM: its birth is not known before it exists.
NONCE = "nonce"
#: Only in the mark of an unfinished VM from an appliance: {slot: volume} of the uploads of its disks.
UPLOADS = "uploads"


def birth_of(vmid, options):
    """What identifies a VM even if another one gets its number: number, time of its creation, and UUID.

    Empty if the server has stored neither of the latter.
    """
    created = values.parse("meta", options.get("meta", "")).get("ctime", "")
    uuid = values.parse("smbios1", options.get("smbios1", "")).get("uuid", "").lower()
    return f"{vmid}:{created}:{uuid}" if created or uuid else ""


def new_mark(vmid, inputs):
    """The mark of a VM that a task starts to create. Its ``nonce`` shows whether the VM is the one of this task."""
    return marks.unfinished_mark({**marks.new_mark(str(vmid), inputs=inputs), NONCE: secrets.token_hex(8)})


def is_of(vmid, mark, birth):
    """Whether a mark belongs to the VM. A copy that a user made has the mark of its source.

    A mark without a birth was written by an earlier version, or is of a VM that is not finished.
    """
    return marks.is_mark_of(mark, str(vmid), birth)


def own_mark(vmid, mark, birth):
    """The mark of the VM to add to; a new one, which names no volume, if it has none, or that of another VM."""
    return mark if is_of(vmid, mark, birth) else marks.new_mark(str(vmid), birth=birth, inputs={}, slots=[])


def split_notes(notes):
    """Split the notes of a VM into (text of the user, mark or None). The last mark in the notes counts."""
    notes = notes or ""
    found = list(_LINE.finditer(notes))
    if not found:
        return notes.rstrip("\n"), None
    return _LINE.sub("", notes).rstrip("\n"), marks.parsed(found[-1][1])


def notes_of(text, mark):
    """The notes of a VM: ``text``, and the mark unless it is None."""
    if mark is None:
        return text
    line = f"{marks.HIDDEN_LINE}{marks.printed(mark)} -->"
    return f"{text}\n{line}" if text else line
