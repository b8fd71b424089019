# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What VirtualBox can do, as data."""

from __future__ import annotations

import os
from functools import partial

from ..._lifecycle.errors import Refused
from ..._lifecycle.model import ABSENT, RUNNING, STOPPED, SUSPENDED, UNKNOWN, Traits
from ..._lifecycle.units import GIB, MIB, human_size
from . import forwards, native, networks, sharing
from .busy import Busy
from .fields import BOOT_WORDS, fields_of
from .known import Known
from .options import VIRTUALBOX
from .words import NOT_GROWN, OS_TYPES, bus_for, place_of

_LONGEST_NAME = 200


def vbox_traits(version, known=None):
    """Traits of an installation; ``version`` is numbers, ``known`` what else options are read with."""
    return Traits(
        platform=VIRTUALBOX.name,
        version=".".join(map(str, version)),
        fields=fields_of(version),
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
            "tpm": "It takes VirtualBox 7.0 or later.",
            UNKNOWN: "Put its settings file back, or have VirtualBox forget it, which leaves all files as they are:"
            " VBoxManage unregistervm with its UUID. Where no file of it is left, state: absent does that.",
            "snapshot.content": VIRTUALBOX.lacks["compare.content"],
        },
        slot="SATA {}".format,
        name_fault=_name_fault,
        snapshot_name_fault=_snapshot_name_fault,
        # The memory of what was paused or saved is put back as that of what ran.
        taken_as=lambda vm, asked: ("", STOPPED if vm.power == STOPPED else RUNNING),
        restored_as={RUNNING: SUSPENDED},
        transient=lambda error: isinstance(error, Busy),
        live_in_every_power=True,
        not_cloned=frozenset({"port_forwards"}),
        adjust=partial(_adjusted, known or Known()),
    )


def _name_fault(name):
    if name.startswith("-"):
        return "VBoxManage would take it for an option"
    if len(name.encode("utf-8", "surrogateescape")) > _LONGEST_NAME:
        return f"files are named after it, so it has at most {_LONGEST_NAME} bytes"
    return None


def _snapshot_name_fault(name):
    return "VBoxManage would take it for an option" if name.startswith("-") else None


def _adjusted(known, vm, config):
    """The vocabulary's words in VirtualBox's, with what has no place there refused."""
    adjusted = dict(config)
    _check_whole(vm, config)
    _check_paths(vm, config)
    if config.get("os_type"):
        adjusted["os_type"] = OS_TYPES.get(config["os_type"].lower()) or known.os_type(config["os_type"])
    if "native" in config:
        adjusted["native"] = native.settled(vm, config["native"])
    if "networks" in config:
        adjusted["networks"] = networks.settled(vm, config["networks"])
    for slot, disk in (config.get("disks") or {}).items():
        _check_slot(vm, slot, disk, known.controllers.get(vm.id, ()))
        _check_growth(vm, slot, disk or {})
    _check_boot_order(vm, config.get("boot_order"))
    if "groups" in config:
        adjusted["groups"] = _groups(vm, config["groups"])
        _check_moved(vm, adjusted, known.folders.get(vm.id))
    if "port_forwards" in config:
        adjusted["port_forwards"] = forwards.settled(vm, config["port_forwards"])
    forwards.check_form(vm, adjusted)
    sharing.check_form(vm, config.get("shared_folders") or {})
    if config.get("iso") == "" and vm.power != ABSENT and vm.config.get("iso") is None:
        del adjusted["iso"]  # Where there is no drive, there is no medium in it.
    return adjusted


def _check_whole(vm, config):
    sizes = {"memory": config.get("memory"), "display.video_memory": (config.get("display") or {}).get("video_memory")}
    for slot, disk in (config.get("disks") or {}).items():
        sizes[f"disks: size of {slot}"] = (disk or {}).get("size")
    for option, size in sizes.items():
        if size and size % MIB:
            raise Refused(f"{vm.name}: {option} is {human_size(size)}.", "VirtualBox counts in whole MiB.")


def _paths(config):
    disks = config.get("disks") or {}
    paths = {f"disks: source of {slot}": (disk or {}).get("source") for slot, disk in disks.items()}
    return {**paths, "iso": config.get("iso")}


def _check_paths(vm, config):
    for option, path in _paths(config).items():
        if path and not os.path.isabs(path):
            raise Refused(f"{vm.name}: {option} '{path}' is no absolute path.", "Give its full path on the hypervisor.")


def _check_slot(vm, slot, disk, controllers):
    place = place_of(slot)
    present = {place_of(one)[0] for one in vm.config.get("disks") or {}}.union(controllers)
    is_gone = disk is None and slot not in (vm.config.get("disks") or {})
    if place is None or (place[0] not in present and bus_for(place[0]) is None and not is_gone):
        raise Refused(
            f"{vm.name}: disks: '{slot}' is no slot.",
            "Name a controller and a port, such as SATA 0, IDE 0 or NVMe 0; IDE 0:1 is a second device.",
        )


def _check_growth(vm, slot, disk):
    present = (vm.config.get("disks") or {}).get(slot) or {}
    size = present.get("size")
    if present.get("format") != NOT_GROWN or not size or (disk.get("size") or 0) <= size:
        return
    # What a clone will have has no path yet.
    path = present.get("source") or f"FILE.{NOT_GROWN}"
    first = "Remove its snapshots first. " if vm.snapshots else ""
    raise Refused(
        f"{vm.name}: disks: {slot} is a {NOT_GROWN} of {human_size(size)}, and VirtualBox cannot grow such a disk.",
        f"{first}Detach it (state: absent) and attach a VDI of the same content: VBoxManage clonemedium disk {path}"
        f" {os.path.splitext(path)[0]}.vdi --format VDI.",
    )


def _check_boot_order(vm, order):
    if order is None:
        return
    unknown = [word for word in order if word not in BOOT_WORDS]
    if not order or unknown or len(set(order)) < len(order):
        what = f"has {unknown[0]}" if unknown else "is empty" if not order else "names a device twice"
        raise Refused(f"{vm.name}: boot_order {what}.", f"Name each of {', '.join(BOOT_WORDS)} at most once.")


def _check_moved(vm, config, folder):
    """A new first group moves the folder of a VM, and paths within it with it."""
    if folder is None or config["groups"][0] == vm.config["groups"][0]:
        return
    for option, path in _paths(config).items():
        if path and os.path.realpath(path).startswith(os.path.join(os.path.realpath(folder), "")):
            raise Refused(
                f"{vm.name}: {option}: {path} lies in the folder of the VM, which groups {config['groups'][0]} moves.",
                "Change the groups in a task before, then name the path that the file has by then.",
            )


def _groups(vm, groups):
    for group in groups:
        if not group.startswith("/") or "," in group or (group != "/" and group.endswith("/")):
            raise Refused(f"{vm.name}: groups: '{group}' is no group.", "Write one such as /web or /web/test.")
    return tuple(groups) or ("/",)
