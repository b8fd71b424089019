# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers are taken from response files as OpenBSD's own installer took them."""

from __future__ import annotations

import json

import pytest

from collection_path import CHECKOUT
from platforms.vmm.double.response_file import install

GOLDEN = json.loads((CHECKOUT / "tests/platforms/vmm/golden/install.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", GOLDEN["cases"], ids=lambda case: case["id"])
def test_questions_get_the_answers_that_openbsd_gives_them(case):
    done = install(case["text"], GOLDEN["profiles"][case["profile"]])
    assert (done.answers, done.error, done.left_over) == (case["answers"], case["error"], case["left_over"])
    assert bool(done.error) == bool(case["rc"])
