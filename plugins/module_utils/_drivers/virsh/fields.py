# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which settings libvirt has, with what a change of each costs."""

from __future__ import annotations

from ..._lifecycle.model import LIVE, NEVER, NEXT_BOOT, POWER_OFF, SUSPENDED, Field
from ..._lifecycle.units import MIB
from .native import same_native
from .slots import bus_of

_HOT_PLUGGABLE = ("virtio", "scsi")
#: From here on libvirt chooses firmware by the features asked.
FIRMWARE_SINCE = (7, 2)


def fields_of(hypervisor, version, local):
    """{kind of change: Field} of one connection."""
    imagined = hypervisor == "TEST"
    fields = {**_fields(), **({} if imagined else _machine_fields())}
    if not local:
        # What is a bridge there cannot be seen from here.
        instead = "Run the task on the hypervisor's own host."
        return {**fields, "networks.type": Field(choices=("network", "user"), instead=instead)}
    if imagined:
        return {**fields, **_file_fields(), **_FIELDS_OF_TEST}
    has_firmware = numbers_of(version) >= FIRMWARE_SINCE
    firmware = {"firmware": Field(), "secure_boot": Field()} if has_firmware else {}
    return {**fields, **_file_fields(), **firmware, "nested_virtualization": Field()}


def numbers_of(version):
    """9.0.0 as (9, 0, 0), to be compared; a version that is not told counts as new."""
    return tuple(int(number) for number in version.split(".") if number.isdigit()) or (float("inf"),)


def _fields():
    return {
        "cpus": Field(minimum=1),
        "memory": Field(minimum=1024 * 1024),
        "description": Field(cost=LIVE),
        "tags": Field(cost=LIVE),
        "autostart": Field(cost=LIVE),
        "native": Field(same=same_native),
        "networks.add": Field(),
        "networks.remove": Field(),
        "networks.type": Field(
            choices=("network", "bridged", "user"), instead="Use nat, network, internal, bridged or user."
        ),
        "networks.source": Field(),
        "networks.mac": Field(),
        "networks.model": Field(),
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
        "cloud_init": Field(),
        "iso": Field(cost=_cost_of_medium),
        "disks.add": Field(cost=_cost_of_plugging),
        "disks.remove": Field(cost=_cost_of_plugging),
        "disks.size": Field(cost=_cost_of_growing),
        "disks.format": Field(cost=NEVER, choices=("qcow2", "raw"), instead=fixed),
        "disks.source": Field(cost=NEVER, instead=fixed),
    }


#: libvirt's test driver has no function for devices of a running machine, and invents the sizes of disks.
_FIELDS_OF_TEST = {
    "iso": Field(cost=NEXT_BOOT),
    "disks.add": Field(cost=NEXT_BOOT),
    "disks.remove": Field(cost=NEXT_BOOT),
    "disks.size": Field(cost=NEVER, instead="The sizes of this connection's disks are invented."),
}


def _cost_of_medium(vm, change):
    # None: the machine has no optical drive at all, and drives are not plugged into running machines.
    return NEXT_BOOT if vm.config.get("iso") is None else LIVE


def _cost_of_plugging(vm, change):
    return LIVE if bus_of(change.key) in _HOT_PLUGGABLE else NEXT_BOOT


def _cost_of_growing(vm, change):
    # The saved memory believes in the old size.
    return POWER_OFF if vm.power == SUSPENDED else LIVE
