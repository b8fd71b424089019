# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real images for the tests of the driver of libvirt."""

from __future__ import annotations

import shutil

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._ports.command import Commands
from ansible_collections.polyvirt.core.plugins.module_utils._tools.qemu_img import QemuImg

from unit.module_utils._drivers.virsh.rich import Rich


@pytest.fixture(name="images")
def _images():
    assert shutil.which("qemu-img"), "These tests create real images: install qemu-utils."
    return QemuImg(Commands())


@pytest.fixture(name="disk")
def _disk(images, tmp_path):
    """The path of an image of the VM web."""
    path = str(tmp_path / "web-vda.qcow2")
    images.create(path, "qcow2", 1 << 20)
    return path


@pytest.fixture(name="rich")
def _rich(tmp_path):
    return Rich(tmp_path)
