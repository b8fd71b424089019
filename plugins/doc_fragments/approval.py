# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations


class ModuleDocFragment:
    """The options of each module that can change something (the argument spec ``APPROVAL``)."""

    DOCUMENTATION = r"""
options:
  expect_plan:
    description:
      - The digest of a plan that was approved, from RV(plan) of this task in check mode. If the plan is another
        one now, the task fails before its first step, in check mode too, and shows the present plan.
      - A task with nothing to do is always permitted. Any other value permits nothing else, also an empty text or null,
        such as the plan of a task that was rejected in check mode.
      - The variable C(polyvirt_approved_plans) does the same for a play or a job. It is a list of digests. Once it is
        defined, it permits only what it contains, also if it is empty. If both are set, both must permit the plan.
      - It is about the task as a whole, so an entry of C(machines) cannot set it.
      - The guide to approvals says what a digest depends on.
    type: str
  approval:
    description: Set by the action plugin of the module only. A value in a task has no effect.
    type: dict
"""
