# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our mark on a VM, in the last line of its notes; and the names of VMs whose creation is not complete.

Hyper-V chooses the id of a VM when it creates it, in the same request in which the mark is written. The mark of a VM
that is not complete has no id (``new``), and counts for the VM that has it.
"""

from __future__ import annotations

import hashlib

from ..._lifecycle.mark import empty_mark, parsed, printed
from ..._ports.windows_request import Joined
from ..._tools.hyperv import VM, hyperv

#: How the line of the mark begins.
MARK_LINE = "#polyvirt "
_UNFINISHED = "polyvirt~"


def split_notes(notes):
    """(description, mark or None) of the notes of a VM."""
    lines = (notes or "").replace("\r\n", "\n").split("\n")
    place = next((number for number, line in enumerate(lines) if line.startswith(MARK_LINE)), None)
    if place is None:
        return "\n".join(lines), None
    mark = parsed(lines[place][len(MARK_LINE) :])
    return "\n".join([*lines[:place], *lines[place + 1 :]]), mark


def notes_of(description, mark):
    """Notes with a description and a mark."""
    line = f"{MARK_LINE}{printed(mark)}"
    return f"{description}\n{line}" if description else line


def notes_call(description, mark):
    """The call that stores the description and the mark; without a mark, the description alone."""
    return hyperv("Set-VM", {"VM": VM, "Notes": notes_of(description, mark) if mark else description})


def notes_on_host(description, mark, vm_id):
    """Notes with a mark whose id only the host knows: ``vm_id`` is a Ref to it."""
    # Within a text of the mark each quote has a backslash.
    before, _no_id, after = notes_of(description, mark).rpartition('"id":null')
    return Joined((f'{before}"id":"', vm_id, f'"{after}'))


def mark_of(raw):
    """The mark of a VM, with the id of the VM that it counts for."""
    _description, mark = split_notes(raw.get("Notes"))
    is_own = bool(mark) and mark.get("new") and is_temporary(raw["Name"])
    return {**mark, "id": raw["Id"]} if is_own else mark


def own_mark(raw):
    """The mark of a VM to be added to; it has the id of the VM."""
    mark = mark_of(raw) or {}
    own = mark if mark.get("id") == raw["Id"] else {}
    return {**empty_mark(raw["Id"]), **{name: one for name, one in own.items() if name != "new"}}


def temporary_name(name):
    """The name of a VM while it is created: a VM with such a name is not complete."""
    digest = hashlib.sha256(name.casefold().encode("utf-8", "surrogatepass")).hexdigest()
    return f"{_UNFINISHED}{digest[:32]}"


def is_temporary(name):
    return name.startswith(_UNFINISHED)
