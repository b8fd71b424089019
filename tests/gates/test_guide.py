# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table "To change X, open Y" names files that exist, and the page is short."""

from __future__ import annotations

from collection_path import CHECKOUT
from gates import guide

LONGEST = 300


def test_all_files_of_the_table_exist():
    named = [pattern for _change, patterns in guide.rows(CHECKOUT) for pattern in patterns]
    assert len(named) > 50
    assert [pattern for pattern in named if not guide.files_of(CHECKOUT, pattern)] == []


def test_table_leads_to_every_file_of_module_utils():
    known = guide.leads(CHECKOUT)
    files = sorted((CHECKOUT / "plugins/module_utils").rglob("*.py"))
    missing = [path.relative_to(CHECKOUT).as_posix() for path in files if path not in known]
    assert missing == []


def test_page_is_short():
    assert len((CHECKOUT / "docs/architecture.md").read_text(encoding="utf-8").splitlines()) <= LONGEST
