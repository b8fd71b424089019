# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The mark that this collection leaves on a VM, as a text: what was created for it, so that it can be deleted with it.

Where a platform keeps the text is its driver's matter. A mark counts only if its ``id`` is the VM's own.
"""

from __future__ import annotations

import json

VERSION = 1
#: Options that a platform may have no place for.
IN_MARK = ("tags", "fleet")
#: The reason that is reported for a VM that is not complete.
UNFINISHED = "unfinished: a task is still creating it, or was interrupted"
_LISTS = ("disks", "files", "tags", "nvram", "making")


def new_mark(vm_id, **parts):
    """The mark of a VM; ``parts`` are what its platform has to remember."""
    return {"v": VERSION, "id": vm_id, **parts}


def empty_mark(vm_id):
    """The mark of a VM for which no file was created yet. ``inputs`` say what it was created from."""
    return new_mark(vm_id, disks=[], files=[], tags=[], inputs={})


def marked_settings(mark, vm_id):
    """{option: value} of the settings in a mark. A copy that somebody made keeps its tags, but belongs to no fleet."""
    mark = mark or {}
    return {
        "tags": tuple(sorted(mark.get("tags", ()))),
        "fleet": mark.get("fleet", "") if vm_id is not None and mark.get("id") == vm_id else "",
    }


def with_settings(mark, values):
    """``mark`` with those of ``values`` ({option: value}) that are stored in it; a value of None is not known."""
    changed = {name: values[name] for name in IN_MARK if values.get(name) is not None}
    changed = {name: list(value) if name == "tags" else value for name, value in changed.items()}
    return {name: value for name, value in {**mark, **changed}.items() if (name, value) != ("fleet", "")}


def printed(mark):
    return json.dumps(mark, sort_keys=True, separators=(",", ":"))


def parsed(text):
    """The mark in ``text``, or None where it is none: anybody may have edited it."""
    try:
        mark = json.loads(text or "null")
    except ValueError:
        return None
    return mark if _is_mark(mark) else None


def _is_mark(value):
    if not isinstance(value, dict) or not isinstance(value.get("inputs", {}), dict):
        return False
    lists = [*(value.get(key, []) for key in _LISTS), value.get("inputs", {}).get("bases", [])]
    return isinstance(value.get("fleet", ""), str) and all(
        isinstance(texts, list) and all(isinstance(text, str) for text in texts) for texts in lists
    )


def own_mark(vm):
    """The mark of ``vm`` to be added to; a foreign one names the files of another VM."""
    return {**empty_mark(vm.id), **(vm.mark if vm.owned else {})}
