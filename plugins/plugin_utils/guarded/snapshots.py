# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots of guarded VMs, by the module vm_snapshot on the inventory source of each VM."""

from __future__ import annotations

from .decisions import description

_SNAPSHOT, _VM = "polyvirt.core.vm_snapshot", "polyvirt.core.vm"
_RUNNING = "running"


class Snapshots:
    """Each method returns {vm: result of the module}; a result of a failed task has ``failed`` and ``msg``.

    ``check``: whether this is check mode, in which every task of a module is one too.
    """

    def __init__(self, sources, seconds, check):
        self._sources, self._seconds, self._check = sources, seconds, check
        self._undescribed = set()

    def plan(self, vms, name, playbook):
        """Plan a new snapshot of each VM. The results also have the state and the snapshots of the VM."""
        results = self._run({vm: self._new(vm, name, playbook, check=True) for vm in vms})
        refused = [vm for vm, result in results.items() if result.get("failed")]
        if not refused:
            return results
        # Some providers of Vagrant store no descriptions: only if this was the reason is the second plan good.
        self._undescribed.update(refused)
        return {**results, **self._run({vm: self._new(vm, name, playbook, check=True) for vm in refused})}

    def take(self, states, name, playbook):
        """Take a snapshot of each VM; ``states`` is {vm: power state}."""
        return self._run({vm: self._new(vm, name, playbook, state) for vm, state in states.items()})

    def restore(self, snapshots):
        """Restore each VM; ``snapshots`` is {vm: (name, power state at that time)}.

        A snapshot without memory is that of a stopped VM, so a VM that was running is started again.
        """
        results = self._run({vm: self._task(vm, name, "restored") for vm, (name, _state) in snapshots.items()})
        stopped = [
            vm
            for vm, result in results.items()
            if not result.get("failed") and snapshots[vm][1] == _RUNNING and state_of(result) == "stopped"
        ]
        started = self._run({vm: self._described(_VM, vm, state="started") for vm in stopped})
        return {**results, **{vm: {**result, "restored": True} for vm, result in started.items()}}

    def delete(self, snapshots):
        """Delete snapshots of VMs; ``snapshots`` is {vm: [name]}. One that does not exist is no error."""
        tasks = [(vm, self._task(vm, name, "absent")) for vm, names in snapshots.items() for name in names]
        results = {}
        for vm, result in self._run_all(tasks):
            if not results.get(vm, {}).get("failed"):
                results[vm] = result
        return results

    def _new(self, vm, name, playbook, state="unknown", check=False):
        more = {} if vm in self._undescribed else {"description": description(playbook, state)}
        return self._task(vm, name, "present", check, **more)

    def _task(self, vm, name, state, check=False, **more):
        return self._described(_SNAPSHOT, vm, check, snapshot=name, state=state, **more)

    def _described(self, module, vm, check=False, **more):
        arguments = {"platform": vm.platform, "options": self._sources.connection(vm.source), **vm.which, **more}
        # A failure must not keep the other VMs of the source from being restored.
        return {module: arguments, "check_mode": self._check or check, "ignore_errors": True}

    def _run(self, tasks):
        return dict(self._run_all(list(tasks.items())))

    def _run_all(self, tasks):
        """Run [(vm, task)], and return [(vm, result)]."""
        results = self._sources.run_each([(vm.source, task) for vm, task in tasks], self._seconds)
        return [(vm, result) for (vm, _task), result in zip(tasks, results)]


def state_of(result):
    """Return the power state of the VM of a result, None if it is unknown."""
    return next((vm.get("state") for vm in result.get("vms") or ()), None)
