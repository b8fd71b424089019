# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt: observing up to a hundred VMs with two virsh processes: one lists the VMs, one queries each of them.

Commands select a VM by its UUID, because virsh reads a numeric name as the id of a running VM. If a task only compares
settings, its VMs with other names are queried by the first process too, and no second one is needed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from functools import cached_property, partial

from ..._core.errors import CommandFailed, PolyvirtError
from ..._core.frozen import Frozen, field, replace
from ..._core.model import Observation, Vm
from ..._core.record.mark import UNFINISHED, is_unfinished
from ..._kit.addresses import address_effects, recorded
from ..._kit.driver import KnownSettings, is_power_only
from ..._ports import files
from ..._ports.clock import call_timeout
from ..._ports.command import Commands
from ..._tools import virsh_output as output
from ..._tools.domain_xml import Definition, target_of
from ..._tools.virsh import (
    Virsh,
    connection_uri,
    is_local,
    is_not_found,
    is_unsupported,
    raise_for_errors,
)
from ..._tools.virsh_output import state
from .answers import (
    Needs,
    Seen,
    early_commands,
    is_of,
    light_commands,
    snapshot_config,
    vm_commands,
    vm_of,
    with_addresses,
)
from .settings.addresses import named_networks, sources_of, with_reserved
from .settings.architecture import host_architecture
from .settings.display import display_effects
from .settings.networks import NETWORK_LISTS, inactive_networks, starting_effects
from .traits import EXTERNAL, snapshot_effects, virsh_traits

#: A file of Debian and of distributions that take over its packages.
_DEBIAN = "/etc/debian_version"
_SYSTEM_FOLDER = "/var/lib/libvirt/images"
_SESSION_FOLDER = "~/.local/share/libvirt/images"


class Listing(Frozen, eq=False):
    """The output of the first process: versions, {UUID: name} of all VMs, and the UUIDs of VMs with some properties.

    ``early`` is {command: Answer} of queries by name.
    """

    versions: output.Versions
    names: dict
    autostarted: frozenset
    saved: frozenset
    transient: frozenset
    active: frozenset
    inactive_networks: frozenset = frozenset()
    early: Mapping = field(default_factory=dict)

    @classmethod
    def read(cls, virsh, with_networks=False, names=()):
        commands = [
            ("version",),
            ("list", "--all", "--uuid", "--name"),
            ("list", "--all", "--uuid", "--autostart"),
            ("list", "--all", "--uuid", "--with-managed-save"),
            ("list", "--all", "--uuid", "--transient"),
            ("list", "--uuid"),
        ]
        network_lists = NETWORK_LISTS if with_networks else ()
        queries = [command for name in names for command in early_commands(name)]
        answers = iter(virsh.batch([*commands, *network_lists, *queries]))
        lists = [next(answers) for _command in commands]
        networks = [next(answers) for _command in network_lists]
        raise_for_errors(commands[1:2], lists[1:2])
        flags = [frozenset(answer.stdout.split()) for answer in lists[2:]]
        inactive = inactive_networks(networks) if networks else frozenset()
        names_of = dict(output.domains(lists[1].stdout))
        return cls(output.versions(lists[0].stdout), names_of, *flags, inactive, dict(zip(queries, answers)))

    def uuids(self, target):
        """UUIDs of the VMs that ``target`` selects; empty if there are none."""
        if target.id:
            return [target.id] if target.id in self.names else []
        return self._uuids.get(target.name, [])

    @cached_property
    def _uuids(self):
        found = {}
        for uuid, name in self.names.items():
            found.setdefault(name, []).append(uuid)
        return found

    def early_answers(self, uuid, commands):
        """Return {key: Answer} if all of these commands were answered early, else None.

        Another VM may have got the name after the list was read.
        """
        by_name = [(command[0], self.names[uuid], *command[2:]) for command in commands.values()]
        if not all(command in self.early for command in by_name):
            return None
        answers = {key: self.early[command] for key, command in zip(commands, by_name)}
        return answers if is_of(uuid, answers["inactive"]) else None


def observe_fully(virsh, listing, uuids, facets, native_keys, seen):
    """Full observation of ``uuids``: definitions, sizes, leases; more only if ``facets`` request it.

    ``answers_by_vm`` is a list of (UUID, {key of vm_commands: Answer}). ``seen`` (Seen) gets what was read.
    """
    commands_by_vm = {uuid: vm_commands(uuid, listing, facets) for uuid in uuids}
    early = {uuid: listing.early_answers(uuid, commands) for uuid, commands in commands_by_vm.items()}
    later = dict(_run_for_vms(virsh, [(uuid, one) for uuid, one in commands_by_vm.items() if early[uuid] is None]))
    answers_by_vm = [(uuid, early[uuid] or later[uuid]) for uuid in uuids]
    _query_disks_separately(virsh, answers_by_vm)
    vms, snapshot_names = [], {}
    for uuid, answers in answers_by_vm:
        if not is_not_found(answers["inactive"].error):
            vms.append(vm_of(uuid, listing, answers, native_keys, is_local(virsh.uri)))
            seen.definitions[uuid] = answers["inactive"].stdout
            seen.checkpoints[uuid] = answers.get("checkpoints")
            snapshot_names[uuid] = _snapshot_names(uuid, answers)
    if any(names for names, _current in snapshot_names.values()):
        keys = native_keys if "snapshot_configs" in facets else None
        vms = _with_snapshots(virsh, vms, snapshot_names, keys, seen)
    return Observation(vms=vms, known=tuple(listing.names.values()))


def _run_for_vms(virsh, commands_by_vm):
    """Run all commands in one batch; from [(UUID, {key: command})] to [(UUID, {key: Answer})].

    libvirt waits five seconds for a guest agent that does not respond.
    """
    commands = [command for _uuid, by_key in commands_by_vm for command in by_key.values()]
    if not commands:
        return []
    timeout = 60 + 6 * sum("agent" in command for command in commands)
    answers = iter(virsh.batch(commands, timeout=timeout))
    return [(uuid, {key: next(answers) for key in by_key}) for uuid, by_key in commands_by_vm]


def _query_disks_separately(virsh, answers_by_vm):
    """If libvirt reported no sizes because it cannot read one of the disks, query each disk of the VM separately.

    These answers are added with the key ("size", target of the disk).
    """
    commands, targets = [], []
    for uuid, answers in answers_by_vm:
        if answers["sizes"].error and not answers["inactive"].error:
            definitions = [answers[key] for key in ("inactive", "active") if key in answers and not answers[key].error]
            disks = [disk for answer in definitions for disk in Definition(answer.stdout).drives("disk", "lun")]
            for target in sorted({target_of(disk) for disk in disks}):
                commands.append(("domblkinfo", uuid, target))
                targets.append((answers, target))
    reported = virsh.batch(commands) if commands else []
    for (answers, target), answer in zip(targets, reported):
        answers["size", target] = answer


def _snapshot_names(uuid, answers):
    """(names of all snapshots, name of the current one), empty if the hypervisor driver does not support snapshots."""
    if "snapshots" not in answers or is_unsupported(answers["snapshots"].error):
        return (), ""
    _raise_unless_gone(("snapshot-list", uuid), answers["snapshots"], "domain")
    # Not stripped, because a name may end with a space.
    return output.snapshots(answers["snapshots"].stdout), answers["current"].stdout.partition("\n")[0]


def _with_snapshots(virsh, vms, snapshot_names, native_keys, seen):
    """The VMs with their snapshots, which one process reads. ``snapshot_names`` is {UUID: result of _snapshot_names}.

    If ``native_keys`` is None, the settings in the snapshots are not read.
    """
    from .snapshots import SnapshotXml

    requested = [(vm, name) for vm in vms for name in snapshot_names[vm.id][0]]
    snapshots = {vm.id: [] for vm in vms}
    answers = virsh.batch([("snapshot-dumpxml", vm.id, "--snapshotname", name) for vm, name in requested])
    for (vm, name), answer in zip(requested, answers):
        _raise_unless_gone(("snapshot-dumpxml", vm.id, name), answer, "snapshot")
        if not answer.error:
            seen.snapshots[vm.id, name] = answer.stdout
            config_of = None if native_keys is None else partial(snapshot_config, vm, native_keys)
            is_current, own_files = name == snapshot_names[vm.id][1], vm.mark.get("files", ()) if vm.owned else ()
            taken = SnapshotXml.parse(answer.stdout).to_snapshot(vm.id, is_current, config_of, own_files)
            snapshots[vm.id].append(taken)
    return [vm.having(snapshots=tuple(snapshots[vm.id])) for vm in vms]


def _raise_unless_gone(command, answer, kind):
    """Raise CommandFailed for an error, unless the VM or the object (``kind``) was deleted in the meantime."""
    if answer.error and not (is_not_found(answer.error, kind) or is_not_found(answer.error)):
        raise CommandFailed(("virsh", *command), 1, answer.error)


def observe_power(virsh, uuids, facets):
    """Light observation while waiting, with one process: the power state, and addresses if requested."""
    vms = []
    for uuid, answers in _run_for_vms(virsh, [(uuid, light_commands(uuid, facets)) for uuid in uuids]):
        if is_not_found(answers["info"].error):
            continue
        if answers["info"].error:
            raise CommandFailed(("virsh", "dominfo", uuid), 1, answers["info"].error)
        info = output.key_values(answers["info"].stdout)
        power, busy, reason = state(answers["power"], info.get("Managed save") == "yes")
        vm = Vm(
            name=info["Name"],
            id=uuid,
            power=power,
            reason=reason,
            busy=busy,
            persistent=info.get("Persistent") != "no",
        )
        vms.append(with_addresses(vm, answers, vm.power))
    return Observation(vms=vms)


def make_observer(params):
    """The observer for the parameters of an info module."""
    return connected(VirshObserver, params)


def connected(kind, params):
    """An observer, or the driver (``kind``), for the parameters of a module."""
    commands = Commands(call_timeout(params.get("call_timeout")))
    uri = connection_uri(commands, params["uri"])
    return kind(Virsh(commands, params["executable"], uri), commands, params)


class VirshObserver:
    """Reads one connection to libvirt, for one task. ``options`` are the module's parameters.

    Ansible compiles a shipped module again in every run, so files that only some tasks need are imported there.
    """

    def __init__(self, virsh, commands, options):
        self.virsh, self.commands = virsh, commands
        self.options = options
        self.storage_path = options.get("storage_path")
        self.allow_network_start = bool(options.get("allow_network_start"))
        self.require_snapshots = bool(options.get("require_snapshots"))
        self.hypervisor = self.library = ""
        self._native_keys = tuple(options.get("native") or ())
        self._listing = self._capabilities = None
        self._definitions = self.needs = None
        #: {name: Vm} of the VMs whose creation is not complete.
        self.unfinished, self.warnings = {}, []
        self.seen = Seen()
        #: UUIDs of the VMs that were suspended when VMs were observed.
        self.saved = frozenset()
        self._settings = KnownSettings()
        #: Whether a task sets an address of a NIC. Without that, the networks are read only for VMs with reservations.
        self._reads_addresses = False

    @property
    def storage(self):
        from ..._tools.qemu_img import QemuImg
        from .storage import Storage

        folder = os.path.expanduser(self.storage_path or self.default_folder)
        return Storage(QemuImg(self.commands), folder, self.storage_path is None, self)

    @property
    def default_folder(self):
        """The directory for files, unless the task sets another one."""
        is_session = re.search(r"/session(\?|\Z)", self.virsh.uri) is not None
        # For root, the session is the system connection. Its guests run as a user who cannot enter root's home.
        return os.path.expanduser(_SESSION_FOLDER if is_session and os.geteuid() != 0 else _SYSTEM_FOLDER)

    @property
    def names_to_compare(self):
        """Names of VMs of which the task, as far as is known before it is planned, only compares the settings."""
        return ()

    @property
    def is_local(self):
        return is_local(self.virsh.uri)

    @cached_property
    def node_devices(self):
        from ..._tools.virsh_node_devices import NodeDevices

        return NodeDevices(self.virsh)

    def is_from_debian(self):
        return self.is_local and files.exists(_DEBIAN)

    def capabilities(self):
        """libvirt's description of its host, read once."""
        if self._capabilities is None:
            self._capabilities = self.virsh.run("capabilities")
        return self._capabilities

    host_architecture = cached_property(host_architecture)

    # Observing ------------------------------------------------------------------------------------------------------

    def traits(self):
        # The first observation reuses this listing, so that a task without changes needs one process, or two.
        if self._listing is None:
            self._listing = Listing.read(self.virsh, self.allow_network_start, self.names_to_compare)
        self.hypervisor = self._listing.versions.hypervisor or "unknown"
        self.library = self._listing.versions.library or ""
        traits = virsh_traits(
            self.hypervisor, self.library, self.is_local, self.is_from_debian, lambda: self.node_devices, host=self
        )
        starting = starting_effects(self._listing.inactive_networks)
        return replace(
            traits,
            side_effects=lambda verb, vm, changes: (
                *starting(verb, vm, changes),
                *display_effects(changes),
                *address_effects(verb, vm, changes),
                *snapshot_effects(verb, vm, changes),
            ),
        )

    def observe(self, targets, facets):
        if is_power_only(targets, facets):
            observation = observe_power(self.virsh, [target.id for target in targets], facets)
            return replace(observation, vms=[vm.having(config=self._settings.of(vm.id)) for vm in observation.vms])
        listing, self._listing = self._listing or Listing.read(self.virsh), None
        self.saved = listing.saved
        if targets is None:
            uuids = list(listing.names)
        else:
            uuids = list(dict.fromkeys(uuid for target in targets for uuid in listing.uuids(target)))
        native_keys = None if "native" in facets else self._native_keys
        found = observe_fully(self.virsh, listing, uuids, facets, native_keys, self.seen)
        observation = self._without_unfinished(found, facets)
        observation = replace(observation, vms=[self._with_sizes_of_waiting_disks(vm) for vm in observation.vms])
        self._reads_addresses = self._reads_addresses or "fixed_addresses" in facets
        observation = replace(observation, vms=self._with_reserved_addresses(observation.vms))
        self._settings.remember(observation.vms)
        if "snapshot_configs" in facets and self.is_local:
            observation = replace(observation, vms=[self._with_frozen_sizes(vm) for vm in observation.vms])
        if "all_snapshots" in facets and self.is_local and self.hypervisor != "TEST":
            from .snapshots import with_leftover_snapshots

            observation = replace(observation, vms=[with_leftover_snapshots(self, vm) for vm in observation.vms])
        return replace(observation, warnings=tuple(self.warnings))

    def _without_unfinished(self, observation, facets):
        """Such VMs do not exist yet, except for tasks that delete or list them."""
        halves = {vm.id for vm in observation.vms if vm.owned and is_unfinished(vm.mark)}
        for vm in observation.vms:
            self.unfinished.pop(vm.name, None)
        self.unfinished.update({vm.name: vm for vm in observation.vms if vm.id in halves})
        if "unfinished" in facets:
            vms = [vm.having(reason=UNFINISHED) if vm.id in halves else vm for vm in observation.vms]
            return replace(observation, vms=vms)
        known = tuple(name for name in observation.known if name not in self.unfinished)
        return replace(observation, vms=[vm for vm in observation.vms if vm.id not in halves], known=known)

    def _with_sizes_of_waiting_disks(self, vm):
        """Add the sizes of disks that are attached at the next start: libvirt reports only those of the running VM."""
        if vm.active is None or not self.is_local:
            return vm
        waiting = {slot: disk for slot, disk in vm.config["disks"].items() if slot not in vm.active["disks"]}
        return vm.having(config={**vm.config, "disks": {**vm.config["disks"], **self._with_file_sizes(waiting)}})

    def _with_reserved_addresses(self, vms):
        concerned = {vm.id: vm for vm in vms if self._reads_addresses or (vm.mark and recorded(vm.mark, vm.id))}
        sources = [sources_of(config) for vm in concerned.values() for config in (vm.config, vm.active)]
        networks = named_networks(self.virsh, frozenset().union(*sources)) if concerned else {}
        return [with_reserved(vm, networks) if vm.id in concerned else vm for vm in vms] if networks else vms

    def _with_file_sizes(self, disks):
        """{slot: disk} with the sizes read from the files."""
        return {slot: {**disk, "size": self.storage.size_of(disk)} for slot, disk in disks.items()}

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

    def consoles(self, vms):
        from .console import consoles

        return consoles(self, vms)

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
        """The stored and running definitions of all VMs, and those in saved memory, now; ``needs`` has the rest."""
        self.needs = Needs.read(self.virsh, self.library)
        self.saved = self.needs.saved
        return self.needs.definitions


def _size_within(disk, snapshot):
    """{size: bytes} that a disk has in an internal snapshot; empty if its image does not tell."""
    from ..._media.disk_header import is_qcow, snapshot_sizes

    try:
        sizes = snapshot_sizes(disk["source"]) if is_qcow(disk["source"]) else {}
    except PolyvirtError:
        return {}
    return {"size": sizes[snapshot]} if snapshot in sizes else {}
