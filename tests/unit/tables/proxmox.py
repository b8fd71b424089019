# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proxmox VE: changes that cannot be made live become pending by themselves; nearly nothing needs consent."""

from __future__ import annotations

from ansible_collections.polyvirt.core.plugins.module_utils._lifecycle.model import (
    LIVE,
    NEVER,
    NEXT_BOOT,
    RUNNING,
    Field,
    Snapshot,
    Traits,
)

from unit.tables.rows import Elsewhere, G, absent, ask, ask_snapshot, cost_by_key, found, rows_of


def _as_stored(vm, config):
    """Tags come back in small letters and in order."""
    if "tags" in config:
        config["tags"] = tuple(sorted({tag.lower() for tag in config["tags"]}))
    return config


TRAITS = Traits(
    platform="proxmox",
    version="9.1",
    slot="scsi{}".format,
    harmless=frozenset({"backup"}),
    cloned_with=frozenset({"native"}),
    defaults={"cpus": 2, "memory": 2 * G, "disk_size": 32 * G},
    adjust=_as_stored,
    name_fault=lambda name: "it has an underscore" if "_" in name else None,
    fields={
        "cpus": Field(),
        "memory": Field(minimum=16 << 20),
        "tags": Field(cost=LIVE),
        "description": Field(cost=LIVE),
        "autostart": Field(cost=LIVE),
        "disks.add": Field(cost=LIVE),
        "disks.remove": Field(cost=LIVE),
        "disks.size": Field(cost=LIVE),
        "networks.add": Field(cost=LIVE),
        "networks.type": Field(cost=LIVE),
        "networks.source": Field(cost=LIVE),
        "networks.model": Field(cost=LIVE),
        "networks.mac": Field(cost=LIVE),
        "native": Field(cost=cost_by_key({"agent": NEXT_BOOT, "kvm": NEXT_BOOT, "node": NEVER})),
        "image": Field(),
        "clone": Field(),
        "cloud_init": Field(),
        "snapshot.take": Field(cost=LIVE),
        "snapshot.drop": Field(cost=LIVE),
        "snapshot.restore": Field(cost=LIVE),
    },
)
row = rows_of(TRAITS)

CARD = {"0": {"type": "bridged", "source": "vmbr0", "model": "virtio", "mac": "bc:24:11:00:00:01"}}
ASKED_CARD = {"type": "bridged", "source": "vmbr0", "model": "virtio"}
DISK = {"scsi0": {"size": 32 * G}}
NEW = {"memory": 2048, "networks": [ASKED_CARD], "disks": [{"slot": "scsi0", "size": "32G"}], "tags": ["Web", "prod"]}
TEMPLATE = {"clone": {"source": "tmpl", "linked": True}, "cpus": 2, "cloud_init": {"user": "admin"}}
WITHOUT_MEMORY, WITH_MEMORY = (Snapshot("s1"),), (Snapshot("s1", power=RUNNING),)

ROWS = [
    row(1, "running is running", found("running"), ask("started")),
    row(2, "stopped is started", found(), ask("started"), "start"),
    Elsewhere(3, "driver", "the power that leads to no change is read afresh, not from the statistics"),
    row(4, "a guest is asked to stop", found("running"), ask("stopped"), "stop"),
    row(5, "without force it is only asked", found("running"), ask("stopped", stop_mode="graceful"), "stop"),
    Elsewhere(5, "runner", "the time-out leaves it running and fails the task"),
    row(6, "with force it is asked first", found("running"), ask("stopped", stop_mode="graceful_then_force"), "stop"),
    row(7, "stopped is stopped", found(), ask("stopped")),
    row(8, "a machine is made with all that was asked", absent(), ask(**NEW), "create",
        after={"tags": ["prod", "web"], "memory": 2 * G, "cpus": 2, "disks.scsi0.size": 32 * G, "state": "stopped"}),
    row(9, "made and started are two ends to be seen", absent(), ask("started", **NEW), "create | start"),
    row(10, "more memory becomes pending", found("running", memory=2 * G), ask(memory=4096), "configure",
        costs={"memory": NEXT_BOOT}, restart_required=["memory"], after={"state": "running"}),
    row(10, "and is not pending a second time", found("running", memory=4 * G, runs_with={"memory": 2 * G}),
        ask(memory=4096), restart_required=["memory"]),
    row(11, "a card equal but for its MAC is equal", found(networks=CARD), ask(networks=[ASKED_CARD])),
    row(11, "an address is none of a card's", found(networks=CARD), ask(networks=[{"address": "10.0.0.9"}]),
        refused=("unsupported", "proxmox has no networks.0.address.")),
    row(12, "another bridge, the same MAC", found("running", networks=CARD), ask(networks=[{"source": "vmbr1"}]),
        "configure",
        costs={"networks.0.source": LIVE},
        after={"networks.0.mac": "bc:24:11:00:00:01", "networks.0.model": "virtio", "networks.0.source": "vmbr1"}),
    row(13, "a disk grows", found("running", disks=DISK), ask(disks=[{"slot": "scsi0", "size": "40G"}]), "configure",
        costs={"disks.scsi0.size": LIVE}, after={"disks.scsi0.size": 40 * G}),
    row(14, "a disk does not shrink", found(disks=DISK), ask(disks=[{"slot": "scsi0", "size": "20G"}]),
        refused=("refused", "shrink")),
    row(15, "a linked clone, configured and started", absent(), ask("started", **TEMPLATE), "clone | configure start",
        costs={"cpus": NEXT_BOOT},
        source=found(name="tmpl"), after={"state": "running", "cpus": 2}),
    row(15, "a second run compares what can be compared", found("running", cpus=2), ask("started", **TEMPLATE)),
    row(16, "a clone goes to the node that was named", absent(), ask(clone={"source": "tmpl"}, native={"node": "pve2"}),
        "clone", source=found(name="tmpl"), after={"native.node": "pve2"}),
    row(17, "a snapshot is taken", found("running"), ask_snapshot("s1"), "snapshot"),
    row(17, "and not taken again", found("running", snapshots=WITHOUT_MEMORY), ask_snapshot("s1")),
    row(18, "without memory it ends stopped; kept running it is started", found("running", snapshots=WITHOUT_MEMORY),
        ask_snapshot("s1", "restored", power="keep"), "restore | start", after={"state": "running"}),
    row(18, "with memory it runs by itself", found("stopped", snapshots=WITH_MEMORY), ask_snapshot("s1", "restored"),
        "restore", after={"state": "running"}),
    row(19, "what is not there is not removed", found(), ask_snapshot("s1", "absent")),
    row(20, "a running machine is stopped and removed", found("running"),
        ask("absent", stop_mode="force"), "kill | delete"),
    row(20, "a second run finds nothing", absent(), ask("absent")),
    row(21, "locked by a backup: looked at again later", found("stopped", busy="backup"), ask("started", memory=4096),
        busy="backup"),
    row(21, "locked by a backup: what stands as asked is not waited for", found("running", busy="backup", memory=4 * G),
        ask("started", memory="4GiB")),
    Elsewhere(21, "runner", "how long it is looked at again"),
    row(22, "off is off, whatever it is called on the wire", found(autostart=False, native={"kvm": 1, "agent": 0}),
        ask(autostart=False, native={"kvm": 1, "agent": 0})),
    Elsewhere(22, "tool", "booleans travel as 0 and 1"),
    Elsewhere(23, "driver", "the number of calls, and a guest without an agent"),
    Elsewhere(24, "runner", "a check run gets the same plan and does not apply it"),
    row(25, "the node does not answer: nothing is changed", found("unknown", reason="node pve2 is offline"),
        ask("started"),
        refused=("refused", "pve2")),
    Elsewhere(25, "tool", "the server's errors, without secrets"),
]  # fmt: skip
