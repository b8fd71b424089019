# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What libvirt can do, as data."""

from __future__ import annotations

import os
from functools import partial

from ..._lifecycle.errors import Refused
from ..._lifecycle.model import ABSENT, PAUSED, RUNNING, STOPPED, SUSPENDED, VERBS, Traits
from ..._lifecycle.units import GIB
from ..._tools.virsh import may_pass
from . import forwarding, maxima, sharing
from .boot import check_boot_order
from .fields import FIRMWARE_SINCE, fields_of, taken_as
from .firmware import settled_firmware
from .native import check_native
from .options import LIBVIRT
from .screen import settled_display
from .slots import settle_slots, slot_name

DEFAULT_NETWORK = "default"
_NOT_YET = "Set it through native, by its path in the domain XML."


def virsh_traits(hypervisor, version, local):
    """Traits of one connection. ``hypervisor`` is QEMU, TEST ...; files are handled only where libvirt runs."""
    saves = hypervisor != "TEST"  # managedsave never returns there (libvirt 9.0.0).
    forwards = forwarding.forwarding_fields(hypervisor, version)
    fields = {**fields_of(hypervisor, version, local), **forwards}
    adjust = partial(_adjusted, fields)
    return Traits(
        platform=LIBVIRT.name,
        version=version,
        powers=frozenset({STOPPED, RUNNING, PAUSED, *({SUSPENDED} if saves else ())}),
        verbs=frozenset(VERBS),
        fields=fields,
        sources=("image", "clone", "iso", "disks"),
        linked_format="qcow2",
        defaults={
            **maxima.DEFAULTS,
            "disk_size": 32 * GIB,
            "networks": {"0": {"type": "network", "source": DEFAULT_NETWORK}},
        },
        stop_modes=("graceful", "force", "graceful_then_force"),
        instead={
            **LIBVIRT.lacks,
            "image": f"Run the task on the hypervisor's own host{_LOCAL}",
            "cloud_init": f"Run the task on the hypervisor's own host{_LOCAL}",
            "disks": f"Run the task on the hypervisor's own host{_LOCAL}",
            "iso": f"Run the task on the hypervisor's own host{_LOCAL}",
            "clone": f"Run the task on the hypervisor's own host{_LOCAL}",
            "port_forwards": forwarding.INSTEAD,
            "shared_folders": f"Run the task on the hypervisor's own host{_LOCAL}",
            "snapshot.content": f"Run the task on the hypervisor's own host{_LOCAL}",
            SUSPENDED: "This connection can pause machines, but not save them to disk.",
            **_instead_of_machinery(hypervisor, local),
        },
        slot=slot_name,
        name_fault=_name_fault,
        snapshot_name_fault=_snapshot_name_fault,
        taken_as=taken_as,
        transient=may_pass,
        not_cloned=frozenset({"serial_log", "port_forwards"}),
        adjust=forwarding.checked(adjust) if forwards else adjust,
    )


_LOCAL = ", with a uri such as qemu:///system."


def _snapshot_name_fault(name):
    if "/" in name:
        return "libvirt takes no slash"
    if name.startswith("."):
        return "libvirt takes no dot in front"
    # libvirt would put it into the image and then fail to note it (9.0.0): the file's name ends with .xml.new first.
    return "libvirt takes no more than 247 bytes" if len(name.encode()) > 247 else None


def _instead_of_machinery(hypervisor, local):
    """What helps where a connection lacks firmware, TPM and the like."""
    if hypervisor == "TEST":
        words = "Machines of this connection are only imagined; use a uri such as qemu:///system."
    elif not local:
        words = f"Run the task on the hypervisor's own host{_LOCAL}"
    else:
        words = f"It takes libvirt {'.'.join(map(str, FIRMWARE_SINCE))} or later."
    machinery = ("firmware", "secure_boot", "nested_virtualization", "tpm", "display", "serial_log")
    return dict.fromkeys(machinery, words)


def _name_fault(name):
    if name.isdigit():
        return "virsh would take a number for the id of a running machine"
    return None


def _adjusted(fields, vm, config):
    """The vocabulary's words in libvirt's, with what has no place there refused."""
    adjusted = maxima.settle_maxima(vm, settled_firmware(vm, config) if "firmware" in fields else config)
    check_native(vm, config)
    if "disks" in config:
        adjusted["disks"] = settle_slots(vm, config["disks"])
    _check_paths(vm, config)
    sharing.check_form(vm, config.get("shared_folders") or {})
    if "display" in config:
        adjusted["display"] = settled_display(vm, config["display"])
    if "boot_order" in config:
        check_boot_order(vm, config["boot_order"])
    if config.get("iso") == "" and vm.power != ABSENT and vm.config.get("iso") is None:
        del adjusted["iso"]  # Where there is no drive, there is no medium in it.
    if config.get("networks"):
        adjusted["networks"] = {
            place: entry if entry is None else _network(vm, place, entry) for place, entry in config["networks"].items()
        }
    return adjusted


def _check_paths(vm, config):
    disks = config.get("disks") or {}
    paths = {
        f"disks: source of {slot}": entry["source"] for slot, entry in disks.items() if entry and entry.get("source")
    }
    for option in ("iso", "serial_log"):
        paths[option] = config.get(option)
    for option, path in paths.items():
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
