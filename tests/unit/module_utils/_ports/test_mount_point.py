# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the file system of a directory is mounted."""

from __future__ import annotations

import os

from ansible_collections.polyvirt.core.plugins.module_utils._ports import folders


def test_directory_may_be_missing(tmp_path):
    found = folders.mount_point(str(tmp_path / "missing" / "more"))
    assert os.path.ismount(found) and str(tmp_path).startswith(found)
    assert folders.mount_point("/proc/self/fd") == "/proc"


def test_file_system_in_memory_is_that_of_the_mount():
    assert folders.is_in_memory("/dev/shm/missing")
    assert not folders.is_in_memory("/proc/self")
