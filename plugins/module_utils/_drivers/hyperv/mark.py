# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hyper-V: the mark in the last line of a VM's notes, and temporary names of VMs that are being created.

Hyper-V chooses the id of a VM in the same request in which the mark is written. So the mark of a VM that is being
created has no id; it is valid if the VM has a temporary name.
"""

from __future__ import annotations

import hashlib

from ..._core.errors import Stale
from ..._core.record.mark import HOST, PLAIN_LINE, is_unfinished, mark_for, mark_on, parsed, printed
from ..._core.texts import with_plain_line_ends
from ..._ports.windows import CallFailed
from ..._ports.windows_request import Joined, pick
from ..._tools.hyperv import VM, hyperv, the_vm
from ..._tools.windows_files import key_of

_TEMPORARY_PREFIX = "polyvirt~"
#: The key of a mark with the expiries of checkpoints by their ID.
EXPIRIES = "checkpoints_expire"


def split_notes(notes):
    """Return (description, mark or None) from the notes of a VM. The last mark counts: it is below the description."""
    # Hyper-V Manager stores the line ends of Windows.
    lines = with_plain_line_ends(notes or "").split("\n")
    marks = [line[len(PLAIN_LINE) :] for line in lines if line.startswith(PLAIN_LINE)]
    return "\n".join(line for line in lines if not line.startswith(PLAIN_LINE)), parsed(marks[-1]) if marks else None


def notes_of(description, mark):
    """Return notes with a description and a mark."""
    line = f"{PLAIN_LINE}{printed(mark)}"
    return f"{description}\n{line}" if description else line


def notes_call(description, mark):
    """Return the call that stores the description and the mark; without a mark, only the description."""
    return hyperv("Set-VM", {"VM": VM, "Notes": notes_of(description, mark) if mark else description})


def unchanged_notes(vm, raw, calls):
    """Yield ``calls`` for a VM if its notes are those of ``raw``, and return their result.

    Raises Stale if another task or a user has stored something in them meanwhile: it would be overwritten.
    """
    same = pick("vm", "same", conditions={"Notes": raw.get("Notes") or ""})
    try:
        return (yield [the_vm(vm.id), same, *calls])
    except CallFailed as error:
        if error.id == "NotOne" and len(error.result.answers) == 2:
            message = f"{vm.name}: its notes were changed meanwhile by another client."
            raise Stale(message, "Run the task again.") from error
        raise


def notes_on_host(description, mark, vm_id):
    """Return notes with a mark into which the host inserts the id of the VM; ``vm_id`` is a Ref to it."""
    # The last match is the id of the mark: within texts of the mark, quotes have a backslash.
    before, _no_id, after = notes_of(description, mark).rpartition('"id":null')
    return Joined((f'{before}"id":"', vm_id, f'"{after}'))


def mark_of(raw):
    """Return the mark of a VM, or None. The mark of a VM that is being created gets the id of the VM."""
    _description, mark = split_notes(raw.get("Notes"))
    is_new = is_unfinished(mark) and is_temporary(raw["Name"])
    return {**mark, "id": raw["Id"]} if is_new else mark


def own_mark(raw):
    """Return the mark of a VM to add to. ``raw`` has the name of the host, too (Found.add)."""
    drives = (*(raw.get("HardDrives") or ()), *(raw.get("DVDDrives") or ()))
    attached = {key_of(drive["Path"]) for drive in drives if drive.get("Path")}
    return mark_on(raw.get(HOST) or "", mark_for(raw["Id"], mark_of(raw)), lambda path: key_of(path) in attached)


def temporary_name(name):
    """Return the name that a VM has while it is being created."""
    digest = hashlib.sha256(name.casefold().encode("utf-8", "surrogatepass")).hexdigest()
    return f"{_TEMPORARY_PREFIX}{digest[:32]}"


def is_temporary(name):
    """Return whether a VM with this name is still being created, or its creation was interrupted."""
    return name.startswith(_TEMPORARY_PREFIX)
