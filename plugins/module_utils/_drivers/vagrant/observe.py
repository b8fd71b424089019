# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Vagrant: observes the VMs of a project with ``vagrant`` and the tools of its providers.

Vagrant is slow, and its read commands write to the project. So if this host has the provider's own tool, the state of
VMs is read with that tool, by the id of the VM. Vagrant is called only for the rest, and once for all VMs.
"""

from __future__ import annotations

import os

from ..._core.errors import InvalidInput, NotFound
from ..._core.frozen import replace
from ..._core.model import ABSENT, RUNNING, STOPPED, UNKNOWN, Address, Observation, Target, Vm
from ..._core.record.leases import read_stored
from ..._core.record.mark import CREATED, DAMAGED
from ..._ports import files
from ..._ports.clock import call_timeout
from ..._ports.command import Commands, is_installed
from ..._tools import vagrant as tool
from ..._tools.vagrantfile_provider import EXPERIMENTS
from ..._tools.vboxmanage import VBoxManage
from ..._tools.virsh import SYSTEM_URI, Virsh, connection_uri
from . import in_vagrant
from .in_libvirt import InLibvirt
from .in_virtualbox import InVirtualBox
from .needed import files_of, is_half_made, left_files, not_modelled
from .project import EXPIRIES, Project, default_file, ssh_record
from .settings.table import DESCRIPTIVE, INPUTS, automatic, config_of
from .traits import vagrant_traits

MANAGED_FILE = "Vagrantfile.polyvirt"
_VIRSH, _VBOXMANAGE = "virsh", "VBoxManage"
_SESSION_URI = "qemu:///session"
#: Keys of native that select the libvirt of another host.
_REMOTE = ("connect_via_ssh", "host", "socket")
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
        missing = [contents.vms[one] for one in set(statuses) - set(found) if _is_created(contents, one)]
        # Another connection, user or host that does not know a VM says nothing about it.
        driver.gone_ids = {one.created.id for one in missing if one.place == driver.place_of(one)}
        # A VM of the same name that another Vagrantfile created is not this project's.
        provider_vms = {**{name: one for name, one in found.items() if _is_created(contents, name)}, **provider_vms}
        names = [*names, *(name for name in statuses if name not in names and _is_selected(name, targets))]
        driver.project.described = frozenset(statuses)
    ssh_configs = driver.ssh_configs(list(_without_ssh_record(driver, contents, provider_vms, facets)))
    vms = [_vm(driver, contents, name, provider_vms.get(name), ssh_configs.get(name)) for name in names]
    return vms, tuple({**contents.vms, **statuses})


def _is_created(contents, name):
    """Whether Vagrant has one id for a VM; with two, nobody knows which one it would use."""
    return name in contents.vms and contents.vms[name].created is not None and not contents.vms[name].created.other


def _selected_names(contents, targets):
    if targets is None:
        return list(contents.vms)
    keys = {target.key for target in targets}
    return [one.name for one in contents.vms.values() if _keys(one) & keys]


def _keys(project_vm):
    """The keys of the targets that select a VM of the project."""
    created = () if project_vm.created is None else (Target(id=project_vm.created.id).key,)
    return {Target(name=project_vm.name).key, *created}


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
        begun = [one for one, name in ids.items() if contents.vms[name].begun]
        with_users = {"users"} if "files" in facets and driver.options.get("delete_disks") == "all" else set()
        observed = provider_tool.observe(list(ids), facets | with_users, begun)
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
    return is_listed or any(name not in provider_vms and contents.vms[name].created.other is None for name in names)


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
    is_recorded = project_vm is not None and project_vm.created is not None
    if provider_vm is None and is_recorded and not driver.is_gone(project_vm):
        return Vm(name=name, id=project_vm.created.id, power=UNKNOWN, reason=_why_unknown(driver, project_vm))
    if project_vm is None or (project_vm.described is None and provider_vm is None):
        # Vagrant can create it from the user's file, and starts what it creates.
        return Vm.absent(name).having(recipe=driver.project.path)
    config = config_of(project_vm.described, contents.environment) if project_vm.described else {}
    if provider_vm is None:
        files = left_files(driver, project_vm, *_connection_of(project_vm)) if is_recorded else ()
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
        not_modelled=lambda: not_modelled(project_vm, driver.project.path),
    )


def _why_unknown(driver, project_vm):
    created = project_vm.created
    if created.other:
        return f"{created.other} and {created.folder} each have a file id; remove the directory that is outdated"
    if not driver.project.describes(project_vm.name):
        return f"{driver.project.path} does not describe it any more, and only Vagrant knows its state"
    asked, place = driver.place_of(project_vm), project_vm.place or "not recorded"
    return f"the connection of {created.id} is {place}, and {asked} does not know it"


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


def make_observer(params):
    """The observer for the parameters of an info module."""
    return connected(VagrantObserver, params)


def connected(kind, params):
    """An observer, or the driver (``kind``), for the parameters of a module."""
    commands = Commands(call_timeout(params.get("call_timeout")))
    folder, managed = params["project_dir"], params["managed"]
    if not os.path.isabs(folder):
        raise InvalidInput(
            f"project_dir: '{folder}' is not an absolute path.", "Set the absolute path of the project directory."
        )
    file = params["vagrantfile"] or (MANAGED_FILE if managed else default_file(folder))
    if os.path.basename(file) != file or file in (os.curdir, os.pardir):
        raise InvalidInput(
            f"vagrantfile: '{file}' is not a file name.", "Set the name of a file in project_dir, without a path."
        )
    return kind(
        Project(folder, file, managed, *map(commands.environment, ("VAGRANT_DOTFILE_PATH", "VAGRANT_HOME"))),
        commands,
        executable=params["executable"],
        options=params,
    )


class VagrantObserver:
    """Reads one project, for one task; ``options`` are those of the task."""

    def __init__(self, project, commands, executable="vagrant", options=None):
        self.project, self.commands = project, commands
        self._executable, self.options = executable, options or {}
        self._provider_tools = {}
        self._ssh_configs = {}
        #: The providers of the task's VMs, and whether this host has the tools of all of them.
        self.providers, self.has_tools = frozenset(), True
        #: Ids that the provider's tool does not know: the VMs are on another host, or in another user's libvirt.
        self.unknown_ids = set()
        #: Ids of VMs that Vagrant has recorded, and that their provider does not have any more.
        self.gone_ids = set()
        #: Names of VMs without a NIC, for the address of which Vagrant would wait without end.
        self.without_nic = set()

    def traits(self):
        self.commands.find(self._executable, tool.INSTALL)
        default = self.options.get("provider") or self.default_provider
        connections = self._connections((default, self.options.get("native") or {}))
        self.providers = frozenset(provider for provider, _native in connections)
        self.has_tools = all(self._provider_tool(*connection) for connection in connections)
        boxes = self.options.get("os_boxes")
        return vagrant_traits(self.providers, self.project.managed, self.default_provider, boxes, self.has_tools)

    @property
    def default_provider(self):
        return self.commands.environment("VAGRANT_DEFAULT_PROVIDER") or "virtualbox"

    def _connections(self, of_new):
        """[(provider, native)] of the task's VMs, which decide about `_provider_tool`; ``of_new``: that of new VMs."""
        project_vms = self.project.read().vms.values()
        names, identifier = self.options.get("name"), self.options.get("id")
        if identifier is not None:
            project_vms = [one for one in project_vms if one.created and one.created.id == identifier]
        elif names is not None:
            project_vms = [one for one in project_vms if one.name in names]
        found = [_connection_of(one) for one in project_vms]
        is_one_new = identifier is None and len(project_vms) < len(names or ())
        return [*found, of_new] if is_one_new or not found else found

    def observe(self, targets, facets):
        vms, known = observe_vms(self, self.project.read(), targets, facets)
        is_missing = not (self.project.managed or self.project.exists())
        warnings = (f"vagrantfile: {self.project.path} does not exist.",) if is_missing else ()
        return Observation(vms=vms, known=known, warnings=warnings)

    def provider_tool_of(self, project_vm):
        """The tool of a created VM's provider; None if this host does not have it, or if it does not know the VM."""
        if project_vm.created is None or project_vm.created.other or project_vm.created.id in self.unknown_ids:
            return None
        return self._provider_tool(*_connection_of(project_vm))

    def tool_of_new(self, provider, native):
        """The tool for a VM that is not created yet; None if this host does not have it."""
        return self._provider_tool(provider, native)

    def is_gone(self, project_vm):
        """Whether the VM's provider, asked as at its last start, does not have it any more, as Vagrant reports."""
        return project_vm.created.id in self.gone_ids

    def place_of(self, project_vm):
        """Who answers about a VM: the connection, the user and this host, as text."""
        provider, native = _connection_of(project_vm)
        places = {"libvirt": self._uri(native), "virtualbox": self.commands.environment("VBOX_USER_HOME")}
        where = " ".join([places.get(provider) or provider, *(str(native[key]) for key in _REMOTE if native.get(key))])
        return f"{where} as user {os.geteuid()} on {files.host_name()}"

    def _uri(self, native):
        default = _SESSION_URI if native.get("qemu_use_session") else SYSTEM_URI
        return connection_uri(self.commands, native.get("uri"), default)

    def _provider_tool(self, provider, native):
        if provider == "libvirt" and not any(native.get(key) for key in _REMOTE):
            uri = self._uri(native)
            return self._cached(_VIRSH, uri, lambda: InLibvirt(Virsh(self.commands, _VIRSH, uri)))
        if provider == "virtualbox":
            return self._cached(_VBOXMANAGE, "", lambda: InVirtualBox(VBoxManage(self.commands, _VBOXMANAGE)))
        return None

    def _cached(self, program, uri, create):
        if (program, uri) not in self._provider_tools:
            self._provider_tools[program, uri] = create() if is_installed(self.commands, program) else None
        return self._provider_tools[program, uri]

    def consoles(self, vms):
        """[ConsoleLog] of the VMs, as their providers write them; none without a provider's tool on this host."""
        # Only info modules need it.
        from ..._core.results.console import ConsoleLog

        project_vms = self.project.read().vms
        found = [project_vms.get(vm.name) for vm in vms]
        tools = [self.provider_tool_of(one) if one else None for one in found]
        return [tool.console(one.created.id) if tool else ConsoleLog() for one, tool in zip(found, tools)]

    def vagrant_on(self, copy):
        """Vagrant for reading the project with ``copy`` as its dotfile folder; lost VMs are added to a file there."""
        return self.vagrant_in(copy, copy if self.project.restore_lost_into(copy) else None)

    def vagrant_in(self, dotfile=None, folder=None, provider=None):
        """Vagrant for this project. ``dotfile`` replaces its dotfile folder, ``folder`` that of its Vagrantfile.

        ``provider`` is for VMs that are not created yet: without it, Vagrant uses the first provider that works.
        """
        needed = EXPERIMENTS["VAGRANT_EXPERIMENTAL"]
        own = self.commands.environment("VAGRANT_EXPERIMENTAL")
        return tool.Vagrant(
            self.commands,
            folder or self.project.folder,
            self.project.file,
            dotfile or self.project.dotfile,
            {
                "VAGRANT_EXPERIMENTAL": f"{own},{needed}" if own else needed,
                **({"VAGRANT_DEFAULT_PROVIDER": provider} if provider else {}),
            },
            self._executable,
        )

    def ssh_configs(self, names):
        """{name: Ssh} of those VMs for which Vagrant knows an SSH connection. Each is requested once."""
        missing = [
            name for name in names if name not in self._ssh_configs and self.project.vm_mistaken_for(name) is None
        ]
        if missing:
            self._ssh_configs.update(in_vagrant.ssh_configs(self.vagrant_on, self.project.dotfile, missing))
        return {name: self._ssh_configs[name] for name in names if name in self._ssh_configs}


def _connection_of(project_vm):
    provider = project_vm.created.provider if project_vm.created else project_vm.described["provider"]
    return provider, (project_vm.described or {}).get("native") or {}
