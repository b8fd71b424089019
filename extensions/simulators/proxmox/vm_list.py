# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists: the VMs of a node, and the index of one VM."""

from __future__ import annotations

from . import statistics, vm_drives
from .world import missing, not_found


def listing(call):
    """The VMs of one node, from the present configuration files and processes.

    As recorded, it fails if one of the files is removed after their names were read.
    """
    world = call.world
    vmids = sorted(vmid for vmid, machine in world.cluster.machines.items() if machine.node == call.node)
    yield world.timing.listing
    for vmid in world.faults.vanishing:
        raise missing(call.node, vmid)
    found = []
    for vmid in vmids:
        machine = world.cluster.machines.get(vmid)
        if machine is None or machine.node != call.node:
            raise missing(call.node, vmid)
        if world.access.may(call.user, f"/vms/{vmid}", ["VM.Audit"]):
            found.append(_entry(world, machine, call.flag("full")))
    return found


def _entry(world, machine, full):
    found = statistics.measured(world, machine)
    del found["diskread"], found["diskwrite"]
    options = machine.config.current
    found |= {"vmid": machine.vmid, "status": "running" if machine.running else "stopped", "cpus": found.pop("maxcpu")}
    if full:
        # Only then, each emulator is queried.
        found["qmpstatus"] = machine.state
    if not found["template"]:
        del found["template"]
    return found | {key: options[key] for key in ("lock", "tags") if key in options}


_OF_VM = (
    "agent cloudinit config firewall migrate monitor move mtunnel pending remote_migrate resize rrd rrddata sendkey"
    " snapshot spiceproxy status termproxy unlink vncproxy"
)


def index(_call):
    return _directory(*_OF_VM.split())


def status_index(_call):
    return _directory("current", "start", "stop", "reset", "shutdown", "suspend", "reboot")


def _directory(*names):
    return [{"subdir": name} for name in names]


def feature(call):
    """Whether all volumes of a VM support a feature: snapshot, clone or copy."""
    machine, world = call.machine_or_none(), call.world
    if machine is None:
        raise not_found(call)
    options = machine.config.current
    volumes = [volid for _key, volid in vm_drives.owned_volumes(world.schema, options)]
    has = all(_volume_has(world, machine, volid, call.get("feature")) for volid in volumes)
    shared = all(world.storages.is_shared(volid) for volid in volumes)
    return {"hasFeature": int(has), "nodes": list(world.cluster.nodes) if shared else [machine.node]}


def _volume_has(world, machine, volid, feature):
    storage = world.storages.get(volid.partition(":")[0])
    volume = world.storages.volume(volid, machine.node)
    if feature == "snapshot":
        return not (storage.has_files and volume and volume.format == "raw")
    return storage.can_link(volid) if feature == "clone" else True
