# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies of images that do not fit are found before the first step, for all VMs of a task together."""

from __future__ import annotations

import subprocess

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import Refused
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Plan, Step
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh import storage

from unit.module_utils._drivers.virsh.answers import FakeVirsh, driver_of, of_vms
from unit.module_utils._drivers.virsh.test_needed import MIB, creation


@pytest.fixture(name="image")
def _image(tmp_path):
    """A compressed image with 4 MiB in use."""
    subprocess.run(["qemu-img", "create", "-q", "-f", "raw", tmp_path / "raw", "64M"], check=True)
    subprocess.run(["qemu-io", "-f", "raw", "-c", "write -P 7 0 4M", tmp_path / "raw"], check=True, capture_output=True)
    path = str(tmp_path / "image.qcow2")
    subprocess.run(["qemu-img", "convert", "-c", "-O", "qcow2", tmp_path / "raw", path], check=True)
    return path


def driver_with(folder, monkeypatch, free):
    monkeypatch.setattr(storage.files, "free_space", lambda _folder: free)
    driver = driver_of(FakeVirsh(of_vms()), folder)
    driver.hypervisor = "TEST"
    return driver


def test_copy_needs_enough_free_space(tmp_path, monkeypatch, image):
    with pytest.raises(Refused, match=r"web: storage_path: [56]M are needed, but .* has only 3M of free space\."):
        driver_with(tmp_path, monkeypatch, 3 * MIB).preflight(creation("web", image))
    driver_with(tmp_path, monkeypatch, 8 * MIB).preflight(creation("web", image))
    driver_with(tmp_path, monkeypatch, MIB).preflight(creation("web", image, linked=True))


def test_vms_of_a_task_share_the_free_space(tmp_path, monkeypatch, image):
    driver = driver_with(tmp_path, monkeypatch, 12 * MIB)
    driver.preflight(creation("web1", image))
    driver.preflight(creation("web2", image))
    with pytest.raises(Refused, match=r"web3: .* of free space left by other disks of this task"):
        driver.preflight(creation("web3", image))


def test_space_of_files_to_delete_counts_as_free(tmp_path, monkeypatch, image):
    old = tmp_path / "old"
    old.write_bytes(b"x" * 4 * MIB)
    # The second VM can use what is left, because the first one needs only 2 MiB more than it has now.
    driver = driver_with(tmp_path, monkeypatch, 4 * MIB)
    for name in ("web1", "web2"):
        again = creation(name, image)
        segments = ((Step("delete", arguments={"files": (str(old),)}),), *again.segments)
        driver.preflight(Plan(again.before, again.after, segments=segments))
