# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each verb does, once more by hand."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core import verbs
from ansible_collections.polyvirt.core.plugins.module_utils._core.frozen import fields

SNAPSHOTS = {"snapshot", "restore", "drop_snapshot"}
POWER = {"start", "resume", "reset", "pause", "stop", "kill", "suspend"}
BACKUPS = {
    *("backup", "drop_backup", "edit_backup"),
    *("create_from_backup", "prepare_restore", "restore_backup", "finish_restore"),
}
EXPECTED = {
    "creates": {"create", "clone", "create_from_backup"},
    "starts": {"start", "resume"},
    "deletes": {"delete", "drop_backup", "finish_restore"},
    "ends": {"delete", "restore_backup"},
    "uses_disks": {*SNAPSHOTS, "edit_snapshot", "start", "resume", "reset", "delete", "restore_backup"},
    "claims": {
        *SNAPSHOTS,
        *("create", "clone", "delete", "start", "drop_backup", "create_from_backup", "restore_backup"),
        "finish_restore",
    },
    "disturbs": {*SNAPSHOTS, "stop", "kill", "suspend", "delete", "backup", "prepare_restore"},
    "attaches": {"configure", "create", "clone", "restore", "create_from_backup", "restore_backup"},
    "is_observed": {
        *SNAPSHOTS,
        *BACKUPS,
        *("edit_snapshot", "fetch", "create", "clone", "delete", "stop", "kill", "suspend"),
    },
}


LOSES = {
    "delete": ("vm",),
    "kill": ("memory",),
    "restore": ("state", "memory"),
    "drop_snapshot": ("snapshot",),
    "restore_backup": ("state",),
    "finish_restore": ("snapshots",),
}


@pytest.mark.parametrize("part", EXPECTED)
def test_verbs_of_a_part(part):
    assert verbs.verbs_that(**{part: True}) == EXPECTED[part]


def test_what_verbs_lose():
    assert {name: verb.loses for name, verb in verbs.VERB.items() if verb.loses} == LOSES


def test_every_part_and_group_is_here():
    assert {*EXPECTED, "group", "loses"} == set(fields(verbs.Verb))
    assert (verbs.POWER_VERBS, verbs.BACKUP_VERBS) == (POWER, BACKUPS)
    assert {*SNAPSHOTS, "edit_snapshot"} == verbs.SNAPSHOT_VERBS
    assert {*verbs.VERBS} == {*POWER, *SNAPSHOTS, "edit_snapshot", "fetch", "create", "clone", "configure", "delete"}
