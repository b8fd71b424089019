# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading from libvirt: the connection of one task. The drivers extend this class with the steps that change VMs.

Info modules are shipped with this file, but without the drivers. Ansible compiles a module again in every run, so files
that only some observations need are imported where they are needed.
"""

from __future__ import annotations

import os
import re
from dataclasses import replace

from ..._core.errors import CommandFailed, PolyvirtError
from ..._kit.light import KnownSettings, is_light
from ..._ports.ceiling import call_timeout
from ..._ports.command import Commands
from ..._tools import virsh_output as output
from ..._tools.virsh import Virsh, is_not_found
from .definition import Definition
from .observe import Listing, observe_fully, observe_power
from .settings.display import display_effects
from .settings.networks import starting_effects
from .traits import EXTERNAL, virsh_traits

_DEFAULT_URI = "qemu:///system"
_SYSTEM_FOLDER = "/var/lib/libvirt/images"
_SESSION_FOLDER = "~/.local/share/libvirt/images"


def make_reader(params):
    """The reader for the parameters of an info module."""
    return connected(VirshReader, params)


def connected(kind, params, **options):
    """A reader or driver of the class ``kind`` for a module's parameters."""
    commands = Commands(call_timeout(params.get("call_timeout")))
    uri = params["uri"] or commands.environment("LIBVIRT_DEFAULT_URI") or _DEFAULT_URI
    virsh = Virsh(commands, params["executable"], uri)
    return kind(
        virsh,
        params.get("storage_path"),
        commands,
        native_keys=params.get("native") or {},
        allow_network_start=bool(params.get("allow_network_start")),
        **options,
    )


def is_local(uri):
    """Whether libvirt runs on this host: otherwise the files of its VMs cannot be created or read here."""
    return not re.match(r"[^:]+://[^/]", uri)


class VirshReader:
    """One connection to libvirt, for one task that only reads."""

    def __init__(self, virsh, storage_path, commands, **options):
        """``options``: allow_network_start, native_keys."""
        self.virsh, self.storage_path, self.commands = virsh, storage_path, commands
        self.allow_network_start = options.get("allow_network_start", False)
        self.hypervisor = self.library = ""
        self._native_keys = tuple(options.get("native_keys", ()))
        self._listing = self._capabilities = None
        self._definitions = None
        #: UUIDs of the VMs that were suspended when VMs were observed.
        self.saved = frozenset()
        self._settings = KnownSettings()

    @property
    def storage(self):
        from ..._tools.qemu_img import QemuImg
        from .storage import Storage

        is_session = re.search(r"/session(\?|\Z)", self.virsh.uri) is not None
        # For root, the session is the system connection. Its guests run as a user who cannot enter root's home.
        default = _SESSION_FOLDER if is_session and os.geteuid() != 0 else _SYSTEM_FOLDER
        folder = os.path.expanduser(self.storage_path or default)
        return Storage(QemuImg(self.commands), folder, is_default=self.storage_path is None)

    @property
    def is_local(self):
        return is_local(self.virsh.uri)

    def capabilities(self):
        """libvirt's description of its host, read once."""
        if self._capabilities is None:
            self._capabilities = self.virsh.run("capabilities")
        return self._capabilities

    # Observing ------------------------------------------------------------------------------------------------------

    def traits(self):
        # The first observation reuses this listing, so a task without changes needs only two processes.
        self._listing = self._listing or Listing.read(self.virsh, with_networks=self.allow_network_start)
        self.hypervisor = self._listing.versions.hypervisor or "unknown"
        self.library = self._listing.versions.library or ""
        traits = virsh_traits(self.hypervisor, self.library, self.is_local)
        starting = starting_effects(self._listing.inactive_networks)
        return replace(
            traits, side_effects=lambda verb, vm, changes: (*starting(verb, vm, changes), *display_effects(changes))
        )

    def observe(self, targets, facets):
        if is_light(targets, facets):
            observation = observe_power(self.virsh, [target.id for target in targets], facets)
            return replace(observation, vms=[vm.having(config=self._settings.of(vm.id)) for vm in observation.vms])
        listing, self._listing = self._listing or Listing.read(self.virsh), None
        self.saved = listing.saved
        if targets is None:
            uuids = list(listing.names)
        else:
            uuids = list(dict.fromkeys(uuid for target in targets for uuid in listing.uuids(target)))
        observation = observe_fully(self.virsh, listing, uuids, facets, self._native_keys)
        observation = replace(observation, vms=[self._with_sizes_of_waiting_disks(vm) for vm in observation.vms])
        self._settings.remember(observation.vms)
        if "snapshot_configs" in facets and self.is_local:
            observation = replace(observation, vms=[self._with_frozen_sizes(vm) for vm in observation.vms])
        if "all_snapshots" in facets and self.is_local and self.hypervisor != "TEST":
            from .snapshots import with_leftover_snapshots

            observation = replace(observation, vms=[with_leftover_snapshots(self, vm) for vm in observation.vms])
        return observation

    def _with_sizes_of_waiting_disks(self, vm):
        """Add the sizes of disks that are attached at the next start: libvirt reports only those of the running VM."""
        if vm.active is None or not self.is_local:
            return vm
        waiting = {slot: disk for slot, disk in vm.config["disks"].items() if slot not in vm.active["disks"]}
        return vm.having(config={**vm.config, "disks": {**vm.config["disks"], **self._with_file_sizes(waiting)}})

    def _with_file_sizes(self, disks):
        """{slot: disk} with the sizes read from the files."""
        return {slot: {**disk, "size": self.storage.size_of(disk["source"])} for slot, disk in disks.items()}

    def _with_frozen_sizes(self, vm):
        """Replace the disk sizes in snapshots by those of their frozen files, or of the snapshots within the images."""
        return vm.having(snapshots=tuple(self._with_frozen_size(snapshot) for snapshot in vm.snapshots))

    def _with_frozen_size(self, snapshot):
        if snapshot.config is None:
            return snapshot
        disks = snapshot.config["disks"]
        if snapshot.kind == EXTERNAL:
            disks = self._with_file_sizes(disks)
        else:
            disks = {slot: {**disk, **_size_within(disk, snapshot.name)} for slot, disk in disks.items()}
        return replace(snapshot, config={**snapshot.config, "disks": disks})

    def leftovers(self, vm):
        from .snapshots import leftovers

        try:
            return tuple(leftovers(self, vm)) if self.is_local else None
        except PolyvirtError:
            return None

    def compare_content(self, vm, before, after):
        from .compare_content import compare_content

        return compare_content(self, vm, before, after)

    def all_definitions(self):
        """The stored and running definitions of all VMs, which may contain different files; cached."""
        if self._definitions is None:
            self._definitions = self.read_definitions()
        return self._definitions

    def definitions_of(self, vm):
        """The stored and the running definition of one VM."""
        return [one for one in self.all_definitions() if one.uuid == vm.id]

    def read_definitions(self):
        """The stored and running definitions of all VMs, read now."""
        uuids = [uuid for uuid, _name in output.domains(self.virsh.run("list", "--all", "--uuid", "--name"))]
        commands = [("dumpxml", uuid, *options) for uuid in uuids for options in ((), ("--inactive",))]
        answers = self.virsh.batch(commands) if commands else []
        for command, answer in zip(commands, answers):
            # A VM that was deleted in the meantime uses no files; a VM that cannot be read could use any file.
            if answer.error and not is_not_found(answer.error):
                raise CommandFailed(("virsh", *command), 1, answer.error)
        return [Definition(answer.stdout) for answer in answers if not answer.error]

    def definition(self, uuid):
        """The stored definition with its secrets, which would be lost if it were edited and stored without them."""
        return Definition(self.virsh.run("dumpxml", uuid, "--inactive", "--security-info"))


def _size_within(disk, snapshot):
    """{size: bytes} that a disk has in an internal snapshot; empty if its image does not tell."""
    from ..._tools.disk_header import is_qcow, snapshot_sizes

    try:
        sizes = snapshot_sizes(disk["source"]) if is_qcow(disk["source"]) else {}
    except PolyvirtError:
        return {}
    return {"size": sizes[snapshot]} if snapshot in sizes else {}
