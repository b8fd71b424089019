# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decide which files are deleted with a VM and which are kept; files of other VMs or users are never deleted."""

from __future__ import annotations

from shlex import quote

from ..errors import Refused
from ..frozen import replace
from ..model import ABSENT, POWER_OFF, Step
from ..texts import GUARDED
from .differences import normalize

#: Why a file of others is kept.
NOT_CREATED_HERE = "not created by this collection"
#: Roles of the state of the firmware and the TPM: a disk can be useless without them.
STATE = ("nvram", "tpm")


def delete_step(vm, delete_disks, traits):
    """Return the delete step: ``files`` to remove, ``kept`` {path: reason}. Raises Refused if VMs depend on the VM."""
    check_not_guarded(vm)
    bound = [file for file in vm.files if file.bound and file.used_by]
    if bound:
        users = ", ".join(sorted({user for file in bound for user in file.used_by}))
        raise Refused(f"{vm.name}: {bound[0].path} is needed by {users}.", f"Delete {users} first.")
    _check_unknown(vm, delete_disks)
    _check_bound(vm, delete_disks)
    special = next((file for file in vm.files if file.bound and file.special and file.role != "medium"), None)
    if special:
        raise Refused(
            f"{vm.name}: {special.path} is {special.special}, and would be deleted together with its VM.",
            "Move it to another path, and put the file itself in its place if there is one.",
        )
    lost = [file.path for file in vm.files if file.bound and file.role != "medium"]
    if lost and delete_disks == "none":
        raise Refused(
            f"{vm.name}: delete_disks: none is not possible, because {lost[0]} is deleted together with its VM.",
            "Attach it to another VM first, or omit delete_disks.",
        )
    kept = {file.path: why for file in vm.files for why in [why_kept(vm, file, delete_disks)] if why}
    stays = [one for one in vm.files if one.path in kept]
    disks = [one.path for one in stays if one.role == "disk" and _is_ours(vm, one)]
    needing = [*disks, *(one.path for one in stays if one.role in STATE)]
    for file in vm.files:
        if (disks and file.role in STATE) or (needing and file.role == "tpm"):
            kept.setdefault(file.path, f"belongs to {needing[0]}, which is kept")
        if file.role == "tpm" and file.path in kept:
            kept[file.path] += f"; delete it with: rm -r {quote(file.path)}"
    # The platform removes state files that it named itself; it may not even report their path.
    files = [one.path for one in vm.files if one.path not in kept and (one.role not in STATE or one.ours)]
    arguments = {"files": tuple(files), "kept": kept, "keep_state": delete_disks == "none" or bool(needing)}
    return Step("delete", cost=POWER_OFF, arguments=arguments, also=tuple(traits.side_effects("delete", vm, ())))


def saving_only(vm, request, traits):
    """Return the request of a deletion without its options, except those that save the content of the VM first."""
    saving = {name for name, one in traits.fields.items() if one.saves and vm.power != ABSENT}
    config = {name: value for name, value in request.config.items() if name in saving}
    return replace(request, config=normalize(vm, config, traits) if config else {}, creation={})


def check_not_guarded(vm):
    """Reject what would delete the snapshot of a guarded run with the VM or its content."""
    guarded = next((one.name for one in vm.snapshots if GUARDED.fullmatch(one.name)), None)
    if guarded:
        raise Refused(
            f"{vm.name}: its snapshot {guarded} belongs to a guarded run, which needs it to restore the VM.",
            "Wait for the end of that run. If it was interrupted, let the next one finish it, or delete the snapshot.",
        )


def _check_unknown(vm, delete_disks):
    """Reject a deletion that cannot keep a file which somebody may need, for all that is known."""
    unknown = [file for file in vm.files if file.unknown and not (file.used_by or file.elsewhere)]
    needed = [file for file in unknown if file.bound or delete_disks == "all"]
    if needed:
        remedy = None if needed[0].bound else "Omit delete_disks to keep the file."
        raise Refused(f"{vm.name}: {needed[0].path} may be needed by {needed[0].unknown}", remedy)


def _check_bound(vm, delete_disks):
    """Reject a deletion that would take a disk with it that this collection did not create."""
    foreign = [file.path for file in vm.files if file.bound and file.role == "disk" and not _is_ours(vm, file)]
    if foreign and delete_disks == "owned":
        raise Refused(
            f"{vm.name}: {foreign[0]} is deleted together with its VM, but there is no record that this collection"
            " created it.",
            "Keep a copy of what you need, then set delete_disks: all to delete the VM with all its disks.",
        )


def _is_ours(vm, file):
    """Return whether this collection created a file. What the platform deletes with a VM is ours if the VM is."""
    return file.ours and (vm.created if file.bound else vm.owned)


def why_kept(vm, file, delete_disks):
    """Return the reason why a file is kept, or an empty string if it is deleted."""
    if file.used_by:
        return f"used by {', '.join(file.used_by)}"
    if file.elsewhere or file.unknown:
        return file.elsewhere or f"may be needed by {file.unknown}"
    if file.role == "medium":
        return "an ISO image is never deleted"
    if file.role == "no file":
        return "only files are deleted, no volumes, devices and network images"
    if file.bound:
        return ""
    if file.special:
        return f"it is {file.special}, and only regular files are deleted"
    if file.role == "support":
        return "" if _is_ours(vm, file) else NOT_CREATED_HERE
    if delete_disks == "none":
        return "delete_disks: none"
    if file.role in STATE or delete_disks == "all" or _is_ours(vm, file):
        return ""
    return NOT_CREATED_HERE
