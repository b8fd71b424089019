# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``cloud_init: {state: absent}`` removes the cloud-init drive, and ``present`` adds it, also without a value."""

from __future__ import annotations

import pytest

from simulators.proxmox.config import Config
from unit.module_utils._drivers.proxmox.simulated import applied, do, machine_of, rejected, unchanged
from unit.module_utils._drivers.proxmox.tasks import account, done, failed

ABSENT, PRESENT = {"cloud_init": {"state": "absent"}}, {"cloud_init": {"state": "present"}}
VALUES = {"cloud_init": {"user": "me"}}


def _seeds(texts):
    return [text for text in texts if "cloudinit" in text]


def test_drive_is_removed_and_added_again(world):
    done(world, name="new", node="pve1", disks=[{"slot": "scsi0", "size": "1G"}])
    unchanged(world, name="new", **ABSENT)
    done(world, name="new", **VALUES)
    volumes = world.storages.get("local-lvm").volumes
    assert len(_seeds(map(str, volumes))) == 2  # That of the template, too.
    config = applied(world, name="new", **ABSENT)
    # No task has detached a disk, and the server has deleted the volume of the drive.
    assert not _seeds(config.values()) and "detached" not in config["description"] and "unused0" not in config
    assert config["ciuser"] == "me" and len(_seeds(map(str, volumes))) == 1
    unchanged(world, name="new", **VALUES)
    assert not _seeds(applied(world, name="new", cloud_init={"state": "absent", "user": "us"}).values())
    assert len(_seeds(applied(world, name="new", cloud_init={"user": "you"}).values())) == 1
    applied(world, name="new", **ABSENT)
    assert len(_seeds(applied(world, name="new", **PRESENT).values())) == 1
    unchanged(world, name="new", **PRESENT)


@pytest.mark.parametrize("slot", ["ide0", "scsi5"])
def test_drive_of_a_running_vm_is_removed_as_an_optical_drive_is(world, slot):
    machine = world.cluster.machines[100]
    done(world, name="web1", state="stopped")
    done(world, name="web1", **VALUES)
    current = dict(machine.config.current)
    current[slot] = current.pop("ide0")
    machine.write(Config(current=current))
    done(world, name="web1", state="started")
    check, real = (do(world, check=one, name="web1", **ABSENT) for one in (True, False))
    waits = ["cloud_init.state"] if slot == "ide0" else []
    assert [one.vms[0]["restart_required"] for one in (check, real)] == [waits, waits], real.msg
    assert check.diff == real.diff and not do(world, name="web1", **ABSENT).changed
    done(world, name="web1", state="restarted")
    assert not _seeds(machine.config.current.values())


def test_drive_that_a_value_adds_to_a_running_vm_waits_for_its_start(world):
    check, real = (do(world, check=one, name="web1", **VALUES) for one in (True, False))
    assert [one.vms[0]["restart_required"] for one in (check, real)] == [["cloud_init.state"]] * 2, real.msg
    applied(world, name="web1", allow_restart=True, **VALUES)
    assert len(_seeds(machine_of(world, "web1").config.current.values())) == 1


@pytest.mark.parametrize("options", [{}, {"disks": [{"slot": "scsi0", "size": "1G"}], "node": "pve1"}])
def test_state_of_the_drive_holds_for_a_new_vm_and_a_clone(world, options):
    source = {} if options else {"clone": {"source": "tmpl"}}
    assert not _seeds(applied(world, name="new1", **options, **source, **ABSENT).values())
    assert len(_seeds(applied(world, name="new2", **options, **source, **PRESENT).values())) == 1


def test_protected_vm_keeps_its_drive(world):
    done(world, name="web2", protection=True, **VALUES)
    rejected(world, "cloud_init.state cannot be removed: the VM is protected", name="web2", **ABSENT)
    applied(world, name="web2", protection=False, **ABSENT)


@pytest.mark.parametrize("missing", ["VM.Config.Cloudinit", "VM.Config.CDROM"])
def test_removal_needs_both_privileges(world, missing):
    done(world, name="web2", **VALUES)
    held = {"VM.Audit", "VM.Config.Cloudinit", "VM.Config.CDROM", "VM.Config.Options"} - {missing}
    api = account(world, ("/", held))
    for check in (True, False):
        failed(world, missing, check=check, api=api, name="web2", **ABSENT)
    assert _seeds(machine_of(world, "web2").config.current.values())


@pytest.mark.parametrize("also", [{"password": "x"}, {"user_data": "#cloud-config"}])
def test_removal_with_what_needs_the_drive_is_rejected(world, also):
    rejected(world, "cloud_init: state: absent removes the drive", name="web1", cloud_init={"state": "absent", **also})
    asked = {"name": "new", "node": "pve1", "disks": [{"slot": "scsi0", "size": "1G"}]}
    rejected(world, "cloud_init: state: absent", **asked, cloud_init={"state": "absent", **also})
