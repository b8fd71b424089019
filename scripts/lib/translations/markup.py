# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The markup of entries: reStructuredText in catalogues, and a short Markdown for translators.

In the Markdown, `` `code` `` is code or the name of a plugin, ``[text](@2)`` is the second link of the English entry,
``**text**`` is bold and ``*text*`` is emphasized. A backslash before one of these characters keeps it as it is.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from ..guides import ALLOWED_AFTER_MARKUP, ALLOWED_BEFORE_MARKUP, escape_beginning, escaped

CODE, PLUGIN, LINK, STRONG, EMPHASIS, TEXT = "code", "plugin", "link", "strong", "emphasis", "text"

_RST = re.compile(
    r":(?P<role>[a-z]+):`(?P<shown>(?:\\.|[^`\\])*?) ?<(?P<label>[^<>`]+)>`"
    r"|`(?P<words>(?:\\.|[^`\\])*?) ?<(?P<address>[^<>`]+)>`__"
    r"|``(?P<code>.+?)``(?!`)"
    r"|\*\*(?P<strong>(?:\\.|[^*\\])+)\*\*"
    r"|\*(?P<emphasis>(?:\\.|[^*\\])+)\*"
    r"|\\(?P<escaped>.)"
)
_MARKDOWN = re.compile(
    r"(?P<ticks>`+)(?P<code>.+?)(?P=ticks)(?!`)"
    r"|\[(?P<words>(?:\\.|[^\]\\])+)\]\(@(?P<place>\d+)\)"
    r"|\*\*(?P<strong>(?:\\.|[^*\\])+?)\*\*"
    r"|\*(?P<emphasis>(?:\\.|[^*\\])+?)\*"
    r"|\\(?P<escaped>[!-/:-@\[-`{-~])"
)
#: Stands for code in plain text.
PLACE_OF_CODE = "\x00"


class Part(NamedTuple):
    """A piece of an entry. ``target`` is that of a link or plugin, with its role."""

    kind: str
    text: str
    target: str = ""


class InvalidEntry(Exception):
    """A translation that cannot be converted."""


def parse(rst):
    """Return the parts of an entry of a catalogue; neighbouring texts are one."""
    parts, end = [], 0
    for match in _RST.finditer(rst):
        parts += [Part(TEXT, rst[end : match.start()]), _part_of_rst(match)]
        end = match.end()
    return _joined([*parts, Part(TEXT, rst[end:])])


def _part_of_rst(match):
    if match["role"] == "ansplugin":
        return Part(PLUGIN, match["shown"], match["label"])
    if match["role"]:
        return Part(LINK, _unescaped(match["shown"]), f":{match['role']}:{match['label']}")
    if match["address"]:
        return Part(LINK, _unescaped(match["words"]), match["address"])
    if match["code"]:
        return Part(CODE, match["code"])
    for kind in (STRONG, EMPHASIS):
        if match[kind]:
            return Part(kind, _unescaped(match[kind]))
    return Part(TEXT, "" if match["escaped"] == " " else match["escaped"])


def _unescaped(text):
    return re.sub(r"\\(.)", lambda match: match[1].strip(), text)


def _joined(parts):
    """Join neighbouring texts, and drop empty ones."""
    found = []
    for part in parts:
        if part.kind == TEXT and found and found[-1].kind == TEXT:
            found[-1] = Part(TEXT, found[-1].text + part.text)
        elif part.text:
            found.append(part)
    return found


def prose(parts):
    """Return the text that a reader reads, with a mark instead of each code."""
    return "".join(PLACE_OF_CODE if one.kind in (CODE, PLUGIN) else one.text for one in parts)


def to_markdown(rst):
    """Return an entry of a catalogue as Markdown."""
    links = 0
    text = ""
    for part in parse(rst):
        if part.kind == LINK:
            links += 1
            text += f"[{_markdown_text(part.text, ']')}](@{links})"
        elif part.kind in (CODE, PLUGIN):
            text += f"`` {part.text} ``" if "`" in part.text else f"`{part.text}`"
        elif part.kind in (STRONG, EMPHASIS):
            mark = "**" if part.kind == STRONG else "*"
            text += f"{mark}{_markdown_text(part.text)}{mark}"
        else:
            text += _markdown_text(part.text)
    return text


def _markdown_text(text, others=""):
    """Return text with a backslash before each character of markup, and before ``others``."""
    return re.sub(rf"([\\`*{re.escape(others)}]|\[(?=[^\]]*\]\(@))", r"\\\1", text)


def to_rst(markdown, source):
    """Return a translation in Markdown as an entry of a catalogue. Links and plugins are those of the English entry."""
    parts = parse(source)
    links = [part for part in parts if part.kind == LINK]
    plugins = {part.text: part for part in parts if part.kind == PLUGIN}
    found, end = [], 0
    for match in _MARKDOWN.finditer(markdown):
        found += [Part(TEXT, markdown[end : match.start()]), _part_of_markdown(match, links, plugins)]
        end = match.end()
    return as_rst(_joined([*found, Part(TEXT, markdown[end:])]))


def _part_of_markdown(match, links, plugins):
    if match["code"]:
        code = match["code"].strip() if len(match["ticks"]) > 1 else match["code"]
        return plugins.get(code, Part(CODE, code))
    if match["words"]:
        place = int(match["place"])
        if not 0 < place <= len(links):
            raise InvalidEntry(f"there is no link @{place}: the English entry has {len(links)}")
        return links[place - 1]._replace(text=_plain(match["words"]))
    for kind in (STRONG, EMPHASIS):
        if match[kind]:
            return Part(kind, _plain(match[kind]))
    return Part(TEXT, match["escaped"])


def _plain(text):
    """Return text within markup, which cannot have markup of its own."""
    return re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", re.sub(r"(?<!\\)`", "", text)).strip()


def as_rst(parts):
    """Return parts as reStructuredText. Markup needs a blank or punctuation on both sides, or an escaped blank."""
    text, before = "", None
    for part in parts:
        piece = _rst_of(part)
        is_markup = part.kind != TEXT
        is_open = before and before.kind != TEXT and piece[0] not in ALLOWED_AFTER_MARKUP
        if is_open or (before and is_markup and text[-1] not in ALLOWED_BEFORE_MARKUP):
            text += "\\ "
        text, before = text + piece, part
    return escape_beginning(text)


def _rst_of(part):
    if part.kind == CODE:
        return f"``{part.text}``"
    if part.kind == PLUGIN:
        return f":ansplugin:`{part.text} <{part.target}>`"
    text = escaped(part.text)
    if part.kind == LINK and part.target.startswith(":"):
        _before, role, label = part.target.split(":", 2)
        return f":{role}:`{text} <{label}>`"
    if part.kind == LINK:
        return f"`{text} <{part.target}>`__"
    mark = {STRONG: "**", EMPHASIS: "*", TEXT: ""}[part.kind]
    return f"{mark}{text}{mark}"
