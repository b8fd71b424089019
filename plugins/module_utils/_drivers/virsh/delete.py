# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deleting VMs. Files are removed before the definition, so that an interrupted run can be completed."""

from __future__ import annotations

import os

from ..._lifecycle.errors import CommandFailed
from ..._lifecycle.model import Change
from ..._ports import files
from ..._tools import virsh as tool
from .settings.firmware import read_tpm, write_tpm


def delete(driver, vm, step):
    """Remove the given files, then the VM with all that libvirt stores about it."""
    for path in step.arguments.get("files", ()):
        files.remove(path)
    if vm.id is None:
        return  # It existed only while it ran.
    try:
        _give_tpm_back(driver, vm)
        _undefine(driver, vm, "--keep-nvram" if step.arguments.get("keep_nvram") else "--nvram")
    except CommandFailed as error:
        if not tool.is_not_found(error.stderr):
            raise  # Otherwise it no longer exists: the same step was sent before.


def _undefine(driver, vm, nvram):
    try:
        driver.virsh.run("undefine", vm.id, nvram, "--managed-save", "--snapshots-metadata", "--checkpoints-metadata")
    except CommandFailed as error:
        if not tool.is_unsupported(error.stderr):
            raise
        # If the driver of libvirt does not support the flags, virsh removes the snapshots itself.
        driver.virsh.run("undefine", vm.id, "--snapshots-metadata")


#: Directory with the state of emulated TPMs, by UUID (not configurable in libvirt's qemu.conf).
_TPM_STATES = "/var/lib/libvirt/swtpm"


def _give_tpm_back(driver, vm):
    """libvirt removes the TPM state, which may contain keys, only if the VM has a TPM when it is deleted."""
    if not driver.is_local or not files.exists(os.path.join(_TPM_STATES, vm.id)):
        return
    definition = driver.definition(vm.id)
    if not read_tpm(definition):
        write_tpm(definition, Change("tpm", False, True))
        driver.define(definition)
