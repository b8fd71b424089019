# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of loop devices: in directories as the kernel makes them, and with a real device where this host has one."""

from __future__ import annotations

import subprocess

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._ports import files, locks, loops


@pytest.fixture(name="devices")
def _devices(tmp_path):
    """Directories of three devices: one has the file ``image``, one a deleted file, one none. Returns their pattern."""
    for name, text in (("loop0", f"{tmp_path}/image\n"), ("loop1", "/gone (deleted)\n"), ("loop2", None)):
        (tmp_path / name / "loop").mkdir(parents=True)
        if text:
            (tmp_path / name / "loop" / "backing_file").write_text(text)
    for name in ("image", "other"):
        (tmp_path / name).touch()
    return f"{tmp_path}/loop*"


def test_file_of_a_device(devices, tmp_path):
    assert loops.file_of(f"{tmp_path}/loop0") == f"{tmp_path}/image"
    assert [loops.file_of(f"{tmp_path}/{name}") for name in ("loop2", "sda")] == ["", ""]


def test_which_files_are_those_of_devices(devices, tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "image")
    found = [name for name in ("image", "link", "other", "none") if loops.is_file_of_one(f"{tmp_path}/{name}", devices)]
    assert found == ["image", "link"]


def test_real_device_is_its_file(tmp_path):
    """Who deletes or writes the file writes to the device, and the kernel locks nothing."""
    image = tmp_path / "image"
    image.write_bytes(bytes(1 << 20))
    made = subprocess.run(["losetup", "--show", "--find", image], capture_output=True, text=True, check=False)
    if made.returncode:
        pytest.skip(f"this host has no loop devices: {made.stderr.strip()}")
    device = made.stdout.strip()
    try:
        assert files.identity(device) == files.identity(str(image))
        assert locks.is_open_elsewhere(str(image))
    finally:
        subprocess.run(["losetup", "--detach", device], check=True)
    assert not locks.is_open_elsewhere(str(image))
