# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Proxmox VE can do, as data."""

from __future__ import annotations

import re
from functools import partial

from ..._lifecycle.errors import Refused
from ..._lifecycle.model import ABSENT, UNKNOWN, Traits
from ..._lifecycle.units import GIB, MIB, human_size
from ..._tools import proxmox_values as values
from ..._tools.proxmox import Busy, ConnectionLost
from . import cloudinit, native
from .fields import FIELDS, file_name, taken_as
from .sight import SERIAL, storage_of
from .words import HARMLESS, OS_TYPES, id_fault, is_tag, name_fault, snapshot_name_fault

#: Chosen by the driver when a machine is made.
AUTO = "auto"
_VOLUME = re.compile(r"[A-Za-z][\w.-]*:[^\s,]+")
_ADDRESS = re.compile(r"https?://\S+")
_FORWARD = "Guests are reached by their own addresses, or by a rule on the node."


def proxmox_traits(version="", bridge="vmbr0", tells_case=False, storage=None):
    """Traits of a cluster; ``bridge`` is what a card is on while nothing else is said.

    ``tells_case``: its tags may have capitals, else they are stored in small letters. ``storage`` is where the task
    wants disks.
    """
    return Traits(
        platform="proxmox",
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
            "port_forwards": _FORWARD,
            "networks.address": "Use cloud_init.ip_config.",
            "shared_folders": "Map a directory of the node in the datacenter, and name it: native: {virtiofs0: NAME}.",
            UNKNOWN: "Bring its node back, or take the machine over there: see pvecm status.",
            "snapshot.content": "Restore the snapshot into a clone, and look at its disks there.",
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
        live_in_every_power=True,
        adjust=partial(_adjusted, bridge, tells_case, storage),
    )


def _adjusted(bridge, tells_case, storage, vm, config):
    """The vocabulary's words in Proxmox VE's, with what has no place there refused."""
    adjusted = dict(config)
    _check_sizes(vm, config)
    if config.get("os_type"):
        adjusted["os_type"] = OS_TYPES.get(config["os_type"].lower(), config["os_type"])
    if "tags" in config:
        adjusted["tags"] = _tags(vm, config["tags"], tells_case)
    if "description" in config:
        adjusted["description"] = config["description"].rstrip()
    if config.get("networks"):
        adjusted["networks"] = {
            place: card if card is None else _card(vm, place, card, bridge)
            for place, card in config["networks"].items()
        }
    for slot, disk in (config.get("disks") or {}).items():
        _check_disk(vm, slot, disk or {})
        _check_storage(vm, slot, disk, storage)
    if "native" in config:
        adjusted["native"] = native.settled(vm, config["native"], config)
    if "cloud_init" in config:
        adjusted["cloud_init"] = cloudinit.settled(vm, config["cloud_init"])
    _check_screen(vm, config.get("display") or {})
    _check_iso(vm, config.get("iso"))
    _check_secure_boot(vm, config)
    if vm.power != ABSENT:
        _leave_out_what_is_settled(vm, adjusted)
    return adjusted


def _leave_out_what_is_settled(vm, adjusted):
    """A VM that exists has its node, and where it has no drive there is no medium in it."""
    if adjusted.get("node") == AUTO:
        del adjusted["node"]
    if adjusted.get("iso") == "" and vm.config.get("iso") is None:
        del adjusted["iso"]


def _check_sizes(vm, config):
    video = (config.get("display") or {}).get("video_memory")
    for option, size in {"memory": config.get("memory"), "display.video_memory": video}.items():
        if size and size % MIB:
            raise Refused(f"{vm.name}: {option} is {human_size(size)}.", "Proxmox VE counts in whole MiB.")
    for slot, disk in (config.get("disks") or {}).items():
        size = (disk or {}).get("size")
        if size and size % 1024:
            raise Refused(f"{vm.name}: disks: size of {slot} is {human_size(size)}.", "Give whole KiB.")


def _tags(vm, tags, tells_case):
    """As they are stored; their order is the cluster's."""
    wrong = [tag for tag in tags if not is_tag(tag)]
    if wrong:
        raise Refused(
            f"{vm.name}: tags: '{wrong[0]}' is no tag here.",
            "Use letters, figures, _, -, + and dots, none of - + . in front.",
        )
    return tuple(sorted({tag if tells_case else tag.lower() for tag in tags}))


def _card(vm, place, card, bridge):
    adjusted, present = dict(card), (vm.config.get("networks") or {}).get(place) or {}
    kind = {"nat": "user", "network": "bridged"}.get(card.get("type"), card.get("type"))
    if kind == "user" and card.get("source"):
        raise Refused(f"{vm.name}: networks: a card of type {card['type']} has no source.", "Leave the source out.")
    if kind:
        adjusted["type"] = kind
    kind = kind or present.get("type") or "bridged"
    if kind == "bridged" and not card.get("source") and present.get("type") != "bridged":
        adjusted["source"] = bridge
    return {"type": kind, **adjusted} if not present else adjusted


def _check_disk(vm, slot, disk):
    if values.bus_of(slot) is None:
        buses = ", ".join(f"{bus}0 to {bus}{count - 1}" for bus, count in values.BUSES.items())
        raise Refused(f"{vm.name}: disks: '{slot}' is no slot.", f"There are {buses}.")
    if disk.get("source") and not _VOLUME.fullmatch(disk["source"]):
        raise Refused(
            f"{vm.name}: disks: source of {slot} is '{disk['source']}', which is no volume.",
            "Write STORAGE:VOLUME, as pvesm list tells it.",
        )


def _check_storage(vm, slot, disk, storage):
    """The option storage is for new disks; it does not move one that exists. A clone's are not there yet."""
    found = ((vm.config.get("disks") or {}).get(slot) or {}) if disk is not None else {}
    source, own = (disk or {}).get("source"), (disk or {}).get("storage")
    if source and own and storage_of(source) != own:
        raise Refused(f"{vm.name}: disks: storage of {slot} is '{own}', but its source is '{source}'.", "Remove one.")
    if storage and found.get("source") and not (own or source) and found["storage"] not in (None, storage):
        raise Refused(
            f"{vm.name}: storage: disk {slot} is on '{found['storage']}', not on '{storage}'; the option storage is for"
            " new disks only.",
            f"To move the disk set disks: [{{slot: {slot}, storage: {storage}}}]; to leave it set its storage to"
            f" '{found['storage']}' there.",
        )


def _check_iso(vm, iso):
    if not iso or iso.startswith("/") or _VOLUME.fullmatch(iso) or _ADDRESS.fullmatch(iso):
        return
    raise Refused(
        f"{vm.name}: iso '{iso}' is neither a volume nor a file.",
        "Write STORAGE:iso/NAME, a full path on the host of the task, or an http address.",
    )


def _check_screen(vm, asked):
    present = (vm.config.get("display") or {}).get("type")
    if asked.get("video_memory") and present == SERIAL and not asked.get("type"):
        raise Refused(
            f"{vm.name}: display.video_memory: its display is a serial console, which has no such memory.",
            "Give display.type as well.",
        )


def _check_secure_boot(vm, config):
    firmware = config.get("firmware") or vm.config.get("firmware") or "bios"
    if config.get("secure_boot") and firmware != "uefi":
        raise Refused(f"{vm.name}: secure_boot needs UEFI, and its firmware is {firmware}.", "Set firmware: uefi.")


def iso_name(iso):
    """The name on a storage of what is uploaded or downloaded; None for a volume."""
    return file_name(iso) if iso.startswith(("/", "http://", "https://")) else None
