# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proxmox VE: changes that cannot be made live become pending automatically; few changes need permission."""

from __future__ import annotations

from functools import partial

from ansible_collections.polyvirt.core.plugins.module_utils._core.model import (
    LIVE,
    NEXT_BOOT,
    POWER_OFF,
    RUNNING,
    STOPPED,
    File,
    Snapshot,
)
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.proxmox.settings.table import Context, config_of
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.proxmox.traits import proxmox_traits

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
    "ssh_authorized_keys": ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/A a b"],
}
CLONED = {"clone": {"source": "tmpl", "linked": True}, "cpus": 2, "cloud_init": CLOUDINIT}
CLONE = vm(cpus=2, cloud_init={**vm().config["cloud_init"], **{key: tuple(value) for key, value in CLOUDINIT.items()}})
WITHOUT_MEMORY, WITH_MEMORY = (Snapshot("s1"),), (Snapshot("s1", power=RUNNING),)
OFFLINE = found("unknown", id="100", mark=None, node="pve2", reason="No route to host, says node pve2.")
VOLUMES = (File("local-lvm:vm-100-disk-0", "disk", ours=True, bound=True), File("local:iso/debian.iso", "medium"))

ROWS = [
    row(1, "a running VM is not started again", vm("running"), ask("started")),
    row(2, "a stopped VM is started", vm(), ask("started"), "start"),
    Elsewhere(3, "driver", "if nothing is to be changed, the power state is read again, not from the statistics"),
    row(4, "a guest is shut down", vm("running"), ask("stopped"), "stop"),
    row(5, "graceful: the guest is only shut down", vm("running"), ask("stopped", stop_mode="graceful"), "stop"),
    Elsewhere(5, "runner", "after the timeout the VM runs and the task fails"),
    row(6, "graceful_then_force: the guest is shut down first",
        vm("running"), ask("stopped", stop_mode="graceful_then_force"), "stop"),
    row(7, "a stopped VM is not stopped again", vm(), ask("stopped")),
    row(8, "a VM is created with all requested settings", absent(), ask(**NEW), "create",
        after={"tags": ["prod", "web"], "memory": 2 * G, "cpus": 2, "disks.scsi0.size": 32 * G, "state": "stopped"}),
    row(9, "creation and start are separate segments", absent(), ask("started", **NEW), "create | start"),
    row(10, "more memory becomes pending", vm("running", memory=2 * G), ask(memory=4096), "configure",
        costs={"memory": NEXT_BOOT}, restart_required=["memory"], after={"state": "running"}),
    row(10, "a pending change is not sent again", vm("running", memory=4 * G, runs_with={"memory": 2 * G}),
        ask(memory=4096), restart_required=["memory"]),
    row(11, "NICs that differ only in a MAC address that is not requested are equal", vm(), ask(networks=[NIC])),
    row(11, "the address of a NIC is not supported", vm(), ask(networks=[{"address": "10.0.0.9"}]),
        refused=("unsupported", "networks.0.address is not supported on proxmox. Use cloud_init.ip_config")),
    row(12, "another bridge keeps the MAC address", vm("running"), ask(networks=[{"source": "vmbr1"}]), "configure",
        costs={"networks.0.source": LIVE},
        after={"networks.0.mac": MAC, "networks.0.model": "virtio", "networks.0.source": "vmbr1"}),
    row(12, "another NIC model is changed live if hotplug includes NICs", vm("running"),
        ask(networks=[{"model": "e1000"}]), "configure", costs={"networks.0.model": LIVE}, restart_required=[]),
    row(12, "without hotplug of NICs, another model takes effect at the next start", vm("running", hotplug=("disk",)),
        ask(networks=[{"model": "e1000"}]), "configure", costs={"networks.0.model": NEXT_BOOT},
        restart_required=["networks.0"]),
    row(13, "a disk grows", vm("running"), ask(disks=[{"slot": "scsi0", "size": "40G"}]), "configure",
        costs={"disks.scsi0.size": LIVE}, after={"disks.scsi0.size": 40 * G}),
    row(14, "a disk does not shrink", vm(), ask(disks=[{"slot": "scsi0", "size": "20G"}]),
        refused=("refused", "shrunk")),
    row(15, "a linked clone is configured and started", absent(), ask("started", **CLONED), "clone | configure start",
        costs={"cpus": NEXT_BOOT, "cloud_init.state": NEXT_BOOT, "cloud_init.ip_config": LIVE,
            "cloud_init.ssh_authorized_keys": LIVE},
        source=TEMPLATE, after={"state": "running", "cpus": 2, "template": None}),
    row(15, "a second run compares what can be compared", CLONE, ask(**CLONED)),
    row(15, "only a template can have linked clones", absent(), ask(**CLONED), source=vm(name="tmpl"),
        refused=("refused", "template: true")),
    row(16, "a clone is created on the requested node", absent(), ask(clone={"source": "tmpl"}, node="pve2"),
        "clone", source=TEMPLATE, after={"node": "pve2", "template": None}),
    row(17, "a snapshot contains the memory of a running VM", vm("running"), ask_snapshot("s1"), "snapshot",
        arguments={"power": RUNNING}),
    row(17, "a snapshot contains the memory of a paused VM",
        vm("paused"), ask_snapshot("s1"), "snapshot", arguments={"power": RUNNING}),
    row(17, "with include_memory false, it contains no memory",
        vm("running"), ask_snapshot("s1", include_memory=False), "snapshot", arguments={"power": STOPPED}),
    row(17, "an existing snapshot is not created again", vm("running", snapshots=WITHOUT_MEMORY), ask_snapshot("s1")),
    row(18, "with power keep, a VM restored without memory is started", vm("running", snapshots=WITHOUT_MEMORY),
        ask_snapshot("s1", "restored", power="keep"), "restore | start", after={"state": "running"}),
    row(18, "with power keep, a VM restored with memory is stopped without a request to its guest",
        vm("stopped", snapshots=WITH_MEMORY), ask_snapshot("s1", "restored", power="keep"), "restore | kill",
        after={"state": "stopped"}),
    row(18, "a VM restored with memory runs without a start",
        vm("stopped", snapshots=WITH_MEMORY), ask_snapshot("s1", "restored"), "restore", after={"state": "running"}),
    row(19, "a snapshot that does not exist is not deleted", vm(), ask_snapshot("s1", "absent")),
    row(20, "a running VM is killed and deleted", vm("running", files=VOLUMES),
        ask("absent", stop_mode="force"), "kill | delete",
        files=("local-lvm:vm-100-disk-0",), kept=("local:iso/debian.iso",)),
    row(20, "a VM that does not exist is not deleted", absent(), ask("absent")),
    row(21, "a VM locked by a backup is observed again later",
        vm("stopped", busy="backup"), ask("started", memory=4096), busy="backup"),
    row(21, "a VM locked by a backup that needs no change is not waited for",
        vm("running", busy="backup", memory=4 * G), ask("started", memory="4GiB")),
    row(21, "a suspended VM is locked and is not changed without a power cycle", vm("suspended"),
        ask(description="x"), refused=("refused", "allow_restart")),
    row(21, "with permission a suspended VM is power-cycled", vm("suspended"), ask(description="x", allow_restart=True),
        "start stop | configure start suspend", costs={"description": POWER_OFF}),
    Elsewhere(21, "runner", "how long the VM is observed again"),
    row(22, "booleans are compared by value, however they are written", vm(native={"kvm": None, "agent": "enabled=0"}),
        ask(autostart=False, native={"kvm": True, "agent": 0})),
    Elsewhere(22, "tool", "booleans are sent as 0 and 1"),
    Elsewhere(23, "driver", "the number of calls, and a guest without an agent"),
    Elsewhere(24, "runner", "check mode has the same plan and does not carry it out"),
    row(25, "a VM is not changed if its node does not answer", OFFLINE, ask("started"), refused=("refused", "pve2")),
    Elsewhere(25, "tool", "the server's errors, without secrets"),
]  # fmt: skip
