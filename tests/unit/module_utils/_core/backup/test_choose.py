# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which backup a restore chooses, and the reason if there is none."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.backup.backup import Backup, BackupRequest, choose
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import NotFound

NONE = "There is no other one here; check where the task reads backups."


@pytest.mark.parametrize(
    ("bad", "ahead", "reasons", "remedy"),
    [
        ({"damaged": "vda.qcow2 is cut"}, (), " one: vda.qcow2 is cut.", NONE),
        ({"unfinished": "the task was killed"}, (), " one: the task was killed.", NONE),
        ({"damaged": "x"}, ("two",), " one: x.", "Set backup to one of two (VM u, 1970-01-02T00:00:00Z)."),
    ],
)
def test_newest_of_damaged_backups_is_rejected_with_the_reasons(bad, ahead, reasons, remedy):
    found = [Backup("one", "web", "u", 0, **bad), *(Backup(one, "web", "u", 86400) for one in ahead)]
    with pytest.raises(NotFound) as error:
        choose("web", found, BackupRequest(backup="newest", of="web"), 100)
    assert error.value.message == f"web: backup: there is no complete backup of 'web'.{reasons}"
    assert error.value.remedy == remedy
