# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Creation of files for VMs, with real images: only complete files appear, and files of others are not written to."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import CommandFailed, NotFound, Refused
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh import storage as storage_file
from ansible_collections.polyvirt.core.plugins.module_utils._ports import files
from ansible_collections.polyvirt.core.plugins.module_utils._ports.command import Commands
from ansible_collections.polyvirt.core.plugins.module_utils._tools.qemu_img import QemuImg

from unit.module_utils._drivers.virsh.answers import chain

MIB = 1 << 20


@pytest.fixture(name="images")
def _images():
    assert shutil.which("qemu-img"), "These tests create real images: install qemu-utils."
    return QemuImg(Commands())


@pytest.fixture(name="storage")
def _storage(images, tmp_path):
    return storage_file.Storage(images, str(tmp_path))


# Making disks ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [b"", b"somebody's letters", b"\0" * 512])
def test_existing_file_is_not_overwritten(storage, content):
    path = Path(storage.disk_path("web", "vda", "raw"))
    path.write_bytes(content)
    with pytest.raises((Refused, CommandFailed)):
        storage.create_disk(str(path), {"size": MIB, "format": "raw"}, None)
    assert path.read_bytes() == content
    assert os.listdir(storage.folder) == ["web-vda.raw"]


def test_existing_disk_with_data_of_a_guest_is_rejected(storage, images):
    path = storage.disk_path("web", "vda", "qcow2")
    storage.create_disk(path, {"size": MIB}, None)
    subprocess.run(["qemu-io", "-c", "write -P 7 0 512", path], check=True, stdout=subprocess.DEVNULL)
    with pytest.raises(Refused, match="already exists and has different content"):
        storage.create_disk(path, {"size": MIB}, None)


@pytest.mark.parametrize("size", [MIB, 2 * MIB])
def test_disk_created_by_another_task_meanwhile_is_compared(storage, monkeypatch, size):
    path = storage.disk_path("web", "vda", "qcow2")
    storage.create_disk(path, {"size": MIB}, None)
    monkeypatch.setattr(files, "exists", lambda _path: False)
    if size == MIB:
        assert storage.create_disk(path, {"size": size}, None) is False
    else:
        with pytest.raises(Refused, match="already exists and has different content"):
            storage.create_disk(path, {"size": size}, None)
    assert os.listdir(storage.folder) == ["web-vda.qcow2"]


def test_complete_disk_of_interrupted_run_is_used(storage, images, tmp_path):
    (base,) = chain(images, tmp_path, "base")
    for slot, entry, image in [
        ("vda", {"size": MIB}, None),
        ("vdb", {"size": 2 * MIB}, {"source": base, "linked": True}),
        ("vdc", {"size": 2 * MIB}, {"source": base}),
    ]:
        path = storage.disk_path("web", slot, "qcow2")
        assert storage.create_disk(path, entry, image) is True
        inode = os.stat(path).st_ino
        assert storage.create_disk(path, entry, image) is False
        assert os.stat(path).st_ino == inode


def test_existing_overlay_is_not_used_as_copy(storage, images, tmp_path):
    (base,) = chain(images, tmp_path, "base")
    path, linked = storage.disk_path("web", "vda", "qcow2"), {"source": base, "linked": True}
    storage.create_disk(path, {}, linked)
    for image in ({"source": base}, {"source": base, "linked": False}):
        for action in (storage.create_disk, storage.check_existing_file):
            with pytest.raises(Refused, match="already exists and has different content"):
                action(path, {}, image)
    storage.check_existing_file(path, {}, linked)


def partial_of(storage, process):
    path = Path(storage.folder, f".web-vda.qcow2.{process}.polyvirt-partial")
    path.write_bytes(b"half")
    return path


def test_partial_files_are_removed_only_if_their_process_ended(storage):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    old, current = partial_of(storage, dead.pid), partial_of(storage, os.getppid())
    stranger = Path(storage.folder, ".web-vda.qcow2.x.polyvirt-partial")
    stranger.touch()
    storage.create_disk(storage.disk_path("web", "vda", "qcow2"), {"size": MIB}, None)
    assert (old.exists(), current.exists(), stranger.exists()) == (False, True, True)


def test_failed_creation_of_disk_leaves_no_file(storage):
    with pytest.raises(CommandFailed):
        storage.create_disk(storage.disk_path("web", "vda", "nosuch"), {"size": MIB, "format": "nosuch"}, None)
    assert os.listdir(storage.folder) == []


@pytest.mark.parametrize("linked", [True, False])
def test_disk_from_image_has_requested_size(storage, images, tmp_path, linked):
    (base,) = chain(images, tmp_path, "base")
    path = storage.disk_path("web", "vda", "qcow2")
    storage.create_disk(path, {"size": 3 * MIB}, {"source": base, "linked": linked})
    assert (images.info(path).virtual_size, images.info(path).backing) == (3 * MIB, base if linked else None)
    assert images.info(base).virtual_size == MIB


# Checks ---------------------------------------------------------------------------------------------------------------


def check_image(storage, source, entry=None, **image):
    storage.check_image("web", {"source": str(source), **image}, entry or {})


def test_truncated_image_is_rejected(storage, images, tmp_path):
    (base,) = chain(images, tmp_path, "base")
    subprocess.run(["qemu-io", "-c", "write -P 1 0 512k", base], check=True, stdout=subprocess.DEVNULL)
    check_image(storage, base)
    os.truncate(base, os.path.getsize(base) // 2)
    with pytest.raises(Refused, match=r"web: image\.source: .*base is damaged or incomplete: \S+"):
        check_image(storage, base)


def test_empty_file_is_rejected_as_image(storage, tmp_path):
    (tmp_path / "empty").touch()
    with pytest.raises(Refused, match=r"empty is empty \(0 bytes\)"):
        check_image(storage, tmp_path / "empty")
    with pytest.raises(Refused, match=r"disks\.vdb\.source: .*empty is empty \(0 bytes\)"):
        storage.check_disk_source("web", "vdb", {"source": str(tmp_path / "empty")})


def test_image_format_that_qemu_img_cannot_check_is_accepted(storage, images, tmp_path):
    images.create(str(tmp_path / "a.vpc"), "vpc", MIB)
    (tmp_path / "a.raw").write_bytes(bytes(MIB))
    for name in ("a.vpc", "a.raw"):
        check_image(storage, tmp_path / name)


def test_unsuitable_images_are_rejected(storage, images, tmp_path):
    (base,) = chain(images, tmp_path, "base")
    (tmp_path / "text").write_text("no image", encoding="utf-8")
    for error, text, faulty in [
        (NotFound, "web: image.source: /no/such does not exist", lambda: check_image(storage, "/no/such")),
        (Refused, f"web: image.source: {tmp_path} is not a file", lambda: check_image(storage, tmp_path)),
        (Refused, "text is not a disk image", lambda: check_image(storage, tmp_path / "text")),
        (Refused, "a disk of 512K is smaller than the image", lambda: check_image(storage, base, {"size": MIB // 2})),
        (
            Refused,
            "a linked disk always has the format qcow2",
            lambda: check_image(storage, base, {"format": "raw"}, linked=True),
        ),
    ]:
        with pytest.raises(error) as caught:
            faulty()
        assert text in str(caught.value)
        assert caught.value.remedy


@pytest.mark.parametrize(("word", "is_iso"), [(b"CD001", True), (b"BEA01", True), (b"CD002", False)])
def test_iso_is_recognized_by_volume_descriptor(tmp_path, word, is_iso):
    path = tmp_path / "a.iso"
    path.write_bytes(b"\0" * 32769 + word)
    if is_iso:
        storage_file.check_iso("web", str(path))
    else:
        with pytest.raises(Refused, match=r"web: iso: .* is not an ISO image"):
            storage_file.check_iso("web", str(path))


# Backing images -------------------------------------------------------------------------------------------------------


def test_chain_begins_with_image_itself(storage, images, tmp_path):
    paths = chain(images, tmp_path, "base", "middle", "top")
    assert storage_file.chain_of(storage, paths[2]) == paths[::-1]
    assert storage_file.chain_of(storage, paths[0]) == paths[:1]


def test_bases_are_listed_once_without_the_overlays(storage, images, tmp_path):
    base, middle, top = chain(images, tmp_path, "base", "middle", "top")
    beside = str(tmp_path / "beside")
    images.overlay(beside, base, "qcow2")
    assert storage_file.bases_of(storage, [top, beside]) == [base, middle]
    assert storage_file.bases_of(storage, [base]) == storage_file.bases_of(storage, []) == []


def test_declared_format_is_used_instead_of_probed_one(storage, images, tmp_path):
    posing = str(tmp_path / "posing")
    images.create(posing, "qcow2", 4 * MIB)
    size = os.path.getsize(posing)
    info = storage.check_readable_image("web", "disk", posing, "raw")
    assert (info.format, info.backing) == ("raw", None)
    path = storage.disk_path("web", "vda", "raw")
    storage.create_disk(path, {"format": "raw"}, {"source": posing, "format": "raw"})
    assert Path(path).read_bytes()[:size] == Path(posing).read_bytes()
    with pytest.raises(Refused, match="is not a disk image"):
        storage.check_readable_image("web", "disk", str(_empty(tmp_path)), "qcow2")


def _empty(folder):
    (folder / "empty").write_bytes(bytes(512))
    return folder / "empty"
