# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VirtualBox: what it supports, as data: settings with the cost of a change, sources, names, alternatives."""

from __future__ import annotations

import os
from functools import partial

from ..._core.errors import Refused
from ..._core.model import FAILED, LIVE, NEVER, PAUSED, POWER_OFF, RUNNING, STOPPED, SUSPENDED, UNKNOWN, Field, Traits
from ..._core.pattern import Pattern
from ..._core.planner.drives import source_option
from ..._core.units import GIB
from ..._kit.addresses import address_effects
from ..._kit.settings import defaults, normalized, supported
from ..._tools import vboxmanage_output as output
from ..._tools.vboxmanage import Busy
from .options import VIRTUALBOX
from .settings.architecture import controller_of_disks, host_architecture, with_architecture
from .settings.cdroms import drive_slot
from .settings.hardware import check_secure_boot
from .settings.port_forwards import check_forwards
from .settings.table import SETTINGS
from .vbox_vm import parse_slot, slot_meant

_LONGEST_NAME = 200
#: Descriptions of operating systems contain spaces or parentheses, ids do not.
_DESCRIPTION = Pattern(r"[ ()/]")


class Known:
    """What later checks need of the last observation.

    {UUID: folder} and {UUID: {controller: bus}} of the VMs, and {real path: path by which VirtualBox knows an image}.
    """

    def __init__(self, tool=None):
        self._tool, self._os_types, self._networks = tool, None, {}
        self.folders, self.controllers, self.media = {}, {}, {}

    def networks(self, kind):
        """The names in one of VirtualBox's lists of networks, such as hostonlyifs; None without VirtualBox."""
        if self._tool is not None and kind not in self._networks:
            self._networks[kind] = tuple(one["Name"] for one in output.networks(self._tool.read("list", kind)))
        return self._networks.get(kind)

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
        sources=("image", "clone", "appliance", "iso", "disks"),
        unique_names=False,
        version=".".join(map(str, version)),
        fields=_fields(version, known),
        defaults={**defaults(SETTINGS), "disk_size": 32 * GIB, "networks": {"0": {"type": "nat"}}},
        instead={
            **VIRTUALBOX.lacks,
            **dict.fromkeys(("secure_boot", "tpm"), "It requires VirtualBox 7.0 or later."),
            UNKNOWN: "Restore its settings file, install the VirtualBox that wrote it if that is newer, or unregister"
            " the VM, which keeps all files: VBoxManage unregistervm"
            " UUID. If none of its files is left, state: absent unregisters it.",
            "snapshot.content": VIRTUALBOX.lacks["compare.content"],
            "clone.linked": "Set clone.snapshot, or linked: false.",
        },
        slot=f"{controller_of_disks()} {{}}".format,
        deletes_answer_media=True,
        slot_meant=slot_meant,
        drive_slot=partial(drive_slot, known),
        leads_bus=lambda slot: parse_slot(slot)[1:] == (0, 0),
        name_fault=_name_fault,
        snapshot_name_fault=lambda name: "VBoxManage would read it as an option" if name.startswith("-") else None,
        # The memory of a paused or suspended VM is restored as running.
        taken_as=lambda vm, requested: ("", STOPPED if vm.power == STOPPED else RUNNING),
        restored_as={RUNNING: SUSPENDED},
        transient=lambda error: isinstance(error, Busy),
        not_cloned=frozenset({"port_forwards", "serial_log"}),
        side_effects=address_effects,
        normalize=partial(_normalized, known, version),
        as_options=_as_options,
        moving="Stop the VM, then VBoxManage export <name> -o FILE.ova, and VBoxManage import FILE.ova on the other"
        " host.",
        console="Set serial_log to a file; VirtualBox writes it from the next start on.",
    )


def _name_fault(name):
    if name.startswith("-"):
        return "VBoxManage would read it as an option"
    if len(name.encode("utf-8", "surrogateescape")) > _LONGEST_NAME:
        return f"file names contain it, so it must not be longer than {_LONGEST_NAME} bytes"
    return None


def _as_options(vm, config):
    """The settings of a VM as a task would set them: only another architecture than that of the host is named."""
    is_named = config.get("architecture") != host_architecture()
    return {name: value for name, value in config.items() if name != "architecture" or is_named}


def _normalized(known, version, vm, config):
    """The requested configuration in VirtualBox's terms. Raises Refused for values that VirtualBox does not support."""
    result = check_secure_boot(vm, with_architecture(vm, normalized(SETTINGS, vm, config, known), version))
    if "groups" in config:
        _check_moved(vm, result, known.folders.get(vm.id))
    check_forwards(vm, result)
    return result


def _paths(vm, config):
    """{option: path} of the files that a task names, and of the log, which VirtualBox moves without its setting."""
    disks, cdroms = config.get("disks") or {}, config.get("cdroms") or {}
    return {
        "serial_log": config.get("serial_log", vm.config.get("serial_log")),
        **{f"disks.{slot}.source": (disk or {}).get("source") for slot, disk in disks.items()},
        **{source_option(vm, slot, cdroms): (drive or {}).get("source") for slot, drive in cdroms.items()},
    }


def _check_moved(vm, config, folder):
    """Reject paths in the directory of the VM if a new first group would move that directory."""
    if folder is None or config["groups"][0] == vm.config["groups"][0]:
        return
    for option, path in _paths(vm, config).items():
        if path and os.path.realpath(path).startswith(os.path.join(os.path.realpath(folder), "")):
            raise Refused(
                f"{vm.name}: {option}: {path} is in the directory of the VM, which the new groups"
                f" {config['groups'][0]} would move.",
                "Change groups in an earlier task, then use the file's new path.",
            )


def _cost_of_cloning(source, change):
    """The disks of a running or suspended VM are in use; only those of a snapshot do not change."""
    if change.new.get("linked") and not change.new.get("snapshot"):
        return NEVER
    return LIVE if source.power == STOPPED or change.new.get("snapshot") else NEVER


def _cost_of_taking(vm, change):
    without_memory = change.new.include_memory is False and vm.power in (RUNNING, PAUSED, SUSPENDED)
    return NEVER if vm.power == FAILED or without_memory else LIVE


def _fields(version, known):
    """{kind of change or creation option: Field} of one version."""
    return {
        **supported(SETTINGS, version, known),
        "image": Field(),
        "appliance": Field(),
        "image.linked": Field(choices=(False,), instead=VIRTUALBOX.lacks["image.linked=true"]),
        "clone": Field(
            cost=_cost_of_cloning,
            instead="Stop it first, or set clone.snapshot.",
        ),
        "cloud_init": Field(),
        "cloud_init.state": Field(choices=()),
        "snapshot.take": Field(
            cost=_cost_of_taking,
            instead="Stop the VM first: a snapshot of a running VM includes its memory, and a crashed VM has none.",
        ),
        "snapshot.drop": Field(cost=LIVE, maximum=1),
        "snapshot.restore": Field(cost=lambda vm, change: LIVE if vm.power in (STOPPED, SUSPENDED) else POWER_OFF),
        "snapshot.expires": Field(cost=LIVE),
    }
