# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sizes of internal snapshots in real qcow2 images."""

from __future__ import annotations

import subprocess

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._media.disk_header import snapshot_sizes

MIB = 1 << 20


def qemu_img(*words):
    subprocess.run(["qemu-img", *words], check=True, capture_output=True)


@pytest.fixture(name="image")
def _image(tmp_path):
    path = str(tmp_path / "a.qcow2")
    qemu_img("create", "-f", "qcow2", path, "4M")
    return path


def test_each_snapshot_has_the_size_of_its_time(image):
    assert snapshot_sizes(image) == {}
    expected = {}
    for size, name in enumerate(("s", "größer", "a name, longer than others"), 4):
        qemu_img("resize", "-f", "qcow2", image, f"{size}M")
        qemu_img("snapshot", "-c", name, image)
        expected[name] = size * MIB
    assert snapshot_sizes(image) == expected


@pytest.mark.parametrize("length", [0, 70, 3 * 65536])
def test_incomplete_image_has_no_sizes(image, length):
    qemu_img("snapshot", "-c", "s", image)
    with open(image, "r+b") as file:
        file.truncate(length)
    assert snapshot_sizes(image) == {}
