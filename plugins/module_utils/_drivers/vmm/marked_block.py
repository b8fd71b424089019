# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changing vm.conf(5): VMs of this collection are between two marked lines; the rest stays byte for byte.

Between the marked lines each VM is an entry: a comment with its mark, then its block. An entry without a block is the
mark of a VM that is only begun, half deleted, or defined elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Optional

from ..._lifecycle import mark as marks
from ..._lifecycle.errors import Refused

BEGIN, END = "# BEGIN polyvirt.core", "# END polyvirt.core"
_MARK = "# polyvirt "


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
    """The Parts of a file. Raises Refused where only one of the marked lines is left."""
    lines = text.splitlines(keepends=True)
    begin, end = ([number for number, line in enumerate(lines) if line.strip() == word] for word in (BEGIN, END))
    if not begin and not end:
        return Parts(text)
    if len(begin) != 1 or len(end) != 1 or begin > end:
        raise Refused(
            f"{path}: the lines '{BEGIN}' and '{END}' must both be there once, in this order.",
            "Restore them around the VMs of this collection.",
        )
    inside = lines[begin[0] + 1 : end[0]]
    return Parts("".join(lines[: begin[0]]), _entries(inside), "".join(lines[end[0] + 1 :]))


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
    return f"{ended(parts.before)}{BEGIN}\n{inside}{END}\n{parts.after}"


def ended(text):
    """A text behind which a line can begin. A comment that ends in a backslash would swallow the next line."""
    if not text:
        return text
    if not text.endswith("\n"):
        text += "\n"
    return text + "\n" if text.endswith("\\\n") else text


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


def changed_in_place(text, block, before, after):
    """``text`` with the statements of ``block`` changed from ``before`` to ``after``; all else is as it was.

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
    for start, end, new in sorted(edits, reverse=True):
        text = text[:start] + new + text[end:]
    if added:
        brace = block.end - 1 + sum(len(new) - (end - start) for start, end, new in edits)
        before_it = text[:brace].rstrip(" \t")
        line_end = "" if before_it.endswith("\n") else "\n"
        text = before_it + line_end + "".join(f"\t{one}\n" for one in added) + text[brace:]
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
