# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mutations of reports: what they would hide, and what they would let through."""

from __future__ import annotations

from mutations.mutation import Mutation

_ROOM = "plugins/plugin_utils/report"
_MODEL = ("tests/unit/plugin_utils/test_report_model.py",)
_FORMATS = ("tests/unit/plugin_utils/test_report_formats.py",)

MUTATIONS = (
    Mutation(
        "planned-state-is-reported-as-the-present-one", _ROOM, 'state or record["state"] or entry["state"]',
        'record["state"] or entry["state"]', _MODEL,
    ),
    Mutation(
        "later-task-hides-a-failure", _ROOM, 'min(entry["status"], status, key=STATUSES.index)', "status", _MODEL
    ),
    Mutation(
        "rejected-task-is-no-failure", _ROOM, 'record["event"] in (TASK_FAILED, HOST_FAILED, REFUSED)',
        'record["event"] in (TASK_FAILED, HOST_FAILED)', _MODEL,
    ),
    Mutation("drift-is-reported-as-a-change", _ROOM, 'DRIFT if record["check"] else CHANGED', "CHANGED", _MODEL),
    Mutation(
        "two-vms-of-one-name-are-one", _ROOM, 'number is None or one["id"] in (None, number)', "True", _MODEL
    ),
    Mutation(
        "creation-is-hidden-by-its-settings", _ROOM, '_ABSENT in (before.get("state"), after.get("state"))', "False",
        _MODEL,
    ),
    Mutation(
        "unreachable-host-is-not-reported", _ROOM, 'result.get("failed") or result.get("unreachable")',
        'result.get("failed")', _MODEL,
    ),
    Mutation(
        "name-of-a-vm-is-code", _ROOM, "Environment(autoescape=True, **_)",
        "Environment(loader=FileSystemLoader(_TEMPLATES), undefined=StrictUndefined, trim_blocks=True)", _FORMATS,
    ),
    Mutation(
        "junit-has-control-characters", _ROOM, '_FORBIDDEN.sub("", _1)', "_1", _FORMATS
    ),
    Mutation(
        "quote-ends-a-label", _ROOM, """_1.replace('"', '\\\\"')""", "_1", _FORMATS
    ),
    Mutation("drift-is-no-failure-in-junit", _ROOM, 'one["status"] == DRIFT', "False", _FORMATS),
)  # fmt: skip
