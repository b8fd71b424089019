# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What VirtualBox supports, as data: settings with the cost of a change, sources, names, alternatives."""

from __future__ import annotations

import os
import re
from functools import partial

from ..._core.errors import Refused
from ..._core.mark import IN_MARK
from ..._core.model import (
    ABSENT,
    FAILED,
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
from ..._core.units import GIB, MIB, human_size
from ..._tools import vboxmanage_output as output
from ..._tools.vboxmanage import Busy
from .options import VIRTUALBOX
from .settings.native import cost_of_native, normalized_native, same_native
from .settings.networks import normalized_networks
from .settings.port_forwards import check_forwards, normalized_forwards
from .settings.shared_folders import check_share_names
from .vbox_vm import FORMATS, NIC_MODELS, NOT_RESIZABLE, OS_TYPES, bus_for, parse_slot, place_fault, slot_name

_LONGEST_NAME = 200
#: Descriptions of operating systems contain spaces or parentheses, ids do not.
_DESCRIPTION = re.compile(r"[ ()/]")


class Known:
    """What later checks need of the last observation.

    {UUID: folder} and {UUID: {controller: bus}} of the VMs, and {real path: path by which VirtualBox knows an image}.
    """

    def __init__(self, tool=None):
        self._tool, self._os_types = tool, None
        self.folders, self.controllers, self.media = {}, {}, {}

    def os_type(self, text):
        """The id of an operating system that VirtualBox describes by ``text``; everything else as it is."""
        if self._tool is None or not _DESCRIPTION.search(text):
            return text
        if self._os_types is None:
            found = output.ostypes(self._tool.read("list", "ostypes"))
            self._os_types = {one.description.lower(): one.id for one in found}
        return self._os_types.get(text.lower(), text)


def vbox_traits(version, known=None):
    """Traits of a version, such as (7, 2, 22). ``known`` is the Known of the task's reader."""
    known = known or Known()
    return Traits(
        platform=VIRTUALBOX.name,
        unique_names=False,
        version=".".join(map(str, version)),
        fields=fields_of(version, known),
        defaults={
            "cpus": 2,
            "memory": 2 * GIB,
            "disk_size": 32 * GIB,
            "os_type": "Linux26_64",
            "graphics_controller": "vmsvga",
            "display": {"video_memory": 16 * MIB},
            "networks": {"0": {"type": "nat"}},
        },
        instead={
            **VIRTUALBOX.lacks,
            "tpm": "It requires VirtualBox 7.0 or later.",
            UNKNOWN: "Restore its settings file, install the VirtualBox that wrote it if that is newer, or unregister"
            " the VM, which keeps all files: VBoxManage unregistervm"
            " UUID. If none of its files is left, state: absent unregisters it.",
            "snapshot.content": VIRTUALBOX.lacks["compare.content"],
        },
        slot="SATA {}".format,
        name_fault=_name_fault,
        snapshot_name_fault=_snapshot_name_fault,
        # The memory of a paused or suspended VM is restored as running.
        taken_as=lambda vm, requested: ("", STOPPED if vm.power == STOPPED else RUNNING),
        restored_as={RUNNING: SUSPENDED},
        transient=lambda error: isinstance(error, Busy),
        not_cloned=frozenset({"port_forwards"}),
        adjust=partial(_normalized, known),
    )


def _name_fault(name):
    if name.startswith("-"):
        return "VBoxManage would read it as an option"
    if len(name.encode("utf-8", "surrogateescape")) > _LONGEST_NAME:
        return f"file names contain it, so it must not be longer than {_LONGEST_NAME} bytes"
    return None


def _snapshot_name_fault(name):
    return "VBoxManage would read it as an option" if name.startswith("-") else None


def _normalized(known, vm, config):
    """The requested configuration in VirtualBox's terms. Raises Refused for values that VirtualBox does not support."""
    adjusted = _with_plain_path(dict(config), "iso")
    _check_whole_mib(vm, config)
    if config.get("os_type"):
        adjusted["os_type"] = OS_TYPES.get(config["os_type"].lower()) or known.os_type(config["os_type"])
    if "native" in config:
        adjusted["native"] = normalized_native(vm, config["native"])
    if "networks" in config:
        adjusted["networks"] = normalized_networks(vm, config["networks"])
    if "disks" in config:
        adjusted["disks"] = _disks(vm, config["disks"], known)
    if "groups" in config:
        adjusted["groups"] = _groups(vm, config["groups"])
        _check_moved(vm, adjusted, known.folders.get(vm.id))
    if "port_forwards" in config:
        adjusted["port_forwards"] = normalized_forwards(vm, config["port_forwards"])
    check_forwards(vm, adjusted)
    if "shared_folders" in config:
        shares = {name: _with_plain_path(share, "host_path") for name, share in config["shared_folders"].items()}
        adjusted["shared_folders"] = shares
        check_share_names(vm, shares)
    if config.get("iso") == "" and vm.power != ABSENT and vm.config.get("iso") is None:
        del adjusted["iso"]  # Without a drive there is nothing to eject.
    return adjusted


def _check_whole_mib(vm, config):
    sizes = {"memory": config.get("memory"), "display.video_memory": (config.get("display") or {}).get("video_memory")}
    for slot, disk in (config.get("disks") or {}).items():
        sizes[f"disks.{slot}.size"] = (disk or {}).get("size")
    for option, size in sizes.items():
        if size and size % MIB:
            raise Refused(
                f"{vm.name}: {option}: {human_size(size)} is not a whole number of MiB.", "Round it to whole MiB."
            )


def _paths(config):
    disks = config.get("disks") or {}
    paths = {f"disks.{slot}.source": (disk or {}).get("source") for slot, disk in disks.items()}
    return {**paths, "iso": config.get("iso")}


def _disks(vm, disks, known):
    """The disks by slots as VirtualBox prints them: IDE 0:0 is IDE 0."""
    by_slot = {}
    for requested, disk in disks.items():
        _check_slot(vm, requested, disk, known.controllers.get(vm.id, ()))
        slot = slot_name(*parse_slot(requested))
        if slot in by_slot:
            raise Refused(f"{vm.name}: disks.{requested}: slot {slot} is listed twice.", "List each slot once.")
        _check_growth(vm, slot, disk or {})
        plain = _with_plain_path(disk, "source")
        # VirtualBox rejects an image that it knows by another path, such as one without symbolic links.
        found = known.media.get(os.path.realpath(plain["source"])) if plain and plain.get("source") else None
        by_slot[slot] = {**plain, "source": found} if found else plain
    return by_slot


def _with_plain_path(options, name):
    """``options`` with a path as VirtualBox stores it: VBoxManage removes parts such as // and /./ from paths."""
    return {**options, name: os.path.normpath(options[name])} if options and options.get(name) else options


def _check_slot(vm, slot, disk, controllers):
    parts = parse_slot(slot)
    present = {parse_slot(one)[0] for one in vm.config.get("disks") or {}}.union(controllers)
    is_gone = disk is None and slot not in (vm.config.get("disks") or {})
    if parts is None or (parts[0] not in present and bus_for(parts[0]) is None and not is_gone):
        raise Refused(
            f"{vm.name}: disks: '{slot}' is not a valid slot.",
            "Use a controller and a port, such as SATA 0, IDE 0 or NVMe 0; IDE 0:1 is the second device of a port.",
        )
    if vm.power == ABSENT and parts[0] not in present:
        fault = place_fault(*bus_for(parts[0]), *parts[1:])
        if fault:
            raise Refused(f"{vm.name}: disks.{slot}: a controller of this type {fault}.", "Use another slot.")


def _check_growth(vm, slot, disk):
    present = (vm.config.get("disks") or {}).get(slot) or {}
    size = present.get("size")
    if present.get("format") != NOT_RESIZABLE or not size or (disk.get("size") or 0) <= size:
        return
    # The files of a future clone have no path yet.
    path = present.get("source") or f"FILE.{NOT_RESIZABLE}"
    first = "Delete its snapshots first. " if vm.snapshots else ""
    raise Refused(
        f"{vm.name}: disks.{slot}.size: the disk is a {NOT_RESIZABLE} of {human_size(size)}, and VirtualBox cannot"
        " enlarge such a disk.",
        f"{first}Detach it (state: absent) and attach a VDI copy of it: VBoxManage clonemedium disk {path}"
        f" {os.path.splitext(path)[0]}.vdi --format VDI.",
    )


def _check_moved(vm, config, folder):
    """Reject paths in the directory of the VM if a new first group would move that directory."""
    if folder is None or config["groups"][0] == vm.config["groups"][0]:
        return
    for option, path in _paths(config).items():
        if path and os.path.realpath(path).startswith(os.path.join(os.path.realpath(folder), "")):
            raise Refused(
                f"{vm.name}: {option}: {path} is in the directory of the VM, which the new groups"
                f" {config['groups'][0]} would move.",
                "Change groups in an earlier task, then use the file's new path.",
            )


def _groups(vm, groups):
    for group in groups:
        if not group.startswith("/") or "," in group or (group != "/" and group.endswith("/")):
            raise Refused(
                f"{vm.name}: groups: '{group}' is not a valid group.", "Use a path such as /web or /web/test."
            )
    return tuple(groups) or ("/",)


TPM_SINCE = (7, 0)
_DETACH = "Detach it (state: absent) and attach another."


def _off_or_saved(vm, change):
    return LIVE if vm.power == SUSPENDED else POWER_OFF


def _while_on(vm, change):
    """Live with controlvm, except for a suspended VM."""
    return LIVE if vm.power in (STOPPED, RUNNING, PAUSED) else POWER_OFF


def _cost_of_autostart(vm, change):
    """controlvm enables it, but does not disable it, and reports success in both cases."""
    return LIVE if change.new or vm.power in (STOPPED, SUSPENDED) else POWER_OFF


def _cost_of_medium(vm, change):
    # None: it has no drive, and drives cannot be added to a running VM.
    return POWER_OFF if vm.config.get("iso") is None else _while_on(vm, change)


def _cost_of_adding_disk(known, vm, change):
    """A disk can be added to the SATA controller of a running VM, if it has one."""
    bus = known.controllers.get(vm.id, {}).get(parse_slot(change.key)[0])
    return _while_on(vm, change) if bus == "sata" else POWER_OFF


def _cost_of_cloning(source, change):
    """The disks of a running or suspended VM are in use; only those of a snapshot do not change."""
    if change.new.get("linked") and not change.new.get("snapshot"):
        return NEVER
    return LIVE if source.power == STOPPED or change.new.get("snapshot") else NEVER


def _cost_of_taking(vm, change):
    without_memory = change.new.include_memory is False and vm.power in (RUNNING, PAUSED, SUSPENDED)
    return NEVER if vm.power == FAILED or without_memory else LIVE


def _cost_of_restoring(vm, change):
    return LIVE if vm.power in (STOPPED, SUSPENDED) else POWER_OFF


def fields_of(version, known):
    """{kind of change: Field} of one version."""
    return {
        **_settings(version),
        **_media(known),
        **_network_fields(),
        "snapshot.take": Field(
            cost=_cost_of_taking,
            instead="Stop the VM first: a snapshot of a running VM includes its memory, and a crashed VM has none.",
        ),
        "snapshot.drop": Field(cost=LIVE, maximum=1),
        "snapshot.restore": Field(cost=_cost_of_restoring),
    }


def _settings(version):
    return {
        # From `list systemproperties` of 7.2; VirtualBox rejects higher numbers.
        "cpus": Field(cost=POWER_OFF, maximum=64),
        "memory": Field(cost=POWER_OFF, minimum=4 * MIB, maximum=2048 * GIB),
        "firmware": Field(cost=POWER_OFF),
        **({"tpm": Field(cost=POWER_OFF)} if version >= TPM_SINCE else {}),
        "nested_virtualization": Field(cost=POWER_OFF),
        "os_type": Field(cost=POWER_OFF, same=lambda found, requested: (found or "").lower() == requested.lower()),
        "description": Field(cost=_off_or_saved),
        **dict.fromkeys(IN_MARK, Field(cost=LIVE)),
        "autostart": Field(cost=_cost_of_autostart),
        "groups": Field(cost=_off_or_saved),
        "graphics_controller": Field(cost=POWER_OFF),
        "boot_order": Field(cost=POWER_OFF),
        "display.type": Field(cost=_while_on, choices=("none",), instead=VIRTUALBOX.lacks["display.type=vnc"]),
        "display.video_memory": Field(cost=POWER_OFF, minimum=MIB, maximum=256 * MIB),
        "native": Field(cost=cost_of_native, same=same_native),
    }


def _media(known):
    return {
        "image": Field(),
        "image.linked": Field(choices=(False,), instead=VIRTUALBOX.lacks["image.linked=true"]),
        "clone": Field(
            cost=_cost_of_cloning,
            instead="Stop it first, or set clone.snapshot. A linked clone always needs clone.snapshot.",
        ),
        "cloud_init": Field(),
        "iso": Field(cost=_cost_of_medium),
        "disks.add": Field(cost=partial(_cost_of_adding_disk, known)),
        "disks.remove": Field(cost=POWER_OFF),
        "disks.size": Field(cost=POWER_OFF),
        "disks.format": Field(cost=NEVER, choices=tuple(FORMATS), instead=_DETACH),
        "disks.source": Field(cost=NEVER, instead=_DETACH),
    }


def _network_fields():
    folder = Field(cost=POWER_OFF)
    rule = Field(cost=LIVE)
    return {
        "networks.add": Field(cost=POWER_OFF),
        "networks.remove": Field(cost=POWER_OFF),
        "networks.type": Field(cost=LIVE),
        "networks.source": Field(cost=LIVE),
        "networks.mac": Field(cost=POWER_OFF),
        "networks.model": Field(cost=POWER_OFF, choices=NIC_MODELS),
        **{f"port_forwards.{part}": rule for part in ("add", "remove", "protocol", "host_address", "host_port")},
        "port_forwards.guest_port": rule,
        "ssh_forward": rule,
        **{f"shared_folders.{part}": folder for part in ("add", "remove", "host_path", "guest_path", "read_only")},
    }
