# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt: facts about the files that a plan needs: images as qemu-img reads them, and the source of a clone."""

from __future__ import annotations

from os.path import dirname, realpath
from shlex import quote

from ..._core.errors import CommandFailed, CreatedMeanwhile, Held, PolyvirtError, Refused
from ..._core.record.mark import making_of, own_mark, proven_of, reusable_of
from ..._core.sharing.needed_files import COPIED, DISK, FILE, GROWN, IMAGE, READ, Image, Needed
from ..._core.units import human_size
from ..._kit.local_files import SPECIAL, LocalFiles
from ..._media import disk_header, foreign_image
from ..._media.appliances.disk import checked, is_of_appliance, most_bytes, name_of
from ..._media.backup_folder import place_fault
from ..._ports import files, locks
from ..._ports.folders import is_in_memory, largest_file, mount_point
from ..._tools.domain_xml import file_of, target_of
from .answers import mark_here
from .clone import Original, check_original, disks_to_copy, nvram_image, source_format
from .own_files import NATIVE, log_files
from .settings.disks import slot_name
from .settings.firmware import nvram_of, read_firmware
from .snapshots import missing_in_image
from .storage import IMAGE_FORMATS, MOUNTED, declared_format, pool_folders, used_files

#: What images can name: below an attached disk, the claims of a VM include these files.
_ACCEPTED = {IMAGE: (), DISK: (foreign_image.BACKING, foreign_image.DATA)}
_NEW_REMEDIES = {
    "firmware": "Delete the file or move it to another directory. To use its firmware variables for the new VM,"
    " move it back after the VM is created.",
    "serial_log": "Use a file that does not exist yet: libvirt empties it at each start. If it is only the log of an"
    " earlier VM, delete it.",
    NATIVE: "Use a path at which nothing exists: the VM would overwrite or replace the file.",
}
_VHD = "vpc"
_WHOLE_VHD = "driver=vpc,force_size_calc=current_size,file.driver=file,file.filename="


def _shortened(path, size):
    """A VM reads a VHD with QEMU's own idea of its size, and so does the disk that is linked to it."""
    known, words = disk_header.capacity(path), quote(_WHOLE_VHD + path.replace(",", ",,"))
    return Image(
        fault=f"is a VHD of {known} bytes, and a VM of this version of QEMU would see {size}",
        remedy=f"Convert it, and use the copy: qemu-img convert --image-opts {words} -O qcow2 {quote(path)}.qcow2",
    )


#: {option: function of a definition that returns the files to which libvirt writes for it}.
_NAMED = {"firmware": lambda one: [nvram_of(one)], "serial_log": log_files}


def _is_in(folder, place):
    return f"{folder}/".startswith(f"{realpath(place)}/")


class VirshFiles(LocalFiles):
    """The files that one plan needs on the hypervisor."""

    platform, formats, converts_to = "libvirt", dict.fromkeys((IMAGE, COPIED, DISK), IMAGE_FORMATS), "qcow2"
    linked_format, first, devices = "qcow2", slot_name(0), True
    by_platform, own_folder = ("firmware", "serial_log", NATIVE), ("serial_log", NATIVE)
    folder_option = "storage_path"
    write_remedy = "Run the task with become: true, or set storage_path, and image_directory for an image by name."
    space_remedy = "set another storage_path, or linked: true"
    new_remedies = _NEW_REMEDIES
    place_fault, is_in_memory = staticmethod(place_fault), staticmethod(is_in_memory)

    def __init__(self, driver, plan):
        super().__init__(driver, plan, files)
        #: The definition of the clone before any change.
        self._is_new = any(step.verb in ("create", "clone") for step in plan.steps)

    def new_files(self, one):
        found = super().new_files(one)
        if found and self.driver.is_local:
            self._check_mounted(found)
        return [file for file in found if file[0] not in self.own_folder or self.driver.is_local]

    def _check_mounted(self, new):
        """Reject files in a directory on which libvirt has yet to mount a file system: that would hide them."""
        try:
            pools = self.driver.host.answer("mounts", lambda: pool_folders(self.driver.virsh, "--inactive", MOUNTED))
        except PolyvirtError as error:  # Such as without the daemon of pools.
            self.driver.warnings.append(f"The pools whose file systems are not mounted are not known: {error.message}")
            return
        for option, path in new if pools else ():
            folder = realpath(dirname(path))
            places = [place for place in pools if _is_in(folder, place) and not _is_in(mount_point(folder), place)]
            if places:
                raise Refused(
                    f"{self.name}: {option}: {path} would be below the mount point of the pool {pools[places[0]]}.",
                    f"Start that pool (virsh pool-start {quote(pools[places[0]])}), or use another directory.",
                )

    def creates_folder(self, folder):
        """Libvirt itself creates its default directory when needed."""
        return self.driver.storage.is_default and folder == self.driver.storage.folder

    def is_written(self, item):
        """qemu-img copies a snapshot in an image that others write; in other cases it fails."""
        return not (item.details or {}).get("snapshot") and self.in_use(item.path, locks.is_written_elsewhere)

    def in_use(self, path, is_locked=locks.is_open_elsewhere):
        if not (self.driver.is_local and files.is_file(path)):
            return False
        running = (one for one in self.driver.all_definitions() if one.root.get("id"))
        own = {files.identity(file) for one in running for file in used_files(one)}
        return self.identity(path) not in own and is_locked(path)

    def is_leftover(self, item):
        """A file that the mark has named before it existed; of a disk, only if it is as the step creates it."""
        if item.option == NATIVE:  # QEMU replaces a socket, and writes to a pipe or a character device.
            return self.kind(item.path) == SPECIAL
        if self._is_new:
            return self._is_begun(item.path) and (
                item.option == "cloud_init"
                or (item.option == "firmware" and not item.content)
                or self._has_content(item)
            )
        if item.option in _NAMED:
            return item.path in self._named(item.option)
        if item.path in reusable_of(own_mark(self.plan.before), files.identity):
            return self._is_attached(item.path) or self._has_content(item)
        if self._is_added_meanwhile(item):
            raise Held(self.name)
        return False

    def _is_added_meanwhile(self, item):
        """Whether another task has created the file of a disk for this VM since it was observed."""
        vm = self.plan.before
        disks = [disk for one in (vm.config, vm.active or {}) for disk in (one.get("disks") or {}).values()]
        known = [disk.get("source") for disk in disks]
        now = [one for one in self.driver.read_definitions() if one.uuid == vm.id] if item.path not in known else ()
        return any(item.path in (*used_files(one), *making_of(mark_here(one))) for one in now)

    def _is_begun(self, path):
        """Whether a killed task has begun to create this VM with this file. Raises CreatedMeanwhile for another VM."""
        begun = self.driver.unfinished.get(self.name)
        if begun is not None and path in proven_of(begun.mark, files.identity):
            return True
        known = {self.plan.before.id, begun and begun.id}
        if any(one.name == self.name and one.uuid not in known for one in self.driver.read_definitions()):
            raise CreatedMeanwhile(self.name)
        return False

    def _named(self, option):
        """The files of an option that the mark or a present definition of the VM names."""
        vm, mark = self.plan.before, own_mark(self.plan.before)
        found = {path for one in self.driver.definitions_of(vm) for path in _NAMED[option](one)}
        return found.union(proven_of(mark, files.identity), mark["files"], mark.get("nvram", ()))

    def _is_attached(self, path):
        """An interrupted task may have attached the file to this VM already."""
        disks = [disk for one in self.driver.definitions_of(self.plan.before) for disk in one.drives("disk")]
        return files.identity(path) in {files.identity(file_of(disk)) for disk in disks}

    def _has_content(self, item):
        storage, mark = self.driver.storage, own_mark(self.plan.before)
        try:
            return storage.is_left_by_restore(item.path, item.disk, mark) or storage.has_content_of(
                item.path, item.disk, item.content and item.content.details
            )
        except CommandFailed:  # It is no such image, or another task has removed its unfinished file.
            return not files.exists(item.path)

    def copied(self, one):
        source, requested = one.step.arguments["source"], one.step.arguments["creation"]["clone"]
        if source.id is None:
            return
        original = Original.read(self.driver, source, requested.get("snapshot"))
        check_original(self.name, source, original, requested)
        cloned, linked = original.definition, requested["linked"]
        for disk in disks_to_copy(cloned):
            details = {**original.image(disk, linked), "owner": source.name}
            entry = {"format": source_format(disk)}
            yield Needed(COPIED, "clone.source", details["source"], target_of(disk), entry, linked, details=details)
        nvram = nvram_image(cloned) if read_firmware(cloned) == "uefi" else None
        if nvram:
            yield Needed(READ, "clone.source", nvram["source"], "firmware", details=nvram)

    def image(self, item):
        details, storage = item.details or {}, self.driver.storage
        declared = declared_format({**item.disk, "source": item.path}) if item.purpose != IMAGE else None
        known = declared or self._known_format(item)
        if is_of_appliance(details):
            return self.driver.host.answer((name_of(details),), lambda: checked(storage.qemu_img, details))
        fault = None if item.purpose == COPIED else foreign_image.fault_of(item.path, known, _ACCEPTED[item.purpose])
        if fault:
            return fault
        try:
            info = self._asked(storage.qemu_img.info, item.path, known, item.linked or item.purpose == DISK)
        except CommandFailed as error:
            return Image(fault=f"is not a disk image: {error.stderr}", remedy="Use a qcow2 or raw image.")
        if info.format == _VHD and item.purpose != COPIED and info.virtual_size != disk_header.capacity(item.path):
            return _shortened(item.path, info.virtual_size)
        if item.purpose == IMAGE and info.virtual_size:
            damage = self._asked(storage.qemu_img.damage, item.path, info.format)
            if damage:
                return Image(fault=f"is damaged or incomplete: {damage}", remedy="Download or copy it again.")
        if details.get("snapshot") and details["snapshot"] not in info.snapshots:
            raise missing_in_image(self.name, details["owner"], item.path, details["snapshot"])
        # Any file is probed as raw; only a file declared as raw is accepted as such.
        is_text = info.format == "raw" and declared is None and files.size(item.path) % 512
        return Image("" if is_text else info.format, info.virtual_size)

    def _asked(self, ask, path, *words):
        """What qemu-img reports about an image; asked once for all VMs of the task, unless the file changes."""
        version = tuple(files.version(path) or ())
        return self.driver.host.answer((ask.__name__, path, version, *words), lambda: ask(path, *words))

    def _known_format(self, item):
        if item.purpose == IMAGE:
            return self.driver.storage.format_of_image(item.details)
        return disk_header.known_format(item.path) if item.purpose == DISK else None

    def no_growth(self, item):
        if item.purpose != GROWN or not files.is_block_device(item.path):
            return ()
        size = human_size(item.disk.get("size") or 0)
        reason = f"{item.path} is a block device of {size}, and only files can be enlarged"
        return reason, "Enlarge the device on the hypervisor (lvextend), or omit size."

    def largest(self, slot, disk):
        path, image_format = disk.get("source"), disk.get("format") or "qcow2"
        if path and not (self.kind(path) == FILE and self.may_read(path)):
            return ()
        if image_format == "qcow2":
            return disk_header.largest_qcow2(path), "qemu-img supports no larger qcow2 image with this cluster size"
        if image_format == "raw" and self.driver.is_local:
            folder = dirname(path) if path else disk.get("directory") or self.driver.storage.folder
            return largest_file(folder), f"the file system of {folder} supports no larger files"
        return ()

    def bytes_of(self, item):
        """The maximum size of a copy: the allocated data, uncompressed."""
        content = item.content or item
        if content.linked or content.purpose not in (IMAGE, COPIED):
            return 0
        storage, image = self.driver.storage, content.details
        known, snapshot = storage.format_of_image(image), image.get("snapshot")
        if is_of_appliance(image):
            return most_bytes(storage.qemu_img, image)
        try:
            return self._asked(storage.qemu_img.needed, image["source"], known, snapshot)
        except CommandFailed:
            # qemu-img cannot measure every format.
            return files.allocated(image["source"])
