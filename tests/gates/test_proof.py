# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each defect in tests/proof has tests that exist."""

from __future__ import annotations

import pytest

from gates.ids_of_tests import exists
from proof import rows

ROWS = rows.rows()


@pytest.mark.parametrize("name", ROWS)
def test_row_is_complete(name):
    for file, row in ROWS[name]:
        assert set(row) == rows.KEYS, file
        assert row["case"], file
        assert row["tests"], file


@pytest.mark.parametrize("name", ROWS)
def test_tests_of_a_row_exist(name):
    assert [test for test in rows.tests_of(ROWS[name]) if not exists(test)] == []
