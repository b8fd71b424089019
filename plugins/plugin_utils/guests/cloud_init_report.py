# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a playbook makes of the status of cloud-init in a guest that SSH reaches."""

from __future__ import annotations

from ansible.utils.display import Display

from ...module_utils._core.options.cloud_init import (
    DISABLED,
    MISSING,
    RUNNING,
    UNREADABLE,
    problem_of,
    status_of,
    warning_of,
)


def report_of(output, rc=0, label="the guest", warn=False):
    """Return {state, problem, warning}. Only a failure of cloud-init is a problem.

    SSH answers, so a guest without cloud-init, or without a seed, needs none.
    """
    found = status_of(rc, output)
    problem = problem_of(found, label)
    if found.state in (DISABLED, MISSING) or found.datasource == "none":
        problem = None
    warning = warning_of(found, label)
    if found.state == UNREADABLE:
        problem, warning = None, str(problem)
    if found.state == RUNNING:
        warning = f"{label}: cloud-init is still running."
    if warn and warning and found.state != RUNNING:
        Display().warning(warning)
    return {"state": found.state, "problem": str(problem or ""), "warning": warning}
