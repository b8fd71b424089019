# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All pages promise the same duration of a quick run: QUICK_MINUTES in scripts/test.sh."""

from __future__ import annotations

import re

import pytest

from collection_path import CHECKOUT

PAGES = {
    "README.md": r"takes at most (\d+) minutes on two idle cores",
    "CONTRIBUTING.md": r"real VMs too, (\d+) minutes at most",
    "docs/testing.md": r"the quick run: (\d+) minutes at most on two idle cores",
}


def _found(pattern, path):
    return re.findall(pattern, (CHECKOUT / path).read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", PAGES)
def test_page_promises_the_minutes_of_the_script(page):
    assert _found(PAGES[page], page) == _found(r"readonly QUICK_MINUTES=(\d+)", "scripts/test.sh")
