# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parses the VMs and switches in vm.conf(5), the configuration of OpenBSD's vmd.

The grammar is that of vmd's parse.y: macros, includes, continued lines, adjacent strings that are concatenated. This
parser skips what it does not know; only ``vmd -n`` checks whether a file is valid. Each statement has its position in
its file, where it can be changed. Files are read as Latin-1, so that every byte is preserved; values such as paths are
``decoded``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Optional

from .._core.frozen import Frozen, Mutable, field, replace
from .._core.pattern import Pattern
from .openbsd_network import padded_network

#: Statements of a VM. A keyword in quotes is a plain string.
_SWITCHED = ("enable", "disable")
_FLAGS = (*_SWITCHED, "sev", "seves")
_KEYWORDS = frozenset(
    (*_FLAGS, "memory", "disk", "cdrom", "boot", "interfaces", "interface", "local", "owner", "allow")
)
_NIC_VALUES = ("switch", "group", "lladdr", "rdomain")
_NIC_WORDS = (*_NIC_VALUES, "up", "down", "locked")
_WORD, _STRING, _MARK, _LINE_END = "word", "string", "mark", "line end"
_SCAN = Pattern(
    r"""(?P<blank>(?:[ \t]|\\\n)+)
      | (?P<comment>\#(?:\\\n|[^\n])*)
      | (?P<newline>\n)
      | \$(?P<macro>\w+)
      | \\?(?P<quoted>"(?:\\["\n \t]|\\(?!["\n \t])|[^"\\])*"|'(?:\\['\n \t]|\\(?!['\n \t])|[^'\\])*')
      | (?P<word>\\?[A-Za-z0-9_/:](?:\\\n|[^\s(){}!=\#,])*)
      | (?P<mark>.)""",
    re.VERBOSE | re.DOTALL | re.ASCII,
)
#: Text directly after a macro is appended to the last word of the macro.
_REST_OF_WORD = Pattern(r"(?:\\\n|[^\s(){}!=\#,])*", re.ASCII)
_DEFAULT_PREFIX, _PREFIX_LENGTH = "100.64.0.0/10", 16
#: The most nested includes, because files may include each other.
_DEEPEST = 16


def decoded(text):
    """The value of a text in a file that was read as Latin-1: its bytes are those of the name of a file."""
    return text.encode("latin-1").decode("utf-8", "surrogateescape")


def encoded(text):
    """The text for a file that is written as Latin-1; the reverse of ``decoded``."""
    return text.encode("utf-8", "surrogateescape").decode("latin-1")


class Token(NamedTuple):
    """A word, a quoted string, a mark such as ``{``, or the end of a line, with its position in its file."""

    kind: str
    text: str
    start: int
    end: int

    def is_mark(self, text):
        return self.kind == _MARK and self.text == text

    def is_word(self, *texts):
        return self.kind == _WORD and self.text in texts

    @property
    def is_text(self):
        return self.kind in (_WORD, _STRING)


class Statement(Frozen):
    """One setting in a block; its text is from ``start`` to ``end``."""

    keyword: str
    value: Any
    start: int
    end: int


class Block(Frozen):
    """A VM in a file. Its text is from ``start`` to ``end``; statements can be added at ``inside``.

    ``boot`` is its kernel: that of the last block with its name, although vmd ignores everything else in such a block.
    """

    name: str
    file: str
    start: int
    end: int
    inside: int
    parent: Optional[str] = None
    statements: Sequence[Statement] = ()
    boot: str = ""

    def all(self, keyword):
        return [one.value for one in self.statements if one.keyword == keyword]

    def last(self, keyword, default=None):
        """The value of the last statement with this keyword, which is the one that vmd uses."""
        return (self.all(keyword) or [default])[-1]

    @property
    def is_enabled(self):
        """Whether vmd starts the VM with the host: yes, unless the last such statement disables it."""
        return [one.keyword for one in self.statements if one.keyword in _SWITCHED][-1:] != ["disable"]


class Configuration(Mutable):
    """The content of vm.conf and the files that it includes: {name: Block}, {switch: interface}, and {path: text}.

    ``listed`` are all blocks in their order, also those with the name of an earlier one.
    Switches that are disabled are not in ``switches``, because vmd leaves them out.
    """

    blocks: Mapping = field(default_factory=dict)
    switches: Mapping = field(default_factory=dict)
    prefix: str = _DEFAULT_PREFIX
    staggered: bool = False
    listed: list = field(default_factory=list)
    disabled_switches: set = field(default_factory=set)
    texts: Mapping = field(default_factory=dict)


def read(path, read_file):
    """The Configuration of ``path`` and its includes. ``read_file(path)`` returns a text; None if there is no file."""
    found = Configuration()
    _read_file(path, read_file, found, {}, 0)
    return found


def _read_file(path, read_file, found, macros, depth):
    text = read_file(path) if depth < _DEEPEST else None
    if text is None or path in found.texts:
        return
    found.texts[path] = text
    reader = _Reader(path, text, macros)
    while reader.more():
        included = reader.statement(found)
        if included:
            _read_file(included, read_file, found, macros, depth + 1)


def reads_as(form, text):
    """Return whether vmd reads ``form`` as a string with the content ``text``, and as nothing else."""
    return [(token.kind, token.text) for token in scan(form, {})] == [(_STRING, text)]


def scan(text, macros):
    """Yield the Tokens of a text. ``macros`` may get new entries meanwhile; an unknown macro yields nothing."""
    position = 0
    while position < len(text):
        match = _SCAN.match(text, position)
        kind, start, position = match.lastgroup, position, match.end()
        if kind == "newline":
            yield Token(_LINE_END, "\n", start, position)
        elif kind == "quoted":
            yield Token(_STRING, _unquoted(match["quoted"]), start, position)
        elif kind in ("word", "mark"):
            yield Token(_WORD if kind == "word" else _MARK, _without_backslashes(match[0]), start, position)
        elif kind == "macro":
            rest = _REST_OF_WORD.match(text, position)
            position = rest.end()
            for token in scan(macros.get(match["macro"], "") + rest[0], {}):
                yield token._replace(start=start, end=position)


def _without_backslashes(text):
    """Outside quotes, a backslash at the end of a line continues it; any other backslash is ignored."""
    return text.replace("\\\n", "").replace("\\", "")


def _unquoted(text):
    """The text without its quotes and newlines. A backslash escapes a quote or a blank; others are kept."""
    quote, inner = text[0], text[1:-1]
    return re.sub(rf"\\([{quote} \t])", r"\1", inner.replace("\\\n", "").replace("\n", ""))


class _Reader:
    """Reads the statements of one file, one after the other."""

    def __init__(self, path, text, macros):
        self._path, self._macros = path, macros
        self._scan, self._ahead = scan(text, macros), []
        self._end = Token(_LINE_END, "\n", len(text), len(text))
        #: Where the last token ended.
        self._read = 0

    def _peek(self, ahead=0):
        # Scan only as far as needed: a macro must be defined before its uses are scanned.
        while len(self._ahead) <= ahead:
            self._ahead.append(next(self._scan, self._end))
        return self._ahead[ahead]

    def _next(self):
        token = self._peek()
        self._ahead.pop(0)
        self._read = token.end
        return token

    def more(self):
        return self._peek() is not self._end

    def _skip_line(self):
        while self._next().kind != _LINE_END:
            pass

    def _block(self):
        """The tokens of a block in braces, or up to the end of the line."""
        depth, inside = 0, []
        while self.more() and (depth or not inside or self._peek().kind != _LINE_END):
            token = self._next()
            inside.append(token)
            depth += token.is_mark("{") - token.is_mark("}")
            if depth == 0 and token.is_mark("}"):
                break
        return inside

    def statement(self, found):
        """Read one statement into ``found``; returns the path of an included file."""
        token = self._peek()
        if token.kind == _LINE_END:
            self._next()
        elif token.is_word("vm"):
            self._vm(found)
        elif token.is_word("switch"):
            self._switch(found)
        elif token.is_word("include"):
            self._next()
            return self._string()
        elif token.kind == _WORD and self._peek(1).is_mark("="):
            self._macro()
        else:
            self._global(found)
        return None

    def _macro(self):
        name, _equals = self._next().text, self._next()
        self._macros[name] = encoded(self._string())

    def _global(self, found):
        words = []
        while self._peek().kind != _LINE_END:
            words.append(self._next().text)
        if words[:2] == ["local", "prefix"]:
            text = "".join(words[2:])
            found.prefix = str(padded_network(text, _PREFIX_LENGTH) or text)
        elif words[:2] == ["staggered", "start"]:
            found.staggered = True

    def _string(self, stop=frozenset()):
        """Adjacent strings as one; it ends before a keyword in ``stop``."""
        parts = []
        while self._peek().is_text and not (parts and self._peek().is_word(*stop)):
            parts.append(self._next().text)
        return decoded("".join(parts))

    def _switch(self, found):
        self._next()
        name, inside = self._string(), self._block()
        interfaces = [after.text for one, after in zip(inside, inside[1:]) if one.is_word("interface")]
        if [one.text for one in inside if one.is_word(*_SWITCHED)][-1:] != ["disable"]:
            # Of two switches with the same name, vmd uses the first.
            found.switches.setdefault(name, (interfaces or [""])[-1])
        else:
            found.disabled_switches.add(name)

    def _vm(self, found):
        start, parent = self._next().start, None
        name = self._string(("instance",))
        if self._peek().is_word("instance"):
            self._next()
            name, parent = self._string(), name
        if not self._peek().is_mark("{"):
            self._skip_line()
            return
        inside = self._next().end
        statements = tuple(self._statements())
        block = Block(name, self._path, start, self._read, inside, parent, statements)
        found.listed.append(block)
        # vmd silently ignores a second block with the same name, except its kernel.
        found.blocks[name] = replace(found.blocks.get(name, block), boot=block.last("boot", ""))

    def _statements(self):
        while self.more() and not self._peek().is_mark("}"):
            token = self._peek()
            if token.is_word(*_KEYWORDS):
                keyword, value = self._setting()
                yield Statement(keyword, value, token.start, self._read)
            else:
                self._next()
        self._next()

    def _setting(self):
        keyword = self._next().text
        if keyword in _FLAGS:
            return keyword, True
        if keyword == "disk":
            return keyword, (self._string((*_KEYWORDS, "format")), self._string_after("format").lower() or None)
        if keyword == "boot" and self._peek().is_word("device"):
            return "boot device", self._string_after("device")
        if keyword == "local":
            self._next()
        if keyword in ("local", "interface"):
            return "interface", {"local": keyword == "local", **self._nic()}
        if keyword == "allow":
            return keyword, self._allowed()
        return keyword, self._string(_KEYWORDS)

    def _allowed(self):
        """The words of ``allow instance``; ``owner`` and its user are one of them."""
        words = []
        for token in self._block()[1:]:
            if token.is_text and words[-1:] == ["owner"]:
                words[-1] += f" {decoded(token.text)}"
            elif token.is_text:
                words.append(decoded(token.text))
        return words

    def _string_after(self, word):
        """The string after ``word``; empty if ``word`` is not the next token."""
        if not self._peek().is_word(word):
            return ""
        self._next()
        return self._string(_KEYWORDS)

    def _nic(self):
        """The options of an interface, in braces or up to the end of the line."""
        nic, token = {}, self._peek()
        if token.is_text and not token.is_word(*_NIC_WORDS, *_KEYWORDS):
            nic["device"] = decoded(self._next().text)
        inside = self._block() if self._peek().is_mark("{") else self._rest_of_line()
        keyword = ""
        for one in inside:
            if one.is_word(*_NIC_WORDS):
                keyword = one.text
                nic.pop(keyword, None)  # Of ``up`` and ``down``, the last one counts.
                nic[keyword] = True
            elif keyword in _NIC_VALUES and one.is_text:
                known = nic[keyword]
                nic[keyword] = decoded(one.text) if known is True else known + decoded(one.text)
        return nic

    def _rest_of_line(self):
        inside = []
        while self._peek().kind != _LINE_END and not self._peek().is_mark("}"):
            inside.append(self._next())
        return inside
