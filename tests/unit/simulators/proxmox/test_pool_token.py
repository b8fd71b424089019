# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole life of a VM by a token whose rights come from two pools, and each of these rights taken away."""

from __future__ import annotations

import pytest

from simulators.proxmox import worlds
from simulators.proxmox.access import Account, Token, User
from simulators.proxmox.cluster import Pool
from simulators.proxmox.gateway import Gateway

ROBOT = User("robot@pve", "ci")
VM = "/nodes/pve1/qemu/200"
RIGHTS = {
    "/pool/lab": "VM.Allocate VM.Audit VM.Backup VM.Config.CDROM VM.Config.Cloudinit VM.Config.Disk VM.Config.Memory"
    " VM.Config.Network VM.Config.Options VM.PowerMgmt VM.Snapshot Pool.Allocate Pool.Audit",
    "/storage": "Datastore.AllocateSpace Datastore.Audit",
    "/sdn": "SDN.Use",
}
#: {privilege: (the step that fails without it, its answer)}
NEEDED = {
    "VM.Allocate": ("create", "Permission check failed"),
    "VM.Audit": ("read", "(/vms/200, VM.Audit)"),
    "VM.Backup": ("back up", "403 Permission check failed (/vms/200, VM.Backup)"),
    "VM.Config.CDROM": ("eject", "(/vms/200, VM.Config.CDROM)"),
    "VM.Config.Cloudinit": ("add cloud-init drive", "(/vms/200, VM.Config.Cloudinit)"),
    "VM.Config.Disk": ("add disk", "(/vms/200, VM.Config.Disk)"),
    "VM.Config.Memory": ("create", "(/vms/200, VM.Config.Memory)"),
    "VM.Config.Network": ("create", "(/vms/200, VM.Config.Network)"),
    "VM.Config.Options": ("create", "(/vms/200, VM.Config.Options)"),
    "VM.PowerMgmt": ("start", "(/vms/200, VM.PowerMgmt)"),
    "VM.Snapshot": ("snapshot", "(/vms/200, VM.Snapshot)"),
    "Pool.Allocate": ("change pool", "(/pool/prod, Pool.Allocate)"),
    "Pool.Audit": (None, None),
    "Datastore.AllocateSpace": ("create", "(/storage/local-lvm, Datastore.AllocateSpace)"),
    "Datastore.Audit": (None, None),
    "SDN.Use": ("create", "(/sdn/zones/localnetwork/vmbr0, SDN.Use)"),
}


def world(lacks=None):
    made = worlds.with_cases()
    made.cluster.pools["lab"] = Pool()
    made.access.accounts[ROBOT.userid] = Account(tokens={ROBOT.token: Token("s", separated=False)})
    for number, (path, privileges) in enumerate(RIGHTS.items()):
        made.access.roles[f"Role{number}"] = frozenset(set(privileges.split()) - {lacks})
        for each in (path, "/pool/prod") if path == "/pool/lab" else (path,):
            made.access.allow(each, ROBOT.userid, f"Role{number}")
    return made


def steps(gateway):
    """(name, method, path, parameters) of a whole life."""
    disk, nic = "local-lvm:1", "virtio,bridge=vmbr0"
    options = {"name": "w", "memory": 512, "scsi0": disk, "net0": nic, "ide2": "none,media=cdrom"}
    yield "create", "POST", "/nodes/pve1/qemu", {"vmid": 200, "pool": "lab", **options}
    yield "read", "GET", f"{VM}/config", {}
    yield "add disk", "PUT", f"{VM}/config", {"scsi1": disk}
    yield "eject", "PUT", f"{VM}/config", {"ide2": "none,media=cdrom"}
    yield "add cloud-init drive", "PUT", f"{VM}/config", {"ide0": "local-lvm:cloudinit"}
    yield "snapshot", "POST", f"{VM}/snapshot", {"snapname": "one"}
    yield "start", "POST", f"{VM}/status/start", {}
    yield "change pool", "PUT", "/pools", {"poolid": "prod", "vms": 200, "allow-move": 1}
    yield "stop", "POST", f"{VM}/status/stop", {}
    yield "back up", "POST", "/nodes/pve1/vzdump", {"vmid": 200, "storage": "backups"}
    archive = gateway.call("GET", "/nodes/pve1/storage/backups/content", {"content": "backup"}).data[0]["volid"]
    yield "restore", "POST", "/nodes/pve1/qemu", {"vmid": 200, "archive": archive, "force": 1}
    yield "delete", "DELETE", VM, {}
    yield "restore again", "POST", "/nodes/pve1/qemu", {"vmid": 200, "archive": archive, "pool": "lab"}


def first_failure(gateway):
    for name, method, path, params in steps(gateway):
        answer = gateway.call(method, path, params, ROBOT)
        end = answer.reason
        if answer.status == 200 and isinstance(answer.data, str) and answer.data.startswith("UPID:"):
            end = gateway.finished(answer.data).exitstatus
        if end != "OK":
            return name, end
    return None, None


def test_rights_of_two_pools_are_enough():
    gateway = Gateway(world())
    assert first_failure(gateway) == (None, None)
    assert gateway.world.cluster.pool_of(200) == "lab"


@pytest.mark.parametrize("lacks", sorted({one for held in RIGHTS.values() for one in held.split()}))
def test_each_missing_right_is_named_at_its_step(lacks):
    step, answer = NEEDED[lacks]
    name, end = first_failure(Gateway(world(lacks)))
    assert name == step
    assert end is answer or end.endswith(answer)


def test_new_vm_of_a_pool_token_needs_the_pool():
    gateway = Gateway(world())
    answer = gateway.call("POST", "/nodes/pve1/qemu", {"vmid": 200}, ROBOT)
    assert (answer.status, answer.reason) == (403, "Permission check failed")
