# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt's translation: what the core asks for, in virsh's and qemu-img's terms. It neither waits nor decides.

Ansible compiles a module anew in every run, so what only a changing task needs is imported where it is needed.
"""

from __future__ import annotations

import os
import re
from dataclasses import replace
from uuid import uuid4

from ..._lifecycle.errors import CommandFailed, PolyvirtError
from ..._lifecycle.light import KnownSettings, is_light
from ..._lifecycle.model import POWER_VERBS, SNAPSHOT_VERBS
from ..._lifecycle.one_by_one import one_by_one
from ..._ports import writes
from ..._ports.ceiling import call_timeout
from ..._ports.command import Commands
from ..._tools import virsh_output as output
from ..._tools.virsh import Virsh, is_not_found
from .definition import Definition
from .observe import Listing, observe_fully, observe_power
from .settings.networks import starting_effects
from .traits import EXTERNAL, virsh_traits

_DEFAULT_URI = "qemu:///system"
_SYSTEM_FOLDER = "/var/lib/libvirt/images"
_SESSION_FOLDER = "~/.local/share/libvirt/images"


def make_driver(params):
    """A driver from a module's parameters (those of ``virsh_vm`` or ``virsh_vm_info``)."""
    commands = Commands(call_timeout(params.get("call_timeout")))
    uri = params["uri"] or commands.environment("LIBVIRT_DEFAULT_URI") or _DEFAULT_URI
    virsh = Virsh(commands, params["executable"], uri)
    return VirshDriver(
        virsh,
        params.get("storage_path"),
        commands,
        native_keys=params.get("native") or {},
        virt_type=params.get("virt_type"),
        allow_network_start=bool(params.get("allow_network_start")),
        keeps_disks=params.get("state") == "absent" and params.get("delete_disks") == "none",
    )


def is_local(uri):
    """Whether the VMs' files are this host's own: only then can they be made and read here."""
    return not re.match(r"[^:]+://[^/]", uri)


class VirshDriver:
    """One connection to libvirt, for one task."""

    def __init__(self, virsh, storage_path, commands, **options):
        """``options``: virt_type, allow_network_start, native_keys, and keeps_disks (no disk is deleted)."""
        self.virsh, self.storage_path, self.commands = virsh, storage_path, commands
        self.virt_type = options.get("virt_type")
        self.allow_network_start = options.get("allow_network_start", False)
        self.hypervisor = self.library = ""
        self._native_keys = tuple(options.get("native_keys", ()))
        self._keeps_disks = options.get("keeps_disks", False)
        self._listing = None
        self._definitions = self._users = None
        self._settings = KnownSettings()
        #: {directory: bytes} and {(image, snapshot): bytes}: what the plans of this task copy.
        self.claimed, self.measured = {}, {}
        self._new_ids, self._sent, self._capabilities = {}, {}, None

    @property
    def storage(self):
        from ..._tools.qemu_img import QemuImg
        from .storage import Storage

        is_session = re.search(r"/session(\?|\Z)", self.virsh.uri) is not None
        # Root's session is the system's, whose guests run as a user that cannot enter root's home.
        own = _SESSION_FOLDER if is_session and os.geteuid() != 0 else _SYSTEM_FOLDER
        folder = os.path.expanduser(self.storage_path or own)
        return Storage(QemuImg(self.commands), folder, is_default=self.storage_path is None)

    @property
    def is_local(self):
        return is_local(self.virsh.uri)

    def virt_type_of_new(self):
        """How a new VM is run: as asked, else by the processor where libvirt offers that."""
        if self.virt_type:
            return self.virt_type
        return "kvm" if "<domain type='kvm'" in self.capabilities() else "qemu"

    def capabilities(self):
        """What libvirt tells of its host, asked once."""
        if self._capabilities is None:
            self._capabilities = self.virsh.run("capabilities")
        return self._capabilities

    # Looking --------------------------------------------------------------------------------------------------------

    def traits(self):
        # The listing also serves the first look: two processes suffice for a task that has nothing to do.
        self._listing = self._listing or Listing.read(self.virsh, with_networks=self.allow_network_start)
        self.hypervisor = self._listing.versions.hypervisor or "unknown"
        self.library = self._listing.versions.library or ""
        traits = virsh_traits(self.hypervisor, self.library, self.is_local)
        return replace(traits, side_effects=starting_effects(self._listing.inactive_networks))

    def observe(self, targets, facets):
        if is_light(targets, facets):
            observation = observe_power(self.virsh, [target.id for target in targets], facets)
            return replace(observation, vms=[vm.having(config=self._settings.of(vm.id)) for vm in observation.vms])
        listing, self._listing = self._listing or Listing.read(self.virsh), None
        if targets is None:
            uuids = list(listing.names)
        else:
            uuids = list(dict.fromkeys(uuid for target in targets for uuid in listing.uuids(target)))
        observation = observe_fully(self.virsh, listing, uuids, facets, self._native_keys)
        observation = replace(observation, vms=[self._with_sizes(vm) for vm in observation.vms])
        self._settings.remember(observation.vms)
        if "snapshot_configs" in facets and self.is_local:
            observation = replace(observation, vms=[self._with_frozen_sizes(vm) for vm in observation.vms])
        if "all_snapshots" in facets and self.is_local and self.hypervisor != "TEST":
            from .snapshots import with_leftover_snapshots

            observation = replace(observation, vms=[with_leftover_snapshots(self, vm) for vm in observation.vms])
        if "files" in facets and observation.vms:
            return self._with_files(observation)
        return observation

    def _with_sizes(self, vm):
        """Of a running VM libvirt tells only the disks it runs with; one for its next start is but a file yet."""
        if vm.active is None or not self.is_local:
            return vm
        waiting = {slot: disk for slot, disk in vm.config["disks"].items() if slot not in vm.active["disks"]}
        return vm.having(config={**vm.config, "disks": {**vm.config["disks"], **self._sized(waiting)}})

    def _sized(self, disks):
        """Disks, each as large as its file says."""
        return {slot: {**disk, "size": self.storage.size_of(disk["source"])} for slot, disk in disks.items()}

    def _with_frozen_sizes(self, vm):
        """What an external snapshot froze lies in a file of its own, which tells how large the disk was."""
        return vm.having(snapshots=tuple(self._with_frozen_size(one) for one in vm.snapshots))

    def _with_frozen_size(self, snapshot):
        if snapshot.kind != EXTERNAL or snapshot.config is None:
            return snapshot
        return replace(snapshot, config={**snapshot.config, "disks": self._sized(snapshot.config["disks"])})

    def leftovers(self, vm):
        from .snapshots import leftovers

        try:
            return tuple(leftovers(self, vm)) if self.is_local else None
        except PolyvirtError:
            return None

    def compare_content(self, vm, before, after):
        from .compare_content import compare_content

        return compare_content(self, vm, before, after)

    def _with_files(self, observation):
        from .file_users import FileUsers, NamedUsers, files_of

        definitions = self.read_definitions()
        users = None
        if self.is_local:
            qemu_img = self.storage.qemu_img
            users = NamedUsers(definitions) if self._keeps_disks else FileUsers(self.virsh, qemu_img, definitions)
        vms = []
        for vm in observation.vms:
            own = [one for one in definitions if one.uuid == vm.id]
            vms.append(vm.having(files=files_of(vm, own, users)))
        return replace(observation, vms=vms)

    def all_definitions(self):
        """Every VM's definition, and of those that run also what runs: both may name files."""
        if self._definitions is None:
            self._definitions = self.read_definitions()
        return self._definitions

    def definitions_of(self, vm):
        """What is stored of one VM, and what runs."""
        return [one for one in self.all_definitions() if one.uuid == vm.id]

    def file_users(self):
        """Who needs which file, by the same definitions; each image is read once."""
        from .file_users import FileUsers

        if self._users is None:
            self._users = FileUsers(self.virsh, self.storage.qemu_img, self.all_definitions())
        return self._users

    def read_definitions(self):
        """The same as they are in this moment."""
        uuids = [uuid for uuid, _name in output.domains(self.virsh.run("list", "--all", "--uuid", "--name"))]
        questions = [("dumpxml", uuid, *more) for uuid in uuids for more in ((), ("--inactive",))]
        answers = self.virsh.batch(questions) if questions else []
        for question, answer in zip(questions, answers):
            # One that went away meanwhile uses nothing; what another error hides may use everything.
            if answer.error and not is_not_found(answer.error):
                raise CommandFailed(("virsh", *question), 1, answer.error)
        return [Definition(answer.stdout) for answer in answers if not answer.error]

    def definition(self, uuid):
        """The stored definition with its secrets, for editing: without them they would be lost."""
        return Definition(self.virsh.run("dumpxml", uuid, "--inactive", "--security-info"))

    # Acting ---------------------------------------------------------------------------------------------------------

    def lane(self, vm):
        return vm.id or vm.name

    def preflight(self, plan):
        """Raise what would make the plan fail half-way; reads only."""
        from .checks import check_plan

        check_plan(self, plan)

    def apply(self, batch):
        self._definitions = self._users = None
        return one_by_one(self._carry_out, batch, writes.count)

    def _carry_out(self, vm, step):
        getattr(_file_of(step.verb), step.verb)(self, vm, step)

    def define(self, definition):
        self.virsh.run("define", "/dev/stdin", stdin=definition.text())

    def new_id(self, name):
        """(UUID of a VM to be created, whether it exists): the same one when its creation is sent again."""
        if name in self._new_ids:
            return self._new_ids[name], self._new_ids[name] in self.virsh.run("list", "--all", "--uuid").split()
        self._new_ids[name] = str(uuid4())
        return self._new_ids[name], False

    def is_stored(self, vm, changes, definition):
        """Whether these changes were sent before and are stored, which happens all at once and after all else.

        ``definition`` is the stored one now. A change that is named by its place must not be made to it again.
        """
        sent, text = self._sent.get(vm.id, (None, None))
        if sent == changes:
            return definition.text() != text
        self._sent[vm.id] = (changes, definition.text())
        return False


def _file_of(verb):
    """The file with the function for a verb, which has the verb's name: imported when the first such step is sent.

    Imports stand here in full, because Ansible ships only the files that it finds imported.
    """
    if verb in POWER_VERBS:
        from . import power as file
    elif verb in SNAPSHOT_VERBS:
        from . import snapshots as file
    elif verb == "create":
        from . import create as file
    elif verb == "clone":
        from . import clone as file
    elif verb == "configure":
        from . import configure as file
    else:
        from . import delete as file
    return file
