# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots: a tree by names, with the memory of a running VM where that was requested."""

from __future__ import annotations

from dataclasses import replace

from ..._lifecycle.errors import Refused
from ..._lifecycle.model import RUNNING, STOPPED, Snapshot
from . import mark
from .cluster import each
from .settings.table import Context, config_of

#: The name by which the list contains the VM itself.
_NOW = "current"
_CUT_OFF = {
    "prepare": "it is being taken, or that was interrupted",
    "delete": "it is being removed, or that was interrupted",
}


def snapshots_of(tool, vm_options):
    reported = tool.get(f"{vm_options.path}/snapshot")
    parent = next((one.get("parent") for one in reported if one["name"] == _NOW), None)
    return tuple(
        Snapshot(
            name=one["name"],
            parent=one.get("parent"),
            power=RUNNING if one.get("vmstate") else STOPPED,
            description=mark.split(one.get("description"))[0],
            created=one.get("snaptime"),
            current=one["name"] == parent,
            unfinished=_CUT_OFF.get(one.get("snapstate"), one.get("snapstate") or ""),
        )
        for one in reported
        if one["name"] != _NOW
    )


def options_in(tool, vm_options, name):
    """The options that a snapshot holds."""
    reported = tool.get(f"{vm_options.path}/snapshot/{name}/config")
    return {key: str(value) for key, value in reported.items()}


def with_configs(tool, vm_options, snapshots, native_keys):
    """The snapshots, each with the settings that it holds."""
    context = Context(vm_options.node, vm_options.vmid, vm_options.pool, native_keys)

    def reported(snapshot):
        options = options_in(tool, vm_options, snapshot.name)
        # A restore does not change the notes of a VM.
        options["description"] = vm_options.stored.get("description", "")
        return replace(snapshot, config=config_of(options, context))

    return tuple(each(reported, snapshots))


def snapshot(driver, vm, step):
    """Take a snapshot that is not there yet."""
    vm_options = driver.observer.read_options(vm.id)
    if any(one.name == step.arguments["name"] and not one.unfinished for one in snapshots_of(driver.tool, vm_options)):
        return
    driver.tool.run(
        "POST",
        f"{vm_options.path}/snapshot",
        snapname=step.arguments["name"],
        description=step.arguments["description"] or None,
        vmstate=step.arguments["power"] == RUNNING or None,
    )


def drop_snapshot(driver, vm, step):
    vm_options = driver.observer.read_options(vm.id)
    there = {one.name for one in snapshots_of(driver.tool, vm_options)}
    for name in step.arguments["names"]:
        if name in there:
            driver.tool.run("DELETE", f"{vm_options.path}/snapshot/{name}")


def restore(driver, vm, step):
    vm_options = driver.observer.read_options(vm.id)
    driver.tool.run("POST", f"{vm_options.path}/snapshot/{step.arguments['name']}/rollback")


def check_snapshots(driver, label, vm_options):
    """Raise Refused where a storage of the VM has no snapshots."""
    if not driver.tool.get(f"{vm_options.path}/feature", feature="snapshot").get("hasFeature", 1):
        raise Refused(
            f"{label}: not all of its disks are on storages with snapshots (raw files and LVM have none).",
            "Move them first: disks[].storage, to a storage such as LVM-thin, ZFS or Ceph, or with format qcow2.",
        )
