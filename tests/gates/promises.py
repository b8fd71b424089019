# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Promises of a document: sentences with certain words, tables, and code. tests/promises/README.md has the format."""

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
    """The documents that make promises to users or developers, as paths below the checkout; the history makes none."""
    found = [checkout / "README.md", *checkout.glob("docs/*.md"), *checkout.glob("roles/*/README.md")]
    return sorted(path.relative_to(checkout).as_posix() for path in found if path.stem != "history")


def answers_file(document):
    """``docs/libvirt.md`` -> ``libvirt.yml``, ``docs/README.md`` -> ``index.yml``; of a role: ``role_vm.yml``."""
    path = PurePosixPath(document)
    if path == PurePosixPath("docs/README.md"):
        return "index.yml"
    return f"role_{path.parent.name}.yml" if path.parts[0] == "roles" else f"{path.stem}.yml"


def promises(text):
    """``{"sentences": [...], "tables": [...], "blocks": [...]}``: texts, headers ``a | b``, and code of a document."""
    tree = SyntaxTreeNode(MarkdownIt("commonmark").enable("table").parse(_GENERATED.sub("", text)))
    found = {"sentences": [], "tables": [], "blocks": []}
    for node in _blocks(tree):
        if node.type == "fence":
            found["blocks"].append(node.content)
        elif node.type == "table":
            found["tables"].append(" | ".join(_text(cell) for cell in node.children[0].children[0].children))
        else:
            found["sentences"] += filter(_PROMISE.search, _END_OF_SENTENCE.split(_text(node)))
    return found


def _blocks(node):
    """The tables, the code, and the paragraphs and headings outside them."""
    if node.type in ("table", "inline", "fence"):
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
    """An answer is a list of tests, ``{reason: TEXT}``, or for code ``{run: ...}`` (tests/suite/test_documents.py)."""
    if isinstance(answer, dict):
        is_known = list(answer) in (["reason"], ["run"]) and all(answer.values())
        return [] if is_known else ["an answer is a list of tests, or has a reason, or is run"]
    return [f"{test} does not exist" for test in answer if not exists(test)] if answer else ["no test"]


def counts(checkout, folder):
    """How many blocks of code are run as written, are run by other tests, and carry a reason why they are not run."""
    answers = [one for name in documents(checkout) for one in (read_answers(folder, name).get("blocks") or {}).values()]
    kinds = [next(iter(one)) if isinstance(one, dict) else "tests" for one in answers]
    return {kind: kinds.count(kind) for kind in ("run", "tests", "reason")}


def read_answers(folder, document):
    """The answers for a document; empty without a file for it."""
    path = folder / answers_file(document)
    return yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else {}
