# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VirtualBox: facts about the files that a plan needs: images by their headers, and the media that VirtualBox knows."""

from __future__ import annotations

import os
from shlex import quote

from ..._core.record.mark import making_of
from ..._core.sharing.needed_files import COPIED, DISK, GROWN, IMAGE, Image, Needed
from ..._kit.local_files import LocalFiles
from ..._media import disk_header, foreign_image
from ..._media.appliances.disk import checked, is_of_appliance, most_bytes
from ..._media.backup_folder import place_fault
from ..._ports import files
from ..._ports.folders import is_in_memory
from ..._tools.qemu_img import QemuImg
from .create import foreign_settings_file
from .settings import images
from .settings.architecture import first_disk
from .settings.disk_checks import NO_FILE, access_remedy, attached, largest, no_growth
from .settings.disks import kept_image
from .settings.serial_log import LOG, NEW_REMEDY
from .vbox_vm import NOT_RESIZABLE, file_name, slot_name

#: VirtualBox finds the parent of a disk among its own media, by a UUID.
_ACCEPTED = {IMAGE: (), DISK: (foreign_image.PARENT,)}
_REGISTER = (
    "If it is the settings file of a VM that is not registered, register that: VBoxManage registervm {path}. Otherwise"
    " move its directory with all its files away."
)


def _fault_of_qcow2(path):
    """VirtualBox reads only the simplest qcow2 images. Source: its error messages for each of these."""
    if disk_header.has_incompatible_features(path):
        return "is a qcow2 image with features that VirtualBox cannot read, such as compression by zstd"
    return "is an empty qcow2 image, which VirtualBox cannot read" if disk_header.lacks_table(path) else ""


class VBoxFiles(LocalFiles):
    """The files that one plan needs. ``unfinished`` is the VM that an interrupted task began to create, or None."""

    platform, converts_to = "VirtualBox", "vdi"
    formats = dict.fromkeys((IMAGE,), ("raw", "qcow2", *images.ATTACHABLE)) | {DISK: images.ATTACHABLE}
    read_remedy = "Run the task as a user with read permission."
    write_remedy = "Run the task as a user with write permission, or set storage_path (for images image_directory)."
    folder_option, own_folder = "storage_path", (LOG,)
    space_remedy = "set storage_path to another directory"
    new_remedies = dict.fromkeys(("name",), _REGISTER) | {LOG: NEW_REMEDY}
    removes_leftovers = True
    place_fault, is_in_memory = staticmethod(place_fault), staticmethod(is_in_memory)

    def __init__(self, driver, plan, unfinished):
        super().__init__(driver, plan, files)
        self.first = first_disk()
        self._unfinished, self._listing = unfinished, driver.listing()
        self._new = next((step for step in plan.steps if step.verb in ("create", "clone")), None)

    def _vbox_vm(self, uuid):
        return self._listing.vbox_vm_of(uuid)

    def folder(self, item):
        """VirtualBox creates the directory of a new VM."""
        is_in_new = self._new and not item.disk.get("directory") and item.option != LOG
        return self.driver.storage_path or self._default_folder if is_in_new else super().folder(item)

    def creates_folder(self, folder):
        return not self.driver.storage_path and folder == self._default_folder

    @property
    def _default_folder(self):
        return self._listing.properties.get("Default machine folder", "")

    def is_iso(self, path):
        return images.is_viso_or_dmg(path) or super().is_iso(path)

    def is_leftover(self, item):
        if item.option == LOG:
            vbox_vm = self._vbox_vm(self.plan.before.id)
            return vbox_vm is not None and self.plan.before.owned and item.path in vbox_vm.log_files()
        if self._new:
            is_own = item.option == "name" and (self.plan.before.id or not self._is_foreign(item.path))
            return is_own or (self._unfinished is not None and self._is_begun(item))
        vbox_vm = self._vbox_vm(self.plan.before.id)
        return item.path in making_of(vbox_vm.mark) or kept_image(vbox_vm, item.slot, item.path, item.disk)

    def _is_begun(self, item):
        """Other files than those of the interrupted task can only be in a directory that is not that of its VM."""
        mark, media = self._unfinished.unfinished_mark, self._listing.media
        disks = [media[uuid].location for uuid in mark["disks"] if uuid in media]
        return not item.disk.get("directory") or item.path in (*making_of(mark), *disks)

    def _is_foreign(self, path):
        return foreign_settings_file(os.path.dirname(path), file_name(self.name)) is not None

    def copied(self, one):
        """The files of a full clone's source, with the images below them."""
        vbox_vm = self._vbox_vm(one.step.arguments["source"].id)
        if vbox_vm is None or one.step.arguments["creation"]["clone"]["linked"]:
            return
        for slot in vbox_vm.disks:
            chain = [one.location for one in vbox_vm.chain(slot.values.get("ImageUUID")) if one.format != NO_FILE]
            if chain:
                name = slot_name(slot.controller, slot.port, slot.device)
                yield Needed(COPIED, "clone.source", chain[0], name, details=chain)

    def attached(self):
        vbox_vm = self._vbox_vm(self.plan.before.id)
        return attached(vbox_vm, self.plan.after.config) if vbox_vm else ()

    def image(self, item):
        broken = self._broken(item.details if item.purpose == COPIED else [item.path])
        if broken or item.purpose == COPIED:
            return broken
        if is_of_appliance(item.details):
            return checked(QemuImg(self.driver.commands), item.details)
        same = images.same_uuid(item.path, self._listing.media)
        if same:
            fault = f"has the same UUID as {same}, like a copy made with cp"
            return Image(
                fault=fault, remedy=f"Set a new UUID: VBoxManage internalcommands sethduuid {quote(item.path)}"
            )
        image_format = disk_header.format_of(item.path)
        names = foreign_image.fault_of(item.path, image_format, _ACCEPTED[item.purpose])
        if names:
            return names
        fault = _fault_of_qcow2(item.path) if image_format == "qcow2" and item.purpose == IMAGE else ""
        copy = f"qemu-img convert -f qcow2 -O vdi {quote(item.path)} {quote(item.path.rpartition('.')[0] + '.vdi')}"
        return Image(image_format, disk_header.capacity(item.path), fault, f"Convert it: {copy}")

    def _broken(self, paths):
        """The Image of the first registered one of these that VirtualBox cannot open, or None."""
        media = {files.identity(one.location): one for one in self._listing.media.values() if one.error}
        found = next(filter(None, (media.get(files.identity(path)) for path in paths)), None) if media else None
        if found is None:
            return None
        return Image(fault=f"cannot be opened by VirtualBox: {found.error}", remedy=access_remedy(found))

    def no_growth(self, item):
        if item.purpose == GROWN:
            if self._new and self._new.arguments["creation"]["clone"]["linked"]:
                return ()
            vbox_vm = self._vbox_vm(self._new.arguments["source"].id if self._new else self.plan.before.id)
            return no_growth(vbox_vm, item.slot, is_copied=bool(self._new)) if vbox_vm else ()
        if item.disk.get("format") != NOT_RESIZABLE:
            return ()
        return f"VirtualBox cannot enlarge a {NOT_RESIZABLE}", "Omit the size, or set format: vdi."

    def largest(self, slot, disk):
        return largest(self._listing, disk.get("format"))

    def bytes_of(self, item):
        content = item.content or item
        if content.purpose not in (IMAGE, COPIED) or self._unfinished:
            return 0
        if is_of_appliance(content.details):
            return most_bytes(QemuImg(self.driver.commands), content.details)
        return self.allocated(content.details if content.purpose == COPIED else [content.path])
