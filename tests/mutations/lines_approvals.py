# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mutations of approved plans: each of them would permit what nobody has approved."""

from __future__ import annotations

from mutations.mutation import Mutation

_CORE = "tests/unit/module_utils/_core"
_APPROVAL, _APPROVAL_TESTS = "_core/approval.py", [f"{_CORE}/test_approval.py"]
_CONTENT, _CONTENT_TESTS = "_core/plan_content.py", [f"{_CORE}/test_plan_content.py"]
_LIMITS, _LIMITS_TESTS = "_engine", ["tests/unit/module_utils/_engine/test_approvals.py"]

MUTATIONS = (
    Mutation("empty-list-permits-each-plan", _APPROVAL, "VARIABLE in given", "given.get(VARIABLE)", _APPROVAL_TESTS),
    Mutation(
        "empty-text-permits-each-plan", _APPROVAL, "self._expected is not None", "self._expected", _APPROVAL_TESTS
    ),
    Mutation(
        "approval-of-another-workflow-counts",
        _APPROVAL,
        "workflow is None or str(workflow) == str(self._workflow)",
        "True",
        _APPROVAL_TESTS,
    ),
    Mutation("expected-plan-is-not-compared", _APPROVAL, "self._expected in (None, plan)", "True", _APPROVAL_TESTS),
    Mutation(
        "plan-with-an-obstacle-is-permitted",
        _APPROVAL,
        "obstacle or not self._permits(plan)",
        "not self._permits(plan)",
        _APPROVAL_TESTS,
    ),
    Mutation("long-plan-is-approved-unseen", _APPROVAL, "entries = []", "pass", _APPROVAL_TESTS),
    Mutation("value-of-a-secret-is-in-the-digest", _CONTENT, '{"secret": True}', "str(value)", _CONTENT_TESTS),
    Mutation("time-of-a-snapshot-does-not-count", _CONTENT, "one.created", "None", _CONTENT_TESTS),
    Mutation("address-without-checksum-is-approved", _CONTENT, 'not image.get("digest")', "False", _CONTENT_TESTS),
    Mutation("approval-is-not-asked", _LIMITS, "not any(work.plan.refusal for work in works)", "False", _LIMITS_TESTS),
    Mutation("new-plan-is-not-compared", _LIMITS, "progress.is_limited", "False", _LIMITS_TESTS),
)
