# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One machine as VirtualBox tells it, in the vocabulary's words."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Optional

from ..._lifecycle.errors import NotFound
from ..._lifecycle.units import MIB
from ..._tools.vboxmanage_machine import Machine
from ..._tools.vboxmanage_states import state as state_of
from . import native
from .mark import empty_mark, is_unfinished
from .words import BOOT_WORDS, BUS_OF_TYPE, NETWORK_WORDS, NETWORKS, colon_mac, slot_name

#: The rule of the option ssh_forward; it is none of port_forwards.
SSH_RULE = "polyvirt-ssh"
_FORMATS = {"RAW": "raw"}


@dataclass(frozen=True)
class Sight:
    """What one look told of a machine: the list, its settings file (None: unreadable), images by UUID, its mark."""

    uuid: str
    machine: Machine
    file: Any = None
    media: Mapping = field(default_factory=dict)
    mark: Optional[Mapping] = None

    @property
    def values(self):
        return self.machine.values

    @property
    def state(self):
        """The State of its power."""
        return state_of(self.values["VMState"])

    @property
    def folder(self):
        return os.path.dirname(self.values["CfgFile"])

    @property
    def controllers(self):
        """{name: bus}."""
        return {one.name: BUS_OF_TYPE.get(one.values["type"].lower(), "other") for one in self.machine.controllers}

    def kind_of(self, slot):
        """HardDisk, DVD or Floppy."""
        told = self.file.drives.get((slot.controller, slot.port, slot.device)) if self.file else None
        if told:
            return told
        return "HardDisk" if slot.values.get("ImageUUID") in self.media else "DVD"

    @property
    def disks(self):
        """The slots with hard disks."""
        return [slot for slot in self.machine.slots if slot.medium != "none" and self.kind_of(slot) == "HardDisk"]

    @property
    def drives(self):
        """The slots with optical drives, in the order in which a guest finds them."""
        return [slot for slot in self.machine.slots if slot.medium != "none" and self.kind_of(slot) == "DVD"]

    def seed_files(self):
        """Paths of the files of our own in its folder."""
        return [os.path.join(self.folder, name) for name in (self.mark or {}).get("files", ())]

    @property
    def begun_mark(self):
        """The mark of a machine in the making; a clone that has none of its own yet has all its disks in its folder."""
        if (self.mark or {}).get("id") == self.uuid:
            return self.mark
        bases = [base for _attached, base in map(self.image_in, self.disks) if base]
        own = [base.uuid for base in bases if base.location.startswith(os.path.join(self.folder, ""))]
        return {**empty_mark(self.uuid), "disks": own, "unfinished": True}

    @property
    def is_unfinished(self):
        """True of a machine that a task has begun to make and nobody has got yet."""
        return is_unfinished(self.uuid, self.mark, self.values["LogFldr"])

    @property
    def iso_drive(self):
        """The drive of the option iso: the first that does not hold a seed."""
        return next((slot for slot in self.drives if slot.medium not in self.seed_files()), None)

    def chain(self, uuid):
        """An image and those below it, as long as they are this machine's own, or attached to it as never written."""
        found = [self.media[uuid]] if uuid in self.media else []
        while found and found[-1].parent in self.media and self._is_own(self.media[found[-1].parent]):
            found.append(self.media[found[-1].parent])
        return found

    def _is_own(self, medium):
        return self.uuid in medium.users or medium.is_never_written

    def image_in(self, slot):
        """What is attached, and what it goes back to: with snapshots a disk goes on in images on top of its own."""
        chain = self.chain(slot.values.get("ImageUUID"))
        return (chain[0], chain[-1]) if chain else (None, None)

    def left_behind(self):
        """The images with what was written since a snapshot to disks that are detached now; VirtualBox keeps them."""
        parents = {medium.parent for medium in self.media.values()}
        return [medium for medium in self.media.values() if medium.uuid not in parents and self._is_left(medium)]

    def _is_left(self, medium):
        below, folder = self.media.get(medium.parent), os.path.join(self.values["SnapFldr"], "")
        is_ours = below is not None and self.uuid in below.users and medium.location.startswith(folder)
        return is_ours and not medium.users

    def nic(self, number):
        return next((nic for nic in self.machine.nics if nic.number == number), None)

    @property
    def rules(self):
        """{name: (number of the card, rule)}; of two with one name that of the first card."""
        found = {}
        for nic in self.machine.nics:
            for rule in nic.forwards if nic.type == "nat" else ():
                found.setdefault(rule.name, (nic.number, rule))
        return found


def sight_of(sights, uuid):
    """One of all machines. Raises NotFound where somebody took it away while a task worked on it."""
    if uuid not in sights:
        raise NotFound(f"The machine {uuid} is gone: somebody else removed it meanwhile.", "Run the task again.")
    return sights[uuid]


def config_of(sight, native_keys=()):
    """The machine's settings by the vocabulary's names."""
    values = sight.values
    return {
        "cpus": int(values["cpus"]),
        "memory": int(values["memory"]) * MIB,
        "firmware": "bios" if values.get("firmware", "BIOS").upper() == "BIOS" else "uefi",
        "nested_virtualization": values.get("nested-hw-virt") == "on",
        "tpm": bool(sight.file and sight.file.told("Hardware/TrustedPlatformModule@type") not in (None, "None")),
        "os_type": sight.file.os_type if sight.file else values.get("ostype"),
        "description": values.get("description", ""),
        "tags": tuple(sorted(_own(sight).get("tags", ()))),
        "autostart": values.get("autostart-enabled") == "on",
        "groups": tuple(values.get("groups", "/").split(",")),
        "graphics_controller": _graphics(values.get("graphicscontroller")),
        "boot_order": _boot_order(values),
        "display": {
            "type": "none" if values.get("vrde", "off") == "off" else "rdp",
            "video_memory": int(values["vram"]) * MIB,
        },
        "disks": {slot_name(slot.controller, slot.port, slot.device): _disk(sight, slot) for slot in sight.disks},
        "networks": {str(nic.number - 1): _network(nic) for nic in sight.machine.nics if nic.type != "none"},
        "iso": _iso(sight),
        "port_forwards": {name: _forward(rule) for name, (_card, rule) in sight.rules.items() if name != SSH_RULE},
        "ssh_forward": SSH_RULE in sight.rules,
        "shared_folders": {one.name: _share(one) for one in sight.machine.shared_folders if not one.transient},
        **({"native": {key: native.read(sight, key) for key in native_keys}} if native_keys else {}),
    }


def _own(sight):
    mark = sight.mark or {}
    return mark if mark.get("id") == sight.uuid else {}


def _graphics(word):
    return "none" if word in (None, "null") else word


def _boot_order(values):
    words = (values.get(f"boot{place}", "none") for place in range(1, 5))
    return tuple(BOOT_WORDS.get(word, word) for word in words if word != "none")


def _disk(sight, slot):
    attached, base = sight.image_in(slot)
    if attached is None:
        return {"source": slot.medium, "size": None, "format": None}
    size = None if attached.capacity is None else attached.capacity * MIB
    return {"source": base.location, "size": size, "format": _FORMATS.get(base.format, base.format.lower())}


def _network(nic):
    kind = NETWORK_WORDS.get(nic.type, nic.type.lower())
    told = {"type": kind}
    source = nic.values.get(NETWORKS.get(kind, (None, None))[1] or "generic")
    if source:
        told["source"] = source
    return {**told, "mac": colon_mac(nic.values["macaddress"]), "model": nic.values["nictype"]}


def _iso(sight):
    drive = sight.iso_drive
    if drive is None:
        return None
    return "" if drive.medium == "emptydrive" else drive.medium


def _forward(rule):
    told = {"protocol": rule.protocol, "host_port": rule.host_port, "guest_port": rule.guest_port}
    return {**told, **({"host_address": rule.host_address} if rule.host_address else {})}


def _share(share):
    told = {"host_path": share.path, "read_only": bool(share.read_only)}
    return {**told, **({"guest_path": share.mount_point} if share.mount_point else {})}
