# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Storages and their volumes: names in the form of the real plugins, sizes, bases of linked clones."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from .errors import ApiError, ParameterError

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
_UNITS = {"": 1, "K": KIB, "M": MIB, "G": GIB, "T": 1 << 40}
#: The separate storage for backups, whose volumes are groups of snapshots.
PBS = "pbs"
#: Names of both kinds; only files whose names begin with vzdump-qemu- can be restored.
_BACKUPS = re.compile(
    r"backup/(?:vzdump-qemu-(\d+)-\d{4}(?:_\d\d){2}-\d\d(?:_\d\d){2}\.vma(?:\.(?:lzo|gz|zst))?"
    r"|vm/(\d+)/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)"
)
#: Types of storages that keep volumes as files in a directory of their VM.
_FILES = {"dir", "nfs", "cephfs"}
_BASE_PATH = {"zfspool"}
#: Types of storages on which linked clones do not need their base any more, so it can be deleted.
_INDEPENDENT_CLONES = {"lvmthin"}
#: {type: the unit of its volumes}. ASSUMED for lvm and zfspool: the size is a multiple of it.
_UNITS_OF_VOLUMES = {"lvm": 4 * MIB, "lvmthin": 4 * MIB, "zfspool": MIB}
#: {content type: the folder of its files}
_FOLDERS = {
    "iso": "template/iso",
    "vztmpl": "template/cache",
    "import": "import",
    "snippets": "snippets",
    "backup": "dump",
}
#: The name of an image file, without the base of a linked clone.
_FILE = re.compile(r"\d+/[^/]+")
_STATE_EXTRA = 500 * MIB


def size_of(text):
    """Parse a size in the form of configurations; returns bytes."""
    number, unit = re.fullmatch(r"(\d+(?:\.\d+)?)([KMGT]?)(?:iB)?", text).groups()
    return int(float(number) * _UNITS[unit])


def owner_of_backup(name):
    """The VMID in the name of a backup; None if the name has no known form."""
    found = _BACKUPS.fullmatch(name)
    return int(found.group(1) or found.group(2)) if found else None


def size_text(size):
    """The size in the largest unit that gives an integer."""
    unit = next(name for name in ("T", "G", "M", "K", "") if size % _UNITS[name] == 0)
    return f"{size // _UNITS[unit]}{unit}"


@dataclass
class Volume:
    size: int
    format: str = "raw"
    content: str = "images"
    vmid: int | None = None
    #: The base volume, if this one is an overlay.
    base: str | None = None
    #: The volume of which this one is a linked clone, also if it does not need it any more.
    origin: str | None = None
    #: Of an ISO image or an image to import: the size of its file, and its checksums if they are known.
    file_size: int | None = None
    sums: dict = field(default_factory=dict)
    #: When the file was stored, in seconds since 1970.
    created: int = 1_790_000_000
    #: The byte with which a guest filled the volume, and {snapshot: the byte at that time}.
    written: int | None = None
    kept: dict = field(default_factory=dict)
    #: Of a backup: its content, its notes, whether it may be deleted, and the result of a verification (only PBS).
    archive: object = None
    notes: str = ""
    protected: bool = False
    verification: str | None = None


@dataclass
class Storage:
    """One storage; ``volumes`` is {(node, or None for a shared storage, name): Volume}."""

    id: str
    type: str
    content: frozenset
    shared: bool = False
    nodes: frozenset | None = None
    disabled: bool = False
    total: int = 500 * GIB
    #: As in the recorded calls: linked clones of every volume are possible, and their bases are not recorded.
    naive: bool = False
    #: The retention of its backups, as keep-last=3.
    prune: str | None = None
    volumes: dict = field(default_factory=dict)

    @property
    def needs_bases(self):
        """Whether linked clones need their base, so it cannot be deleted."""
        return self.type not in _INDEPENDENT_CLONES

    @property
    def has_files(self):
        return self.type in _FILES

    @property
    def path(self):
        return "/var/lib/vz" if self.id == "local" else f"/mnt/{self.id}"

    def path_of(self, name):
        """Where a volume is on its node."""
        if not self.has_files:
            return f"/dev/pve/{name}"
        kind, _slash, rest = name.partition("/")
        return f"{self.path}/{_FOLDERS[kind]}/{rest}" if kind in _FOLDERS else f"{self.path}/images/{name}"

    def check_format(self, format):
        if format not in self.formats:
            raise ApiError(f"unsupported format '{format}' at /usr/share/perl5/PVE/Storage/{self._plugin}.pm line 1.")

    @property
    def formats(self):
        """The formats of disks; the first is the default."""
        return ("raw", "qcow2", "vmdk") if self.has_files else ("raw",)

    def check_free(self, node, name):
        """Raise ApiError if a volume with this name exists (alloc_image of the plugins)."""
        if self.get(node, name) is None:
            return
        if self.has_files:
            raise ApiError(f"disk image '{self.path_of(name)}' already exists")
        lvm = f'Logical Volume "{name}" already exists in volume group "pve"'
        raise ApiError(f"lvcreate 'pve/{name}' error:   {lvm}")

    def can_link(self, name, snapshot=None):
        """Whether a linked clone of a volume is possible: of bases, and on LVM-thin also of snapshots."""
        return self.naive or "base-" in name or (snapshot is not None and self.type == "lvmthin")

    @property
    def _plugin(self):
        return {"lvmthin": "LvmThinPlugin", "zfspool": "ZFSPoolPlugin"}.get(self.type, "Plugin")

    def key(self, node, name):
        return (None if self.shared else node, name)

    def get(self, node, name):
        """The Volume or None. In a directory, the name of a linked clone may lack its base: the file is the same."""
        where, found = self.key(node, name)[0], self.volumes.get(self.key(node, name))
        if found is None and self.has_files and _FILE.fullmatch(name):
            ending = f"/{name}"
            return next((one for key, one in self.volumes.items() if key[0] == where and key[1].endswith(ending)), None)
        return found

    def on(self, node):
        """{name: Volume} on a node."""
        return {name: volume for (where, name), volume in self.volumes.items() if self.shared or where == node}

    def rounded(self, size):
        """The size of a volume that is created for ``size`` bytes: LVM allocates extents."""
        unit = _UNITS_OF_VOLUMES.get(self.type, 1)
        return -(-size // unit) * unit

    def is_on(self, node):
        return self.nodes is None or node in self.nodes


class Storages:
    """All storages; the function ``effect`` is called for each volume that is created, freed or changed."""

    def __init__(self, effect, full):
        self.by_id = {}
        self._effect = effect
        #: Ids of full storages.
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
        """The Volume with this id on a node, or None."""
        storage_id, _colon, name = volid.partition(":")
        storage = self.by_id.get(storage_id)
        return storage.get(node, name) if storage else None

    def parsed(self, volid):
        """(content type, VMID of the owner or None) of a volume id. Raises ApiError if the name has no known form."""
        storage, name = self.get(volid.partition(":")[0]), volid.partition(":")[2]
        if name.startswith("backup/") and (storage.has_files or storage.type == PBS):
            return "backup", owner_of_backup(name)
        if not storage.has_files:
            found = re.fullmatch(r"(?:base-\d+-[^/\s]+/)?(?:vm|base)-(\d+)-\S+", name)
            if not found:
                raise ApiError(f"unable to parse {'zfs' if storage.type == 'zfspool' else 'lvm'} volume name '{name}'")
            return "images", int(found.group(1))
        kind, _slash, rest = name.partition("/")
        if kind in _FOLDERS and rest:
            return kind, None
        found = re.fullmatch(r"(?:\d+/\S+/)?(\d+)/([^/\s]+)", name)
        if not found:
            raise ApiError(f"unable to parse directory volume name '{name}'")
        if not re.search(r"\.(?:raw|qcow2|vmdk|subvol)$", found.group(2)):
            raise ApiError(f"unable to parse volume filename '{found.group(2)}'")
        return "images", int(found.group(1))

    def existing(self, volid, node):
        storage, volume = self.usable(volid.partition(":")[0], node), self.volume(volid, node)
        if volume is None and storage.type == "lvmthin":
            raise ApiError(f"no such logical volume pve/{volid.partition(':')[2]}")
        if volume is None:
            raise ApiError(f"volume '{volid}' does not exist")
        return volume

    def is_shared(self, volid):
        return self.get(volid.partition(":")[0]).shared

    def allocate(self, storage_id, node, vmid, size, format=None, kind="disk", base=None):
        """Create a volume; returns its id."""
        storage = self.usable(storage_id, node)
        if storage_id in self._full:
            # ASSUMED: the real text comes from the storage's tool.
            raise ApiError(f"storage '{storage_id}': no space left on device")
        if format == "linked":
            # An overlay in a file is always qcow2, whatever its base is.
            stored_as = "qcow2" if storage.has_files else "raw"
        else:
            stored_as = format or self.default_format(storage_id, kind)
        storage.check_format(stored_as)
        name = self._free_name(storage, node, vmid, stored_as, kind, base)
        # Only the name of a cloud-init drive is fixed; others get a free one.
        storage.check_free(node, name)
        stands_on = None if storage.naive else base
        size = storage.rounded(size)
        storage.volumes[storage.key(node, name)] = Volume(size, stored_as, "images", vmid, stands_on, base)
        volid = f"{storage_id}:{name}"
        self._effect(vmid, f"ALLOC {volid} {-(-size // KIB)}K fmt={stored_as}")
        return volid

    def format_of_copy(self, task, storage_id, source, asked=None):
        """The format of a copy of the volume ``source``: the requested one, else its own, else what is possible
        (resolve_dst_disk_format in QemuServer.pm).
        """
        supported = self.get(storage_id).formats
        if asked and asked not in supported:
            default = supported[0]
            task.say(
                f"format '{asked}' is not supported by the target storage '{storage_id}' - using '{default}' instead"
            )
        return next((one for one in (asked, source.format) if one in supported), supported[0])

    def default_format(self, storage_id, kind="disk"):
        files = self.get(storage_id).has_files
        return "qcow2" if files and kind == "cloudinit" else "raw"

    def allocate_state(self, storage_id, node, vmid, name, memory):
        """Create a volume for the memory of a VM, in bytes; ``effect`` is not called."""
        storage = self.usable(storage_id, node)
        name = f"vm-{vmid}-state-{name}"
        name = f"{vmid}/{name}.raw" if storage.has_files else name
        # Twice the memory, because the guest goes on while it is saved, and what QEMU itself needs.
        size = storage.rounded(2 * memory + _STATE_EXTRA)
        storage.volumes[storage.key(node, name)] = Volume(size, "raw", "images", vmid)
        return f"{storage_id}:{name}"

    def free(self, volid, node):
        """Delete a volume; it need not exist."""
        storage_id, _colon, name = volid.partition(":")
        storage = self.usable(storage_id, node)
        self.check_not_base(volid, node)
        volume = storage.volumes.pop(storage.key(node, name), None)
        self._effect(volume.vmid if volume else None, f"FREE {volid}")

    def check_not_base(self, volid, node):
        """Raise ApiError if the volume is the base of an overlay."""
        storage_id, _colon, name = volid.partition(":")
        storage = self.get(storage_id)
        if storage.needs_bases and any(volume.base == name for volume in storage.on(node).values()):
            raise ApiError(f"base volume '{volid}' is still in use by linked cloned")

    def resize(self, volid, node, size):
        volume = self.existing(volid, node)
        volume.size = self.get(volid.partition(":")[0]).rounded(size)
        self._effect(volume.vmid, f"RESIZE {volid} {size}")

    def reassign(self, volid, node, vmid):
        """Rename a volume to a free name of another VM; returns its new id."""
        storage_id, _colon, name = volid.partition(":")
        storage, volume = self.usable(storage_id, node), self.existing(volid, node)
        new = self._free_name(storage, node, vmid, volume.format, "disk", None)
        storage.volumes[storage.key(node, new)] = replace(storage.volumes.pop(storage.key(node, name)), vmid=vmid)
        self._effect(vmid, f"RENAME {volid} {storage_id}:{new}")
        return f"{storage_id}:{new}"

    def make_base(self, volid, node):
        """Rename a volume to the name of a base volume; returns its new id."""
        storage_id, _colon, name = volid.partition(":")
        storage = self.get(storage_id)
        base = re.sub(r"vm-(\d+)-", r"base-\1-", name)
        storage.volumes[storage.key(node, base)] = storage.volumes.pop(storage.key(node, name))
        self._effect(None, f"BASE {volid} -> {storage_id}:{base}")
        return f"{storage_id}:{base}"

    def move(self, volid, source, target):
        """Move a local volume to another node; its name stays the same. All of its data is copied, without a base."""
        storage_id, _colon, name = volid.partition(":")
        storage = self.get(storage_id)
        storage.volumes[storage.key(target, name)] = replace(storage.volumes.pop(storage.key(source, name)), base=None)

    def owned_by(self, vmid, node):
        """Ids of all volumes with this VMID, referenced or not."""
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
        # With files and ZFS, an overlay's name contains its base; with LVM-thin it does not.
        return f"{base}/{name}" if base and (storage.has_files or storage.type in _BASE_PATH) else name

    def _next_disk(self, storage, node, vmid):
        found = (re.search(rf"(?:vm|base)-{vmid}-disk-(\d+)(?:\.\w+)?$", name) for name in storage.on(node))
        taken = {int(match.group(1)) for match in found if match}
        return f"vm-{vmid}-disk-{next(number for number in range(len(taken) + 1) if number not in taken)}"
