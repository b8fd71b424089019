# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which settings VirtualBox has, with what a change of each costs. Most of them wait until the machine is off."""

from __future__ import annotations

from ..._lifecycle.model import (
    FAILED,
    LIVE,
    NEVER,
    PAUSED,
    POWER_OFF,
    RUNNING,
    STOPPED,
    SUSPENDED,
    Field,
)  # fmt: skip
from ..._lifecycle.units import GIB, MIB
from . import native
from .options import VIRTUALBOX
from .words import BOOT, CARDS, FORMATS, bus_for, place_of

TPM_SINCE = (7, 0)
_DETACH = "Detach it (state: absent) and attach another."


def _off_or_saved(vm, change):
    return LIVE if vm.power == SUSPENDED else POWER_OFF


def _while_on(vm, change):
    """What controlvm can do to a machine that is there, and nothing to one that is saved."""
    return LIVE if vm.power in (STOPPED, RUNNING, PAUSED) else POWER_OFF


def _cost_of_autostart(vm, change):
    """controlvm switches it on, but not off, and says that it did."""
    return LIVE if change.new or vm.power in (STOPPED, SUSPENDED) else POWER_OFF


def _cost_of_medium(vm, change):
    # None: it has no drive, and drives are not plugged into running machines.
    return POWER_OFF if vm.config.get("iso") is None else _while_on(vm, change)


def _cost_of_adding_disk(vm, change):
    """A disk is plugged into a running machine's SATA controller, where it has one."""
    controller = place_of(change.key)[0]
    present = {place_of(slot)[0] for slot in vm.config.get("disks") or {}}
    is_sata = (bus_for(controller) or ("",))[0] == "sata"
    return _while_on(vm, change) if controller in present and is_sata else POWER_OFF


def _cost_of_cloning(source, change):
    """Of what runs or is saved the disks are in use: only a snapshot of it holds still."""
    if change.new.get("linked") and not change.new.get("snapshot"):
        return NEVER
    return LIVE if source.power == STOPPED or change.new.get("snapshot") else NEVER


def _cost_of_taking(vm, change):
    without_memory = change.new.include_memory is False and vm.power in (RUNNING, PAUSED, SUSPENDED)
    return NEVER if vm.power == FAILED or without_memory else LIVE


def _cost_of_restoring(vm, change):
    return LIVE if vm.power in (STOPPED, SUSPENDED) else POWER_OFF


def fields_of(version):
    """{kind of change: Field} of one version."""
    return {
        **_settings(version),
        **_media(),
        **_cards(),
        "snapshot.take": Field(
            cost=_cost_of_taking,
            instead="Stop it first: while it is on its memory is part of the snapshot, and a crashed one has none.",
        ),
        "snapshot.drop": Field(cost=LIVE, maximum=1),
        "snapshot.restore": Field(cost=_cost_of_restoring),
    }


def _settings(version):
    return {
        # What `list systemproperties` of 7.2 tells; a higher number is refused when it is set.
        "cpus": Field(cost=POWER_OFF, maximum=64),
        "memory": Field(cost=POWER_OFF, minimum=4 * MIB, maximum=2048 * GIB),
        "firmware": Field(cost=POWER_OFF),
        **({"tpm": Field(cost=POWER_OFF)} if version >= TPM_SINCE else {}),
        "nested_virtualization": Field(cost=POWER_OFF),
        "os_type": Field(cost=POWER_OFF, same=lambda found, asked: (found or "").lower() == asked.lower()),
        "description": Field(cost=_off_or_saved),
        "tags": Field(cost=LIVE),
        "autostart": Field(cost=_cost_of_autostart),
        "groups": Field(cost=_off_or_saved),
        "graphics_controller": Field(cost=POWER_OFF),
        "boot_order": Field(cost=POWER_OFF),
        "display.type": Field(cost=_while_on, choices=("none",), instead=VIRTUALBOX.lacks["display.type=vnc"]),
        "display.video_memory": Field(cost=POWER_OFF, minimum=MIB, maximum=256 * MIB),
        "native": Field(cost=native.cost, same=native.same),
    }


def _media():
    return {
        "image": Field(),
        "image.linked": Field(choices=(False,), instead=VIRTUALBOX.lacks["image.linked=true"]),
        "clone": Field(
            cost=_cost_of_cloning,
            instead="Name one of its snapshots: every linked clone is made of one. Stop it first where a full clone of"
            " what is on is wanted.",
        ),
        "cloud_init": Field(),
        "iso": Field(cost=_cost_of_medium),
        "disks.add": Field(cost=_cost_of_adding_disk),
        "disks.remove": Field(cost=POWER_OFF),
        "disks.size": Field(cost=POWER_OFF),
        "disks.format": Field(cost=NEVER, choices=tuple(FORMATS), instead=_DETACH),
        "disks.source": Field(cost=NEVER, instead=_DETACH),
    }


def _cards():
    folder = Field(cost=POWER_OFF)
    rule = Field(cost=LIVE)
    return {
        "networks.add": Field(cost=POWER_OFF),
        "networks.remove": Field(cost=POWER_OFF),
        "networks.type": Field(cost=LIVE),
        "networks.source": Field(cost=LIVE),
        "networks.mac": Field(cost=POWER_OFF),
        "networks.model": Field(cost=POWER_OFF, choices=CARDS),
        **{f"port_forwards.{part}": rule for part in ("add", "remove", "protocol", "host_address", "host_port")},
        "port_forwards.guest_port": rule,
        "ssh_forward": rule,
        **{f"shared_folders.{part}": folder for part in ("add", "remove", "host_path", "guest_path", "read_only")},
    }


BOOT_WORDS = tuple(BOOT)
