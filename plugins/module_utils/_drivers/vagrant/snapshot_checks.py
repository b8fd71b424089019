# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of power and snapshot steps before the first step: does the host have what they need?"""

from __future__ import annotations

import os

from ..._core.errors import NotFound, Refused, Unsupported
from ..._core.model import PAUSED, SUSPENDED
from . import in_vagrant
from .settings.port_forwards import check_ports_are_free
from .traits import power_when_suspended

#: Verbs for which Vagrant is called with the name of the VM. A delete needs no call if the VM is not created yet.
_BY_NAME = ("start", "kill", "pause", "suspend", "resume", "delete")
#: Verbs with different effects in Vagrant and in the tool of a provider.
_BY_TOOL = frozenset({"snapshot", "restore"})
_NEEDS = {"pause": PAUSED, "suspend": SUSPENDED}


def check_plan(driver, plan, released=frozenset()):
    """Raise NotFound, Refused or Unsupported for steps that would fail after others were executed.

    ``released`` are the claims that earlier plans of the task let go of.
    """
    check_steps(driver, plan)
    if driver.project.managed and any(step.verb == "start" for step in plan.steps):
        check_ports_are_free(driver, plan, driver.project_vm(plan.before.name).created, released)


def check_steps(driver, plan):
    """Check what Vagrant, and the tool of the VM's provider, need for these steps."""
    verbs = [step.verb for step in plan.steps]
    _check_suspending(plan, verbs)
    _check_restoring(driver, plan, verbs)
    _check_tool(driver, plan, verbs)
    if "start" in verbs:
        driver.check_version()
        check_name(driver, plan)
    if _is_vagrant_called(driver, plan, verbs):
        driver.check_name_is_unambiguous(plan.before.name)
        _check_described(driver, plan.before.name, driver.project_vm(plan.before.name).created)


def _is_vagrant_called(driver, plan, verbs):
    by_name = set(_BY_NAME)
    if not driver.project.managed:
        by_name.add("create")
    elif plan.before.id is None:
        by_name.discard("delete")
    return not by_name.isdisjoint(verbs)


def _check_suspending(plan, verbs):
    """Reject a power state that the VM's provider does not have; VMs of one task may have different providers."""
    provider = plan.before.config.get("provider")
    for verb, power in _NEEDS.items():
        if verb in verbs and provider and power_when_suspended(provider) != power:
            supported = power_when_suspended(provider)
            raise Unsupported(
                f"{plan.before.name}: with the provider {provider} a VM of Vagrant cannot be {power}.",
                f"Use state: {supported}." if supported else "Use state: stopped.",
            )


def _check_restoring(driver, plan, verbs):
    """Reject a restore of VMs with several providers: the power state after it depends on the provider."""
    if "restore" in verbs and len(driver.providers) > 1:
        several = ", ".join(sorted(driver.providers))
        raise Refused(
            f"{plan.before.name}: the VMs of this task have several providers: {several}.",
            "Restore the VMs of one provider at a time.",
        )


def _check_tool(driver, plan, verbs):
    """Reject steps that need the tool of the VM's provider if this host has it, but it does not know the VM."""
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


def check_name(driver, plan):
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
    raise NotFound(f"{name}: {project.path} does not describe it.", remedy)
