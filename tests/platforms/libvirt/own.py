# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes of VMs that only libvirt supports: NICs and disks are added, removed and moved while the VM runs."""

from __future__ import annotations


def changes(card, size):
    """Options of tasks that are run in this order; after all of them, the VM is as before."""
    return [
        {"networks": [{}, {}, card, card]},
        {"networks": [{}, {}], "purge": ["networks"]},
        {"disks": [{}, {"slot": "vdc", "size": size}]},
        {"disks": [{"slot": "vdc", "state": "absent"}, {"slot": "vdd", "size": size}]},
        {"disks": [{"slot": "vdd", "state": "absent"}]},
        {"cpus": 2, "max_cpus": 4, "memory": "96M", "max_memory": "160M"},
        {"cpus": 1, "max_cpus": 1, "memory": "64M", "max_memory": "64M"},
        {"shared_folders": [], "purge": ["shared_folders"]},
    ]
