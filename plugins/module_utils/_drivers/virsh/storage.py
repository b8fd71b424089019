# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Creating and checking the files of VMs.

A file gets its final name only when it is complete, and existing files are never overwritten.
"""

from __future__ import annotations

import os
from contextlib import suppress

from ..._core.errors import CommandFailed, NotFound, PolyvirtError, Refused
from ..._core.units import human_size
from ..._ports import files
from ..._tools import optical
from ..._tools.qemu_img import empty_image
from ..._tools.virsh import ConnectionLost
from .definition import backing_files, file_of
from .settings.firmware import nvram_of

_SEED_SUFFIX = ".polyvirt-seed.iso"
#: Suffixes of NVRAM files, by ``secure_boot``.
_NVRAM_SUFFIXES = {False: ".nvram", True: ".nvram-secure"}
#: Supported formats of base images; other images must be converted first.
IMAGE_FORMATS = ("qcow2", "raw", "vmdk", "vdi", "vhdx", "vpc")


class Storage:
    """Image files in one directory of the host; ``is_default``: in libvirt's default directory."""

    def __init__(self, qemu_img, folder, is_default=False):
        self.qemu_img, self.folder = qemu_img, folder
        self._is_default = is_default

    def disk_path(self, name, slot, image_format):
        return os.path.join(self.folder, f"{name}-{slot}.{image_format}")

    def seed_path(self, name):
        return os.path.join(self.folder, f"{name}{_SEED_SUFFIX}")

    def nvram_path(self, name, secure):
        return os.path.join(self.folder, f"{name}{_NVRAM_SUFFIXES[bool(secure)]}")

    def create_default_folder(self):
        """Create the directory if it is libvirt's default; a directory set with ``storage_path`` must exist."""
        if self._is_default:
            files.make_folder(self.folder)

    def create_disk(self, path, entry, image):
        """Create the file of one disk. Returns whether it is new.

        ``entry`` is an entry of ``disks``. ``image`` is None for an empty disk, else a mapping: ``source`` (path),
        ``format``, ``linked``, ``snapshot`` (name of an internal snapshot), ``in_use`` (another process may write it).

        An existing file is used only if an interrupted run created it: its content equals that of a new one.
        Otherwise it may be other data, and Refused is raised.
        """
        self.create_default_folder()
        with files.partial(path) as temporary:
            self._fill(temporary, entry, image)
            if not files.exists(path):
                # If another task created it at the same time, that file is compared below like any existing one.
                with suppress(Refused):
                    files.rename_into_place(temporary, path)
                    return True
            if not self._is_same(temporary, path):
                raise _different_content(path)
        return False

    def create_disk_of_vm(self, name, slot, entry, image, created):
        """Create the file of a VM's disk, and add it to ``created`` if it is new. Returns (path, format)."""
        image_format = entry.get("format", "qcow2")
        path = self.disk_path(name, slot, image_format)
        if self.create_disk(path, entry, image):
            created.append(path)
        return path, image_format

    def format_of(self, entry):
        """The format of an existing file to be attached: the requested one, else the probed one."""
        return declared_format(entry) or self.qemu_img.info(entry["source"]).format

    def _is_same(self, created, found):
        """Whether backing file and content are equal: a copy and an overlay differ, even if they have the same data."""
        backing_files_equal = self.qemu_img.info(created).backing == self.qemu_img.info(found).backing
        return backing_files_equal and self.qemu_img.identical(created, found)

    def check_existing_file(self, path, entry, image):
        """Reject an existing file at the path of a new disk if its content differs. Arguments as in create_disk."""
        if not files.exists(path) or (image and image.get("snapshot")):
            return  # An internal snapshot can be compared only after it is copied; create_disk does that.
        reference = image["source"] if image else empty_image(entry["size"])
        base = reference if image and image.get("linked") else None
        if self.qemu_img.info(path).backing != base:
            raise _different_content(path)
        if not self.qemu_img.same_content(reference, path, (image or {}).get("format")):
            raise _different_content(path)

    def _fill(self, path, entry, image):
        image_format, size = entry.get("format", "qcow2"), entry.get("size")
        if image is None:
            self.qemu_img.create(path, image_format, size)
            return
        base = self.qemu_img.info(image["source"], image.get("format"))
        if image.get("linked"):
            self.qemu_img.overlay(path, base.path, base.format, size)
            return
        self.qemu_img.convert(
            base.path, base.format, path, image_format, image.get("snapshot"), image.get("in_use", False)
        )
        if size and size > base.virtual_size:
            self.qemu_img.grow(path, image_format, size)

    def size_of(self, path):
        """The virtual size of an image in bytes, or None if it cannot be read."""
        try:
            return self.qemu_img.info(path).virtual_size if files.is_readable(path) else None
        except PolyvirtError:
            return None

    # Checks before anything is changed ------------------------------------------------------------------------------

    def check_folder(self, written=True):
        """Reject a directory that is missing, or not writable if files are to be created in it."""
        if self._is_default and not files.exists(self.folder):
            return  # It is created when needed, as libvirt does itself.
        if not files.is_folder(self.folder):
            raise NotFound(f"storage_path: {self.folder} is not a directory.", "Create it, or use another directory.")
        if written and not files.is_writable(self.folder):
            raise Refused(
                f"storage_path: {self.folder} is not writable.", "Run the task with become, or use another directory."
            )

    def check_image(self, name, image, entry):
        """Reject a base image that is missing, unreadable, not an image, or larger than the disk."""
        path = image["source"]
        base = self.check_readable_image(name, "image.source", path)
        damage = self.qemu_img.damage(path, base.format)
        if damage:
            raise Refused(
                f"{name}: image.source: {path} is damaged or incomplete: {damage}.", "Download or copy it again."
            )
        size = entry.get("size")
        if size and size < base.virtual_size:
            raise Refused(
                f"{name}: a disk of {human_size(size)} is smaller than the image {path} of"
                f" {human_size(base.virtual_size)}.",
                f"Set a size of {human_size(base.virtual_size)} or more, or omit the option.",
            )
        if image.get("linked") and entry.get("format", "qcow2") != "qcow2":
            raise Refused(
                f"{name}: a linked disk always has the format qcow2, not {entry['format']}.", "Omit the option format."
            )

    def check_readable_image(self, name, option, path, image_format=None, or_device=False):
        """Read an image's properties; rejected if it is missing, unreadable, or not an image (of the given format)."""
        check_readable(name, option, path, or_device)
        try:
            info = self.qemu_img.info(path, image_format)
        except CommandFailed as error:
            raise Refused(
                f"{name}: {option}: {path} is not a disk image: {error.stderr}.", "Use a qcow2 or raw image."
            ) from error
        # Any file is probed as raw; only a file declared as raw is accepted as such.
        is_text = info.format == "raw" and image_format is None and files.size(path) % 512
        if info.format not in IMAGE_FORMATS or is_text:
            raise Refused(
                f"{name}: {option}: {path} is not a disk image.",
                f"Use an image in one of these formats: {', '.join(IMAGE_FORMATS)}.",
            )
        if not info.virtual_size:
            raise Refused(f"{name}: {option}: {path} is empty (0 bytes).", "Download, copy or create it again.")
        return info

    def check_disk_source(self, name, slot, entry):
        """Reject an existing file or device that cannot be attached. Returns ``entry`` with its format and size."""
        info = self.check_readable_image(
            name, f"disks.{slot}.source", entry["source"], declared_format(entry), or_device=True
        )
        return {**entry, "format": entry.get("format", info.format), "size": info.virtual_size}

    def check_no_nvram(self, name, secure_boot, to_delete=()):
        """Reject an existing NVRAM file: libvirt would use it, and the VM would boot with another VM's variables."""
        path = self.nvram_path(name, secure_boot)
        if files.exists(path) and files.identity(path) not in to_delete:
            raise Refused(
                f"{name}: {path} already exists and contains the firmware variables of an earlier VM.",
                "Delete the file or move it to another directory. To use it for the new VM, move it back after the"
                " VM is created.",
            )


def _different_content(path):
    return Refused(
        f"{path} already exists and has different content.",
        "Move it to another directory, or attach it with disks[].source.",
    )


def check_iso(name, path, option="iso"):
    """Reject a file that is missing, unreadable, or not an ISO 9660 or UDF image."""
    check_readable(name, option, path)
    if not optical.is_iso(path):
        raise Refused(f"{name}: {option}: {path} is not an ISO image.", "Use an ISO 9660 or UDF image.")


def declared_format(entry):
    """The format of an existing disk if it need not be probed, else None.

    A block device is raw unless the task sets another format, because the result of probing depends on data that a
    guest may have written.
    """
    return entry.get("format") or ("raw" if files.is_block_device(entry["source"]) else None)


def check_readable(name, option, path, or_device=False):
    if not files.exists(path):
        raise NotFound(
            f"{name}: {option}: {path} does not exist on the hypervisor.", "Correct the path, or copy the file to it."
        )
    if not (files.is_file(path) or (or_device and files.is_block_device(path))):
        wanted = "file or a block device" if or_device else "file"
        raise Refused(f"{name}: {option}: {path} is not a {wanted}.", f"Use the path of a {wanted}.")
    if not files.is_readable(path):
        raise Refused(f"{name}: {option}: {path} is not readable.", "Run the task with become, or make it readable.")


def chain_of(storage, path):
    """An image and all its backing files."""
    return [image.path for image in storage.qemu_img.chain(path)]


def bases_of(storage, paths):
    """All backing files of these images, sorted."""
    return sorted({base for path in paths for base in chain_of(storage, path)[1:]})


def used_files(definition):
    """Every local file in a definition, with the backing files that libvirt lists."""
    for disk in definition.root.findall("devices/disk"):
        if file_of(disk):
            yield file_of(disk)
        yield from backing_files(disk)
    if nvram_of(definition):
        yield nvram_of(definition)
    if definition.get("os/nvram"):
        yield definition.get("os/nvram")


def remove_unused(driver, paths, error):
    """Remove those new files of ``paths`` that no VM uses, after ``error``. Returns the definitions of all VMs.

    If it is not known whether a VM uses them, all are kept and nothing is returned: the definitions cannot be read, or
    libvirt may still be executing the call whose answer was lost. The next run uses or replaces the files.
    """
    if isinstance(error, ConnectionLost):
        return []
    try:
        definitions = driver.read_definitions()
    except PolyvirtError:
        return []
    used = {os.path.realpath(file) for one in definitions for file in used_files(one)}
    for path in paths:
        if os.path.realpath(path) not in used:
            files.remove(path)
    return definitions


def check_space(driver, name, images, to_delete=()):
    """Reject copies of ``images`` for which there is not enough free space, and reserve the space otherwise.

    The copies need less by the space of the files in ``to_delete``, because these are deleted first.
    """
    copied = [image for image in images if image and not image.get("linked")]
    needed = sum(_copy_size(driver, image) for image in copied) - sum(map(_allocated, to_delete))
    if needed <= 0:
        return
    folder = driver.storage.folder
    alternative = "set another storage_path, or linked: true"
    driver.space.reserve(name, "storage_path", folder, needed, files.free_space(folder), alternative)


def _copy_size(driver, image):
    """Maximum size of a copy in bytes: the allocated data, uncompressed. Read once per image and snapshot."""
    key = (image["source"], image.get("snapshot"))
    if key not in driver.copy_sizes:
        try:
            driver.copy_sizes[key] = driver.storage.qemu_img.needed(image["source"], image.get("format"), key[1])
        except CommandFailed:
            # qemu-img cannot measure every format.
            driver.copy_sizes[key] = files.allocated(image["source"])
    return driver.copy_sizes[key]


def _allocated(path):
    return files.allocated(path) if files.is_file(path) else 0
