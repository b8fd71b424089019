# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The state and settings of VMs, from vm.conf and the state of the double; the product is not used."""

from __future__ import annotations

import json
import re

from ansible_collections.polyvirt.core.plugins.module_utils._core.model import PAUSED, RUNNING, STOPPED

from platforms.leases import lease_in


def vm_state(name, defined, known, mark):
    """The state of a VM as the suite compares it.

    ``defined``: the VM in vm.conf; ``known``: the VM as vmd knows it; each is None if there is none. ``mark``: what the
    product has recorded in vm.conf.
    """
    is_on = bool(known and known.get("running"))
    power = PAUSED if is_on and known.get("paused") else RUNNING if is_on else STOPPED
    vm = defined or known
    seeds = mark.get("files", [])
    return {
        "id": name,
        "power": power,
        "stored": json.dumps(_settings(vm, mark), sort_keys=True),
        "running": json.dumps(_settings(known, mark), sort_keys=True) if is_on else None,
        "mark": json.dumps(mark, sort_keys=True),
        "disks": {f"disk{place}": path for place, path in enumerate(_disks(vm, seeds))},
        "macs": [nic["lladdr"] for nic in vm["interfaces"] if not re.fullmatch(r"random", nic["lladdr"])],
        "seeds": seeds,
    }


def _disks(vm, seeds):
    return [path for path, _kind in vm["disks"] if path not in seeds]


def _settings(vm, mark):
    return {
        "memory": vm["memory"],
        "description": mark.get("description", ""),
        "tags": mark.get("tags", []),
        "fleet": mark.get("fleet", ""),
        **lease_in(mark),
        "autostart": vm["state"] != "disabled",
        "disks": [f"disk{place}" for place, _path in enumerate(_disks(vm, mark.get("files", [])))],
        "networks": ["nat" if nic["local"] else "network" for nic in vm["interfaces"]],
        "iso": vm.get("cdrom", ""),
        "boot": vm.get("boot", ""),
        "boot_device": vm.get("boot_device", "default"),
        "vmd_owner": vm["owner"],
        "native": bool(vm.get("sev")),
    }
