# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""No room has more lines than its budget, and one line too many is found."""

from __future__ import annotations

import sys

import pytest

from collection_path import CHECKOUT
from gates import budgets

sys.path.insert(0, str(CHECKOUT / "scripts"))

from count import counted


@pytest.fixture(name="lines", scope="module")
def _lines():
    return counted(CHECKOUT)


def test_no_budget_is_exceeded(lines):
    assert budgets.exceeded(lines) == []


@pytest.mark.parametrize("room", budgets.ROOMS)
def test_one_line_too_many_is_found(lines, room):
    beginnings, most = budgets.ROOMS[room]
    new, left = f"{beginnings[0] or 'plugins/'}new.py", most - budgets.counts(lines)[room]

    def is_found(number):
        return any(one.startswith(f"{room}:") for one in budgets.exceeded({**lines, new: number}))

    assert (is_found(left), is_found(left + 1)) == (False, True)


def test_one_file_too_many_is_found(lines):
    left = budgets.FILES - budgets.files_of_module_utils(lines)
    new = {f"plugins/module_utils/_ports/new{number}.py": 0 for number in range(left + 1)}
    assert any(one.startswith("files of module_utils:") for one in budgets.exceeded({**lines, **new}))


def test_more_tests_than_the_product_needs_are_found(lines):
    assert any(
        one.startswith("lines of tests")
        for one in budgets.exceeded({**lines, "tests/unit/new.py": sum(lines.values())})
    )


def test_simulator_is_counted_apart(lines):
    more = {**lines, "extensions/simulators/new.py": 10**6, "tests/unit/simulators/new.py": 10**6}
    assert budgets.table(more) == budgets.table(lines)
