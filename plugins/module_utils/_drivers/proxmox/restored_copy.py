# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proxmox VE: copies that check a restore over a VM before it, and what a failed restore leaves of that VM.

Such a rest has neither a name nor a record, so the record of the copy has what the next task must know.
"""

from __future__ import annotations

from ..._core.backup.backup import BIRTHS, REPLACING, RESTORED_FROM, births_of, interrupted_restore
from ..._core.record.mark import empty_mark
from .cluster import read_listed_options
from .settings.networks import nics_of

#: The key of a mark: the birth of the VM that is overwritten after this copy was compared.
COPY_FOR = "copy_for"
#: The end of the name of such a copy.
_COPY = "-restored"
#: What a restore leaves of a VM if it fails.
_REST = {"memory"}


def is_beside(driver):
    """Whether the task restores a backup as another VM."""
    return bool(driver.options.get("new_name"))


def copy_name(name):
    """The name of the copy that proves that a backup can be restored."""
    return f"{name[:54]}{_COPY}"


def own_copy(driver, vm, listed, origin):
    """The VmOptions of a listed VM if it is a copy that an interrupted task has left, else None.

    A user can have restored the same backup under the name of the copy. A complete copy of another backup is not used,
    and not deleted.
    """
    found = _copy_in(driver, listed)
    if found is None or found.own_mark[COPY_FOR] not in births_of(vm):
        return None
    return found if found.is_unfinished or found.own_mark.get(RESTORED_FROM) == origin else None


def _copy_in(driver, listed):
    """The VmOptions of a listed VM if its record says that it is a copy for an existing VM, else None."""
    found = None if listed.error or listed.status == "running" else read_listed_options(driver.tool, listed)
    return found if found and isinstance((found.own_mark or {}).get(COPY_FOR), str) else None


def rest_of(driver, vm, backup):
    """(copy, rest) of an interrupted restore over a VM, if only a rest of that VM is left; else (None, None).

    The rest has neither a name nor a record, so only the record of the copy shows that it is ours.
    """
    name = copy_name(vm.name)
    if is_beside(driver) or not driver.resources.may_have_vm_named(name):
        return None, None
    listed = {one.vmid: one for one in driver.list_all()}
    for copy in filter(None, (_copy_in(driver, one) for one in listed.values() if one.name == name)):
        rest = listed.get(copy.own_mark[COPY_FOR].partition(":")[0])
        if rest is None or rest.status == "running" or backup.birth not in copy.own_mark.get(BIRTHS, ()):
            continue
        found = read_listed_options(driver.tool, rest)
        if found is not None and is_rest(found):
            return copy, found
    return None, None


def rest_named(observer, name, copies, listed):
    """(copy, rest) as they are listed, of a VM with this name that a failed restore has left; else (None, None).

    ``copies`` are {name: a listed VM that may be a copy}.
    """
    copy = copies.get(copy_name(name))
    found = copy and _copy_in(observer, copy)
    if not found or interrupted_restore(found.own_mark).get("name") != name:
        return None, None
    number = found.own_mark[COPY_FOR].partition(":")[0]
    rest = next((one for one in listed if one.vmid == number and not one.error), None)
    options = rest and read_listed_options(observer.tool, rest)
    return (copy, rest) if options and is_rest(options) else (None, None)


def as_before(driver, vm, vm_options):
    """A VM that its number selects. If only a rest of it is left: with what the copy records of the VM before."""
    if not is_rest(vm_options) or vm.on:
        return vm
    named = (one for one in driver.list_all() if one.name.endswith(_COPY))
    for copy in filter(None, (_copy_in(driver, one) for one in named)):
        begun, birth = interrupted_restore(copy.own_mark), copy.own_mark[COPY_FOR]
        if birth.partition(":")[0] == vm.id and isinstance(begun.get("name"), str):
            births = [birth, *copy.own_mark.get(BIRTHS, ())]
            return vm.having(name=begun["name"], mark={**empty_mark(vm.id), BIRTHS: births, REPLACING: begun})
    return vm


def kept_macs(vm, vm_options, backup):
    """{place: MAC address} that a VM keeps when it gets the backup of an earlier one, which may run; else None."""
    if is_rest(vm_options):
        return recorded_macs(vm.mark if vm.owned else None)
    if backup.birth == vm.identity:
        return None
    return {place: nic["macaddr"] for place, nic in nics_of(vm_options.stored).items() if nic.get("macaddr")}


def recorded_macs(own_mark):
    """As ``kept_macs``, of a VM of which only a rest is left: what the mark of its copy says."""
    found = interrupted_restore(own_mark).get("macs")
    return found if isinstance(found, dict) else None


def is_rest(vm_options):
    return set(vm_options.stored) <= _REST
