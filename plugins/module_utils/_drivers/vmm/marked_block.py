# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changing vm.conf(5): VMs of this collection are between two marked lines; the rest stays byte for byte.

Between the marked lines each VM is an entry: a comment with its mark, then its block. An entry without a block is the
mark of a VM that is only begun, half deleted, or defined elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Optional

from ..._lifecycle import mark as marks
from ..._lifecycle.errors import Refused

_MARK = "# polyvirt "
#: Lines end with a newline alone: whatever else Unicode calls a line break may stand in the middle of one.
_LINE = re.compile(r"[^\n]*\n|[^\n]+")


def marked_lines(name=""):
    """The lines around what this collection writes to a file; those of a role have its ``name``."""
    return tuple(" ".join(filter(None, (f"# {word} polyvirt.core", name))) for word in ("BEGIN", "END"))


def cut_out(text, path, name=""):
    """(text before the marked lines, the lines between them, text behind them); the lines are None without marks.

    Raises Refused where only one of the marked lines is left.
    """
    begin, end = marked_lines(name)
    # The number behind the mark is how many newlines were added before it, so that they can be removed with it.
    begins = re.compile(rf"{re.escape(begin)}(?: \+([12]))?\s*")
    lines = _LINE.findall(text)
    first = [number for number, line in enumerate(lines) if begins.fullmatch(line)]
    last = [number for number, line in enumerate(lines) if line.rstrip() == end]
    if not first and not last:
        return text, None, ""
    if len(first) != 1 or len(last) != 1 or first > last:
        raise Refused(
            f"{path}: the lines '{begin}' and '{end}' must both be there once, in this order.",
            "Restore them around the lines of this collection, or remove what is left of them.",
        )
    before, added = "".join(lines[: first[0]]), int(begins.fullmatch(lines[first[0]])[1] or 0)
    before = before[:-added] if added and before.endswith("\n" * added) else before
    return before, lines[first[0] + 1 : last[0]], "".join(lines[last[0] + 1 :])


def put_in(before, inside, after, name=""):
    """The text of a file with ``inside``, which ends with a newline, between the marked lines."""
    begin, end = marked_lines(name)
    added = _missing_newlines(before)
    begin = f"{begin} +{added}" if added else begin
    return f"{before}{chr(10) * added}{begin}\n{inside}{end}\n{after}"


def _missing_newlines(text):
    """How many newlines must follow a text before a line can begin: a backslash at its end would swallow the next."""
    lacks_end = bool(text) and not text.endswith("\n")
    return lacks_end + text.removesuffix("\n").endswith("\\")


@dataclass(frozen=True)
class Entry:
    """What is kept of one VM: its ``mark``, and the ``text`` of its block with all that follows it."""

    mark: Optional[Mapping]
    text: str = ""


@dataclass(frozen=True)
class Parts:
    """A file in three parts. ``entries`` by the id of their mark; a text without a valid mark has the key None."""

    before: str
    entries: Mapping[Any, Entry] = field(default_factory=dict)
    after: str = ""

    def having(self, name, entry):
        """With the entry of one VM replaced, added, or removed (None)."""
        entries = {**self.entries, name: entry}
        return replace(self, entries={key: one for key, one in entries.items() if one is not None})


def split(text, path):
    """The Parts of a file."""
    before, lines, after = cut_out(text, path)
    return Parts(before, _entries(lines or ()), after)


def _entries(lines):
    entries, name = {}, None
    for line in lines:
        mark = marks.parsed(line[len(_MARK) :]) if line.startswith(_MARK) else None
        if mark is not None:
            name = mark.get("id")
            entries[name] = Entry(mark)
        elif name in entries or line.strip():
            former = entries.get(name, Entry(None))
            entries[name] = replace(former, text=former.text + line)
    return entries


def joined(parts):
    """The text of a file with its Parts; without entries the marked lines are left out, too."""
    if not parts.entries:
        return parts.before + parts.after
    inside = "".join(
        (f"{_MARK}{marks.printed(one.mark)}\n" if one.mark is not None else "") + one.text
        for one in parts.entries.values()
    )
    return put_in(parts.before, inside, parts.after)


# Blocks ---------------------------------------------------------------------------------------------------------------


def printed(name, parent, statements):
    """A block with one statement per line, as vmd's grammar needs it."""
    head = f"vm {quoted(parent)} instance {quoted(name)}" if parent else f"vm {quoted(name)}"
    return f"{head} {{\n{''.join(f'{chr(9)}{text}{chr(10)}' for _keyword, text in statements)}}}\n"


def quoted(text):
    """A string of vm.conf. What cannot be quoted is rejected before (``cannot_be_quoted``)."""
    return f'"{text}"'


def cannot_be_quoted(text):
    """Whether a text could be misread: vmd drops newlines in quotes, and a backslash protects what follows it."""
    return any(sign in '"\\' or ord(sign) < 32 or ord(sign) > 255 for sign in text)


def changed_block(text, block, before, after):
    """The text of ``block`` with its statements changed from ``before`` to ``after``; all else in it is as it was.

    Both are [(keyword, text)] as they would be printed; only statements that differ are replaced, removed or added.
    """
    edits, added = [], []
    for keyword in dict.fromkeys(keyword for keyword, _text in (*before, *after)):
        places = [one for one in block.statements if _kind(one.keyword) == keyword]
        old, new = ([text for kind, text in listed if kind == keyword] for listed in (before, after))
        for number, place in enumerate(places):
            if number >= len(new):
                edits.append((*_whole_line(text, place.start, place.end), ""))
            elif number >= len(old) or old[number] != new[number]:
                edits.append((place.start, place.end, new[number]))
        # What is inherited from the parent, or is a default, has no statement yet.
        added += [one for number, one in enumerate(new) if number >= len(places) and one not in old]
    changed = replaced(text[: block.end], edits)[block.start :].removesuffix("}")
    if added:
        changed = changed.rstrip(" \t")
        changed += ("" if changed.endswith("\n") else "\n") + "".join(f"\t{one}\n" for one in added)
    return changed + "}"


def replaced(text, edits):
    """``text`` with (start, end, new text) in the places of what is there; the places do not overlap."""
    for start, end, new in sorted(edits, reverse=True):
        text = text[:start] + new + text[end:]
    return text


def _kind(keyword):
    return "disable" if keyword == "enable" else keyword


def _whole_line(text, start, end):
    """The line of a statement that stands alone on it, else the statement."""
    line = text.rfind("\n", 0, start) + 1
    after = text.find("\n", end)
    if after >= 0 and not text[line:start].strip() and not text[end:after].strip():
        return line, after + 1
    return start, end
