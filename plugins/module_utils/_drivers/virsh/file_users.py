# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a VM, and which other VMs need them: those files must not be deleted.

Other VMs need a file if it is their disk, or a backing file of one. If that cannot be determined, the task fails.
"""

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
_MAGIC_OF_LAYERED_FORMATS = (b"QFI\xfb", b"QED\0", b"KDMV", b"COWD", b"# Disk DescriptorFile")


def files_of(vm, definitions, users):
    """The files of one VM as File objects, each with the other VMs that need it.

    ``definitions`` are the VM's running and stored definition, which may contain different files. ``users`` is a
    FileUsers or UsersByDefinition; None if the files are on another host, where they cannot be deleted.
    """
    found = {}
    for definition in definitions:
        for drive in definition.drives("disk", "lun", "cdrom", "floppy"):
            file = _file_of_drive(drive, vm.mark or {})
            # If a file is removable media in one of the definitions, it is treated as such, and so kept.
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
    return users.with_users(found.values(), vm)


def _file_of_drive(drive, mark):
    path = file_of(drive)
    if not path:
        # A volume, block device or network image is never deleted, because it is not "ours".
        name = _source_name(drive)
        return File(name, "support") if name else None
    if drive.get("device", "disk") in ("cdrom", "floppy"):
        return File(path, "support" if path in mark.get("files", ()) else "medium", path in mark.get("files", ()))
    ours = path in mark.get("disks", ())
    if drive.find("shareable") is not None or drive.find("readonly") is not None:
        return File(path, "support" if ours else "medium", ours)
    return File(path, "disk", ours)


def _source_name(drive):
    """A name to report for a drive's volume, network image, device or directory; empty if the drive is empty."""
    source = drive.find("source")
    if source is None or drive.get("type", "file") == "file":
        return ""
    if source.get("volume"):
        return f"{source.get('pool')}/{source.get('volume')}"
    if source.get("protocol"):
        return f"{source.get('protocol')}:{source.get('name') or ''}"
    return source.get("dev") or source.get("dir") or f"{drive.get('type')}:{target_of(drive)}"


def _detached(vm, attached):
    """Files in the VM's mark that are not attached now; none if the mark belongs to another VM."""
    if not vm.owned:
        return []
    recorded = [("disk", path) for path in vm.mark.get("disks", ())]
    # The mark lists the NVRAM file of each firmware that the VM ever had.
    recorded += [("nvram", path) for path in vm.mark.get("nvram", ())]
    recorded += [("support", path) for path in vm.mark.get("files", ())]
    return [File(path, role, True) for role, path in recorded if path not in attached]


class FileUsers:
    """Finds the VMs that need a file as a disk or as a backing file, in the definitions of all VMs and their images.

    Each image is read only once per object.
    """

    def __init__(self, virsh, qemu_img, definitions):
        self._virsh, self._qemu_img, self._definitions = virsh, qemu_img, definitions
        self._volumes = None
        self._paths = {}
        self._chains = {}

    def with_users(self, own_files, vm):
        """``own_files`` of ``vm`` with the other users of each: names of VMs, or paths of images."""
        # Support files that are not ours are never deleted, so their users do not matter.
        own = {os.path.realpath(file.path) for file in own_files if file.ours or file.role != "support"}
        users = self._users(vm, own) if own else {}
        for path in (os.path.realpath(file.path) for file in own_files if file.role == "disk" and not file.ours):
            for backing in own.intersection(self._backing_files_of_kept_disk(vm, path, own)):
                users.setdefault(backing, set()).add(path)
        return _with_users(own_files, users)

    def _users(self, vm, own):
        """{real path: names of other VMs, or paths of images} for all files, including backing files."""
        users = {}
        for definition in self._definitions:
            if definition.uuid != vm.id:
                for path in self._paths_of(vm, definition):
                    users.setdefault(path, set()).add(definition.name)
        # Disks of VMs come first, so that their backing files are reported with the VM's name instead of a path.
        used = [path for path in sorted(users) if path not in own]
        for path in [*used, *sorted(_images_in_same_directories(own).difference(used))]:
            for backing in self._backing_files(vm, path):
                users.setdefault(backing, set()).update(users.get(path) or {path})
        return users

    def _backing_files_of_kept_disk(self, vm, path, own):
        """Backing files of the VM's disk ``path``, which is kept because this collection did not create it.

        After a manual snapshot, they include the disk that this collection created. If the image is damaged, all other
        files of the VM count as its backing files: the VM can still be deleted, and these files are kept.
        """
        try:
            return self._backing_files(vm, path)
        except Refused:
            return own.difference({path})

    def _paths_of(self, vm, definition):
        """Real paths of all files in a definition, including the backing files that libvirt lists."""
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
            self._volumes = self._read_volume_paths()
        answer = self._volumes[pool, volume]
        if answer.error:
            raise Refused(
                f"{vm.name}: {definition.name} uses the volume {volume} of the pool {pool}. Its path cannot be"
                f" read, so it may be one of {vm.name}'s files: {answer.error}.",
                f"Start the pool (virsh pool-start {pool}), or detach that disk from {definition.name}.",
            )
        return answer.stdout.strip()

    def _read_volume_paths(self):
        """{(pool, volume): Answer of vol-path} for all volumes in the definitions."""
        sources = [source for definition in self._definitions for _disk, source in _sources(definition)]
        volumes = sorted({(source.get("pool"), source.get("volume")) for source in sources if source.get("volume")})
        answers = self._virsh.batch([("vol-path", "--pool", pool, "--vol", volume) for pool, volume in volumes])
        return dict(zip(volumes, answers))

    def _backing_files(self, vm, path):
        if path not in self._chains:
            self._chains[path] = self._read_chain(vm, path)
        return self._chains[path]

    def _read_chain(self, vm, path):
        """Real paths of all backing files of an image; the last one may not exist."""
        chain, image = [], self._backing(vm, path, path)
        while image is not None and os.path.realpath(image) not in chain:
            chain.append(os.path.realpath(image))
            image = self._backing(vm, path, image)
        return chain

    def _backing(self, vm, top, image):
        """The backing file of ``image``, or None. ``top`` is the first image of the chain, for the error."""
        if _is_missing(image) or _has_no_backing_file(image):
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

    def users_of_backing_files(self, vm):
        """{real path of a backing file: names of the other VMs with disks that need it}.

        Images that cannot be read are ignored, unlike before a deletion.
        """
        users = {}
        for definition in self._definitions:
            if definition.uuid != vm.id:
                for path in _layered_disks(definition):
                    with suppress(Refused):
                        for backing in self._backing_files(vm, os.path.realpath(path)):
                            users.setdefault(backing, set()).add(definition.name)
        return users


class UsersByDefinition:
    """Like FileUsers, but reads only the definitions and no images, which is sufficient if no disk is deleted."""

    def __init__(self, definitions):
        self._definitions = definitions

    def with_users(self, own_files, vm):
        users = {}
        for definition in self._definitions:
            if definition.uuid != vm.id:
                for path in used_files(definition):
                    users.setdefault(os.path.realpath(path), set()).add(definition.name)
        return _with_users(own_files, users)


def _with_users(own_files, users):
    """``own_files`` with ``used_by``; ``users`` is {real path: names}."""
    return tuple(replace(file, used_by=tuple(sorted(users.get(os.path.realpath(file.path), ())))) for file in own_files)


def _layered_disks(definition):
    """Yield the files of disks that may have backing files. A raw disk has none, whatever its guest wrote to it."""
    for disk in definition.drives("disk", "lun"):
        driver = disk.find("driver")
        if file_of(disk) and driver is not None and driver.get("type", "raw") != "raw":
            yield file_of(disk)


def _sources(definition):
    """(disk, source) of all source elements of disks: of the disks, their backing files and targets of block copies."""
    return [(disk, source) for disk in definition.root.findall("devices/disk") for source in disk.iter("source")]


def _images_in_same_directories(own):
    """Other images in the directories of ``own``: an overlay needs its backing file even if no VM uses it yet."""
    images = set()
    for folder in {os.path.dirname(path) for path in own}:
        for entry in files.entries(folder):
            path = os.path.realpath(os.path.join(folder, entry))
            if path not in own and files.is_file(path) and not _has_no_backing_file(path):
                images.add(path)
    return images


def _is_missing(path):
    """Whether it is certain that a file does not exist; a file in an unreadable directory may exist."""
    try:
        files.size(path)
    except NotFound:
        return True
    except PolyvirtError:
        return False
    return False


def _has_no_backing_file(path):
    """Whether it is certain that a file has no backing file; an unreadable file may have one."""
    if not (files.is_file(path) and files.is_readable(path)):
        return False
    return not any(files.starts_with(path, magic) for magic in _MAGIC_OF_LAYERED_FORMATS)
