# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Vagrant: all checks before the first step of a plan, as rows (_kit/guards.py). Errors name VM, option, remedy."""

from __future__ import annotations

import os
import re
from shlex import quote

from ..._core.errors import NotFound, PolyvirtError, Refused, Unsupported
from ..._core.model import PAUSED, SUSPENDED
from ..._core.sharing.file_checks import check_files
from ..._kit.guards import Guard, SharedGuard, StepGuard
from ..._kit.space import check_memory
from ..._ports import files
from ..._tools import vagrant as tool
from ..._tools import vagrant_folder
from . import in_vagrant
from .delete import check_detachable
from .in_libvirt import EXTERNAL
from .needed import VagrantFiles, with_named
from .project import provider_name
from .settings.box import check_architecture, check_box
from .settings.port_forwards import check_ports_are_free, host_end
from .settings.table import description_of
from .traits import power_when_suspended

#: Verbs for which Vagrant is called with the name of the VM. A delete needs no call if the VM is not created yet.
_BY_NAME = ("start", "kill", "pause", "suspend", "resume", "delete")
#: Verbs with different effects in Vagrant and in the tool of a provider.
_BY_TOOL = frozenset({"snapshot", "restore"})
_NEEDS = {"pause": PAUSED, "suspend": SUSPENDED}
_WRITING = ("create", "configure")
#: Providers with which Vagrant deletes nothing but the folder that it created: Hyper-V keeps the disks of a removed VM.
_DELETES_OWN_FOLDER_ONLY = ("hyperv",)
#: In a Vagrantfile that decides by the environment which VMs it describes.
_READS_ENVIRONMENT = re.compile(rb"\bENV\b")


def _check_needed_files(driver, plan):
    check_files(VagrantFiles(driver, plan, files), None)


def _check_ports(driver, plan, released):
    check_ports_are_free(driver, plan, driver.project_vm(plan.before.name).created, released)


def _check_new_box(driver, plan):
    if plan.before.id is None or any(step.verb == "create" for step in plan.steps):
        check_box(driver, plan)


def _check_memory(driver, plan):
    """Only of VMs on this host."""
    tool_here = driver.tool_of_new(plan.after.config.get("provider"), plan.after.config.get("native") or {})
    return check_memory(plan, files) if tool_here else ()


def _check_disks(driver, plan):
    if driver.project_vm(plan.before.name).created is None:
        return
    delete_disks = driver.options.get("delete_disks")
    if delete_disks == "none":
        raise Unsupported(
            f"{plan.before.name}: delete_disks: none is not supported: Vagrant deletes a VM with its disk.",
            "Remove the option, or save the disk first (vagrant package).",
        )
    _check_snapshots_of_others(plan.before)
    _check_own_disks(driver, plan.before)
    if plan.before.id is not None and delete_disks != "all":
        _check_disks_are_listed(driver, driver.project_vm(plan.before.name))


def _check_snapshots_of_others(vm):
    """Vagrant cannot delete them, and finds that out when the VM is already off."""
    found = next((one.name for one in vm.snapshots if one.kind == EXTERNAL), None)
    if found is not None:
        raise Refused(
            f"{vm.name}: its snapshot '{found}' was taken by another program in files of its own (external), and"
            " Vagrant cannot delete a VM with such a snapshot.",
            f"Delete it first: virsh snapshot-delete {vm.id} {quote(found)}. Before libvirt 9.10, merge its files while"
            f" the VM runs (virsh blockcommit {vm.id} DISK --active --pivot), and then add --metadata.",
        )


def _check_own_disks(driver, vm):
    """The core knows the users of each disk only where they cost nothing, and nothing about checkpoints."""
    project_vm = driver.project_vm(vm.name)
    provider_tool = driver.provider_tool_of(project_vm)
    if provider_tool is not None and project_vm.created.provider == "libvirt" and provider_tool.has_checkpoints(vm.id):
        raise Refused(
            f"{vm.name}: it has checkpoints, and Vagrant cannot delete a VM that has any.",
            f"Delete them first: virsh checkpoint-list {vm.id}, then virsh checkpoint-delete {vm.id} CHECKPOINT; add"
            " --metadata if the VM is off.",
        )
    for one in (one for one in vm.files if one.ours and provider_tool is not None):
        users = ", ".join(provider_tool.users(project_vm.created.id, one))
        if users:
            raise Refused(f"{vm.name}: {one.path} is needed by {users}.", f"Delete {users} first.")


def _check_disks_are_listed(driver, project_vm):
    """Reject a deletion if nobody knows which disks Vagrant would delete: those that a user has attached, too."""
    name, provider = project_vm.name, project_vm.created.provider
    if driver.provider_tool_of(project_vm) is None and provider not in _DELETES_OWN_FOLDER_ONLY:
        raise Refused(
            f"{name}: its disks cannot be listed, because this host has no tool of {provider} that knows the VM;"
            " Vagrant may delete disks with it that were attached by others.",
            "Keep a copy of what you need, then set delete_disks: all. For libvirt, install virsh, and set the"
            " connection in native: uri or LIBVIRT_DEFAULT_URI.",
        )


def _check_unique(driver, plan):
    """Reject two entries with the same name, new or existing: Vagrant would create only one of them, or none."""
    config = plan.after.config
    entries = {
        ("provisioners", "name"): [one.get("name") for one in config.get("provisioners") or ()],
        ("shared_folders", "guest_path"): [one["guest_path"] for one in (config.get("shared_folders") or {}).values()],
        ("port_forwards", "host_port"): [
            host_end(one, config.get("provider")) for one in (config.get("port_forwards") or {}).values()
        ],
    }
    for (option, key), values in entries.items():
        twice = next((value for value in values if value is not None and values.count(value) > 1), None)
        if twice is not None:
            raise Refused(
                f"{plan.after.name}: {option}: two entries have the {key} '{twice}', and Vagrant would not create"
                " both.",
                f"Give each its own {key}; an entry described before is removed with purge: [{option}].",
            )


def _check_file(driver, plan):
    """Render the Vagrantfile, which raises if a provider does not support a setting."""
    name, contents = plan.after.name, driver.project.read()
    described = description_of(name, plan.after.config)
    others = [one for one in contents.descriptions() if one["name"] != name]
    try:
        driver.project.text([*others, described], plan.after.config.get("environment") or {})
    except PolyvirtError as error:
        raise type(error)(f"{name}: {error.message}", error.remedy) from error


# Steps --------------------------------------------------------------------------------------------------------------


def _check_version(driver, plan):
    if not driver.project.managed or any(step.verb == "start" for step in plan.steps):
        driver.check_version()


def _check_is_unambiguous(driver, plan):
    if _is_vagrant_called(driver, plan):
        driver.check_name_is_unambiguous(plan.before.name)
        _check_described(driver, plan.before.name, driver.project_vm(plan.before.name).created)


def _check_name_is_free(driver, plan):
    check_name_is_free(driver, driver.project_vm(plan.after.name), plan.after.config)


def _check_has_nic(driver, plan):
    """Reject the start of a VM for the address of which Vagrant would wait without end."""
    vm = plan.before
    if vm.name not in driver.without_nic:
        return
    created = driver.project_vm(vm.name).created
    raise Refused(
        f"{vm.name}: its VM has no NIC, perhaps because its creation was interrupted, and Vagrant would wait for its"
        " address without end.",
        "Set state: absent to delete it, and create it again; or attach a NIC to keep it (libvirt: virsh"
        f" attach-interface {created.id} network vagrant-libvirt --model virtio --config).",
    )


def _check_remains(driver, plan):
    """Reject the start of a half-made VM that cannot be removed first, because a disk of others would go with it."""
    vm, project_vm = plan.before, driver.project_vm(plan.before.name)
    if vm.id is not None or project_vm.created is None or driver.is_gone(project_vm):
        return
    provider_tool = driver.provider_tool_of(project_vm)
    drives = provider_tool.drives(project_vm.created.id)[0] if provider_tool else ()
    check_detachable(vm.name, with_named(drives, project_vm, driver.project.home), frozenset())


def _is_vagrant_called(driver, plan):
    by_name = set(_BY_NAME)
    if not driver.project.managed:
        by_name.add("create")
    elif plan.before.id is None:
        by_name.discard("delete")
    return not by_name.isdisjoint(step.verb for step in plan.steps)


def _check_suspending(driver, plan, one):
    """Reject a power state that the VM's provider does not have; VMs of one task may have different providers."""
    provider, power = plan.before.config.get("provider"), _NEEDS[one.step.verb]
    supported = power_when_suspended(provider) if provider else power
    if supported != power:
        raise Unsupported(
            f"{plan.before.name}: with the provider {provider} a VM of Vagrant cannot be {power}.",
            f"Use state: {supported}." if supported else "Use state: stopped.",
        )


def _check_restoring(driver, plan):
    """Reject a restore of VMs with several providers: the power state after it depends on the provider."""
    if len(driver.providers) > 1:
        several = ", ".join(sorted(driver.providers))
        raise Refused(
            f"{plan.before.name}: the VMs of this task have several providers: {several}.",
            "Restore the VMs of one provider at a time.",
        )


def _check_tool(driver, plan):
    """Reject steps that need the tool of the VM's provider if this host has it, but it does not know the VM."""
    verbs = [step.verb for step in plan.steps]
    project_vm = driver.project.read().vms.get(plan.before.name)
    if not driver.has_tools or project_vm is None or project_vm.created is None:
        return
    if driver.provider_tool_of(project_vm) is not None:
        return
    is_graceful = "stop" in verbs and driver.options.get("stop_mode") in (None, "graceful")
    if is_graceful or not _BY_TOOL.isdisjoint(verbs):
        raise Unsupported(
            f"{plan.before.name}: it is not on the connection that was used: the tool of"
            f" {project_vm.created.provider} does not know {project_vm.created.id}.",
            "Set the connection in native: uri or qemu_use_session, for an adopted VM in the environment variable"
            " LIBVIRT_DEFAULT_URI. Without it, use stop_mode: graceful_then_force.",
        )


def _check_name(driver, plan):
    """Raise Refused if a VM of this name belongs to another project or Vagrantfile."""
    contents, project = driver.project.read(), driver.project
    original = contents.copied.get(plan.after.name)
    if original is not None:
        folder = os.path.join(project.dotfile, "machines", plan.after.name)
        raise Refused(
            f"{plan.after.name}: {project.folder} is a copy of {original}: {folder} still belongs to the VM of that"
            " project, and Vagrant would change that VM.",
            f"Set project_dir: {original}, or remove {folder} to create a separate VM for this project.",
        )
    if plan.after.name in contents.foreign:
        raise Refused(
            f"{plan.after.name}: {project.folder} has a VM of this name already, which another Vagrantfile describes.",
            "Choose another name or project_dir, or manage it by its own file (vagrantfile, managed).",
        )


def check_vagrantfile_exists(driver, contents):
    """Raise NotFound if the user's own Vagrantfile is missing, unless the task only reads or deletes VMs."""
    project, options = driver.project, driver.options
    is_needed = "snapshot" in options or options.get("state", "absent") != "absent"
    if is_needed and not (project.managed or project.exists() or contents.vms):
        raise NotFound(
            f"vagrantfile: {project.path} does not exist.",
            "Correct project_dir or vagrantfile, or remove managed: false to describe VMs by this task.",
        )


def _check_described(driver, name, created):
    """Raise NotFound if the user's own Vagrantfile has no such VM: Vagrant works only with VMs in it."""
    project = driver.project
    if project.managed:
        return
    if project.described is None:
        project.described = frozenset(in_vagrant.observe(driver.vagrant_on, project.dotfile, frozenset())[0])
    if project.describes(name):
        return
    remedy = "Add it there, or name a VM that it describes."
    if created is not None:
        folder = os.path.join(project.dotfile, "machines", name)
        remedy = f"Put it back, or delete {created.id} with the tools of {created.provider}, and then {folder}."
    if project.exists() and _READS_ENVIRONMENT.search(files.read(project.path)):
        raise NotFound(
            f"{name}: {project.path} does not describe it with the environment of this task; its code reads ENV.",
            f"Set the variables that it reads with the keyword environment of the task. If it does not help: {remedy}",
        )
    raise NotFound(f"{name}: {project.path} does not describe it.", remedy)


# What only Vagrant knows ----------------------------------------------------------------------------------------------


def _check_with_vagrant(driver, plan):
    """Let Vagrant validate a copy of the future Vagrantfile: it knows its plugins, providers and their settings.

    A start that is not the first one with this description needs none: Vagrant has validated all others.
    """
    if plan.before.id is not None and not any(step.verb in _WRITING for step in plan.steps):
        return
    project, name = driver.project, plan.after.name
    config = {**plan.after.config, **_with_absolute_paths(project.folder, plan.after.config)}
    text = project.text([description_of(name, config)], config.get("environment") or {})
    with files.private_folder() as folder:
        vagrant_folder.copy(files, project.dotfile, folder)
        files.write_atomically(os.path.join(folder, project.file), text.encode("ascii"))
        try:
            driver.vagrant_in(folder, folder, config.get("provider")).read("validate")
        except tool.VagrantFailed as error:
            message = " ".join(error.stderr.split())
            if tool.is_provider_missing(error):
                remedy = "Install the provider and Vagrant's plugin for it, or set another provider."
                raise Refused(f"{name}: provider: {message}", remedy) from error
            if tool.is_invalid(error):
                raise Refused(f"{name}: Vagrant rejects its settings: {message}", "Correct native.") from error
            # Any other error may be due to this copy; if not, Vagrant reports it again.


def _with_absolute_paths(folder, config):
    """Settings with absolute paths: Vagrant would resolve relative ones below the copy, not the project's folder."""
    shares = config.get("shared_folders") or {}
    scripts = config.get("provisioners") or ()
    return {
        "shared_folders": {
            name: {**share, "host_path": os.path.join(folder, share["host_path"])} for name, share in shares.items()
        },
        "provisioners": tuple(
            {**one, "path": os.path.join(folder, one["path"])} if "://" not in one.get("path", "://") else one
            for one in scripts
        ),
    }


def check_name_is_free(driver, project_vm, config):
    """Reject the first start of a VM if its provider has a VM, or a disk, of its name already."""
    if (project_vm.created is not None and not driver.is_gone(project_vm)) or not config.get("provider"):
        return
    native = config.get("native") or {}
    name = provider_name(driver.project, project_vm.name, config["provider"], native)
    provider_tool = driver.tool_of_new(config["provider"], native)
    found = provider_tool.find_vm(name, project_vm.begun) if name and provider_tool is not None else None
    if found:
        raise Refused(
            f"{project_vm.name}: {config['provider']} has a {found} already, which does not belong to this"
            " project, and Vagrant would give the VM this name.",
            "Use another name, or a project_dir with a unique last part, or delete the other one first.",
        )


#: Of each project, also of one with the user's own Vagrantfile.
GUARDS_OF_ALL = (
    Guard(("delete",), _check_disks, "Vagrant deletes disks of others with the VM, or stops half-way"),
    StepGuard(tuple(_NEEDS), _check_suspending, "the provider has no such power state"),
    Guard(("restore",), _check_restoring, "the power state after the restore is not known"),
    Guard(("stop", *_BY_TOOL), _check_tool, "the tool of the provider does not know the VM"),
    Guard(("start", "create"), _check_version, "this version of Vagrant is too old"),
    Guard(("start", *_WRITING), _check_name, "Vagrant changes a VM of another project"),
    Guard(("start",), _check_has_nic, "Vagrant waits for an address without end"),
    Guard(("start",), _check_remains, "a disk of others is deleted with a half-made VM"),
    Guard(("start",), _check_name_is_free, "Vagrant gives the VM a name that the provider has already"),
    Guard((*_BY_NAME, "create"), _check_is_unambiguous, "Vagrant works with another VM, or does not know this one"),
)
#: What the task describes, and Vagrant would reject after something was changed.
GUARDS = (
    *GUARDS_OF_ALL,
    Guard(_WRITING, check_architecture, "the provider does not create a VM of the architecture"),
    Guard(("start", *_WRITING), _check_memory, "the VM does not start, or slows down its host (a warning)"),
    Guard(_WRITING, _check_unique, "Vagrant creates one of two entries, or none"),
    Guard(_WRITING, _check_file, "a provider does not support a setting"),
    Guard(_WRITING, _check_needed_files, "a file is missing, or is not what it should be"),
    SharedGuard(("start",), _check_ports, "Vagrant does not start the VM: one of its ports is used"),
    Guard(("start",), _check_new_box, "the box cannot be downloaded"),
    Guard(("start",), _check_with_vagrant, "Vagrant rejects the file when it is in place"),
)
