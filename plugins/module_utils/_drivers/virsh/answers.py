# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt: what is asked of virsh about one VM, and the Vm that results from the answers; what all VMs may need."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Mapping

from ..._core.errors import CommandFailed
from ..._core.frozen import Frozen, Mutable, field
from ..._core.model import RUNNING, Address, Counters, Vm
from ..._core.record.mark import is_mark_of, mark_on, marked_settings
from ..._kit.addresses import ssh_through
from ..._ports import files
from ..._tools import virsh_output
from ..._tools import virsh_output as output
from ..._tools.domain_xml import Definition, target_of, without_secrets
from ..._tools.virsh import is_not_found, is_not_saved, is_unsupported, raise_for_errors
from ..._tools.virsh_output import state
from .settings.cdroms import reserved_targets, seed_files
from .settings.firmware import runs_with_stored_firmware
from .settings.memory_cpus import align_maxima
from .settings.port_forwards import read_forwards
from .settings.table import config_of

#: First libvirt version with checkpoints.
_CHECKPOINTS_SINCE = (5, 6)
#: The lists of all VMs, of those with saved memory, and of storage pools.
_LISTS = (
    ("list", "--all", "--uuid", "--name"),
    ("list", "--all", "--uuid", "--with-managed-save"),
    ("pool-list", "--all", "--name"),
)


class Seen(Mutable, eq=False):
    """What the last observations read: {UUID: text of the stored definition}, {(UUID, name): text of a snapshot}, and
    {UUID: Answer with the names of checkpoints, None if they were not read}.
    """

    definitions: dict = field(default_factory=dict)
    snapshots: dict = field(default_factory=dict)
    checkpoints: dict = field(default_factory=dict)


class Needs(Frozen, eq=False):
    """What may need a file on the whole host, read by two processes.

    ``definitions`` are the stored and running ones of all VMs, and those in saved memory; ``saved`` the UUIDs of VMs
    with saved memory, ``snapshots`` the commands that read all snapshots and checkpoints, ``pools`` {name: definition}.
    """

    definitions: list
    saved: frozenset = frozenset()
    snapshots: list = ()
    pools: Mapping = field(default_factory=dict)

    @classmethod
    def read(cls, virsh, library):
        has_checkpoints = output.version_numbers(library or "") >= _CHECKPOINTS_SINCE
        kinds = ("snapshot", "checkpoint") if has_checkpoints else ("snapshot",)
        lists = [*_LISTS, *(("list", "--all", "--uuid", f"--with-{kind}") for kind in kinds)]
        names, with_saved, pools, *with_any = answers = virsh.batch(lists)
        raise_for_errors(lists[:1], answers[:1])
        # Without the daemon of pools, their directories are not known; what cannot be read of VMs may need any file.
        raise_for_errors([lists[1], *lists[3:]], [with_saved, *with_any], is_unsupported)
        saved = frozenset(with_saved.stdout.split())
        uuids = [uuid for uuid, _name in output.domains(names.stdout)]
        commands = [("dumpxml", uuid, *options) for uuid in uuids for options in ((), ("--inactive",))]
        commands += [("managedsave-dumpxml", uuid) for uuid in uuids if uuid in saved]
        commands += [(f"{kind}-list", one, "--name") for kind, of in zip(kinds, with_any) for one in of.stdout.split()]
        more = [("pool-dumpxml", name) for name in output.names(pools.stdout)]
        answers = virsh.batch([*commands, *more]) if commands or more else []
        raise_for_errors(commands, answers, lambda error: is_not_found(error) or is_not_saved(error))
        found = {}
        for words, answer in zip([*commands, *more], answers):
            if not answer.error:
                found.setdefault(words[0], []).append((words[1], answer.stdout))
        return cls(
            [Definition(text) for _uuid, text in found.get("dumpxml", ())]
            + [Definition(text, is_saved=True) for _uuid, text in found.get("managedsave-dumpxml", ())],
            saved,
            [
                (f"{kind}-dumpxml", uuid, f"--{kind}name", name)
                for kind in kinds
                for uuid, text in found.get(f"{kind}-list", ())
                for name in output.snapshots(text)
            ],
            {name: ET.fromstring(text) for name, text in found.get("pool-dumpxml", ())},
        )


def vm_commands(uuid, listing, facets):
    """{key: virsh command} for a full observation of one VM of the Listing."""
    commands = {
        "power": ("domstate", uuid, "--reason"),
        "inactive": ("dumpxml", uuid, "--inactive"),
        "sizes": ("domblkinfo", uuid, "--all"),
    }
    if "native" in facets:
        commands["secrets"] = ("dumpxml", uuid, "--inactive", "--security-info")
    if uuid in listing.active:
        commands["active"] = ("dumpxml", uuid)
        commands.update(virsh_output.questions(uuid, thoroughly="addresses" in facets))
        if "counters" in facets:
            commands["counters"] = ("domstats", uuid, "--cpu-total", "--balloon")
    if uuid in listing.saved:
        commands["active"] = ("managedsave-dumpxml", uuid)
    if "snapshots" in facets:
        commands["snapshots"] = ("snapshot-list", uuid, "--name")
        commands["current"] = ("snapshot-current", uuid, "--name")
        has_checkpoints = output.version_numbers(listing.versions.library or "") >= _CHECKPOINTS_SINCE
        if "snapshot_configs" in facets and has_checkpoints:
            commands["checkpoints"] = ("checkpoint-list", uuid, "--name")
    return commands


def early_commands(name):
    """Return the commands of vm_commands for a VM of which only the name is known, if the task compares settings.

    The stored definition is the last one, because it shows which VM had the name (``is_of``).
    """
    return [
        ("domstate", name, "--reason"),
        ("domblkinfo", name, "--all"),
        *virsh_output.questions(name, thoroughly=False).values(),
        ("dumpxml", name),
        ("dumpxml", name, "--inactive"),
    ]


def is_of(uuid, answer):
    """Return whether a definition was read that is of this VM: libvirt prints its UUID before anything of users."""
    return not answer.error and answer.stdout.partition("<uuid>")[2].startswith(f"{uuid}<")


def light_commands(uuid, facets):
    """{key: virsh command} for a quick observation of one VM."""
    commands = {"power": ("domstate", uuid, "--reason"), "info": ("dominfo", uuid)}
    if "addresses" in facets:
        commands["active"] = ("dumpxml", uuid)
        commands.update(virsh_output.questions(uuid, thoroughly=True))
    return commands


def _sizes(answers):
    """{slot: bytes} of the disks that can be read."""
    sizes = output.block_sizes(answers["sizes"].stdout)
    separate = {key[1]: answer.stdout for key, answer in answers.items() if key[0] == "size" and not answer.error}
    capacities = {target: output.key_values(text).get("Capacity", "") for target, text in separate.items()}
    return {**sizes, **{target: int(size) for target, size in capacities.items() if size.isdigit()}}


def mark_here(definition):
    """Return the mark of a definition on this host, without files that only the mark of another host names."""
    mark = definition.mark

    def is_attached(path):
        from .own_files import attached_files  # Only a VM of another host needs it.

        return path in {named for _mode, named in attached_files(definition)}

    return mark_on(files.host_name(), mark, is_attached) if is_mark_of(mark, definition.uuid) else mark


def vm_of(uuid, listing, answers, native_keys, is_local=True):
    """The Vm from the answers to vm_commands, still without snapshots."""
    if answers["inactive"].error:
        raise CommandFailed(("virsh", "dumpxml", uuid, "--inactive"), 1, answers["inactive"].error)
    definition = Definition(answers["inactive"].stdout)
    sizes = _sizes(answers)
    power, busy, reason = state(answers["power"], uuid in listing.saved)
    mark = mark_here(definition) if is_local else definition.mark
    own_files = seed_files(mark)
    descriptive = {
        "description": definition.get("description") or "",
        **marked_settings(mark, uuid),
        "autostart": uuid in listing.autostarted,
    }
    config = {**config_of(definition, sizes, own_files, native_keys), **descriptive}
    active = None
    if "active" in answers and not answers["active"].error:
        # These settings have no separate values for the running VM.
        running = Definition(answers["active"].stdout)
        active = {**config_of(running, sizes, own_files, native_keys), **descriptive}
        _ignore_rewritten_settings(config, active, definition, running)
    vm = Vm(
        not_modelled=lambda: _not_modelled(definition, answers),
        name=definition.name,
        id=uuid,
        power=power,
        reason=reason,
        busy=busy,
        persistent=uuid not in listing.transient,
        config=config,
        active=active,
        mark=mark,
        reserved=reserved_targets(definition, own_files),
        counters=_counters(answers, set(map(target_of, definition.drives("cdrom", "floppy")))),
        revision=without_secrets(definition.stored),
    )
    return with_addresses(vm, answers, power)


def _not_modelled(definition, answers):
    from .settings.described import not_modelled, unread_secrets  # Most tasks do not need it.

    complete = answers.get("secrets")
    if complete is None or complete.error:
        return {**not_modelled(definition), **unread_secrets(definition)}
    return not_modelled(Definition(complete.stdout))


def _counters(answers, drives):
    """Counters that the hypervisor driver reports; ``disk_used`` is the space of all disks that can be read.

    Images in ``drives`` for media are not those of disks.
    """
    statistics = output.statistics(answers["counters"].stdout) if "counters" in answers else {}
    sizes = output.allocated_sizes(answers["sizes"].stdout)
    space = {slot: used for slot, used in sizes.items() if slot not in drives}
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


def with_addresses(vm, answers, power):
    if power != RUNNING:
        return vm
    addresses = tuple(Address(*row) for row in virsh_output.reported(answers))
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


def snapshot_config(vm, native_keys, definition):
    """The settings in a snapshot's definition. It has no disk sizes, so the present ones are used."""
    sizes = {slot: disk.get("size") for slot, disk in (vm.config.get("disks") or {}).items()}
    mark = definition.mark or {}
    descriptive = {
        "description": definition.get("description") or "",
        **marked_settings(mark, vm.id),
        "autostart": vm.config["autostart"],
    }
    return {**config_of(definition, sizes, seed_files(mark), native_keys), **descriptive}
