# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Slots for drives that other options add (ISO, cloud-init): if none is free, the task fails before any change."""

from __future__ import annotations

import pytest

from unit.module_utils._drivers.proxmox.simulated import applied, do, machine_of, rejected, unchanged
from unit.module_utils._drivers.proxmox.tasks import done

IDE = ("ide0", "ide1", "ide2", "ide3")
FOR_ISO, FOR_SEED = (*IDE, "sata5"), (*IDE, "sata4")
ISO = {"iso": "local:iso/debian.iso"}
CLOUD_INIT, CUSTOM = {"cloud_init": {"user": "me"}}, {"native": {"cicustom": "user=local:snippets/x.yml"}}
PASSWORD = {"cloud_init": {"password": "secret"}}


def _disks(slots):
    return {"disks": [{"slot": slot, "size": "1G"} for slot in slots]}


def _with_disks(world, slots):
    done(world, name="web2", **_disks(slots))


def _no_slot(world, what, slots, requested):
    rejected(world, f"{requested['name']}: {what}: no slot is free", ", ".join(slots), **requested)


CLONE = {"name": "web3", "clone": {"source": "web2"}}


@pytest.mark.parametrize(
    ("options", "what", "slots"),
    [
        (ISO, "iso", FOR_ISO),
        (CLOUD_INIT, "cloud-init", FOR_SEED),
        (CUSTOM, "cloud-init", FOR_SEED),
        (PASSWORD, "cloud-init", FOR_SEED),
    ],
    ids=["ISO image", "seed", "own seed", "password"],
)
def test_no_slot_is_free(world, options, what, slots):
    """On a new VM, on one with disks of the same task, on an existing VM, and on a clone of it."""
    _no_slot(world, what, slots, {"name": "web3", "node": "pve1", **_disks(["scsi0", *slots]), **options})
    _with_disks(world, slots[:-1])
    if options is not PASSWORD:  # It cannot be read back, so an existing VM does not get one.
        _no_slot(world, what, slots, {"name": "web2", **options, **_disks(slots[-1:])})
    _with_disks(world, slots)
    if options is not PASSWORD:
        _no_slot(world, what, slots, {"name": "web2", **options})
    _no_slot(world, what, slots, {**CLONE, **options})


@pytest.mark.parametrize("documents", [{}, {"user_data": "#cloud-config\n{}\n"}], ids=["password", "documents"])
@pytest.mark.parametrize("drives", [ISO, {"cdroms": [{"slot": "ide3", "source": ISO["iso"]}]}], ids=["iso", "cdroms"])
def test_seed_of_a_clone_is_not_where_the_task_adds_a_drive(world, documents, drives):
    _with_disks(world, ("ide0", "ide1", "ide2", "sata5"))
    config = applied(world, **CLONE, **drives, cloud_init=documents or {"password": "secret"})
    assert ISO["iso"] in config["ide3"] and "media=cdrom" in config["sata4"]


def test_drive_of_a_clone_is_not_where_its_source_has_the_seed(world):
    done(world, name="web2", **CLOUD_INIT, cdroms=[{"slot": "ide3"}])
    done(world, name="web2", cdroms=[], purge=["cdroms"])
    seed = next(slot for slot, text in machine_of(world, "web2").config.current.items() if "cloudinit" in str(text))
    rejected(world, f"cdroms.{seed}: the slot is used by", **CLONE, cdroms=[{"slot": seed, "source": ISO["iso"]}])


@pytest.mark.parametrize("options", [ISO, CLOUD_INIT], ids=["ISO image", "seed"])
def test_slot_of_a_removed_disk_is_free_only_for_the_next_task(world, options):
    _with_disks(world, IDE)
    config = applied(world, name="web2", disks=[{"slot": one, "state": "absent"} for one in IDE], **options)
    assert {"sata4", "sata5"} & set(config)
    assert not set(IDE) & set(options)


def test_drive_that_is_no_disk_is_not_absent(world):
    """A slot without any drive is as requested."""
    assert do(world, name="web2", cloud_init={"user": "me"}, iso="local:iso/debian.iso").changed
    absent = {"name": "web2", "disks": [{"slot": "ide0", "state": "absent"}]}
    rejected(world, "it is not a disk", "cloud_init: {state: absent}", **absent)
    (slot,) = (one["slot"] for one in do(world, name="web2", check=True).vms[0]["cdroms"])
    absent["disks"][0]["slot"] = slot
    rejected(world, "it is not a disk", f"cdroms: [{{slot: {slot}", **absent)
    unchanged(world, name="web2", disks=[{"slot": "scsi7", "state": "absent"}])


@pytest.mark.parametrize(("slot", "waits"), [("scsi12", []), ("sata4", ["iso"])])
def test_optical_drive_of_a_running_vm_is_plugged_in_as_a_disk_is(world, slot, waits):
    """vmconfig_update_disk: only drives of IDE and SATA wait for the next start."""
    assert not do(world, name="web1", state="started").failed
    drive = {"cdroms": [{"slot": slot, "source": "local:iso/debian.iso"}]}
    check, real = (do(world, check=one, name="web1", **drive) for one in (True, False))
    assert [one.vms[0]["restart_required"] for one in (check, real)] == [waits, waits], real.msg
    assert not do(world, name="web1", **drive).changed
