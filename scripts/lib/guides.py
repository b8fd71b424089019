# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Convert the guides of docs/ to reStructuredText, the only format that antsibull-docs accepts for extra documents.

Galaxy and GitHub show the Markdown. Links between guides become references, and names of modules link to their pages.
Raises UnsupportedMarkdown for syntax that no guide has used so far, so that nothing is lost silently.
"""

from __future__ import annotations

import re
from textwrap import indent

from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode

REPOSITORY = "https://github.com/polyvirt/polyvirt.core"
PREFIX = "ansible_collections.polyvirt.core.docsite"
#: Not part of the site: pages for developers of the collection, and the index; the site has its own.
NOT_IN_SITE = ("README", "architecture", "decisions", "history", "questions", "testing")
_UNDERLINES = {"h1": "=", "h2": "-", "h3": "~", "h4": "^"}
#: Characters next to which markup is recognized.
ALLOWED_BEFORE_MARKUP, ALLOWED_AFTER_MARKUP = " \n'\"([{<-/:", " \n'\")]}>-/\\:.,;!?"


class UnsupportedMarkdown(Exception):
    """Markdown syntax that this converter does not support."""


def anchor_of(heading):
    """Return the anchor that GitHub generates for a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")


def guides(checkout):
    """Return the names of the guides that are part of the site."""
    return sorted(path.stem for path in (checkout / "docs").glob("*.md") if path.stem not in NOT_IN_SITE)


def titles(checkout):
    """Return {name of a guide: its title}."""
    texts = {name: (checkout / "docs" / f"{name}.md").read_text(encoding="utf-8") for name in guides(checkout)}
    return {name: (re.search("^# (.*)", text, re.MULTILINE) or [None, name])[1] for name, text in texts.items()}


def guide_lines(checkout, name):
    """Return the lines of the guide as reStructuredText."""
    text = (checkout / "docs" / f"{name}.md").read_text(encoding="utf-8")
    return _Guide(name, titles(checkout), plugins_of(checkout)).convert(text).splitlines()


def readme_lines(checkout):
    """Return the lines of README.md as reStructuredText: in the site, its links lead to the guides of the site."""
    text = (checkout / "README.md").read_text(encoding="utf-8")
    text = text.replace(f"({REPOSITORY}/blob/main/docs/", "(").replace(f"({REPOSITORY}/raw/main/docs/", "(")
    return _Guide("index", titles(checkout), plugins_of(checkout)).convert(text).splitlines()


def with_pictures(text, images):
    """Return a page with the pictures of the site, below ``images``, each as wide as the text and a link to itself."""
    address = re.escape(f"{REPOSITORY}/raw/main/docs/images/")
    return re.sub(rf"^(\.\. image:: ){address}(\S+)$", rf"\1{images}\2\n    :width: 100%", text, flags=re.MULTILINE)


def plugins_of(checkout):
    """Return the names of the plugins that have a page, with their kinds."""
    plugins = {path.stem: "module" for path in (checkout / "plugins" / "modules").glob("*.py")}
    for kind in ("inventory", "connection", "filter", "lookup"):
        plugins.update({path.stem: kind for path in (checkout / "plugins" / kind).glob("*.py")})
    return plugins


class _Guide:
    def __init__(self, name, others, plugins):
        self._name, self._others, self._plugins = name, others, plugins

    def convert(self, text):
        return self._blocks(SyntaxTreeNode(MarkdownIt("commonmark").enable("table").parse(text)).children)

    def _blocks(self, nodes):
        blocks = [self._block(node) for node in nodes]
        return "\n\n".join(one for one in blocks if one)

    def _block(self, node):
        convert_node = getattr(self, f"_{node.type}", None)
        if convert_node is None:
            raise UnsupportedMarkdown(f"docs/{self._name}.md, line {node.map[0] + 1}: {node.type} has no conversion")
        return convert_node(node)

    def _html_block(self, node):
        """Remove comments: the copyright, and marks of generated parts."""
        if not node.content.startswith("<!--"):
            raise UnsupportedMarkdown(f"docs/{self._name}.md, line {node.map[0] + 1}: HTML has no conversion")
        return ""

    def _heading(self, node):
        title = self._inline(node.children[0])
        label = f"{PREFIX}.{self._name}"
        if node.tag != "h1":
            label += f".{anchor_of(node.children[0].content)}"
        return f".. _{label}:\n\n{title}\n{_UNDERLINES[node.tag] * len(title)}"

    def _paragraph(self, node):
        pieces = node.children[0].children
        if [one.type for one in pieces] == ["image"]:
            return self._picture(pieces[0])
        return self._inline(node.children[0])

    def _picture(self, node):
        """Link to the picture in the repository: the site has no files but those of its documents."""
        path, alt = node.attrs["src"], escaped(node.content)
        return f".. image:: {REPOSITORY}/raw/main/docs/{path}\n    :alt: {alt}"

    def _fence(self, node):
        return f".. code-block:: {node.info or 'text'}\n\n{indent(node.content.rstrip(), '    ')}"

    def _bullet_list(self, node):
        return self._list(node, ["-"] * len(node.children))

    def _ordered_list(self, node):
        first = int(node.attrs.get("start", 1))
        return self._list(node, [f"{first + place}." for place in range(len(node.children))])

    def _list(self, node, bullets):
        """Return a list; items are separated by blank lines, because each may have several paragraphs."""
        return "\n\n".join(
            _hanging(f"{bullet} ", self._blocks(item.children))
            for bullet, item in zip(bullets, node.children, strict=True)
        )

    def _table(self, node):
        rows = [[self._cell(cell) for cell in row.children] for part in node.children for row in part.children]
        lines = [_hanging("* ", "\n".join(_hanging("- ", cell) for cell in row)) for row in rows]
        header = "  :header-rows: 1\n" if any(rows[0]) else ""
        body = "\n".join(lines if header else lines[1:])
        return f".. list-table::\n{header}\n{indent(body, '  ')}"

    def _cell(self, node):
        return escape_beginning(self._inline(node.children[0]))

    def _inline(self, node, plain=False):
        """Return the text of a node; ``plain``: without markup, which cannot be nested in reStructuredText."""
        text = ""
        for child in node.children:
            text = _joined(text, child.type == "text" or plain, self._piece(child, plain))
        return text

    def _piece(self, node, plain):
        if node.type == "text":
            return escaped(node.content)
        if node.type == "softbreak":
            return "\n"
        if node.type == "code_inline":
            return escaped(node.content) if plain else self._code(node.content)
        if node.type in ("strong", "em", "link"):
            inner = self._inline(node, plain=True)
            if plain:
                return inner
            mark = {"strong": "**", "em": "*"}.get(node.type)
            return f"{mark}{inner}{mark}" if mark else self._link(node.attrs["href"], inner)
        raise UnsupportedMarkdown(f"docs/{self._name}.md: {node.type} has no conversion")

    def _code(self, code):
        name = code.removeprefix("polyvirt.core.")
        # Alone, "vm" may mean the role and "image" the option, which have the same name as a module.
        if name in self._plugins and (name != code or name not in ("vm", "image")):
            return f":ansplugin:`{code} <polyvirt.core.{name}#{self._plugins[name]}>`"
        return f"``{code}``"

    def _link(self, target, text):
        path, _hash, place = target.partition("#")
        if re.match(r"[a-z]+:", target):
            return f"`{text} <{target}>`__"
        guide = path.removesuffix(".md") or self._name
        if guide not in self._others:
            return f"`{text} <{REPOSITORY}/blob/main/docs/{target}>`__"
        if text == path:  # GitHub shows files, and the site has pages.
            text = self._others[guide]
        return f":ref:`{text} <{PREFIX}.{guide}{f'.{place}' if place else ''}>`"


def _hanging(mark, text):
    """Return ``text`` after ``mark``, with the other lines indented like the first."""
    return mark + indent(text, " " * len(mark)).lstrip(" ") if text else mark.rstrip()


def escape_beginning(text):
    """Return text in which no first word begins a list."""
    return rf"\{text}" if re.match(r"([-+*•]|\w+[.)])(\s|$)", text) else text


def escaped(text):
    """Return text without markup."""
    return re.sub(r"_(?=\W|$)", r"\_", re.sub(r"([\\*`|])", r"\\\1", text))


def _joined(before, is_text, piece):
    """Append ``piece``. Markup needs a blank or punctuation on both sides; an escaped blank is not displayed."""
    if not before or not piece:
        return before + piece
    ends_in_markup = before[-1] in "`*" and not before.endswith(("\\`", "\\*"))
    if is_text and ends_in_markup and piece[0] not in ALLOWED_AFTER_MARKUP:
        return rf"{before}\ {piece}"
    if not is_text and piece != "\n" and before[-1] not in ALLOWED_BEFORE_MARKUP:
        return rf"{before}\ {piece}"
    return before + piece
