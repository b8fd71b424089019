# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Slots for drives that other options add (ISO, cloud-init): if none is free, the task fails before any change."""

from __future__ import annotations

import pytest

from unit.module_utils._drivers.proxmox.simulated import do

IDE = ("ide0", "ide1", "ide2", "ide3")
FOR_ISO, FOR_SEED = (*IDE, "sata5"), (*IDE, "sata4")
ISO = {"iso": "local:iso/debian.iso"}
CLOUD_INIT, CUSTOM = {"cloud_init": {"user": "me"}}, {"native": {"cicustom": "user=local:snippets/x.yml"}}
PASSWORD = {"cloud_init": {"password": "secret"}}


def _disks(slots):
    return {"disks": [{"slot": slot, "size": "1G"} for slot in slots]}


def _with_disks(world, slots):
    outcome = do(world, name="web2", **_disks(slots))
    assert not outcome.failed, outcome.msg


def _rejected(world, what, slots, requested):
    world.journal.clear()
    for check in (True, False):
        outcome = do(world, check=check, **requested)
        assert outcome.failed, (check, requested)
        assert outcome.msg.startswith(f"{requested['name']}: {what}: no slot is free")
        assert ", ".join(slots) in outcome.msg
    assert world.journal.writes() == []


def _apply(world, requested):
    """Assert that the task succeeds in check mode and in the real run, and changes nothing when it runs again."""
    for check, changed in ((True, True), (False, True), (True, False), (False, False)):
        outcome = do(world, check=check, **requested)
        assert (outcome.failed, outcome.changed) == (False, changed), outcome.msg
    machines = world.cluster.machines.values()
    return next(one.config.current for one in machines if one.config.current.get("name") == requested["name"])


FOR_EACH_DRIVE = pytest.mark.parametrize(
    ("options", "what", "slots"),
    [(ISO, "iso", FOR_ISO), (CLOUD_INIT, "cloud-init", FOR_SEED), (CUSTOM, "cloud-init", FOR_SEED)],
    ids=["ISO image", "seed", "own seed"],
)


@FOR_EACH_DRIVE
def test_no_free_slot_on_an_existing_vm(world, options, what, slots):
    _with_disks(world, slots)
    _rejected(world, what, slots, {"name": "web2", **options})


@FOR_EACH_DRIVE
def test_slots_used_by_disks_of_the_same_task(world, options, what, slots):
    _with_disks(world, slots[:-1])
    _rejected(world, what, slots, {"name": "web2", **options, **_disks(slots[-1:])})


@FOR_EACH_DRIVE
def test_no_free_slot_on_a_clone(world, options, what, slots):
    _with_disks(world, slots)
    _rejected(world, what, slots, {"name": "web3", "clone": {"source": "web2"}, **options})


def test_no_free_slot_on_a_clone_with_a_password(world):
    _with_disks(world, FOR_SEED)
    _rejected(world, "cloud-init", FOR_SEED, {"name": "web3", "clone": {"source": "web2"}, **PASSWORD})


def test_seed_of_a_clone_uses_the_last_slot(world):
    _with_disks(world, ("ide0", "ide1", "ide2", "sata5"))
    _rejected(world, "iso", FOR_ISO, {"name": "web3", "clone": {"source": "web2"}, **ISO, **PASSWORD})


@FOR_EACH_DRIVE
def test_no_free_slot_on_a_new_vm(world, options, what, slots):
    _rejected(world, what, slots, {"name": "web3", "node": "pve1", **_disks(["scsi0", *slots]), **options})


def test_no_free_slot_on_a_new_vm_with_a_password(world):
    _rejected(world, "cloud-init", FOR_SEED, {"name": "web3", **_disks(["scsi0", *FOR_SEED]), **PASSWORD})


def test_free_sata_slots_are_used(world):
    _with_disks(world, IDE)
    options = _apply(world, {"name": "web2", **ISO, **CLOUD_INIT})
    assert "iso/debian.iso" in options["sata5"]
    assert "cloudinit" in options["sata4"]


@pytest.mark.parametrize("options", [ISO, CLOUD_INIT], ids=["ISO image", "seed"])
def test_slot_of_a_removed_disk_is_free_only_for_the_next_task(world, options):
    _with_disks(world, IDE)
    config = _apply(world, {"name": "web2", "disks": [{"slot": one, "state": "absent"} for one in IDE], **options})
    assert {"sata4", "sata5"} & set(config)
    assert not set(IDE) & set(options)
