# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proxmox VE: which backups there are: those of a VM that a task may use, and all with a record on a storage."""

from __future__ import annotations

from ..._core.backup.backup import NEWEST, births_of, interrupted_restore
from ..._core.errors import ApiError, Refused, Stale
from ..._core.frozen import replace
from .backups import check_verifiable, options_in, read_list, silence, storage_of, warn_of_hidden, warn_of_silent
from .cluster import read_listed_options, vm_of
from .restore import config_after
from .restored_copy import rest_of

_LABEL = "vm_backup_info"


def all_backups(driver, verifies):
    """Return (backups on the storage of the task, warnings about others that it does not see).

    ``verifies``: only results of a backup server are acceptable.
    """
    if verifies:
        check_verifiable(driver, _LABEL)
    found, silent = read_list(driver, _LABEL)
    warn_of_silent(driver, _LABEL, silent)
    warn_of_hidden(driver, _LABEL)
    return [one.backup for one in found.values()], driver.tool.taken_warnings()


def backups(driver, vm, asked):
    """The backups of the births of a VM, and of VMs that had the name ``asked.of``.

    The configuration is read only in those that the plan may use: for a restore the requested one, else the newest one
    that would satisfy the task.
    """
    if asked.verify:
        check_verifiable(driver, vm.name)
    births = _births_named(driver, asked.of) if asked.is_beside else births_of(vm)
    listed, silent = driver.backup_list(asked.of or vm.name)
    found = {key: one for key, one in listed.items() if one.backup.birth in births or one.backup.vm == asked.of}
    for key in [key for key, one in found.items() if one.volume in driver.damaged_backups]:
        found[key] = replace(found[key], backup=_damaged(driver, found[key]))
    for key in sorted(found, key=lambda key: (found[key].backup.start, key), reverse=True):
        if _is_wanted(found[key].backup, asked, driver.options["controller_time"]):
            found[key] = replace(found[key], backup=_read(driver, vm, found[key], asked))
            if found[key].backup.is_good and (not births or found[key].backup.birth in births):
                break
    _check_unseen(driver, vm, asked, found, silent)
    return tuple(one.backup for one in found.values())


def _births_named(driver, name):
    """The births of the VM that has a name now: its backups before a renaming are those of the VM, too."""
    listed = (one for one in driver.list_all() if one.name == name and not one.error)
    found = ((one, read_listed_options(driver.tool, one)) for one in listed)
    named = (vm_of(one, options) for one, options in found if options is not None)
    return [birth for vm in named for birth in births_of(vm)]


def _check_unseen(driver, vm, asked, found, silent):
    """Warn, or raise Refused, if backups that the task does not see could change its plan."""
    if driver.is_acting:
        return  # The plan is made, and may have deleted the backup.
    if asked.state == "present":
        now = driver.options["controller_time"]
        if silent and not any(one.backup.satisfies(asked, now) for one in found.values()):
            warn_of_silent(driver, vm.name, silent)
    elif asked.backup not in found:
        path = f"/storage/{storage_of(driver)}"
        driver.permissions.check(vm.name, path, "Datastore.AllocateSpace", "Datastore.Allocate")
        if silent:
            raise Refused(
                f"{vm.name}: backup: {asked.backup}: {silence(driver, silent)}.",
                "Start these nodes again (pvecm status), or set backup to the ID of a backup on another node.",
            )
        if asked.backup != NEWEST or not any(one.backup.is_good for one in found.values()):
            warn_of_hidden(driver, vm.name)


def _is_wanted(backup, asked, now):
    """Whether a plan may use a backup, if its configuration is right."""
    if asked.state == "restored":
        return backup.may_be_restored(asked, now)
    return asked.state == "present" and backup.satisfies(asked, now)


def _read(driver, vm, one, asked):
    """The backup after its configuration was read, with the settings of the VM after a restore."""
    if one.backup.damaged:
        return one.backup
    try:
        options = options_in(driver, one)
    except (ApiError, Stale) as error:
        if asked.state == "restored" and not isinstance(error, Stale):
            # It may be good: an older one must not be restored instead.
            raise
        driver.damaged_backups[one.volume] = error.message.rstrip(".")
        return _damaged(driver, one)
    if asked.state != "restored":
        return one.backup
    # If an interrupted restore has left only a rest of the VM, its copy records the power state before.
    copy = None if vm.id else rest_of(driver, vm, one.backup)[0]
    power = interrupted_restore(copy and copy.own_mark).get("power", "")
    return replace(one.backup, config=config_after(driver, vm, one, options), power_before=power)


def _damaged(driver, one):
    """The backup with what an earlier observation has found."""
    return replace(one.backup, damaged=driver.damaged_backups[one.volume])
