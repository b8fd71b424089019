# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the state of VMs from the records of the Hyper-V double, without the code under test."""

from __future__ import annotations

import json

from ansible_collections.polyvirt.core.plugins.module_utils._core.model import PAUSED, RUNNING, STOPPED, SUSPENDED

from platforms.hyperv.double.records import DEFAULT_SWITCH
from platforms.leases import lease_in

POWER = {"Off": STOPPED, "Running": RUNNING, "Paused": PAUSED, "Saved": SUSPENDED}
_MARK = "#polyvirt "
_BOOT = {"disk": "disk", "dvd": "cdrom"}


def vm_state(host, vm):
    """The state of a VM, in the form that scenarios compare."""
    settings = json.dumps(_settings(host, vm.shown, vm.hardware), sort_keys=True)
    return {
        "id": vm.id,
        "power": POWER.get(vm.state, vm.state),
        "stored": settings,
        "running": settings if vm.state != "Off" else None,
        "mark": vm.shown["Notes"],
        "disks": {slot_of(drive): own_file(host, drive.path) for drive in vm.hardware.disks()},
        "macs": [nic.mac for nic in vm.hardware.nics if nic.mac != "000000000000"],
        "seeds": _mark(vm.shown["Notes"]).get("files", []),
    }


def slot_of(drive):
    return f"{drive.controller} {drive.number}:{drive.location}"


def own_file(host, path):
    """The nearest file of a disk's chain that is not a checkpoint's differencing disk."""
    chain = host.files.chain(path) or [path]
    return next((one for one in chain if not one.lower().endswith((".avhdx", ".avhd"))), path)


def _mark(notes):
    lines = [line for line in notes.split("\n") if line.startswith(_MARK)]
    return json.loads(lines[0][len(_MARK) :]) if lines else {}


def _settings(host, shown, hardware):
    notes, mark = shown["Notes"], _mark(shown["Notes"])
    drives = [one for one in hardware.drives if one.kind == "dvd" and one.path not in mark.get("files", ())]
    drives = sorted(drives, key=lambda one: (one.controller, one.number, one.location))
    media = [drive.path for drive in drives]
    return {
        "cpus": hardware.processor["Count"],
        "memory": hardware.memory["Startup"],
        "description": "\n".join(line for line in notes.split("\n") if not line.startswith(_MARK)),
        "tags": mark.get("tags", []),
        "fleet": mark.get("fleet", ""),
        **lease_in(mark),
        "autostart": shown["AutomaticStartAction"] == "Start",
        "disks": [slot_of(drive) for drive in hardware.disks()],
        "networks": ["nat" if nic.switch == DEFAULT_SWITCH else "network" for nic in hardware.nics],
        "iso": media[0] if media else "",
        "cdroms": [slot_of(drive) for drive in drives],
        "secure_boot": hardware.firmware["SecureBoot"] == "On",
        "tpm": hardware.security["TpmEnabled"],
        "nested_virtualization": hardware.processor["ExposeVirtualizationExtensions"],
        "boot_order": _boot_order(hardware),
        "dynamic_memory": hardware.memory["DynamicMemoryEnabled"],
        "checkpoint_type": shown["CheckpointType"],
        "automatic_checkpoints": shown["AutomaticCheckpointsEnabled"],
        "stop_action": shown["AutomaticStopAction"],
        "integration_services": hardware.services["VSS"],
        "native": hardware.memory["Priority"],
    }


def _boot_order(hardware):
    devices = [hardware.device(entry.key) for entry in hardware.boot if entry.kind != "File"]
    kinds = [_BOOT.get(getattr(device, "kind", None), "network") for device in devices]
    return [kind for kind in dict.fromkeys(kinds) if kind != "cdrom"]


def snapshots(vm):
    """{name: {parent, state, description, current}} of a VM's checkpoints."""
    names = {one.id: one.name for one in vm.snapshots}
    texts = _mark(vm.shown["Notes"]).get("checkpoints", {})
    return {
        one.name: {
            "parent": names.get(one.parent),
            "state": RUNNING if one.has_memory else STOPPED,
            "description": texts.get(one.name, ""),
            "current": one.id == vm.parent,
        }
        for one in vm.snapshots
    }
