# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The variables with which the playbooks provision create the fast guest."""

from __future__ import annotations


def variables_of_guest(platform, key_path):
    """Variables of role vm for one VM with the fast guest, without its name; ``key_path`` is the private key."""
    guest = platform.guest
    (network,) = guest["networks"]
    return {
        "vm_user": "root",
        "vm_ssh_key_file": str(key_path),
        "vm_known_hosts_folder": str(key_path.parent / "known_hosts"),
        "vm_image": guest["image"]["source"],
        "vm_image_linked": True,
        "vm_cpus": guest["cpus"],
        "vm_memory": guest["memory"],
        "vm_network_type": network["type"],
        "vm_network_source": network["source"],
        # The role has no variable for the architecture.
        "vm_module_options": {
            **platform.options("vm"),
            **{name: value for name, value in guest.items() if name in ("architecture", "native")},
        },
        # The guest has no sudo, and its user is root.
        "ansible_become": False,
    }
