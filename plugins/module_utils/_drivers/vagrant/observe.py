# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Observes the VMs of a project. Vagrant is called only for what no other tool reports, and once for all VMs."""

from __future__ import annotations

from dataclasses import replace

from ..._core.errors import NotFound, Unavailable
from ..._core.model import ABSENT, RUNNING, STOPPED, UNKNOWN, Address, Vm
from . import in_vagrant
from .project import ssh_record
from .settings.provisioners import automatic
from .settings.table import DESCRIPTIVE, config_of

#: Settings that a running VM does not use: a change is in force at once.
_OF_FILE = (*DESCRIPTIVE, "environment")
#: Seconds by which the provider's creation time of a snapshot may differ from the recorded one.
_TIME_TOLERANCE = 30


def observe_vms(driver, contents, targets, facets):
    """[Vm] of the VMs of ``targets`` (None: all), and the names of all VMs of the project."""
    names = _selected_names(contents, targets)
    statuses, provider_vms = {}, _observed_by_providers(driver, contents, names, facets)
    if _is_vagrant_needed(driver, contents, targets, names, provider_vms):
        statuses, found = in_vagrant.observe(driver.vagrant_on, driver.project.dotfile, facets)
        # A VM of the same name that another Vagrantfile created is not this project's.
        provider_vms = {**{name: one for name, one in found.items() if _is_created(contents, name)}, **provider_vms}
        names = [*names, *(name for name in statuses if name not in names and _is_selected(name, targets))]
        driver.project.described = frozenset(statuses)
    ssh_configs = driver.ssh_configs(list(_without_ssh_record(driver, contents, provider_vms, facets)))
    vms = [_vm(driver, contents, name, provider_vms.get(name), ssh_configs.get(name)) for name in names]
    return vms, tuple({**contents.vms, **statuses})


def _is_created(contents, name):
    return name in contents.vms and contents.vms[name].created is not None


def _selected_names(contents, targets):
    if targets is None:
        return list(contents.vms)
    return [one.name for one in contents.vms.values() if any(_selects(target, one) for target in targets)]


def _selects(target, project_vm):
    if target.id:
        return project_vm.created is not None and project_vm.created.id == target.id
    return project_vm.name == target.name


def _is_selected(name, targets):
    return targets is None or any(target.name == name and not target.id for target in targets)


def _observed_by_providers(driver, contents, names, facets):
    """{name: ProviderVm} of the VMs that their provider's tool knows."""
    by_tool = {}
    for name in names:
        provider_tool = driver.provider_tool_of(contents.vms[name])
        if provider_tool is not None:
            by_tool.setdefault(provider_tool, {})[contents.vms[name].created.id] = name
    found = {}
    for provider_tool, ids in by_tool.items():
        observed = provider_tool.observe(list(ids), facets)
        driver.unknown_ids.update(set(ids) - set(observed))
        found.update({ids[one]: provider_vm for one, provider_vm in observed.items()})
    return found


def _is_vagrant_needed(driver, contents, targets, names, provider_vms):
    # A VM that its provider's tool does not know may be on another host, by the settings of its box or of the user.
    missing = [name for name in names if _is_created(contents, name) and name not in provider_vms]
    if driver.project.managed:
        return bool(missing)
    if not driver.project.exists():
        _check_no_vm_without_file(driver.project.path, missing)
        return False
    # Only Ruby can read the user's file, so only Vagrant knows which VMs it describes.
    is_listed = targets is None or any(not target.id and target.name not in names for target in targets)
    return is_listed or any(name not in provider_vms for name in names)


def _check_no_vm_without_file(path, names):
    """Raise NotFound if the user's Vagrantfile of created VMs does not exist any more: their state cannot be read."""
    if names:
        raise NotFound(
            f"{names[0]}: Vagrant created it from {path}, which does not exist any more, so its state cannot be read.",
            "Put the file back, or delete the VM with its provider's own program, and then its folder in .vagrant.",
        )


def _without_ssh_record(driver, contents, provider_vms, facets):
    """Names of running VMs for which only Vagrant knows the user, key or address of SSH."""
    for name, provider_vm in provider_vms.items():
        project_vm = contents.vms.get(name)
        if provider_vm.power != RUNNING or project_vm is None or not driver.project.exists():
            continue
        if driver.provider_tool_of(project_vm):
            # The record is missing if a task was killed before it was written, or if the VM was started manually.
            has_record = "ssh" in project_vm.record
            is_needed = "addresses" in facets or ("config" in facets and project_vm.described)
            if is_needed and not has_record:
                yield name
        elif "addresses" in facets:
            yield name


def _vm(driver, contents, name, provider_vm, ssh_config):
    project_vm = contents.vms.get(name)
    if provider_vm is None and _is_created(contents, name) and not driver.project.describes(name):
        reason = f"{driver.project.path} does not describe it any more, and only Vagrant knows its state"
        return Vm(name=name, id=project_vm.created.id, power=UNKNOWN, reason=reason)
    if project_vm is None or (project_vm.described is None and provider_vm is None):
        # Vagrant can create it from the user's file, and starts what it creates.
        return Vm.absent(name).having(recipe=driver.project.path)
    config = config_of(project_vm.described, contents.environment) if project_vm.described else {}
    if provider_vm is None:
        return Vm(name=name, power=STOPPED, config=config)
    is_on = provider_vm.power not in (STOPPED, ABSENT)
    return Vm(
        name=name,
        id=project_vm.created.id,
        power=provider_vm.power,
        reason=provider_vm.reason,
        busy=provider_vm.busy,
        config=config,
        active=_active(project_vm, config, provider_vm) if is_on and config else None,
        snapshots=tuple(_with_record(one, project_vm, config) for one in provider_vm.snapshots),
        addresses=_addresses(provider_vm, ssh_config),
        ssh=_ssh(project_vm, provider_vm, ssh_config) if provider_vm.power == RUNNING else None,
        # VMs in the managed file are ours, even without a record.
        mark={"id": project_vm.created.id} if project_vm.described else None,
        effective=provider_vm.running,
    )


def _active(project_vm, config, provider_vm):
    """The settings with which a VM runs: those recorded at its last start, and those that the provider reports."""
    ran = project_vm.record.get("ran")
    # After a start that failed, or without this collection, it is unknown whether the guest is provisioned.
    active = {**config_of(ran), **{field: config[field] for field in _OF_FILE}} if ran else {"provisioners": ()}
    if automatic(active["provisioners"]) == automatic(config["provisioners"]):
        active["provisioners"] = config["provisioners"]
    # Settings that are None in the description are decided by the box, and not compared.
    reported = {field: value for field, value in provider_vm.running.items() if config[field] is not None}
    return {**active, **reported}


def _with_record(snapshot, project_vm, config):
    """A snapshot with the settings that were recorded when this collection created it."""
    recorded = project_vm.record.get("snapshots", {}).get(snapshot.name)
    # A snapshot with the same name and another time was created by somebody else.
    if recorded is None or (snapshot.created and abs(snapshot.created - recorded["created"]) > _TIME_TOLERANCE):
        return snapshot
    if not snapshot.created:
        snapshot = replace(snapshot, created=recorded["created"], power=recorded["power"])
    if recorded["machine"] is None or not config:
        return snapshot
    return replace(snapshot, config={**config_of(recorded["machine"]), **{field: config[field] for field in _OF_FILE}})


def _addresses(provider_vm, ssh_config):
    """The addresses that the provider reports; else the one that Vagrant connects to, unless it is this host's."""
    if provider_vm.addresses or ssh_config is None or provider_vm.ssh or ssh_config.host.startswith("127."):
        return provider_vm.addresses
    return (Address(ssh_config.host, "vagrant"),)


def _ssh(project_vm, provider_vm, ssh_config):
    """Host and port for SSH, with the user and key that were recorded, or that Vagrant reports now (``ssh_config``)."""
    record = project_vm.record.get("ssh") or (ssh_record(ssh_config) if ssh_config else {})
    host_and_port = provider_vm.ssh
    if not host_and_port and provider_vm.addresses:
        host_and_port = (provider_vm.addresses[0].address, record.get("port", 22))
    if not host_and_port and ssh_config:
        host_and_port = (ssh_config.host, ssh_config.port)
    if not host_and_port:
        return None
    host, port = host_and_port
    key_file = project_vm.created.key_file or record.get("key_file")
    return {"host": host, "port": port, "user": record.get("user"), "key_file": key_file, "scope": "host"}


def is_installed(commands, executable):
    try:
        commands.find(executable)
    except Unavailable:
        return False
    return True
