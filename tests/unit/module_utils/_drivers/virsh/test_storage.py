# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Creation of files for VMs, with real images: only complete files appear, and files of others are not written to."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import CommandFailed, Refused
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh import storage as storage_file
from ansible_collections.polyvirt.core.plugins.module_utils._ports import files

from unit.module_utils._drivers.virsh.answers import chain

MIB = 1 << 20


@pytest.fixture(name="storage")
def _storage(images, tmp_path):
    return storage_file.Storage(images, str(tmp_path))


# Making disks ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [b"", b"somebody's letters", b"\0" * 512])
def test_existing_file_is_not_overwritten(storage, content):
    path = Path(storage.disk_path("web", "vda", {"format": "raw"}))
    path.write_bytes(content)
    with pytest.raises((Refused, CommandFailed)):
        storage.create_disk(str(path), {"size": MIB, "format": "raw"}, None)
    assert path.read_bytes() == content
    assert os.listdir(storage.folder) == ["web-vda.raw"]


def test_existing_disk_with_data_of_a_guest_is_rejected(storage, images):
    path = storage.disk_path("web", "vda", {"format": "qcow2"})
    storage.create_disk(path, {"size": MIB}, None)
    subprocess.run(["qemu-io", "-c", "write -P 7 0 512", path], check=True, stdout=subprocess.DEVNULL)
    with pytest.raises(Refused, match="already exists and has different content"):
        storage.create_disk(path, {"size": MIB}, None)


@pytest.mark.parametrize("size", [MIB, 2 * MIB])
def test_disk_created_by_another_task_meanwhile_is_compared(storage, monkeypatch, size):
    path = storage.disk_path("web", "vda", {"format": "qcow2"})
    storage.create_disk(path, {"size": MIB}, None)
    monkeypatch.setattr(files, "exists", lambda _path: False)
    if size == MIB:
        assert storage.create_disk(path, {"size": size}, None) is False
    else:
        with pytest.raises(Refused, match="already exists and has different content"):
            storage.create_disk(path, {"size": size}, None)
    assert os.listdir(storage.folder) == ["web-vda.qcow2"]


def test_existing_overlay_is_not_used_as_copy(storage, images, tmp_path):
    (base,) = chain(images, tmp_path, "base")
    path, linked = storage.disk_path("web", "vda", {"format": "qcow2"}), {"source": base, "linked": True}
    storage.create_disk(path, {}, linked)
    for image in ({"source": base}, {"source": base, "linked": False}):
        assert not storage.has_content_of(path, {}, image)
        with pytest.raises(Refused, match="already exists and has different content"):
            storage.create_disk(path, {}, image)
    assert storage.has_content_of(path, {}, linked)


def partial_of(storage, process):
    path = Path(storage.folder, f".web-vda.qcow2.{process}{files.partial_suffix()}")
    path.write_bytes(b"half")
    return path


def test_partial_files_are_removed_only_if_their_process_ended(storage):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    old, current = partial_of(storage, dead.pid), partial_of(storage, os.getppid())
    stranger = Path(storage.folder, f".web-vda.qcow2.x{files.partial_suffix()}")
    stranger.touch()
    storage.create_disk(storage.disk_path("web", "vda", {"format": "qcow2"}), {"size": MIB}, None)
    assert (old.exists(), current.exists(), stranger.exists()) == (False, True, True)


@pytest.mark.parametrize("linked", [True, False])
def test_disk_from_image_has_requested_size(storage, images, tmp_path, linked):
    (base,) = chain(images, tmp_path, "base")
    path = storage.disk_path("web", "vda", {"format": "qcow2"})
    storage.create_disk(path, {"size": 3 * MIB}, {"source": base, "linked": linked})
    assert (images.info(path).virtual_size, images.info(path).backing) == (3 * MIB, base if linked else None)
    assert images.info(base).virtual_size == MIB


# Backing images -------------------------------------------------------------------------------------------------------


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
    info = images.info(posing, "raw")
    assert (info.format, info.backing) == ("raw", None)
    path = storage.disk_path("web", "vda", {"format": "raw"})
    storage.create_disk(path, {"format": "raw"}, {"source": posing, "format": "raw"})
    assert Path(path).read_bytes()[:size] == Path(posing).read_bytes()
