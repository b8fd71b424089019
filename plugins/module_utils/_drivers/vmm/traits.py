# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What OpenBSD's vmd supports, as data: settings and the cost of changing them, limits, alternatives."""

from __future__ import annotations

import re

from ..._core.errors import Refused
from ..._core.mark import IN_MARK
from ..._core.model import (
    ABSENT,
    LIVE,
    NEVER,
    NEXT_BOOT,
    PAUSED,
    POWER_OFF,
    RUNNING,
    STOPPED,
    UNKNOWN,
    Field,
    Traits,
)
from ..._core.units import GIB, MIB, human_size
from ..._tools.vmctl import Busy, RateLimited
from .definition import LOCAL, NATIVE, NATIVE_FLAGS, SWITCH, config_inherited, slot_name
from .marked_block import cannot_be_quoted
from .options import VMM

#: vmd's limits, from vmd.h.
_LONGEST_NAME, MOST_DISKS, MOST_NICS = 63, 4, 4
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*", re.ASCII)
_OWNER = re.compile(r"[\w.-]*(:[\w.-]+)?", re.ASCII)
_VERBS = frozenset({"create", "clone", "configure", "start", "stop", "kill", "pause", "resume", "delete"})
_DETACH = "Detach it (state: absent), and attach another."


def vmm_traits(reader):
    """Return the Traits of the vmd that ``reader`` reads."""

    def side_effects(verb, vm, changes=()):
        if verb == "stop" and not reader.options.get("guest_shutdown"):
            return (
                "a guest without the driver vmmci(4), such as most Linux systems, is powered off without a shutdown",
            )
        is_stored_only = verb == "configure" and (vm.on or all(change.kind in UNREAD for change in changes))
        if verb not in READ_AGAIN or is_stored_only or reader.found is None:
            return ()
        others = reader.found.others_started({vm.name})
        return tuple(f"{name}: vmd starts it when it reads vm.conf again; it is stopped immediately" for name in others)

    def inherited(creation):
        template = reader.found.definition(creation["instance_of"]) if creation.get("instance_of") else None
        return config_inherited(template) if template else {}

    return Traits(
        platform=VMM.name,
        powers=frozenset({STOPPED, RUNNING, PAUSED}),
        verbs=_VERBS,
        fields=FIELDS,
        defaults={
            "cpus": 1,
            "memory": GIB,
            "disk_size": 20 * GIB,
            "autostart": False,
            "networks": {"0": {"type": LOCAL}},
        },
        instead={
            **VMM.lacks,
            "suspended": VMM.lacks["state=suspended"],
            "snapshot": "vmd has no snapshots. Stop the VM, and clone it.",
            UNKNOWN: "Check the VM with vmctl status and the log /var/log/daemon.",
        },
        slot=slot_name,
        name_fault=_name_fault,
        linked_format="qcow2",
        cloned_with=frozenset({"memory", "autostart", "iso", "boot", "boot_device", "owner", "native"}),
        # All VMs share vm.conf.
        lanes_at_once=1,
        transient=lambda error: isinstance(error, (Busy, RateLimited)),
        side_effects=side_effects,
        # The guest has 3 s to acknowledge and 120 s to finish; then vmd powers it off.
        stop_timeout=130,
        inherited=inherited,
        adjust=_normalized,
    )


def _name_fault(name):
    if len(name.encode("utf-8", "surrogateescape")) > _LONGEST_NAME:
        return f"vmd allows at most {_LONGEST_NAME} bytes"
    if not _NAME.fullmatch(name):
        return "vmd allows letters, digits, dots, hyphens and underscores, and a letter or digit first"
    return "vmctl would read a number as the number of a VM" if name.isdigit() else None


#: Verbs after which vmd has to read vm.conf again, and settings that can change without that.
READ_AGAIN = ("create", "clone", "configure", "delete")
UNREAD = ("description", *IN_MARK, "autostart")
_STORED = Field(cost=NEXT_BOOT)

FIELDS = {
    "cpus": Field(
        cost=POWER_OFF,
        maximum=1,
        instead="vmd gives each VM exactly one CPU. Set cpus: 1, or omit the option.",
    ),
    "memory": Field(cost=NEXT_BOOT, minimum=MIB, maximum=128 * GIB),
    "description": Field(cost=LIVE),
    **dict.fromkeys(IN_MARK, Field(cost=LIVE)),
    "autostart": Field(cost=LIVE),
    "iso": _STORED,
    "boot": _STORED,
    "boot_device": _STORED,
    "owner": _STORED,
    "native": _STORED,
    "image": Field(),
    "clone": Field(
        cost=lambda source, _change: LIVE if source.power == STOPPED else NEVER,
        instead="Stop it first: its disks change while it runs.",
    ),
    "cloud_init": Field(),
    "instance_of": Field(),
    "disks.add": _STORED,
    "disks.remove": _STORED,
    "disks.size": Field(cost=POWER_OFF, instead="Make sure that its file exists, and is a raw or qcow2 image."),
    "disks.format": Field(cost=NEVER, choices=("raw", "qcow2"), instead=_DETACH),
    "disks.source": Field(cost=NEVER, instead=_DETACH),
    "networks.add": _STORED,
    "networks.remove": _STORED,
    "networks.type": Field(cost=NEXT_BOOT, choices=(LOCAL, SWITCH)),
    "networks.source": _STORED,
    "networks.mac": _STORED,
}


def _normalized(vm, config):
    """Return the options in vmd's terms. Raises Refused for values that vm.conf cannot express."""
    adjusted = dict(config)
    _check_values(vm, config)
    if "native" in config:
        adjusted["native"] = _native(vm, config["native"])
    _check_new_disks(vm, config.get("disks") or {})
    if "networks" in config:
        adjusted["networks"] = {index: _network(vm, index, entry) for index, entry in config["networks"].items()}
    return adjusted


def _check_values(vm, config):
    for option, text in _texts(config):
        if cannot_be_quoted(text):
            raise Refused(
                f"{vm.name}: {option}: vm.conf cannot contain {text!r}.",
                "Use characters other than quotes and \\.",
            )
    if config.get("memory") and config["memory"] % MIB:
        raise Refused(f"{vm.name}: memory: {human_size(config['memory'])} is not a whole number of MiB.", "Round it.")
    if config.get("owner") and not _OWNER.fullmatch(config["owner"]):
        raise Refused(f"{vm.name}: owner: '{config['owner']}' is not a user.", "Set user, user:group or :group.")


def _check_new_disks(vm, disks):
    """Raise Refused if a disk is added to an existing VM without a size; only new VMs have a default size."""
    present = vm.config.get("disks") or {}
    for slot, disk in disks.items():
        is_new = vm.power != ABSENT and slot not in present and disk is not None
        if is_new and not (disk.get("size") or disk.get("source")):
            raise Refused(f"{vm.name}: disks.{slot}: size and source are missing.", "Set one of them.")


def _texts(config):
    """Yield (option, text) of all texts that vm.conf contains in quotes."""
    for option in ("iso", "boot"):
        yield option, config.get(option) or ""
    for slot, disk in (config.get("disks") or {}).items():
        yield f"disks.{slot}.source", (disk or {}).get("source") or ""
    for index, nic in (config.get("networks") or {}).items():
        yield f"networks[{index}].source", (nic or {}).get("source") or ""


def _native(vm, given):
    unknown = sorted(set(given) - set(NATIVE))
    if unknown:
        raise Refused(f"{vm.name}: native: '{unknown[0]}' is not supported.", f"Supported keys: {', '.join(NATIVE)}.")
    for key in NATIVE_FLAGS:
        if not isinstance(given.get(key, False), bool):
            raise Refused(f"{vm.name}: native.{key}: '{given[key]}' is not a boolean.", "Set true or false.")
    allowed = given.get("allow", [])
    if not isinstance(allowed, list) or not all(_NAME.fullmatch(str(word)) for word in allowed):
        raise Refused(f"{vm.name}: native.allow: '{allowed}' is not a list of words.", "See allow in vm.conf(5).")
    return {**given, **({"allow": tuple(map(str, allowed))} if "allow" in given else {})}


def _network(vm, index, entry):
    """Return a NIC with its type. Raises Refused: type network needs a switch, and type nat has none."""
    if entry is None:
        return None
    current = (vm.config.get("networks") or {}).get(index) or {}
    kind = entry.get("type") or current.get("type") or LOCAL
    source = entry.get("source") or (current.get("source") if kind == SWITCH else None)
    if kind == SWITCH and not source:
        raise Refused(f"{vm.name}: networks[{index}].source is missing.", "Set the name of a switch of vm.conf.")
    if kind == LOCAL and entry.get("source"):
        raise Refused(
            f"{vm.name}: networks[{index}].source: a NIC of type nat has no source.", "Omit it, or set type: network."
        )
    if kind == LOCAL and not current.get("source"):
        return {**entry, "type": kind}
    return {**entry, "type": kind, "source": source if kind == SWITCH else None}
