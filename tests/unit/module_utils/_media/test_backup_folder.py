# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a new disk may be: not where the system has its own files, nor where backups are."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._media.backup_folder import place_fault

BIRTH = "00000000-0000-4000-8000-000000000001"


@pytest.mark.parametrize(
    "place", ["/dev", "/dev/shm/a", "/proc/self", "/sys", "/run", "/run/mediawiki", "/home/../run/a"]
)
def test_directories_of_the_system(place):
    reason, remedy = place_fault(place)
    assert "in a directory of the operating system (/" in reason and remedy


@pytest.mark.parametrize(
    "place", ["/", "/developers", "/runs", "/run/media/stick", "/run/user/1000/disks", "/srv/missing"]
)
def test_directories_of_users(place):
    assert place_fault(place) == ()


def test_directory_with_backups_and_all_below(tmp_path):
    (tmp_path / "other" / BIRTH / "x").mkdir(parents=True)
    (tmp_path / "store" / BIRTH / "x").mkdir(parents=True)
    (tmp_path / "store" / BIRTH / "x" / "manifest.json").touch()
    (tmp_path / "store" / "disks").mkdir()
    (tmp_path / "store" / BIRTH.replace("1", "2")).touch()
    for place in ("store", "store/disks", f"store/{BIRTH}/x", "store/missing"):
        assert f"with backups of VMs ({tmp_path}/store)" in place_fault(str(tmp_path / place))[0]
    for place in ("", "other", f"other/{BIRTH}/x"):
        assert place_fault(str(tmp_path / place)) == ()
