# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From changes to the options that the server is sent. A new machine gets its options by the same writing.

What of an option is not asked for stays as it is: a card keeps its MAC, a disk its volume and all else about it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ..._lifecycle.errors import Refused
from ..._lifecycle.units import MIB
from ..._tools import proxmox_values as values
from . import mark, native
from .sight import HOST_CPU, NESTED_FLAG, iso_slot

#: The processor of a machine that is to have none of the host's; what a new one gets by default.
_PLAIN_CPU = "kvm64"
_BOARD = {"bios": "seabios", "uefi": "ovmf"}
_SCREEN = {"none": "none", "vnc": "std", "spice": "qxl"}
_ISO_SLOTS = ("ide2", "ide3", "ide1", "ide0", "sata5")
#: Slots for the drive that cloud-init reads, the usual one first.
_SEED_SLOTS = ("ide0", "ide1", "ide2", "ide3", "sata4")
#: A volume of one GiB is asked for; the server makes it as small as it has to be.
_STATE = "{}:1"


@dataclass
class Writing:
    """Options to set and to take away. ``now`` are the machine's options as they are, ``storage`` is for new disks."""

    now: dict
    storage: str = ""
    put: dict = field(default_factory=dict)
    gone: list = field(default_factory=list)
    #: Options whose content is given up with them.
    lost: list = field(default_factory=list)
    #: {slot: bytes} of disks to grow.
    grown: dict = field(default_factory=dict)

    def value(self, key):
        """An option as it will be."""
        return None if key in self.gone else self.put.get(key, self.now.get(key))

    def set(self, key, value):
        """Empty: it is taken away, where it is there at all."""
        if value not in (None, ""):
            self.put[key] = str(value)
        elif key in self.now:
            self.gone.append(key)

    def merge(self, key, parts):
        """Sub-keys of an option; those that are None go."""
        present = {**values.parse(key, self.value(key) or ""), **parts}
        self.set(key, values.printed(key, {name: part for name, part in present.items() if part is not None}))

    @property
    def taken(self):
        """Slots in which nothing can be put: what goes from one by a call cannot come back by the same."""
        return {*self.now, *self.put}

    @property
    def allocates(self):
        return any(values.bus_of(key) or key.startswith(("efidisk", "tpmstate")) for key in self.put)


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
    """Disks and cards are there before single sub-keys of theirs are set."""
    return change.field == "native", change.path


def _plain(option, text=str):
    return lambda writing, change: writing.set(option, text(change.new))


def _switch(option):
    return lambda writing, change: writing.set(option, "1" if change.new else "0")


def _cpus(writing, change):
    sockets = int(writing.now.get("sockets", 1))
    if change.new % sockets:
        raise Refused(
            f"cpus: the machine has {sockets} sockets, over which {change.new} processors cannot be spread.",
            f"Give a multiple of {sockets}.",
        )
    writing.set("cores", change.new // sockets)


def _memory(writing, change):
    writing.set("memory", change.new // MIB)


def _firmware(writing, change):
    writing.set("bios", _BOARD[change.new])
    if change.new == "uefi" and not writing.value("efidisk0"):
        keys = int(bool((change.beside or {}).get("secure_boot")))
        writing.put["efidisk0"] = f"{_STATE.format(writing.storage)},efitype=4m,pre-enrolled-keys={keys}"


def _secure_boot(writing, change):
    if change.new and writing.put.get("efidisk0"):
        writing.merge("efidisk0", {"pre-enrolled-keys": "1"})


def _tpm(writing, change):
    is_there = "tpmstate0" in writing.now
    if change.new and not is_there:
        writing.put["tpmstate0"] = f"{_STATE.format(writing.storage)},version=v2.0"
    elif is_there and not change.new:
        writing.lost.append("tpmstate0")


def _nested(writing, change):
    present = values.parse("cpu", writing.value("cpu") or "")
    flags = [flag for flag in present.get("flags", "").split(";") if flag and flag != NESTED_FLAG]
    if change.new:
        writing.merge("cpu", {"cputype": HOST_CPU})
    elif present:
        kind = _PLAIN_CPU if present.get("cputype") == HOST_CPU else present.get("cputype", _PLAIN_CPU)
        writing.merge("cpu", {"cputype": kind, "flags": ";".join(flags) or None})


def _description(writing, change):
    writing.set("description", mark.notes_of(change.new, mark.split(writing.now.get("description"))[1]))


def _tags(writing, change):
    writing.set("tags", ";".join(change.new))


def _display_type(writing, change):
    writing.merge("vga", {"type": _SCREEN[change.new]})


def _display_memory(writing, change):
    present = values.parse("vga", writing.value("vga") or "")
    writing.merge("vga", {"type": present.get("type", "std"), "memory": change.new // MIB})


# Drives -----------------------------------------------------------------------------------------------------------


def _add_disk(writing, change):
    if change.key in writing.now:
        return
    asked = change.new
    if asked.get("source"):
        writing.put[change.key] = asked["source"]
        return
    parts = {"file": f"{asked.get('storage') or writing.storage}:{values.gibibytes(asked['size'])}"}
    if asked.get("format") and asked["format"] != "raw":
        parts["format"] = asked["format"]
    writing.put[change.key] = values.printed(change.key, parts)


def _remove_disk(writing, change):
    if change.key in writing.now:
        writing.gone.append(change.key)


def _grow_disk(writing, change):
    present = values.size_of(values.parse(change.key, writing.now.get(change.key, "")).get("size"))
    if present is None or present < change.new:
        writing.grown[change.key] = change.new


def _iso(writing, change):
    slot = iso_slot(writing.now)
    if slot is None:
        slot = free_iso_slot(writing.taken)
    writing.put[slot] = f"{change.new or 'none'},media=cdrom"


def free_iso_slot(taken):
    """The slot for a new drive of the option iso."""
    return _free_slot(taken, _ISO_SLOTS, "iso")


def free_seed_slot(taken):
    """The slot for a new drive that cloud-init reads."""
    return _free_slot(taken, _SEED_SLOTS, "cloud-init")


def _free_slot(taken, slots, what):
    found = next((slot for slot in slots if slot not in taken), None)
    if found is None:
        raise Refused(
            f"{what}: no slot is left for its drive: {', '.join(sorted(slots))} are taken.",
            "Detach a disk from one of them by a task before (state: absent); a new machine's disks may be elsewhere.",
        )
    return found


# Cards ------------------------------------------------------------------------------------------------------------


def _add_card(writing, change):
    writing.merge(f"net{change.key}", {"model": "virtio", **_card_parts(change.new)})


def _remove_card(writing, change):
    writing.set(f"net{change.key}", None)


def _change_card(writing, change):
    key = f"net{change.key}"
    if change.attribute == "type" and change.new == "user":
        writing.merge(key, {"bridge": None})
        return
    writing.merge(key, _card_parts({change.attribute: change.new}))


def _card_parts(asked):
    """Sub-keys of what is asked of a card."""
    words = {"source": "bridge", "mac": "macaddr", "model": "model"}
    parts = {words[name]: value for name, value in asked.items() if name in words}
    if "vlan" in asked:
        parts["tag"] = asked["vlan"] or None
    return parts


# What cloud-init is told ------------------------------------------------------------------------------------------


def _ssh_keys(writing, change):
    writing.set("sshkeys", values.keys_text(change.new))


def _ip_config(writing, change):
    for place in range(max(len(change.old or ()), len(change.new))):
        writing.set(f"ipconfig{place}", change.new[place] if place < len(change.new) else None)


def _native(writing, change):
    if not native.is_part(change.key):
        writing.set(change.key, change.new)
        return
    writing.merge(change.key, native.told_apart(change.old, change.new, change.key))


_WRITES = {
    "cpus": _cpus,
    "memory": _memory,
    "firmware": _firmware,
    "secure_boot": _secure_boot,
    "tpm": _tpm,
    "nested_virtualization": _nested,
    "os_type": _plain("ostype"),
    "description": _description,
    "tags": _tags,
    "autostart": _switch("onboot"),
    "protection": _switch("protection"),
    "display.type": _display_type,
    "display.video_memory": _display_memory,
    "disks.add": _add_disk,
    "disks.remove": _remove_disk,
    "disks.size": _grow_disk,
    "iso": _iso,
    "networks.add": _add_card,
    "networks.remove": _remove_card,
    "networks": _change_card,
    "cloud_init.user": _plain("ciuser"),
    "cloud_init.ssh_authorized_keys": _ssh_keys,
    "cloud_init.ip_config": _ip_config,
    "cloud_init.nameservers": _plain("nameserver", " ".join),
    "cloud_init.search_domains": _plain("searchdomain", " ".join),
    "native": _native,
}
