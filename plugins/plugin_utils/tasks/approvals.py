# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a module has to know of the play, so that it carries out only a plan that was approved."""

from __future__ import annotations

from ...module_utils._core.approval import HOST, REVISION, TASK, TEXTS, VARIABLE, WORKFLOW, texts_of

#: The hidden option of the module.
OPTION, EXPECTED = "approval", "expect_plan"
#: {key: names of the variable}; AWX sets each with both of its prefixes.
_OF_JOB = {
    REVISION: ("awx_project_revision", "tower_project_revision"),
    WORKFLOW: ("awx_workflow_job_id", "tower_workflow_job_id"),
}


def approval_of(task, task_vars, templar):
    """Return the value of the option ``approval``. A variable that cannot be read is an error, never a permission."""
    host = task.delegate_to or task_vars.get("inventory_hostname")
    given = {HOST: host, TASK: task.get_name()}
    for key, names in _OF_JOB.items():
        given[key] = next((templar.template(task_vars[name]) for name in names if name in task_vars), None)
    # A host to which the task is delegated may permit less than the host of the play, which has none.
    of_delegate = (task_vars.get("ansible_delegated_vars") or {}).get(task.delegate_to) or {}
    variables = next((one for one in (task_vars, of_delegate) if VARIABLE in one), {})
    if VARIABLE in variables:
        given[VARIABLE] = templar.template(variables[VARIABLE])
        given[TEXTS] = texts_of(templar.template(task_vars.get(TEXTS)), given)
    return given
