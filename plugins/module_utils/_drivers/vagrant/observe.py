# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Observing the VMs of a project: Vagrant is started only for what no other tool reports, and once for all VMs."""

from __future__ import annotations

from dataclasses import replace

from ..._lifecycle.errors import NotFound, Unavailable
from ..._lifecycle.model import ABSENT, RUNNING, STOPPED, UNKNOWN, Address, Vm
from . import in_vagrant
from .project import ssh_record
from .settings.provisioners import automatic
from .settings.table import DESCRIPTIVE, config_of

#: What belongs to the Vagrantfile and not to the VM: a change is in force at once, whether the VM runs or not.
_OF_FILE = (*DESCRIPTIVE, "environment")
#: Seconds by which the provider's time of a snapshot may differ from the recorded one.
_SAME = 30


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
    return vms, tuple({**contents.known, **statuses})


def _is_created(contents, name):
    return name in contents.known and contents.known[name].created is not None


def _selected_names(contents, targets):
    if targets is None:
        return list(contents.known)
    return [one.name for one in contents.known.values() if any(_selects(target, one) for target in targets)]


def _selects(target, known):
    return (known.created is not None and known.created.id == target.id) if target.id else known.name == target.name


def _is_selected(name, targets):
    return targets is None or any(target.name == name and not target.id for target in targets)


def _observed_by_providers(driver, contents, names, facets):
    """{name: ProviderVm} of the VMs that the tool of their provider knows."""
    by_tool = {}
    for name in names:
        provider_tool = driver.provider_tool_of(contents.known[name])
        if provider_tool is not None:
            by_tool.setdefault(provider_tool, {})[contents.known[name].created.id] = name
    found = {}
    for provider_tool, ids in by_tool.items():
        observed = provider_tool.observe(list(ids), facets)
        driver.unknown_ids.update(set(ids) - set(observed))
        found.update({ids[one]: provider_vm for one, provider_vm in observed.items()})
    return found


def _is_vagrant_needed(driver, contents, targets, names, provider_vms):
    # A VM that its provider's tool does not know may be on another host, which the box or the user's settings name.
    missing = [name for name in names if _is_created(contents, name) and name not in provider_vms]
    if driver.project.managed:
        return bool(missing)
    if not driver.project.exists():
        _check_none_remains(driver.project.path, missing)
        return False
    # Only Ruby can read the user's file, so only Vagrant knows which VMs it describes.
    is_listed = targets is None or any(not target.id and target.name not in names for target in targets)
    return is_listed or any(name not in provider_vms for name in names)


def _check_none_remains(path, names):
    """Raise if VMs were created from a user's file that is gone: their state cannot be read."""
    if names:
        raise NotFound(
            f"{names[0]}: Vagrant created it from {path}, which does not exist any more, so its state cannot be read.",
            "Put the file back, or delete the VM with its provider's own program, and then its folder in .vagrant.",
        )


def _without_ssh_record(driver, contents, provider_vms, facets):
    """Running VMs of which only Vagrant knows the user, key or address for SSH."""
    for name, provider_vm in provider_vms.items():
        known = contents.known.get(name)
        if provider_vm.power != RUNNING or known is None or not driver.project.exists():
            continue
        # The record is missing if a task was killed before it, or somebody started the VM by hand.
        is_unknown = "ssh" not in known.record and ("addresses" in facets or ("config" in facets and known.described))
        if is_unknown if driver.provider_tool_of(known) else "addresses" in facets:
            yield name


def _vm(driver, contents, name, provider_vm, ssh_config):
    known = contents.known.get(name)
    if provider_vm is None and _is_created(contents, name) and not driver.project.describes(name):
        reason = f"{driver.project.path} does not describe it any more, and only Vagrant knows its state"
        return Vm(name=name, id=known.created.id, power=UNKNOWN, reason=reason)
    if known is None or (known.described is None and provider_vm is None):
        # Vagrant can create it from the user's file, and starts what it creates.
        return Vm.absent(name).having(recipe=driver.project.path)
    config = config_of(known.described, contents.environment) if known.described else {}
    if provider_vm is None:
        return Vm(name=name, power=STOPPED, config=config)
    is_on = provider_vm.power not in (STOPPED, ABSENT)
    return Vm(
        name=name,
        id=known.created.id,
        power=provider_vm.power,
        reason=provider_vm.reason,
        busy=provider_vm.busy,
        config=config,
        active=_active(known, config, provider_vm) if is_on and config else None,
        snapshots=tuple(_with_record(one, known, config) for one in provider_vm.snapshots),
        addresses=_addresses(provider_vm, ssh_config),
        ssh=_ssh(known, provider_vm, ssh_config) if provider_vm.power == RUNNING else None,
        # What the managed file describes is ours, even if the record of its last start is missing.
        mark={"id": known.created.id} if known.described else None,
        effective=provider_vm.running,
    )


def _active(known, config, provider_vm):
    """What it runs with: the record of its last start by this collection, and what the provider reports."""
    ran = known.record.get("ran")
    # After a start that failed, or was not ours, nobody knows whether the guest is provisioned.
    active = {**config_of(ran), **{field: config[field] for field in _OF_FILE}} if ran else {"provisioners": ()}
    if automatic(active["provisioners"]) == automatic(config["provisioners"]):
        active["provisioners"] = config["provisioners"]
    # A setting that the box decides is not in the description.
    reported = {field: value for field, value in provider_vm.running.items() if config[field] is not None}
    return {**active, **reported}


def _with_record(snapshot, known, config):
    """A snapshot with the settings that were recorded when this collection took it: the provider reports few."""
    then = known.record.get("snapshots", {}).get(snapshot.name)
    # One of the same name that was taken later is somebody else's.
    if then is None or (snapshot.created and abs(snapshot.created - then["created"]) > _SAME):
        return snapshot
    if not snapshot.created:
        snapshot = replace(snapshot, created=then["created"], power=then["power"])
    if then["machine"] is None or not config:
        return snapshot
    return replace(snapshot, config={**config_of(then["machine"]), **{field: config[field] for field in _OF_FILE}})


def _addresses(provider_vm, ssh_config):
    """What the provider reports; else the address that Vagrant connects to, unless it is a port of this host."""
    if provider_vm.addresses or ssh_config is None or provider_vm.ssh or ssh_config.host.startswith("127."):
        return provider_vm.addresses
    return (Address(ssh_config.host, "vagrant"),)


def _ssh(known, provider_vm, ssh_config):
    """Host and port for SSH, with the user and key that Vagrant reported after it started the VM, or reports now."""
    record = known.record.get("ssh") or (ssh_record(ssh_config) if ssh_config else {})
    place = provider_vm.ssh or next(((one.address, record.get("port", 22)) for one in provider_vm.addresses), None)
    place = place or ((ssh_config.host, ssh_config.port) if ssh_config else None)
    if place is None:
        return None
    key_file = known.created.key_file or record.get("key_file")
    return {"host": place[0], "port": place[1], "user": record.get("user"), "key_file": key_file, "scope": "host"}


def is_installed(commands, executable):
    try:
        commands.find(executable)
    except Unavailable:
        return False
    return True
