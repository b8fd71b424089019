# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The real ``vagrant destroy`` with disks and media of a user, and the real ``vagrant up`` that is killed half-way."""

from __future__ import annotations

import subprocess
import xml.etree.ElementTree as ET

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import ABSENT, RUNNING, STOPPED

from platforms.vagrant import real
from platforms.vagrant.test_life import NAME, Project
from suite.carry import carry_one
from suite.limits import scaled
from suite.shim import Shim

pytestmark = pytest.mark.full

MADE = {"box": real.BOX, "memory": "128M", "native": {"vm.boot_timeout": int(scaled(300))}, "state": "started"}
#: Kills the module and the real Vagrant when the condition holds.
KILLS = """#!/bin/sh
[ "$1" = up ] || exec vagrant "$@"
setsid vagrant "$@" &
until {condition}; do sleep 0.02; done
kill -9 "$PPID"
kill -9 -$!
"""
#: Places inside of `vagrant up`: the id is written, the VM has its NIC and boots, the first start is complete.
PLACES = {
    "id": "grep -qs . {folder}/.vagrant/machines/web/libvirt/id",
    "boot": 'virsh -q -c qemu:///system domstate "$(cat {folder}/.vagrant/machines/web/libvirt/id)" | grep -qs running',
    "after": "grep -qs . {folder}/.vagrant/machines/web/libvirt/action_provision && sleep 2",
}


class Run:
    """Runs one module in a project with the small box."""

    def __init__(self, found, folder):
        self.found, self.folder = found, folder
        self.shim = Shim(folder / "shim", ["vagrant"])

    def __call__(self, about="vm", check=False, **options):
        return carry_one(Project(self.found), self.shim, self.folder, {"name": [NAME], **options}, about, check)

    def id(self):
        (path,) = self.found.project.glob(".vagrant/machines/*/*/id")
        return path.read_text(encoding="ascii")

    def virsh(self, *words):
        done = subprocess.run(
            ["virsh", "-q", "-c", "qemu:///system", *words], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture
def run(box, tmp_path, monkeypatch):
    with real.Vagrant(tmp_path, "pvv-destroyed", box) as found:
        found.use(monkeypatch)
        yield Run(found, tmp_path)


def test_disks_and_media_of_a_user_are_kept(run):
    created = run(**MADE)
    assert not created.failed, created.msg
    assert not run(state="stopped", stop_mode="force").failed
    pool = real._pool_folder()
    disk, iso = pool / "precious.qcow2", pool / "user.iso"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(disk), "16M"], check=True)
    iso.write_bytes(bytes(64 * 2048))
    run.virsh("pool-refresh", real.POOL)
    run.virsh("attach-disk", run.id(), str(disk), "vdb", "--persistent", "--subdriver", "qcow2")
    run.virsh("attach-disk", run.id(), str(iso), "hdc", "--type", "cdrom", "--persistent")
    before = {path: (path.stat().st_ino, path.read_bytes()) for path in (disk, iso)}
    foreseen = run(state="absent", check=True)
    done = run(state="absent")
    assert (foreseen.failed, done.failed, done.vm(NAME)["state"]) == (False, False, ABSENT), done.msg
    for answer in (foreseen, done):
        print([(one["path"], one["reason"]) for one in answer.vm(NAME)["kept"]])
        assert [one["path"] for one in answer.vm(NAME)["kept"]] == [str(disk), str(iso)]
    assert {path: (path.stat().st_ino, path.read_bytes()) for path in (disk, iso)} == before
    assert sorted(one.name for one in pool.glob("pvv-destroyed*")) == []


def test_external_snapshot_of_another_program_is_foreseen(run):
    assert not run(**MADE).failed
    run.virsh("snapshot-create-as", run.id(), "theirs", "--disk-only", "--atomic")
    for check in (True, False):
        rejected = run(state="absent", check=check, stop_mode="force")
        print(rejected.msg)
        assert (rejected.failed, rejected.changed) == (True, False)
        assert "external" in rejected.msg
    assert run("vm_info").vms[0]["state"] == RUNNING
    run.virsh("blockcommit", run.id(), "vda", "--active", "--pivot", "--wait")
    run.virsh("snapshot-delete", run.id(), "theirs", "--metadata")
    done = run(state="absent", stop_mode="force")
    assert not done.failed, done.msg


_DEEP = pytest.mark.deep("killed at boot; at each place on the double: test_half_made.py of the driver")


@pytest.mark.parametrize("place", [pytest.param(one, marks=() if one == "boot" else _DEEP) for one in PLACES])
def test_first_start_that_is_killed_is_completed(run, place):
    killer = run.folder / "killer"
    killer.write_text(KILLS.format(condition=PLACES[place].format(folder=run.found.project)), encoding="utf-8")
    killer.chmod(0o755)
    killed = run(**MADE, executable=str(killer))
    assert killed.rc == -9, killed
    first = run.id()
    nics = ET.fromstring(run.virsh("dumpxml", first)).findall("devices/interface")
    print(place, first, run.virsh("domstate", first, "--reason").strip(), f"{len(nics)} NICs")
    again = run(**MADE)
    assert (again.failed, again.vm(NAME)["state"]) == (False, RUNNING), again.msg
    print("again:", [call.argv[1:] for call in again.calls])
    assert (run.id() == first) == (place != "id")
    assert not run(**MADE).changed
    assert not run(state="stopped", stop_mode="force").failed
    assert run("vm_info").vms[0]["state"] == STOPPED
    assert not run(state="absent").failed
