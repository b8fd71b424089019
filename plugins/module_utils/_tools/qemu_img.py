# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Disk images, through ``qemu-img``. Paths are absolute, because a colon or a leading dash has another meaning."""

from __future__ import annotations

import json

from .._core import errors
from .._core.errors import remedy_for
from .._core.frozen import Frozen, replace
from .._ports import files, permits

INSTALL = "Install qemu-img: package qemu-utils (Debian, Ubuntu), qemu-img (Fedora, RHEL) or qemu-tools (SUSE)."
#: Rows (texts of the error, remedy), see remedy_for; docs/errors.md lists them.
REMEDIES = (
    (
        ('qemu-img: ... "write" lock',),
        "A VM or another program uses this image: stop it first.",
    ),
    (("qemu-img: ...: Permission denied",), "Run the task as a user who may use the file (become: true)."),
    (("qemu-img: ...: No space left on device",), "Free some space there, or use another directory (storage_path)."),
    (
        ("Backing file specified without backing format",),
        "Record the format in the image: qemu-img rebase -u -F FORMAT -b BACKING_FILE IMAGE.",
    ),
)
#: Timeout in seconds of commands that read only the header.
_READ_TIMEOUT = 120
#: Commands that change nothing.
_READS = frozenset({"check", "compare", "info", "measure"})
#: Exit codes of ``qemu-img check``: no error, only leaked clusters, and a format that cannot be checked.
_SOUND = (0, 3, 63)
#: Formats that qemu-img calls otherwise.
_NAMES = {"vhd": "vpc"}
_VHD = "vpc"
#: Begins a name that describes an image with its format. A path is absolute, so it is none.
_JSON = "json:"
# Copying has no timeout, because it depends on the size of the disk.
_NO_TIMEOUT = None


class ImageInfo(Frozen):
    """One image; sizes in bytes. ``backing`` is the full path of its backing file.

    ``snapshots`` are the names of its internal snapshots; names may repeat. ``bitmaps`` are those of backup programs;
    of an image in use, only those that it had when it was opened.
    """

    path: str
    format: str
    virtual_size: int
    backing: str | None
    snapshots: tuple = ()
    bitmaps: tuple = ()


def empty_image(size):
    """The name of a virtual image of zeroes."""
    return _JSON + json.dumps({"driver": "null-co", "size": size, "read-zeroes": True})


class QemuImg:
    def __init__(self, commands, executable="qemu-img"):
        self._commands = commands
        self._executable = executable

    def info(self, path, image_format=None, as_disk=False):
        """The properties of an image, even while a guest uses it (-U).

        The format of a guest's disk must be passed: if probed, a guest could make a raw disk look like an image on top
        of any file of the host, and a copy of it would contain that file. ``as_disk``: with the size that a VM would
        see, which can be smaller than that of a copy (see ``_source``).
        """
        source = ["-f", qemu_name(image_format), path] if as_disk and image_format else _source(path, image_format)
        words = ("info", "-U", "--output=json", *source)
        return replace(_image(json.loads(self._run(*words, timeout=_READ_TIMEOUT))), path=path)

    def chain(self, path):
        """The image and its backing files, itself first."""
        listed = self._run("info", "-U", "--output=json", "--backing-chain", path, timeout=_READ_TIMEOUT)
        return [_image(found) for found in json.loads(listed)]

    def damage(self, path, image_format):
        """The errors of an image, such as an incomplete copy; empty if none are found."""
        words = ("check", "-q", "-U", *_source(path, image_format))
        completed = self._completed(*words, allowed=None)
        if completed.rc in _SOUND:
            return ""
        return (completed.stderr.strip() or completed.stdout.strip()).split("\n")[0]

    def needed(self, path, image_format=None, snapshot=None, timeout=_NO_TIMEOUT):
        """The maximum size in bytes of a copy of an image, or of a snapshot in it."""
        part = ["-l", f"snapshot.name={snapshot.replace(',', ',,')}"] if snapshot else []
        words = ("measure", "-U", "--output=json", "-O", "qcow2", *part, *_source(path, image_format))
        return json.loads(self._run(*words, timeout=timeout))["required"]

    def create(self, path, image_format, size):
        self._run("create", "-q", "-f", image_format, path, str(size))

    def overlay(self, path, base, base_format, size=None):
        """A qcow2 image on ``base``. The base's format is always passed: if probed, a guest could fake it."""
        given_size = [] if size is None else [str(size)]
        self._run("create", "-q", "-f", "qcow2", "-F", qemu_name(base_format), "-b", base, path, *given_size)

    def convert(self, source, source_format, path, image_format, snapshot=None, in_use=False):
        """A full copy without a backing file.

        A snapshot in the image is copied even while a guest uses the image, and so is a file ``in_use`` (-U).
        """
        part = ["-l", f"snapshot.name={snapshot.replace(',', ',,')}"] if snapshot else []
        shared = ["-U"] if snapshot or in_use else []
        self._run("convert", *shared, *part, "-O", image_format, *_source(source, source_format), path)

    def overwrite(self, source, source_format, path, image_format):
        """Replace what an existing image reads as; snapshots within it remain."""
        self._run("convert", "-n", "-O", image_format, *_source(source, source_format), path)

    def copy_out(self, path, snapshot, copy):
        """A qcow2 image that reads as ``snapshot`` within the qcow2 image ``path``, also while a guest uses it (-U).

        It has the same backing files as the image. The snapshot does not change while the image is written.
        """
        backing_image = self.chain(path)[1:2]
        backing_options = [word for base in backing_image for word in ("-B", base.path, "-F", base.format)]
        # In such options a comma ends the value, unless it is doubled.
        name = f"snapshot.name={snapshot.replace(',', ',,')}"
        self._run("convert", "-U", "-f", "qcow2", "-l", name, "-O", "qcow2", *backing_options, path, copy)

    def drop_snapshot(self, path, name):
        """Delete a snapshot from a qcow2 image that is not in use."""
        self._run("snapshot", "-q", "-d", name, path)

    def grow(self, path, image_format, size):
        """Enlarge an image. The caller has compared the sizes, and qemu-img itself rejects shrinking."""
        self._run("resize", "-q", "-f", image_format, path, str(size))

    def write(self, path, offset, data):
        """Replace bytes within a qcow2 image that is not in use; what is below it stays as it is."""
        words = [word for place, byte in enumerate(data, offset) for word in ("-c", f"write -P {byte} {place} 1")]
        argv = [self._commands.find("qemu-io", INSTALL), "-f", "qcow2", *words, path]
        files.check_loss(path, "write to")
        completed = self._commands.run(argv, timeout=_NO_TIMEOUT, writes=True)
        if completed.rc != 0:
            raise errors.CommandFailed(argv, completed.rc, completed.stderr or completed.stdout)

    def identical(self, a, b):
        """Whether two images have the same size and content; how they store it does not count.

        Not ``compare -s``: that also wants the same sectors allocated, which a copy need not have.
        """
        return self.info(a).virtual_size == self.info(b).virtual_size and self.same_content(a, b)

    def same_content(self, a, b, format_of_a=None, format_of_b=None):
        """Whether two images read the same; where one is longer, the rest of it reads as zeroes."""
        *second, b = _source(b, format_of_b)
        words = ("compare", "-q", "-U", *(["-F", *second[1:]] if second else ()), *_source(a, format_of_a), b)
        return self._completed(*words, allowed=(0, 1)).rc == 0

    def _run(self, *words, timeout=_NO_TIMEOUT):
        return self._completed(*words, timeout=timeout).stdout

    def _completed(self, *words, timeout=_NO_TIMEOUT, allowed=(0,)):
        argv = [self._commands.find(self._executable, INSTALL), *words]
        written = None if words[0] in _READS else _written_by(words)
        is_new = written is not None and not files.exists(written)
        if written is not None and not is_new:
            files.check_loss(written, "write to")
        completed = self._commands.run(argv, timeout=timeout, writes=words[0] not in _READS)
        if allowed is not None and completed.rc not in allowed:
            remedy = remedy_for(REMEDIES, completed.stderr)
            raise errors.CommandFailed(argv, completed.rc, completed.stderr, remedy=remedy)
        if is_new:
            permits.created(written, files.identity(written))
        return completed


def _written_by(words):
    """The file that a command writes. ``create`` and ``resize`` end with a size, unless the size is that of a base."""
    if words[0] == "resize" or (words[0] == "create" and words[-1].isdigit()):
        return words[-2]
    return {"create": words[-1], "convert": words[-1], "snapshot": words[-1]}[words[0]]


def within(path, image_format, part):
    """The name of an image that is a part, (offset, size), of a file such as an archive. It includes the format."""
    offset, size = part
    raw = {"driver": "raw", "offset": offset, "size": size, "file": {"driver": "file", "filename": path}}
    size_of_vhd = {"force_size_calc": "current_size"} if image_format == "vhd" else {}
    return _JSON + json.dumps({"driver": qemu_name(image_format), **size_of_vhd, "file": raw})


def qemu_name(image_format):
    """The name that qemu-img has for a format."""
    return _NAMES.get(image_format, image_format)


def _source(path, image_format):
    """The words for an image that is read, and whose format is known or else probed.

    The size of a VHD is that of its footer, as for VirtualBox and Hyper-V. By default, older versions of QEMU take its
    geometry, which can be smaller: the end of the disk would be missing.
    """
    name = qemu_name(image_format)
    if path.startswith(_JSON):
        return [path]
    if name == _VHD:
        options = {"driver": _VHD, "force_size_calc": "current_size", "file": {"driver": "file", "filename": path}}
        return [_JSON + json.dumps(options)]
    return ["-f", name, path] if name else [path]


def _image(found):
    return ImageInfo(
        path=found["filename"],
        format=found["format"],
        virtual_size=found["virtual-size"],
        backing=found.get("full-backing-filename", found.get("backing-filename")),
        snapshots=tuple(snapshot["name"] for snapshot in found.get("snapshots", ())),
        bitmaps=tuple(one["name"] for one in found.get("format-specific", {}).get("data", {}).get("bitmaps", ())),
    )
