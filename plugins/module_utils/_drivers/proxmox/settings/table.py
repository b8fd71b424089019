# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All settings: how they are read from the options of a VM, written to them, and what a change of each costs.

A new VM gets its options by the same writing. What of an option is not requested stays: a NIC keeps its MAC, a disk its
volume.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from ...._lifecycle.model import LIVE, Field
from ...._tools import proxmox_values as values
from . import cloud_init, disks, firmware, general, media, native, networks
from .base import Writing, unless_suspended

#: {key of native: the setting that follows from it}.
_ALSO_NATIVE = {"vga": "display", "cpu": "nested_virtualization", "hotplug": "hotplug"}


@dataclass(frozen=True)
class Context:
    """What is known of a VM beside its options."""

    node: str
    pool: Optional[str] = None
    native_keys: tuple = ()


def running_config_of(options, context):
    """The settings that a VM runs with. What the task sets by native is reported as native only, here as in a plan."""
    twice = {_ALSO_NATIVE.get(key) for key in context.native_keys}
    return {name: value for name, value in config_of(options, context).items() if name not in twice}


def written(changes, now, storage):
    """The Writing of all ``changes`` that are options of the configuration."""
    writing = Writing(dict(now), storage)
    for change in sorted(changes, key=_order):
        write = _WRITES.get(change.kind) or _WRITES.get(change.field)
        if write is not None:
            write(writing, change)
    writing.put = {key: text for key, text in writing.put.items() if not _is_so(key, writing.now.get(key), text)}
    return writing


def _is_so(key, found, wanted):
    """Whether an option is as it is wanted: by a call whose answer was lost, or by somebody else."""
    if found is None or values.bus_of(key) is None:
        return found == wanted
    return {"size": "", **values.parse(key, found)} == {**values.parse(key, wanted), "size": _size(key, found)}


def _size(key, text):
    """The size that the server itself notes of a drive."""
    return values.parse(key, text).get("size", "")


def _order(change):
    """Disks and NICs are there before single sub-keys of theirs are set."""
    return change.field == "native", change.path


def config_of(options, context):
    """A VM's settings by the vocabulary's names."""
    found = {
        **general.read(options),
        **firmware.read(options),
        "disks": {slot: disks.read(drive) for slot, drive in disks.disks_of(options).items()},
        "networks": {place: networks.read(nic) for place, nic in networks.nics_of(options).items()},
        "iso": media.read(options),
        "cloud_init": cloud_init.read(options),
        "node": context.node,
        "pool": context.pool or "",
    }
    if context.native_keys:
        found["native"] = {key: options.get(key) for key in context.native_keys}
    return found


_CONCERNS = (general, firmware, disks, networks, media, cloud_init, native)
#: {kind of change: Field}.
SETTINGS = {
    "pool": Field(cost=LIVE),
    "node": Field(cost=unless_suspended(LIVE)),
    **{kind: row for concern in _CONCERNS for kind, row in concern.FIELDS.items()},
}
#: {kind or field of a change: what writes it}.
_WRITES = {kind: write for concern in _CONCERNS for kind, write in concern.WRITES.items()}
