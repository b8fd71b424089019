# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt: deleting VMs: the definition before its files, because libvirt can refuse that (``begun_deletions.py``)."""

from __future__ import annotations

from ..._core.errors import CommandFailed, PolyvirtError, Timeout
from ..._core.model import Change
from ..._core.record.mark import making_of
from ..._kit.addresses import recorded
from ..._kit.local_files import check_deletable
from ..._ports import files, locks, permits
from ..._tools import virsh as tool
from .begun_deletions import begin, definition_now, end
from .own_files import lost_state, tpm_states
from .settings.addresses import update
from .settings.hardware import read_tpm, write_tpm


def delete(driver, vm, step):
    """Remove the VM with its saved memory and the metadata of its snapshots and checkpoints, then the given files."""
    paths = step.arguments.get("files", ())
    if driver.is_local:
        # Again: the VM may have run before, and another program may have opened a file since the checks.
        check_deletable(vm.name, paths, locks.is_open_elsewhere)
    # A transient VM no longer exists once it is off; or the same step was sent before.
    definition = _as_planned(driver, vm, step) if vm.id else None
    if definition is not None:
        reserved = recorded(vm.mark, vm.id)
        if reserved:
            update(driver, reserved, set())
        _let_go(driver, vm, definition, step)
    for path in paths:
        files.remove(path)
    for path in making_of(vm.mark) if vm.owned else ():
        with files.partial(path):
            pass  # It removes the incomplete file of a killed task.
    if driver.is_local:
        end(driver, vm.name)


def _let_go(driver, vm, definition, step):
    """Undefine the VM. If libvirt refuses that, its files are those of a VM again."""
    if driver.is_local:
        begin(driver, vm.name, definition, step.arguments.get("files", ()))
    try:
        _undefine(driver, definition, step.arguments.get("keep_state"))
    except PolyvirtError as error:
        if definition_now(driver, vm) is None:
            return  # The answer was lost, or the same step was sent before.
        if driver.is_local and not isinstance(error, Timeout):
            end(driver, vm.name)
        raise


def _as_planned(driver, vm, step):
    """The definition now, or None. Raises Refused if libvirt would delete a file that the plan does not list."""
    definition = definition_now(driver, vm)
    for path in lost_state(definition, step.arguments, driver.is_local) if definition else ():
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
