# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Edit vm.conf(5): VMs of this collection are between two marked lines; all other bytes stay the same.

Each VM between the marked lines is an entry: a comment with its mark, then its block. An entry without a block is the
mark of a VM that is not completely created or deleted, or that is defined elsewhere. Other text after a mark, such as
a block of the administrator, stays when the VM is changed or deleted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import takewhile
from typing import Any, Optional

from .._core.errors import Refused
from .._core.frozen import Frozen, field, replace
from .._core.pattern import Pattern
from .._core.record import mark as marks
from . import vm_conf

_MARK = "# polyvirt "
#: Only a newline ends a line; other line breaks of Unicode can be within a line, so str.splitlines is not used.
_LINE = Pattern(r"[^\n]*\n|[^\n]+")


def marked_lines(name=""):
    """Return the (first, last) line around the part of this collection; roles add a ``name``."""
    return tuple(" ".join(filter(None, (f"# {word} polyvirt.core", name))) for word in ("BEGIN", "END"))


def cut_out(text, path, name=""):
    """Return (text before the marked lines, lines between them or None if there are none, text after them).

    Raises Refused unless both marked lines exist once and in order, or both are missing.
    """
    begin, end = marked_lines(name)
    # +1 or +2 is the number of newlines that were added before the line, and that are removed with it.
    begins = Pattern(rf"{re.escape(begin)}(?: \+([12]))?\s*")
    lines = _LINE.findall(text)
    first = [number for number, line in enumerate(lines) if begins.fullmatch(line)]
    last = [number for number, line in enumerate(lines) if line.rstrip() == end]
    if not first and not last:
        return text, None, ""
    if len(first) != 1 or len(last) != 1 or first > last:
        raise Refused(
            f"{path}: the lines '{begin}' and '{end}' must both exist once, in this order.",
            "Restore them around the lines of this collection, or remove both.",
        )
    before, added = "".join(lines[: first[0]]), int(begins.fullmatch(lines[first[0]])[1] or 0)
    before = before[:-added] if added and before.endswith("\n" * added) else before
    return before, lines[first[0] + 1 : last[0]], "".join(lines[last[0] + 1 :])


def put_in(before, inside, after, name=""):
    """Return the text of a file with ``inside`` (ending with a newline) between the marked lines."""
    begin, end = marked_lines(name)
    added = _missing_newlines(before)
    begin = f"{begin} +{added}" if added else begin
    return f"{before}{chr(10) * added}{begin}\n{inside}{end}\n{after}"


def _missing_newlines(text):
    """Return how many newlines a text needs before the next line: a backslash at its end would continue into it."""
    lacks_end = bool(text) and not text.endswith("\n")
    return lacks_end + text.removesuffix("\n").endswith("\\")


class Entry(Frozen):
    """One VM between the marked lines: its ``mark``, and the ``text`` of its block and everything after it.

    ``line`` is that of a mark that cannot be read, such as that of a later version: it stays as it is.
    """

    mark: Optional[Mapping]
    text: str = ""
    line: str = ""

    def has_block(self, name):
        return own_block(self.text, name) is not None

    def with_block(self, name, new, mark):
        """Return this entry with another block of its VM and another mark; all other text stays.

        Without a block and other text, an entry without a mark is None.
        """
        start, end = own_block(self.text, name) or (0, 0)
        text = self.text[:start] + new + self.text[end:]
        text = text if text.strip() else ""
        return Entry(mark, text) if text or mark is not None else None


class Parts(Frozen):
    """A file in three parts. ``entries`` is {id in the mark: Entry}; text without a valid mark has the key None."""

    before: str
    entries: Mapping[Any, Entry] = field(default_factory=dict)
    after: str = ""

    def having(self, name, entry):
        """Return Parts with the entry of one VM replaced, added, or removed (None)."""
        entries = {**self.entries, name: entry}
        return replace(self, entries={key: one for key, one in entries.items() if one is not None})


def split(text, path):
    """Return the Parts of a file."""
    before, lines, after = cut_out(text, path)
    return Parts(before, _entries(lines or ()), after)


def _entries(lines):
    entries, name = {}, None
    for number, line in enumerate(lines):
        mark = marks.parsed(line[len(_MARK) :]) if line.startswith(_MARK) else None
        is_damaged = marks.DAMAGED in (mark or {})
        vm = _first_vm(lines[number + 1 :]) if is_damaged else (mark or {}).get("id")
        if mark is not None and vm not in entries and (vm or not is_damaged):
            name = vm
            entries[name] = Entry(mark, line=line if is_damaged else "")
        elif name in entries or line.strip():
            entry = entries.get(name, Entry(None))
            entries[name] = replace(entry, text=entry.text + line)
    return entries


def _first_vm(lines):
    """Return the name of the VM whose block follows, before the next mark; None without a block."""
    own = "".join(takewhile(lambda line: not line.startswith(_MARK), lines))
    return next(iter(vm_conf.read("", {"": own}.get).blocks), None)


def own_block(text, name):
    """Return (start, end) of the block of a VM in the text of its entry, with its newline; None without a block."""
    block = vm_conf.read("", {"": text}.get).blocks.get(name)
    return (block.start, block.end + text[block.end :].startswith("\n")) if block else None


def merged(base, ours, theirs):
    """Return ``theirs`` with the entries that ``ours`` changes.

    All are Parts; ``ours`` and ``theirs`` were both made from ``base``. What both change stays as in ``theirs``.
    """
    ours = _entries(_LINE.findall(_inside(ours)))
    names = {name for name in {*base.entries, *ours} if ours.get(name) != base.entries.get(name)}
    for name in (name for name in (*base.entries, *ours) if name in names):
        if theirs.entries.get(name) == base.entries.get(name):
            theirs = theirs.having(name, ours.get(name))
    return theirs


def joined(parts):
    """Return the text of a file from its Parts; without entries, there are no marked lines."""
    if not parts.entries:
        return parts.before + parts.after
    return put_in(parts.before, _inside(parts), parts.after)


def _inside(parts):
    return "".join(
        (one.line or (f"{_MARK}{marks.printed(one.mark)}\n" if one.mark is not None else "")) + one.text
        for one in parts.entries.values()
    )


# Blocks ---------------------------------------------------------------------------------------------------------------


def printed(name, parent, statements):
    """Return a block with one statement per line, as vmd's grammar requires."""
    head = f"vm {quoted(parent)} instance {quoted(name)}" if parent else f"vm {quoted(name)}"
    return f"{vm_conf.encoded(head)} {{\n{''.join(f'{chr(9)}{text}{chr(10)}' for _keyword, text in statements)}}}\n"


def quoted(text):
    """Return a string of vm.conf that vmd reads as ``text``. Raises Refused if there is none, such as for a line feed.

    What an administrator has written may have any other character; what options may have is stricter, see below.
    """
    escaped = text.replace('"', '\\"')
    forms = (form for form in (f'"{text}"', f"'{text}'", f'"{escaped}"') if vm_conf.reads_as(form, text))
    found = None if any(ord(char) < 32 for char in text) else next(forms, None)
    if found is None:
        raise Refused(f"vm.conf cannot contain {text!r}.", "Use characters other than quotes, \\ and line breaks.")
    return found


def cannot_be_quoted(text):
    """Return whether a value of an option has what vmd treats in another way within quotes."""
    return any(char in '"\\' or ord(char) < 32 for char in text)


def changed_block(text, block, before, after):
    """Return the text of ``block`` with its statements changed from ``before`` to ``after``, both [(keyword, text)].

    Only statements that differ are replaced, removed or added; everything else, such as comments, stays.
    """
    edits, added = [], []
    for keyword in dict.fromkeys(keyword for keyword, _text in (*before, *after)):
        written = [one for one in block.statements if _kind(one.keyword) == keyword]
        old, new = ([line for kind, line in statements if kind == keyword] for statements in (before, after))
        if old == new:
            continue  # A statement that is written more than once stays: vmd uses the last one.
        for number, statement in enumerate(written):
            if number >= len(new):
                edits.append((*_whole_line(text, statement.start, statement.end), ""))
            elif number >= len(old) or old[number] != new[number]:
                edits.append((statement.start, statement.end, new[number]))
        # A value in ``old`` without a statement is inherited from the parent, or is a default.
        added += [line for number, line in enumerate(new) if number >= len(written) and line not in old]
    changed = replaced(text[: block.end], edits)[block.start :].removesuffix("}")
    if added:
        changed = changed.rstrip(" \t")
        changed += ("" if changed.endswith("\n") else "\n") + "".join(f"\t{line}\n" for line in added)
    return changed + "}"


def replaced(text, edits):
    """Return ``text`` with the ``edits`` [(start, end, new text)], which do not overlap."""
    for start, end, new in sorted(edits, reverse=True):
        text = text[:start] + new + text[end:]
    return text


def _kind(keyword):
    return "disable" if keyword == "enable" else keyword


def _whole_line(text, start, end):
    """Return (start, end) of the whole line if it contains only this statement, else those of the statement."""
    line = text.rfind("\n", 0, start) + 1
    after = text.find("\n", end)
    if after >= 0 and not text[line:start].strip() and not text[end:after].strip():
        return line, after + 1
    return start, end
