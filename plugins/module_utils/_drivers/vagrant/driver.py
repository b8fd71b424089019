# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Vagrant's translation: what the core asks for, in its terms and its providers'. It neither waits nor decides.

Vagrant itself is slow, and looking with it writes. So it makes, starts, suspends and removes machines; power, guests
and snapshots are seen to by the tool of the provider, by the machine's id, where there is one.
"""

from __future__ import annotations

import os

from ..._lifecycle.errors import CommandFailed, InvalidInput, PartlyApplied, PolyvirtError, Refused, Timeout
from ..._lifecycle.model import RUNNING, STOP_TIMEOUT, SUSPENDED, Observation
from ..._lifecycle.one_by_one import one_by_one
from ..._ports import writes
from ..._ports.ceiling import call_timeout
from ..._ports.clock import epoch, today
from ..._ports.command import Commands
from ..._tools import vagrant as tool
from ..._tools import vagrant_output as output
from ..._tools.vagrantfile_provider import EXPERIMENTS
from ..._tools.vboxmanage import VBoxManage
from ..._tools.virsh import Virsh
from . import by_status
from .by_status import ByStatus
from .fields import that_run
from .in_libvirt import InLibvirt
from .in_virtualbox import InVirtualBox
from .mapping import config_of, machine_of, note_of_ssh
from .observe import find, observe_vms
from .project import Known, Project
from .settings import os_type
from .settings.port_forwards import clear as clear_forwards
from .traits import vagrant_traits

MANAGED_FILE = "Vagrantfile.polyvirt"
_VIRSH, _VBOXMANAGE = "virsh", "VBoxManage"
_DEFAULT_URI, _SESSION_URI = "qemu:///system", "qemu:///session"
#: Keys of native that lead to another host's libvirt.
_REMOTE = ("connect_via_ssh", "host", "socket")
#: Seconds that Vagrant gets to cut a machine off where the provider's own tool can do it after that.
_CUT = 2
#: Memory on its way to disk or back is the platform's own work; yet no call may hang for ever.
_LONG = 3600
#: What a guest gets to go down where the task does not say: as the core gives it.


def make_driver(params):
    """A driver from a module's parameters (those of ``vagrant_instance`` or ``vagrant_instance_info``)."""
    commands = Commands(call_timeout(params.get("call_timeout")))
    folder, managed = params["project_dir"], params["managed"]
    if not os.path.isabs(folder):
        raise InvalidInput(
            f"project_dir: '{folder}' is no absolute path.", "Give the full path of the project's folder."
        )
    file = params["vagrantfile"] or (MANAGED_FILE if managed else "Vagrantfile")
    if os.path.basename(file) != file or file in (os.curdir, os.pardir):
        raise InvalidInput(f"vagrantfile: '{file}' is no file's name.", "Name a file in project_dir, without a path.")
    return VagrantDriver(
        Project(folder, file, managed, *map(commands.environment, ("VAGRANT_DOTFILE_PATH", "VAGRANT_HOME"))),
        commands,
        executable=params["executable"],
        asked=params,
    )


class VagrantDriver:
    """One project, for one task. ``asked`` are the task's options."""

    def __init__(self, project, commands, executable="vagrant", asked=None):
        self.project, self.commands = project, commands
        self._executable, self.asked = executable, asked or {}
        self._hosts = {}
        self._version = None
        self._reached, self._snapshots_began = {}, {}
        #: Those of the machines that the task is about, and whether the tools that there are for them are here.
        self.providers, self.has_tools = frozenset(), True
        #: Ids that the tool of their provider does not know: they are with another host, or another user's libvirt.
        self.elsewhere = set()

    # Looking --------------------------------------------------------------------------------------------------------

    def traits(self):
        self.commands.find(self._executable, tool.INSTALL)
        default = self.commands.environment("VAGRANT_DEFAULT_PROVIDER") or "virtualbox"
        ways = self._find_ways((self.asked.get("provider") or default, self.asked.get("native") or {}))
        self.providers = frozenset(provider for provider, _native in ways)
        self.has_tools = all(self._tool_of(*way) for way in ways)
        boxes = self.asked.get("os_boxes")
        return vagrant_traits(self.providers, self.project.managed, default, boxes, self.has_tools)

    def _find_ways(self, of_new):
        """[(provider, native)] of the machines that the task is about: both say where a machine is to be looked for."""
        known = self.project.read().known.values()
        names, identifier = self.asked.get("name"), self.asked.get("id")
        if identifier is not None:
            known = [one for one in known if one.made and one.made.id == identifier]
        elif names is not None:
            known = [one for one in known if one.name in names]
        found = [_way_to(one) for one in known]
        is_one_new = identifier is None and len(known) < len(names or ())
        return [*found, of_new] if is_one_new or not found else found

    def observe(self, targets, facets):
        contents = self.project.read()
        if not self.project.managed:
            from .host_checks import check_file_of_user

            check_file_of_user(self, contents)
        vms, known = observe_vms(self, contents, targets, facets)
        system = self.asked.get("os_type") if self.asked.get("state") != "absent" else None
        warning = os_type.warning(system, today()) if system else None
        return Observation(vms=vms, known=known, warnings=(warning,) if warning else ())

    def host_of(self, known):
        """The tool of a made machine's provider, or None where there is none here that knows it."""
        if known.made is None or known.made.id in self.elsewhere:
            return None
        return self._tool_of(*_way_to(known))

    def _tool_of(self, provider, native):
        if provider == "libvirt" and not any(native.get(key) for key in _REMOTE):
            default = _SESSION_URI if native.get("qemu_use_session") else _DEFAULT_URI
            uri = native.get("uri") or self.commands.environment("LIBVIRT_DEFAULT_URI") or default
            return self._host(_VIRSH, uri, lambda: InLibvirt(Virsh(self.commands, _VIRSH, uri)))
        if provider == "virtualbox":
            return self._host(_VBOXMANAGE, "", lambda: InVirtualBox(VBoxManage(self.commands, _VBOXMANAGE)))
        return None

    def _host(self, program, where, make):
        if (program, where) not in self._hosts:
            self._hosts[program, where] = make() if find(self.commands, program) else None
        return self._hosts[program, where]

    def vagrant_on(self, copy):
        """Vagrant, to look at the project by a copy of its own folder; what the managed file lost is told there."""
        return self.vagrant_in(copy, copy if self.project.restore_into(copy) else None)

    def vagrant_in(self, dotfile=None, folder=None, provider=None):
        """Vagrant, for this project with the folder ``dotfile`` in the place of its own, and its file in ``folder``.

        ``provider`` is that of VMs which are not created yet: without it Vagrant takes the first one that it can use.
        """
        needed = EXPERIMENTS["VAGRANT_EXPERIMENTAL"]
        given = self.commands.environment("VAGRANT_EXPERIMENTAL")
        return tool.Vagrant(
            self.commands,
            folder or self.project.folder,
            self.project.file,
            dotfile or self.project.dotfile,
            {
                "VAGRANT_EXPERIMENTAL": f"{given},{needed}" if given else needed,
                **({"VAGRANT_DEFAULT_PROVIDER": provider} if provider else {}),
            },
            self._executable,
        )

    def vagrant_for(self, name):
        """Vagrant, to work with this machine."""
        self.check_means_it(name)
        self.project.restore()
        return self.vagrant_in()

    def check_means_it(self, name):
        """Raise where Vagrant would take the name for another machine."""
        other = self.project.other_called(name)
        if other is not None:
            raise Refused(
                f"{name}: Vagrant takes this name for the beginning of its own number of {other.name} in"
                f" {other.folder}, and would work with that machine instead.",
                "Choose a name with a letter after f in it.",
            )

    def told_by_ssh_config(self, names):
        """{name: Ssh} of those machines that answer, as Vagrant itself would reach them. Each is asked once."""
        asked = [name for name in names if name not in self._reached and self.project.other_called(name) is None]
        if asked:
            self._reached.update(by_status.reached(self.vagrant_on, self.project.dotfile, asked))
        return {name: self._reached[name] for name in names if name in self._reached}

    def check_version(self):
        """Raise where Vagrant is too old, or does not answer."""
        self._version = self._version or self.vagrant_in().version()

    # Acting ---------------------------------------------------------------------------------------------------------

    def lane(self, vm):
        return self.project.folder

    def preflight(self, plan):
        """Raise what would make the plan fail half-way; reads only."""
        from .checks import check_plan

        check_plan(self, plan)

    def apply(self, batch):
        return one_by_one(lambda vm, step: getattr(self, f"_{step.verb}")(vm, step), batch, writes.count)

    def _create(self, vm, step):
        if self.project.managed:
            self.define(vm.name, step.arguments["config"], step.arguments["config"].get("environment"))
        else:
            self._start(vm, step)

    def _configure(self, vm, step):
        from ..._lifecycle.simulate import changed_config

        known = self._known(vm.name)
        config = changed_config(config_of(known.machine, vm.config["environment"]), step.changes)
        is_changed = any(change.field == "environment" for change in step.changes)
        self.define(vm.name, config, config["environment"] if is_changed else None)

    def define(self, name, config, environment=None):
        """Describe a machine in the managed file; the project's ``environment`` stays where it is None."""
        self.project.define(machine_of(name, config), environment)

    def _delete(self, vm, step):
        known = self._known(vm.name)
        if known.made is not None:
            self.vagrant_for(vm.name).run("destroy", "-f", vm.name, timeout=_LONG)
            left = self._known(vm.name).made
            if left is not None:
                raise PartlyApplied(f"{vm.name}: Vagrant has not removed it.", f"See what it left in {left.folder}.")
        if self.project.managed:
            self.project.forget(vm.name)

    def _known(self, name):
        """The machine as the project has it in this moment."""
        return self.project.read().known.get(name, Known(name))

    def _start(self, vm, step):
        known = self._known(vm.name)
        self._clear_forwards(known)
        try:
            self.vagrant_for(vm.name).run("up", vm.name, *self._flags_of_up(vm, known))
        except (CommandFailed, Timeout) as error:
            if tool.is_locked(error):
                raise
            raise _explained(vm, error, self.project) from error
        # What is resumed runs with what it was suspended with.
        if known.machine is not None and vm.power != SUSPENDED:
            self._note_start(vm.name, known.machine, known)

    def _flags_of_up(self, vm, known):
        if known.made is not None or self.asked.get("on_failure") == "keep":
            # A start that fails would cost the disk, too: Vagrant removes what does not answer, old machines as well.
            yield "--no-destroy-on-error"
        if known.machine is not None and known.made is None:
            yield from ("--provider", known.machine["provider"])
        # Vagrant notes that it has set up a machine before it does, so one that failed is not set up again by itself.
        ran = known.note.get("ran") or {}
        wanted = that_run((known.machine or {}).get("provisioners"))
        if (
            known.made is not None
            and vm.power != SUSPENDED
            and known.machine
            and that_run(ran.get("provisioners")) != wanted
        ):
            yield "--provision"

    def _note_start(self, name, machine, known):
        """What it runs with now, and how Vagrant reaches it, which is the box's to say: asked once for each machine."""
        self.project.note(name, ran=dict(machine))
        if "ssh" not in known.note:
            told = output.ssh_configs(self.vagrant_for(name).read("ssh-config", name)).get(name)
            self.project.note(name, ssh=note_of_ssh(told) if told else {})

    def _clear_forwards(self, known):
        """Of a machine that stopped without Vagrant, or is about to: what is left of them would stand in the way."""
        if known.made is not None and known.made.provider == "libvirt":
            clear_forwards(self.commands, known.made.folder)

    def _stop(self, vm, step):
        self._clear_forwards(self._known(vm.name))
        self._hand(vm).ask_to_stop(vm.name, vm.id)

    def _kill(self, vm, step):
        known = self._known(vm.name)
        self._clear_forwards(known)
        host = self.host_of(known)
        if vm.power == RUNNING or host is None:
            try:
                self.vagrant_for(vm.name).run("halt", "--force", vm.name, timeout=_CUT if host else by_status.CUT)
                return
            except CommandFailed:
                if host is None:
                    raise  # It may be locked only.
            except Timeout:
                pass  # The provider itself is the last resort.
        self._hand(vm).cut(vm.name, vm.id, vm.power)

    def _pause(self, vm, step):
        self.vagrant_for(vm.name).run("suspend", vm.name, timeout=_LONG)

    def _suspend(self, vm, step):
        self.vagrant_for(vm.name).run("suspend", vm.name, timeout=_LONG)

    def _resume(self, vm, step):
        self._clear_forwards(self._known(vm.name))
        self.vagrant_for(vm.name).run("resume", vm.name, timeout=_LONG)

    def _snapshot(self, vm, step):
        # A step may be sent twice: the snapshot is of the first time.
        began = self._snapshots_began.setdefault((vm.name, step.arguments["name"]), epoch())
        self._hand(vm).take(vm.name, vm.id, step.arguments)
        known = self._known(vm.name)
        then = {
            "created": began,
            "power": step.arguments["power"],
            "machine": dict(known.machine) if known.machine else None,
            "ran": known.note.get("ran"),
        }
        self.project.note(vm.name, snapshots={**known.note.get("snapshots", {}), step.arguments["name"]: then})

    def _drop_snapshot(self, vm, step):
        self._hand(vm).drop(vm.name, vm.id, step.arguments)
        taken = self._known(vm.name).note.get("snapshots", {})
        left = {name: then for name, then in taken.items() if name not in step.arguments["names"]}
        if left != taken:
            self.project.note(vm.name, snapshots=left)

    def _restore(self, vm, step):
        """The provider puts back what the machine was; so is its description, or the next start would undo that."""
        self._hand(vm).restore(vm.name, vm.id, step.arguments)
        taken = next(one for one in vm.snapshots if step.arguments["id"] in (one.id, one.name))
        if taken.config is not None:
            self.define(vm.name, taken.config)
            # It goes on with what it ran with, which need not be what it was described as.
            self.project.note(vm.name, ran=self._known(vm.name).note["snapshots"][taken.name]["ran"])

    def _hand(self, vm):
        """Who does to a machine what Vagrant is too slow or too rough for."""
        stop_timeout = self.asked.get("stop_timeout") or STOP_TIMEOUT
        return self.host_of(self._known(vm.name)) or ByStatus(self.vagrant_for(vm.name), stop_timeout)


def _way_to(known):
    provider = known.made.provider if known.made else known.machine["provider"]
    return provider, (known.machine or {}).get("native") or {}


def _explained(vm, error, project):
    """Not the failure of a command, after which only the machine's power counts: a guest may run and not be set up."""
    remedies = (
        (tool.is_box_missing, "Name a box that exists, or say where it is in box_url; the host needs a way to it."),
        (tool.is_provider_missing, "Install the provider and Vagrant's plugin for it, or name another provider."),
        (tool.is_other_provider, "Remove the machine first (state: absent), or leave provider as it is."),
        (tool.is_boot_timeout, _UNANSWERED),
        (tool.is_no_project, f"Put a Vagrantfile at {project.path}, or set managed: true."),
        (tool.is_unknown_machine, f"Describe it in {project.path}."),
    )
    unknown = error.remedy or "What Vagrant says is all that is known."
    remedy = next((remedy for holds, remedy in remedies if holds(error)), unknown)
    return PolyvirtError(f"{vm.name}: {error.message}", remedy)


_UNANSWERED = (
    "Vagrant removes a new machine that does not answer by SSH; on_failure: keep leaves it to be looked at. A slow host"
    " needs native: {vm.boot_timeout: 900}."
)
