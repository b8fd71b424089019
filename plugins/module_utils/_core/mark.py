# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The mark that this collection stores on a VM: JSON text with the files created for it, to delete them with it.

Each driver decides where the platform stores the text. A mark is valid only if its ``id`` is the id of the VM.
"""

from __future__ import annotations

import json

VERSION = 1
#: Options that are stored in the mark on platforms that cannot store them otherwise.
IN_MARK = ("tags", "fleet")
#: The reason reported for a VM that is not complete.
UNFINISHED = "unfinished: a task is still creating it, or was interrupted"
_LISTS = ("disks", "files", "tags", "nvram", "making")


def new_mark(vm_id, **parts):
    """Return the mark of a VM; ``parts`` are what its driver has to store."""
    return {"v": VERSION, "id": vm_id, **parts}


def empty_mark(vm_id):
    """Return the mark of a VM for which no file was created yet. ``inputs`` is what the VM is created from."""
    return new_mark(vm_id, disks=[], files=[], tags=[], inputs={})


def marked_settings(mark, vm_id):
    """Return {option: value} of the settings in a mark. A copy made by a user keeps the tags, but not the fleet."""
    mark = mark or {}
    return {
        "tags": tuple(sorted(mark.get("tags", ()))),
        "fleet": mark.get("fleet", "") if vm_id is not None and mark.get("id") == vm_id else "",
    }


def with_settings(mark, values):
    """Return ``mark`` with those of ``values`` ({option: value}) that belong in it; None means unknown."""
    changed = {name: values[name] for name in IN_MARK if values.get(name) is not None}
    changed = {name: list(value) if name == "tags" else value for name, value in changed.items()}
    return {name: value for name, value in {**mark, **changed}.items() if (name, value) != ("fleet", "")}


def printed(mark):
    return json.dumps(mark, sort_keys=True, separators=(",", ":"))


def parsed(text):
    """Return the mark in ``text``, or None if it is not a valid mark: a user may have edited it."""
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


def same(value, other):
    """Return whether two marks, or parts of them, have the same content; the order of names has no meaning."""
    return _unordered(value) == _unordered(other)


def _unordered(value):
    if isinstance(value, dict):
        return {key: _unordered(one) for key, one in value.items()}
    return sorted(value) if isinstance(value, list) else value


def own_mark(vm):
    """Return the mark of ``vm`` to add to; a foreign mark is replaced, as it names the files of another VM."""
    return {**empty_mark(vm.id), **(vm.mark if vm.owned else {})}
