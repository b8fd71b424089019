# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proxmox VE: why a requested VM is not in the lists, although it exists or may exist."""

from __future__ import annotations

from ..._core.errors import ApiError, NotFound, Refused
from ..._tools.proxmox_errors import grant_remedy
from .cluster import missing, read_listed_options
from .privileges import AUDIT, no_visible_vm


def not_found_by_id(observer, targets, listed):
    """{name: error} of requested ids that no listed VM has.

    There is an error if the name belongs to an unfinished VM with another id, or if the account cannot see the VM.
    """
    if observer.is_acting:
        return {}
    errors = {}
    for target in targets or ():
        if target.id and not any(vm.vmid == target.id for vm in listed):
            error = _unfinished_namesake_error(observer, target, listed) or _hidden_vm_error(observer, target)
            errors.update({target.name or target.id: error} if error else {})
    return errors


def _unfinished_namesake_error(observer, target, listed):
    """The error if an unfinished VM with another id has the name of ``target``, else None."""
    namesakes = [vm for vm in listed if vm.name == target.name and not vm.error]
    all_options = [read_listed_options(observer.tool, vm) for vm in namesakes]
    unfinished = next(
        (vm_options for vm_options in all_options if vm_options is not None and vm_options.is_unfinished), None
    )
    return unfinished and Refused(
        f"{target.name}: the task requests id {target.id}, but VM {unfinished.vmid} has this name: a task that was"
        " interrupted started to create it.",
        f"To finish that VM set id: '{unfinished.vmid}'. To remove it run a task with id: '{unfinished.vmid}' and"
        " state: absent first.",
    )


def half_restored(observer, targets, listed):
    """{requested name: error} of VMs that a failed restore has left without their name: the copy knows it."""
    copies = {vm.name: vm for vm in listed if vm.name.endswith("-restored")}
    if not copies or observer.is_acting or "max_age" in observer.options:
        return {}
    from .restored_copy import rest_named

    names = [target.name for target in missing(targets, listed) if target.name]
    found = {name: rest_named(observer, name, copies, listed) for name in names}
    return {
        name: Refused(
            f"{name}: a restore over VM {rest.vmid} failed half-way, so it has no name and no settings. VM {copy.vmid}"
            f" '{copy.name}' is a complete restore of the backup.",
            f"Run the restore again (proxmox_backup), or delete both VMs by their numbers: id: '{rest.vmid}' and"
            f" id: '{copy.vmid}' with state: absent.",
        )
        for name, (copy, rest) in found.items()
        if rest is not None
    }


def _hidden_vm_error(observer, target):
    """The error if a VM with the id of ``target`` exists, but the account cannot see it; else None."""
    if not target.id.isdecimal():
        return None
    try:
        observer.tool.get("/cluster/nextid", vmid=target.id)
        return None
    except ApiError as error:
        is_vm = f"VM {target.id} already exists" in error.message
    if not is_vm or observer.entry(target.id):
        # A container has the id, or the VM was created after the first list was read.
        return None
    label, path = target.name or target.id, f"/vms/{target.id}"
    return NotFound(
        f"{label}: VM {target.id} exists, but {observer.tool.api.who} does not see it: it lacks the privilege {AUDIT}"
        f" on {path}.",
        grant_remedy(path),
    )


def no_visible_vm_errors(observer, targets, entries):
    """{name: error} for all targets if no VM is listed because the account lacks a privilege.

    The same is also a warning, because there may be no targets.
    """
    if entries or observer.permissions.sees_vms:
        return {}
    message, remedy = no_visible_vm(observer.tool.api.who)
    observer.tool.warn(f"{message} {remedy}")
    labels = [target.name or target.id for target in targets or ()]
    return {label: NotFound(f"{label}: {message}", remedy) for label in labels}


def warn_of_hidden(observer, targets, listed):
    """Add a warning for each name to delete that no listed VM has, if the account does not see all VMs."""
    if observer.is_acting:
        return
    names = [target.name for target in missing(targets, listed) if not target.id]
    names = sorted({*names} & _names_to_delete(observer.options))
    # Only for these, the privileges are read.
    if names and not observer.permissions.sees_all_vms:
        observer.tool.warn(
            f"{', '.join(names)}: {observer.tool.api.who} does not see all VMs, so a VM of this name may exist that it"
            f" does not see. It lacks VM.Audit on /vms. {grant_remedy('/vms')}"
        )


def _names_to_delete(options):
    if "max_age" in options:
        return set()  # Backups are deleted, and their VMs may be gone.
    entries = [options, *(options.get("machines") or ())]
    lists = [one.get("name") or () for one in entries if one.get("state", options.get("state")) == "absent"]
    return {name for names in lists for name in ([names] if isinstance(names, str) else names)}


def unknown_names(targets, listed):
    """{name: error} of requested names that no listed VM has, if there are VMs with unknown names.

    Some minutes after a node has failed, the cluster no longer reports the names of its VMs.
    """
    hidden = sorted({vm.node for vm in listed if vm.has_unknown_name})
    return {
        target.name: NotFound(
            f"{target.name}: it is unknown whether this VM exists: node '{hidden[0]}' does not answer, and the names"
            " of its VMs are not known.",
            "Start the node again, or remove it from the cluster: pvecm status. To create a new VM, or for one that is"
            " not on this node, set its id (VMID) as well, which is always known.",
        )
        for target in (missing(targets, listed) if hidden else ())
        if not target.id
    }
