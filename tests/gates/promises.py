# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The promises of a document: sentences with certain words, and tables. tests/promises/README.md has the format."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

import yaml
from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode

from gates.ids_of_tests import exists

_PROMISE = re.compile(r"\b(never|always|rejected|check mode)\b", re.IGNORECASE)
_END_OF_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z`*\[])")
_GENERATED = re.compile(r"<!-- begin generated.*?<!-- end generated[^>]*-->", re.DOTALL)


def documents(checkout):
    """The documents that make promises to users or developers, as paths below the checkout."""
    found = [checkout / "README.md", *checkout.glob("docs/*.md"), *checkout.glob("roles/*/README.md")]
    return sorted(path.relative_to(checkout).as_posix() for path in found)


def answers_file(document):
    """``docs/libvirt.md`` -> ``libvirt.yml``, ``roles/vm/README.md`` -> ``role_vm.yml``."""
    path = PurePosixPath(document)
    return f"role_{path.parent.name}.yml" if path.parts[0] == "roles" else f"{path.stem}.yml"


def promises(text):
    """``{"sentences": [...], "tables": [...]}`` of a document: sentences, and the header ``a | b`` of each table."""
    tree = SyntaxTreeNode(MarkdownIt("commonmark").enable("table").parse(_GENERATED.sub("", text)))
    found = {"sentences": [], "tables": []}
    for node in _blocks(tree):
        if node.type == "table":
            found["tables"].append(" | ".join(_text(cell) for cell in node.children[0].children[0].children))
        else:
            found["sentences"] += filter(_PROMISE.search, _END_OF_SENTENCE.split(_text(node)))
    return found


def _blocks(node):
    """The tables, and the paragraphs and headings outside them."""
    if node.type in ("table", "inline"):
        yield node
        return
    for child in node.children:
        yield from _blocks(child)


def _text(node):
    inline = node if node.type == "inline" else node.children[0]
    return " ".join(inline.content.split())


def problems(text, answers):
    """One sentence for each promise without an answer, each answer without a promise, and each test that is missing."""
    made = promises(text)
    known = {kind: answers.get(kind) or {} for kind in made}
    return [
        *(f"no test: {one}" for kind in made for one in made[kind] if not any(part in one for part in known[kind])),
        *(f"no such promise: {part}" for kind in made for part in known[kind] if not _is_in(part, made[kind])),
        *(f"{part}: {problem}" for kind in made for part, to in known[kind].items() for problem in _of_answer(to)),
    ]


def _is_in(part, promised):
    return any(part in one for one in promised)


def _of_answer(answer):
    """An answer is a list of tests, or ``{reason: TEXT}``."""
    if isinstance(answer, dict):
        return (
            [] if set(answer) == {"reason"} and answer["reason"] else ["an answer is a list of tests, or has a reason"]
        )
    return [f"{test} does not exist" for test in answer if not exists(test)] if answer else ["no test"]


def read_answers(folder, document):
    """The answers for a document; empty without a file for it."""
    path = folder / answers_file(document)
    return yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else {}
