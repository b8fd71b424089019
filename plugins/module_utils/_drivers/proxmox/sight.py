# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One machine's options, as Proxmox VE tells them, in the vocabulary's words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Optional

from ..._lifecycle.units import MIB
from ..._tools import proxmox_values as values
from . import mark

_NETWORK = re.compile(r"net(\d+)")
_UNUSED = re.compile(r"unused\d+")
#: Drives that hold what a machine is, and no data of the guest's.
_STATE = ("efidisk0", "tpmstate0")
#: Processors that let guests run machines of their own.
HOST_CPU = "host"
NESTED_FLAG = "+nested-virt"
#: {key of native: the setting that follows from it}.
_ALSO_NATIVE = {"vga": "display", "cpu": "nested_virtualization", "hotplug": "hotplug"}
#: A console that is no screen: the option has no word for it, so it is asked for by native alone.
SERIAL = "serial"


@dataclass(frozen=True)
class Sight:
    """``stored`` are its options at its next start, ``running`` those of now; ``digest`` tells one from the next."""

    vmid: str
    node: str
    stored: Mapping
    running: Mapping
    digest: Optional[str] = None
    pool: Optional[str] = None

    @classmethod
    def read(cls, tool, vmid, node, pool=None):
        stored, running, digest = {}, {}, None
        for entry in tool.get(f"/nodes/{node}/qemu/{vmid}/pending"):
            key = entry["key"]
            if key == "digest":
                digest = entry.get("value")
                continue
            if "value" in entry:
                running[key] = str(entry["value"])
            if "pending" in entry:
                stored[key] = str(entry["pending"])
            elif "value" in entry and not entry.get("delete"):
                stored[key] = str(entry["value"])
        return cls(str(vmid), node, _with_true_sizes(stored, running), running, digest, pool)

    @property
    def path(self):
        return f"/nodes/{self.node}/qemu/{self.vmid}"

    @property
    def mark(self):
        return mark.split(self.stored.get("description"))[1]

    @property
    def is_unfinished(self):
        return mark.is_unfinished(self.vmid, self.mark)


def _with_true_sizes(stored, running):
    """A disk grows at once; what waits for the next start still tells the size that it had."""
    sized = dict(stored)
    for key in [key for key in stored if values.bus_of(key) and stored[key] != running.get(key)]:
        waiting, present = (values.parse(key, text) for text in (stored[key], running.get(key, "")))
        if waiting.get("file") == present.get("file") and "size" in present:
            sized[key] = values.printed(key, {**waiting, "size": present["size"]})
    return sized


@dataclass(frozen=True)
class Around:
    """What is known of a machine beside its options."""

    node: str
    pool: Optional[str] = None
    native_keys: tuple = ()


def drives_of(options):
    """{slot: sub-keys} of all drives on a bus."""
    return {key: values.parse(key, text) for key, text in sorted(options.items()) if values.bus_of(key)}


def disks_of(options):
    return {slot: drive for slot, drive in drives_of(options).items() if not values.is_cdrom(drive) and drive}


def seed_slot(options):
    """The slot of the drive that cloud-init reads, or None."""
    return next((slot for slot, drive in drives_of(options).items() if values.is_seed(drive)), None)


def iso_slot(options):
    """The slot of the option iso: the first optical drive that holds no seed."""
    found = drives_of(options)
    return next((slot for slot, drive in found.items() if values.is_cdrom(drive) and not values.is_seed(drive)), None)


def cards_of(options):
    """{place: sub-keys} of all cards."""
    return {
        found[1]: values.parse(key, text)
        for key, text in sorted(options.items(), key=lambda item: (len(item[0]), item[0]))
        if (found := _NETWORK.fullmatch(key))
    }


def volumes_of(options):
    """{option: volume} of all that is no medium: disks, states, the seed, and what is detached."""
    found = {}
    for key, text in options.items():
        if values.bus_of(key) or key in _STATE or _UNUSED.fullmatch(key):
            drive = values.parse(key, text)
            if ":" in drive.get("file", "") and (not values.is_cdrom(drive) or values.is_seed(drive)):
                found[key] = drive["file"]
        elif key == "vmstate":
            found[key] = text
    return found


def media_of(options):
    """{slot: volume} of what lies in optical drives and is no seed."""
    return {
        slot: drive["file"]
        for slot, drive in drives_of(options).items()
        if values.is_cdrom(drive) and not values.is_seed(drive) and ":" in drive.get("file", "")
    }


def memory_of(options):
    """Bytes that a machine has at most."""
    return int(values.parse("memory", options.get("memory", "512"))["current"]) * MIB


def config_of(options, around):
    """A machine's settings by the vocabulary's names."""
    told = {
        "cpus": int(options.get("sockets", 1)) * int(options.get("cores", options.get("smp", 1))),
        "memory": memory_of(options),
        "firmware": "uefi" if options.get("bios") == "ovmf" else "bios",
        "secure_boot": options.get("bios") == "ovmf" and has_keys(options),
        "tpm": "tpmstate0" in options,
        "nested_virtualization": _is_nested(options),
        "os_type": options.get("ostype", "other"),
        "description": mark.split(options.get("description"))[0],
        "tags": tuple(sorted(tag for tag in re.split(r"[;, ]+", options.get("tags", "")) if tag)),
        "autostart": options.get("onboot") == "1",
        "display": _display(options.get("vga")),
        "disks": {slot: _disk(drive) for slot, drive in disks_of(options).items()},
        "networks": {place: _card(card) for place, card in cards_of(options).items()},
        "iso": _iso(options),
        "cloud_init": _cloud_init(options),
        "hotplug": tuple(sorted(values.hotplugged(options.get("hotplug")))),
        "protection": options.get("protection") == "1",
        "template": options.get("template") == "1",
        "node": around.node,
        "pool": around.pool or "",
    }
    if around.native_keys:
        told["native"] = {key: options.get(key) for key in around.native_keys}
    return told


def running_config_of(options, around):
    """The settings that a VM runs with. What the task sets by native is reported as native only, here as in a plan."""
    twice = {_ALSO_NATIVE.get(key) for key in around.native_keys}
    return {name: value for name, value in config_of(options, around).items() if name not in twice}


def has_keys(options):
    """Whether a machine's EFI disk was made with the keys of secure boot."""
    return values.parse("efidisk0", options.get("efidisk0", "")).get("pre-enrolled-keys") == "1"


def _is_nested(options):
    processor = values.parse("cpu", options.get("cpu", ""))
    return processor.get("cputype") == HOST_CPU or NESTED_FLAG in processor.get("flags", "").split(";")


def _display(text):
    card = values.parse("vga", text or "")
    kind = card.get("type", "std")
    words = {"qxl": "spice", "none": "none", "serial": SERIAL}
    told = {"type": next((word for name, word in words.items() if kind.startswith(name)), "vnc")}
    return {**told, **({"video_memory": int(card["memory"]) * MIB} if "memory" in card else {})}


def _disk(drive):
    volume = drive.get("file", "")
    return {
        "size": values.size_of(drive.get("size")),
        "format": values.format_of(volume),
        "storage": storage_of(volume),
        "source": volume,
    }


def storage_of(volume):
    """The storage of a volume; None for a path on the node."""
    storage, colon, _name = volume.partition(":")
    return storage if colon and not volume.startswith("/") else None


def _card(card):
    told = {"type": "bridged", "source": card["bridge"]} if card.get("bridge") else {"type": "user"}
    return {
        **told,
        "mac": card.get("macaddr", "").lower(),
        "model": card.get("model", "virtio"),
        "vlan": int(card.get("tag", 0)),
    }


def _iso(options):
    slot = iso_slot(options)
    if slot is None:
        return None
    medium = values.parse(slot, options[slot])["file"]
    return "" if medium == "none" else medium


def _cloud_init(options):
    return {
        "user": options.get("ciuser", ""),
        "ssh_authorized_keys": values.keys_of(options.get("sshkeys")),
        "ip_config": tuple(options.get(key, "") for key in _ip_keys(options)),
        "nameservers": tuple(options.get("nameserver", "").split()),
        "search_domains": tuple(options.get("searchdomain", "").split()),
    }


def _ip_keys(options):
    places = [int(key.removeprefix("ipconfig")) for key in options if re.fullmatch(r"ipconfig\d+", key)]
    return [f"ipconfig{place}" for place in range(max(places, default=-1) + 1)]
