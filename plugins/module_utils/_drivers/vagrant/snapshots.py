# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots: taken, deleted and restored, with a record of the settings that a VM had."""

from __future__ import annotations

from ..._ports.clock import epoch
from .settings.table import description_of


def snapshot(driver, vm, step):
    name = step.arguments["name"]
    # A step may be sent twice: the snapshot is of the first time.
    created = driver.snapshot_times.setdefault((vm.name, name), epoch())
    driver.tool_for(vm).take_snapshot(vm.name, vm.id, step.arguments)
    known = driver.known(vm.name)
    then = {
        "created": created,
        "power": step.arguments["power"],
        "machine": dict(known.described) if known.described else None,
        "ran": known.record.get("ran"),
    }
    driver.project.record(vm.name, snapshots={**known.record.get("snapshots", {}), name: then})


def drop_snapshot(driver, vm, step):
    driver.tool_for(vm).delete_snapshots(vm.name, vm.id, step.arguments)
    recorded = driver.known(vm.name).record.get("snapshots", {})
    left = {name: then for name, then in recorded.items() if name not in step.arguments["names"]}
    if left != recorded:
        driver.project.record(vm.name, snapshots=left)


def restore(driver, vm, step):
    """The provider restores the VM, and this its description: else the next start would undo what was restored."""
    driver.tool_for(vm).restore_snapshot(vm.name, vm.id, step.arguments)
    taken = next(one for one in vm.snapshots if step.arguments["id"] in (one.id, one.name))
    if taken.config is not None:
        driver.project.define(description_of(vm.name, taken.config))
        # It runs with the settings of its last start before the snapshot, which may differ from its description.
        driver.project.record(vm.name, ran=driver.known(vm.name).record["snapshots"][taken.name]["ran"])
