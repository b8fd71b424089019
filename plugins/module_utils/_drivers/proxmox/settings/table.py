# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proxmox VE: the table of all settings, and the settings of an observed VM.

``read`` of a row gets the options of a VM, ``write`` a ConfigUpdate. The same functions configure new and existing VMs.
Sub-keys that are not requested are not changed: a NIC keeps its MAC address, a disk its volume.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Optional

from ...._core.frozen import Frozen, Mutable, field
from ...._core.record.mark import BIRTH, own_settings
from ...._kit.settings import in_order, read_all
from ...._tools import proxmox_values as values
from .architecture import ARCHITECTURE
from .cloud_init import CLOUD_INIT
from .devices import DEVICES
from .disks import DISKS, boot_disks_of
from .firmware import FIRMWARE, STATE_STORAGES
from .hardware import HARDWARE, PLACE
from .iso import ISO
from .native import NATIVE, described_native
from .networks import NICS
from .notes import NOTES

#: Disks and NICs are added before native sets sub-keys of them.
SETTINGS = {
    **ARCHITECTURE, **HARDWARE, **NOTES, **PLACE, **FIRMWARE, **DISKS, **NICS, **DEVICES, **ISO, **CLOUD_INIT, **NATIVE,
}  # fmt: skip
#: {key of native: setting that is also read from it}.
_ALSO_NATIVE = {"vga": "display", "cpu": "nested_virtualization", "hotplug": "hotplug"}


class ConfigUpdate(Mutable):
    """Options to set and to remove. ``current`` are the options of the VM, ``storage`` is for new volumes."""

    current: dict
    storage: str = ""
    vmid: str = ""
    to_set: dict = field(default_factory=dict)
    #: Options to remove; the volume of a disk is kept.
    to_remove: list = field(default_factory=list)
    #: Options to remove; the volumes are deleted.
    to_purge: list = field(default_factory=list)
    #: {slot: new size in bytes} of disks to grow.
    to_grow: dict = field(default_factory=dict)

    def value(self, key):
        """The value of an option after the update."""
        return None if key in self.to_remove else self.to_set.get(key, self.current.get(key))

    def set(self, key, value):
        """Set an option; an empty value removes it."""
        if value not in (None, ""):
            self.to_set[key] = str(value)
        elif key in self.current:
            self.to_remove.append(key)

    def merge(self, key, parts):
        """Set sub-keys of an option; those that are None are removed."""
        merged = {**values.parse(key, self.value(key) or ""), **parts}
        self.set(key, values.printed(key, {name: part for name, part in merged.items() if part is not None}))

    @property
    def used_slots(self):
        """Options with slots that cannot be used for a new drive: one call cannot empty and fill the same slot."""
        return {**self.current, **self.to_set}

    @property
    def creates_volumes(self):
        """Whether the update may create a volume, which can take long."""
        return any(values.bus_of(key) or key.startswith(("efidisk", "tpmstate")) for key in self.to_set)


class Context(Frozen):
    """Facts about a VM that are not in its options. ``native_keys`` are the keys of native that the task sets.

    None: all that a new VM does not have. ``own_mark`` is its mark, if that is of this VM.
    """

    node: str
    vmid: str
    pool: Optional[str] = None
    native_keys: tuple = ()
    own_mark: Optional[Mapping] = None


def config_of(options, context):
    """The settings of a VM in the form of ``Vm.config``."""
    found = {
        **read_all(SETTINGS, options),
        **own_settings(context.own_mark, context.vmid, (context.own_mark or {}).get(BIRTH)),
        "hotplug": tuple(sorted(values.hotplugged(options.get("hotplug")))),
        "node": context.node,
        "pool": context.pool or "",
    }
    if context.native_keys is None:
        found["native"] = described_native(options)
    elif context.native_keys:
        found["native"] = {key: options.get(key) for key in context.native_keys}
    return found


def running_config_of(options, context):
    """The settings that a VM runs with, in the form of ``Vm.active``.

    A setting that also follows from a key of native is omitted if the task sets this key, as in a plan. Where the EFI
    disk and the TPM are stored waits for no start: firmware, secure_boot and tpm say what waits.
    """
    omitted = {_ALSO_NATIVE.get(key) for key in context.native_keys or ()} | {"unused_disks", *STATE_STORAGES}
    found = {name: value for name, value in config_of(options, context).items() if name not in omitted}
    return {**found, "boot_disks": boot_disks_of(options)}


def config_update(changes, current, storage, vmid=""):
    """The ConfigUpdate for those of ``changes`` that are options of the configuration."""
    update = ConfigUpdate(dict(current), storage, vmid)
    for row, change in in_order(SETTINGS, changes):
        row.write(update, change)
    update.to_set = {
        key: text for key, text in update.to_set.items() if not _is_already_set(key, update.current.get(key), text)
    }
    return update


def _is_already_set(key, found, requested):
    """Whether an option already has the requested value: from an earlier call (its answer was lost) or another user.

    The size of a drive is not compared: the server stores it.
    """
    if found is None or values.bus_of(key) is None:
        return found == requested
    return {"size": "", **values.parse(key, found)} == {**values.parse(key, requested), "size": _size(key, found)}


def _size(key, text):
    """The size in the value of a drive, as the server stores it; empty if there is none."""
    return values.parse(key, text).get("size", "")
