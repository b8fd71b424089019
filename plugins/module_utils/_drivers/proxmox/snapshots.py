# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proxmox VE: snapshots: listing, taking, deleting and restoring them."""

from __future__ import annotations

from ..._core.errors import Refused, Stale
from ..._core.frozen import replace
from ..._core.model import RUNNING, STOPPED, Snapshot
from ..._core.planner.plan_create import find_snapshot
from ..._core.record.leases import described, in_text
from . import mark
from .cluster import in_parallel
from .own_volumes import notes_with_detached
from .settings.devices import check_memory
from .settings.table import Context, config_of

#: The entry of the VM itself in the list of snapshots.
_CURRENT = "current"
#: {state of a snapshot while a task works on it: reason why it cannot be used}.
_INTERRUPTED = {
    "prepare": "it is being taken, or that was interrupted",
    "delete": "it is being removed, or that was interrupted",
}


def snapshots_of(tool, vm_options):
    reported = tool.get(f"{vm_options.path}/snapshot")
    parent = next((entry.get("parent") for entry in reported if entry["name"] == _CURRENT), None)
    return tuple(
        Snapshot(
            name=entry["name"],
            parent=entry.get("parent"),
            power=RUNNING if entry.get("vmstate") else STOPPED,
            **in_text(mark.split_notes(entry.get("description"))[0], str(vm_options.vmid)),
            created=entry.get("snaptime"),
            current=entry["name"] == parent,
            unfinished=_INTERRUPTED.get(entry.get("snapstate"), entry.get("snapstate") or ""),
        )
        for entry in reported
        if entry["name"] != _CURRENT
    )


def options_in(tool, vm_options, name):
    """The options of the VM that are stored in a snapshot."""
    reported = tool.get(f"{vm_options.path}/snapshot/{name}/config")
    return {key: str(value) for key, value in reported.items()}


def with_configs(tool, vm_options, snapshots, native_keys):
    """The snapshots with the settings that are stored in them."""
    context = Context(vm_options.node, vm_options.vmid, vm_options.pool, native_keys, vm_options.own_mark)

    def with_config(snapshot):
        options = options_in(tool, vm_options, snapshot.name)
        # A restore does not change the notes of a VM.
        options["description"] = vm_options.stored.get("description", "")
        return replace(snapshot, config=config_of(options, context))

    return tuple(in_parallel(with_config, snapshots))


def snapshot(driver, vm, step):
    """Take a snapshot, unless it exists already: a step may be sent twice."""
    vm_options = driver.read_options(vm.id)
    finished = {other.name for other in snapshots_of(driver.tool, vm_options) if not other.unfinished}
    if step.arguments["name"] in finished:
        return
    driver.tool.run(
        "POST",
        f"{vm_options.path}/snapshot",
        snapname=step.arguments["name"],
        description=described(step.arguments["description"], step.arguments["expires"], vm.id) or None,
        vmstate=step.arguments["power"] == RUNNING or None,
    )


def edit_snapshot(driver, vm, step):
    """Store another expiry in the description."""
    vm_options, key = driver.read_options(vm.id), step.arguments["id"]
    found = next((one for one in snapshots_of(driver.tool, vm_options) if one.name == key), None)
    if found is None:
        raise Stale(f"{vm.name}: the snapshot '{key}' was deleted meanwhile.")
    text = described(found.description, step.arguments["expires"], vm.id)
    driver.tool.run("PUT", f"{vm_options.path}/snapshot/{key}/config", description=text)


def drop_snapshot(driver, vm, step):
    vm_options = driver.read_options(vm.id)
    existing = {snapshot.name for snapshot in snapshots_of(driver.tool, vm_options)}
    for name in step.arguments["names"]:
        if name in existing:
            driver.tool.run("DELETE", f"{vm_options.path}/snapshot/{name}")


def restore(driver, vm, step):
    """Restore a snapshot. Volumes that are attached now and not in the snapshot become unused, with any number."""
    vm_options = driver.read_options(vm.id)
    notes = notes_with_detached(vm_options, _disks_in_snapshot(driver, vm, step.arguments["name"]))
    if notes and driver.permissions.has(f"/vms/{vm.id}", "VM.Config.Options"):
        # The notes are not restored.
        driver.tool.put(f"{vm_options.path}/config", description=notes, digest=vm_options.digest)
    driver.tool.run("POST", f"{vm_options.path}/snapshot/{step.arguments['name']}/rollback")


def _disks_in_snapshot(driver, vm, name):
    """The volumes of the disks in a snapshot, as they were read for the plan."""
    found = find_snapshot(driver.planned_vms.get(vm.id, vm), name)
    disks = ((found and found.config) or {}).get("disks") or {}
    return {disk["source"] for disk in disks.values()}


def check_snapshots(driver, plan, one):
    """Raise Refused for a snapshot that cannot be taken, or that cannot run after its restore."""
    label, vm, step = plan.after.name, plan.before, one.step
    if step.verb == "restore":
        _check_restored(driver, label, vm, find_snapshot(vm, step.arguments["id"]))
    if step.verb != "snapshot":
        return
    if vm.config.get("template"):
        raise Refused(
            f"{label}: it is a template, which has no snapshots.", "Clone it, and take a snapshot of the clone."
        )
    if step.arguments["power"] == RUNNING:
        check_memory(driver, label, vm, "Set include_memory: false, or stop the VM first.")
    path = driver.last_options(vm.id).path
    if not driver.tool.get(f"{path}/feature", feature="snapshot").get("hasFeature", 1):
        raise Refused(
            f"{label}: not all of its disks are on storages with snapshots (raw files and LVM have none).",
            "Move them first: disks[].storage, to a storage such as LVM-thin, ZFS or Ceph, or with format qcow2.",
        )


def _check_restored(driver, label, vm, snapshot):
    """Raise Refused for too many CPUs: a snapshot with memory is running as soon as it is restored."""
    if snapshot is not None and snapshot.power == RUNNING:
        driver.resources.check_cpus(label, vm.config["node"], (snapshot.config or {}).get("cpus"))
