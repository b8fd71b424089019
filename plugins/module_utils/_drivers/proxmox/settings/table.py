# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings: how each is read from the options of a VM, and written to them; those of one option each are here.

A new VM gets its options by the same functions. Parts of an option that are not requested stay: a NIC keeps its MAC, a
disk its volume.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Optional

from ...._lifecycle.errors import Refused
from ...._lifecycle.mark import with_settings
from ...._lifecycle.settings import Setting, read_all
from ...._lifecycle.units import MIB
from ...._tools import proxmox_values as values
from .. import mark
from .cloud_init import read_cloud_init, write_cloud_init
from .disks import read_disks, read_iso, write_disk, write_iso
from .firmware import read_firmware, read_secure_boot, read_tpm, write_firmware, write_secure_boot, write_tpm
from .native import write_native
from .networks import read_nics, write_nic

#: The CPU type without nested virtualization, which is the default of a new VM.
_PLAIN_CPU = "kvm64"
_SCREEN = {"none": "none", "vnc": "std", "spice": "qxl"}
#: The CPU type with which guests can run VMs.
_HOST_CPU = "host"
_NESTED_FLAG = "+nested-virt"
#: A serial console: display.type has no value for it, so it is set by native only.
SERIAL = "serial"
#: {key of native: the setting that follows from it}.
_ALSO_NATIVE = {"vga": "display", "cpu": "nested_virtualization", "hotplug": "hotplug"}


@dataclass
class Writing:
    """Options to set and to remove. ``now`` are the VM's options as they are, ``storage`` is for new disks."""

    now: dict
    storage: str = ""
    vmid: str = ""
    put: dict = field(default_factory=dict)
    removed: list = field(default_factory=list)
    #: Options whose content is deleted with them.
    deleted: list = field(default_factory=list)
    #: {slot: bytes} of disks to grow.
    grown: dict = field(default_factory=dict)

    def value(self, key):
        """An option as it will be."""
        return None if key in self.removed else self.put.get(key, self.now.get(key))

    def set(self, key, value):
        """Empty: the option is removed, if there is one."""
        if value not in (None, ""):
            self.put[key] = str(value)
        elif key in self.now:
            self.removed.append(key)

    def merge(self, key, parts):
        """Sub-keys of an option; those that are None are removed."""
        present = {**values.parse(key, self.value(key) or ""), **parts}
        self.set(key, values.printed(key, {name: part for name, part in present.items() if part is not None}))

    @property
    def taken(self):
        """Slots in which nothing can be put: a call cannot empty and fill the same slot."""
        return {*self.now, *self.put}

    @property
    def allocates(self):
        return any(values.bus_of(key) or key.startswith(("efidisk", "tpmstate")) for key in self.put)


def _switch(option):
    """A setting that is an option of 0 or 1."""
    return Setting(
        lambda options: options.get(option) == "1",
        lambda writing, change: writing.set(option, "1" if change.new else "0"),
    )


def _read_cpus(options):
    return int(options.get("sockets", 1)) * int(options.get("cores", options.get("smp", 1)))


def _write_cpus(writing, change):
    sockets = int(writing.now.get("sockets", 1))
    if change.new % sockets:
        raise Refused(
            f"cpus: the VM has {sockets} sockets, and {change.new} CPUs cannot be divided among them.",
            f"Set a multiple of {sockets}.",
        )
    writing.set("cores", change.new // sockets)


def memory_of(options):
    """Bytes that a VM has at most."""
    return int(values.parse("memory", options.get("memory", "512"))["current"]) * MIB


def _write_memory(writing, change):
    writing.set("memory", change.new // MIB)


def _is_nested(options):
    processor = values.parse("cpu", options.get("cpu", ""))
    return processor.get("cputype") == _HOST_CPU or _NESTED_FLAG in processor.get("flags", "").split(";")


def _write_nested(writing, change):
    present = values.parse("cpu", writing.value("cpu") or "")
    flags = [flag for flag in present.get("flags", "").split(";") if flag and flag != _NESTED_FLAG]
    if change.new:
        writing.merge("cpu", {"cputype": _HOST_CPU})
    elif present:
        kind = _PLAIN_CPU if present.get("cputype") == _HOST_CPU else present.get("cputype", _PLAIN_CPU)
        writing.merge("cpu", {"cputype": kind, "flags": ";".join(flags) or None})


def _read_fleet(options):
    return (mark.split(options.get("description"))[1] or {}).get("fleet", "")


def _read_description(options):
    return mark.split(options.get("description"))[0]


def _write_description(writing, change):
    writing.set("description", mark.notes_of(change.new, mark.split(writing.value("description"))[1]))


def _write_fleet(writing, change):
    text, noted = mark.split(writing.value("description"))
    writing.set("description", mark.notes_of(text, with_settings(mark.own(writing.vmid, noted), {"fleet": change.new})))


def _read_tags(options):
    return tuple(sorted(tag for tag in re.split(r"[;, ]+", options.get("tags", "")) if tag))


def _write_tags(writing, change):
    writing.set("tags", ";".join(change.new))


def _read_display(options):
    adapter = values.parse("vga", options.get("vga", ""))
    kind = adapter.get("type", "std")
    words = {"qxl": "spice", "none": "none", "serial": SERIAL}
    reported = {"type": next((word for name, word in words.items() if kind.startswith(name)), "vnc")}
    return {**reported, **({"video_memory": int(adapter["memory"]) * MIB} if "memory" in adapter else {})}


def _write_display(writing, change):
    if change.attribute == "type":
        writing.merge("vga", {"type": _SCREEN[change.new]})
        return
    present = values.parse("vga", writing.value("vga") or "")
    writing.merge("vga", {"type": present.get("type", "std"), "memory": change.new // MIB})


#: By the vocabulary's name of the field. What is written to is a Writing.
SETTINGS = {
    "cpus": Setting(_read_cpus, _write_cpus),
    "memory": Setting(memory_of, _write_memory),
    "nested_virtualization": Setting(_is_nested, _write_nested),
    "os_type": Setting(
        lambda options: options.get("ostype", "other"), lambda writing, change: writing.set("ostype", change.new)
    ),
    "description": Setting(_read_description, _write_description),
    "tags": Setting(_read_tags, _write_tags),
    "fleet": Setting(_read_fleet, _write_fleet),
    "autostart": _switch("onboot"),
    "display": Setting(_read_display, _write_display),
    "protection": _switch("protection"),
    "firmware": Setting(read_firmware, write_firmware),
    "secure_boot": Setting(read_secure_boot, write_secure_boot),
    "tpm": Setting(read_tpm, write_tpm),
    "disks": Setting(read_disks, write_disk),
    "networks": Setting(read_nics, write_nic),
    "iso": Setting(read_iso, write_iso),
    "cloud_init": Setting(read_cloud_init, write_cloud_init),
}


@dataclass(frozen=True)
class Context:
    """What is known of a VM beside its options."""

    node: str
    vmid: str
    pool: Optional[str] = None
    native_keys: tuple = ()


def config_of(options, context):
    """A VM's settings by the vocabulary's names. A template is created by a call of its own, not by an option."""
    found = {
        **read_all(SETTINGS, options),
        "hotplug": tuple(sorted(values.hotplugged(options.get("hotplug")))),
        "template": options.get("template") == "1",
        "node": context.node,
        "pool": context.pool or "",
    }
    if not mark.is_of(context.vmid, mark.split(options.get("description"))[1]):
        found["fleet"] = ""  # A copy that somebody made belongs to no fleet.
    if context.native_keys:
        found["native"] = {key: options.get(key) for key in context.native_keys}
    return found


def running_config_of(options, context):
    """The settings that a VM runs with. What the task sets by native is reported as native only, here as in a plan."""
    twice = {_ALSO_NATIVE.get(key) for key in context.native_keys}
    return {name: value for name, value in config_of(options, context).items() if name not in twice}


def written(changes, now, storage, vmid=""):
    """The Writing of all ``changes`` that are options of the configuration."""
    writing = Writing(dict(now), storage, vmid)
    for change in sorted(changes, key=_order):
        if change.field == "native":
            write_native(writing, change)
        elif change.field in SETTINGS:
            SETTINGS[change.field].write(writing, change)
    writing.put = {key: text for key, text in writing.put.items() if not _is_so(key, writing.now.get(key), text)}
    return writing


def _is_so(key, found, wanted):
    """Whether an option has the wanted value already: by a call whose answer was lost, or by another user."""
    if found is None or values.bus_of(key) is None:
        return found == wanted
    return {"size": "", **values.parse(key, found)} == {**values.parse(key, wanted), "size": _size(key, found)}


def _size(key, text):
    """The size of a drive that the server stores."""
    return values.parse(key, text).get("size", "")


def _order(change):
    """Disks and NICs are added before single sub-keys of them are set."""
    return change.field == "native", change.path
