# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Accounts with rights on pools only: what remains of them after a change, and each right taken away."""

from __future__ import annotations

import pytest

from simulators.proxmox import worlds
from simulators.proxmox.cluster import Pool
from unit.module_utils._drivers.proxmox.simulated import do, do_backup, rejected
from unit.module_utils._drivers.proxmox.tasks import account

MEMBER = {"VM.Audit", "VM.Allocate", "VM.PowerMgmt", "Pool.Allocate", "Pool.Audit"}


def pooled(version=(9, 2)):
    """A cluster with web2 in the pool lab."""
    world = worlds.with_cases(version=version)
    world.cluster.pools["lab"] = Pool("", {101})
    return world


@pytest.mark.parametrize("task", [{"pool": "prod"}, {"pool": "prod", "template": True}])
def test_vm_moves_between_pools_that_alone_give_the_rights(task):
    world = pooled()
    # In the new pool, the account may no longer make a VM a template.
    api = account(world, ("/pool/lab", MEMBER), ("/pool/prod", MEMBER - {"VM.Allocate"}))
    outcome = do(world, api=api, name="web2", **task)
    assert (outcome.failed, outcome.changed) == (False, True), outcome.msg
    assert (world.cluster.pools["lab"].vms, world.cluster.pools["prod"].vms) == (set(), {101})
    assert do(world, api=api, name="web2", **task).changed is False


@pytest.mark.parametrize(
    ("version", "of_new", "task", "missing"),
    [
        ((8, 0), MEMBER, {"pool": "prod"}, "VM.Allocate"),
        ((9, 2), MEMBER, {"pool": ""}, "VM.Audit"),
        ((9, 2), MEMBER - {"VM.Audit"}, {"pool": "prod"}, "VM.Audit"),
        ((9, 2), MEMBER - {"VM.PowerMgmt"}, {"pool": "prod", "state": "started"}, "VM.PowerMgmt"),
    ],
)
def test_rights_that_do_not_remain_after_the_change_of_the_pool(version, of_new, task, missing):
    world = pooled(version)
    api = account(world, ("/pool/lab", MEMBER), ("/pool/prod", of_new))
    rejected(world, missing, "only by its pool 'lab'", api=api, name="web2", **task)
    # Rights that do not come from the former pool remain.
    api = account(world, ("/vms", MEMBER), ("/pool/lab", MEMBER), ("/pool/prod", of_new))
    assert do(world, api=api, name="web2", **task).changed


#: Rights of an account that manages the VMs of its pools: {path: privileges}.
SCOPED = {
    "/pool/lab": {
        *(
            "VM.Audit",
            "VM.Allocate",
            "VM.Backup",
            "VM.PowerMgmt",
            "VM.Config.CPU",
            "VM.Config.Memory",
            "VM.Config.Disk",
        ),
        *("VM.Config.Network", "VM.Config.HWType", "VM.Config.Options", "Pool.Allocate", "Pool.Audit"),
    },
    "/storage/local-lvm": {"Datastore.AllocateSpace", "Datastore.Audit"},
    "/storage/backups": {"Datastore.AllocateSpace", "Datastore.Audit"},
    "/sdn/zones/localnetwork/vmbr0": {"SDN.Use"},
}
SCOPED["/pool/prod"] = SCOPED["/pool/lab"]
_DISKS = [{"size": "1G"}]
CREATE = {
    "name": "w",
    "node": "pve1",
    "pool": "lab",
    "cpus": 1,
    "disks": _DISKS,
    "networks": [{}],
    "storage": "local-lvm",
}
RESTORE = {"name": "w", "state": "restored", "backup": "newest"}
#: The life of a VM: (function, task).
LIFE = (
    (do, CREATE),
    (do, {"name": "w", "pool": "prod", "state": "started"}),
    (do_backup, {"name": "w"}),
    (do_backup, {**RESTORE, "new_name": "w2"}),
    (do, {"name": "w", "state": "stopped", "stop_mode": "force"}),
    (do_backup, {**RESTORE, "replace": True}),
    (do, {"name": "w2", "state": "absent"}),
    (do, {"name": "w", "state": "absent"}),
)


def lived(life, without=None):
    """The outcomes of tasks in check mode and without, the last one by an account that lacks a (path, privilege)."""
    world = worlds.with_cases()
    world.cluster.pools["lab"] = Pool("")
    api = account(world, *SCOPED.items())
    for run, task in life[:-1]:
        assert run(world, api=api, **task).changed, task
    run, task = life[-1]
    lacking = {path: held - {without[1]} if path == without[0] else held for path, held in SCOPED.items()}
    world.access.rights.clear()
    api = account(world, *lacking.items())
    world.journal.clear()
    check, real = run(world, check=True, api=api, **task), run(world, api=api, **task)
    assert not real.failed or world.journal.writes() == [], real.msg
    return check, real


@pytest.mark.parametrize("number", range(1, len(LIFE) + 1))
def test_each_right_of_an_account_for_pools(number):
    """Check mode and run agree: both name the right that is taken away, or both succeed."""
    for path, privileges in SCOPED.items():
        for privilege in sorted(privileges):
            check, real = lived(LIFE[:number], (path, privilege))
            found = (check.failed, real.failed, check.changed, check.msg)
            assert found == (real.failed, real.failed, real.changed, real.msg), (path, privilege)
            named = privilege if privilege != "VM.Audit" or number == 1 else "VM"  # A hidden VM does not exist.
            assert not real.failed or named in " ".join([real.msg, *real.warnings]), (path, privilege, real.msg)
