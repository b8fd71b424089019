# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Proxmox VE can do, as data."""

from __future__ import annotations

import re
from functools import partial

from ..._lifecycle.model import (
    ABSENT,
    LIVE,
    NEVER,
    PAUSED,
    POWER_OFF,
    RUNNING,
    STOPPED,
    SUSPENDED,
    UNKNOWN,
    Field,
    Traits,
)
from ..._lifecycle.units import GIB
from ..._tools.proxmox import Busy, ConnectionLost
from .cluster import HARMLESS
from .options import PROXMOX
from .settings import cloud_init, native, networks
from .settings.disks import check_disk, check_storage
from .settings.firmware import check_secure_boot
from .settings.general import OS_TYPES, check_display, check_sizes, stored_tags
from .settings.media import check_iso_format
from .settings.table import SETTINGS

#: Chosen by the driver when a VM is created.
AUTO = "auto"
_NAME = re.compile(r"[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?(\.[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?)*")
_SNAPSHOT = re.compile(r"[a-zA-Z][a-zA-Z0-9_-]{1,39}")
_RESERVED = ("current", "pending")
_LOCKED = "Start it first: what is suspended is locked."


def proxmox_traits(version="", bridge="vmbr0", keeps_capitals=False, storage=None):
    """Traits of a cluster; ``bridge`` is what a NIC is on while nothing else is said.

    ``keeps_capitals``: its tags may have capitals, else they are stored in small letters. ``storage`` is where the task
    wants disks.
    """
    return Traits(
        platform=PROXMOX.name,
        version=version,
        fields=FIELDS,
        defaults={
            "cpus": 2,
            "memory": 2 * GIB,
            "disk_size": 32 * GIB,
            "os_type": "l26",
            "networks": {"0": {"type": "bridged", "source": bridge}},
            "node": AUTO,
        },
        instead={
            **PROXMOX.lacks,
            UNKNOWN: "Bring its node back, or take the VM over there: see pvecm status.",
            "snapshot.content": PROXMOX.lacks["compare.content"],
        },
        slot="scsi{}".format,
        name_fault=name_fault,
        snapshot_name_fault=snapshot_name_fault,
        taken_as=taken_as,
        id_fault=id_fault,
        cloned_with=frozenset({"node", "pool"}),
        not_cloned=frozenset({"pool", "description", "template"}),
        transient=lambda error: isinstance(error, (Busy, ConnectionLost)),
        lanes_at_once=8,
        harmless=HARMLESS,
        suspended_counts_as_stopped=True,
        adjust=partial(_adjusted, bridge, keeps_capitals, storage),
    )


def _adjusted(bridge, keeps_capitals, storage, vm, config):
    """The vocabulary's words in Proxmox VE's, with what has no place there refused."""
    adjusted = dict(config)
    check_sizes(vm, config)
    if config.get("os_type"):
        adjusted["os_type"] = OS_TYPES.get(config["os_type"].lower(), config["os_type"])
    if "tags" in config:
        adjusted["tags"] = stored_tags(vm, config["tags"], keeps_capitals)
    if "description" in config:
        adjusted["description"] = config["description"].rstrip()
    if config.get("networks"):
        adjusted["networks"] = {
            place: nic if nic is None else networks.adjusted(vm, place, nic, bridge)
            for place, nic in config["networks"].items()
        }
    for slot, disk in (config.get("disks") or {}).items():
        check_disk(vm, slot, disk or {})
        check_storage(vm, slot, disk, storage)
    if "native" in config:
        adjusted["native"] = native.adjusted(vm, config["native"], config)
    if "cloud_init" in config:
        adjusted["cloud_init"] = cloud_init.adjusted(vm, config["cloud_init"])
    check_display(vm, config.get("display") or {})
    check_iso_format(vm, config.get("iso"))
    check_secure_boot(vm, config)
    if vm.power != ABSENT:
        _drop_what_holds_anyway(vm, adjusted)
    return adjusted


def _drop_what_holds_anyway(vm, adjusted):
    """A VM that exists has its node, and where it has no drive there is no medium in it."""
    if adjusted.get("node") == AUTO:
        del adjusted["node"]
    if adjusted.get("iso") == "" and vm.config.get("iso") is None:
        del adjusted["iso"]


def name_fault(name):
    if len(name) > 63:
        return "it has at most 63 characters"
    if not _NAME.fullmatch(name):
        return "it must be a DNS name: letters, figures, and a dash or a dot between them"
    return None


def id_fault(text):
    """Why no VM can have this id, which is a number; None where one can."""
    is_number = text.isascii() and text.isdecimal() and text == str(int(text))
    return None if is_number and 100 <= int(text) <= 999999999 else "it is not a number from 100 to 999999999"


def snapshot_name_fault(name):
    if not _SNAPSHOT.fullmatch(name):
        return "it has 2 to 40 of A-Z, a-z, 0-9, _ and -, a letter first"
    return f"{name} is a word of Proxmox VE's own" if name.lower() in _RESERVED else None


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


def taken_as(vm, asked):
    """(kind, power) of a snapshot: the memory of what runs is in it, unless that is declined."""
    with_memory = vm.power in (RUNNING, PAUSED) and asked.include_memory is not False
    return "", RUNNING if with_memory else STOPPED


FIELDS = {
    **SETTINGS,
    "image": Field(),
    "image.linked": Field(choices=(False,), instead=PROXMOX.lacks["image.linked=true"]),
    "clone": Field(
        cost=_cost_of_cloning,
        instead="Only a template as it is now has linked clones (template: true). What is suspended is started first,"
        " and a node that is away is brought back.",
    ),
    "snapshot.take": Field(cost=_cost_of_snapshot, instead=_LOCKED),
    "snapshot.drop": Field(cost=_cost_of_snapshot, instead=_LOCKED),
    "snapshot.restore": Field(cost=_cost_of_restoring),
}
