# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What check mode reads before a backup is created: what vzdump itself will use, and how many backups it accepts."""

from __future__ import annotations

from simulators.proxmox import behind
from unit.module_utils._drivers.proxmox.simulated import do, do_backup, put
from unit.module_utils._drivers.proxmox.tasks import account
from unit.module_utils._drivers.proxmox.test_backups import HOUR, OTHER, by_hand, reject, taken


def test_backup_has_the_values_in_force(world):
    """vzdump leaves out what waits for the next start (recorded: vzdump_pending_flag)."""
    do(world, name="web1", disks=[{"slot": "scsi0"}, {"slot": "scsi1", "size": "1G"}])
    disk = world.cluster.machines[100].config.current["scsi1"]
    put(world, 100, scsi1=f"{disk},backup=0,ssd=1")
    reject(world, "exclude: scsi1", name="web1", exclude=["scsi1"])
    taken(world, name="web1")
    behind.edit(world, 100, scsi1=f"{disk},backup=0")
    put(world, 100, scsi1=f"{disk},ssd=1")
    world.engine.advance(HOUR)
    reject(world, "exclude: [scsi1]", name="web1")
    taken(world, name="web1", exclude=["scsi1"])
    put(world, 100, smbios1=OTHER)
    world.engine.advance(HOUR)
    reject(world, "its UUID (smbios1) changes at its next start", name="web1", exclude=["scsi1"])


def test_storage_that_limits_the_number_of_backups(world):
    """All unprotected backups of the VM count, also those of others."""
    world.storages.get("backups").prune = "keep-daily=1,keep-last=2"
    by_hand(world)
    for _number in range(2):
        taken(world, name="web1")
        world.engine.advance(HOUR)
    taken(world, name="web2")
    reject(world, "no more than 3 backups of VM 100", "keep-all=1", name="web1")
    taken(world, name="web1", protected=True)
    world.faults.request(
        "reply", method="GET", path=".*/vzdump/defaults", status=501, reason="not implemented", times=9
    )
    world.engine.advance(HOUR)
    outcome = do_backup(world, check=True, name="web1")
    assert not outcome.failed, outcome.msg
    assert any("does not report whether the storage 'backups' limits" in text for text in outcome.warnings)
    world.storages.get("backups").prune = "keep-all=1"
    world.faults.requests.clear()
    do(world, name="web3", node="pve1", disks=[{"size": "1G"}])
    world.journal.clear()
    assert do_backup(world, check=True, name=["web1", "web2", "web3"], max_age="1m").changed
    assert world.journal.count("GET", "/vzdump/defaults") == 2  # One for each node.
    taken(world, name="web1")


def test_sixth_protected_backup_needs_a_privilege(world):
    privileges = {"VM.Audit", "VM.Backup", "Datastore.Audit", "Datastore.AllocateSpace", "Sys.Audit"}
    for _number in range(5):
        taken(world, name="web1", protected=True)
        world.engine.advance(HOUR)
    reject(world, "Datastore.Allocate", api=account(world, ("/", privileges)), name="web1", protected=True)
    taken(world, name="web1")
    reject(world, "Datastore.Allocate", api=account(world, ("/", privileges)), name="web1", protected=True)
    taken(world, name="web1", protected=True)
