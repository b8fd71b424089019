# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The definitions of inventory sources, and tasks that run on them. Values of the sources stay in this process."""

from __future__ import annotations

import os
from functools import partial

from ansible import context
from ansible.errors import AnsibleError
from ansible.inventory.data import InventoryData
from ansible.plugins.loader import action_loader, inventory_loader

from ...module_utils._core.errors import InvalidInput, NotFound
from ...module_utils._core.results.approval import VARIABLE, connections
from ..tasks.child_processes import answers
from ..tasks.registry import PLATFORMS
from ..tasks.routing import action_plugin, declaration

_PLUGIN = "polyvirt.core.vms"
#: Approved plans limit the tasks of the playbook. Those of snapshots cannot be approved: each run has new names.
_WITHOUT = (VARIABLE,)
#: Seconds for the start of Ansible and for the connection, in addition to the limits of the tasks.
_GRACE = 60
#: Variables that say how a host is reached.
_REACHED = ("ansible_host", "ansible_port", "ansible_connection")


class Sources:
    """The sources with these names (None: all), from inventory files.

    ``variables_of(host)`` returns the variables of a host of the inventory, None if there is none; ``own`` are the
    options of the info modules that are no connection options. ``option`` is what names the files.
    """

    def __init__(self, loader, paths, names, variables_of, own, option="guarded_sources"):
        self._loader, self._variables_of, self._own = loader, variables_of, own
        self.paths, self._found = paths, {}
        files = files_of(paths)
        for path in files:
            self._add(path, names)
        missing = sorted(set(names or ()) - set(self._found))
        if missing:
            raise NotFound(
                f"The inventory source {', '.join(missing)} is defined in no inventory file of this run"
                f" ({', '.join(files) or 'there is no file of polyvirt.core.vms'}).",
                f"Set {option} to the file that defines it. Nothing was changed.",
            )

    def _add(self, path, names):
        plugin, inventory = inventory_loader.get(_PLUGIN), InventoryData()
        try:
            defined = plugin.sources_in(inventory, self._loader, path)
        except AnsibleError as error:
            raise InvalidInput(str(error), "Nothing was changed.") from error
        for source in defined:
            if names is not None and source.name not in names:
                continue
            if source.name in self._found:
                raise InvalidInput(
                    f"{path}: another inventory file has a source named {source.name} too, so it is unknown which of"
                    " them has the VMs.",
                    "Set name of both sources to different names. Nothing was changed.",
                )
            if isinstance(source.host, str):
                self._add_host(inventory, source.host)
            self._found[source.name] = plugin, source
            _import_actions(source.platform)

    def _add_host(self, inventory, name):
        variables = self._variables_of(name)
        if variables is not None:
            inventory.add_host(name)
            for key, value in variables.items():
                if key not in _WITHOUT:
                    inventory.set_variable(name, key, value)

    @property
    def names(self):
        return list(self._found)

    @property
    def optional(self):
        """The sources that a run need not read, because ``required: false`` is written in their definitions."""
        return {name for name, (_plugin, source) in self._found.items() if source.required is False}

    def source(self, name):
        """Return the definition of a source."""
        return self._found[name][1]

    def connection(self, name):
        """Return the connection options of a source, for all modules of its platform."""
        _plugin, source = self._found[name]
        return {key: value for key, value in source.options.items() if key not in self._own}

    def where(self, name):
        """Return what says where the VMs of a source are, without secrets: for the digest of a plan."""
        source = self.source(name)
        module = declaration(PLATFORMS[source.platform].vm_info)
        host = source.host if isinstance(source.host, str) else None
        variables = (self._variables_of(host) if host else source.host) or {}
        reached = {key: str(variables[key]) for key in _REACHED if key in variables}
        return [source.platform, host, reached, connections(self.connection(name), module.options)]

    def run(self, tasks, seconds):
        """Run {source: [task]} on all sources at the same time, and return {source: [result]}.

        Each result has ``failed`` and ``msg`` if the task failed or was not run.
        """
        names = list(tasks)
        runs = [partial(self._run, name, tasks[name], seconds) for name in names]
        limits = [len(tasks[name]) * seconds + _GRACE for name in names]
        found = zip(names, answers(runs, limits))
        return {name: _results(answer, len(tasks[name])) for name, answer in found}

    def run_each(self, tasks, seconds):
        """Run [(source, task)] in the same way, and return the results in the same order."""
        by_source = {}
        for name, task in tasks:
            by_source.setdefault(name, []).append(task)
        results = {name: iter(found) for name, found in self.run(by_source, seconds).items()}
        return [next(results[name]) for name, _task in tasks]

    def _run(self, name, tasks, seconds):
        plugin, source = self._found[name]
        return plugin.run(source, tasks, seconds, _WITHOUT)


def _import_actions(platform):
    """Import what all tasks need in this process, once: each task has a process of its own, which inherits it."""
    for name in filter(None, ("vm_snapshot", PLATFORMS[platform].vm_snapshot, PLATFORMS[platform].vm_info)):
        action_loader.get(action_plugin(f"polyvirt.core.{name}"), class_only=True)
        declaration(name)


def _results(answer, count):
    problem = answer.problem or "The task was not run, because an earlier one failed or the host cannot be reached."
    results = answer.value or [None] * count
    return [_failed(problem) if one is None else _marked(one) for one in results]


def _marked(result):
    if result.get("failed") or result.get("unreachable") or result.get("timedout"):
        period = (result.get("timedout") or {}).get("period")
        late = f"No end within {period} s, the limit of the option timeout (of the playbook: NAME_timeout)."
        return {**result, **_failed(late if period else str(result.get("msg") or "The task failed without a message."))}
    return result


def _failed(problem):
    return {"failed": True, "msg": problem}


def sources_for(loader, task_vars, paths, own, names=None, option="guarded_sources"):
    """Return the Sources of a task, from ``paths``, or from the inventory of this run if there are none.

    Ansible renders the variables of hosts for its own tasks, so they are passed on with their templates.
    """
    # With a comma, it is a list of hosts.
    missing = [path for path in paths or () if "," not in path and not os.path.exists(path)]
    if missing:
        raise NotFound(
            f"The inventory file {', '.join(missing)} does not exist.", "Correct its path. Nothing was changed."
        )
    hostvars = task_vars["hostvars"]

    def raw_variables_of(host):
        return dict(hostvars.raw_get(host)) if host in hostvars else None

    return Sources(loader, paths or context.CLIARGS.get("inventory") or (), names, raw_variables_of, own, option)


def files_of(paths):
    """Return the files of ``polyvirt.core.vms`` among ``paths``: files, directories and lists of hosts.

    Relative ones are relative to the current directory, as on the command line; for Ansible, they would be relative to
    the playbook.
    """
    is_source = inventory_loader.get(_PLUGIN).verify_file
    found = []
    for path in map(os.path.abspath, paths):
        if os.path.isdir(path):
            found += [os.path.join(at, name) for at, _names, files in os.walk(path) for name in files]
        else:
            found.append(path)
    return sorted({path for path in found if is_source(path)})
