# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The vocabulary's words and those of Proxmox VE."""

from __future__ import annotations

import re

from ..._lifecycle.model import FAILED, PAUSED, RUNNING, STOPPED, SUSPENDED

#: What QEMU says of itself, where it does not simply run. A guest that sleeps (suspended) is woken by a resume. After
#: a shutdown during a backup QEMU stays until the backup has ended; nothing runs in it.
_EMULATOR = {
    "paused": PAUSED, "prelaunch": PAUSED, "postmigrate": PAUSED, "suspended": PAUSED, "io-error": FAILED,
    "internal-error": FAILED, "guest-panicked": FAILED, "watchdog": FAILED, "shutdown": FAILED,
}  # fmt: skip
#: The same for states that pass: QEMU reads or writes the guest's memory.
_PASSING = frozenset({"inmigrate", "finish-migrate", "restore-vm", "save-vm"})
#: A lock that is none: it tells that the memory lies on disk.
_SAVED = "suspended"
#: Locks of work under which a machine goes on as it was.
HARMLESS = frozenset({"backup", "snapshot", "snapshot-delete"})

#: Short names of systems, and the kind that Proxmox VE knows.
OS_TYPES = {
    **dict.fromkeys(
        (
            "alma", "arch", "archlinux", "centos", "debian", "fedora", "gentoo", "linux", "opensuse", "redhat",
            "rhel", "rocky", "ubuntu",
        ),
        "l26",
    ),
    **dict.fromkeys(("windows", "windows11", "windows2022", "windows2025"), "win11"),
    **dict.fromkeys(("windows10", "windows2016", "windows2019"), "win10"),
    **dict.fromkeys(("freebsd", "netbsd", "openbsd", "other"), "other"),
}  # fmt: skip
KNOWN_OS_TYPES = (
    "other", "wxp", "w2k", "w2k3", "w2k8", "wvista", "win7", "win8", "win10", "win11", "l24", "l26", "solaris",
)  # fmt: skip

_NAME = re.compile(r"[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?(\.[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?)*")
_SNAPSHOT = re.compile(r"[a-zA-Z][a-zA-Z0-9_-]{1,39}")
_TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9_\-+.]*")
_RESERVED = ("current", "pending")


def power_of(status, emulator, lock):
    """(power, what keeps others out or None, reason) of a machine."""
    busy = lock if lock and lock != _SAVED else None
    if status != "running":
        return (SUSPENDED if lock in (_SAVED, "suspending") else STOPPED), busy, ""
    word = emulator or status
    busy = busy or (word if word in _PASSING else None)
    return _EMULATOR.get(word, RUNNING), busy, "" if word == "running" else word


def name_fault(name):
    if len(name) > 63:
        return "it has at most 63 characters"
    if not _NAME.fullmatch(name):
        return "it must be a DNS name: letters, figures, and a dash or a dot between them"
    return None


def id_fault(text):
    """Why no VM can have this id, which is a number; None where one can."""
    is_number = text.isascii() and text.isdecimal() and text == str(int(text))
    return None if is_number and 100 <= int(text) <= 999999999 else "it is not a number from 100 to 999999999"


def snapshot_name_fault(name):
    if not _SNAPSHOT.fullmatch(name):
        return "it has 2 to 40 of A-Z, a-z, 0-9, _ and -, a letter first"
    return f"{name} is a word of Proxmox VE's own" if name.lower() in _RESERVED else None


def is_tag(text):
    return _TAG.fullmatch(text) is not None
