# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a module has to know of the play, so that it carries out only a plan that was approved."""

from __future__ import annotations

from ...module_utils._core.results.approval import (
    HOST,
    OPTION,
    REACHED,
    REVISION,
    TASK,
    TEXTS,
    VARIABLE,
    WORKFLOW,
    explicit,
    texts_of,
)

#: {key: names of the variable}; AWX sets each with both of its prefixes.
_OF_JOB = {
    REVISION: ("awx_project_revision", "tower_project_revision"),
    WORKFLOW: ("awx_workflow_job_id", "tower_workflow_job_id"),
}


#: Names of options of connection plugins with the address of the host, and with its port.
_ADDRESSES = ("host", "remote_addr", "port")
_DELEGATED = "ansible_delegated_vars"


def arguments_of(action, task_vars):
    """Return the arguments of an action's task for its module, with the option ``approval``."""
    approval = approval_of(action._task, task_vars, action._templar, action._connection)
    return {**explicit(action._task.args), OPTION: approval}


def approval_of(task, task_vars, templar, connection=None):
    """Return the value of the option ``approval``. A variable that cannot be read is an error, never a permission.

    ``connection`` is that to the host on which the module runs; None if it runs on the controller for any host.
    """
    host = task.delegate_to or task_vars.get("inventory_hostname")
    given = {HOST: host, TASK: task.get_name(), REACHED: _reached_by(connection)}
    for key, names in _OF_JOB.items():
        given[key] = next((templar.template(task_vars[name]) for name in names if name in task_vars), None)
    # A host to which the task is delegated may permit less than the host of the play, which has none.
    of_delegate = (task_vars.get(_DELEGATED) or {}).get(task.delegate_to) or {}
    variables = next((one for one in (task_vars, of_delegate) if VARIABLE in one), {})
    if VARIABLE in variables:
        given[VARIABLE] = templar.template(variables[VARIABLE])
        given[TEXTS] = texts_of(templar.template(task_vars.get(TEXTS)), given)
    return given


def without_approvals(task_vars):
    """Return variables for the parts of a task, whose plans are permitted together: neither the host nor one in
    ``delegate_to`` limits them.
    """
    delegated = task_vars.get(_DELEGATED) or {}
    freed = {_DELEGATED: {host: _without_variable(of_host) for host, of_host in delegated.items()}} if delegated else {}
    return {**_without_variable(task_vars), **freed}


def _without_variable(variables):
    return {name: value for name, value in variables.items() if name != VARIABLE}


def _reached_by(connection):
    """Return the kind of a connection, and the address and port of its host; the plugin for this host has neither."""
    if connection is None:
        return None
    found = {"connection": connection.transport}
    for name in _ADDRESSES:
        try:
            found[name] = connection.get_option(name)
        except KeyError:
            pass  # The plugin has no such option.
    return found
