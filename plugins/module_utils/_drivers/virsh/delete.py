# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deleting VMs. Files go first, the definition last: a run killed anywhere leaves what the same task completes."""

from __future__ import annotations

import os

from ..._lifecycle.errors import CommandFailed
from ..._lifecycle.model import Change
from ..._ports import files
from ..._tools import virsh as tool
from .settings.firmware import read_tpm, write_tpm


def delete(driver, vm, step):
    """Remove the files named, then the VM with all that libvirt keeps about it."""
    for path in step.arguments.get("files", ()):
        files.remove(path)
    if vm.id is None:
        return  # It existed only while it ran.
    try:
        _give_tpm_back(driver, vm)
        _undefine(driver, vm, "--keep-nvram" if step.arguments.get("keep_nvram") else "--nvram")
    except CommandFailed as error:
        if not tool.is_not_found(error.stderr):
            raise  # Else it is gone: the same removal was sent before.


def _undefine(driver, vm, nvram):
    try:
        driver.virsh.run("undefine", vm.id, nvram, "--managed-save", "--snapshots-metadata", "--checkpoints-metadata")
    except CommandFailed as error:
        if not tool.is_unsupported(error.stderr):
            raise
        # Where libvirt's driver knows no flags, virsh itself removes the snapshots.
        driver.virsh.run("undefine", vm.id, "--snapshots-metadata")


#: Where the state of emulated TPMs lies, by UUID (libvirt's qemu.conf names no other place).
_TPM_STATES = "/var/lib/libvirt/swtpm"


def _give_tpm_back(driver, vm):
    """libvirt removes the state of a TPM only with a VM that has one; it may hold keys."""
    if not driver.is_local or not files.exists(os.path.join(_TPM_STATES, vm.id)):
        return
    definition = driver.definition(vm.id)
    if not read_tpm(definition):
        write_tpm(definition, Change("tpm", False, True))
        driver.define(definition)
