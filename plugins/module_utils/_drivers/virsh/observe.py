# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Observing up to a hundred VMs with two virsh processes: one lists them, one queries each.

VMs are addressed by UUID, because virsh reads a numeric name as the id of a running VM.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from ..._lifecycle.errors import CommandFailed
from ..._lifecycle.mark import marked_settings
from ..._lifecycle.model import RUNNING, Address, Counters, Observation, Vm
from ..._tools import virsh as tool
from ..._tools import virsh_addresses
from ..._tools import virsh_output as output
from ..._tools.virsh_states import state
from .definition import Definition, target_of
from .settings.disks import read_disks, read_iso
from .settings.firmware import runs_as_stored
from .settings.memory_cpus import align_maxima
from .settings.networks import QUESTIONS, inactive_networks, read_networks
from .settings.table import read_settings


@dataclass(frozen=True)
class Listing:
    """The output of the listing process: versions and, by UUID, each VM's name and some flags."""

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
        answers = virsh.batch([*commands, *(QUESTIONS if with_networks else ())])
        if answers[1].error:
            raise CommandFailed(("virsh", *commands[1]), 1, answers[1].error)
        machines, networks = answers[: len(commands)], answers[len(commands) :]
        flags = [frozenset(answer.stdout.split()) for answer in machines[2:]]
        inactive = inactive_networks(networks) if networks else frozenset()
        return cls(output.versions(answers[0].stdout), dict(output.domains(answers[1].stdout)), *flags, inactive)

    def uuids(self, target):
        """Every VM that ``target`` may mean."""
        if target.id:
            return [target.id] if target.id in self.names else []
        return [uuid for uuid, name in self.names.items() if name == target.name]


def observe_fully(virsh, listing, uuids, facets, native_keys):
    """Full observation of ``uuids``: definitions, sizes, leases; more only if ``facets`` request it."""
    questions, per_machine = [], []
    for uuid in uuids:
        requested = _questions(uuid, uuid in listing.active, uuid in listing.saved, facets)
        per_machine.append((uuid, list(requested)))
        questions += requested.values()
    answers = iter(_asked(virsh, questions)) if questions else iter(())
    found, taken = [], {}
    reported = [(uuid, {key: next(answers) for key in keys}) for uuid, keys in per_machine]
    _ask_for_each_size(virsh, reported)
    for uuid, answered in reported:
        if not tool.is_not_found(answered["inactive"].error):
            found.append(_machine(uuid, listing, answered, native_keys))
            taken[uuid] = _names(uuid, answered)
    if any(names for names, _current in taken.values()):
        found = _with_snapshots(virsh, found, taken, native_keys if "snapshot_configs" in facets else None)
    return Observation(vms=found, known=tuple(listing.names.values()))


def _ask_for_each_size(virsh, reported):
    """If one disk cannot be read, libvirt reports no size at all; then each disk is queried separately."""
    questions, targets = [], []
    for uuid, answered in reported:
        if answered["sizes"].error and not answered["inactive"].error:
            texts = [
                answered[key].stdout for key in ("inactive", "active") if key in answered and not answered[key].error
            ]
            disks = {target_of(disk) for text in texts for disk in Definition(text).drives("disk", "lun")}
            questions += [("domblkinfo", uuid, target) for target in sorted(disks)]
            targets += [(answered, target) for target in sorted(disks)]
    answers = virsh.batch(questions) if questions else []
    for (answered, target), answer in zip(targets, answers):
        answered["size", target] = answer


def _sizes(answered):
    """{slot: bytes} of the disks that can be read."""
    sizes = output.block_sizes(answered["sizes"].stdout)
    each = {key[1]: answer.stdout for key, answer in answered.items() if key[0] == "size" and not answer.error}
    reported = {target: output.key_values(text).get("Capacity", "") for target, text in each.items()}
    return {**sizes, **{target: int(size) for target, size in reported.items() if size.isdigit()}}


def _names(uuid, answered):
    """(names of all snapshots, name of the current one); none if the driver of libvirt does not support snapshots."""
    if "snapshots" not in answered or tool.is_unsupported(answered["snapshots"].error):
        return (), ""
    _raise_unless_gone(("snapshot-list", uuid), answered["snapshots"], "domain")
    # Not stripped: a name may end with a space.
    return output.snapshots(answered["snapshots"].stdout), answered["current"].stdout.partition("\n")[0]


def _with_snapshots(virsh, vms, taken, native_keys):
    """``taken`` are (names of its snapshots, name of the current one) by VM; one process reads all of them.

    With ``native_keys`` None, the settings in the snapshots are not read.
    """
    from .snapshots import SnapshotXml

    requested = [(vm, name) for vm in vms for name in taken[vm.id][0]]
    reported = {vm.id: [] for vm in vms}
    answers = virsh.batch([("snapshot-dumpxml", vm.id, "--snapshotname", name) for vm, name in requested])
    for (vm, name), answer in zip(requested, answers):
        _raise_unless_gone(("snapshot-dumpxml", vm.id, name), answer, "snapshot")
        if not answer.error:
            config_of = None if native_keys is None else partial(_config_then, vm, native_keys)
            reported[vm.id].append(SnapshotXml.parse(answer.stdout).described(name == taken[vm.id][1], config_of))
    return [vm.having(snapshots=tuple(reported[vm.id])) for vm in vms]


def _raise_unless_gone(words, answer, kind):
    """Raise CommandFailed, unless the error means that the object was deleted in the meantime."""
    if answer.error and not (tool.is_not_found(answer.error, kind) or tool.is_not_found(answer.error)):
        raise CommandFailed(("virsh", *words), 1, answer.error)


def _config_then(vm, native_keys, definition):
    """The settings in a snapshot's definition. It has no disk sizes, so the present ones are used."""
    sizes = {slot: disk.get("size") for slot, disk in (vm.config.get("disks") or {}).items()}
    mark = definition.mark or {}
    kept = {
        "description": definition.get("description") or "",
        **marked_settings(mark, vm.id),
        "autostart": vm.config["autostart"],
    }
    return {**_config(definition, sizes, frozenset(mark.get("files", ())), native_keys), **kept}


def _asked(virsh, questions):
    """Run the questions; libvirt waits five seconds for a guest agent that hangs."""
    return virsh.batch(questions, timeout=60 + 6 * sum("agent" in question for question in questions))


def _questions(uuid, active, saved, facets):
    requested = {
        "power": ("domstate", uuid, "--reason"),
        "inactive": ("dumpxml", uuid, "--inactive"),
        "sizes": ("domblkinfo", uuid, "--all"),
    }
    if active:
        requested["active"] = ("dumpxml", uuid)
        requested.update(virsh_addresses.questions(uuid, thoroughly="addresses" in facets))
        if "counters" in facets:
            requested["counters"] = ("domstats", uuid, "--cpu-total", "--balloon")
    if saved:
        requested["active"] = ("managedsave-dumpxml", uuid)
    if "snapshots" in facets:
        requested["snapshots"] = ("snapshot-list", uuid, "--name")
        requested["current"] = ("snapshot-current", uuid, "--name")
    return requested


def observe_power(virsh, uuids, facets):
    """Light observation while waiting: power, and addresses if requested. One process."""
    per_machine = [(uuid, _light_questions(uuid, facets)) for uuid in uuids]
    answers = iter(_asked(virsh, [question for _uuid, requested in per_machine for question in requested.values()]))
    found = []
    for uuid, requested in per_machine:
        answered = {key: next(answers) for key in requested}
        if tool.is_not_found(answered["info"].error):
            continue
        if answered["info"].error:
            raise CommandFailed(("virsh", "dominfo", uuid), 1, answered["info"].error)
        info = output.key_values(answered["info"].stdout)
        power, busy, reason = state(answered["power"], info.get("Managed save") == "yes")
        vm = Vm(
            name=info["Name"],
            id=uuid,
            power=power,
            reason=reason,
            busy=busy,
            persistent=info.get("Persistent") != "no",
        )
        found.append(_with_addresses(vm, answered, vm.power))
    return Observation(vms=found)


def _light_questions(uuid, facets):
    requested = {"power": ("domstate", uuid, "--reason"), "info": ("dominfo", uuid)}
    if "addresses" in facets:
        requested.update(virsh_addresses.questions(uuid, thoroughly=True))
    return requested


def _machine(uuid, listing, answered, native_keys):
    if answered["inactive"].error:
        raise CommandFailed(("virsh", "dumpxml", uuid, "--inactive"), 1, answered["inactive"].error)
    definition = Definition(answered["inactive"].stdout)
    sizes = _sizes(answered)
    power, busy, reason = state(answered["power"], uuid in listing.saved)
    mark = definition.mark
    own_files = frozenset((mark or {}).get("files", ()))
    kept = {
        "description": definition.get("description") or "",
        **marked_settings(mark, uuid),
        "autostart": uuid in listing.autostarted,
    }
    config = {**_config(definition, sizes, own_files, native_keys), **kept}
    active = None
    if "active" in answered and not answered["active"].error:
        # Descriptive settings are the same whether the VM is running or not.
        running = Definition(answered["active"].stdout)
        active = {**_config(running, sizes, own_files, native_keys), **kept}
        _undo_rewriting(config, active, definition, running)
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
        counters=_counters(answered),
    )
    return _with_addresses(vm, answered, power)


def _counters(answered):
    """Without those that libvirt's driver does not have; the space is that of all disks that can be read."""
    found = output.statistics(answered["counters"].stdout) if "counters" in answered else {}
    space = output.allocated_sizes(answered["sizes"].stdout)
    return Counters(
        cpu_time=found["cpu.time"] / 10**9 if "cpu.time" in found else None,
        memory_used=found["balloon.rss"] * 1024 if "balloon.rss" in found else None,
        disk_used=sum(space.values()) if space else None,
    )


def _undo_rewriting(config, active, stored, running):
    """Undo what libvirt rewrites in a running VM: it is not a change that waits for the next start."""
    for name in ("secure_boot", "nested_virtualization"):
        if config[name] is None:
            active[name] = None  # The setting was left to the host, which chose this value.
    if active["secure_boot"] is None and runs_as_stored(stored, running, config["secure_boot"]):
        active["secure_boot"] = config["secure_boot"]
    align_maxima(config, active, stored, running)
    native = config.get("native", {})
    if native.get("cpu@mode") == "host-model" and active["native"].get("cpu@mode") == "custom":
        active["native"] = {**active["native"], "cpu@mode": "host-model"}


def _config(definition, sizes, own_files, native_keys):
    config = {
        **read_settings(definition),
        "disks": read_disks(definition, sizes),
        "networks": read_networks(definition),
        "iso": read_iso(definition, own_files),
    }
    if native_keys:
        config["native"] = {key: definition.native(key) for key in native_keys}
    return config


def _with_addresses(vm, answered, power):
    if power != RUNNING:
        return vm
    addresses = tuple(Address(*row) for row in virsh_addresses.reported(answered))
    return vm.having(addresses=addresses, ssh=_ssh(vm, addresses))


def _ssh(vm, addresses):
    if not addresses:
        return None
    nics = (vm.config.get("networks") or {}).values()
    bridged = any(nic.get("type") == "bridged" for nic in nics)
    return {"host": addresses[0].address, "port": 22, "user": None, "scope": "network" if bridged else "host"}
