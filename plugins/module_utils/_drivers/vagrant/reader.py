# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads a Vagrant project with Vagrant and the tools of its providers.

Vagrant is slow, and its read commands write to the project. So if this host has the provider's own tool, the state of
VMs is read with that tool, by the id of the VM.
"""

from __future__ import annotations

import os

from ..._core.errors import InvalidInput
from ..._core.model import Observation
from ..._ports.ceiling import call_timeout
from ..._ports.command import Commands
from ..._tools import vagrant as tool
from ..._tools.vagrantfile_provider import EXPERIMENTS
from ..._tools.vboxmanage import VBoxManage
from ..._tools.virsh import Virsh
from . import in_vagrant
from .in_libvirt import InLibvirt
from .in_virtualbox import InVirtualBox
from .observe import is_installed, observe_vms
from .project import Project, default_file
from .traits import vagrant_traits

MANAGED_FILE = "Vagrantfile.polyvirt"
_VIRSH, _VBOXMANAGE = "virsh", "VBoxManage"
_DEFAULT_URI, _SESSION_URI = "qemu:///system", "qemu:///session"
#: Keys of native that select the libvirt of another host.
_REMOTE = ("connect_via_ssh", "host", "socket")


def make_reader(params):
    """The reader for the parameters of an info module."""
    return connected(VagrantReader, params)


def connected(kind, params):
    """A reader or driver (``kind``) for a module's parameters."""
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


class VagrantReader:
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

    def traits(self):
        self.commands.find(self._executable, tool.INSTALL)
        default = self.commands.environment("VAGRANT_DEFAULT_PROVIDER") or "virtualbox"
        connections = self._connections((self.options.get("provider") or default, self.options.get("native") or {}))
        self.providers = frozenset(provider for provider, _native in connections)
        self.has_tools = all(self._provider_tool(*connection) for connection in connections)
        boxes = self.options.get("os_boxes")
        return vagrant_traits(self.providers, self.project.managed, default, boxes, self.has_tools)

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
        if project_vm.created is None or project_vm.created.id in self.unknown_ids:
            return None
        return self._provider_tool(*_connection_of(project_vm))

    def _provider_tool(self, provider, native):
        if provider == "libvirt" and not any(native.get(key) for key in _REMOTE):
            default = _SESSION_URI if native.get("qemu_use_session") else _DEFAULT_URI
            uri = native.get("uri") or self.commands.environment("LIBVIRT_DEFAULT_URI") or default
            return self._cached(_VIRSH, uri, lambda: InLibvirt(Virsh(self.commands, _VIRSH, uri)))
        if provider == "virtualbox":
            return self._cached(_VBOXMANAGE, "", lambda: InVirtualBox(VBoxManage(self.commands, _VBOXMANAGE)))
        return None

    def _cached(self, program, uri, create):
        if (program, uri) not in self._provider_tools:
            self._provider_tools[program, uri] = create() if is_installed(self.commands, program) else None
        return self._provider_tools[program, uri]

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
