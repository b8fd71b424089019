# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From registered results of tasks to records. Pure."""

from __future__ import annotations

from ..outcomes.records import records_of


def records_of_registered(host, result, context):
    """The records of what a task has registered on a host; that of a loop has a result for each item."""
    items = result.get("results")
    if isinstance(items, list):
        return [one for item in items if isinstance(item, dict) for one in records_of_registered(host, item, context)]
    if result.get("skipped"):
        return []
    has_failed = bool(result.get("failed") or result.get("unreachable"))
    return records_of(result, has_failed, {**context, "host": host, "inventory_host": host})
