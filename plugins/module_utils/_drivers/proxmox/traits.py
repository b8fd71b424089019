# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Proxmox VE supports, as data for the core."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial

from ..._core.errors import Refused
from ..._core.model import (
    ABSENT,
    LIVE,
    NEVER,
    NEXT_BOOT,
    PAUSED,
    POWER_OFF,
    RUNNING,
    STOPPED,
    SUSPENDED,
    UNKNOWN,
    Field,
    Traits,
)
from ..._core.units import GIB, MIB, human_size
from ..._tools import proxmox_values as values
from ..._tools.proxmox import Busy, ConnectionLost
from .cluster import HARMLESS_LOCKS
from .options import PROXMOX
from .settings import cloud_init, native, networks
from .settings.disks import check_disk, check_iso_format, check_storage, same_iso
from .settings.firmware import KEYS_REMEDY, check_secure_boot
from .settings.table import SERIAL

#: The default of node: the driver chooses one when a VM is created.
AUTO = "auto"
_NAME = re.compile(r"[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?(\.[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?)*")
_SNAPSHOT = re.compile(r"[a-zA-Z][a-zA-Z0-9_-]{1,39}")
_RESERVED = ("current", "pending")
_TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9_\-+.]*")
STAYS_OFF = "Set state: stopped, because a template cannot be started."
#: {value of os_type in lower case: ostype of Proxmox VE}.
OS_TYPES = {
    **dict.fromkeys(
        (
            "alma", "arch", "archlinux", "centos", "debian", "fedora", "gentoo", "linux", "opensuse", "redhat",
            "rhel", "rocky", "ubuntu",
        ),
        "l26",
    ),
    **dict.fromkeys(("windows", "windows11", "windows2022", "windows2025"), "win11"),
    **dict.fromkeys(("windows10", "windows2016", "windows2019"), "win10"),
    **dict.fromkeys(("freebsd", "netbsd", "openbsd", "other"), "other"),
}  # fmt: skip
_KNOWN_OS_TYPES = (
    "other", "wxp", "w2k", "w2k3", "w2k8", "wvista", "win7", "win8", "win10", "win11", "l24", "l26", "solaris",
)  # fmt: skip
#: The notes of a VM have at most 8,192 characters (API schema); the mark of this collection is among them.
_LONGEST_DESCRIPTION = 7168
_DETACH = "Detach it (state: absent) and attach another."
#: Disks on these buses can be attached and detached while a VM runs.
_HOTPLUG_BUSES = ("scsi", "virtio")
_LOCKED = "Start it first; a suspended VM is locked."


def proxmox_traits(version="", bridge="vmbr0", keeps_capitals=False, storage=None):
    """Traits of a cluster; ``bridge`` is the default bridge of NICs.

    ``keeps_capitals``: tags can contain capital letters; else they are stored in lower case. ``storage`` is the option
    of the task.
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
            UNKNOWN: "Start its node again, or recover the VM on another node: see pvecm status.",
            "snapshot.content": PROXMOX.lacks["compare.content"],
        },
        slot="scsi{}".format,
        name_fault=name_fault,
        snapshot_name_fault=snapshot_name_fault,
        taken_as=taken_as,
        id_fault=id_fault,
        unique_names=False,
        copies_running=True,
        cloned_with=frozenset({"node", "pool"}),
        not_cloned=frozenset({"pool", "description", "template"}),
        transient=lambda error: isinstance(error, (Busy, ConnectionLost)),
        lanes_at_once=8,
        harmless=HARMLESS_LOCKS,
        suspended_counts_as_stopped=True,
        normalize=partial(_adjusted, bridge, keeps_capitals, storage),
    )


def _adjusted(bridge, keeps_capitals, storage, vm, config):
    """The requested settings as Proxmox VE stores them. Raises Refused for values that it cannot store."""
    adjusted = dict(config)
    _check_sizes(vm, config)
    if config.get("os_type"):
        adjusted["os_type"] = OS_TYPES.get(config["os_type"].lower(), config["os_type"])
    if "tags" in config:
        adjusted["tags"] = _stored_tags(vm, config["tags"], keeps_capitals)
    if "description" in config:
        adjusted["description"] = _stored_description(vm, config["description"].rstrip())
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
    _check_display(vm, config.get("display") or {})
    check_iso_format(vm, config.get("iso"))
    check_secure_boot(vm, config)
    if vm.power != ABSENT:
        _drop_satisfied(vm, adjusted)
    return adjusted


def _check_sizes(vm, config):
    video = (config.get("display") or {}).get("video_memory")
    for option, size in {"memory": config.get("memory"), "display.video_memory": video}.items():
        if size and size % MIB:
            raise Refused(f"{vm.name}: {option} is {human_size(size)}.", "Set a multiple of 1 MiB.")
    for slot, disk in (config.get("disks") or {}).items():
        size = (disk or {}).get("size")
        if size and size % 1024:
            raise Refused(f"{vm.name}: disks: size of {slot} is {human_size(size)}.", "Set a multiple of 1 KiB.")


def _stored_tags(vm, tags, keeps_capitals):
    """Tags as the cluster stores them: sorted, and in lower case unless it allows capital letters."""
    invalid = [tag for tag in tags if _TAG.fullmatch(tag) is None]
    if invalid:
        raise Refused(
            f"{vm.name}: tags: '{invalid[0]}' is not a valid tag.",
            "Use letters, digits, _, -, + and dots; a tag does not begin with -, + or a dot.",
        )
    return tuple(sorted({tag if keeps_capitals else tag.lower() for tag in tags}))


def _stored_description(vm, text):
    if len(text) > _LONGEST_DESCRIPTION:
        raise Refused(
            f"{vm.name}: description has {len(text)} characters.", f"Set at most {_LONGEST_DESCRIPTION} characters."
        )
    return text


def _check_display(vm, requested):
    current = (vm.config.get("display") or {}).get("type")
    if requested.get("video_memory") and current == SERIAL and not requested.get("type"):
        raise Refused(
            f"{vm.name}: display.video_memory: its display is a serial console, which has no such memory.",
            "Set display.type as well.",
        )


def _drop_satisfied(vm, adjusted):
    """Remove requests that an existing VM always meets: node auto, and no ISO image without an optical drive."""
    if adjusted.get("node") == AUTO:
        del adjusted["node"]
    if adjusted.get("iso") == "" and vm.config.get("iso") is None:
        del adjusted["iso"]


def name_fault(name):
    if len(name) > 63:
        return "it has at most 63 characters"
    if not _NAME.fullmatch(name):
        return "it must be a DNS name: letters, digits, and dashes or dots between them"
    return None


def id_fault(text):
    """Why ``text`` is not a valid VM id; None if it is."""
    is_number = text.isascii() and text.isdecimal() and text == str(int(text))
    return None if is_number and 100 <= int(text) <= 999999999 else "it is not a number from 100 to 999999999"


def snapshot_name_fault(name):
    if not _SNAPSHOT.fullmatch(name):
        return "it must have 2 to 40 characters (A-Z, a-z, 0-9, _ and -) and begin with a letter"
    return f"{name} is reserved by Proxmox VE" if name.lower() in _RESERVED else None


def _unless_suspended(cost):
    """The cost function of a change that is not possible while the VM is suspended, because it is locked."""
    return lambda vm, change: POWER_OFF if vm.power == SUSPENDED else cost


def _hotplug_cost(feature):
    """The cost function of a change that is made at once if the VM's option hotplug contains ``feature``."""

    def cost(vm, change):
        if vm.power == SUSPENDED:
            return POWER_OFF
        return LIVE if feature in vm.config.get("hotplug", ()) else NEXT_BOOT

    return cost


def _cost_of_template(vm, change):
    if not change.new:
        return NEVER
    return LIVE if vm.power == STOPPED else POWER_OFF


def _cost_of_disk(vm, change):
    if vm.power == SUSPENDED:
        return POWER_OFF
    return _hotplug_cost("disk")(vm, change) if values.bus_of(change.key) in _HOTPLUG_BUSES else NEXT_BOOT


def _cost_of_growth(vm, change):
    """The server resizes and moves the disks of the running VM.

    A disk that is attached at the next start can be resized or moved only after that.
    """
    waits = vm.on and vm.active is not None and _source_of(vm.active, change.key) != _source_of(vm.config, change.key)
    return POWER_OFF if vm.power == SUSPENDED or waits else LIVE


def _source_of(config, slot):
    return (config["disks"].get(slot) or {}).get("source")


def _cost_of_iso(vm, change):
    """An ISO image is changed at once, but a new optical drive exists only after the next start."""
    if vm.power == SUSPENDED:
        return POWER_OFF
    return NEXT_BOOT if vm.config.get("iso") is None else LIVE


def _cost_of_secure_boot(vm, change):
    """The Secure Boot keys are stored in the EFI disk when it is created, so they cannot change later."""
    if vm.config.get("firmware") == "uefi":
        return NEVER
    return POWER_OFF if vm.power == SUSPENDED else NEXT_BOOT


def _cost_of_cloning(source, change):
    requested, is_template = change.new, bool(source.config.get("template"))
    if source.power in (SUSPENDED, UNKNOWN) or (
        requested.get("linked") and (not is_template or requested.get("snapshot"))
    ):
        return NEVER
    return LIVE


def _cost_of_snapshot(vm, change):
    return NEVER if vm.power == SUSPENDED else LIVE


def _cost_of_restoring(vm, change):
    """The server itself stops a running VM before it restores a snapshot."""
    return POWER_OFF if vm.power == SUSPENDED else LIVE


def taken_as(vm, requested):
    """(kind, power) of a snapshot. It includes the memory of a running or paused VM, unless that is switched off."""
    with_memory = vm.power in (RUNNING, PAUSED) and requested.include_memory is not False
    return "", RUNNING if with_memory else STOPPED


_NEXT_BOOT, _LIVE = Field(cost=_unless_suspended(NEXT_BOOT)), Field(cost=_unless_suspended(LIVE))
FIELDS = {
    "cpus": _NEXT_BOOT,
    "memory": replace(_NEXT_BOOT, minimum=16 * MIB),
    "nested_virtualization": _NEXT_BOOT,
    "os_type": replace(_NEXT_BOOT, choices=_KNOWN_OS_TYPES),
    "description": _LIVE,
    "tags": _LIVE,
    "fleet": _LIVE,
    "autostart": _LIVE,
    "protection": _LIVE,
    "template": Field(
        cost=_cost_of_template, instead="A template cannot become a VM again; clone it.", while_on=STAYS_OFF
    ),
    "pool": Field(cost=LIVE),
    "node": _LIVE,
    "display.type": _NEXT_BOOT,
    "display.video_memory": replace(_NEXT_BOOT, minimum=4 * MIB, maximum=512 * MIB),
    "firmware": _NEXT_BOOT,
    "secure_boot": Field(cost=_cost_of_secure_boot, instead=KEYS_REMEDY),
    "tpm": _NEXT_BOOT,
    "disks.add": Field(cost=_cost_of_disk),
    "disks.remove": Field(cost=_cost_of_disk),
    "disks.size": Field(cost=_cost_of_growth),
    "disks.format": Field(cost=NEVER, choices=("raw", "qcow2", "vmdk"), instead=_DETACH),
    "disks.storage": Field(cost=_cost_of_growth),
    "disks.source": Field(cost=NEVER, same=values.is_same_volume, instead=_DETACH),
    "iso": Field(cost=_cost_of_iso, same=same_iso),
    "networks.add": Field(cost=_hotplug_cost("network")),
    "networks.remove": Field(cost=_hotplug_cost("network")),
    "networks.type": replace(_LIVE, choices=("bridged", "user")),
    "networks.source": _LIVE,
    "networks.vlan": _LIVE,
    "networks.mac": Field(cost=_hotplug_cost("network")),
    "networks.model": Field(cost=_hotplug_cost("network"), choices=values.NICS),
    "cloud_init.user": _LIVE,
    "cloud_init.password": Field(readable=False),
    "cloud_init.ssh_authorized_keys": _LIVE,
    "cloud_init.ip_config": replace(_LIVE, same=cloud_init.same_ip_config),
    "cloud_init.nameservers": _LIVE,
    "cloud_init.search_domains": _LIVE,
    "native": Field(cost=native.cost_of_native),
    "image": Field(),
    "image.linked": Field(choices=(False,), instead=PROXMOX.lacks["image.linked=true"]),
    "clone": Field(
        cost=_cost_of_cloning,
        instead="Set linked: false, or clone a template (template: true) without clone.snapshot. A suspended VM must be"
        " started first, and the node of a VM in an unknown state must answer.",
    ),
    "snapshot.take": Field(cost=_cost_of_snapshot, instead=_LOCKED),
    "snapshot.drop": Field(cost=_cost_of_snapshot, instead=_LOCKED),
    "snapshot.restore": Field(cost=_cost_of_restoring),
}
