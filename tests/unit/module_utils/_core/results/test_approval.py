# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An approval permits exactly the plans that were approved. Whatever it does not understand permits nothing."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import InvalidInput, Refused
from ansible_collections.polyvirt.core.plugins.module_utils._core.results.approval import Approval

PARTS, SHOWN = [{"vm": "web"}], [("web", ["web: start", "  state: stopped -> running"])]
HOST = {"host": "hv1", "task": "Start it"}


def plan_of(**given):
    approval = Approval({**HOST, **given})
    approval.permit(PARTS, SHOWN)
    return approval.plan


PLAN = plan_of()


def permits(expected=None, **given):
    approval = Approval({**HOST, **given}, expected)
    try:
        approval.permit(PARTS, SHOWN)
    except Refused:
        assert approval.plan is None
        return False
    return approval.plan == PLAN


def test_without_a_limit_each_plan_is_permitted():
    assert permits() and not Approval(HOST).is_limited


@pytest.mark.parametrize(
    ("expected", "approved", "is_permitted"),
    [
        (PLAN, None, True),
        ("", None, False),
        (f"{PLAN} ", None, False),
        (PLAN.upper(), None, False),
        (None, [PLAN], True),
        (None, ["plan-other", {"plan": PLAN}], True),
        (None, [], False),
        (None, ["plan-other"], False),
        (None, [PLAN[:-1]], False),
        (PLAN, [PLAN], True),
        (PLAN, [], False),
        ("plan-other", [PLAN], False),
    ],
)
def test_both_limits_have_to_permit_a_plan(expected, approved, is_permitted):
    limits = {} if approved is None else {"polyvirt_approved_plans": approved}
    assert permits(expected, **limits) is is_permitted


@pytest.mark.parametrize(
    ("approved_in", "present", "is_permitted"),
    [(7, 7, True), (7, "7", True), (7, 8, False), (7, None, False), (None, 8, False), (None, None, True)],
)
def test_approval_of_a_workflow_job_counts_only_there(approved_in, present, is_permitted):
    entry = {"plan": PLAN, "workflow": approved_in}
    assert permits(workflow=present, polyvirt_approved_plans=[entry]) is is_permitted


@pytest.mark.parametrize(
    "value", [None, PLAN, {"plan": PLAN}, 1, True, [None], [[PLAN]], [{"plan": None}], [{"plan": PLAN, "x": 1}]]
)
def test_variable_that_is_no_list_of_digests_is_an_error(value):
    with pytest.raises(InvalidInput, match="polyvirt_approved_plans"):
        Approval({**HOST, "polyvirt_approved_plans": value})


def test_nothing_to_do_is_always_permitted():
    approval = Approval({**HOST, "polyvirt_approved_plans": []}, "")
    approval.permit([], [])
    assert (approval.plan, approval.artifacts()["data"]["polyvirt_approved_plans"]) == ("", [])


def test_digest_depends_on_where_the_task_acts():
    elsewhere = [plan_of(host="hv2"), plan_of(revision="4f1c"), plan_of(reached={"host": "10.0.0.7"})]
    approval = Approval(HOST, None, [{"uri": "qemu:///session"}])
    approval.permit(PARTS, SHOWN)
    assert len({PLAN, *elsewhere, approval.plan}) == 5
    assert plan_of(task="Another name", workflow=9) == PLAN


def test_plan_that_cannot_be_approved_has_no_digest_and_runs_only_without_a_limit():
    approval = Approval(HOST)
    approval.permit(PARTS, SHOWN, "it has no checksum.")
    assert approval.plan is None and "no checksum" in approval.warnings[0]
    with pytest.raises(Refused, match="no checksum"):
        Approval({**HOST, "polyvirt_approved_plans": [PLAN]}).permit(PARTS, SHOWN, "it has no checksum.")


def test_refusal_shows_the_present_plan_beside_the_approved_one():
    texts = [
        {"plan": "plan-old", **HOST, "vm": "web", "lines": ["web: kill"]},
        {"plan": "plan-x", "host": "hv2", "task": "Start it", "vm": "db", "lines": ["db: delete"]},
        "no entry",
    ]
    given = {**HOST, "polyvirt_approved_plans": ["plan-old"], "polyvirt_plans": texts}
    with pytest.raises(Refused) as raised:
        Approval(given).permit(PARTS, SHOWN)
    text = str(raised.value)
    assert PLAN in text and "state: stopped -> running" in text
    assert "plan-old" in text and "web: kill" in text and "db: delete" not in text
    with pytest.raises(Refused, match="text of no approved plan"):
        Approval({**HOST, "polyvirt_approved_plans": []}).permit(PARTS, SHOWN)


def test_refusal_says_that_the_approval_is_of_another_workflow():
    of_job = {"polyvirt_approved_plans": [{"plan": PLAN, "workflow": 3}]}
    with pytest.raises(Refused, match="in a workflow job, which does not count here"):
        Approval({**HOST, **of_job}).permit(PARTS, SHOWN)
    with pytest.raises(Refused, match="outside of this workflow job, which does not count here"):
        Approval({**HOST, **of_job, "workflow": 4}).permit(PARTS, SHOWN)
    with pytest.raises(Refused, match="outside of this workflow job, which does not count here"):
        Approval({**HOST, "polyvirt_approved_plans": [PLAN], "workflow": 4}).permit(PARTS, SHOWN)


def test_refusal_says_that_the_task_expects_another_plan_than_the_listed_one():
    with pytest.raises(Refused, match=r"expect_plan is plan-other\.") as raised:
        Approval({**HOST, "polyvirt_approved_plans": [PLAN]}, "plan-other").permit(PARTS, SHOWN)
    assert f"This plan was not approved: {PLAN}" in str(raised.value) and "workflow" not in str(raised.value)
    with pytest.raises(Refused, match="expect_plan is null or empty, which permits no change"):
        Approval(HOST, "").permit(PARTS, SHOWN)


def test_artifacts_are_the_plan_with_its_workflow_and_its_text():
    approval = Approval({**HOST, "workflow": 7})
    approval.permit(PARTS, SHOWN)
    assert approval.artifacts() == {
        "data": {
            "polyvirt_approved_plans": [{"plan": PLAN, "workflow": 7}],
            "polyvirt_plans": [{"plan": PLAN, **HOST, "vm": "web", "lines": SHOWN[0][1]}],
        },
        "per_host": False,
        "aggregate": True,
    }


def test_plan_that_is_too_long_to_be_shown_is_not_passed_on():
    approval = Approval(HOST)
    approval.permit(PARTS, [("web", ["x" * 66000])])
    assert approval.artifacts()["data"] == {"polyvirt_approved_plans": [], "polyvirt_plans": []}
    assert "longer than" in approval.warnings[0]


def test_parts_are_one_plan():
    plans = {"libvirt": PLAN, "virtualbox": ""}
    whole, other, nothing, unknown = (Approval(HOST) for _number in range(4))
    whole.permit_parts(plans, SHOWN)
    other.permit_parts({**plans, "virtualbox": "plan-b"}, SHOWN)
    nothing.permit_parts({"libvirt": "", "virtualbox": ""}, [])
    unknown.permit_parts({**plans, "virtualbox": None}, SHOWN)
    assert whole.plan not in (PLAN, other.plan)
    assert (nothing.plan, unknown.plan) == ("", None)
    with pytest.raises(Refused, match="virtualbox"):
        Approval({**HOST, "polyvirt_approved_plans": [whole.plan]}).permit_parts({**plans, "virtualbox": None}, SHOWN)
