# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of settings: how each is read from the options of a VM, and written to them.

The same functions configure new and existing VMs. Sub-keys that are not requested are not changed: a NIC keeps its MAC
address, a disk its volume. The functions of larger settings are in the other files of this directory.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Optional

from ...._core.errors import Refused
from ...._core.mark import with_settings
from ...._core.units import MIB
from ...._kit.settings import Setting, read_all
from ...._tools import proxmox_values as values
from .. import mark
from .cloud_init import read_cloud_init, write_cloud_init
from .disks import read_disks, read_iso, write_disk, write_iso
from .firmware import read_firmware, read_secure_boot, read_tpm, write_firmware, write_secure_boot, write_tpm
from .native import write_native
from .networks import read_nics, write_nic

#: The CPU type without nested virtualization, which is the default of a new VM.
_PLAIN_CPU = "kvm64"
#: {display.type: type in the option vga}.
_VGA_TYPES = {"none": "none", "vnc": "std", "spice": "qxl"}
#: The CPU type with which guests can run VMs.
_HOST_CPU = "host"
_NESTED_FLAG = "+nested-virt"
#: Reported as display.type for a serial console, which only native can set.
SERIAL = "serial"
#: {key of native: setting that is also read from it}.
_ALSO_NATIVE = {"vga": "display", "cpu": "nested_virtualization", "hotplug": "hotplug"}


@dataclass
class ConfigUpdate:
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
        """Slots that cannot be used for a new drive: one call cannot empty and fill the same slot."""
        return {*self.current, *self.to_set}

    @property
    def creates_volumes(self):
        """Whether the update may create a volume, which can take long."""
        return any(values.bus_of(key) or key.startswith(("efidisk", "tpmstate")) for key in self.to_set)


def _switch(option):
    """The Setting of an option that is 0 or 1."""
    return Setting(
        read=lambda options: options.get(option) == "1",
        write=lambda update, change: update.set(option, "1" if change.new else "0"),
    )


def cpus_of(options):
    """The number of CPUs of a VM."""
    return int(options.get("sockets", 1)) * int(options.get("cores", options.get("smp", 1)))


def _write_cpus(update, change):
    sockets = int(update.current.get("sockets", 1))
    if change.new % sockets:
        raise Refused(
            f"cpus: the VM has {sockets} sockets, and {change.new} CPUs cannot be divided among them.",
            f"Set a multiple of {sockets}.",
        )
    update.set("cores", change.new // sockets)


def memory_of(options):
    """The memory of a VM in bytes; with ballooning the maximum."""
    return int(values.parse("memory", options.get("memory", "512"))["current"]) * MIB


def _write_memory(update, change):
    update.set("memory", change.new // MIB)


def _is_nested(options):
    cpu = values.parse("cpu", options.get("cpu", ""))
    return cpu.get("cputype") == _HOST_CPU or _NESTED_FLAG in cpu.get("flags", "").split(";")


def _write_nested(update, change):
    current = values.parse("cpu", update.value("cpu") or "")
    flags = [flag for flag in current.get("flags", "").split(";") if flag and flag != _NESTED_FLAG]
    if change.new:
        update.merge("cpu", {"cputype": _HOST_CPU})
    elif current:
        kind = _PLAIN_CPU if current.get("cputype") == _HOST_CPU else current.get("cputype", _PLAIN_CPU)
        update.merge("cpu", {"cputype": kind, "flags": ";".join(flags) or None})


def _read_fleet(options):
    return (mark.split_notes(options.get("description"))[1] or {}).get("fleet", "")


def _read_description(options):
    return mark.split_notes(options.get("description"))[0]


def _write_description(update, change):
    update.set("description", mark.notes_of(change.new, mark.split_notes(update.value("description"))[1]))


def _write_fleet(update, change):
    text, recorded = mark.split_notes(update.value("description"))
    update.set(
        "description", mark.notes_of(text, with_settings(mark.own_mark(update.vmid, recorded), {"fleet": change.new}))
    )


def _read_tags(options):
    return tuple(sorted(tag for tag in re.split(r"[;, ]+", options.get("tags", "")) if tag))


def _write_tags(update, change):
    update.set("tags", ";".join(change.new))


def _read_display(options):
    adapter = values.parse("vga", options.get("vga", ""))
    vga_type = adapter.get("type", "std")
    types = {"qxl": "spice", "none": "none", "serial": SERIAL}
    display = {"type": next((name for prefix, name in types.items() if vga_type.startswith(prefix)), "vnc")}
    return {**display, **({"video_memory": int(adapter["memory"]) * MIB} if "memory" in adapter else {})}


def _write_display(update, change):
    if change.attribute == "type":
        update.merge("vga", {"type": _VGA_TYPES[change.new]})
        return
    current = values.parse("vga", update.value("vga") or "")
    update.merge("vga", {"type": current.get("type", "std"), "memory": change.new // MIB})


#: {field: Setting}. The functions read a dict of options, and write to a ConfigUpdate.
SETTINGS = {
    "cpus": Setting(read=cpus_of, write=_write_cpus),
    "memory": Setting(read=memory_of, write=_write_memory),
    "nested_virtualization": Setting(read=_is_nested, write=_write_nested),
    "os_type": Setting(
        read=lambda options: options.get("ostype", "other"),
        write=lambda update, change: update.set("ostype", change.new),
    ),
    "description": Setting(read=_read_description, write=_write_description),
    "tags": Setting(read=_read_tags, write=_write_tags),
    "fleet": Setting(read=_read_fleet, write=_write_fleet),
    "autostart": _switch("onboot"),
    "display": Setting(read=_read_display, write=_write_display),
    "protection": _switch("protection"),
    "firmware": Setting(read=read_firmware, write=write_firmware),
    "secure_boot": Setting(read=read_secure_boot, write=write_secure_boot),
    "tpm": Setting(read=read_tpm, write=write_tpm),
    "disks": Setting(read=read_disks, write=write_disk),
    "networks": Setting(read=read_nics, write=write_nic),
    "iso": Setting(read=read_iso, write=write_iso),
    "cloud_init": Setting(read=read_cloud_init, write=write_cloud_init),
}


@dataclass(frozen=True)
class Context:
    """Facts about a VM that are not in its options. ``native_keys`` are the keys of native that the task sets."""

    node: str
    vmid: str
    pool: Optional[str] = None
    native_keys: tuple = ()


def config_of(options, context):
    """The settings of a VM in the form of ``Vm.config``."""
    found = {
        **read_all(SETTINGS, options),
        "hotplug": tuple(sorted(values.hotplugged(options.get("hotplug")))),
        "template": options.get("template") == "1",
        "node": context.node,
        "pool": context.pool or "",
    }
    if not mark.is_of(context.vmid, mark.split_notes(options.get("description"))[1]):
        found["fleet"] = ""  # A copy that a user made belongs to no fleet.
    if context.native_keys:
        found["native"] = {key: options.get(key) for key in context.native_keys}
    return found


def running_config_of(options, context):
    """The settings that a VM runs with, in the form of ``Vm.active``.

    A setting that also follows from a key of native is omitted if the task sets this key, as in a plan.
    """
    also_native = {_ALSO_NATIVE.get(key) for key in context.native_keys}
    return {name: value for name, value in config_of(options, context).items() if name not in also_native}


def config_update(changes, current, storage, vmid=""):
    """The ConfigUpdate for those of ``changes`` that are options of the configuration."""
    update = ConfigUpdate(dict(current), storage, vmid)
    for change in sorted(changes, key=_sort_key):
        if change.field == "native":
            write_native(update, change)
        elif change.field in SETTINGS:
            SETTINGS[change.field].write(update, change)
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


def _sort_key(change):
    """Disks and NICs are added before single sub-keys of them are set."""
    return change.field == "native", change.path
