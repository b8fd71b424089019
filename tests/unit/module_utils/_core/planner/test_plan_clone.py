# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Planned settings of a clone: those of its source, except those that the task sets."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import (
    DESTRUCTIVE,
    LIVE,
    NEXT_BOOT,
    Field,
    Snapshot,
    Traits,
)
from ansible_collections.polyvirt.core.plugins.module_utils._core.planner.plan import plan

from unit.tables.rows import G, absent, ask, found, verbs_of

TRAITS = Traits(
    platform="any",
    fields={
        "clone": Field(),
        "memory": Field(cost=NEXT_BOOT),
        "description": Field(cost=LIVE),
        "firmware": Field(cost=DESTRUCTIVE),
        "disks.add": Field(cost=LIVE),
        "disks.remove": Field(cost=LIVE),
        "disks.size": Field(cost=LIVE),
    },
)


def test_clone_waits_for_a_busy_source():
    clone = ask(clone={"source": "db"})
    assert plan(absent(), clone, TRAITS, source=found(name="db", busy="backup")).busy == "its source 'db': backup"
    assert plan(absent(), clone, TRAITS, source=found(name="db")).busy is None


def test_clone_copies_settings_of_its_source():
    nic, disk = {"type": "nat", "mac": "52:54:00:00:00:01"}, {"size": G, "source": "/images/db.qcow2"}
    source = found(
        name="db", memory=G, description="y", autostart=True, networks={"0": nic}, disks={"disk0": disk, "disk1": disk}
    )
    planned = plan(absent(), ask("started", clone={"source": "db"}, description="x"), TRAITS, source=source)
    assert verbs_of(planned) == ["clone", "configure", "start"]
    assert planned.after.config == {
        "memory": G,
        "description": "x",
        "autostart": False,
        "networks": {"0": {"type": "nat"}},
        "disks": {"disk0": {"size": G}, "disk1": {"size": G}},
        "created": None,
    }


def test_clone_of_a_snapshot_copies_settings_of_the_snapshot():
    taken = Snapshot("s1", id="i1", config={"memory": G})
    source = found("running", name="db", memory=2 * G, snapshots=(taken,))
    request = ask(clone={"source": "db", "snapshot": "s1"})
    assert plan(absent(), request, TRAITS, source=source).after.config == {"memory": G, "created": None}
    missing = plan(absent(), ask(clone={"source": "db", "snapshot": "s2"}), TRAITS, source=source)
    assert (missing.refusal.kind, "s1" in str(missing.refusal)) == ("not_found", True)


def test_setting_that_needs_recreation_cannot_differ_in_a_clone():
    planned = plan(absent(), ask(clone={"source": "db"}, firmware="uefi"), TRAITS, source=found(name="db"))
    assert "firmware" in planned.refusal.message
    assert "db" in planned.refusal.message


def test_vm_is_never_recreated_as_a_clone_of_itself():
    vm = found(firmware="bios")
    request = ask(clone={"source": "web"}, firmware="uefi", allow_recreate=True)
    assert "a clone of itself" in plan(vm, request, TRAITS, source=vm).refusal.message


@pytest.mark.parametrize(("disks", "left"), [([], {"disk0"}), ([{"slot": "disk2", "size": "1G"}], {"disk0", "disk2"})])
def test_purge_does_not_remove_the_cloned_disk(disks, left):
    source = found(name="db", disks={"disk0": {"size": G}, "disk1": {"size": G}})
    request = ask(clone={"source": "db"}, disks=disks, purge=["disks"])
    clone = plan(absent(), request, TRAITS, source=source).after
    assert set(clone.config["disks"]) == left
    assert verbs_of(plan(clone, request, TRAITS)) == []
