# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sizes of disks that qemu-img or the file system rejects: check mode knows them, as the real qemu-img does."""

from __future__ import annotations

import subprocess

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import PolyvirtError, Refused
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import STOPPED, Change, Plan, Step, Vm
from ansible_collections.polyvirt.core.plugins.module_utils._core.sharing.file_checks import check_files
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.needed import VirshFiles
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.storage import Storage
from ansible_collections.polyvirt.core.plugins.module_utils._ports.command import Commands
from ansible_collections.polyvirt.core.plugins.module_utils._tools.qemu_img import QemuImg

from unit.module_utils._drivers.virsh.answers import UUID, FakeVirsh, driver_of, of_vms

TIB, SECTOR = 1 << 40, 512
#: qcow2 images by the options of their creation, with the most bytes that QEMU's first table permits.
IMAGES = [
    ("", 2048 * TIB),
    ("compat=0.10", 2048 * TIB),
    ("cluster_size=4k", 8 * TIB),
    ("cluster_size=128k", 8192 * TIB),
    ("extended_l2=on,cluster_size=64k", 1024 * TIB),
]


def check(folder, step, before):
    driver = driver_of(FakeVirsh(of_vms()), folder)
    after = Vm("web", before.id, power=STOPPED)
    check_files(VirshFiles(driver, Plan(before, after, segments=((step,),))), driver.space)


def new_disk(folder, entry, exists=False):
    """Check a disk of a VM that the task creates, or that exists."""
    if exists:
        change = Change("disks.add", None, entry, key="vdb")
        return check(folder, Step("configure", changes=(change,)), Vm("web", UUID, power=STOPPED))
    arguments = {"config": {"disks": {"vda": entry}}, "creation": {}}
    return check(folder, Step("create", arguments=arguments), Vm.absent("web"))


def grown(folder, path, image_format, size):
    disks = {"disks": {"vda": {"source": str(path), "format": image_format, "size": 1 << 20}}}
    change = Change("disks.size", 1 << 20, size, key="vda")
    check(folder, Step("configure", changes=(change,)), Vm("web", UUID, power=STOPPED, config=disks))


def accepts(test, *arguments):
    try:
        test(*arguments)
    except Refused as error:
        assert "is too large" in str(error), error
        return False
    return True


def qemu_img_accepts(path, *words):
    done = subprocess.run(["qemu-img", *words], check=False, capture_output=True, text=True)
    if words[0] == "create":
        path.unlink(missing_ok=True)
    return done.returncode == 0


def largest_file(path):
    """The most bytes of a file, by creating sparse ones."""
    least, most = 0, (1 << 63) - SECTOR
    with path.open("wb") as file:
        while least < most:
            middle = (least + most + 1) // 2
            try:
                file.truncate(middle)
                least = middle
            except OSError:
                most = middle - 1
    path.unlink()
    return most // SECTOR * SECTOR


@pytest.mark.parametrize("exists", [False, True])
@pytest.mark.parametrize("image_format", [None, "qcow2", "raw"])
def test_largest_new_disk_is_that_of_qemu_img(tmp_path, image_format, exists):
    entry = {"format": image_format} if image_format else {}
    file = tmp_path / "file"
    limit = largest_file(file) if image_format == "raw" else 2048 * TIB
    sizes = [limit, limit + SECTOR, 3072 * TIB, 8192 * TIB]
    known = [accepts(new_disk, tmp_path, {**entry, "size": size}, exists) for size in sizes]
    words = ("create", "-q", "-f", image_format or "qcow2", file)
    assert known == [qemu_img_accepts(file, *words, str(size)) for size in sizes]
    assert known[:2] == [True, False]


@pytest.mark.parametrize(("options", "limit"), IMAGES)
def test_largest_qcow2_depends_on_its_clusters(tmp_path, options, limit):
    path = tmp_path / "a.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-o", options or "compat=1.1", path, "1M"], check=True)
    for size in (limit + SECTOR, limit):
        is_possible = qemu_img_accepts(path, "resize", "-q", path, str(size))
        assert (accepts(grown, tmp_path, path, "qcow2", size), is_possible) == (size == limit, size == limit)


def test_raw_disk_grows_at_most_to_the_largest_file(tmp_path):
    path = tmp_path / "a.raw"
    path.write_bytes(bytes(1 << 20))
    limit = largest_file(tmp_path / "file")
    sizes = [limit, limit + SECTOR]
    assert [accepts(grown, tmp_path, path, "raw", size) for size in sizes] == [True, False]


def test_message_has_a_size_that_works(tmp_path):
    with pytest.raises(Refused, match=r"^web: disks\.vda\.size: 3P is too large: qemu-img .*") as error:
        new_disk(tmp_path, {"size": 3072 * TIB})
    assert error.value.remedy == "Set a size of at most 2P."
    with pytest.raises(Refused, match=r"the file system of .* supports no larger files"):
        new_disk(tmp_path, {"size": 1 << 63, "format": "raw"})


def test_failed_creation_leaves_no_file(tmp_path):
    """qemu-img leaves an empty file if the file system has no such large one."""
    storage = Storage(QemuImg(Commands()), str(tmp_path))
    with pytest.raises(PolyvirtError):
        storage.create_disk_of_vm("web", "vda", {"format": "raw", "size": (1 << 63) - 1}, None, [])
    assert list(tmp_path.iterdir()) == []
