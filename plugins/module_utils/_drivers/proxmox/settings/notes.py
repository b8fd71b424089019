# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proxmox VE: description, tags, and what the mark has. The notes of a VM have its description and the mark."""

from __future__ import annotations

import re

from ...._core.errors import Refused
from ...._core.model import LIVE
from ...._core.pattern import Pattern
from ...._core.record.mark import IN_MARK, with_settings
from ...._kit.settings import Setting
from .. import mark

#: The notes of a VM have at most 8,192 characters (API schema); the mark of this collection is among them.
_LONGEST_DESCRIPTION = 7168
#: Tags have a setting of their own.
ONLY_IN_MARK = tuple(name for name in IN_MARK if name != "tags")
_TAG = Pattern(r"[a-zA-Z0-9_][a-zA-Z0-9_\-+.]*")


def _normalized_tags(vm, tags, known):
    """Tags as the cluster stores them: sorted, and in lower case unless it allows capital letters."""
    invalid = [tag for tag in tags if _TAG.fullmatch(tag) is None]
    if invalid:
        raise Refused(
            f"{vm.name}: tags: '{invalid[0]}' is not a valid tag.",
            "Use letters, digits, _, -, + and dots; a tag does not begin with -, + or a dot.",
        )
    return tuple(sorted({tag if known.keeps_capitals else tag.lower() for tag in tags}))


def _normalized_description(vm, text, known):
    text = text.rstrip()
    if len(text) > _LONGEST_DESCRIPTION:
        raise Refused(
            f"{vm.name}: description has {len(text)} characters.", f"Set at most {_LONGEST_DESCRIPTION} characters."
        )
    return text


def _write_description(update, change):
    update.set("description", mark.notes_of(change.new, mark.split_notes(update.value("description"))[1]))


def _write_in_mark(update, change):
    text, recorded = mark.split_notes(update.value("description"))
    own = mark.own_mark(update.vmid, recorded, mark.birth_of(update.vmid, update.current))
    own = with_settings(own, {change.field: change.new})
    update.set("description", mark.notes_of(text, own))


def _read_tags(options):
    return tuple(sorted(tag for tag in re.split(r"[;, ]+", options.get("tags", "")) if tag))


def _write_tags(update, change):
    update.set("tags", ";".join(change.new))


NOTES = {
    # Only of an existing VM that its ID selects.
    "name": Setting(cost=LIVE, write=lambda update, change: update.set("name", change.new)),
    "description": Setting(
        cost=LIVE,
        read=lambda options: mark.split_notes(options.get("description"))[0],
        normalize=_normalized_description,
        write=_write_description,
        native=("description",),
    ),
    "tags": Setting(cost=LIVE, read=_read_tags, normalize=_normalized_tags, write=_write_tags, native=("tags",)),
    **{name: Setting(cost=LIVE, write=_write_in_mark) for name in ONLY_IN_MARK},
}
