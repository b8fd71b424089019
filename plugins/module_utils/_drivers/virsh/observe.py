# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Observing up to a hundred VMs with two virsh processes: the first lists VMs, the second queries each of them.

Commands select a VM by its UUID, because virsh reads a numeric name as the id of a running VM.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from ..._core.errors import CommandFailed
from ..._core.mark import marked_settings
from ..._core.model import RUNNING, Address, Counters, Observation, Vm
from ..._kit.forwards import ssh_through
from ..._tools import virsh as tool
from ..._tools import virsh_addresses
from ..._tools import virsh_output as output
from ..._tools.virsh_states import state
from .definition import Definition, target_of
from .settings.disks import read_disks, read_iso
from .settings.firmware import runs_with_stored_firmware
from .settings.memory_cpus import align_maxima
from .settings.networks import NETWORK_LISTS, inactive_networks, read_networks
from .settings.port_forwards import read_forwards
from .settings.table import read_settings


@dataclass(frozen=True)
class Listing:
    """The output of the first process: versions, {UUID: name} of all VMs, and the UUIDs of VMs with some properties."""

    versions: output.Versions
    names: dict
    autostarted: frozenset
    saved: frozenset
    transient: frozenset
    active: frozenset
    inactive_networks: frozenset = frozenset()

    @classmethod
    def read(cls, virsh, with_networks=False):
        commands = [
            ("version",),
            ("list", "--all", "--uuid", "--name"),
            ("list", "--all", "--uuid", "--autostart"),
            ("list", "--all", "--uuid", "--with-managed-save"),
            ("list", "--all", "--uuid", "--transient"),
            ("list", "--uuid"),
        ]
        answers = virsh.batch([*commands, *(NETWORK_LISTS if with_networks else ())])
        if answers[1].error:
            raise CommandFailed(("virsh", *commands[1]), 1, answers[1].error)
        uuid_lists, networks = answers[2 : len(commands)], answers[len(commands) :]
        flags = [frozenset(answer.stdout.split()) for answer in uuid_lists]
        inactive = inactive_networks(networks) if networks else frozenset()
        return cls(output.versions(answers[0].stdout), dict(output.domains(answers[1].stdout)), *flags, inactive)

    def uuids(self, target):
        """UUIDs of the VMs that ``target`` selects; empty if there are none."""
        if target.id:
            return [target.id] if target.id in self.names else []
        return [uuid for uuid, name in self.names.items() if name == target.name]


def observe_fully(virsh, listing, uuids, facets, native_keys):
    """Full observation of ``uuids``: definitions, sizes, leases; more only if ``facets`` request it.

    ``answers_by_vm`` is a list of (UUID, {key of _vm_commands: Answer}).
    """
    commands_by_vm = [
        (uuid, _vm_commands(uuid, uuid in listing.active, uuid in listing.saved, facets)) for uuid in uuids
    ]
    answers_by_vm = _run_for_vms(virsh, commands_by_vm)
    _query_disks_separately(virsh, answers_by_vm)
    vms, snapshot_names = [], {}
    for uuid, answers in answers_by_vm:
        if not tool.is_not_found(answers["inactive"].error):
            vms.append(_vm(uuid, listing, answers, native_keys))
            snapshot_names[uuid] = _snapshot_names(uuid, answers)
    if any(names for names, _current in snapshot_names.values()):
        vms = _with_snapshots(virsh, vms, snapshot_names, native_keys if "snapshot_configs" in facets else None)
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


def _sizes(answers):
    """{slot: bytes} of the disks that can be read."""
    sizes = output.block_sizes(answers["sizes"].stdout)
    separate = {key[1]: answer.stdout for key, answer in answers.items() if key[0] == "size" and not answer.error}
    capacities = {target: output.key_values(text).get("Capacity", "") for target, text in separate.items()}
    return {**sizes, **{target: int(size) for target, size in capacities.items() if size.isdigit()}}


def _snapshot_names(uuid, answers):
    """(names of all snapshots, name of the current one), empty if the hypervisor driver does not support snapshots."""
    if "snapshots" not in answers or tool.is_unsupported(answers["snapshots"].error):
        return (), ""
    _raise_unless_gone(("snapshot-list", uuid), answers["snapshots"], "domain")
    # Not stripped, because a name may end with a space.
    return output.snapshots(answers["snapshots"].stdout), answers["current"].stdout.partition("\n")[0]


def _with_snapshots(virsh, vms, snapshot_names, native_keys):
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
            config_of = None if native_keys is None else partial(_snapshot_config, vm, native_keys)
            is_current = name == snapshot_names[vm.id][1]
            snapshots[vm.id].append(SnapshotXml.parse(answer.stdout).to_snapshot(is_current, config_of))
    return [vm.having(snapshots=tuple(snapshots[vm.id])) for vm in vms]


def _raise_unless_gone(command, answer, kind):
    """Raise CommandFailed for an error, unless the VM or the object (``kind``) was deleted in the meantime."""
    if answer.error and not (tool.is_not_found(answer.error, kind) or tool.is_not_found(answer.error)):
        raise CommandFailed(("virsh", *command), 1, answer.error)


def _snapshot_config(vm, native_keys, definition):
    """The settings in a snapshot's definition. It has no disk sizes, so the present ones are used."""
    sizes = {slot: disk.get("size") for slot, disk in (vm.config.get("disks") or {}).items()}
    mark = definition.mark or {}
    descriptive = {
        "description": definition.get("description") or "",
        **marked_settings(mark, vm.id),
        "autostart": vm.config["autostart"],
    }
    return {**_config(definition, sizes, frozenset(mark.get("files", ())), native_keys), **descriptive}


def _vm_commands(uuid, active, saved, facets):
    """{key: virsh command} for a full observation of one VM; ``active``: it runs, ``saved``: it is suspended."""
    commands = {
        "power": ("domstate", uuid, "--reason"),
        "inactive": ("dumpxml", uuid, "--inactive"),
        "sizes": ("domblkinfo", uuid, "--all"),
    }
    if active:
        commands["active"] = ("dumpxml", uuid)
        commands.update(virsh_addresses.questions(uuid, thoroughly="addresses" in facets))
        if "counters" in facets:
            commands["counters"] = ("domstats", uuid, "--cpu-total", "--balloon")
    if saved:
        commands["active"] = ("managedsave-dumpxml", uuid)
    if "snapshots" in facets:
        commands["snapshots"] = ("snapshot-list", uuid, "--name")
        commands["current"] = ("snapshot-current", uuid, "--name")
    return commands


def observe_power(virsh, uuids, facets):
    """Light observation while waiting, with one process: the power state, and addresses if requested."""
    vms = []
    for uuid, answers in _run_for_vms(virsh, [(uuid, _light_commands(uuid, facets)) for uuid in uuids]):
        if tool.is_not_found(answers["info"].error):
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
        vms.append(_with_addresses(vm, answers, vm.power))
    return Observation(vms=vms)


def _light_commands(uuid, facets):
    """{key: virsh command} for a light observation of one VM."""
    commands = {"power": ("domstate", uuid, "--reason"), "info": ("dominfo", uuid)}
    if "addresses" in facets:
        commands["active"] = ("dumpxml", uuid)
        commands.update(virsh_addresses.questions(uuid, thoroughly=True))
    return commands


def _vm(uuid, listing, answers, native_keys):
    """The Vm from the answers to _vm_commands, still without snapshots."""
    if answers["inactive"].error:
        raise CommandFailed(("virsh", "dumpxml", uuid, "--inactive"), 1, answers["inactive"].error)
    definition = Definition(answers["inactive"].stdout)
    sizes = _sizes(answers)
    power, busy, reason = state(answers["power"], uuid in listing.saved)
    mark = definition.mark
    own_files = frozenset((mark or {}).get("files", ()))
    descriptive = {
        "description": definition.get("description") or "",
        **marked_settings(mark, uuid),
        "autostart": uuid in listing.autostarted,
    }
    config = {**_config(definition, sizes, own_files, native_keys), **descriptive}
    active = None
    if "active" in answers and not answers["active"].error:
        # These settings have no separate values for the running VM.
        running = Definition(answers["active"].stdout)
        active = {**_config(running, sizes, own_files, native_keys), **descriptive}
        _ignore_rewritten_settings(config, active, definition, running)
    vm = Vm(
        name=definition.name,
        id=uuid,
        power=power,
        reason=reason,
        busy=busy,
        persistent=uuid not in listing.transient,
        config=config,
        active=active,
        mark=mark,
        counters=_counters(answers),
    )
    return _with_addresses(vm, answers, power)


def _counters(answers):
    """Counters that the hypervisor driver reports; ``disk_used`` is the space of all disks that can be read."""
    statistics = output.statistics(answers["counters"].stdout) if "counters" in answers else {}
    space = output.allocated_sizes(answers["sizes"].stdout)
    return Counters(
        cpu_time=statistics["cpu.time"] / 10**9 if "cpu.time" in statistics else None,
        memory_used=statistics["balloon.rss"] * 1024 if "balloon.rss" in statistics else None,
        disk_used=sum(space.values()) if space else None,
    )


def _ignore_rewritten_settings(config, active, stored, running):
    """Set values in ``active`` that libvirt itself rewrote in the running definition to those in ``config``.

    Such a difference is not a change that takes effect at the next start.
    """
    for name in ("secure_boot", "nested_virtualization"):
        if config[name] is None:
            active[name] = None  # The definition does not set it, so libvirt chose a value for the running VM.
    if active["secure_boot"] is None and runs_with_stored_firmware(stored, running, config["secure_boot"]):
        active["secure_boot"] = config["secure_boot"]
    align_maxima(config, active, stored, running)
    native = config.get("native", {})
    if native.get("cpu@mode") == "host-model" and active["native"].get("cpu@mode") == "custom":
        active["native"] = {**active["native"], "cpu@mode": "host-model"}


def _config(definition, sizes, own_files, native_keys):
    """The settings in a definition. ``own_files`` are the cloud-init seed ISOs, which ``iso`` does not report."""
    config = {
        **read_settings(definition),
        "disks": read_disks(definition, sizes),
        "networks": read_networks(definition),
        "iso": read_iso(definition, own_files),
    }
    if native_keys:
        config["native"] = {key: definition.native(key) for key in native_keys}
    return config


def _with_addresses(vm, answers, power):
    if power != RUNNING:
        return vm
    addresses = tuple(Address(*row) for row in virsh_addresses.reported(answers))
    return vm.having(addresses=addresses, ssh=_ssh_through_forward(answers) or _ssh(vm, addresses))


def _ssh_through_forward(answers):
    """How to connect through a port forward of the running VM, as on VirtualBox; None without one."""
    text = answers["active"].stdout if "active" in answers else ""
    return ssh_through(read_forwards(Definition(text)).values()) if "<portForward" in text else None


def _ssh(vm, addresses):
    """How to connect with SSH; ``scope`` is network if the address can be reached from other hosts, else host."""
    if not addresses:
        return None
    nics = (vm.config.get("networks") or {}).values()
    bridged = any(nic.get("type") == "bridged" for nic in nics)
    return {"host": addresses[0].address, "port": 22, "user": None, "scope": "network" if bridged else "host"}
