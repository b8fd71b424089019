# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Vagrant: a VM of a project as a Vm of the core: what its provider reports, with what is described and recorded."""

from __future__ import annotations

from ..._core.frozen import replace
from ..._core.model import ABSENT, RUNNING, STOPPED, UNKNOWN, Address, File, Vm
from ..._core.record.leases import read_stored
from ..._core.record.mark import CREATED, DAMAGED
from .needed import files_of, is_half_made
from .project import EXPIRIES, provider_name, ssh_record
from .settings.table import DESCRIPTIVE, INPUTS, automatic, config_of

#: Settings that a running VM does not use: a change is in force at once.
_OF_FILE = (*DESCRIPTIVE, "environment")
#: Seconds by which the provider's creation time of a snapshot may differ from the recorded one.
_TIME_TOLERANCE = 30


def is_created(project_vm):
    """Whether Vagrant has one id for a VM; with two, nobody knows which one it would use."""
    return project_vm is not None and project_vm.created is not None and not project_vm.created.other


def connection_of(project_vm):
    """(provider, native) of a VM, which decide about the tool that knows it."""
    provider = project_vm.created.provider if project_vm.created else project_vm.described["provider"]
    return provider, (project_vm.described or {}).get("native") or {}


def vm_of(driver, contents, name, provider_vm, ssh_config):
    """The Vm of one name in the project, as its ``provider_vm`` (None: not known) and our record describe it."""
    project_vm = contents.vms.get(name)
    if project_vm is not None and project_vm.created is not None and project_vm.created.other:
        folders = f"{project_vm.created.other} and {project_vm.created.folder}"
        reason = f"{folders} each have a file id, and Vagrant uses one of them; remove the folder that is outdated"
        return Vm(name=name, id=project_vm.created.id, power=UNKNOWN, reason=reason)
    if provider_vm is None and is_created(project_vm) and not driver.is_gone(project_vm):
        return Vm(name=name, id=project_vm.created.id, power=UNKNOWN, reason=_why_unknown(driver, project_vm))
    if project_vm is None or (project_vm.described is None and provider_vm is None):
        # Vagrant can create it from the user's file, and starts what it creates.
        return Vm.absent(name).having(recipe=driver.project.path)
    config = config_of(project_vm.described, contents.environment) if project_vm.described else {}
    if provider_vm is None:
        files = _left_files(driver, project_vm) if is_created(project_vm) else ()
        return Vm(name=name, power=STOPPED, config=config, mark=_mark(project_vm, None), files=files)
    files = files_of(provider_vm.drives, project_vm, driver.project.home, is_half_made(project_vm, provider_vm))
    if is_half_made(project_vm, provider_vm):
        # Its next start, or its deletion, removes what an interrupted task has left of it.
        return Vm(name=name, power=STOPPED, config=config, mark=_mark(project_vm, None), files=files)
    if provider_vm.nics == 0:
        driver.without_nic.add(name)
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
        mark=_mark(project_vm, project_vm.created.id),
        files=files,
        effective=provider_vm.running,
        not_modelled=lambda: _not_modelled(project_vm, driver.project.path),
    )


def _why_unknown(driver, project_vm):
    if not driver.project.describes(project_vm.name):
        return f"{driver.project.path} does not describe it any more, and only Vagrant knows its state"
    created = f"that created {project_vm.created.id} is not recorded"
    if project_vm.place:
        created = f"of {project_vm.created.id} is {project_vm.place}"
    return f"the connection {created}, and {driver.place_of(project_vm)} does not know it"


def _left_files(driver, project_vm):
    """Volumes of a VM that was removed without Vagrant, so that nobody knows who uses them now: they are kept."""
    provider, native = connection_of(project_vm)
    provider_tool = driver.tool_of_new(provider, native) if provider == "libvirt" else None
    name = provider_name(driver.project, project_vm.name, provider, native)
    left = provider_tool.left_of(name) if provider_tool is not None and name else ()
    return tuple(File(one, "disk", elsewhere="its VM was removed without Vagrant") for one in left)


def _not_modelled(project_vm, path):
    """{name: why it is not described}: a program that only Vagrant runs, and what its file does not contain."""
    if project_vm.described is None:
        return {"Vagrantfile": f"{path} is your own program, and only Vagrant runs it: its settings are not read."}
    return {
        project_vm.created.provider: f"Settings that {path} does not contain, such as those of the box, and changes by"
        " other programs than Vagrant are not read. Vagrant sets what the file contains at each start."
    }


def _mark(project_vm, vm_id):
    """The mark, with the image that the VM is created from. VMs in the managed file are ours, even without a record.

    Those of the user's own Vagrantfile have nothing but the record that Vagrant has created them from this file.
    """
    if DAMAGED in project_vm.record:
        return project_vm.record
    described = project_vm.described or {}
    inputs = described.get(INPUTS)
    return {"id": vm_id, CREATED: described.get(CREATED, ""), **({"inputs": dict(inputs)} if inputs else {})}


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
    """A snapshot with the settings that were recorded when this collection created it, and with its expiry."""
    snapshot = _with_settings(snapshot, project_vm, config)
    recorded = project_vm.record.get(EXPIRIES, {}).get(snapshot.name)
    is_same = isinstance(recorded, dict) and _is_same_time(snapshot.created, recorded.get("created"))
    return replace(snapshot, expires=read_stored(recorded)) if is_same else snapshot


def _is_same_time(created, recorded):
    """Return whether a snapshot is the recorded one; one with the same name and another time is not."""
    return not created or not recorded or abs(created - recorded) <= _TIME_TOLERANCE


def _with_settings(snapshot, project_vm, config):
    recorded = project_vm.record.get("snapshots", {}).get(snapshot.name)
    if recorded is None or not _is_same_time(snapshot.created, recorded["created"]):
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
