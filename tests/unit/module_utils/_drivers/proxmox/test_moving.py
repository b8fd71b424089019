# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine goes to another node: what does not go along is ejected before, or refused before anything is written."""

from __future__ import annotations

import pytest

from simulators.proxmox import behind
from simulators.proxmox.access import Account, Token, User
from simulators.proxmox.storage import GIB, MIB, Volume
from unit.module_utils._drivers.proxmox.simulated import Api, do

LOCAL, SHARED = "local:iso/debian.iso", "nfs:iso/other.iso"


@pytest.fixture(name="world")
def _world(world):
    """With a medium that only the shared storage has."""
    nfs = world.storages.get("nfs")
    nfs.volumes[nfs.key("pve1", "iso/other.iso")] = Volume(600 * MIB, "raw", "iso")
    return world


@pytest.mark.parametrize(
    ("found", "asked"),
    [(LOCAL, ""), (LOCAL, SHARED), (SHARED, LOCAL), (SHARED, ""), (SHARED, None)],
    ids=["ejected", "a shared one instead", "a local one instead", "a shared one ejected", "a shared one"],
)
@pytest.mark.parametrize(("name", "vmid", "node"), [("web1", 100, "pve2"), ("web2", 101, "pve1")])
def test_a_medium_on_the_way(world, name, vmid, node, found, asked):
    behind.edit(world, vmid, ide2=f"{found},media=cdrom")
    task = {"name": name, "node": node, **({} if asked is None else {"iso": asked})}
    check, real = do(world, check=True, **task), do(world, **task)
    assert (real.failed, real.changed) == (False, True), real.msg
    assert real.diff == check.diff
    machine = world.cluster.machines[vmid]
    medium = machine.config.current["ide2"].partition(",")[0]
    assert (machine.node, medium) == (node, (found if asked is None else asked) or "none")
    assert not do(world, **task).changed


def _refused(world, *words, api=None, **asked):
    world.journal.clear()
    for check in (True, False):
        outcome = do(world, check=check, api=api, **asked)
        assert outcome.failed, asked
        for word in words:
            assert word in outcome.msg
    assert world.journal.writes() == []


def test_a_local_medium_that_stays_holds_its_machine(world):
    behind.edit(world, 100, ide2=f"{LOCAL},media=cdrom", ide3=f"{LOCAL},media=cdrom")
    _refused(world, "web1", "pve2", LOCAL, "ide2", 'iso: ""', name="web1", node="pve2")
    _refused(world, "web1", "pve2", LOCAL, "ide3", "first", name="web1", node="pve2", iso="")


def test_a_local_disk_goes_only_where_its_storage_is(world):
    world.storages.get("n2").volumes["pve2", "101/vm-101-disk-1.raw"] = Volume(GIB, vmid=101)
    behind.edit(world, 101, scsi1="n2:101/vm-101-disk-1.raw,size=1G")
    _refused(world, "web2", "pve3", "'n2'", "scsi1", name="web2", node="pve3")


def test_who_sees_no_storage_is_not_refused_for_that(world):
    world.access.accounts["ci@pve"] = Account(tokens={"t": Token("s", separated=False)})
    world.access.roles["Mover"] = frozenset({"VM.Audit", "VM.Migrate", "Sys.Audit"})
    world.access.allow("/", "ci@pve", "Mover")
    outcome = do(world, api=Api(world, User("ci@pve", "t")), name="web2", node="pve3")
    assert not outcome.failed, outcome.msg
    assert world.cluster.machines[101].node == "pve3"


def test_a_medium_is_looked_for_where_the_machine_will_be(world):
    local = world.storages.get("local")
    local.volumes[local.key("pve1", "iso/here.iso")] = Volume(MIB, "raw", "iso")
    _refused(world, "web1", "pve2", "here.iso", name="web1", node="pve2", iso="local:iso/here.iso")
