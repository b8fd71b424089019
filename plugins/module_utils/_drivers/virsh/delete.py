# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt: deleting VMs: files before the definition, so that the next run can complete an interrupted one."""

from __future__ import annotations

import os

from ..._core.errors import CommandFailed
from ..._core.model import Change
from ..._kit.addresses import recorded
from ..._kit.local_files import check_deletable
from ..._ports import files, locks, permits
from ..._tools import virsh as tool
from .settings.addresses import update
from .settings.firmware import nvram_of
from .settings.hardware import read_tpm, write_tpm


def delete(driver, vm, step):
    """Remove the given files, then the VM with its saved memory and the metadata of its snapshots and checkpoints."""
    paths = step.arguments.get("files", ())
    if driver.is_local:
        # Again: the VM may have run before, and another program may have opened a file since the checks.
        check_deletable(vm.name, paths, locks.is_open_elsewhere)
    definition = _as_planned(driver, vm, step) if vm.id else None
    for path in paths:
        files.remove(path)
    if definition is None:
        return  # A transient VM no longer exists once it is off; or the same step was sent before.
    reserved = recorded(vm.mark, vm.id)
    if reserved:
        update(driver, reserved, set())
    try:
        _restore_removed_tpm(driver, vm, definition)
        _undefine(driver, vm, "--keep-nvram" if step.arguments.get("keep_nvram") else "--nvram")
    except CommandFailed as error:
        if not tool.is_not_found(error.stderr):
            raise  # "Not found" is no error: the same step was sent before.


def _as_planned(driver, vm, step):
    """The definition now, or None. Raises Refused if libvirt would delete a file that the plan does not list."""
    try:
        definition = driver.definition(vm.id)
    except CommandFailed as error:
        if not tool.is_not_found(error.stderr):
            raise
        return None
    nvram = nvram_of(definition)
    if nvram and not step.arguments.get("keep_nvram") and not (driver.is_local and not files.exists(nvram)):
        permits.check(nvram, driver.claims.file_identity(nvram))
    return definition


def _undefine(driver, vm, nvram):
    try:
        driver.virsh.run("undefine", vm.id, nvram, "--managed-save", "--snapshots-metadata", "--checkpoints-metadata")
    except CommandFailed as error:
        if not tool.is_unsupported(error.stderr):
            raise
        # If the hypervisor driver of libvirt does not support these flags, virsh deletes the snapshots itself.
        driver.virsh.run("undefine", vm.id, "--snapshots-metadata")


#: Directory with the state of emulated TPMs, by UUID (not configurable in libvirt's qemu.conf).
_TPM_STATES = "/var/lib/libvirt/swtpm"


def _restore_removed_tpm(driver, vm, definition):
    """Add the TPM to the definition again if its state still exists, so that libvirt removes the state with the VM.

    The state may contain keys. libvirt keeps it if the VM has no TPM when it is deleted.
    """
    if not driver.is_local or not files.exists(os.path.join(_TPM_STATES, vm.id)):
        return
    if not read_tpm(definition):
        write_tpm(definition, Change("tpm", False, True))
        driver.define(definition)
