# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The misbehaviours that are shown here, as the documentation strings of their tests tell them, and their table."""

from __future__ import annotations

import ast
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import pytest

from peers import environment

_HERE = Path(__file__).resolve().parent
_WORDS = {
    "theirs": {"passed": "shown", "skipped": "skipped", "failed": "NOT SHOWN", "error": "NOT SHOWN"},
    "ours": {"passed": "right", "skipped": "skipped", "failed": "WRONG", "error": "WRONG"},
}


@dataclass(frozen=True)
class Misbehaviour:
    """``number`` is D1, D2 ...; ``asked`` is what the user does, ``theirs`` and ``ours`` what comes of it."""

    number: str
    peer: str
    asked: str
    theirs: str
    ours: str
    test: str


def listed():
    """All of them, by their numbers."""
    found = [one for file in _HERE.glob("test_*.py") for one in _of_file(file)]
    return sorted(found, key=lambda one: int(one.number[1:]))


def _of_file(file):
    tree = ast.parse(file.read_text(encoding="utf-8"))
    peer = ast.get_docstring(tree).partition(":")[0]
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name.startswith("Test"):
            number, _colon, asked = ast.get_docstring(node).partition(": ")
            said = {one.name: ast.get_docstring(one) for one in node.body if isinstance(one, ast.FunctionDef)}
            test = f"{file.name}::{node.name}"
            yield Misbehaviour(number, peer, asked, said["test_theirs"], said["test_ours"], test)


def outcomes(stats):
    """{test: {side: outcome}} of a run of pytest; of a test with several parameters the worst outcome."""
    found = defaultdict(dict)
    for outcome in ("passed", "skipped", "failed", "error"):
        for report in stats.get(outcome, ()):
            path, _colons, test = getattr(report, "nodeid", "").partition("::")
            name, _colons, function = test.partition("::")
            side = function.partition("[")[0].removeprefix("test_")
            if side in _WORDS:
                found[f"{Path(path).name}::{name}"][side] = outcome
    return found


def table(found):
    """Lines about the misbehaviours with tests that have run."""
    shown = [one for one in listed() if one.test in found]
    for one in shown:
        yield f"{one.number:4} {one.peer} {_version(one.peer)}: {one.asked}"
        for side, text in (("theirs", one.theirs), ("ours", one.ours)):
            yield f"     {side:7} {_WORDS[side].get(found[one.test].get(side), '-'):10} {text}"
    for side, words in _WORDS.items():
        count = sum(found[one.test].get(side) == "passed" for one in shown)
        yield f"{side}: {count} of {len(shown)} {words['passed']}"


def _version(peer):
    try:
        return environment.version(peer)
    except pytest.skip.Exception:
        return "(not installed)"
