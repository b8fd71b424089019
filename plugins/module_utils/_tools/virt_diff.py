# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compares the files in two sets of disk images with libguestfs' ``virt-diff``, which only reads them.

Formats are always passed: if probed, a guest could make a raw image look like another format that names host files.
"""

from __future__ import annotations

import re

from .._core import errors

INSTALL = (
    "Install virt-diff: package guestfs-tools (Debian, Ubuntu, Fedora, RHEL, SUSE, Arch; libguestfs-tools in releases"
    " before 2022)."
)
# Under emulation two small systems take a minute; a large one may take long, but no call may hang forever.
_TIMEOUT = 4 * 3600
_ENTRY = re.compile(r"([-+=]) ([-dlcbpsu?]) ([0-7]{4}) +(\d+) (/.*)", re.DOTALL)
_END_OF_TEXT = "@@ End of diff @@"
_ONLY_ATTRIBUTES = "# changed:"
#: Device numbers in the VM of libguestfs vary between runs (seen on a busy host), and with them those of every file.
_BY_CHANCE = frozenset({"st_dev"})
_CHANGES = {"-": "removed", "+": "added", "=": "changed"}
#: QEMU's errors if the KVM device exists, but does not work.
_CRASHED = ("appliance closed the connection unexpectedly", "killed by signal 6")
_EMULATED = {"LIBGUESTFS_BACKEND_SETTINGS": "force_tcg"}
_REMEDIES = (
    (
        "no operating system was found",
        "virt-diff compares operating systems only; files on a disk without one cannot be compared.",
    ),
    (
        "supermin exited",
        "libguestfs starts a small VM, which needs a kernel in /boot and its modules in /lib/modules. Run"
        " libguestfs-test-tool for details.",
    ),
    *((text, "Run libguestfs-test-tool on this host for details.") for text in _CRASHED),
)


class VirtDiff:
    """virt-diff on this host."""

    def __init__(self, commands, executable="virt-diff"):
        self._commands = commands
        self._path = commands.find(executable, INSTALL)

    def compare(self, before, after, scratch):
        """[{change, path, before, after, text}] of two lists of (path, format); ``scratch`` is a temporary directory.

        Raises CommandFailed with a remedy, and Timeout.
        """
        argv = [self._path, *_images("-a", before), *_images("-A", after)]
        completed = self._run(argv, scratch, {})
        if completed.rc != 0 and any(text in completed.stderr for text in _CRASHED):
            completed = self._run(argv, scratch, _EMULATED)
        if completed.rc != 0:
            raise _explained(completed)
        return changes(completed.stdout)

    def _run(self, argv, scratch, more):
        # Its temporary files contain parts of the disks. With another backend, another user would need to read them.
        wanted = {"LIBGUESTFS_BACKEND": "direct", **more}
        own = {name: value for name, value in wanted.items() if not self._commands.environment(name)}
        environment = {"LIBGUESTFS_TMPDIR": scratch, **own}
        return self._commands.run(argv, timeout=_TIMEOUT, environment=environment)


def _images(option, images):
    return [word for path, image_format in images for word in (f"--format={image_format}", option, path)]


def _explained(completed):
    reason = completed.stderr.strip().partition("\n")[0].replace("virt-diff: ", "", 1) or "no error message"
    remedy = next((remedy for text, remedy in _REMEDIES if text in completed.stderr), None)
    message = f"virt-diff failed: {reason.rstrip('.')}."
    return errors.CommandFailed(completed.argv, completed.rc, completed.stderr, message, remedy)


def changes(text):
    """The output of virt-diff, as one entry for each path.

    ``before`` and ``after`` are {type, mode, size, target}. If the content of a file changed, only ``before`` is
    printed, and ``text`` is the output of ``diff -u``, empty for binary files. If only attributes changed, the
    path is printed twice, followed by the attributes.
    """
    found, lines = [], _readable(text).split("\n")
    while lines:
        line = lines.pop(0)
        entry = _ENTRY.fullmatch(line)
        if entry:
            found.append(_change(entry))
            if entry[1] == "=":
                found[-1]["text"] = _taken_text(lines)
        elif line.startswith(_ONLY_ATTRIBUTES) and len(found) > 1:
            after, before = found.pop(), found.pop()
            if not _BY_CHANCE.issuperset(line[len(_ONLY_ATTRIBUTES) :].split()):
                found.append({**before, "change": "changed", "after": after["after"]})
    return found


def _change(entry):
    sign, kind, mode, size, path = entry.groups()
    target = None
    if kind == "l":
        path, _arrow, target = path.partition(" -> ")
    file = {"type": kind, "mode": mode, "size": int(size), "target": target}
    return {
        "change": _CHANGES[sign],
        "path": path,
        "before": None if sign == "+" else file,
        "after": file if sign == "+" else None,
        "text": "",
    }


def _taken_text(lines):
    """The lines up to the end of one file's text, removed from ``lines``."""
    taken = []
    while lines and lines[0] != _END_OF_TEXT:
        taken.append(lines.pop(0))
    del lines[:1]
    return "\n".join(taken)


def _readable(text):
    """Replace invalid UTF-8: a guest may use any bytes in file names and content."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
