# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each promise in README and guides leads to a test."""

from __future__ import annotations

import pytest

from collection_path import CHECKOUT
from gates.promises import answers_file, counts, documents, problems, read_answers

ANSWERS = CHECKOUT / "tests/promises"
OWN = "tests/gates/test_promises.py::test_problems"


@pytest.mark.parametrize("document", documents(CHECKOUT))
def test_promises_lead_to_tests(document):
    text = (CHECKOUT / document).read_text(encoding="utf-8")
    assert problems(text, read_answers(ANSWERS, document)) == []


def test_blocks_of_code_are_counted(record_property):
    found = counts(CHECKOUT, ANSWERS)
    text = "{run} blocks run as written, {tests} run by other tests, {reason} marked with a reason".format(**found)
    record_property("summary", f"code in documents: {text}")
    assert all(found.values())


def test_each_file_of_answers_is_for_a_document():
    assert {path.name for path in ANSWERS.glob("*.yml")} <= set(map(answers_file, documents(CHECKOUT)))


@pytest.mark.parametrize(
    ("text", "answers", "found"),
    [
        ("A is so. B is *never*\nso.", {"sentences": {"B is": [OWN]}}, []),
        ("- a is `rejected`", {}, ["no test: a is `rejected`"]),
        ("```\nnever\n```", {"blocks": {"never": {"reason": "a word"}}}, []),
        ("| a | b |\n|---|---|\n| always | c |", {}, ["no test: a | b"]),
        ("| a | b |\n|---|---|\n| always | c |", {"tables": {"a | b": {"reason": "only names"}}}, []),
        ("<!-- begin generated: a -->\nnever\n<!-- end generated: a -->", {}, []),
        ("Never.", {"sentences": {"Never.": []}}, ["Never.: no test"]),
        ("Never.", {"sentences": {"Never.": ["tests/gates/test_promises.py::no"]}},
         ["Never.: tests/gates/test_promises.py::no does not exist"]),
        ("No.", {"sentences": {"No": [OWN]}}, ["no such promise: No"]),
        ("Always.", {"sentences": {"Always": {"because": "x"}}},
         ["Always: an answer is a list of tests, or has a reason, or is run"]),
        ("```\nvirsh list\n```", {}, ["no test: virsh list\n"]),
        ("```\nvirsh list\n```", {"blocks": {"list": {"run": {"platform": "libvirt_test"}}}}, []),
    ],
)  # fmt: skip
def test_problems(text, answers, found):
    assert problems(text, answers) == found
