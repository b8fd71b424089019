# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Vagrant: creates, deletes and restores snapshots, and records the settings that a VM had at that time."""

from __future__ import annotations

from ..._core.record.leases import leased, stored, with_expiry, without
from ..._ports.clock import epoch
from .project import EXPIRIES
from .settings.table import changed_description, config_of


def snapshot(driver, vm, step):
    name = step.arguments["name"]
    # If the step is sent twice, the snapshot may be of the first time.
    created = driver.snapshot_times.setdefault((vm.name, name), epoch())
    driver.tool_for(vm).take_snapshot(vm.name, vm.id, step.arguments)
    project_vm = driver.project_vm(vm.name)
    recorded = {
        "created": created,
        "power": step.arguments["power"],
        "machine": dict(project_vm.described) if project_vm.described else None,
        "ran": project_vm.record.get("ran"),
    }
    known = project_vm.record
    # Another tool may have deleted an earlier snapshot with this name.
    expiries = with_expiry(known.get(EXPIRIES, {}), name, _expiry(step.arguments["expires"], created))
    snapshots = {**known.get("snapshots", {}), name: recorded}
    driver.project.record(vm.name, snapshots=snapshots, **{EXPIRIES: expiries})


def edit_snapshot(driver, vm, step):
    """Record another expiry, with the time of the snapshot: it is not that of another one with the same name."""
    name, expires = step.arguments["name"], step.arguments["expires"]
    created = next(one.created for one in vm.snapshots if one.name == name)
    recorded = driver.project_vm(vm.name).record.get(EXPIRIES, {})
    driver.project.record(vm.name, **{EXPIRIES: with_expiry(recorded, name, _expiry(expires, created))})


def _expiry(expires, created):
    return {**stored(expires), "created": created} if expires else None


def drop_snapshot(driver, vm, step):
    driver.tool_for(vm).delete_snapshots(vm.name, vm.id, step.arguments)
    recorded = driver.project_vm(vm.name).record
    kept = {key: without(recorded.get(key, {}), step.arguments["names"]) for key in ("snapshots", EXPIRIES)}
    if any(kept[key] != recorded.get(key, {}) for key in kept):
        driver.project.record(vm.name, **kept)


def restore(driver, vm, step):
    """Restore the VM, and its description: otherwise the next start would undo the restored settings."""
    driver.tool_for(vm).restore_snapshot(vm.name, vm.id, step.arguments)
    taken = next(one for one in vm.snapshots if step.arguments["id"] in (one.id, one.name))
    if taken.config is not None:
        described = driver.project_vm(vm.name).described
        driver.project.define(changed_description(described, leased(taken.config, config_of(described))))
        # The VM runs with the settings of its last start before the snapshot, which may differ from its description.
        driver.project.record(vm.name, ran=driver.project_vm(vm.name).record["snapshots"][taken.name]["ran"])
