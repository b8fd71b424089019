# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proxmox VE: what it supports, as data for the core."""

from __future__ import annotations

from functools import partial
from typing import Optional

from ..._core.frozen import Frozen, replace
from ..._core.model import ABSENT, LIVE, NEVER, PAUSED, POWER_OFF, RUNNING, STOPPED, SUSPENDED, UNKNOWN, Field, Traits
from ..._core.pattern import Pattern
from ..._core.units import GIB
from ..._core.verbs import BACKUP_VERBS, VERBS
from ..._kit.settings import defaults, normalized, supported
from ..._tools import proxmox_values as values
from ..._tools.proxmox import Busy, ConnectionLost
from .cluster import HARMLESS_LOCKS
from .options import PROXMOX
from .settings.architecture import AMD64, kept_as, with_firmware
from .settings.cloud_init import is_for_guest
from .settings.devices import STEMS
from .settings.firmware import check_secure_boot, check_state_storages
from .settings.hardware import AUTO
from .settings.iso import drive_slot
from .settings.native import as_native_option, check_native
from .settings.table import SETTINGS

_NAME = Pattern(r"[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?(\.[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?)*")
_SNAPSHOT = Pattern(r"[a-zA-Z][a-zA-Z0-9_-]{1,39}")
_RESERVED = ("current", "pending")
_LOCKED = "Start it first; a suspended VM is locked."


def _as_options(vm, config):
    """The settings of a VM as a task sets them: in native, without the parts that options of the module set."""
    # Of the option hotplug, only the cost of changes depends; native describes it. No task creates unused disks.
    left_out = {"hotplug", "unused_disks", *(("architecture",) if config.get("architecture") == AMD64 else ())}
    config = {name: value for name, value in config.items() if name not in left_out}
    found = config.get("native") or {}
    native = {key: as_native_option(key, text) for key, text in found.items()}
    if not any(text and values.stem(key) in STEMS for key, text in native.items()):
        return {**config, "native": native}
    # Native says more of a device, and a task cannot set devices both ways.
    native.update({key: text for key, text in found.items() if values.stem(key) in STEMS})
    return {**config, "native": native, "devices": {}}


class Known(Frozen):
    """What requested settings are normalized with, beside the VM.

    The default bridge of NICs; whether tags can contain capital letters, else they are stored in lower case; and the
    option ``storage`` of the task; and whether a VM may be renamed.
    """

    bridge: str = "vmbr0"
    keeps_capitals: bool = False
    storage: Optional[str] = None
    renames: bool = False


_NOTHING_KNOWN = Known()


def proxmox_traits(version="", known=_NOTHING_KNOWN):
    """Traits of a cluster. ``known`` is the Known of the task."""
    return Traits(
        platform=PROXMOX.name,
        sources=("image", "clone", "appliance", "iso", "disks"),
        version=version,
        as_options=_as_options,
        verbs=frozenset(VERBS) | BACKUP_VERBS,
        fields=_FIELDS,
        defaults={
            **defaults(SETTINGS),
            "disk_size": 32 * GIB,
            "networks": {"0": {"type": "bridged", "source": known.bridge}},
        },
        instead={
            **PROXMOX.lacks,
            "name": "Correct the name or the ID, or set allow_rename: true to rename the VM.",
            UNKNOWN: "Start its node again, or recover the VM on another node: see pvecm status.",
            "busy": "Wait for its task to end, or raise timeout. If none works on it, its node has crashed: qm unlock.",
            "snapshot.content": PROXMOX.lacks["compare.content"],
        },
        slot="scsi{}".format,
        drive_slot=drive_slot,
        kept_as=kept_as,
        leads_bus={f"{bus}0" for bus in values.BUSES}.__contains__,
        name_fault=name_fault,
        snapshot_name_fault=snapshot_name_fault,
        taken_as=taken_as,
        id_fault=id_fault,
        unique_names=False,
        renames=known.renames,
        proven_by="pool",
        is_seed=is_for_guest,
        copies_running=True,
        cloned_with=frozenset({"node", "pool"}),
        source_near=frozenset({"node"}),
        not_cloned=frozenset({"pool", "description", "template", "unused_disks"}),
        transient=lambda error: isinstance(error, (Busy, ConnectionLost)),
        lanes_at_once=8,
        harmless=HARMLESS_LOCKS,
        suspended_counts_as_stopped=True,
        normalize=partial(_normalized, known),
        live_migration=True,
        moving="The option node moves a VM to another node, also while it runs.",
        preparing="The backup is restored twice: first as another VM, NAME-restored. This takes twice the time, and"
        " twice the space in addition to the former disks.",
        console="Proxmox VE keeps no log. Set native: {serial0: socket}; from the next start on, qm terminal <id> on"
        " the node, or xterm.js in the web interface, connects to the console.",
    )


def _normalized(known, vm, config):
    """The requested settings as Proxmox VE stores them. Raises Refused for values that it cannot store."""
    config = with_firmware(vm, config)
    result = normalized(SETTINGS, vm, config, known)
    check_native(vm, config)
    check_secure_boot(vm, config)
    check_state_storages(vm, config)
    if vm.power != ABSENT and result.get("node") == AUTO:
        del result["node"]  # Any node is right for an existing VM.
    return result


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


_FIELDS = {
    # A suspended VM is locked: nothing but its pool can be changed.
    **{
        kind: row if kind == "pool" else replace(row, least={SUSPENDED: POWER_OFF})
        for kind, row in supported(SETTINGS).items()
    },
    "image": Field(),
    "appliance": Field(),
    "image.linked": Field(choices=(False,), instead=PROXMOX.lacks["image.linked=true"]),
    "clone": Field(
        cost=_cost_of_cloning,
        instead="Set linked: false, or clone a template (template: true) without clone.snapshot. A suspended VM must be"
        " started first, and the node of a VM in an unknown state must answer.",
    ),
    "snapshot.take": Field(cost=_cost_of_snapshot, instead=_LOCKED),
    "snapshot.drop": Field(cost=_cost_of_snapshot, instead=_LOCKED),
    "snapshot.restore": Field(cost=_cost_of_restoring),
    "snapshot.expires": Field(cost=_cost_of_snapshot, instead=_LOCKED),
    "backup.take": Field(cost=_cost_of_snapshot, instead=_LOCKED),
}
