# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A drill: the newest backup of each VM is restored as a copy without network, started and deleted again.

The name of a copy has the ID of its backup, and its record the same ID from its first moment. Its fleet and its expiry
are recorded before it starts. So the next drill knows what an interrupted one has left, and deletes nothing else.
"""

from __future__ import annotations

from ..tasks.over_platforms import plan_of, shown_plans
from . import decisions
from .decisions import FLEET, backup_of

#: {platform: option of its own module that says where the disks of a restored VM are created}
COPIES = {"libvirt": "disk_directory", "proxmox": "disk_storage"}
_BACKUP, _INFO, _VM = "polyvirt.core.vm_backup", "polyvirt.core.vm_info", "polyvirt.core.vm"


class Drill:
    def __init__(self, sources, options, run_each, now):
        self._sources, self._options, self._run_each, self._now = sources, options, run_each, now

    def run(self, vms, check, approval):
        """Return ({vm: its entry}, whether a copy of an earlier drill was deleted, warnings).

        ``vms`` is {vm: (where it is, options of its backups)}.
        """
        self._vms = vms
        listed = self._each({vm: (vm.source, _BACKUP, self._listing(vm)) for vm in vms})
        found = {vm: decisions.newest(vm, result, self._now) for vm, result in listed.items()}
        entries = {vm: decisions.failed_entry(vm, problem) for vm, (_backup, problem) in found.items() if problem}
        chosen = {vm: backup for vm, (backup, problem) in found.items() if not problem}
        left, warnings = self._left(listed)
        planned = self._each({vm: (vm.source, _BACKUP, self._restore(vm, one["id"])) for vm, one in chosen.items()})
        for vm, result in planned.items():
            if result.get("failed"):
                entries[vm] = decisions.failed_entry(vm, result.get("msg"), chosen.pop(vm))
        plans = {f"{source}: delete {one['name']} ({one['id']})": one["id"] for source, one, _where in left}
        plans.update({f"{vm.source}: {vm.name}: {one['id']}": plan_of(planned[vm]) for vm, one in chosen.items()})
        approval.permit_parts(plans, shown_plans({vm: planned[vm] for vm in chosen}))
        if not check:
            warnings += self._remove(left)
        entries.update(self._carried_out(chosen, check))
        return entries, bool(left), warnings

    def _each(self, tasks, check=True):
        """Run {key: (source, module, arguments)}, and return {key: result}."""
        return dict(zip(tasks, self._run_each(tasks.values(), self._options["timeout"], check)))

    def _listing(self, vm):
        where, asked = self._vms[vm]
        place = {name: asked[name] for name in ("directory", "storage") if name in asked}
        return {**where, **vm.which, **place, **decisions.list_backups(asked)}

    def _restore(self, vm, backup):
        where, asked = self._vms[vm]
        place = {name: asked[name] for name in ("directory", "storage") if name in asked}
        own = {name: asked[name] for name in COPIES.values() if name in asked}
        return {**where, "options": {**where["options"], **own}, **decisions.restore(vm, backup), **place}

    def _left(self, listed):
        """Return ([(source, entry of a copy that an earlier drill has left, where it is)], warnings about others).

        A copy without the fleet was restored just before its drill was killed: its record has the backup.
        """
        where = {vm.source: place for vm, (place, _asked) in self._vms.items()}
        names = self._each({source: (source, _INFO, {**one, "facets": ["list"]}) for source, one in where.items()})
        copies = {
            source: [one["name"] for one in result.get("vms") or () if backup_of(one["name"])]
            for source, result in names.items()
        }
        read = self._each(
            {
                source: (source, _INFO, {**where[source], "name": some, "facets": ["config"]})
                for source, some in copies.items()
                if some
            }
        )
        owners = {
            (vm.source, one["id"]): vm for vm, result in listed.items() for one in decisions.own_backups(vm, result)
        }
        left, warnings = [], []
        for source, one in ((source, one) for source, result in read.items() for one in result.get("vms") or ()):
            backup = backup_of(one["name"])
            vm = owners.get((source, backup))
            if one["fleet"] == FLEET:
                is_ours = vm or decisions.has_expired(one, self._now)
            else:
                checked = self._each({vm: (source, _BACKUP, self._restore(vm, backup))}) if vm else {}
                is_ours = decisions.is_restored(checked.get(vm))
                if not is_ours:
                    warnings.append(f"{source}: {one['name']} was not created by a drill of these VMs, and is kept.")
            if is_ours:
                left.append((source, one, where[source]))
        return left, warnings

    def _remove(self, left):
        tasks = [(source, _VM, decisions.removal(where, one["id"])) for source, one, where in left]
        results = self._run_each(tasks, self._options["timeout"], False)
        return [
            f"{source}: {one['name']} of an earlier drill was not deleted: {result.get('msg')}"
            for (source, one, _where), result in zip(left, results)
            if result.get("failed")
        ]

    def _carried_out(self, chosen, check):
        tasks, places = {}, {}
        for vm, one in chosen.items() if not check else ():
            own = tasks.setdefault(vm.source, [])
            places[vm] = len(own)
            own += decisions.steps(self._vms[vm][0], self._restore(vm, one["id"]), one["id"], self._options, len(own))
        results = self._sources.run(tasks, self._options["timeout"]) if tasks else {}
        return {
            vm: decisions.drilled(
                vm, one, decisions.results_of(results[vm.source], places[vm]) if places else (), self._now
            )
            for vm, one in chosen.items()
        }
