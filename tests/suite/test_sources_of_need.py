# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who needs a disk that no definition names, on real libvirt: each source of need against each way to lose the disk."""

from __future__ import annotations

import os
import shlex
import subprocess

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import STOPPED

from suite.answer import Task
from suite.scenarios.snapshots import snapshot

VM, OTHER, POOL = "pvg-needed", "pvg-needing", "pvg-needs"
_ABSENT = {"name": [VM], "state": "absent", "stop_mode": "force"}


def _lost(verb, is_check):
    """The task that loses the disk of VM; a snapshot of it exists."""
    label = "check" if is_check else "run"
    return {
        "absent": Task(label, {**_ABSENT, "delete_disks": "owned"}, is_check),
        "restore": snapshot(label, [VM], "before", "restored", is_check),
        "merge": snapshot(label, [VM], "before", "absent", is_check),
        "grow": Task(label, {"name": [VM], "disks": [{"slot": "vda", "size": "64M"}]}, is_check),
    }[verb]


def _overlay(disk, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", disk, path], check=True)
    return str(path)


def _snapshot_of_another(qemu, disk, _folder):
    """Another VM had the disk when its snapshot was taken."""
    qemu.bring({OTHER: STOPPED})
    qemu.virsh("attach-disk", OTHER, disk, "vdb", "--subdriver", "qcow2", "--config")
    qemu.virsh("snapshot-create-as", OTHER, "theirs")
    qemu.virsh("detach-disk", OTHER, "vdb", "--config")
    return f"a snapshot of {OTHER}"


def _overlay_below(qemu, disk, _folder):
    return _overlay(disk, qemu.storage / "more" / "of it" / "left.qcow2")


def _overlay_in_a_pool(qemu, disk, folder):
    qemu.virsh("pool-define-as", POOL, "dir", "--target", str(folder / "pool"))
    return _overlay(disk, folder / "pool" / "left.qcow2")


def _overlay_beside_the_disk_of_another(qemu, disk, folder):
    qemu.bring({OTHER: STOPPED})
    (folder / "other").mkdir()
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", folder / "other" / "own.qcow2", "8M"], check=True)
    qemu.virsh("attach-disk", OTHER, str(folder / "other" / "own.qcow2"), "vdb", "--subdriver", "qcow2", "--config")
    return _overlay(disk, folder / "other" / "left.qcow2")


@pytest.fixture(name="world")
def _world(qemu):
    def clean():
        qemu.clean()
        subprocess.run(["virsh", "-q", "pool-undefine", POOL], capture_output=True, check=False)

    clean()
    yield qemu
    clean()


def _created(qemu, carry, verb):
    """The disk of a stopped VM with a snapshot, external for a merge, which then loses the disk below its overlay."""
    carry(qemu, [Task("make", {**qemu.creation, "name": [VM], "state": "stopped", "disks": [{"size": "16M"}]})])
    disk = qemu.disk_of(VM)
    if verb == "merge":
        overlay = str(qemu.storage / "over.qcow2")
        qemu.virsh("snapshot-create-as", VM, "before", "--disk-only", "--diskspec", f"vda,file={overlay}")
    elif verb == "restore":
        qemu.virsh("snapshot-create-as", VM, "before")
    return disk


@pytest.mark.parametrize("verb", ["absent", "restore", "merge", "grow"])
@pytest.mark.parametrize(
    "plant", [_snapshot_of_another, _overlay_below, _overlay_in_a_pool, _overlay_beside_the_disk_of_another]
)
def test_disk_that_something_else_needs_is_not_lost(world, carry, tmp_path, plant, verb):
    disk = _created(world, carry, verb)
    tmp_path.chmod(0o755)
    holder = plant(world, disk, tmp_path)
    with open(disk, "rb") as file:
        content = file.read()
    check, run = (carry(world, [_lost(verb, is_check)], [VM]) for is_check in (True, False))
    check, run = check["check"], run["run"]
    with open(disk, "rb") as file:
        assert file.read() == content
    if verb == "absent":
        assert (check.failed, run.failed) == (False, False), run.msg
        for answer in (check, run):
            assert {disk: f"used by {holder}"}.items() <= {
                one["path"]: one["reason"] for one in answer.vm(VM)["kept"]
            }.items()
        return
    assert (check.failed, run.failed, run.changed, run.msg) == (True, True, False, check.msg), (check.msg, run.msg)
    assert disk in run.msg
    assert holder.rpartition(" ")[2] in run.msg


def _volume_of_inactive_pool(qemu, name, kind):
    """libvirt stores it, and would not attach it."""
    qemu.bring({OTHER: STOPPED})
    disk = f"<driver name='qemu' type='{kind}'/><source pool='{POOL}' volume='{name}'/><target dev='vdb'/>"
    added = f"<disk type='volume' device='disk'>{disk}</disk></devices>"
    qemu.virsh("define", "/dev/stdin", stdin=qemu.virsh("dumpxml", OTHER).replace("</devices>", added))


@pytest.mark.parametrize(("kind", "is_known"), [("raw", True), ("qcow2", True), ("qcow2", False)])
def test_volume_of_an_inactive_pool_concerns_what_it_may_need(world, carry, tmp_path, kind, is_known):
    """The disk of another VM, whose file system is not mounted. What resolves it is in the message."""
    disk = _created(world, carry, "absent")
    if is_known:
        world.virsh("pool-define-as", POOL, "dir", "--target", str(tmp_path / "not mounted"))
    _volume_of_inactive_pool(world, "far", kind)
    check, run = (carry(world, [_lost("absent", is_check)], [VM]) for is_check in (True, False))
    check, run = check["check"], run["run"]
    if kind == "raw":
        assert (check.failed, run.failed, run.vm(VM)["deleted"]) == (False, False, [disk]), run.msg
        return
    assert world.files().count(disk.rpartition("/")[2]) == 1
    text = f"{run.msg}{run.result}"
    assert f"{OTHER} uses the volume far of the pool {POOL}" in text
    remedy = f"virsh detach-disk {OTHER} vdb --config"
    assert remedy in text
    world.virsh(*shlex.split(remedy)[1:])
    assert not carry(world, [Task("run", {**_ABSENT, "delete_disks": "owned"})], [VM])["run"].failed


def test_broken_things_of_others_elsewhere_prevent_nothing(world, carry):
    """What may be an image and cannot be read there is a warning, in check mode too."""
    disk, more = _created(world, carry, "absent"), world.storage / "more"
    more.mkdir()
    os.mkfifo(more / "fifo")
    (more / "gone").symlink_to("/missing/image")
    (more / "tape").symlink_to("/dev/zero")
    words = ["qemu-img", "create", "-q", "-u", "-f", "qcow2", "-F", "raw", "-b", 'json:{"driver":"new"}']
    subprocess.run([*words, more / "odd", "8M"], check=True)
    (more / "short.qcow2").write_bytes(b"QFI\xfb" + bytes(20))
    for is_check in (True, False):
        answer = carry(world, [_lost("absent", is_check)], [VM])["check" if is_check else "run"]
        assert (answer.failed, answer.vm(VM)["deleted"]) == (False, [disk]), answer.msg
        assert str(answer.result["warnings"]).count("that no VM has") == 1
        assert f"{more}/odd (the image cannot be read)" in str(answer.result["warnings"])


def test_planning_a_deletion_takes_five_processes(world, carry, tmp_path):
    """Two observe, two read all definitions, pools and names of snapshots, and one reads the snapshots of all VMs."""
    disk = _created(world, carry, "absent")
    _overlay_in_a_pool(world, disk, tmp_path)
    _snapshot_of_another(world, disk, tmp_path)
    calls = carry(world, [_lost("absent", True)], [VM])["check"].calls
    assert [call.argv[0] for call in calls] == ["virsh"] * 5
