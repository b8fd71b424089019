# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which settings libvirt has, with what a change of each costs."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from ..._lifecycle.model import (
    FAILED,
    LIVE,
    NEVER,
    NEXT_BOOT,
    PAUSED,
    POWER_OFF,
    RUNNING,
    STOPPED,
    SUSPENDED,
    Field,
)  # fmt: skip
from ..._lifecycle.units import MIB
from ..._tools.virsh_output import version_numbers
from . import cards, maxima, sharing
from .native import same_native
from .slots import BUS, cost_of_plugging

#: Kinds of snapshots: within the disk images, or frozen files with others on top.
INTERNAL, EXTERNAL = "internal", "external"
#: From here on libvirt removes external snapshots, and restores them.
EXTERNAL_DROPPED_SINCE, EXTERNAL_RESTORED_SINCE = (9, 0), (9, 9)
#: From here on libvirt chooses firmware by the features asked.
FIRMWARE_SINCE = (7, 2)


def fields_of(hypervisor, version, local):
    """{kind of change: Field} of one connection."""
    imagined = hypervisor == "TEST"
    fields = {**_fields(), **_snapshot_fields(version), **({} if imagined else _machine_fields())}
    if not local:
        # What is a bridge there cannot be seen from here.
        instead = "Run the task on the hypervisor's own host."
        return {**fields, "networks.type": Field(choices=("network", "user"), instead=instead)}
    if imagined:
        return {**fields, **_file_fields(), **_FIELDS_OF_TEST}
    has_firmware = version_numbers(version) >= FIRMWARE_SINCE
    firmware = {"firmware": Field(), "secure_boot": Field()} if has_firmware else {}
    return {**fields, **_file_fields(), **firmware, "nested_virtualization": Field(), "snapshot.content": Field()}


def _fields():
    return {
        **maxima.FIELDS,
        **cards.FIELDS,
        "description": Field(cost=LIVE),
        "tags": Field(cost=LIVE),
        "autostart": Field(cost=LIVE),
        "native": Field(same=same_native),
        "networks.type": Field(
            choices=("network", "bridged", "user"), instead="Use nat, network, internal, bridged or user."
        ),
        "boot_order": Field(),
    }


def _machine_fields():
    """What only a machine that really runs can have: libvirt's test driver stores it and has none of it."""
    return {
        "tpm": Field(),
        "display.type": Field(),
        "display.video_memory": Field(minimum=MIB),
        "serial_log": Field(),
    }


def _file_fields():
    """What touches files, and so can be done only on the host itself."""
    fixed = "Detach it (state: absent) and attach another."
    return {
        "image": Field(),
        "clone": Field(cost=_cost_of_cloning, instead="Stop it first, or name one of its snapshots."),
        "cloud_init": Field(),
        "iso": Field(cost=_cost_of_medium),
        **sharing.FIELDS,
        "disks.add": Field(cost=cost_of_plugging),
        "disks.remove": Field(cost=cost_of_plugging),
        "disks.bus": BUS,
        "disks.size": Field(cost=_cost_of_growing),
        "disks.format": Field(cost=NEVER, choices=("qcow2", "raw"), instead=fixed),
        "disks.source": Field(cost=NEVER, instead=fixed),
    }


#: libvirt's test driver has no function for devices of a running machine, and invents the sizes of disks.
_FIELDS_OF_TEST = {
    **{name: replace(field, cost=NEXT_BOOT) for name, field in {**maxima.FIELDS, **cards.FIELDS}.items()},
    "iso": Field(cost=NEXT_BOOT),
    "disks.add": Field(cost=NEXT_BOOT),
    "disks.remove": Field(cost=NEXT_BOOT),
    "disks.size": Field(cost=NEVER, instead="The sizes of this connection's disks are invented."),
}


def _cost_of_medium(vm, change):
    # None: the machine has no optical drive at all, and drives are not plugged into running machines.
    return NEXT_BOOT if vm.config.get("iso") is None else LIVE


def _cost_of_growing(vm, change):
    # The saved memory believes in the old size.
    return POWER_OFF if vm.power == SUSPENDED else LIVE


def _cost_of_cloning(source, change):
    # What runs writes to its disks, and what is saved has not written all yet.
    return LIVE if source.power == STOPPED or change.new.get("snapshot") else NEVER


# Snapshots ------------------------------------------------------------------------------------------------------------


def _snapshot_fields(version):
    instead = "Restoring an external snapshot needs libvirt 9.9. Clone it instead (clone, with its snapshot)."
    return {
        "snapshot.take": Field(
            cost=_cost_of_taking,
            instead="Stop it first. What is suspended may be started instead, and of what runs with UEFI an external"
            " one be taken (kind: external).",
        ),
        "snapshot.drop": Field(
            cost=partial(_cost_of_dropping, version_numbers(version) >= EXTERNAL_DROPPED_SINCE),
            instead="Removing an external snapshot needs libvirt 9.0. Commit it by hand: virsh blockcommit.",
        ),
        "snapshot.restore": Field(
            cost=partial(_cost_of_restoring, version_numbers(version) >= EXTERNAL_RESTORED_SINCE), instead=instead
        ),
    }


def kind_for(vm, asked):
    """The kind that a new snapshot gets: what was asked, else that of those before it."""
    return asked or next((one.kind for one in vm.snapshots), INTERNAL)


def _cost_of_taking(vm, change):
    if vm.power == SUSPENDED:
        return NEVER
    # Firmware in flash memory has a state of its own, which no internal snapshot of a running machine can hold.
    runs_with = vm.active or vm.config
    pflash = runs_with.get("firmware") == "uefi" and vm.power in (RUNNING, PAUSED)
    return NEVER if pflash and kind_for(vm, change.new.kind) == INTERNAL else LIVE


def taken_as(vm, asked):
    """(kind, power) of a new snapshot: an internal one holds the memory of what runs, an external one if asked."""
    kind = kind_for(vm, asked.kind)
    return kind, vm.power if kind == INTERNAL or asked.include_memory else STOPPED


def _cost_of_dropping(externals_too, vm, change):
    return NEVER if change.old.kind == EXTERNAL and not externals_too else LIVE


def _cost_of_restoring(externals_too, vm, change):
    if change.old.kind == EXTERNAL and not externals_too:
        return NEVER
    # libvirt would keep the saved memory, and put it upon other disks at the next start.
    return POWER_OFF if vm.power in (SUSPENDED, FAILED) else LIVE
