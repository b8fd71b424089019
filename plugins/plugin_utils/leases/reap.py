# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action plugin of ``reap``: ends the expired VMs and snapshots of all inventory sources."""

from __future__ import annotations

from itertools import compress
from operator import not_

from ansible.utils.display import Display

from ...module_utils._core.errors import InvalidInput
from ...module_utils._core.record.leases import seconds
from ..inventory.sources import sources_for
from ..tasks.controller_action import OverSources
from ..tasks.in_process import now
from . import decisions

_INFO, _VM, _SNAPSHOT = "polyvirt.core.vm_info", "polyvirt.core.vm", "polyvirt.core.vm_snapshot"
#: {action: what is read of the VMs}. Only a run that deletes also ends snapshots, which cannot be stopped.
_READ = {
    decisions.DELETE: {"facets": ["power", "config", "snapshots"], "required": True},
    decisions.STOP: {"facets": ["power", "config"], "filters": {"expired": True, "owned": True}, "required": True},
}


class Reap(OverSources):
    def _answer(self, options, check, approval):
        self._options, self._grace = options, seconds(options["grace"], "grace") // 60
        self._sources = sources_for(self._loader, self._task_vars, options["sources"], self.own)
        if not self._sources.names:
            files = ", ".join(self._sources.paths) or "the inventory files of this run"
            raise InvalidInput(
                f"No inventory source of polyvirt.core.vms is defined in {files}.",
                "Set -i or reap_sources to a file that exists and defines one. AWX needs reap_sources.",
            )
        found, unread = self._due()
        permitted = [decisions.is_permitted(vm, options["pools"] or ()) for _source, vm in found]
        due = list(compress(found, permitted))
        kept = [decisions.entry_of_kept(vm, source) for source, vm in compress(found, map(not_, permitted))]
        how = (options["action"], self._grace, options["stop_mode"])
        tasks = {
            _label(name, one): (name, _module_of(one), {**self._where(name), **decisions.options_of(one, *how)})
            for name, one in due
        }
        results = self._planned_first(tasks, options["timeout"], check, approval)
        entries = [
            decisions.entry_of(vm, source, result, options["action"]) for (source, vm), result in zip(due, results)
        ]
        entries += kept
        for line in decisions.table(entries, check):
            Display().display(line)
        return _answer_of(entries, unread, self._sources.optional)

    def _due(self):
        """Return ([(source, VM or snapshot)] that have expired, {source: why it cannot be read})."""
        what = _READ[self._options["action"]]
        tasks = [(name, _INFO, {**self._where(name), **what}) for name in self._sources.names]
        found = dict(zip(self._sources.names, self._run_each(tasks, self._options["timeout"], check=True)))
        unread = {name: str(result["msg"]) for name, result in found.items() if result.get("failed")}
        limits = (now(), self._grace * 60, self._options["owner"])
        due = [
            (name, one)
            for name, result in found.items()
            for decide in (decisions.due, decisions.due_snapshots)
            for one in decide(result.get("vms") or (), *limits)
        ]
        return due, unread

    def _where(self, source):
        return {"platform": self._sources.source(source).platform, "options": self._sources.connection(source)}


def _module_of(one):
    return _SNAPSHOT if one.get("snapshot") else _VM


def _label(source, one):
    """Return the name of a part of the plan."""
    snapshot = one.get("snapshot")
    of_snapshot = f": snapshot '{snapshot['name']}' ({snapshot['id']})" if snapshot else ""
    return f"{source}: {one['name']} ({one.get('id')}){of_snapshot}"


def _answer_of(entries, unread, optional):
    failed = [f"{one['source']}: {one['name']}: {one['msg']}" for one in entries if one["outcome"] == decisions.FAILED]
    problems = {name: f"The source {name} cannot be read, so nothing was done there: {unread[name]}" for name in unread}
    failed += [problem for name, problem in problems.items() if name not in optional]
    changed = any(one["outcome"] not in (decisions.FAILED, decisions.KEPT) for one in entries)
    kept = [one for one in entries if one["outcome"] == decisions.KEPT and one["msg"]]
    warnings = [f"{one['source']}: {one['name']} has expired and is kept: {one['msg']}" for one in kept]
    warnings += [problem for name, problem in problems.items() if name in optional]
    answer = {"changed": changed, "vms": entries, "unread": sorted(unread), "warnings": warnings}
    return {**answer, "failed": True, "msg": "\n".join(failed)} if failed else answer
