# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A tenant creates a VM with the name of a VM to come, and writes its record into the notes.

The record of this collection and a forged one are the same text, so the VM of an earlier task stands for that of a
tenant here. What a tenant may not get is what the VM does not have: data for cloud-init, and other networks.
"""

from __future__ import annotations

import pytest

from simulators.proxmox import behind
from unit.module_utils._drivers.proxmox.pairs import KEYS
from unit.module_utils._drivers.proxmox.simulated import applied, do, machine_of, rejected, unchanged
from unit.module_utils._drivers.proxmox.tasks import done, failed
from unit.module_utils._drivers.proxmox.test_killed import killed_before_finish

CLONE = {"name": "web3", "clone": {"source": "tmpl"}}
VLAN = [{"type": "bridged", "source": "vmbr0", "vlan": 100}]
NICS = [{"type": "bridged", "source": "vmbr0"}]
GIVEN = [
    ({"networks": VLAN}, "networks.0"),
    ({"networks": [*NICS, *VLAN]}, "networks.1"),
    ({"networks": [{"type": "bridged", "source": "vmbr1"}]}, "networks.0"),
    ({"networks": [{"type": "bridged", "source": "vmbr0", "trunk": ["2", "3"]}]}, "networks.0"),
    ({"cloud_init": {"user": "admin"}}, "cloud_init.user"),
    ({"cloud_init": {"ssh_authorized_keys": KEYS}}, "cloud_init.ssh"),
    ({"native": {"cicustom": "user=local:snippets/x.yml"}}, "native.cicustom"),
]


@pytest.fixture(autouse=True)
def _trunks(world):
    world.cluster.vlan_aware.add("vmbr0")


@pytest.mark.parametrize(("given", "path"), GIVEN, ids=str)
def test_vm_that_others_may_have_created_gets_nothing_new(world, given, path):
    done(world, **CLONE, networks=NICS)
    words = f"web3: {path}", "VM 102 has this name", "id: '102' and adopt: true", "pool"
    rejected(world, *words, **CLONE, **given)
    applied(world, **CLONE, **given, id="102", adopt=True)


@pytest.mark.parametrize("given", [given for given, _path in GIVEN], ids=str)
def test_pool_of_the_vm_shows_whose_it_is(world, given):
    done(world, **CLONE, networks=NICS, pool="prod")
    rejected(world, "VM 102 has this name", **CLONE, **given)
    # The task would move the VM of others to its pool.
    rejected(world, "VM 102 has this name", **CLONE, **given, pool="old")
    applied(world, **CLONE, **given, pool="prod")


def test_vm_keeps_what_it_has_and_gets_what_gives_no_access(world):
    task = {**CLONE, "networks": VLAN, "cloud_init": {"user": "admin", "password": "secret"}}
    done(world, **task)
    for _run in range(3):
        unchanged(world, **task)
    more = {"disks": [{"size": "32G"}, {"size": "1G"}], "networks": [*VLAN, *VLAN], "cpus": 4, "memory": "4G"}
    applied(world, **{**task, **more})


def test_task_that_says_nothing_of_a_creation_means_the_existing_vm(world):
    done(world, **CLONE, networks=NICS)
    applied(world, name="web3", networks=VLAN, cloud_init={"user": "admin"})


@pytest.mark.parametrize(
    ("given", "path"),
    [({"networks": VLAN}, "networks.0"), ({"cloud_init": {"password": "secret"}}, "cloud_init")],
    ids=str,
)
def test_unfinished_vm_gets_nothing_new_either(world, given, path):
    killed_before_finish(world, **CLONE, **given)
    words = f"web3: {path}", "VM 102 has this name", "first remove it (id: '102', state: absent)"
    rejected(world, *words, **CLONE, **given)
    assert do(world, name=None, id="102", state="absent").changed
    done(world, **CLONE, **given)
    unchanged(world, **CLONE, **given)


def test_unfinished_vm_in_the_pool_of_the_task_is_completed(world):
    task = {**CLONE, "networks": VLAN, "cloud_init": {"password": "secret"}, "pool": "prod"}
    killed_before_finish(world, **task)
    done(world, **task)
    unchanged(world, **task)


def test_vm_that_is_still_being_created_during_the_checks_is_neither_completed_nor_deleted(world):
    """The server adds a clone to its pool when it is complete, so a locked VM is judged before the first step only."""
    task = {**CLONE, "cloud_init": {"password": "secret"}}
    killed_before_finish(world, **task)
    before = dict(machine_of(world, "web3").config.current)
    began = world.engine.now
    behind.lock(world, 102, "clone", seconds=20)
    failed(world, "VM 102 has this name", **task)
    assert machine_of(world, "web3").config.current == before
    assert world.engine.now >= began + 20


def test_unfinished_vm_in_another_pool_is_one_of_others(world):
    task = {**CLONE, "cloud_init": {"password": "secret"}}
    killed_before_finish(world, **task, pool="prod")
    rejected(world, "VM 102 has this name", **task)
    rejected(world, "VM 102 has this name", **task, pool="old")


def test_task_completes_its_own_vm_after_an_error_that_passes(world):
    """Without a pool: the VM is the one that this task has begun."""
    world.faults.request(
        "reply", method="PUT", path=".*/102/config", status=500, reason="can't lock file - got timeout"
    )
    task = {**CLONE, "cloud_init": {"password": "secret"}, "networks": VLAN}
    done(world, **task)
    unchanged(world, **task)
