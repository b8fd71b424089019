# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a module has to know of the play, so that it carries out only a plan that was approved."""

from __future__ import annotations

import json
import re

from ansible.errors import AnsibleActionFail
from ansible.module_utils.parsing.convert_bool import boolean

from ...module_utils._core.record.document_secrets import is_secret_key
from ...module_utils._core.results.approval import (
    HOST,
    OPTION,
    PROGRAMS,
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


#: {why options of connection and become plugins choose neither the host nor the account on it: these options}.
#: docs/approvals.md lists all options of the plugins that ansible-core ships.
_REASONS = {
    "how long the connection waits": (
        "timeout", "connection_timeout", "operation_timeout", "read_timeout", "become_success_timeout",
        "reconnection_retries", "reconnection_backoff",
    ),
    "how data is sent": ("pipelining", "sftp_batch_mode", "ssh_transfer_method", "max_envelope_size", "use_tty"),
    "how a password is asked for": ("sshpass_prompt", "password_mechanism", "prompt_l10n", "become_strip_preamble"),
    "what is printed": ("verbosity",),
}  # fmt: skip
OTHERS = {option: reason for reason, options in _REASONS.items() for option in options}
#: The extra variable of job templates that only check.
CHECK_ONLY = "polyvirt_check_only"
_DELEGATED, _INTERPRETER = "ansible_delegated_vars", "ansible_python_interpreter"
#: {what a variable that limits can be, as text: whether it limits}
_CLEAR = {**dict.fromkeys(("true", "yes", "on", "1"), True), **dict.fromkeys(("false", "no", "0"), False)}
#: The variables that limit tasks, and how many letters of their names may be wrong until they are names of others.
_LIMITS, _WRONG = (CHECK_ONLY, VARIABLE), 2
_SEPARATORS = re.compile(r"[\W_]+")


def limit_to_check_mode(action, task_vars):
    """Set the check mode of a task in a job that may only check, whatever its play says (``check_mode: false``)."""
    _check_names({*task_vars, *_of_delegate(action._task, task_vars)})
    if CHECK_ONLY not in task_vars or not _is_limit(CHECK_ONLY, action._templar.template(task_vars[CHECK_ONLY])):
        return
    if action._task.async_val:
        raise AnsibleActionFail(f"{CHECK_ONLY} is set, and a task with async has no check mode. Remove async.")
    action._task.check_mode = True


def check_pruned_once(action, task_vars):
    """Raise if ``prune`` would be applied several times to one fleet: each time, it deletes the VMs of the others."""
    task = action._task
    if not boolean(task.args.get("prune") or False, strict=False):
        return
    written = (task.get_ds() or {}).get("delegate_to") or ""
    is_shared = written and written == task.delegate_to and not task.run_once
    reason = "the task has a loop" if task.loop is not None or task.loop_with else ""
    if is_shared and len(task_vars.get("ansible_play_hosts_all", ())) > 1:
        reason = f"each host of the play runs the task on {task.delegate_to}"
    if reason:
        raise AnsibleActionFail(
            f"prune: {reason}, and each time the VMs of the others would be deleted. List all VMs of the fleet in one"
            " task (machines), or set run_once."
        )


def arguments_of(action, task_vars):
    """Return the arguments of an action's task for its module, with the option ``approval``."""
    approval = approval_of(action._task, task_vars, action._templar, action._connection)
    return {**explicit(action._task.args), OPTION: approval}


def approval_of(task, task_vars, templar, connection=None):
    """Return the value of the option ``approval``. A variable that cannot be read is an error, never a permission.

    ``connection`` is that to the host on which the module runs; None if it runs on the controller for any host.
    """
    host = task.delegate_to or task_vars.get("inventory_hostname")
    given = {HOST: host, TASK: task.get_name(), REACHED: _reached_by(connection, task_vars, templar)}
    given[PROGRAMS] = _environment_of(task, templar)
    for key, names in _OF_JOB.items():
        given[key] = next((templar.template(task_vars[name]) for name in names if name in task_vars), None)
    # A host to which the task is delegated may permit less than the host of the play, which has none.
    variables = next((one for one in (task_vars, _of_delegate(task, task_vars)) if VARIABLE in one), {})
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


def _of_delegate(task, task_vars):
    return (task_vars.get(_DELEGATED) or {}).get(task.delegate_to) or {}


def _without_variable(variables):
    return {name: value for name, value in variables.items() if name != VARIABLE}


def _is_limit(name, value):
    """Whether a variable limits. Only what is clearly false lifts a limit; what is not clear is an error."""
    is_limit = _CLEAR.get(str(value).lower()) if isinstance(value, (str, int)) else None
    if is_limit is None:
        found = json.dumps(value, default=str)
        raise AnsibleActionFail(f"{name}: {found} is neither true nor false. Set true or false, or omit the variable.")
    return is_limit


def _check_names(names):
    """Reject names that are near to that of a variable that limits: without that one, nothing is limited."""
    for name in names.difference(_LIMITS):
        letters = _SEPARATORS.sub("", str(name)).lower()
        meant = next((one for one in _LIMITS if _is_near(letters, _SEPARATORS.sub("", one))), None)
        if meant:
            raise AnsibleActionFail(f"{name} is not known. Did you mean {meant}? Rename the variable if not.")


def _is_near(name, other):
    """Whether two names differ by so few letters that one may be the other."""
    third = len(other) // (_WRONG + 1)
    # Each task compares many names: quickly, because one of three parts is as it should be.
    if abs(len(name) - len(other)) > _WRONG or not any(other[at : at + third] in name for at in (0, third, 2 * third)):
        return False
    row = list(range(len(other) + 1))
    for place, letter in enumerate(name, 1):
        above, row = row, [place]
        for at, its in enumerate(other):
            row.append(min(above[at] + (letter != its), above[at + 1] + 1, row[at] + 1))
    return row[-1] <= _WRONG


def _reached_by(connection, task_vars, templar):
    """Return all that chooses the host and the account of a task; of secrets only whether they are set."""
    if connection is None:
        return None
    found = {"connection": connection.transport, **_options_of(connection)}
    become = getattr(connection, "become", None)
    if become is not None:
        found["become"] = {"method": become.name, **_options_of(become)}
    if _INTERPRETER in task_vars:
        found["interpreter"] = templar.template(task_vars[_INTERPRETER])
    return found


def _options_of(plugin):
    return {name: shown(name, value) for name, value in plugin.get_options().items() if name not in OTHERS}


def shown(name, value):
    """Return what a plan holds of an option or a variable of the environment."""
    is_secret = is_secret_key(name) or name in ("private_key", "certificate_key_pem")
    return value is not None if is_secret else value if isinstance(value, (bool, int, type(None))) else str(value)


def _environment_of(task, templar):
    """Return the environment that the task sets, which can choose other programs."""
    set_by_task = [templar.template(one) for one in getattr(task, "environment", None) or ()]
    return {name: shown(name, value) for one in set_by_task if isinstance(one, dict) for name, value in one.items()}
