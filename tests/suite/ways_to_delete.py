# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of what survives each way to delete a VM, written by hand. No cell is empty without a reason.

For each platform and thing: what happens on the ways absent, recreate, prune, reap, rollback, snapshot (its deletion)
and restore. Reasons are texts.
"""

from __future__ import annotations

WAYS = ("absent", "recreate", "prune", "reap", "rollback", "snapshot", "restore")
THINGS = (
    "foreign disk", "foreign disk in its folder", "foreign iso", "iso of another vm", "disk of another vm",
    "disk in saved memory", "locked file", "own disk that is a link",
)  # fmt: skip

#: KEPT: the task succeeds, and the thing has the same identity and content; a deletion lists it. REJECTED: check mode
#: and run fail with the same message, and change nothing. SPARED: the task succeeds without the VM.
KEPT, REJECTED, SPARED = "kept", "rejected", "spared"
OUTCOMES = (KEPT, REJECTED, SPARED)

_NO_RECREATE = "No option of this platform needs a VM to be created again."
_NO_SNAPSHOTS = "The platform has no snapshots."
_ONE_DISK = "A distribution has one disk, which WSL itself creates or deletes with it."
_NO_ISO = "WSL has no ISO images."
_NO_VM_YET = "A VM that does not exist has no file that another VM or program could use."
_NO_FOLDER = "A VM that does not exist has no folder yet."
_NO_FOLDERS = "Volumes of a storage are in no folder of a VM."
_NOT_SAVED = "The platform cannot save the memory of a VM."
_SAVED_SETTINGS = "Disks of a saved VM cannot be changed, so its definition always has them."
_NO_LOCK = "The platform opens files for the VM alone, and shows no locks of other programs."
_MERGED_LATER = "Hyper-V itself merges the files after the task, and deletes none that it could not merge."
_NO_LINKS = "No link to a file can be made there, or the host removes the link and never what it leads to."
_WRITTEN = "A snapshot is written by the platform into the file that the link leads to, and nothing is deleted."
_BOX = "A new VM of Vagrant has the disks of its box; those that native attaches have tests of the driver."


def _row(absent, recreate, prune, reap, rollback, snapshot, restore):
    return dict(zip(WAYS, (absent, recreate, prune, reap, rollback, snapshot, restore)))


def _never(why):
    return dict.fromkeys(WAYS, why)


TABLE = {
    "libvirt_qemu": {
        "foreign disk": _row(KEPT, _NO_RECREATE, KEPT, KEPT, KEPT, KEPT, KEPT),
        "foreign disk in its folder": _row(KEPT, _NO_RECREATE, KEPT, KEPT, _NO_FOLDER, KEPT, KEPT),
        "foreign iso": _row(KEPT, _NO_RECREATE, KEPT, KEPT, KEPT, KEPT, KEPT),
        "iso of another vm": _row(KEPT, _NO_RECREATE, KEPT, KEPT, KEPT, KEPT, KEPT),
        "disk of another vm": _row(KEPT, _NO_RECREATE, KEPT, KEPT, REJECTED, KEPT, REJECTED),
        "disk in saved memory": _row(KEPT, _NO_RECREATE, KEPT, KEPT, REJECTED, KEPT, REJECTED),
        "locked file": _row(REJECTED, _NO_RECREATE, REJECTED, REJECTED, _NO_VM_YET, REJECTED, REJECTED),
        "own disk that is a link": _row(KEPT, _NO_RECREATE, KEPT, KEPT, _NO_VM_YET, _WRITTEN, _WRITTEN),
    },
    "virtualbox_double": {
        "foreign disk": _row(KEPT, _NO_RECREATE, KEPT, KEPT, KEPT, KEPT, KEPT),
        "foreign disk in its folder": _row(KEPT, _NO_RECREATE, KEPT, KEPT, _NO_FOLDER, KEPT, KEPT),
        "foreign iso": _row(KEPT, _NO_RECREATE, KEPT, KEPT, KEPT, KEPT, KEPT),
        "iso of another vm": _row(KEPT, _NO_RECREATE, KEPT, KEPT, KEPT, KEPT, KEPT),
        "disk of another vm": _row(KEPT, _NO_RECREATE, KEPT, KEPT, REJECTED, KEPT, REJECTED),
        "disk in saved memory": _never(_SAVED_SETTINGS),
        "locked file": _never(_NO_LOCK),
        "own disk that is a link": _row(KEPT, _NO_RECREATE, KEPT, KEPT, _NO_VM_YET, _WRITTEN, _WRITTEN),
    },
    "vagrant": {
        "foreign disk": _row(KEPT, KEPT, KEPT, KEPT, _BOX, KEPT, KEPT),
        "foreign disk in its folder": _row(KEPT, KEPT, KEPT, KEPT, _BOX, KEPT, KEPT),
        "foreign iso": _row(KEPT, KEPT, KEPT, KEPT, _BOX, KEPT, KEPT),
        "iso of another vm": _row(KEPT, KEPT, KEPT, KEPT, _BOX, KEPT, KEPT),
        "disk of another vm": _row(KEPT, KEPT, KEPT, KEPT, _BOX, KEPT, KEPT),
        "disk in saved memory": _never(_SAVED_SETTINGS),
        "locked file": _never(_NO_LOCK),
        "own disk that is a link": _row(REJECTED, KEPT, REJECTED, REJECTED, _NO_VM_YET, _WRITTEN, _WRITTEN),
    },
    "proxmox": {
        "foreign disk": _row(REJECTED, _NO_RECREATE, REJECTED, REJECTED, KEPT, KEPT, KEPT),
        "foreign disk in its folder": _never(_NO_FOLDERS),
        "foreign iso": _row(KEPT, _NO_RECREATE, KEPT, KEPT, KEPT, KEPT, KEPT),
        "iso of another vm": _row(KEPT, _NO_RECREATE, KEPT, KEPT, KEPT, KEPT, KEPT),
        "disk of another vm": _row(KEPT, _NO_RECREATE, KEPT, KEPT, REJECTED, KEPT, KEPT),
        "disk in saved memory": _never("While the memory of a VM is saved, the server rejects its changes."),
        "locked file": _never(_NO_LOCK),
        "own disk that is a link": _never(_NO_LINKS),
    },
    "vmm": {
        "foreign disk": _row(KEPT, _NO_RECREATE, KEPT, KEPT, KEPT, _NO_SNAPSHOTS, _NO_SNAPSHOTS),
        "foreign disk in its folder": _row(KEPT, _NO_RECREATE, KEPT, KEPT, _NO_FOLDER, _NO_SNAPSHOTS, _NO_SNAPSHOTS),
        "foreign iso": _row(KEPT, _NO_RECREATE, KEPT, KEPT, KEPT, _NO_SNAPSHOTS, _NO_SNAPSHOTS),
        "iso of another vm": _row(KEPT, _NO_RECREATE, KEPT, KEPT, KEPT, _NO_SNAPSHOTS, _NO_SNAPSHOTS),
        "disk of another vm": _row(KEPT, _NO_RECREATE, KEPT, KEPT, REJECTED, _NO_SNAPSHOTS, _NO_SNAPSHOTS),
        "disk in saved memory": _never(_NOT_SAVED),
        "locked file": _row(REJECTED, _NO_RECREATE, REJECTED, REJECTED, _NO_VM_YET, _NO_SNAPSHOTS, _NO_SNAPSHOTS),
        "own disk that is a link": _row(KEPT, _NO_RECREATE, KEPT, KEPT, _NO_VM_YET, _NO_SNAPSHOTS, _NO_SNAPSHOTS),
    },
    "hyperv": {
        "foreign disk": _row(KEPT, KEPT, KEPT, KEPT, KEPT, KEPT, KEPT),
        "foreign disk in its folder": _row(KEPT, KEPT, KEPT, KEPT, _NO_FOLDER, KEPT, KEPT),
        "foreign iso": _row(KEPT, KEPT, KEPT, KEPT, KEPT, KEPT, KEPT),
        "iso of another vm": _row(KEPT, KEPT, KEPT, KEPT, KEPT, KEPT, KEPT),
        # Hyper-V merges what came after a checkpoint into the file below it, which the other VM has.
        "disk of another vm": _row(KEPT, REJECTED, KEPT, KEPT, REJECTED, REJECTED, REJECTED),
        "disk in saved memory": _never(_SAVED_SETTINGS),
        "locked file": _row(REJECTED, REJECTED, REJECTED, REJECTED, _NO_VM_YET, _MERGED_LATER, REJECTED),
        "own disk that is a link": _never(_NO_LINKS),
    },
    "wsl": {
        "foreign disk": _row(REJECTED, _NO_RECREATE, SPARED, REJECTED, _ONE_DISK, _NO_SNAPSHOTS, _NO_SNAPSHOTS),
        "foreign disk in its folder": _never(_ONE_DISK),
        "foreign iso": _never(_NO_ISO),
        "iso of another vm": _never(_NO_ISO),
        "disk of another vm": _never("Two distributions never have one disk: each has a folder of its own."),
        "disk in saved memory": _never(_NOT_SAVED),
        "locked file": _never("The disk of a distribution is open in the VM of WSL alone, which ends first."),
        "own disk that is a link": _never(_NO_LINKS),
    },
}
