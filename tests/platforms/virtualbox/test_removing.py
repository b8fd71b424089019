# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that are deleted with a VM: its own disks, but no disk that somebody else created or uses."""

from __future__ import annotations

import os

import pytest

from platforms.virtualbox.tasks import MIB, SMALL, task

pytestmark = pytest.mark.deep("what is deleted on the double: unit belt, test_delete.py")

SECOND = {**SMALL, "disks": {"#0": {"size": 2 * MIB}, "#1": {"size": 2 * MIB}}}
LINKED = ("clonevm", "web", "--snapshot", "base", "--options", "link", "--name", "copy", "--register")


def users_disk(box):
    """A disk that was not created by a task."""
    path = str(box.machines / "user.vdi")
    box.run("createmedium", "disk", "--filename", path, "--size", "2")
    return path


def registered(box):
    said = box.run("list", "hdds").splitlines()
    return sorted(line.partition(":")[2].strip() for line in said if line.startswith("Location:"))


def test_foreign_disk_that_only_a_snapshot_uses_is_not_deleted(box):
    disk = users_disk(box)
    task(box).succeeded()
    task(box, snapshot={"name": "without"}).succeeded()
    task(box, config={"disks": {"SATA 1": {"source": disk}}}).succeeded()
    task(box, snapshot={"name": "with"}).succeeded()
    task(box, snapshot={"name": "without", "state": "restored"}).succeeded()
    before = registered(box)
    for check in (True, False):
        task(box, state="absent", check=check).refused("web", disk, "is to be kept", "delete_disks: all")
    assert registered(box) == before
    task(box, snapshot={"name": "with", "state": "absent"}).succeeded()
    task(box, state="absent").succeeded()
    assert (registered(box), os.path.exists(disk)) == ([disk], True)


def test_foreign_disk_is_deleted_with_its_snapshots_if_requested(box):
    disk = users_disk(box)
    task(box, config={**SMALL, "disks": {"#0": {"source": disk}}}).succeeded()
    task(box, snapshot={"name": "with"}).succeeded()
    task(box, state="absent", delete_disks="all").succeeded()
    assert (registered(box), os.path.exists(disk)) == ([], False)


@pytest.mark.parametrize("taken", [False, True])
@pytest.mark.parametrize("kind", ["immutable", "multiattach"])
def test_image_on_top_of_a_disk_that_is_never_written_is_deleted(box, kind, taken):
    disk = users_disk(box)
    task(box, config={**SMALL, "disks": {"#0": {"size": 2 * MIB}, "#1": {"source": disk}}}).succeeded()
    slot = ("storageattach", "web", "--storagectl", "SATA", "--port", 1, "--type", "hdd", "--medium")
    box.run(*slot, "none")
    box.run("modifymedium", "disk", disk, "--type", kind)
    box.run(*slot, disk)
    if taken:
        task(box, snapshot={"name": "s"}).succeeded()
    assert task(box, state="absent").succeeded().vm["kept"] == []
    assert (registered(box), list(box.machines.iterdir())) == ([disk], [box.machines / "user.vdi"])


def test_clone_created_meanwhile_keeps_its_base(box):
    """The running VM is stopped first, which gives another client time to clone it."""
    task(box, state="started").succeeded()
    task(box, snapshot={"name": "base"}).succeeded()
    done = task(box, state="absent", before={"poweroff": lambda: box.run(*LINKED)})
    assert done.outcome.failed
    assert [word for word in ("web", "is needed by copy", "Delete copy first") if word not in done.outcome.msg] == []
    assert "unregistervm" not in done.verbs
    assert done.vm["state"] == "stopped"
    assert task(box, "copy", state="started", config={"native": SMALL["native"]}).succeeded().outcome.changed


def test_source_of_a_running_clone_is_not_deleted(box):
    tried = []
    task(box).succeeded()
    task(box, snapshot={"name": "base"}).succeeded()
    linked = {"source": "web", "linked": True, "snapshot": "base"}
    remove = {"clonevm": lambda: tried.append(task(box, state="absent", timeout=1))}
    task(box, "copy", config={}, clone=linked, before=remove).succeeded()
    (done,) = tried
    done.refused("web", "another task is working on this VM")


def test_half_deleted_vm_is_reported(box):
    """Another client creates a clone at the last moment: VirtualBox stops with a part of the VM deleted."""
    task(box).succeeded()
    task(box, snapshot={"name": "base"}).succeeded()
    done = task(box, state="absent", before={"unregistervm": lambda: box.run(*LINKED)})
    assert done.outcome.failed
    assert [word for word in ("web", "child media", "VBoxManage list hdds") if word not in done.outcome.msg] == []
    assert done.vm["state"] == "absent"


def test_vm_that_another_client_deletes_first_is_absent(box):
    task(box).succeeded()
    done = task(box, state="absent", before={"unregistervm": lambda: box.run("unregistervm", "web", "--delete")})
    assert (done.succeeded().vm["state"], registered(box)) == ("absent", [])


@pytest.fixture(name="detached")
def _detached(box):
    """The file of a disk that was enlarged after a snapshot and then detached from its VM."""
    disk = task(box, config=SECOND).succeeded().vm["disks"][1]["source"]
    task(box, snapshot={"name": "both"}).succeeded()
    task(box, config={"disks": {"SATA 1": {"size": 4 * MIB}}}).succeeded()
    task(box, config={"disks": {"SATA 1": None}}).succeeded()
    return disk


def test_vm_with_a_disk_detached_since_a_snapshot_is_deleted(box, detached):
    assert os.path.exists(detached)
    assert task(box, state="absent").succeeded().outcome.changed
    assert (registered(box), list(box.machines.iterdir())) == ([], [])


def test_disk_that_is_attached_again_keeps_its_content(box, detached):
    again = {"disks": {"SATA 1": {"source": detached}}}
    assert task(box, config=again).succeeded().vm["disks"][1] == {
        "slot": "SATA 1",
        "source": detached,
        "size": 4 * MIB,
        "format": "vdi",
    }
    assert not task(box, config=again).succeeded().outcome.changed
    assert len(registered(box)) == 4


def test_snapshot_is_deleted_with_a_disk_detached_since(box, detached):
    assert task(box, snapshot={"name": "both", "state": "absent"}).succeeded().outcome.changed
    assert len(registered(box)) == 2
    assert detached in registered(box)


def test_snapshot_with_two_branches_is_not_deleted(box, detached):
    """VirtualBox can merge an image with only one child."""
    task(box, snapshot={"name": "both", "state": "restored"}).succeeded()
    (left,) = [path for path in registered(box) if path not in _attached(box)]
    task(box, snapshot={"name": "both", "state": "absent"}).refused("web", "both", left, "closemedium disk")
    box.run("closemedium", "disk", left, "--delete")
    task(box, snapshot={"name": "both", "state": "absent"}).succeeded()
    assert len(registered(box)) == 2


def _attached(box):
    """The images that a VM or a snapshot uses."""
    said = box.run("list", "--long", "hdds").split("\n\n")
    return [block.partition("Location:")[2].split("\n")[0].strip() for block in said if "In use by VMs:" in block]
