# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt: creating the files of VMs.

A file gets its final name only when it is complete, and existing files are never overwritten.
"""

from __future__ import annotations

import os
import re
import xml.etree.ElementTree as ET
from contextlib import suppress

from ..._core.errors import CommandFailed, PolyvirtError, Refused
from ..._core.pattern import Pattern
from ..._media import disk_header
from ..._media.appliances.disk import name_of, unpacked
from ..._ports import files, locks, partial_files
from ..._tools import virsh_output as output
from ..._tools.domain_xml import backing_files, file_of
from ..._tools.qemu_img import empty_image
from ..._tools.virsh import ConnectionLost, is_not_found, is_unsupported, raise_for_errors
from .settings.firmware import nvram_of

_SEED_SUFFIX = ".polyvirt-seed.iso"
#: Suffixes of NVRAM files, by ``secure_boot``.
_NVRAM_SUFFIXES = {False: ".nvram", True: ".nvram-secure"}
#: Types of storage pools with files in a directory; those on which libvirt mounts a file system.
IN_FOLDERS, MOUNTED = ("dir", "fs", "netfs", "vstorage"), ("fs", "netfs", "vstorage")
#: Supported formats of base images; other images must be converted first.
IMAGE_FORMATS = ("qcow2", "raw", "vmdk", "vdi", "vhdx", "vpc")

#: With dynamic_ownership = 0, libvirt leaves the owner of disks as it is, so the user in its capabilities must be it.
_QEMU_CONF, _NO_NEW_OWNER = "/etc/libvirt/qemu.conf", Pattern(r"^\s*dynamic_ownership\s*=\s*0", re.MULTILINE)
_SESSION = Pattern(r"/session(\?|\Z)")
_QEMU_USER = Pattern(r"<model>dac</model>.*?<baselabel type='\w+'>\+(\d+):\+(\d+)<", re.DOTALL)


class Storage:
    """Image files in one directory of the host; ``is_default``: in libvirt's default directory.

    ``host`` is the VirshObserver of the connection; its ``warnings`` get those about new disks.
    """

    def __init__(self, qemu_img, folder, is_default=False, host=None):
        self.qemu_img, self.folder, self.is_default, self._host = qemu_img, folder, is_default, host

    def disk_path(self, name, slot, entry):
        """The path of a new disk; ``entry`` is its entry of ``disks``."""
        folder, image_format = entry.get("directory") or self.folder, entry.get("format") or "qcow2"
        return os.path.join(folder, f"{name}-{slot}.{image_format}")

    def seed_path(self, name):
        return os.path.join(self.folder, f"{name}{_SEED_SUFFIX}")

    def nvram_path(self, name, secure, image_format="raw"):
        suffix = "" if image_format == "raw" else f".{image_format}"
        return os.path.join(self.folder, f"{name}{_NVRAM_SUFFIXES[bool(secure)]}{suffix}")

    def create_default_folder(self):
        """Create the directory if it is libvirt's default; a directory set with ``storage_path`` must exist."""
        if self.is_default:
            files.make_folder(self.folder, files.ENTERED)

    def reserved(self, paths):
        """Create the incomplete files of ``paths``; see partial_files.py."""
        if paths:
            self.create_default_folder()
        return partial_files.reserved(paths)

    def create_disk(self, path, entry, image):
        """Create the file of one disk. Returns whether it is new.

        ``entry`` is an entry of ``disks``. ``image`` is None for an empty disk, else a mapping: ``source`` (path),
        ``format``, ``linked``, ``snapshot`` (name of an internal snapshot), ``in_use`` (another process may write it).

        An existing file is used only if an interrupted run created it: its content equals that of a new one.
        Otherwise it may be other data, and Refused is raised.
        """
        self.create_default_folder()
        with files.partial(path) as temporary:
            with unpacked(image, path) as source:
                self._fill(temporary, entry, source)
            if self._host and not opens_private_disk(self._host, temporary):
                partial_files.make_readable(temporary)
                self._host.warnings.append(
                    f"{path}: all users of this host can read this disk, because libvirt does not make QEMU's user its"
                    " owner. Run the task as root (become: true), in a directory of a local file system."
                )
            if not files.exists(path):
                # If another task created it at the same time, that file is compared below like any existing one.
                with suppress(Refused):
                    files.rename_into_place(temporary, path)
                    return True
            if not self._is_same(temporary, path):
                raise _different_content(path)
        return False

    def create_disk_of_vm(self, name, slot, entry, image, created, mark=None):
        """Create the file of a VM's disk, and add it to ``created`` if it is new. Returns (path, format).

        ``mark`` is that of an existing VM: a disk that the restore of a snapshot has left keeps its content.
        """
        path = self.disk_path(name, slot, entry)
        if not self.is_left_by_restore(path, entry, mark or {}) and self.create_disk(path, entry, image):
            created.append(path)
        return path, entry.get("format", "qcow2")

    def format_of(self, entry):
        """The format of an existing file to be attached: the requested one, else the probed one."""
        source = entry["source"]
        return declared_format(entry) or self.qemu_img.info(source, disk_header.known_format(source)).format

    def _is_same(self, created, found):
        """Whether backing file and content are equal: a copy and an overlay differ, even if they have the same data."""
        backing_files_equal = self.qemu_img.info(created).backing == self.qemu_img.info(found).backing
        return backing_files_equal and self.qemu_img.identical(created, found)

    def is_left_by_restore(self, path, entry, mark):
        """Whether a new disk would be one of this VM that was attached after the snapshot that was restored.

        Only a restore records it as that. Of another size, it is another disk.
        """
        if not (path in mark.get("disks", ()) and path in mark.get("left", ()) and files.is_readable(path)):
            return False
        try:
            found = self.qemu_img.info(path, entry.get("format") or "qcow2", as_disk=True)
        except CommandFailed:  # It is damaged, so it is not attached.
            return False
        return (found.backing, found.virtual_size) == (None, entry["size"])

    def has_content_of(self, path, entry, image):
        """Whether an existing file at the path of a new disk has its content. Arguments as in create_disk."""
        if image and (image.get("snapshot") or image.get("packed")):
            return True  # These can be compared only after they are copied; create_disk does that.
        reference = name_of(image) if image else empty_image(entry["size"])
        base = reference if image and image.get("linked") else None
        same_backing = self.qemu_img.info(path).backing == base
        return same_backing and self.qemu_img.same_content(reference, path, image and self.format_of_image(image))

    def format_of_image(self, image):
        """The format of an image if it need not be probed: the one that is recorded with it, or that of its header."""
        return image.get("format") or disk_header.known_format(image["source"])

    def _fill(self, path, entry, image):
        image_format, size = entry.get("format", "qcow2"), entry.get("size")
        if image is None:
            self.qemu_img.create(path, image_format, size)
            return
        known = self.format_of_image(image)
        if image.get("linked") and known:  # qemu-img itself reads whether it has this format.
            self.qemu_img.overlay(path, image["source"], known, size)
            return
        base = self.qemu_img.info(name_of(image), known)
        if image.get("linked"):
            self.qemu_img.overlay(path, base.path, base.format, size)
            return
        self.qemu_img.convert(
            base.path, base.format, path, image_format, image.get("snapshot"), image.get("in_use", False)
        )
        if size and size > base.virtual_size:
            self.qemu_img.grow(path, image_format, size)

    def size_of(self, disk):
        """The virtual size in bytes of an entry of ``disks``, or None if its file cannot be read."""
        if not files.is_readable(disk["source"]):
            return None
        try:
            return self.qemu_img.info(disk["source"], disk.get("format"), as_disk=True).virtual_size
        except PolyvirtError:
            return None


def opens_private_disk(driver, disk):
    """Whether QEMU can open a new disk that only its owner can read: libvirt changes the owner, and back."""
    if driver.hypervisor != "QEMU" or (_SESSION.search(driver.virsh.uri) and os.geteuid() != 0):
        return True
    settings = files.read_latin1(_QEMU_CONF) if files.is_readable(_QEMU_CONF) else ""
    user = _QEMU_USER.search(driver.capabilities()) if _NO_NEW_OWNER.search(settings) else None
    if user:
        return partial_files.give(disk, *map(int, user.groups()))
    return partial_files.can_change_owner_and_back(disk)


def _different_content(path):
    return Refused(
        f"{path} already exists and has different content.",
        "Move it to another directory, or attach it with disks[].source.",
    )


def check_no_file(path):
    """Raise Refused if a file exists that is to be created, and that no mark has named before."""
    if files.exists(path):
        raise Refused(
            f"{path} already exists, and there is no record that this collection created it.",
            "Move it to another directory. If it is a disk, it can be attached with disks[].source.",
        )


def declared_format(entry):
    """The format of an existing disk if it need not be probed, else None.

    A block device is raw unless the task sets another format, because the result of probing depends on data that a
    guest may have written.
    """
    return entry.get("format") or ("raw" if files.is_block_device(entry["source"]) else None)


def bases_of(storage, paths):
    """All backing files of these images, sorted."""
    return sorted({image.path for path in paths for image in storage.qemu_img.chain(path)[1:]})


def pool_folders(virsh, which="--all", kinds=IN_FOLDERS):
    """{directory: name} of libvirt's storage pools of these ``kinds``; ``which`` is an option of pool-list."""
    questions = [("pool-list", which, "--name")]
    answers = virsh.batch(questions)
    if is_unsupported(answers[0].error):
        return {}
    raise_for_errors(questions, answers)
    names = output.names(answers[0].stdout)
    questions = [("pool-dumpxml", name) for name in names]
    answers = virsh.batch(questions) if names else ()
    raise_for_errors(questions, answers, is_not_found)
    pools = {name: ET.fromstring(one.stdout) for name, one in zip(names, answers) if not one.error}
    return folders_in(pools, kinds)


def folders_in(pools, kinds=IN_FOLDERS):
    """{directory: name} of those of ``pools``, {name: definition}, that have one of these ``kinds``."""
    return {pool.findtext("target/path"): name for name, pool in pools.items() if pool.get("type") in kinds}


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
    """Remove those files of ``paths`` that nobody uses, after ``error``. Returns the definitions of all VMs.

    If it is not known whether a VM uses them, all are kept and nothing is returned: the definitions cannot be read, or
    libvirt may still be executing the call whose answer was lost. The next run uses or replaces the files.
    """
    if isinstance(error, ConnectionLost):
        return []
    try:
        definitions = driver.read_definitions()
    except PolyvirtError:
        return []
    used = {files.identity(file) for one in definitions for file in used_files(one)}
    for path in paths:
        if files.identity(path) not in used and not locks.is_open_elsewhere(path):
            files.remove(path)
    return definitions
