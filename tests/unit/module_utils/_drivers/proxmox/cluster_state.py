# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The state of a simulated cluster, without random values and times."""

from __future__ import annotations

import re


def cluster_state(world):
    machines = {
        vmid: (one.node, one.running, one.qmp, _stable(one.text))
        for vmid, one in sorted(world.cluster.machines.items())
    }
    volumes = {
        (storage.id, where): volume.size
        for storage in world.storages.by_id.values()
        for where, volume in storage.volumes.items()
    }
    created = [task.type for task in world.tasks.by_upid.values() if task.type in ("qmcreate", "qmclone", "qmmove")]
    return created, machines, volumes, {name: sorted(pool.vms) for name, pool in world.cluster.pools.items()}


def _stable(text):
    """The lines of a configuration, with random values and times replaced."""
    text = re.sub(r"(?i)([0-9a-f]{2}:){5}[0-9a-f]{2}", "MAC", text)
    text = re.sub(r"(?i)[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "UUID", text)
    return re.sub(r"(ctime=|snaptime: |suspend-)\d+", r"\1TIME", text).splitlines()
