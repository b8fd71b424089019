# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proxmox VE: changes that cannot be made live become pending automatically; few changes need permission."""

from __future__ import annotations

from functools import partial

from ansible_collections.polyvirt.core.plugins.module_utils._drivers.proxmox.settings.table import Context, config_of
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.proxmox.traits import proxmox_traits
from ansible_collections.polyvirt.core.plugins.module_utils._lifecycle.model import (
    LIVE,
    NEXT_BOOT,
    POWER_OFF,
    RUNNING,
    STOPPED,
    File,
    Snapshot,
)

from unit.tables import rows
from unit.tables.rows import Elsewhere, G, absent, ask_snapshot, found, rows_of

TRAITS = proxmox_traits("9.1")
ask = partial(rows.ask, own=("cloud_init",))
row = rows_of(TRAITS)

MAC = "bc:24:11:00:00:01"
OPTIONS = {
    "name": "web", "cores": "2", "memory": "2048", "ostype": "l26", "scsihw": "virtio-scsi-single",
    "scsi0": "local-lvm:vm-100-disk-0,size=32G", "net0": f"virtio={MAC.upper()},bridge=vmbr0,firewall=1",
}  # fmt: skip
#: A VM as the driver reads it from its options; rows set differences.
vm = partial(found, id="100", mark={"id": "100"}, **config_of(OPTIONS, Context("pve1", "100")))

NIC = {"type": "bridged", "source": "vmbr0", "model": "virtio"}
NEW = {"memory": 2048, "networks": [NIC], "disks": [{"slot": "scsi0", "size": "32G"}], "tags": ["Web", "prod"]}
TEMPLATE = vm(name="tmpl", id="9000", mark=None, template=True, cpus=1)
CLOUDINIT = {
    "ip_config": ["ip=10.0.0.9/24,gw=10.0.0.1"],
    "ssh_authorized_keys": ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA+/8= a b"],
}
CLONED = {"clone": {"source": "tmpl", "linked": True}, "cpus": 2, "cloud_init": CLOUDINIT}
CLONE = vm(cpus=2, cloud_init={**vm().config["cloud_init"], **{key: tuple(value) for key, value in CLOUDINIT.items()}})
WITHOUT_MEMORY, WITH_MEMORY = (Snapshot("s1"),), (Snapshot("s1", power=RUNNING),)
OFFLINE = found("unknown", id="100", mark=None, node="pve2", reason="No route to host, says node pve2.")
VOLUMES = (File("local-lvm:vm-100-disk-0", "disk", ours=True, bound=True), File("local:iso/debian.iso", "medium"))

ROWS = [
    row(1, "running is running", vm("running"), ask("started")),
    row(2, "stopped is started", vm(), ask("started"), "start"),
    Elsewhere(3, "driver", "the power that leads to no change is read afresh, not from the statistics"),
    row(4, "a guest is asked to stop", vm("running"), ask("stopped"), "stop"),
    row(5, "without force it is only asked", vm("running"), ask("stopped", stop_mode="graceful"), "stop"),
    Elsewhere(5, "runner", "the time-out leaves it running and fails the task"),
    row(6, "with force it is asked first", vm("running"), ask("stopped", stop_mode="graceful_then_force"), "stop"),
    row(7, "stopped is stopped", vm(), ask("stopped")),
    row(8, "a machine is made with all that was asked", absent(), ask(**NEW), "create",
        after={"tags": ["prod", "web"], "memory": 2 * G, "cpus": 2, "disks.scsi0.size": 32 * G, "state": "stopped"}),
    row(9, "made and started are two ends to be seen", absent(), ask("started", **NEW), "create | start"),
    row(10, "more memory becomes pending", vm("running", memory=2 * G), ask(memory=4096), "configure",
        costs={"memory": NEXT_BOOT}, restart_required=["memory"], after={"state": "running"}),
    row(10, "and is not pending a second time", vm("running", memory=4 * G, runs_with={"memory": 2 * G}),
        ask(memory=4096), restart_required=["memory"]),
    row(11, "a card equal but for its MAC is equal", vm(), ask(networks=[NIC])),
    row(11, "an address is none of a card's", vm(), ask(networks=[{"address": "10.0.0.9"}]),
        refused=("unsupported", "networks.0.address is not supported on proxmox. Use cloud_init.ip_config")),
    row(12, "another bridge, the same MAC", vm("running"), ask(networks=[{"source": "vmbr1"}]), "configure",
        costs={"networks.0.source": LIVE},
        after={"networks.0.mac": MAC, "networks.0.model": "virtio", "networks.0.source": "vmbr1"}),
    row(12, "another model is plugged in where hotplug includes NICs", vm("running"),
        ask(networks=[{"model": "e1000"}]), "configure", costs={"networks.0.model": LIVE}, restart_required=[]),
    row(12, "and waits for the next start where it does not", vm("running", hotplug=("disk",)),
        ask(networks=[{"model": "e1000"}]), "configure", costs={"networks.0.model": NEXT_BOOT},
        restart_required=["networks.0"]),
    row(13, "a disk grows", vm("running"), ask(disks=[{"slot": "scsi0", "size": "40G"}]), "configure",
        costs={"disks.scsi0.size": LIVE}, after={"disks.scsi0.size": 40 * G}),
    row(14, "a disk does not shrink", vm(), ask(disks=[{"slot": "scsi0", "size": "20G"}]),
        refused=("refused", "shrunk")),
    row(15, "a linked clone, configured and started", absent(), ask("started", **CLONED), "clone | configure start",
        costs={"cpus": NEXT_BOOT, "cloud_init.ip_config": LIVE, "cloud_init.ssh_authorized_keys": LIVE},
        source=TEMPLATE, after={"state": "running", "cpus": 2, "template": None}),
    row(15, "a second run compares what can be compared", CLONE, ask(**CLONED)),
    row(15, "only a template has linked clones", absent(), ask(**CLONED), source=vm(name="tmpl"),
        refused=("refused", "template: true")),
    row(16, "a clone goes to the node that was named", absent(), ask(clone={"source": "tmpl"}, node="pve2"),
        "clone", source=TEMPLATE, after={"node": "pve2", "template": None}),
    row(17, "a snapshot holds the memory of a running VM", vm("running"), ask_snapshot("s1"), "snapshot",
        arguments={"power": RUNNING}),
    row(17, "and of a paused one", vm("paused"), ask_snapshot("s1"), "snapshot", arguments={"power": RUNNING}),
    row(17, "but not if memory is declined", vm("running"), ask_snapshot("s1", include_memory=False), "snapshot",
        arguments={"power": STOPPED}),
    row(17, "and not taken again", vm("running", snapshots=WITHOUT_MEMORY), ask_snapshot("s1")),
    row(18, "without memory it ends stopped; kept running it is started", vm("running", snapshots=WITHOUT_MEMORY),
        ask_snapshot("s1", "restored", power="keep"), "restore | start", after={"state": "running"}),
    row(18, "with memory it runs without a start", vm("stopped", snapshots=WITH_MEMORY), ask_snapshot("s1", "restored"),
        "restore", after={"state": "running"}),
    row(19, "what is not there is not removed", vm(), ask_snapshot("s1", "absent")),
    row(20, "a running machine is stopped and removed", vm("running", files=VOLUMES),
        ask("absent", stop_mode="force"), "kill | delete",
        files=("local-lvm:vm-100-disk-0",), kept=("local:iso/debian.iso",)),
    row(20, "a second run finds nothing", absent(), ask("absent")),
    row(21, "locked by a backup: looked at again later", vm("stopped", busy="backup"), ask("started", memory=4096),
        busy="backup"),
    row(21, "locked by a backup: what stands as asked is not waited for", vm("running", busy="backup", memory=4 * G),
        ask("started", memory="4GiB")),
    row(21, "a suspended VM is locked, so nothing is changed without a power cycle", vm("suspended"),
        ask(description="x"), refused=("refused", "allow_restart")),
    row(21, "with permission it is", vm("suspended"), ask(description="x", allow_restart=True),
        "start stop | configure start suspend", costs={"description": POWER_OFF}),
    Elsewhere(21, "runner", "how long it is looked at again"),
    row(22, "off is off, whatever it is called on the wire", vm(native={"kvm": None, "agent": "enabled=0"}),
        ask(autostart=False, native={"kvm": True, "agent": 0})),
    Elsewhere(22, "tool", "booleans travel as 0 and 1"),
    Elsewhere(23, "driver", "the number of calls, and a guest without an agent"),
    Elsewhere(24, "runner", "a check run gets the same plan and does not apply it"),
    row(25, "the node does not answer: nothing is changed", OFFLINE, ask("started"), refused=("refused", "pve2")),
    Elsewhere(25, "tool", "the server's errors, without secrets"),
]  # fmt: skip
