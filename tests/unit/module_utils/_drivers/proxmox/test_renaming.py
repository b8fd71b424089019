# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A VM that its ID selects is renamed if the task permits that; else another name means another VM."""

from __future__ import annotations

import pytest

from unit.module_utils._drivers.proxmox.simulated import applied, do, do_snapshot, machine_of, rejected, unchanged

NEW = {"name": "web3", "id": "500", "node": "pve1", "disks": [{"size": "1G"}]}
RENAME = {"id": "500", "name": "web4", "allow_rename": True}


@pytest.fixture(name="world")
def _with_vm(world):
    assert do(world, **NEW).changed
    return world


@pytest.mark.parametrize("state", ["present", "started"])
def test_vm_is_renamed_with_other_changes_and_keeps_its_record(world, state):
    if state == "started":
        applied(world, name="web3", state=state)
    options = applied(world, **RENAME, state=state, description="renamed")
    assert (options["name"], options["description"].startswith("renamed")) == ("web4", True)
    assert machine_of(world, "web4").vmid == 500
    assert not do(world, name="web4", state="absent", stop_mode="force").failed
    assert 500 not in world.cluster.machines


def test_diff_and_result_name_both(world):
    outcome = do(world, check=True, **RENAME)
    (diff,) = outcome.diff
    assert (diff["before"], diff["after"]) == ({"name": "web3"}, {"name": "web4"})
    assert do(world, **RENAME).vms[0]["name"] == "web4"


def test_without_permission_another_name_is_another_vm(world):
    rejected(world, "web4", "ID 500 is named 'web3'", "allow_rename: true", id="500", name="web4", memory="3G")
    unchanged(world, id="500", name="web3", allow_rename=True)
    unchanged(world, name="web3", allow_rename=True)


def test_name_of_another_vm_and_a_name_that_no_vm_can_have(world):
    rejected(world, "web2", "another VM has the name", **{**RENAME, "name": "web2"})
    rejected(world, "two_words", "no VM can have this name", **{**RENAME, "name": "two_words"})


def test_nothing_is_deleted_or_restored_under_another_name(world):
    rejected(world, "ID 500 is named 'web3'", **RENAME, state="absent")
    rejected(world, "ID 500 is named 'web3'", id="500", name="web4", snapshot="a", run=do_snapshot)


def test_vm_of_others_can_be_renamed_too(world):
    assert applied(world, id="101", name="web5", allow_rename=True)["name"] == "web5"
