# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens behind the client's back: other administrators, other programs, and the machines themselves."""

from __future__ import annotations

from . import vm_power


def power(world, vmid, on):
    """Somebody else starts a machine, or it goes down by itself."""
    machine = world.cluster.machines[vmid]
    if on and not machine.running:
        vm_power.begin(world, machine)
    elif not on and machine.running:
        vm_power.end(world, machine)


def pause(world, vmid, paused=True):
    world.cluster.machines[vmid].qmp = "paused" if paused else "running"


def fail(world, vmid, state="io-error"):
    """What runs stands still: its disk cannot be written, say."""
    world.cluster.machines[vmid].qmp = state


def write(world, vmid, slot, byte):
    """A guest writes this all over one of its disks."""
    _volume(world, vmid, slot).written = byte


def _volume(world, vmid, slot):
    machine = world.cluster.machines[vmid]
    return world.storages.existing(machine.config.current[slot].split(",")[0], machine.node)


def edit(world, vmid, **options):
    """Somebody else changes a configuration; None takes an option away."""
    machine = world.cluster.machines[vmid]
    config = machine.config
    for key, value in options.items():
        if value is None:
            config.current.pop(key, None)
        else:
            config.current[key] = value
    machine.write(config)


def lock(world, vmid, name, seconds=None):
    """A lock in the configuration (a backup's, say), for some time or for good."""
    edit(world, vmid, lock=name)
    if seconds is not None:
        world.engine.after(seconds, lambda: _unlock(world, vmid))


def _unlock(world, vmid):
    if vmid in world.cluster.machines:
        edit(world, vmid, lock=None)


def hold_file_lock(world, vmid, seconds):
    """The machine's lock file is somebody else's: calls give up after their time."""
    world.flock(vmid).hold_for(seconds)


def delete(world, vmid):
    del world.cluster.machines[vmid]


def node(world, name, online):
    """A node goes away with its machines, or comes back; theirs start again only if they were running."""
    world.cluster.nodes[name].online = online
