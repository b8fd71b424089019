# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Storages and their volumes: names as the real plugins give them, sizes, bases of linked clones."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from .errors import ApiError, ParameterError

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
_UNITS = {"": 1, "K": KIB, "M": MIB, "G": GIB, "T": 1 << 40}
#: Types whose volumes are files in a folder of their machine.
_FILES = {"dir", "nfs"}
_BASE_PATH = {"zfspool"}


def size_of(text):
    """Bytes of a size as configurations write it."""
    number, unit = re.fullmatch(r"(\d+(?:\.\d+)?)([KMGT]?)(?:iB)?", text).groups()
    return int(float(number) * _UNITS[unit])


def size_text(size):
    """The largest unit in which the size is whole."""
    unit = next(name for name in ("T", "G", "M", "K", "") if size % _UNITS[name] == 0)
    return f"{size // _UNITS[unit]}{unit}"


@dataclass
class Volume:
    size: int
    format: str = "raw"
    content: str = "images"
    vmid: int | None = None
    #: The volume that this one is an overlay of.
    base: str | None = None
    #: What a guest wrote all over it, and what was there when each snapshot was taken.
    written: int | None = None
    kept: dict = field(default_factory=dict)


@dataclass
class Storage:
    """One entry of the cluster's storage configuration; ``volumes`` is {(node or None where shared, name): Volume}."""

    id: str
    type: str
    content: frozenset
    shared: bool = False
    nodes: frozenset | None = None
    disabled: bool = False
    total: int = 500 * GIB
    #: As in the recorded calls: makes linked clones of anything, and forgets what they stand on.
    naive: bool = False
    volumes: dict = field(default_factory=dict)

    @property
    def has_files(self):
        return self.type in _FILES

    def key(self, node, name):
        return (None if self.shared else node, name)

    def get(self, node, name):
        return self.volumes.get(self.key(node, name))

    def on(self, node):
        """{name: Volume} that a node sees."""
        return {name: volume for (where, name), volume in self.volumes.items() if self.shared or where == node}

    def is_on(self, node):
        return self.nodes is None or node in self.nodes


class Storages:
    """All storages of the cluster; ``effect`` is told of every volume made, freed or changed."""

    def __init__(self, effect, full):
        self.by_id = {}
        self._effect = effect
        #: Ids of those that have no room left.
        self._full = full

    def add(self, storage):
        self.by_id[storage.id] = storage
        return storage

    def get(self, storage_id):
        if storage_id not in self.by_id:
            raise ApiError(f"storage '{storage_id}' does not exist")
        return self.by_id[storage_id]

    def usable(self, storage_id, node):
        storage = self.get(storage_id)
        if storage.disabled:
            raise ApiError(f"storage '{storage_id}' is disabled")
        if not storage.is_on(node):
            raise ApiError(f"storage '{storage_id}' is not available on node '{node}'")
        return storage

    def for_images(self, storage_id):
        storage = self.get(storage_id)
        if "images" not in storage.content:
            raise ParameterError(storage=f"storage '{storage_id}' does not support vm images")
        return storage

    def volume(self, volid, node):
        """The Volume that a node sees under this id, or None."""
        storage_id, _colon, name = volid.partition(":")
        storage = self.by_id.get(storage_id)
        return storage.get(node, name) if storage else None

    def existing(self, volid, node):
        self.usable(volid.partition(":")[0], node)
        volume = self.volume(volid, node)
        if volume is None:
            raise ApiError(f"volume {volid} does not exist")
        return volume

    def is_shared(self, volid):
        return self.get(volid.partition(":")[0]).shared

    def allocate(self, storage_id, node, vmid, size, format=None, kind="disk", base=None):
        """Make a volume and return its id."""
        storage = self.usable(storage_id, node)
        if storage_id in self._full:
            # The real text is that of the storage's own tool (ASSUMED).
            raise ApiError(f"storage '{storage_id}': no space left on device")
        stored_as = format or self.default_format(storage_id, kind)
        name = self._free_name(storage, node, vmid, stored_as, kind, base)
        stands_on = None if storage.naive else base
        storage.volumes[storage.key(node, name)] = Volume(size, stored_as, "images", vmid, stands_on)
        volid = f"{storage_id}:{name}"
        self._effect(vmid, f"ALLOC {volid} {-(-size // KIB)}K fmt={stored_as}")
        return volid

    def default_format(self, storage_id, kind="disk"):
        files = self.get(storage_id).has_files
        return "qcow2" if files and kind == "cloudinit" else "raw"

    def allocate_state(self, storage_id, node, vmid, name, size):
        """A place for a machine's memory; it is not told as an allocation."""
        storage = self.usable(storage_id, node)
        name = f"vm-{vmid}-state-{name}"
        name = f"{vmid}/{name}.raw" if storage.has_files else name
        storage.volumes[storage.key(node, name)] = Volume(size, "raw", "images", vmid)
        return f"{storage_id}:{name}"

    def free(self, volid, node):
        """Take a volume away; one that is gone already is no trouble."""
        storage_id, _colon, name = volid.partition(":")
        storage = self.usable(storage_id, node)
        self.check_not_base(volid, node)
        volume = storage.volumes.pop(storage.key(node, name), None)
        self._effect(volume.vmid if volume else None, f"FREE {volid}")

    def check_not_base(self, volid, node):
        """Refuse to lose what an overlay stands on."""
        storage_id, _colon, name = volid.partition(":")
        if any(volume.base == name for volume in self.get(storage_id).on(node).values()):
            raise ApiError(f"base volume '{volid}' is still in use by linked cloned")

    def resize(self, volid, node, size):
        volume = self.existing(volid, node)
        volume.size = size
        self._effect(volume.vmid, f"RESIZE {volid} {size}")

    def make_base(self, volid, node):
        """The volume under the name of a base; its new id."""
        storage_id, _colon, name = volid.partition(":")
        storage = self.get(storage_id)
        base = re.sub(r"vm-(\d+)-", r"base-\1-", name)
        storage.volumes[storage.key(node, base)] = storage.volumes.pop(storage.key(node, name))
        self._effect(None, f"BASE {volid} -> {storage_id}:{base}")
        return f"{storage_id}:{base}"

    def move(self, volid, source, target):
        """A local volume goes to another node under the same name."""
        storage_id, _colon, name = volid.partition(":")
        storage = self.get(storage_id)
        storage.volumes[storage.key(target, name)] = storage.volumes.pop(storage.key(source, name))

    def owned_by(self, vmid, node):
        """Ids of all volumes that carry a machine's number, referenced or not."""
        return [
            f"{storage.id}:{name}"
            for storage in self.by_id.values()
            for name, volume in storage.on(node).items()
            if volume.vmid == vmid and volume.content == "images"
        ]

    def _free_name(self, storage, node, vmid, format, kind, base):
        name = f"vm-{vmid}-cloudinit" if kind == "cloudinit" else self._next_disk(storage, node, vmid)
        if storage.has_files:
            name = f"{vmid}/{name}.{format}"
        # On files and ZFS an overlay's name tells its base; LVM-thin keeps that to itself.
        return f"{base}/{name}" if base and (storage.has_files or storage.type in _BASE_PATH) else name

    def _next_disk(self, storage, node, vmid):
        found = (re.search(rf"(?:vm|base)-{vmid}-disk-(\d+)(?:\.\w+)?$", name) for name in storage.on(node))
        taken = {int(match.group(1)) for match in found if match}
        return f"vm-{vmid}-disk-{next(number for number in range(len(taken) + 1) if number not in taken)}"
