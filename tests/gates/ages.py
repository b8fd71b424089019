# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How old the catalogue of distributions is on a date."""

from __future__ import annotations

from datetime import timedelta

#: How long before the end of its support a release is reported.
NOTICE = timedelta(days=60)


def ages(entries, today):
    """Return (warnings, errors) for entries of the catalogue.

    A warning names a release at the end of its support, an error a distribution without a supported release. The two
    together ask for the next release in time. A rolling release has no end.
    """
    entries = [entry for entry in entries if entry.get("end_of_life")]
    soon = [
        f"{entry['name']}: support ends on {entry['end_of_life']}. Is there a newer release for the catalogue?"
        for entry in entries
        if today <= entry["end_of_life"] <= today + NOTICE
    ]
    ends = {}
    for entry in entries:
        ends.setdefault(entry["distribution"], []).append(entry["end_of_life"])
    over = [
        f"{name}: no release in the catalogue is supported since {max(dates)}. Add a newer one."
        for name, dates in ends.items()
        if max(dates) < today
    ]
    return soon, over
