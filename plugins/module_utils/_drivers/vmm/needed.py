# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""vmd: facts about the files that a plan needs: what vmctl or vmd would report only after something was changed."""

from __future__ import annotations

import os

from ..._core.record.mark import making_of
from ..._core.sharing.needed_files import COPIED, DISK, GROWN, IMAGE, Image, Needed
from ..._core.units import human_size
from ..._kit.local_files import LocalFiles
from ..._media import disk_header, foreign_image
from ..._media.backup_folder import place_fault
from ..._ports import files
from ..._ports.folders import is_in_memory
from ..._ports.locks import is_locked_as_whole
from ..._tools.marked_block import cannot_be_quoted
from .observe import bases_of
from .options import STORAGE

_FORMATS = ("raw", "qcow2")


class VmmFiles(LocalFiles):
    """The files that one plan needs on this host."""

    platform, formats, converts_to = "vmd", dict.fromkeys((IMAGE, COPIED), _FORMATS), "qcow2"
    linked_from, reads = ("qcow2",), ("boot",)
    read_remedy = write_remedy = "Run the task as root (become: true)."
    folder_option = "storage_path"
    space_remedy = "set another storage_path, or linked: true"
    removes_leftovers = True
    is_in_memory = staticmethod(is_in_memory)

    def place_fault(self, folder):
        if cannot_be_quoted(folder):
            return f"has a character that vm.conf cannot contain: {folder!r}", "Use another directory."
        return place_fault(folder)

    def creates_folder(self, folder):
        return folder == STORAGE

    def in_use(self, path):
        """Ask for the lock that vmd, vmctl and others have on an open disk; not for disks of VMs that run here."""
        running = [self.driver.found.stored_and_running(name)[1] for name in self.driver.found.running()]
        disks = [disk for definition in running if definition for disk, _format in definition.disks]
        return files.identity(path) not in map(files.identity, disks) and is_locked_as_whole(path)

    def is_written(self, item):
        return self.in_use(item.path)

    def is_leftover(self, item):
        return item.path in making_of(self.driver.found.record(self.name))

    def copied(self, one):
        """A source that the same task creates has no files yet."""
        arguments = one.step.arguments
        linked = arguments["creation"]["clone"]["linked"]
        for slot, disk in (arguments["source"].config.get("disks") or {}).items():
            if disk.get("source"):
                yield Needed(COPIED, "clone.source", disk["source"], slot, linked=linked)

    def attached(self):
        """For vmd, a missing disk and one that is in use are the same error. The plan may create a disk."""
        disks = sorted((self.plan.after.config.get("disks") or {}).items())
        paths = [(slot, disk["source"]) for slot, disk in disks if disk.get("source")]
        return [(f"disks.{slot}", one, "") for slot, path in paths for one in (path, *bases_of(path))]

    def image(self, item):
        if item.purpose == DISK:
            return None
        image_format = disk_header.format_of(item.path)
        fault = foreign_image.fault_of(item.path, image_format) if item.purpose == IMAGE else None
        return fault or Image(image_format, disk_header.capacity(item.path))

    def no_growth(self, item):
        if item.purpose != GROWN:
            reason = ("a linked disk has the size of its image", "Omit the size, or omit linked.")
            return reason if item.linked else ()
        bases = bases_of(item.path)[:1] if item.path else self._bases_of_new()
        if bases:
            reason = f"the disk is linked to {bases[0]}, and vmctl cannot enlarge such a disk"
            return reason, "Omit the size, or create the VM without linked: true."
        return self._no_space_for_copy(os.path.realpath(item.path)) if item.path else ()

    def _bases_of_new(self):
        """The disk of a linked clone that the plan creates has no file yet."""
        clones = [step.arguments for step in self.plan.steps if step.verb == "clone"]
        return [one["source"].name for one in clones if one["creation"]["clone"]["linked"]]

    @staticmethod
    def _no_space_for_copy(path):
        """A qcow2 image is enlarged by copying it."""
        if not files.is_file(path) or not disk_header.is_qcow(path):
            return ()
        folder, needed = os.path.dirname(path), files.allocated(path)
        free = files.free_space(folder)
        reason = (
            f"enlarging {path} needs {human_size(needed)} for a copy, and {folder} has {human_size(free)}",
            "Free some space, or move the disk.",
        )
        return reason if needed > free else ()

    def bytes_of(self, item):
        """A copy needs about as much as its source has allocated. Empty disks need space only when a guest writes."""
        content = item.content or item
        if content.linked or content.purpose not in (IMAGE, COPIED):
            return 0
        return self.allocated((content.path, *bases_of(content.path)))
