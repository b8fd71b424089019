# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ordinary work on real libvirt beside broken and odd things of others: none of it is rejected.

If an image beside a disk may need it for all that is known, the message says what resolves that, and the test does it.
"""

from __future__ import annotations

import os
import socket
import struct
import subprocess

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import PAUSED, STOPPED

from suite.answer import Task

VM, NEW, OTHER, POOL = "pvg-beside", "pvg-beside-new", "pvg-broken", "pvg-broken-pool"


def _image(path, *options):
    subprocess.run(["qemu-img", "create", "-q", "-u", "-f", "qcow2", *options, path, "8M"], check=True)


def _other_with(qemu, disk):
    """A VM of somebody else with a disk that libvirt stores, and would not start."""
    qemu.bring({OTHER: STOPPED})
    added = f"{disk.replace('/>', '/>', 1)}<target dev='vdb'/></disk></devices>"
    qemu.virsh("define", "/dev/stdin", stdin=qemu.virsh("dumpxml", OTHER).replace("</devices>", added))


def _network_disk(qemu, _folder):
    source = "<source protocol='rbd' name='pool/image'><host name='192.0.2.1' port='6789'/></source>"
    _other_with(qemu, f"<disk type='network'><driver name='qemu' type='raw'/>{source}")


def _disk_at(kind):
    def plant(qemu, folder):
        path = {"missing": folder / "gone.qcow2", "directory": folder, "device": "/dev/null", "pipe": folder / "pipe"}[
            kind
        ]
        if kind == "pipe":
            os.mkfifo(path)
        form, key = ("block", "dev") if kind == "device" else ("file", "file")
        _other_with(qemu, f"<disk type='{form}'><driver name='qemu' type='qcow2'/><source {key}='{path}'/>")

    plant.__name__ = f"disk_at_{kind}"
    return plant


def _loop(_qemu, folder):
    _image(folder / "a.qcow2", "-F", "qcow2", "-b", folder / "b.qcow2")
    _image(folder / "b.qcow2", "-F", "qcow2", "-b", folder / "a.qcow2")


def _itself(_qemu, folder):
    _image(folder / "self.qcow2", "-F", "qcow2", "-b", f"{folder}/./self.qcow2")


def _unknown_feature(_qemu, folder):
    _image(folder / "future.qcow2")
    with open(folder / "future.qcow2", "r+b") as file:
        file.seek(72)
        file.write(struct.pack(">Q", 1 << 40))


def _truncated(_qemu, folder):
    for length in (4, 20, 103):
        _image(folder / f"{length}.qcow2", "-F", "raw", "-b", "/nowhere/base")
        os.truncate(folder / f"{length}.qcow2", length)


def _long_name(_qemu, folder):
    _image(folder / "long.qcow2")
    with open(folder / "long.qcow2", "r+b") as file:
        file.seek(8)
        file.write(struct.pack(">QI", 1 << 62, 0xFFFFFFFF))


def _special_files(_qemu, folder):
    os.mkfifo(folder / "pipe.qcow2")
    (folder / "dangling.qcow2").symlink_to("/nowhere/image")
    (folder / "round").symlink_to(folder)
    (folder / "zero").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(f"{folder}/s")


def _odd_names(_qemu, folder):
    for name in (b"two\nlines.qcow2", b"\xff\xfe.qcow2", b"json:{}.qcow2", b"-rf"):
        with open(os.path.join(os.fsencode(folder), name), "wb") as file:
            file.write(b"QFI\xfb" + bytes(200))


def _other_formats(_qemu, folder):
    (folder / "descriptor.vmdk").write_text('# Disk DescriptorFile\nversion=1\nRW 2048 FLAT "gone-flat.vmdk" 0\n')
    (folder / "luks").write_bytes(b"LUKS\xba\xbe" + bytes(4096))
    for kind in ("vdi", "vpc", "vhdx", "qed", "vmdk"):
        subprocess.run(["qemu-img", "create", "-q", "-f", kind, folder / f"image.{kind}", "8M"], check=True)


def _many(_qemu, folder):
    (folder / "many").mkdir()
    for number in range(10_050):
        os.mknod(folder / "many" / str(number))


def _inactive_pool(qemu, folder):
    qemu.virsh("pool-define-as", POOL, "dir", "--target", str(folder / "not mounted"))


def _suspended_guest(qemu, _folder):
    qemu.bring({OTHER: PAUSED})


#: What is planted, in a directory of disks that the VM does not have.
ELSEWHERE = [
    _network_disk, *map(_disk_at, ("missing", "directory", "device", "pipe")), _loop, _itself, _unknown_feature,
    _truncated, _long_name, _special_files, _odd_names, _other_formats, _many, _inactive_pool, _suspended_guest,
]  # fmt: skip
#: What is planted beside the disk of the VM.
BESIDE = [_loop, _itself, _truncated, _special_files, _other_formats]


@pytest.fixture(name="world")
def _world(qemu):
    def clean():
        qemu.clean()
        subprocess.run(["virsh", "-q", "pool-undefine", POOL], capture_output=True, check=False)

    clean()
    yield qemu
    clean()


def _works(qemu):
    """The tasks: a disk is enlarged, the VM is started, restored and deleted, and another one is created and cloned."""
    yield "grow", {"name": [VM], "disks": [{"slot": "vda", "size": "32M"}]}
    yield "start", {"name": [VM], "state": "started"}
    yield "create", {**qemu.creation, "name": [NEW], "state": "stopped", "disks": [{"size": "8M"}]}
    yield "clone", {"name": [f"{NEW}-2"], "clone": {"source": NEW}, "state": "stopped"}
    yield "absent", {"name": [VM], "state": "absent", "stop_mode": "force"}


@pytest.mark.parametrize(("plant", "place"), [*((one, "more") for one in ELSEWHERE), *((one, "") for one in BESIDE)])
def test_nothing_is_rejected_beside_a_broken_thing_of_others(world, carry, plant, place):
    carry(world, [Task("make", {**world.creation, "name": [VM], "state": "stopped", "disks": [{"size": "16M"}]})])
    disk, folder = world.disk_of(VM), world.storage / place
    folder.mkdir(exist_ok=True)
    plant(world, folder)
    before = {path for path in folder.iterdir() if path.is_file()}
    for label, options in _works(world):
        check, run = (carry(world, [Task(label, options, one)], options["name"])[label] for one in (True, False))
        assert (check.failed, run.failed, check.changed, run.changed) == (False, False, True, True), (label, run.msg)
    assert not os.path.exists(disk), run.result
    assert {path for path in before if str(path) != disk and not path.exists()} == set()
    assert not carry(world, [Task("gone", {"name": [VM], "state": "absent"})], [VM])["gone"].changed


def test_image_beside_the_disk_that_may_need_it_is_moved_away_as_the_message_says(world, carry):
    """A qcow2 image whose backing file has a name that is not known here."""
    carry(world, [Task("make", {**world.creation, "name": [VM], "state": "stopped", "disks": [{"size": "16M"}]})])
    odd = world.storage / "odd.qcow2"
    _image(odd, "-F", "raw", "-b", 'json:{"driver":"unheard-of","file":"x"}')
    grow = Task("grow", {"name": [VM], "disks": [{"slot": "vda", "size": "32M"}]})
    refused = carry(world, [grow], [VM])["grow"]
    assert refused.failed and str(odd) in refused.msg
    remedy = f"qemu-img rebase -u -F FORMAT -b PATH {odd}"
    assert remedy in refused.msg
    subprocess.run(remedy.replace("FORMAT", "raw").replace("PATH", "/nowhere/x").split(), check=True)
    done = carry(world, [grow, Task("absent", {"name": [VM], "state": "absent"})], [VM])
    assert [one.failed for one in done.values()] == [False, False], done["grow"].msg
