# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action plugin of ``backup_run``: backups of the VMs behind hosts, and drills that restore the newest ones."""

from __future__ import annotations

from ansible.utils.display import Display

from ...module_utils._core.errors import InvalidInput
from ...module_utils._core.options.backup import PLACES
from ...module_utils._core.options.option_errors import nearest
from ..guarded.decisions import joined, vms_of
from ..inventory.sources import sources_for
from ..leases.decisions import aligned
from ..tasks.controller_action import OverSources
from ..tasks.in_process import now
from ..tasks.routing import declaration
from .decisions import FAILED, apart, backed_up, failed_entry, grouped, together
from .drill import COPIES, Drill

_BACKUP, _PREFIX = "polyvirt.core.vm_backup", "backup_"
#: Options that differ from VM to VM.
_OF_ONE_VM = frozenset({
    "name", "id", "platform", "options", "state", "backup", "new_name", "replace", "networks", "allow_host_access",
    "controller_time", "approval", "expect_plan", "each",
})  # fmt: skip
#: For a run each day, which can begin a few minutes earlier.
_MAX_AGE = "20h"
_COLUMNS = ("outcome", "source", "name", "backup", "start")


class BackupRun(OverSources):
    def _answer(self, options, check, approval):
        self._options, hosts = options, list(dict.fromkeys(options["hosts"]))
        if not hosts:
            raise InvalidInput("hosts matches no host.", "Set it to hosts or groups of the inventory.")
        playbook = "restore_drill" if options["action"] == "drill" else "backup"
        vms = vms_of(hosts, self._variables_of, "it has no backups", f"{playbook}_hosts")
        names = {vm.source for vm in vms}
        where = (self._loader, self._task_vars, options["sources"], self.own, names, f"{playbook}_sources")
        self._sources = sources_for(*where)
        vms = joined(vms, self._sources.where)
        self._requests = {vm: self._request(vm) for vm in vms}
        entries = {vm: failed_entry(vm, problem) for vm in vms if (problem := self._without_place(vm))}
        ready = [vm for vm in vms if vm not in entries]
        run = self._drill if options["action"] == "drill" else self._back_up
        more, changed, warnings = run(ready, check, approval)
        return _answer_of([{**entries, **more}[vm] for vm in vms], changed, warnings, check)

    def _variables_of(self, host):
        return self._task_vars["hostvars"][host]

    def _request(self, vm):
        """Return the options of vm_backup that the (first) host of the VM sets as variables."""
        host, known = vm.hosts[0], {*(declaration("vm_backup").options.keys() - _OF_ONE_VM), *COPIES.values()}
        variables = self._variables_of(host)
        own = [name.removeprefix(_PREFIX) for name in variables if name.startswith(_PREFIX)]
        for name in own:
            # Others that begin with backup_ are those of the user, unless they are misspelt.
            meant = None if name in known else nearest(name, known, cutoff=0.8)
            if meant:
                raise InvalidInput(f"{host}: {_PREFIX}{name} is not known.", f"Did you mean {_PREFIX}{meant}?")
        others = {one for places in (PLACES, COPIES) for name, one in places.items() if name != vm.platform}
        found = {name: variables[f"{_PREFIX}{name}"] for name in own if name in known - others}
        return {name: one for name, one in found.items() if one is not None and one != ""}

    def _without_place(self, vm):
        place = PLACES.get(vm.platform)
        return f"{_PREFIX}{place} is not set." if place and place not in self._requests[vm] else ""

    def _where(self, vm):
        return {"platform": vm.platform, "options": self._sources.connection(vm.source)}

    def _back_up(self, vms, check, approval):
        tasks = {label(vm): (vm.source, _BACKUP, self._present(vm)) for vm in vms}
        results = dict(zip(vms, self._planned_first(tasks, self._options["timeout"], check, approval)))
        warnings = [f"{vm.source}: {one}" for vm, result in results.items() for one in result.get("warnings") or ()]
        changed = any(result.get("changed") for result in results.values())
        return {vm: backed_up(vm, result, now()) for vm, result in results.items()}, changed, warnings

    def _run_each(self, tasks, seconds, check):
        """Run tasks as usual. In check mode, those that differ only in the VM are one task, which reads lists once.

        Changes are made one after the other: each VM is planned again at its turn, and only then stopped if need be.
        """
        tasks, run_each, found = list(tasks), super()._run_each, {}
        groups = [group for group in grouped(tasks) if check and len(group) > 1]
        joined = [together([tasks[place] for place in group]) for group in groups]
        for group, result in zip(groups, run_each(joined, seconds, check)):
            found.update(zip(group, apart(result, len(group))))
        alone = [place for place in range(len(tasks)) if place not in found]
        found.update(zip(alone, run_each([tasks[place] for place in alone], seconds, check)))
        return [found[place] for place in range(len(tasks))]

    def _present(self, vm):
        asked = {name: one for name, one in self._requests[vm].items() if name not in COPIES.values()}
        return {**self._where(vm), **vm.which, "max_age": _MAX_AGE, **asked}

    def _drill(self, vms, check, approval):
        tasks = {vm: (self._where(vm), self._requests[vm]) for vm in vms}
        return Drill(self._options, self._run_each, now()).run(tasks, check, approval)


def label(vm):
    """Return the name of the part of a plan that is about this VM."""
    return f"{vm.source}: {vm.name} ({vm.id})"


def _answer_of(entries, changed, warnings, check):
    head = ("WOULD BE" if check else "OUTCOME", "SOURCE", "VM", "BACKUP", "START")
    for line in aligned([head, *(tuple(str(one[key] or "-") for key in _COLUMNS) for one in entries)]):
        Display().display(line)
    failed = [f"{one['source']}: {one['name']}: {one['msg']}" for one in entries if one["outcome"] == FAILED]
    hosts = [host for one in entries if one["outcome"] == FAILED for host in one["hosts"]]
    warnings = list(dict.fromkeys(warnings))
    answer = {"changed": changed, "vms": entries, "failed_hosts": hosts, "warnings": warnings}
    return {**answer, "failed": True, "msg": "\n".join(failed)} if failed else answer
