# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Vagrant: deletes VMs: the VM is destroyed, then its description is removed from the managed Vagrantfile.

``vagrant destroy`` deletes whatever is attached, media too. So what is to be kept is detached first.
"""

from __future__ import annotations

from ..._core.errors import CommandFailed, PartlyApplied, PolyvirtError, Refused
from ..._ports import change_counter, files, permits
from ..._tools import vagrant as tool
from .in_vagrant import LONG
from .needed import with_named


def delete(driver, vm, step):
    project_vm = driver.project_vm(vm.name)
    if project_vm.created is not None:
        destroy(driver, project_vm, frozenset(step.arguments["files"]))
    if driver.project.managed:
        driver.project.end_first_start(vm.name)
        driver.project.remove(vm.name)


def destroy(driver, project_vm, to_delete=frozenset()):
    """Have Vagrant destroy a VM that is off, but none of its foreign disks except ``to_delete``."""
    provider_tool = driver.provider_tool_of(project_vm)
    if provider_tool is None:
        _forget_or_destroy(driver, project_vm)
        return
    drives, state = provider_tool.drives(project_vm.created.id)
    drives = with_named(drives, project_vm, driver.project.home)
    check_detachable(project_vm.name, drives, to_delete)
    spared = [one for one in drives if provider_tool.is_spared(one, to_delete)]
    _check_taken(project_vm, [one for one in drives if one not in spared])
    before = change_counter.count()
    try:
        if spared:
            provider_tool.detach(project_vm.created.id, spared)
        _destroy(driver, project_vm)
    except PolyvirtError:
        if spared and driver.project_vm(project_vm.name).created is not None:
            provider_tool.attach_again(project_vm.created.id, spared, state)
            # What Vagrant itself has done is not known.
            change_counter.set_back(before)
            change_counter.note(doubtful=True)
        raise
    left = [path for path in sorted(to_delete) if files.exists(path)]
    # What Vagrant leaves of its own is to be kept, such as a disk that existed before (allow_existing).
    detached = [path for path in left if path in {one.path for one in spared}]
    left = sorted({*left} - {*detached}) + (provider_tool.delete_files(detached) if detached else [])
    if left:
        raise PartlyApplied(
            f"{project_vm.name}: the VM is deleted, but not {', '.join(left)}.", "Delete it if nobody needs it."
        )


def _check_taken(project_vm, drives):
    """Raise Refused if Vagrant would delete a disk that no plan lists.

    Those of a first start that has not ended are known: a task has recorded it before.
    """
    with permits.also([one.path for one in drives if one.ours and project_vm.begun]):
        for one in drives:
            if one.role == "disk" and (one.slot or one.held_by):  # Not below one that is spared.
                files.check_loss(one.path)


def check_detachable(name, drives, to_delete):
    """A plan asks for permission to delete such disks, but not every deletion has one, and snapshots may be newer."""
    bound = [one for one in drives if one.held_by and one.role == "disk" and not (one.ours or one.used_by)]
    held = [one for one in bound if one.path not in to_delete]
    if held:
        raise Refused(
            f"{name}: {held[0].path} would be deleted with the VM: {held[0].held_by} needs it, so it cannot be"
            " detached.",
            "To delete both, use state: absent with delete_disks: all.",
        )


def _forget_or_destroy(driver, project_vm):
    """The provider's tool cannot list the disks of the VM. If that is because the provider does not have the VM any
    more, Vagrant would delete the image with the name of its disk, whoever uses that now.
    """
    if driver.is_gone(project_vm):
        with permits.also([project_vm.created.folder]):  # Vagrant's own files about it.
            files.remove_whole(project_vm.created.folder)
        change_counter.note()
    else:
        _destroy(driver, project_vm)


def _destroy(driver, project_vm):
    name, before = project_vm.name, change_counter.count()
    thing = ("vm", project_vm.created.id)
    try:
        with permits.also(things=[thing] if project_vm.begun else ()):
            driver.vagrant_for(name).run("destroy", "-f", name, timeout=LONG, loses=thing)
    except CommandFailed as error:
        if tool.is_from_trigger(error) and driver.project_vm(name).created == project_vm.created:
            change_counter.set_back(before)  # A trigger before the action: Vagrant has done nothing yet.
        raise
    created = driver.project_vm(name).created
    if created is not None:
        raise PartlyApplied(f"{name}: Vagrant has not deleted it.", f"Check the remaining files in {created.folder}.")
