# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every step may be sent twice, because its answer may be lost. The result must be the same as if it was sent once."""

from __future__ import annotations

from contextlib import nullcontext
from functools import partial

import pytest

from simulators.proxmox import invariants, worlds
from simulators.proxmox.storage import GIB, Volume
from suite.sent_twice import each_step_twice
from unit.module_utils._drivers.proxmox.cluster_state import cluster_state
from unit.module_utils._drivers.proxmox.simulated import do, do_snapshot

FREE = "local-lvm:vm-300-disk-0"
NEW = {"name": "web3", "node": "pve1", "disks": [{"size": "8G"}]}
DISKS = [{"slot": "scsi1", "size": "1G"}, {"slot": "sata0", "size": "2G"}]
NICS = [{"source": "vmbr0"}, {"source": "vmbr1", "vlan": 5}]
CLOUD = {"user": "me", "ip_config": ["ip=dhcp"], "nameservers": ["192.0.2.1"]}


def _task(**requested):
    return partial(do, **requested)


def _snapshot(**requested):
    return partial(do_snapshot, name="web1", **requested)


#: {what is done twice: (tasks before it, the task)}; web1 runs, web2 is stopped, tmpl is a template.
#: The suite sends the steps of a usual life twice.
CASES = {
    "create and start": ([], _task(**NEW, state="started", memory="1G", tpm=True, firmware="uefi", cloud_init=CLOUD)),
    "create with a number": ([], _task(**NEW, id="150", pool="prod", tags=["a"], protection=True)),
    "create from an image": ([], _task(name="web3", node="pve1", image={"source": "local:import/x.qcow2"})),
    "linked clone": (
        [],
        _task(name="web3", state="started", clone={"source": "tmpl", "linked": True}, cloud_init=CLOUD),
    ),
    "stop": ([], _task(name="web1", state="stopped")),
    "kill of a hibernated VM": (
        [_task(name="web1", state="suspended")],
        _task(name="web1", state="stopped", stop_mode="force"),
    ),
    "restart": ([], _task(name="web1", state="restarted")),
    "recreate": ([], _task(name="web2", disks=[{"slot": "scsi0", "size": "32G"}], allow_recreate=True)),
    "snapshot without memory": ([], _snapshot(snapshot="s1", include_memory=False)),
    "keep the last snapshots": ([_snapshot(snapshot="s1")], _snapshot(snapshot="s2", keep_last=1)),
    "restore without memory": (
        [_snapshot(snapshot="s1", include_memory=False)],
        _snapshot(snapshot="s1", state="restored", power="keep"),
    ),
    "move": ([], _task(name="web2", node="pve3")),
    "move with a change": ([], _task(name="web1", node="pve2", memory="4G", networks=NICS)),
    "template": ([], _task(name="web2", template=True)),
    "pool": ([_task(name="web2", pool="old")], _task(name="web2", pool="prod")),
    "out of the pool": ([_task(name="web2", pool="old")], _task(name="web2", pool="")),
}
#: Changes of settings, each on the stopped and on the running VM.
CHANGES = {
    "add disks": ([], {"disks": DISKS}),
    "add an existing disk": ([], {"disks": [{"slot": "scsi2", "source": FREE}]}),
    "remove disks": ([{"disks": DISKS}], {"disks": [{**disk, "state": "absent"} for disk in DISKS]}),
    "complete list of disks": ([{"disks": DISKS}], {"disks": [{"slot": "scsi0"}], "purge": ["disks"]}),
    "grow disks": (
        [{"disks": DISKS[:1]}],
        {"disks": [{"slot": "scsi0", "size": "40G"}, {"slot": "scsi1", "size": "3G"}]},
    ),
    "move a disk": ([], {"disks": [{"slot": "scsi0", "storage": "nfs", "size": "40G"}]}),
    "add and remove disks": (
        [{"disks": DISKS[:1]}],
        {"disks": [{"slot": "scsi1", "state": "absent"}, {"slot": "scsi3", "size": "1G"}]},
    ),
    "add NICs": ([], {"networks": NICS}),
    "remove NICs": ([{"networks": NICS}], {"networks": [{"source": "vmbr0"}], "purge": ["networks"]}),
    "change NICs": (
        [{"networks": NICS}],
        {"networks": [{"source": "vmbr1", "model": "e1000"}, {"type": "nat", "mac": "bc:24:11:00:00:77", "vlan": 0}]},
    ),
    "firmware and TPM": ([], {"firmware": "uefi", "secure_boot": True, "tpm": True}),
    "no TPM": ([{"tpm": True}], {"tpm": False}),
    "cloud-init": ([], {"cloud_init": CLOUD}),
    "less cloud-init": ([{"cloud_init": CLOUD}], {"cloud_init": {"user": "", "ip_config": []}}),
    "no protection, no disk": (
        [{"disks": DISKS[:1], "protection": True}],
        {"disks": [{"slot": "scsi1", "state": "absent"}], "protection": False},
    ),
    "native": ([], {"native": {"scsi0": "ssd=1", "net0": "rate=5", "numa": True, "boot": "order=net0"}}),
    "less native": ([{"native": {"net0": "rate=5", "numa": True}}], {"native": {"net0": "rate=", "numa": ""}}),
}


def _world():
    world = worlds.with_cases()
    world.cluster.pools["old"] = type(world.cluster.pools["prod"])("")
    for node in world.cluster.nodes:
        world.storages.get("local-lvm").volumes[node, FREE.partition(":")[2]] = Volume(GIB)
    return world


def _run(times, before, task):
    """(outcome, state of the cluster) after a task; ``times`` is a context manager that may send each step twice."""
    world = _world()
    for one in before:
        outcome = one(world)
        assert not outcome.failed, outcome.msg
    with times():
        outcome = task(world)
    world.engine.advance(60)
    assert (invariants.violations(world), invariants.orphans(world), world.tasks.crashes) == ([], [], [])
    return outcome, cluster_state(world)


def _same_when_sent_twice(before, task):
    once, expected = _run(nullcontext, before, task)
    twice, found = _run(each_step_twice, before, task)
    assert (twice.failed, twice.msg) == (once.failed, once.msg)
    assert not once.failed
    assert (twice.changed, twice.diff) == (once.changed, once.diff)
    assert found == expected


@pytest.mark.parametrize("case", CASES)
def test_step_that_is_sent_twice_ends_as_if_sent_once(case):
    _same_when_sent_twice(*CASES[case])


@pytest.mark.parametrize("name", ["web1", "web2"], ids=["running", "stopped"])
@pytest.mark.parametrize("case", CHANGES)
def test_change_that_is_sent_twice_ends_as_if_sent_once(case, name):
    before, change = CHANGES[case]
    _same_when_sent_twice([_task(name=name, **one) for one in before], _task(name=name, **change))


def test_changes_with_a_restart_that_are_sent_twice_end_as_if_sent_once():
    requested = {"memory": "4G", "cpus": 3, "disks": DISKS, "networks": NICS, "tpm": True, "allow_restart": True}
    _same_when_sent_twice([], _task(name="web1", **requested))
