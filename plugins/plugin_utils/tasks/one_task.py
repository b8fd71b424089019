# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run tasks on one host through Ansible, with its connection, become and variables."""

from __future__ import annotations

import json
import sys

from ansible import constants, context
from ansible.executor.task_queue_manager import TaskQueueManager
from ansible.inventory.manager import InventoryManager
from ansible.module_utils.common.collections import ImmutableDict
from ansible.playbook.play import Play
from ansible.template import Templar
from ansible.utils.unsafe_proxy import wrap_var
from ansible.vars.manager import VariableManager

from ...module_utils._core.texts import is_harmless

LOCAL = "localhost"
#: The variables with the results of the tasks begin with this.
_RESULT = "__polyvirt_result"
#: Variables that another host needs to connect to the host by SSH.
_REACHED_BY = (
    "ansible_connection", "ansible_host", "ansible_ssh_host", "ansible_port", "ansible_ssh_port", "ansible_user",
    "ansible_ssh_user", "ansible_ssh_private_key_file", "ansible_private_key_file",
)  # fmt: skip


class TaskFailed(Exception):
    """The task failed or has no result; the message is that of the module or connection."""


class _Quiet(TaskQueueManager):
    """Calls no callback plugins: they would report the task as part of the user's play."""

    def load_callbacks(self):
        pass

    def send_callback(self, method_name, *args, **kwargs):
        pass


def run_task(loader, inventory, path, host, module, arguments, seconds, options):
    """Run a task on ``host`` and return {"result": ..., "reached_by": its connection variables}. Raises TaskFailed.

    The other parameters, and what the process must do then, are those of ``run_tasks``.
    """
    ran = run_tasks(loader, inventory, path, host, [{module: arguments}], seconds, options)
    return {"result": _checked(ran["results"][0], host, seconds), "reached_by": ran["reached_by"]}


def run_tasks(loader, inventory, path, host, tasks, seconds, options, without=()):
    """Run ``tasks`` (each with its module and keywords) on ``host``, each for at most ``seconds``.

    Returns {"results": [result of each task; None if it was not run], "reached_by": the host's connection variables}.
    Changes the state of Ansible, so it must run in a process that then exits. ``inventory`` is the InventoryData with
    the host, ``path`` the inventory file, next to which its ``host_vars`` are. The extra variables of the command line
    apply, except for those in ``without``. Only the ``options`` of the source, which a user wrote, may be templates.
    """
    _reset_command_line()
    inventory.reconcile_inventory()
    manager = InventoryManager(loader=loader, sources=[path], parse=False)
    manager.groups.update(inventory.groups)
    manager.hosts.update(inventory.hosts)
    variables = VariableManager(loader=loader, inventory=manager)
    for name in without:
        variables.extra_vars.pop(name, None)
    marked = [unsafe(task, options) for task in tasks]
    play = Play.load(_play(host, marked, seconds), variable_manager=variables, loader=loader)
    queue = _Quiet(inventory=manager, variable_manager=variables, loader=loader, passwords={}, forks=1)
    try:
        queue.run(play)
    finally:
        queue.cleanup()
    found = variables.get_vars(play=play, host=manager.get_host(host))
    templar = Templar(loader=loader, variables=found)
    return {
        "results": [_plain(found.get(f"{_RESULT}_{place}")) for place, _task in enumerate(tasks)],
        "reached_by": {name: templar.template(found[name]) for name in _REACHED_BY if name in found},
    }


def unsafe(value, options=(), of_harmless=str):
    """Return ``value`` with every text marked that can be a template; names of VMs and snapshots come from others.

    ``options`` are left as they are. ``of_harmless`` returns what replaces all other texts.
    """
    if isinstance(value, dict):
        own = {key for key in value if key in options and options[key] == value[key]}
        return {key: one if key in own else unsafe(one, options, of_harmless) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [unsafe(one, options, of_harmless) for one in value]
    if isinstance(value, str):
        return of_harmless(value) if is_harmless(value) else wrap_var(value)
    return value


def _play(host, tasks, seconds):
    listed = [{"timeout": seconds, "register": f"{_RESULT}_{place}", **task} for place, task in enumerate(tasks)]
    strategy = "ansible.builtin.linear"
    return {"name": "polyvirt.core", "hosts": [host], "gather_facts": False, "strategy": strategy, "tasks": listed}


def add_local(inventory):
    """Add localhost to the inventory."""
    inventory.add_host(LOCAL)
    inventory.set_variable(LOCAL, "ansible_connection", "local")
    inventory.set_variable(LOCAL, "ansible_python_interpreter", sys.executable)


def _reset_command_line():
    """Reset the options of the user's command line, except extra variables and vaults: they are for other hosts."""
    defaults = {
        "connection": constants.DEFAULT_TRANSPORT,
        "remote_user": constants.DEFAULT_REMOTE_USER,
        "private_key_file": constants.DEFAULT_PRIVATE_KEY_FILE,
        "timeout": constants.DEFAULT_TIMEOUT,
        "become": constants.DEFAULT_BECOME,
        "become_method": constants.DEFAULT_BECOME_METHOD,
        "become_user": constants.DEFAULT_BECOME_USER,
        **dict.fromkeys(("check", "diff", "step"), False),
        **dict.fromkeys(("start_at_task", "syntax", "subset", "ssh_common_args", "ssh_extra_args", "sftp_extra_args",
                         "scp_extra_args")),
        "tags": ("all",),
        "skip_tags": (),
    }  # fmt: skip
    context.CLIARGS = ImmutableDict({**context.CLIARGS, **defaults})


def _checked(result, host, seconds):
    if result is None:
        raise TaskFailed(f"{host}: the task was not run.")
    if result.get("timedout"):
        raise TaskFailed(f"No answer within {seconds} s.")
    if result.get("failed") or result.get("unreachable"):
        raise TaskFailed(str(result.get("msg") or "The task failed without a message."))
    return result


def _plain(result):
    """The result through JSON: plain values, whatever types this version of Ansible has for them."""
    return json.loads(json.dumps(result, default=str))
