# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of disks' places, and the two buses that share one row of names."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import Refused
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import LIVE, NEXT_BOOT, Change, Vm
from ansible_collections.polyvirt.core.plugins.module_utils._core.planner.plan import plan
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.settings.disks import (
    DISKS,
    bus_of,
    normalize_slots,
    slot_name,
)
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.traits import virsh_traits

from unit.tables.rows import ask

TRAITS = virsh_traits("QEMU", "9.0.0", local=True)
SATA = {"size": 1 << 30, "bus": "sata"}
SCSI = {"size": 1 << 30, "bus": "scsi"}


@pytest.mark.parametrize(
    ("place", "name"), [(0, "vda"), (25, "vdz"), (26, "vdaa"), (51, "vdaz"), (52, "vdba"), (702, "vdaaa")]
)
def test_slot_names_follow_libvirt(place, name):
    assert slot_name(place) == name
    assert bus_of(name) == "virtio"


def with_disks(**disks):
    return Vm("web", id="u", config={"disks": disks})


@pytest.mark.parametrize(
    ("found", "requested", "normalized"),
    [
        ({}, {"sata0": {"size": 512}}, {"sda": {"size": 512, "bus": "sata"}}),
        ({}, {"sata27": {}}, {"sdab": {"bus": "sata"}}),
        ({}, {"sda": {"size": 512}}, {"sda": {"size": 512}}),
        ({"sda": SATA}, {"sata0": None}, {"sda": None}),
        ({"sda": SATA}, {"sda": None}, {"sda": None}),
        ({"sda": SCSI}, {"sata0": None}, {}),
        ({}, {"sata0": None}, {"sda": None}),
    ],
)
def test_sata_slot_becomes_target_with_bus(found, requested, normalized):
    assert normalize_slots(with_disks(**found), requested) == normalized


@pytest.mark.parametrize("slot", ["sata", "sata1x", "sata1000", "1", "vd/../x", "SATA0", "sata\u0661"])
def test_invalid_slot_is_rejected(slot):
    with pytest.raises(Refused, match="is not a valid slot"):
        normalize_slots(with_disks(), {slot: {"size": 512}})


def test_two_names_of_one_target_are_rejected():
    with pytest.raises(Refused, match=r"web: disks: sata0 and sda are the same slot"):
        normalize_slots(with_disks(), {"sda": {}, "sata0": {}})


def test_bus_of_disk_cannot_be_changed():
    planned = plan(with_disks(sda=SCSI), ask(disks=[{"slot": "sata0"}]), TRAITS)
    assert str(planned.refusal).startswith("web: disks.sda.bus is 'scsi' and cannot be changed to 'sata'.")
    assert "Use another slot" in str(planned.refusal)


@pytest.mark.parametrize(
    ("key", "old", "new", "cost"),
    [
        ("vdb", None, {}, LIVE),
        ("sdb", None, {}, LIVE),
        ("hdb", None, {}, NEXT_BOOT),
        ("sdb", None, {"bus": "sata"}, NEXT_BOOT),
        ("sdb", {"bus": "sata"}, None, NEXT_BOOT),
        ("sdb", {"bus": "scsi"}, None, LIVE),
        ("vdb", {}, None, LIVE),
    ],
)
def test_cost_of_adding_and_removing_disks(key, old, new, cost):
    assert DISKS["disks.add"].cost_of(Vm("web", power="running"), Change("disks", old, new, key=key)) == cost
