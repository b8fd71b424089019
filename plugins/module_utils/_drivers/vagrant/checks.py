# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a plan needs from its host, looked at before the first step; each fault names machine, option and remedy."""

from __future__ import annotations

import os

from ..._lifecycle.errors import NotFound, PolyvirtError, Refused, Unsupported
from ..._lifecycle.model import PAUSED, SUSPENDED
from ..._ports import files
from ..._tools import ruby
from .host_checks import check_box, check_described, check_ports, check_with_vagrant
from .mapping import config_of, machine_of
from .project import Known
from .traits import suspended_as

_NEW = Known("")
_WRITING = ("create", "configure")
#: What is done by a word on the command line of Vagrant; of what is not made there is only a description to delete.
_BY_NAME = ("start", "kill", "pause", "suspend", "resume", "delete")
#: What Vagrant itself does otherwise than the tool of a provider.
_BY_TOOL = frozenset({"snapshot", "restore"})
_NEEDS = {"pause": PAUSED, "suspend": SUSPENDED}


def check_plan(driver, plan):
    """Raise NotFound, Refused or Unsupported for what would fail after something was done already."""
    verbs = [step.verb for step in plan.steps]
    _check_suspending(plan, verbs)
    _check_restoring(driver, plan, verbs)
    _check_tool(driver, plan, verbs)
    _check_disks(driver, plan, verbs)
    if "start" in verbs or ("create" in verbs and not driver.project.managed):
        driver.check_version()
    if any(verb in (*_WRITING, "start") for verb in verbs):
        _check_name(driver, plan)
    if _is_vagrant_called(driver, plan, verbs):
        driver.check_means_it(plan.before.name)
        check_described(driver, plan.before.name, driver.project.read().known.get(plan.before.name, _NEW).made)
    if driver.project.managed and any(verb in _WRITING for verb in verbs):
        _check_unique(plan)
        _check_neighbours(driver, plan)
        _check_file(driver, plan)
        _check_paths(driver, plan)
    if driver.project.managed and "start" in verbs:
        check_ports(plan, driver.project.read().known.get(plan.before.name, _NEW).made)
    if driver.project.managed and "start" in verbs and (plan.before.id is None or "create" in verbs):
        check_box(driver, plan)
    if driver.project.managed and "start" in verbs and _is_file_new(plan, verbs):
        check_with_vagrant(driver, plan)


def _is_file_new(plan, verbs):
    """Whether a start is the first one with what is described: Vagrant has validated all others itself."""
    return plan.before.id is None or any(verb in _WRITING for verb in verbs)


def _is_vagrant_called(driver, plan, verbs):
    by_name = set(_BY_NAME)
    if not driver.project.managed:
        by_name.add("create")
    elif plan.before.id is None:
        by_name.discard("delete")
    return not by_name.isdisjoint(verbs)


def _check_suspending(plan, verbs):
    """Machines of one task may have different providers, and so different ways of being suspended."""
    provider = plan.before.config.get("provider")
    for verb, power in _NEEDS.items():
        if verb in verbs and provider and suspended_as(provider) != power:
            has = suspended_as(provider) or "no such state at all"
            raise Unsupported(
                f"{plan.before.name}: of the provider {provider} Vagrant has no machines that are {power}.",
                f"It has {has}.",
            )


def _check_restoring(driver, plan, verbs):
    """Each provider leaves what it has restored in another power."""
    if "restore" in verbs and len(driver.providers) > 1:
        several = ", ".join(sorted(driver.providers))
        raise Refused(
            f"{plan.before.name}: the machines of this task have several providers: {several}.",
            "Restore those of one provider at a time.",
        )


def _check_tool(driver, plan, verbs):
    """The task may hold machines that their provider's tool does not know, and others that it does."""
    known = driver.project.read().known.get(plan.before.name)
    if not driver.has_tools or known is None or known.made is None or driver.host_of(known) is not None:
        return
    is_gentle = "stop" in verbs and driver.asked.get("stop_mode") in (None, "graceful")
    if is_gentle or not _BY_TOOL.isdisjoint(verbs):
        raise Unsupported(
            f"{plan.before.name}: it runs under another connection than the one that was asked: the tool of"
            f" {known.made.provider} does not know {known.made.id}.",
            "Name the connection: native: {uri: ...} or qemu_use_session, for an adopted machine the variable"
            " LIBVIRT_DEFAULT_URI. Without it, stop with graceful_then_force.",
        )


def _check_disks(driver, plan, verbs):
    known = driver.project.read().known.get(plan.before.name)
    if "delete" in verbs and known and known.made is not None and driver.asked.get("delete_disks") == "none":
        raise Unsupported(
            f"{plan.before.name}: delete_disks: none cannot be had: Vagrant removes a machine with its disk.",
            "Leave it out, or save the disk first (vagrant package).",
        )


def _check_name(driver, plan):
    contents, project = driver.project.read(), driver.project
    original = contents.copied.get(plan.after.name)
    if original is not None:
        machines = os.path.join(project.dotfile, "machines", plan.after.name)
        raise Refused(
            f"{plan.after.name}: {project.folder} is a copy of {original}: {machines} still belongs to the VM of that"
            " folder, and Vagrant would work with that one.",
            f"Set project_dir: {original}, or remove {machines} so that this project gets a VM of its own.",
        )
    if plan.after.name in contents.foreign:
        raise Refused(
            f"{plan.after.name}: the folder {driver.project.folder} has a machine of this name already, which another"
            " Vagrantfile describes.",
            "Choose another name or project_dir, or drive it by its own file (vagrantfile, managed).",
        )


def _check_unique(plan):
    """Of two that are called the same Vagrant makes one, or none: what is kept of before counts as well."""
    config = plan.after.config
    entries = {
        ("provisioners", "name"): [one.get("name") for one in config.get("provisioners") or ()],
        ("shared_folders", "guest_path"): [one["guest_path"] for one in (config.get("shared_folders") or {}).values()],
        ("port_forwards", "host_port"): [
            _end_of(one, config.get("provider")) for one in (config.get("port_forwards") or {}).values()
        ],
    }
    for (option, key), values in entries.items():
        twice = next((value for value in values if value is not None and values.count(value) > 1), None)
        if twice is not None:
            raise Refused(
                f"{plan.after.name}: {option}: two have the {key} '{twice}', and Vagrant would not make both.",
                f"Give each a {key} of its own; one that was described before goes with purge: [{option}].",
            )


def _check_neighbours(driver, plan):
    """What only one VM of a host can have; what was described before is left alone until it is changed."""
    config = plan.after.config
    others = [one for one in driver.project.read().machines() if one["name"] != plan.after.name]
    is_new = any(step.verb == "create" for step in plan.steps)
    changed = {change.field for step in plan.steps for change in step.changes}
    for other in others:
        for field, (used_by, has_it, remedy) in _UNIQUE.items():
            both = used_by(config) & used_by(config_of(other)) if is_new or field in changed else ()
            if both:
                raise Refused(f"{plan.after.name}: {field}: {other['name']} {has_it}: {min(both)}.", remedy)


def _addresses(config):
    return {one["address"] for one in (config.get("networks") or {}).values() if one.get("address")}


def _ends(config):
    return {_end_of(one, config.get("provider")) for one in (config.get("port_forwards") or {}).values()}


def _end_of(forward, provider):
    """The host's end of a forward. With libvirt it is the port alone, whatever the address."""
    port, address = forward.get("host_port"), forward.get("host_address")
    if provider == "libvirt":
        return str(port)
    return f"{address + ':' if address else ''}{port}/{forward.get('protocol') or 'tcp'}"


#: Fields of which two VMs of a host cannot have the same: {field: (what of it, the fault, the remedy)}.
_UNIQUE = {
    "networks": (_addresses, "has the same address", "Give each VM an address of its own."),
    "port_forwards": (_ends, "forwards the same host port", "Choose another host_port."),
}


def _check_file(driver, plan):
    """Render what will be written: a provider that has no word for a setting says so."""
    name, contents = plan.after.name, driver.project.read()
    machine = machine_of(name, plan.after.config)
    others = [one for one in contents.machines() if one["name"] != name]
    try:
        text = driver.project.text([*others, machine], plan.after.config.get("environment") or {})
    except PolyvirtError as error:
        raise type(error)(f"{name}: {error.message}", error.remedy) from error
    fault = ruby.syntax_error(driver.commands, text)
    if fault:
        raise Refused(f"{name}: Ruby does not understand what would be written: {fault}.", "See native.")


def _check_paths(driver, plan):
    """Vagrant takes a relative path for one below the project's folder."""
    for name, folder in (plan.after.config.get("shared_folders") or {}).items():
        if not files.is_folder(os.path.join(driver.project.folder, folder["host_path"])):
            raise NotFound(
                f"{plan.after.name}: shared_folders: {folder['host_path']} of {name} is no folder on this host.",
                "Create it, or correct the path.",
            )
    for provisioner in plan.after.config.get("provisioners") or ():
        path = provisioner.get("path")
        if path and "://" not in path and not files.is_file(os.path.join(driver.project.folder, path)):
            raise NotFound(
                f"{plan.after.name}: provisioners: there is no file {path} on this host.",
                "Correct the path, or put it there.",
            )
