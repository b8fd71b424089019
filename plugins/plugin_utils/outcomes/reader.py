# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A callback plugin that reads the results of the modules of this collection, each one once.

Arguments of tasks are never read: Ansible does not hide those of a task with ``no_log``. No ``assert`` is here or in
the subclasses: from ansible-core 2.19, a failed assertion in a callback plugin ends the run.
"""

from __future__ import annotations

import json
import os
import pwd
from datetime import datetime, timezone

from ansible.plugins.callback import CallbackBase

from ..tasks.routing import module_of
from .host_roles import ROLES, HostRoles
from .records import HIDDEN, PROGRESS, platform_of, record, records_of

#: The variables of AWX, each with both of its prefixes, that say who started the job: the first one that is set.
_USERS = ("user_name", "schedule_name", "parent_job_schedule_name")
_PREFIXES = ("awx_", "tower_")
_ASYNC_STATUS = ("ansible.builtin.async_status", "ansible.legacy.async_status", "async_status")


class OutcomeCallback(CallbackBase):
    """Subclasses have ``take(records)``, which is called when a task has ended (records.py)."""

    CALLBACK_VERSION = 2.0
    #: The names of the modules and actions that count begin with this.
    MODULES = "polyvirt.core."
    #: It only repeats what others have reported.
    REPORT = "polyvirt.core.report"

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._run = {"user": local_user(), "job_id": None, "playbook": None, "play": None}
        #: Loops of which items were reported: (host, ID of the task).
        self._loops = set()
        #: {(host, job ID): context} of tasks with ``poll: 0``; async_status has their results.
        self._jobs = {}
        self._roles = HostRoles()

    def take(self, records):
        """Called with at least one record, at once when a task has ended."""
        raise NotImplementedError

    # What Ansible calls -----------------------------------------------------------------------------------------------

    def v2_playbook_on_start(self, playbook):
        self._run["playbook"] = os.path.basename(playbook._file_name)

    def v2_playbook_on_play_start(self, play):
        self._take(self._roles.ended())
        variables = play.get_variable_manager().extra_vars
        self._run.update(play=str(play.get_name()), **started_by(variables))

    def v2_playbook_on_stats(self, stats):
        self._take(self._roles.ended())

    def v2_runner_on_start(self, host, task):
        self._take(self._roles.started(host.get_name(), _role(task)))

    def v2_runner_on_ok(self, result):
        self._read_task(result, has_failed=False)

    def v2_runner_on_failed(self, result, ignore_errors=False):
        self._read_task(result, has_failed=True, is_ignored=ignore_errors)

    def v2_runner_on_unreachable(self, result):
        self._read_task(result, has_failed=True, is_ignored=bool(_fields(result).get("ignore_unreachable")))

    def v2_runner_item_on_ok(self, result):
        self._read_item(result, has_failed=False)

    def v2_runner_item_on_failed(self, result):
        self._read_item(result, has_failed=True)

    def v2_runner_retry(self, result):
        """An attempt of a task with ``until``, not the last one: it counts if it has changed something."""
        self._read(result, has_failed=False, only_changes=True)

    # Each result once -------------------------------------------------------------------------------------------------

    def _read_item(self, result, has_failed):
        self._loops.add(_task_key(result))
        self._read(result, has_failed, is_ignored=has_failed and bool(_fields(result).get("ignore_errors")))

    def _read_task(self, result, has_failed, is_ignored=False):
        if _task_key(result) in self._loops:
            # The result of a loop has those of its items once more.
            self._loops.discard(_task_key(result))
        else:
            self._read(result, has_failed, is_ignored)
        role = _role(_of(result, "task"))
        if role in ROLES:
            self._read_role(result, role, has_failed and not is_ignored)

    def _read(self, result, has_failed, is_ignored=False, only_changes=False):
        action = _action(_of(result, "task"))
        if action == self.REPORT or not (action.startswith(self.MODULES) or action in _ASYNC_STATUS):
            return
        # As plain JSON types, whatever types this version of Ansible has for them.
        found = json.loads(json.dumps(_of(result, "result"), default=str))
        context = self._context(result, found)
        if context is not None:
            # A playbook of this collection ignores it only to fail on each of these hosts.
            ignored = is_ignored and not found.get("failed_hosts")
            records = records_of(found, has_failed, {**context, "is_ignored": ignored})
            self._take([one for one in records if one["changed"] or not only_changes])

    def _read_role(self, result, role, has_failed):
        host, found = _of(result, "host").get_name(), _of(result, "result")
        context = {**self._context_of_task(result, host), "is_ignored": False}
        changed = bool(found.get("changed"))
        if has_failed:
            message = HIDDEN if "censored" in found else str(found.get("msg") or "")
            self._take(self._roles.failed(host, role, changed, message, context))
        else:
            self._take(self._roles.done(host, role, changed, context))

    def _take(self, records):
        if records:
            self.take(records)

    def _context(self, result, found):
        """What the records of a result share; None if it does not count, because the task has only been started."""
        host = str(_fields(result).get("delegate_to") or _of(result, "host").get_name())
        job = (host, found.get("ansible_job_id"))
        is_ended = bool(found.get("finished"))
        if _action(_of(result, "task")) in _ASYNC_STATUS:
            context = self._jobs.pop(job, None) if is_ended else None
            return {**context, "time": now()} if context else None
        context = self._context_of_task(result, host)
        if job[1] is None or is_ended:
            return context
        self._jobs[job] = context
        return None

    def _context_of_task(self, result, host):
        own_host, check = str(_of(result, "host").get_name()), bool(_fields(result).get("check_mode"))
        return self._context_with(_of(result, "task"), own_host, host, check)

    def _context_with(self, task, own_host, host, check):
        module = _action(task).rpartition(".")[2]
        return {
            "time": now(),
            **self._run,
            "task": _task_name(task),
            "module": module,
            "host": host,
            "inventory_host": own_host,
            "platform": platform_of(module),
            "check": check,
        }

    def progress_record(self, task, variables):
        """The record of a task that is running; called in the process of the task, which has no result yet."""
        own_host = str(variables.get("inventory_hostname"))
        context = self._context_with(
            task, own_host, str(task.delegate_to or own_host), bool(task.dump_attrs().get("check_mode"))
        )
        return record(PROGRESS, {**context, "is_ignored": False})


def now():
    """The time as text, in UTC."""
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def local_user():
    """The name of who runs Ansible: also below sudo, and the number of a user without a name."""
    number, by_sudo = os.getuid(), os.environ.get("SUDO_USER") or ""
    if number == 0 and by_sudo:
        return by_sudo
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def started_by(variables):
    """Who started the run, and the job of AWX, by the variables that AWX adds."""
    return {"user": _of_awx(variables, *_USERS) or local_user(), "job_id": _of_awx(variables, "job_id")}


def _of_awx(variables, *names):
    found = (variables.get(f"{prefix}{name}") for name in names for prefix in _PREFIXES)
    return next((str(value) for value in found if value not in (None, "")), None)


# The results of ansible-core 2.16 have only the names with an underscore, those of later versions also the others.


def _of(result, name):
    return getattr(result, name, None) or getattr(result, f"_{name}")


def _fields(result):
    """The keywords of the task, without templates. From ansible-core 2.21, the task itself has them so."""
    return getattr(result, "_task_fields", None) or _of(result, "task").dump_attrs()


def _action(task):
    action = str(getattr(task, "resolved_action", None) or task.action)
    # Several modules of this collection have one action plugin, and Ansible calls that the resolved action.
    return module_of(task) if action.startswith("polyvirt.core.") else action


def _task_name(task):
    """The name of the task as its file has it: values of variables in it could be secrets."""
    written = task.get_ds()
    name = written.get("name") if isinstance(written, dict) else None
    if not name:
        return _action(task)
    return f"{task._role.get_name()} : {name}" if task._role else str(name)


def _role(task):
    """The full name of the role that a task belongs to, or None."""
    return task._role.get_name(include_role_fqcn=True) if task._role else None


def _task_key(result):
    return _of(result, "host").get_name(), _of(result, "task")._uuid
