# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Conditions that must hold at every moment, whatever a client does."""

from __future__ import annotations

from collections import Counter

from . import drives, propertystring, vm_drives


def violations(world):
    """One sentence for each violated condition."""
    found = []
    for vmid, machine in sorted(world.cluster.machines.items()):
        config = machine.config
        found += _volumes_there(world, machine, config)
        for name, values in config.snapshots.items():
            parent = values.get("parent")
            if parent and parent not in config.snapshots:
                found.append(f"VM {vmid}: snapshot {name} has the parent {parent}, which is not there")
    return found + _references(world) + _shared_addresses(world)


def orphans(world):
    """Volumes with a VMID in the name that no VM uses; a killed client may leave such volumes."""
    known = {
        volid
        for machine in world.cluster.machines.values()
        for options in _sections(machine.config)
        for volid in _volids(world, options)
    }
    return sorted(
        f"{storage.id}:{name}"
        for storage in world.storages.by_id.values()
        for (_node, name), volume in storage.volumes.items()
        if volume.vmid is not None and volume.content != "backup" and f"{storage.id}:{name}" not in known
    )


def _sections(config):
    return [config.current, config.pending, *config.snapshots.values()]


def _volids(world, options):
    owned = [volid for _key, volid in vm_drives.owned_volumes(world.schema, options)]
    owned += [value for key, value in options.items() if drives.is_unused(key)]
    return owned + ([options["vmstate"]] if "vmstate" in options else [])


def _references(world):
    """A volume belongs to only one drive or unused entry. Local volumes with one name on two nodes are different."""
    users = {}
    for vmid, machine in sorted(world.cluster.machines.items()):
        for volid in _volids(world, machine.config.current):
            users.setdefault((volid, world.storages.is_shared(volid) or machine.node), []).append(str(vmid))
    return [
        f"VM {', '.join(vmids)}: {volid} is used {len(vmids)} times"
        for (volid, _where), vmids in users.items()
        if len(vmids) > 1
    ]


def _volumes_there(world, machine, config):
    return [
        f"VM {machine.vmid}: {volid} is not there"
        for volid in _volids(world, config.current)
        if world.storages.volume(volid, machine.node) is None
    ]


def _shared_addresses(world):
    rules = world.schema.property_format({"$def": "net"})
    addresses = Counter()
    for machine in world.cluster.machines.values():
        for key, value in machine.config.current.items():
            if key.startswith("net") and key[3:].isdigit():
                addresses[propertystring.parse(value, rules).get("macaddr", "").upper()] += 1
    return [f"{times} cards have the address {address}" for address, times in addresses.items() if times > 1]
