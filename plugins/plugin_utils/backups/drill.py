# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A drill: the newest backup of each VM is restored as a copy without network, started and deleted again.

The name of a copy has the ID of its backup, and its record the same ID from its first moment. Its fleet and its expiry
are recorded before it starts. So the next drill knows what an interrupted one has left, and deletes nothing else.
"""

from __future__ import annotations

import time

from ..tasks.over_platforms import plan_of, shown_plans
from . import decisions
from .decisions import FLEET, backup_of

#: {platform: option of its own module that says where the disks of a restored VM are created}
COPIES = {"libvirt": "disk_directory", "proxmox": "disk_storage"}
#: Lines of the console that are searched, and seconds between two searches.
_LINES, _DELAY = 1000, 5
_BACKUP, _INFO, _VM = "polyvirt.core.vm_backup", "polyvirt.core.vm_info", "polyvirt.core.vm"


class Drill:
    def __init__(self, options, run_each, now, clock=time.monotonic, sleep=time.sleep):
        self._options, self._run_each, self._now, self._clock, self._sleep = options, run_each, now, clock, sleep

    def run(self, vms, check, approval):
        """Return ({vm: its entry}, whether a copy of an earlier drill was deleted, warnings).

        ``vms`` is {vm: (where it is, options of its backups)}.
        """
        self._vms = vms
        decisions.check_console(vms, self._options["console"])
        listed = self._each({vm: (vm.source, _BACKUP, self._listing(vm)) for vm in vms})
        found = {vm: decisions.newest(vm, result, self._now) for vm, result in listed.items()}
        entries = {vm: decisions.failed_entry(vm, problem) for vm, (_backup, problem) in found.items() if problem}
        chosen = {vm: backup for vm, (backup, problem) in found.items() if not problem}
        left, warnings = self._left(listed)
        planned = self._each({vm: (vm.source, _BACKUP, self._restore(vm, one["id"])) for vm, one in chosen.items()})
        for vm, result in planned.items():
            if result.get("failed"):
                entries[vm] = decisions.failed_entry(vm, result.get("msg"), chosen.pop(vm))
        plans = {f"{vm.source}: delete {decisions.name_of(backup)}": backup for vm, backup in left}
        plans.update({f"{vm.source}: {vm.name}: {one['id']}": plan_of(planned[vm]) for vm, one in chosen.items()})
        approval.permit_parts(plans, shown_plans({vm: planned[vm] for vm in chosen}))
        if check:
            planned = {vm: decisions.drilled(vm, one, self._now) for vm, one in chosen.items()}
            return {**entries, **planned}, bool(left), warnings
        warnings += [line for one in left for line in self._removed(*one)]
        return {**entries, **{vm: self._drilled(vm, one) for vm, one in chosen.items()}}, bool(left), warnings

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
        """Return ([(VM, ID of the backup)] of copies that earlier drills of these VMs left, warnings about others).

        Check mode accepts to restore a backup as a VM that exists only if this VM came from this backup, or if its
        restore was interrupted. Copies of other VMs may be those of a drill that still runs.
        """
        sources = {vm.source: where for vm, (where, _asked) in self._vms.items()}
        found = self._each({source: (source, _INFO, {**one, "facets": ["config"]}) for source, one in sources.items()})
        copies = [(source, one) for source, result in found.items() for one in result.get("vms") or ()]
        copies = [(source, one, backup) for source, one in copies if (backup := backup_of(one["name"]))]
        owners = {
            (vm.source, one["id"]): vm for vm, result in listed.items() for one in decisions.own_backups(vm, result)
        }
        left, warnings = [], []
        for source, one, backup in copies:
            vm = owners.get((source, backup))
            if vm and not self._one(vm, _BACKUP, self._restore(vm, backup), True).get("failed"):
                left.append((vm, backup))
            elif vm or one["fleet"] != FLEET:
                warnings.append(f"{source}: {one['name']} was not restored by a drill of these VMs, and is kept.")
        return left, warnings

    def _removed(self, vm, backup):
        """Delete a copy that an earlier drill has left; an interrupted restore is completed first."""
        restored = self._one(vm, _BACKUP, self._restore(vm, backup))
        if not restored.get("failed"):
            restored = self._one(vm, _VM, decisions.removal(self._vms[vm][0], restored["vms"][0]["id"]))
        why = f"{decisions.name_of(backup)} of an earlier drill was not deleted: {restored.get('msg')}"
        return [f"{vm.source}: {why}"] if restored.get("failed") else []

    def _drilled(self, vm, backup):
        """Return the entry of a VM after its drill. What was restored is deleted, whatever happens to it."""
        where, _asked = self._vms[vm]
        begin = self._clock()
        restored = self._one(vm, _BACKUP, self._restore(vm, backup["id"]))
        if restored.get("failed"):
            return decisions.drilled(vm, backup, self._now, restored.get("msg"))
        copy = {**where, "id": restored["vms"][0]["id"]}
        try:
            problem = self._start(vm, copy, decisions.name_of(backup["id"]))
            seconds = int(self._clock() - begin)
        finally:
            deleted = self._one(vm, _VM, decisions.removal(where, copy["id"]))
        problem = " ".join(
            filter(None, (problem, f"It was not deleted: {deleted['msg']}" if deleted.get("failed") else ""))
        )
        return decisions.drilled(vm, backup, self._now, problem, seconds)

    def _start(self, vm, copy, name):
        """Return why the copy does not work, or an empty text."""
        pattern = self._options["console"]
        log = {"serial_log": f"/var/log/libvirt/qemu/{name}.console"} if pattern else {}
        options = {**copy["options"], **log}
        result = self._one(vm, _VM, {**copy, "options": options, **decisions.started(self._options)})
        if result.get("failed"):
            return str(result.get("msg"))
        end = self._clock() + self._options["wait_timeout"]
        while pattern and not decisions.shows(self._one(vm, _INFO, self._console_of(copy, name), True), pattern):
            if self._clock() >= end:
                return f"its console does not show '{pattern}' after {self._options['wait_timeout']} s."
            self._sleep(_DELAY)
        return ""

    def _console_of(self, copy, name):
        where = {key: one for key, one in copy.items() if key != "id"}
        return {**where, "name": [name], "facets": ["power"], "console": _LINES}

    def _one(self, vm, module, arguments, check=False):
        return self._each({vm: (vm.source, module, arguments)}, check)[vm]
