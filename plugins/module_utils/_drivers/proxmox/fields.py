# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which settings Proxmox VE has, with what a change of each costs. What a running machine does not take is kept for
its next start, so hardly anything needs consent."""

from __future__ import annotations

from ..._lifecycle.model import LIVE, NEVER, NEXT_BOOT, PAUSED, POWER_OFF, RUNNING, STOPPED, SUSPENDED, UNKNOWN, Field
from ..._lifecycle.units import MIB
from ..._tools import proxmox_values as values
from . import native
from .options import PROXMOX
from .words import KNOWN_OS_TYPES

_DETACH = "Detach it (state: absent) and attach another."
_LOCKED = "Start it first: what is suspended is locked."
STAYS_OFF = "Set state: stopped, for a template is not started."
NEW_KEYS = "Remove its EFI disk first, or clone the machine's disks into a new one."
#: Buses whose disks come and go while a machine runs.
_PLUGGED = ("scsi", "virtio")


def _unless_saved(cost):
    """Nothing at all is changed of a machine whose memory lies on disk: it is locked."""
    return lambda vm, change: POWER_OFF if vm.power == SUSPENDED else cost


def _plugs(feature):
    """What goes in and out of a running machine, where its hotplug has ``feature``."""

    def cost(vm, change):
        if vm.power == SUSPENDED:
            return POWER_OFF
        return LIVE if feature in vm.config.get("hotplug", ()) else NEXT_BOOT

    return cost


def _cost_of_disk(vm, change):
    if vm.power == SUSPENDED:
        return POWER_OFF
    return _plugs("disk")(vm, change) if values.bus_of(change.key) in _PLUGGED else NEXT_BOOT


def _cost_of_growth(vm, change):
    """The server grows and moves what runs; what waits for the next start has to become the machine's first."""
    waits = vm.on and vm.active is not None and _volume(vm.active, change.key) != _volume(vm.config, change.key)
    return POWER_OFF if vm.power == SUSPENDED or waits else LIVE


def _volume(config, slot):
    return (config["disks"].get(slot) or {}).get("source")


def _cost_of_medium(vm, change):
    """A medium is changed at once; a drive for it is only there after the next start."""
    if vm.power == SUSPENDED:
        return POWER_OFF
    return NEXT_BOOT if vm.config.get("iso") is None else LIVE


def _cost_of_secure_boot(vm, change):
    """The keys are in the machine's EFI disk from the beginning: only with a first one they can be chosen."""
    if vm.config.get("firmware") == "uefi":
        return NEVER
    return POWER_OFF if vm.power == SUSPENDED else NEXT_BOOT


def _cost_of_node(vm, change):
    return POWER_OFF if vm.power == SUSPENDED else LIVE


def _cost_of_template(vm, change):
    if not change.new:
        return NEVER
    return LIVE if vm.power == STOPPED else POWER_OFF


def _cost_of_cloning(source, change):
    asked, is_template = change.new, bool(source.config.get("template"))
    if source.power in (SUSPENDED, UNKNOWN) or (asked.get("linked") and (not is_template or asked.get("snapshot"))):
        return NEVER
    return LIVE


def _cost_of_snapshot(vm, change):
    return NEVER if vm.power == SUSPENDED else LIVE


def _cost_of_restoring(vm, change):
    """The server itself stops what runs."""
    return POWER_OFF if vm.power == SUSPENDED else LIVE


def _same_iso(found, asked):
    """A file or an address stands for the volume that is made of it."""
    if not found or not asked or ("/" not in asked):
        return found == asked
    is_volume = not asked.startswith(("/", "http://", "https://"))
    return found == asked if is_volume else found.rpartition("/")[2] == file_name(asked)


def file_name(path):
    """The name that a file gets on a storage."""
    name = path.partition("?")[0].rstrip("/").rpartition("/")[2]
    return "".join(sign if sign.isascii() and (sign.isalnum() or sign in "_.-") else "_" for sign in name)


def _same_ip_config(found, asked):
    pairs = zip(found or (), asked)
    return len(found or ()) == len(asked) and all(values.same("ipconfig0", one, two) for one, two in pairs)


FIELDS = {
    "cpus": Field(cost=_unless_saved(NEXT_BOOT)),
    "memory": Field(cost=_unless_saved(NEXT_BOOT), minimum=16 * MIB),
    "firmware": Field(cost=_unless_saved(NEXT_BOOT)),
    "secure_boot": Field(cost=_cost_of_secure_boot, instead=NEW_KEYS),
    "tpm": Field(cost=_unless_saved(NEXT_BOOT)),
    "nested_virtualization": Field(cost=_unless_saved(NEXT_BOOT)),
    "os_type": Field(cost=_unless_saved(NEXT_BOOT), choices=KNOWN_OS_TYPES),
    "description": Field(cost=_unless_saved(LIVE)),
    "tags": Field(cost=_unless_saved(LIVE)),
    "autostart": Field(cost=_unless_saved(LIVE)),
    "protection": Field(cost=_unless_saved(LIVE)),
    "template": Field(cost=_cost_of_template, instead="A template stays one: clone it.", while_on=STAYS_OFF),
    "pool": Field(cost=LIVE),
    "node": Field(cost=_cost_of_node),
    "display.type": Field(cost=_unless_saved(NEXT_BOOT)),
    "display.video_memory": Field(cost=_unless_saved(NEXT_BOOT), minimum=4 * MIB, maximum=512 * MIB),
    "cloud_init.user": Field(cost=_unless_saved(LIVE)),
    "cloud_init.password": Field(readable=False),
    "cloud_init.ssh_authorized_keys": Field(cost=_unless_saved(LIVE)),
    "cloud_init.ip_config": Field(cost=_unless_saved(LIVE), same=_same_ip_config),
    "cloud_init.nameservers": Field(cost=_unless_saved(LIVE)),
    "cloud_init.search_domains": Field(cost=_unless_saved(LIVE)),
    "native": Field(cost=native.cost),
    "image": Field(),
    "image.linked": Field(choices=(False,), instead=PROXMOX.lacks["image.linked=true"]),
    "clone": Field(
        cost=_cost_of_cloning,
        instead="Only a template as it is now has linked clones (template: true). What is suspended is started first,"
        " and a node that is away is brought back.",
    ),
    "iso": Field(cost=_cost_of_medium, same=_same_iso),
    "disks.add": Field(cost=_cost_of_disk),
    "disks.remove": Field(cost=_cost_of_disk),
    "disks.size": Field(cost=_cost_of_growth),
    "disks.format": Field(cost=NEVER, choices=("raw", "qcow2", "vmdk"), instead=_DETACH),
    "disks.storage": Field(cost=_cost_of_growth),
    "disks.source": Field(cost=NEVER, instead=_DETACH),
    "networks.add": Field(cost=_plugs("network")),
    "networks.remove": Field(cost=_plugs("network")),
    "networks.type": Field(cost=_unless_saved(LIVE), choices=("bridged", "user")),
    "networks.source": Field(cost=_unless_saved(LIVE)),
    "networks.vlan": Field(cost=_unless_saved(LIVE)),
    "networks.mac": Field(cost=_plugs("network")),
    "networks.model": Field(cost=_plugs("network"), choices=values.CARDS),
    "snapshot.take": Field(cost=_cost_of_snapshot, instead=_LOCKED),
    "snapshot.drop": Field(cost=_cost_of_snapshot, instead=_LOCKED),
    "snapshot.restore": Field(cost=_cost_of_restoring),
}


def taken_as(vm, asked):
    """(kind, power) of a snapshot: the memory of what runs is in it, unless that is declined."""
    with_memory = vm.power in (RUNNING, PAUSED) and asked.include_memory is not False
    return "", RUNNING if with_memory else STOPPED
