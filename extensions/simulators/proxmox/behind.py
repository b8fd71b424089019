# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes without the client: by other administrators, other programs, or the VMs themselves."""

from __future__ import annotations

from . import archives, vm_power


def power(world, vmid, on):
    """Somebody else starts a VM, or it shuts down."""
    machine = world.cluster.machines[vmid]
    if on and not machine.running:
        vm_power.begin(world, machine)
    elif not on and machine.running:
        vm_power.end(world, machine)


def pause(world, vmid, paused=True):
    world.cluster.machines[vmid].qmp = "paused" if paused else "running"


def fail(world, vmid, state="io-error"):
    """A running VM stops with an error, such as a disk that cannot be written."""
    world.cluster.machines[vmid].qmp = state


def write(world, vmid, slot, byte):
    """A guest fills one of its disks with this byte."""
    _volume(world, vmid, slot).written = byte


def _volume(world, vmid, slot):
    machine = world.cluster.machines[vmid]
    return world.storages.existing(machine.config.current[slot].split(",")[0], machine.node)


def write_volume(world, volid, byte, bytes=None):
    """Somebody fills the beginning of a volume with this byte; how much of it does not matter here."""
    world.storages.existing(volid, world.local_node).written = byte


def cut_backup(world, volid, to=0.5):
    """The file of a backup is cut, so a restore fails: at once if nothing is left, else half-way."""
    archive = world.storages.existing(volid, world.local_node).archive
    archive.damaged, archive.empty = True, not to


def edit(world, vmid, **options):
    """Somebody else changes a configuration; None removes an option."""
    machine = world.cluster.machines[vmid]
    config = machine.config
    for key, value in options.items():
        if value is None:
            config.current.pop(key, None)
        else:
            config.current[key] = value
    machine.write(config)


def lock(world, vmid, name, seconds=None):
    """Set a lock in the configuration, such as a backup's, for some seconds or forever."""
    edit(world, vmid, lock=name)
    if seconds is not None:
        world.engine.after(seconds, lambda: _unlock(world, vmid))


def _unlock(world, vmid):
    if vmid in world.cluster.machines:
        edit(world, vmid, lock=None)


def hold_file_lock(world, vmid, seconds):
    """Somebody else holds the VM's lock file, so calls fail after their timeout."""
    world.flock(vmid).hold_for(seconds)


def delete(world, vmid):
    del world.cluster.machines[vmid]


def remove_volume(world, volid):
    """Somebody deletes a volume with the storage's own tools."""
    storage_id, _colon, name = volid.partition(":")
    volumes = world.storages.get(storage_id).volumes
    for key in [key for key in volumes if key[1] == name]:
        del volumes[key]


def daemon(world, state):
    """The daemon behind the proxy: "running", "stopped" or "frozen". The proxy itself answers some requests."""
    world.faults.daemon = state


def vanish_while_listed(world, vmid):
    """Another client creates and deletes a VM in a loop, so each list finds a file that is gone when it is read."""
    world.faults.vanishing.add(vmid)


_DAEMON = {"stop": "stopped", "start": "running", "freeze": "frozen", "continue": "running"}


def asked(world, change):
    """Make a change that is given as in recordings: {"do": what, its parameters}. Backups may be named by their age."""
    change = {key: archives.named(world, value) if isinstance(value, str) else value for key, value in change.items()}
    what = change.pop("do")
    subject, _colon, verb = what.partition(": ")
    if subject == "daemon behind the proxy" and verb in _DAEMON:
        return daemon(world, _DAEMON[verb])
    if what not in _CHANGES:
        raise ValueError(f"there is {', '.join(_CHANGES)}, and 'daemon behind the proxy: {'|'.join(_DAEMON)}'")
    return _CHANGES[what](world, **change)


def node(world, name, online):
    """A node goes offline or comes back. Its VMs keep their state, but cannot be reached while it is offline."""
    world.cluster.nodes[name].online = online


_CHANGES = {
    "delete-volume": remove_volume,
    "write": write_volume,
    "cut-backup": cut_backup,
    "remove-config": delete,
    "remove-config during the next request": vanish_while_listed,
    "lock": lambda world, vmid, lock: edit(world, vmid, lock=lock),
    "unlock": lambda world, vmid: edit(world, vmid, lock=None),
    "edit": edit,
    "power": power,
    "pause": pause,
    "fail": fail,
    "node": node,
}
