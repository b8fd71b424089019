# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The catalogue of distributions is not older than its distributions, on the day of the test."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from gates.ages import NOTICE, ages
from unit.roles.unattended_install.rendering import catalogue

END = date(2026, 12, 9)
LATER = date(2027, 6, 2)


def entries(*ends):
    return [{"name": f"fedora-{place}", "distribution": "fedora", "end_of_life": end} for place, end in enumerate(ends)]


def test_each_distribution_has_a_supported_release_today(record_property):
    soon, over = ages(catalogue().values(), date.today())
    if soon:
        record_property("summary", "\n".join(soon))
    assert over == []


@pytest.mark.parametrize(
    ("today", "soon", "over"),
    [
        (END - NOTICE - timedelta(days=1), [], []),
        (END - NOTICE, ["fedora-0"], []),
        (END, ["fedora-0"], []),
        (END + timedelta(days=1), [], []),
        (LATER, ["fedora-1"], []),
        (LATER + timedelta(days=1), [], ["fedora"]),
    ],
)
def test_warnings_come_before_errors(today, soon, over):
    found = ages(entries(END, LATER), today)
    assert [[text.split(":")[0] for text in texts] for texts in found] == [soon, over]


def test_messages():
    assert ages(entries(END), END)[0] == [
        "fedora-0: support ends on 2026-12-09. Is there a newer release for the catalogue?"
    ]
    assert ages(entries(END), LATER)[1] == [
        "fedora: no release in the catalogue is supported since 2026-12-09. Add a newer one."
    ]
