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
TOLD, CUSTOM = {"cloud_init": {"user": "me"}}, {"native": {"cicustom": "user=local:snippets/x.yml"}}
PASSWORD = {"cloud_init": {"password": "secret"}}


def _disks(slots):
    return {"disks": [{"slot": slot, "size": "1G"} for slot in slots]}


def _with_disks(world, slots):
    outcome = do(world, name="web2", **_disks(slots))
    assert not outcome.failed, outcome.msg


def _refused(world, what, slots, asked):
    world.journal.clear()
    for check in (True, False):
        outcome = do(world, check=check, **asked)
        assert outcome.failed, (check, asked)
        assert outcome.msg.startswith(f"{asked['name']}: {what}: no slot is free")
        assert ", ".join(slots) in outcome.msg
    assert world.journal.writes() == []


def _made(world, asked):
    """Assert that the task succeeds in check mode and in the real run, and changes nothing when it runs again."""
    for check, changed in ((True, True), (False, True), (True, False), (False, False)):
        outcome = do(world, check=check, **asked)
        assert (outcome.failed, outcome.changed) == (False, changed), outcome.msg
    machines = world.cluster.machines.values()
    return next(one.config.current for one in machines if one.config.current.get("name") == asked["name"])


BY_THE_WAY = pytest.mark.parametrize(
    ("options", "what", "slots"),
    [(ISO, "iso", FOR_ISO), (TOLD, "cloud-init", FOR_SEED), (CUSTOM, "cloud-init", FOR_SEED)],
    ids=["medium", "seed", "own seed"],
)


@BY_THE_WAY
def test_a_machine_that_is_there(world, options, what, slots):
    _with_disks(world, slots)
    _refused(world, what, slots, {"name": "web2", **options})


@BY_THE_WAY
def test_disks_of_the_same_task(world, options, what, slots):
    _with_disks(world, slots[:-1])
    _refused(world, what, slots, {"name": "web2", **options, **_disks(slots[-1:])})


@BY_THE_WAY
def test_a_clone(world, options, what, slots):
    _with_disks(world, slots)
    _refused(world, what, slots, {"name": "web3", "clone": {"source": "web2"}, **options})


def test_a_clone_that_is_told_once(world):
    _with_disks(world, FOR_SEED)
    _refused(world, "cloud-init", FOR_SEED, {"name": "web3", "clone": {"source": "web2"}, **PASSWORD})


def test_a_clone_whose_seed_has_the_last_slot(world):
    _with_disks(world, ("ide0", "ide1", "ide2", "sata5"))
    _refused(world, "iso", FOR_ISO, {"name": "web3", "clone": {"source": "web2"}, **ISO, **PASSWORD})


@BY_THE_WAY
def test_a_new_machine(world, options, what, slots):
    _refused(world, what, slots, {"name": "web3", "node": "pve1", **_disks(["scsi0", *slots]), **options})


def test_a_new_machine_that_is_told_once(world):
    _refused(world, "cloud-init", FOR_SEED, {"name": "web3", **_disks(["scsi0", *FOR_SEED]), **PASSWORD})


def test_what_is_left(world):
    _with_disks(world, IDE)
    options = _made(world, {"name": "web2", **ISO, **TOLD})
    assert "iso/debian.iso" in options["sata5"]
    assert "cloudinit" in options["sata4"]


@pytest.mark.parametrize("options", [ISO, TOLD], ids=["medium", "seed"])
def test_what_goes_leaves_its_slot_by_the_next_task_alone(world, options):
    _with_disks(world, IDE)
    config = _made(world, {"name": "web2", "disks": [{"slot": one, "state": "absent"} for one in IDE], **options})
    assert {"sata4", "sata5"} & set(config)
    assert not set(IDE) & set(options)
