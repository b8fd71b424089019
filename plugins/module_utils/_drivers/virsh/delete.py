# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt: deleting VMs: files before the definition, so that the next run can complete an interrupted one."""

from __future__ import annotations

from ..._core.errors import CommandFailed
from ..._core.model import Change
from ..._core.record.mark import making_of
from ..._kit.addresses import recorded
from ..._kit.local_files import check_deletable
from ..._ports import files, locks, permits
from ..._tools import virsh as tool
from .own_files import lost_state, tpm_states
from .settings.addresses import update
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
    for path in making_of(vm.mark) if vm.owned else ():
        with files.partial(path):
            pass  # It removes the incomplete file of a killed task.
    if definition is None:
        return  # A transient VM no longer exists once it is off; or the same step was sent before.
    reserved = recorded(vm.mark, vm.id)
    if reserved:
        update(driver, reserved, set())
    try:
        _undefine(driver, definition, step.arguments.get("keep_state"))
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
    for path in lost_state(definition, step.arguments, driver.is_local):
        files.check_loss(path) if driver.is_local else permits.check(path, driver.claims.file_identity(path))
    return definition


def _undefine(driver, definition, keeps_state):
    """Remove the VM with its state, or without: libvirt keeps the state of a TPM if the VM has none when it goes."""
    if not keeps_state and not read_tpm(definition) and tpm_states(definition, driver.is_local):
        _store_tpm(driver, definition, True)  # The state of a removed TPM may contain keys.
    has_tpm = read_tpm(definition)
    flags = ["--keep-nvram", *(["--keep-tpm"] if has_tpm else [])] if keeps_state else ["--nvram"]
    flags += ["--managed-save", "--snapshots-metadata", "--checkpoints-metadata"]
    try:
        driver.virsh.run("undefine", definition.uuid, *flags)
    except CommandFailed as error:
        if not (tool.is_unsupported(error.stderr) or "doesn't support option --keep-tpm" in error.stderr):
            raise
        if keeps_state and has_tpm:  # Before libvirt 8.9.
            _store_tpm(driver, definition, False)
            _undefine(driver, definition, keeps_state)
            return
        # If the hypervisor driver of libvirt does not support these flags, virsh deletes the snapshots itself.
        driver.virsh.run("undefine", definition.uuid, "--snapshots-metadata")


def _store_tpm(driver, definition, is_wanted):
    write_tpm(definition, Change("tpm", not is_wanted, is_wanted))
    driver.define(definition)
