# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What libvirt can do, as data."""

from __future__ import annotations

import os
import re
from functools import partial

from ..._lifecycle.errors import Refused
from ..._lifecycle.model import (
    ABSENT,
    FAILED,
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
from ..._lifecycle.units import GIB, KIB

DEFAULT_NETWORK = "default"
#: Kinds of snapshots: within the disk images, or frozen files with others on top.
INTERNAL, EXTERNAL = "internal", "external"
_BUSES = {"vd": "virtio", "sd": "scsi", "hd": "ide"}
_HOT_PLUGGABLE = ("virtio", "scsi")
_NOT_YET = "Set it through native, by its path in the domain XML."


def bus_of(slot):
    """The bus that a slot's name implies: vda is virtio, sda scsi, hda ide."""
    return _BUSES.get(slot[:2], "virtio")


def slot_name(place):
    """The disk at a place on the default bus: vda, vdb ... vdz, vdaa (libvirt's virDiskNameToIndex counts so)."""
    letters, number = "", place + 1
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(ord("a") + rest) + letters
    return f"vd{letters}"


def virsh_traits(hypervisor, version, local):
    """Traits of one connection. ``hypervisor`` is QEMU, TEST ...; files are handled only where libvirt runs."""
    saves = hypervisor != "TEST"  # managedsave never returns there (libvirt 9.0.0).
    return Traits(
        platform="libvirt",
        version=version,
        powers=frozenset({STOPPED, RUNNING, PAUSED, *({SUSPENDED} if saves else ())}),
        verbs=frozenset(VERBS),
        fields={**_fields_of(hypervisor, local), **snapshot_fields(version)},
        sources=("image", "clone", "iso", "disks"),
        linked_format="qcow2",
        defaults={
            "cpus": 2,
            "memory": 2 * GIB,
            "disk_size": 32 * GIB,
            "networks": {"0": {"type": "network", "source": DEFAULT_NETWORK}},
        },
        stop_modes=("graceful", "force", "graceful_then_force"),
        instead={
            "image": f"Run the task on the hypervisor's own host{_LOCAL}",
            "cloud_init": f"Run the task on the hypervisor's own host{_LOCAL}",
            "disks": f"Run the task on the hypervisor's own host{_LOCAL}",
            "iso": f"Run the task on the hypervisor's own host{_LOCAL}",
            "clone": f"Run the task on the hypervisor's own host{_LOCAL}",
            "os_type": "libvirt keeps no such word; leave the option out.",
            "port_forwards": "Reach the guest by its address on the network.",
            "shared_folders": _NOT_YET,
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
        snapshot_name_fault=_snapshot_name_fault,
        transient=_is_transient,
        adjust=_adjusted,
    )


_LOCAL = ", with a uri such as qemu:///system."


def snapshot_fields(version):
    """``version`` of the libvirt library as text."""
    instead = "Restoring an external snapshot needs libvirt 9.9. Clone it instead (clone, with its snapshot)."
    return {
        "snapshot.take": Field(
            cost=_cost_of_taking, instead="Stop it first, or take an external one (kind: external)."
        ),
        "snapshot.drop": Field(cost=LIVE),
        "snapshot.restore": Field(cost=partial(_cost_of_restoring, _numbers(version) >= (9, 9)), instead=instead),
    }


def _numbers(version):
    return tuple(int(number) for number in re.findall(r"\d+", version))


def _cost_of_taking(vm, change):
    # Firmware in flash memory has a state of its own, which no internal snapshot of a running machine can hold.
    pflash = vm.config.get("firmware") == "uefi" and vm.power in (RUNNING, PAUSED)
    return NEVER if pflash and kind_for(vm, change.new.kind) == INTERNAL else LIVE


def kind_for(vm, asked):
    """The kind that a new snapshot gets: what was asked, else that of those before it."""
    return asked or next((one.kind for one in vm.snapshots), INTERNAL)


def _cost_of_restoring(externals_too, vm, change):
    if change.old.kind == EXTERNAL and not externals_too:
        return NEVER
    # libvirt would keep the saved memory, and put it upon other disks at the next start.
    return POWER_OFF if vm.power in (SUSPENDED, FAILED) else LIVE


def _snapshot_name_fault(name):
    return "libvirt takes no slash" if "/" in name else None


def _fields_of(hypervisor, local):
    if not local:
        # What is a bridge there cannot be seen from here.
        instead = "Run the task on the hypervisor's own host."
        return {**_fields(), "networks.type": Field(choices=("network", "user"), instead=instead)}
    return {**_fields(), **_file_fields(), **(_FIELDS_OF_TEST if hypervisor == "TEST" else {})}


def _fields():
    return {
        "cpus": Field(minimum=1),
        "memory": Field(minimum=1024 * 1024),
        "description": Field(cost=LIVE),
        "tags": Field(cost=LIVE),
        "autostart": Field(cost=LIVE),
        "native": Field(same=_same_native),
        "networks.add": Field(),
        "networks.remove": Field(),
        "networks.type": Field(
            choices=("network", "bridged", "user"), instead="Use nat, network, internal, bridged or user."
        ),
        "networks.source": Field(),
        "networks.mac": Field(),
        "networks.model": Field(),
    }


def _file_fields():
    """What touches files, and so can be done only on the host itself."""
    fixed = "Detach it (state: absent) and attach another."
    return {
        "image": Field(),
        "clone": Field(cost=_cost_of_cloning, instead="Stop it first, or name one of its snapshots."),
        "cloud_init": Field(),
        "iso": Field(cost=_cost_of_medium),
        "disks.add": Field(cost=_cost_of_plugging),
        "disks.remove": Field(cost=_cost_of_plugging),
        "disks.size": Field(cost=_cost_of_growing),
        "disks.format": Field(cost=NEVER, choices=("qcow2", "raw"), instead=fixed),
        "disks.source": Field(cost=NEVER, instead=fixed),
    }


#: libvirt's test driver has no function for devices of a running machine, and invents the sizes of disks.
_FIELDS_OF_TEST = {
    "iso": Field(cost=NEXT_BOOT),
    "disks.add": Field(cost=NEXT_BOOT),
    "disks.remove": Field(cost=NEXT_BOOT),
    "disks.size": Field(cost=NEVER, instead="The sizes of this connection's disks are invented."),
}


def _cost_of_cloning(source, change):
    # What runs writes to its disks, and what is saved has not written all yet.
    return LIVE if source.power == STOPPED or change.new.get("snapshot") else NEVER


def _cost_of_medium(vm, change):
    # None: the machine has no optical drive at all, and drives are not plugged into running machines.
    return NEXT_BOOT if vm.config.get("iso") is None else LIVE


def _cost_of_plugging(vm, change):
    return LIVE if bus_of(change.key) in _HOT_PLUGGABLE else NEXT_BOOT


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


_SLOT = re.compile(r"(vd|sd|hd)[a-z]{1,3}")
_CONDITION = r"(\[[^\]]+\])?"
_NATIVE_PATH = re.compile(rf"([\w:.-]+{_CONDITION}(/[\w:.-]+{_CONDITION})*)?(@[\w:.-]+)?")


def _adjusted(vm, config):
    """The vocabulary's words in libvirt's, with what has no place there refused."""
    adjusted = dict(config)
    _check_native(vm, config.get("native") or {})
    _check_paths(vm, config)
    if "memory" in config:
        adjusted["memory"] = -(-config["memory"] // KIB) * KIB  # libvirt counts in KiB.
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
    for slot in disks:
        if not _SLOT.fullmatch(slot):
            raise Refused(
                f"{vm.name}: disks: '{slot}' is no slot.", "Name one such as vda (virtio), sda (SCSI) or hda (IDE)."
            )
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
