# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Differences of the return values of the modules for Proxmox VE; see returns.py."""

from __future__ import annotations

PROXMOX = {
    "placeholders": {"platform": "proxmox", "tool": "Proxmox VE", "vm": "proxmox_vm", "unusable": "cannot be used"},
    "vm": {
        "id.description": "ID of the VM (vmid) as a string; null for a VM that does not exist (yet).",
        "id.sample": "105",
        "reason.description": "Proxmox VE's term for the state unless the VM simply runs, or why the node does not"
        " report the state.",
        "reason.sample": "io-error",
        "memory_mib.sample": 4096,
        "description.description": "Notes of the VM.",
        "autostart.description": "Whether the VM starts with its node.",
        "addresses.description": "IP addresses of the VM, without link-local addresses.",
        "addresses.contains.source.description": "V(agent) - reported by the guest agent, if O(native) has"
        " enabled it. V(ipconfig) - set by cloud-init, if the agent does not answer.",
        "addresses.sample": [{"address": "10.0.0.5", "source": "agent"}],
        "ssh.sample": {"host": "10.0.0.5", "port": 22, "user": "admin", "scope": "network"},
        "disks.contains.bus": None,
        "disks.contains.slot.sample": "scsi0",
        "disks.contains.source.description": "Volume of the disk.",
        "disks.contains.source.sample": "local-lvm:vm-105-disk-0",
        "disks.contains.storage": {"description": "Storage of the disk.", "type": "str"},
        "networks.contains.vlan": {"description": "VLAN tag.", "type": "int"},
        "networks.contains.trunk": {"description": "VLANs that the guest can tag.", "type": "list"},
        "settings.description": [
            "All other settings of the VM by the name of their option, with its node and pool.",
            "A task that sets no settings reads only those that the nodes report in their lists of VMs.",
        ],
        "settings.sample": {"node": "pve1", "pool": "", "firmware": "bios", "protection": False},
        "not_compared.sample": ["clone"],
        "kept.contains.path.description": "Volume.",
        "kept.sample": [{"path": "local:iso/debian.iso", "reason": "an ISO image is never deleted"}],
    },
    "host": {
        "available.description": "Whether a server answers that may be Proxmox VE.",
        "version.description": "Version of Proxmox VE, or null.",
        "version.sample": "9.1.2",
        "why.description": "Null, or why it cannot be used - missing (the library), not_responding, too_old (before"
        " 7.0, or the library).",
    },
    "snapshot": {
        "id.description": "Always null; snapshots are identified by name.",
        "kind.description": "Always empty; Proxmox VE has only one kind of snapshots.",
        "unfinished.description": "Why the snapshot cannot be used (it is being created or deleted, or this"
        " was interrupted); empty if it can.",
    },
    "leftovers": "Always empty; images contain no snapshots that Proxmox VE does not know.",
    "of_all": ", including templates",
}
