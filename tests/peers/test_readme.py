# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""README.md lists what the tests show."""

from __future__ import annotations

from pathlib import Path

from peers import misbehaviours


def test_numbers_are_consecutive():
    numbers = [one.number for one in misbehaviours.listed()]
    assert numbers == [f"D{number}" for number in range(1, len(numbers) + 1)]


def test_readme_lists_every_misbehaviour():
    """Where it fails, copy the expected rows to the README."""
    readme = Path(__file__).with_name("README.md").read_text(encoding="utf-8")
    expected = [
        f"| {one.number} | {one.asked} | {one.theirs} | {one.ours} | `{one.test.partition('::')[2]}` |"
        for one in misbehaviours.listed()
    ]
    assert [line for line in readme.split("\n") if line.startswith("| D")] == expected
