# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hyper-V: who needs the disks of a VM, asked again directly before a step: the plan may be minutes old."""

from __future__ import annotations

from ..._core.errors import Refused
from ..._core.sharing.claims import UNREADABLE
from .hyperv_vm import merged_files

#: Seconds after which a merge that has not ended is an error.
MERGE_TIMEOUT = 900


def check_unused(driver, vm, files, merges=False):
    """Raise Refused if another VM needs, or may need, one of the ``files`` that are deleted with ``vm``.

    ``merges``: or one into which Hyper-V merges its checkpoints, which it does whatever files are kept.
    """
    path, name = _need(driver, vm, files, merges) if files or merges else (None, None)
    if name:
        instead = f"delete VM '{name}' first" if merges else "keep the file with delete_disks: none"
        raise Refused(
            f"{vm.name}: the VM cannot be deleted: VM '{name}' needs {path} by now.",
            f"Detach it from VM '{name}', or {instead}.",
        )


def check_not_needed(driver, vm):
    """Raise Refused if a disk of another VM is, or may be, on top of one that ``vm`` writes to once it is started."""
    path, name = _need(driver, vm)
    if name:
        raise Refused(
            f"{vm.name}: the VM cannot be started: a disk of VM '{name}' is on top of {path} by now.",
            f"Delete VM '{name}' first, or start a full clone of this VM.",
        )


def _need(driver, vm, files=None, merges=False):
    """Return (file, name of the other VM that needs it) or (None, None); see ``need_of_others``.

    What is below a file cannot be read while it is merged, so the end of a merge is awaited.
    """
    clock = driver.windows.clock
    deadline = clock.now() + MERGE_TIMEOUT
    while True:
        found = driver.users_now()
        below = merged_files(found, found.raw(vm.id)).values() if merges and found.raw(vm.id) else ()
        lost = [*files, *filter(None, below)] if merges else files
        claim, raw = driver.claims.need_of_others(found, vm.id, lost)
        if claim is None or claim.identity != UNREADABLE:
            return (claim.text, raw["Name"]) if claim else (None, None)
        if clock.now() >= deadline or not found.is_working(raw):
            raise Refused(f"{vm.name}: {claim.text}.", claim.remedy)
        clock.sleep(2)
