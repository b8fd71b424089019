# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What libvirt can do, as data."""

from __future__ import annotations

import os
import re
from dataclasses import replace

from ..._lifecycle.errors import Refused
from ..._lifecycle.model import (
    ABSENT,
    LIVE,
    NEVER,
    NEXT_BOOT,
    PAUSED,
    POWER_OFF,
    RUNNING,
    STOPPED,
    SUSPENDED,
    VERBS,
    Field,
    Traits,
)  # fmt: skip
from ..._lifecycle.units import GIB
from . import cards, forwarding, maxima, sharing
from .slots import BUS, cost_of_plugging, settle_slots, slot_name

DEFAULT_NETWORK = "default"
_NOT_YET = "Set it through native, by its path in the domain XML."


def virsh_traits(hypervisor, version, local):
    """Traits of one connection. ``hypervisor`` is QEMU, TEST ...; files are handled only where libvirt runs."""
    saves = hypervisor != "TEST"  # managedsave never returns there (libvirt 9.0.0).
    forwards = forwarding.forwarding_fields(hypervisor, version)
    return Traits(
        platform="libvirt",
        version=version,
        powers=frozenset({STOPPED, RUNNING, PAUSED, *({SUSPENDED} if saves else ())}),
        verbs=frozenset(VERBS) - {"clone", "snapshot", "restore", "drop_snapshot"},
        fields={**_fields_of(hypervisor, local), **forwards},
        sources=("image", "iso", "disks"),
        defaults={
            **maxima.DEFAULTS,
            "disk_size": 32 * GIB,
            "networks": {"0": {"type": "network", "source": DEFAULT_NETWORK}},
        },
        stop_modes=("graceful", "force", "graceful_then_force"),
        instead={
            "image": f"Run the task on the hypervisor's own host{_LOCAL}",
            "cloud_init": f"Run the task on the hypervisor's own host{_LOCAL}",
            "disks": f"Run the task on the hypervisor's own host{_LOCAL}",
            "iso": f"Run the task on the hypervisor's own host{_LOCAL}",
            "clone": "Use image with the source machine's disk while that machine does not exist.",
            "os_type": "libvirt keeps no such word; leave the option out.",
            "port_forwards": forwarding.INSTEAD,
            "shared_folders": f"Run the task on the hypervisor's own host{_LOCAL}",
            "shared_folders.guest_path": sharing.INSTEAD_OF_MOUNTING,
            "networks.vlan": "Tag the bridge on the host, or use an openvswitch network.",
            "display": _NOT_YET,
            "firmware": _NOT_YET,
            "secure_boot": _NOT_YET,
            "tpm": _NOT_YET,
            "nested_virtualization": "Set the CPU mode through native.",
            SUSPENDED: "This connection can pause machines, but not save them to disk.",
        },
        slot=slot_name,
        name_fault=_name_fault,
        transient=_is_transient,
        adjust=forwarding.checked(_adjusted) if forwards else _adjusted,
    )


_LOCAL = ", with a uri such as qemu:///system."


def _fields_of(hypervisor, local):
    if not local:
        # What is a bridge there cannot be seen from here.
        instead = "Run the task on the hypervisor's own host."
        return {**_fields(), "networks.type": Field(choices=("network", "user"), instead=instead)}
    return {**_fields(), **_file_fields(), **(_FIELDS_OF_TEST if hypervisor == "TEST" else {})}


def _fields():
    return {
        **maxima.FIELDS,
        **cards.FIELDS,
        "description": Field(cost=LIVE),
        "tags": Field(cost=LIVE),
        "autostart": Field(cost=LIVE),
        "native": Field(same=_same_native),
        "networks.type": Field(
            choices=("network", "bridged", "user"), instead="Use nat, network, internal, bridged or user."
        ),
    }


def _file_fields():
    """What touches files, and so can be done only on the host itself."""
    fixed = "Detach it (state: absent) and attach another."
    return {
        "image": Field(),
        "cloud_init": Field(),
        "iso": Field(cost=_cost_of_medium),
        **sharing.FIELDS,
        "disks.add": Field(cost=cost_of_plugging),
        "disks.remove": Field(cost=cost_of_plugging),
        "disks.bus": BUS,
        "disks.size": Field(cost=_cost_of_growing),
        "disks.format": Field(cost=NEVER, choices=("qcow2", "raw"), instead=fixed),
        "disks.source": Field(cost=NEVER, instead=fixed),
    }


#: libvirt's test driver has no function for devices of a running machine, and invents the sizes of disks.
_FIELDS_OF_TEST = {
    **{name: replace(field, cost=NEXT_BOOT) for name, field in {**maxima.FIELDS, **cards.FIELDS}.items()},
    "iso": Field(cost=NEXT_BOOT),
    "disks.add": Field(cost=NEXT_BOOT),
    "disks.remove": Field(cost=NEXT_BOOT),
    "disks.size": Field(cost=NEVER, instead="The sizes of this connection's disks are invented."),
}


def _cost_of_medium(vm, change):
    # None: the machine has no optical drive at all, and drives are not plugged into running machines.
    return NEXT_BOOT if vm.config.get("iso") is None else LIVE


def _cost_of_growing(vm, change):
    # The saved memory believes in the old size.
    return POWER_OFF if vm.power == SUSPENDED else LIVE


#: Machine types that QEMU numbers, by the name that stands for the newest of them.
_NUMBERED = {
    "pc": "pc-i440fx",
    "q35": "pc-q35",
    "virt": "virt",
    "pseries": "pseries",
    "s390-ccw-virtio": "s390-ccw-virtio",
}


def _same_native(found, asked):
    """A machine type is frozen when it is defined: q35 becomes pc-q35-7.2, and stays the same wish."""
    found, asked = _text(found), _text(asked)
    return found == asked or bool(re.fullmatch(rf"{_NUMBERED.get(asked, '(?!)')}-\d[\w.]*", found))


def _text(value):
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)


def _name_fault(name):
    if name.isdigit():
        return "virsh would take a number for the id of a running machine"
    return None


def _is_transient(error):
    """Another task holds the machine for a moment; libvirt itself waits 30 s before it says this."""
    return "cannot acquire state change lock" in str(error)


#: What has an option, or is no setting at all.
_NOT_NATIVE = {"name": "name", "uuid": "id", "memory": "memory", "currentMemory": "memory", "vcpu": "cpus",
               "description": "description", "metadata": "tags"}  # fmt: skip


_CONDITION = r"(\[[^\]]+\])?"
_NATIVE_PATH = re.compile(rf"([\w:.-]+{_CONDITION}(/[\w:.-]+{_CONDITION})*)?(@[\w:.-]+)?")


def _adjusted(vm, config):
    """The vocabulary's words in libvirt's, with what has no place there refused."""
    adjusted = maxima.settle_maxima(vm, config)
    _check_native(vm, config.get("native") or {})
    if "disks" in config:
        adjusted["disks"] = settle_slots(vm, config["disks"])
    _check_paths(vm, config)
    sharing.check_form(vm, config.get("shared_folders") or {})
    if config.get("iso") == "" and vm.power != ABSENT and vm.config.get("iso") is None:
        del adjusted["iso"]  # Where there is no drive, there is no medium in it.
    if config.get("networks"):
        adjusted["networks"] = {
            place: entry if entry is None else _network(vm, place, entry) for place, entry in config["networks"].items()
        }
    return adjusted


def _check_native(vm, native):
    for key, value in native.items():
        option = _NOT_NATIVE.get(re.split(r"[/@\[]", key)[0])
        if option:
            raise Refused(f"{vm.name}: native: '{key}' is not set there.", f"Use the option {option}.")
        if not key or not _NATIVE_PATH.fullmatch(key):
            raise Refused(
                f"{vm.name}: native: '{key}' is no path in a domain XML.", "Write one such as os/type@machine."
            )
        if re.search(r"@passwd$|secret", key):
            raise Refused(
                f"{vm.name}: native: '{key}' holds a secret, and results show native.", "Set it with virsh edit."
            )
        if isinstance(value, (dict, list)):
            raise Refused(
                f"{vm.name}: native: the value of '{key}' is no plain value.", "Name each element by its own path."
            )


def _check_paths(vm, config):
    disks = config.get("disks") or {}
    paths = {
        f"disks: source of {slot}": entry["source"] for slot, entry in disks.items() if entry and entry.get("source")
    }
    for option, path in {"iso": config.get("iso"), **paths}.items():
        if path and not os.path.isabs(path):
            raise Refused(f"{vm.name}: {option} '{path}' is no absolute path.", "Give its full path on the hypervisor.")


def _network(vm, place, entry):
    kind = entry.get("type")
    existing = (vm.config.get("networks") or {}).get(place)
    adjusted = dict(entry)
    if kind == "user" and entry.get("source"):
        raise Refused(f"{vm.name}: networks: a card of type user has no source.", "Leave the source out.")
    if kind == "nat":
        adjusted["source"] = entry.get("source", DEFAULT_NETWORK)
    if kind in ("nat", "internal"):
        adjusted["type"] = "network"
    if kind in _NEED_SOURCE and not entry.get("source") and (existing or {}).get("type") != kind:
        raise Refused(f"{vm.name}: networks: a card of type {kind} needs a source.", _NEED_SOURCE[kind])
    if existing is None:
        adjusted.setdefault("type", "network")
        if adjusted["type"] == "network":
            adjusted.setdefault("source", DEFAULT_NETWORK)
    return adjusted


_NEED_SOURCE = {
    "internal": "Name a network without a way out (virsh net-list --all).",
    "network": "Name a network (virsh net-list --all), or use the type nat.",
    "bridged": "Name a bridge or an interface of the host.",
}
