# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files in two sets of disk images, compared through libguestfs' ``virt-diff``. It writes to none of them.

Formats are always said: probed, the content of a raw image could pose as another format that names files of the host.
"""

from __future__ import annotations

import re

from .._lifecycle import errors

INSTALL = (
    "Install virt-diff: package guestfs-tools (Debian, Ubuntu, Fedora, RHEL, SUSE, Arch; libguestfs-tools in releases"
    " before 2022)."
)
# Under emulation two small systems take a minute; a large one may take long, yet no call may hang for ever.
_TIMEOUT = 4 * 3600
_ENTRY = re.compile(r"([-+=]) ([-dlcbpsu?]) ([0-7]{4}) +(\d+) (/.*)", re.DOTALL)
_END_OF_TEXT = "@@ End of diff @@"
_ONLY_ATTRIBUTES = "# changed:"
#: Which number a disk gets in libguestfs' machine is a matter of chance (seen on a busy host), and then of every file.
_BY_CHANCE = frozenset({"st_dev"})
_CHANGES = {"-": "removed", "+": "added", "=": "changed"}
#: How QEMU ends where KVM's device opens and does not work.
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
        """[{change, path, before, after, text}] of two lists of (path, format); ``scratch`` is a folder for its work.

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
        # Its own files hold parts of the disks. With another backend, another user would have to read them all.
        wanted = {"LIBGUESTFS_BACKEND": "direct", **more}
        own = {name: value for name, value in wanted.items() if not self._commands.environment(name)}
        environment = {"LIBGUESTFS_TMPDIR": scratch, **own}
        return self._commands.run(argv, timeout=_TIMEOUT, environment=environment)


def _images(option, images):
    return [word for path, image_format in images for word in (f"--format={image_format}", option, path)]


def _explained(completed):
    said = completed.stderr.strip().partition("\n")[0].replace("virt-diff: ", "", 1) or "no error message"
    remedy = next((remedy for text, remedy in _REMEDIES if text in completed.stderr), None)
    message = f"virt-diff failed: {said.rstrip('.')}."
    return errors.CommandFailed(completed.argv, completed.rc, completed.stderr, message, remedy)


def changes(text):
    """What virt-diff printed, as one entry for each path.

    ``before`` and ``after`` are {type, mode, size, target}. Of a file whose content changed only ``before`` is told,
    and ``text`` is what ``diff -u`` says, empty for one that is not text. Where nothing but attributes changed, the
    path is told twice and then they are named.
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
    """The lines up to the end of one file's text, taken out of ``lines``."""
    taken = []
    while lines and lines[0] != _END_OF_TEXT:
        taken.append(lines.pop(0))
    del lines[:1]
    return "\n".join(taken)


def _readable(text):
    """What is no UTF-8 is shown as such: a guest may name and fill its files as it likes."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
