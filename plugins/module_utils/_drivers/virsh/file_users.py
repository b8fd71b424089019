# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files belong to a VM, and which other VMs need them. If that cannot be read, the task fails."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import replace

from ..._lifecycle.errors import NotFound, PolyvirtError, Refused
from ..._lifecycle.model import File
from ..._ports import files
from ..._tools import disk_header
from .definition import file_of, target_of
from .settings.firmware import nvram_of
from .storage import used_files

#: First bytes of image formats that can have a backing file: qcow and qcow2, qed, and the variants of vmdk.
_LAYERED = (b"QFI\xfb", b"QED\0", b"KDMV", b"COWD", b"# Disk DescriptorFile")


def files_of(vm, definitions, users):
    """The files of one VM, each with who else needs it.

    ``definitions`` are the running and the stored one: each may name files that the other does not. Without
    ``users`` (FileUsers) the files are on another host and cannot be removed.
    """
    found = {}
    for definition in definitions:
        for drive in definition.drives("disk", "lun", "cdrom", "floppy"):
            file = _file_behind(drive, vm.mark or {})
            # A file that is removable media in one of them counts as shared.
            if file is not None and (file.path not in found or file.role == "medium"):
                found[file.path] = file
        nvram = nvram_of(definition)
        if nvram and users is not None and files.exists(nvram):
            found[nvram] = File(nvram, "nvram", vm.owned and nvram in vm.mark.get("nvram", ()))
    for file in _detached(vm, found):
        if users is None or files.exists(file.path):
            found[file.path] = file
    if users is None:
        return tuple(replace(file, used_by=("another host",)) for file in found.values())
    return users.added_to(found.values(), vm)


def _file_behind(drive, mark):
    path = file_of(drive)
    if not path:
        # A volume, block device or network image is not a file of the VM; with this role it is always kept.
        place = _place_of(drive)
        return File(place, "support") if place else None
    if drive.get("device", "disk") in ("cdrom", "floppy"):
        return File(path, "support" if path in mark.get("files", ()) else "medium", path in mark.get("files", ()))
    ours = path in mark.get("disks", ())
    if drive.find("shareable") is not None or drive.find("readonly") is not None:
        return File(path, "support" if ours else "medium", ours)
    return File(path, "disk", ours)


def _place_of(drive):
    """A name for what a drive without a file holds, or an empty text."""
    source = drive.find("source")
    if source is None or drive.get("type", "file") == "file":
        return ""
    if source.get("volume"):
        return f"{source.get('pool')}/{source.get('volume')}"
    if source.get("protocol"):
        return f"{source.get('protocol')}:{source.get('name') or ''}"
    return source.get("dev") or source.get("dir") or f"{drive.get('type')}:{target_of(drive)}"


def _detached(vm, attached):
    """Files created for the VM that are not attached now; none if the mark is of another VM."""
    if not vm.owned:
        return []
    named = [("disk", path) for path in vm.mark.get("disks", ())]
    # NVRAM of each kind of firmware that it ever had.
    named += [("nvram", path) for path in vm.mark.get("nvram", ())]
    named += [("support", path) for path in vm.mark.get("files", ())]
    return [File(path, role, True) for role, path in named if path not in attached]


class FileUsers:
    """Which VM needs which file, for all VMs of one observation; each image is read once."""

    def __init__(self, virsh, qemu_img, definitions):
        self._virsh, self._qemu_img, self._definitions = virsh, qemu_img, definitions
        self._volumes = None
        self._paths = {}
        self._chains = {}

    def added_to(self, found, vm):
        # Files that are kept in any case need not be checked.
        own = {os.path.realpath(file.path) for file in found if file.ours or file.role != "support"}
        users = self._users(vm, own) if own else {}
        for path in (os.path.realpath(file.path) for file in found if file.role == "disk" and not file.ours):
            for below in own.intersection(self._below_own(vm, path, own)):
                users.setdefault(below, set()).add(path)
        return tuple(replace(file, used_by=tuple(sorted(users.get(os.path.realpath(file.path), ())))) for file in found)

    def _users(self, vm, own):
        users = {}
        for definition in self._definitions:
            if definition.uuid != vm.id:
                for path in self._paths_of(vm, definition):
                    users.setdefault(path, set()).add(definition.name)
        # Files used by VMs come first, so that intermediate images are reported with their VM, not with a path.
        used = [path for path in sorted(users) if path not in own]
        for path in [*used, *sorted(_images_beside(own).difference(used))]:
            for below in self._chain_below(vm, path):
                users.setdefault(below, set()).update(users.get(path) or {path})
        return users

    def _below_own(self, vm, path, own):
        """Backing files of a disk that is not ours: after a manual snapshot, these include the disk that we created.

        A VM with a damaged disk can still be deleted; its other files are then kept.
        """
        try:
            return self._chain_below(vm, path)
        except Refused:
            return own.difference({path})

    def _paths_of(self, vm, definition):
        """Real paths of all files in a definition, with the backing files that libvirt lists."""
        if definition not in self._paths:
            paths = {self._path_of(vm, definition, disk, source) for disk, source in _sources(definition)}
            paths.add(nvram_of(definition))
            self._paths[definition] = {os.path.realpath(path) for path in paths if path}
        return self._paths[definition]

    def _path_of(self, vm, definition, disk, source):
        if source.get("volume"):
            return self._volume_path(vm, definition, source.get("pool"), source.get("volume"))
        if source.get("dev"):
            # A block device has a backing file only if it contains an image.
            driver = disk.find("driver")
            return source.get("dev") if driver is not None and driver.get("type", "raw") != "raw" else None
        return source.get("file")

    def _volume_path(self, vm, definition, pool, volume):
        if self._volumes is None:
            self._volumes = self._ask_for_volumes()
        answer = self._volumes[pool, volume]
        if answer.error:
            raise Refused(
                f"{vm.name}: {definition.name} uses the volume {volume} of the pool {pool}, whose path cannot be"
                f" read, so it may be one of {vm.name}'s files: {answer.error}.",
                f"Start the pool (virsh pool-start {pool}), or detach that disk from {definition.name}.",
            )
        return answer.stdout.strip()

    def _ask_for_volumes(self):
        sources = [source for definition in self._definitions for _disk, source in _sources(definition)]
        wanted = sorted({(source.get("pool"), source.get("volume")) for source in sources if source.get("volume")})
        answers = self._virsh.batch([("vol-path", "--pool", pool, "--vol", volume) for pool, volume in wanted])
        return dict(zip(wanted, answers))

    def _chain_below(self, vm, path):
        if path not in self._chains:
            self._chains[path] = self._read_chain(vm, path)
        return self._chains[path]

    def _read_chain(self, vm, path):
        """Real paths of all backing files of an image; the last one may be missing."""
        below, image = [], self._backing(vm, path, path)
        while image is not None and os.path.realpath(image) not in below:
            below.append(os.path.realpath(image))
            image = self._backing(vm, path, image)
        return below

    def _backing(self, vm, top, image):
        if _is_missing(image) or _stands_alone(image):
            return None
        try:
            # Only the image itself is read: its backing file may be missing or damaged.
            return disk_header.backing_file(image) if disk_header.is_qcow(image) else self._qemu_img.info(image).backing
        except PolyvirtError as error:
            if _is_missing(image):  # Another task has removed it in the meantime.
                return None
            raise Refused(
                f"{vm.name}: cannot find out whether {top} uses one of its files as a backing file:"
                f" {error.message.rstrip('.')}.",
                error.remedy or "Repair that image, move it to another directory, or set delete_disks: none.",
            ) from error

    def standing_on(self, vm):
        """{real path: names of other VMs} of the backing files of other VMs' disks, as far as they are known.

        Unlike before a deletion, an image that cannot be read is ignored.
        """
        standing = {}
        for definition in self._definitions:
            if definition.uuid != vm.id:
                for path in _layered_disks(definition):
                    with suppress(Refused):
                        for below in self._chain_below(vm, os.path.realpath(path)):
                            standing.setdefault(below, set()).add(definition.name)
        return standing


class NamedUsers:
    """Which VM needs which file, from definitions alone: enough if no disk is deleted. No image is read."""

    def __init__(self, definitions):
        self._definitions = definitions

    def added_to(self, found, vm):
        users = {}
        for definition in self._definitions:
            if definition.uuid != vm.id:
                for path in used_files(definition):
                    users.setdefault(os.path.realpath(path), set()).add(definition.name)
        return tuple(replace(file, used_by=tuple(sorted(users.get(os.path.realpath(file.path), ())))) for file in found)


def _layered_disks(definition):
    """Files of disks that may have backing files. A raw disk has none, whatever its guest wrote into it."""
    for disk in definition.drives("disk", "lun"):
        driver = disk.find("driver")
        if file_of(disk) and driver is not None and driver.get("type", "raw") != "raw":
            yield file_of(disk)


def _sources(definition):
    """(disk, source) of every place a definition's disks name: their own, those below, and those being copied to."""
    return [(disk, source) for disk in definition.root.findall("devices/disk") for source in disk.iter("source")]


def _images_beside(own):
    """Images in the same directories: an overlay that no VM uses yet still needs its backing file."""
    beside = set()
    for folder in {os.path.dirname(path) for path in own}:
        for entry in files.entries(folder):
            path = os.path.realpath(os.path.join(folder, entry))
            if path not in own and files.is_file(path) and not _stands_alone(path):
                beside.add(path)
    return beside


def _is_missing(path):
    """Whether a file certainly does not exist; a file in an unreadable directory may exist."""
    try:
        files.size(path)
    except NotFound:
        return True
    except PolyvirtError:
        return False
    return False


def _stands_alone(path):
    """Whether a file certainly has no backing file; an unreadable file may have one."""
    if not (files.is_file(path) and files.is_readable(path)):
        return False
    return not any(files.starts_with(path, word) for word in _LAYERED)
