# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files are deleted with the image of the installer: only those that the record of the VM names as such."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import RUNNING, STOPPED, SUSPENDED, Snapshot, Vm
from ansible_collections.polyvirt.core.plugins.module_utils._core.record.answer_media import (
    answer_media,
    recorded_media,
    without_media,
)

_MEDIUM, _LOG = "/vms/web.polyvirt-seed.iso", "/logs/other-seed.iso"
_MARK = {"v": 2, "id": "u", "created": "x", "files": [_MEDIUM, _LOG], "answers": [_MEDIUM]}


def vm(mark=None, **changes):
    values = {"id": "u", "power": STOPPED, "mark": {**_MARK, **(mark or {})}, **changes}
    return Vm("web", **values)


def test_recorded_medium_of_a_stopped_vm_is_deleted():
    assert answer_media(vm()) == (_MEDIUM,)


@pytest.mark.parametrize(
    "kept",
    [
        vm({"id": "other"}),
        vm({"answers": []}),
        vm(power=RUNNING),
        vm(power=SUSPENDED),
        vm(snapshots=(Snapshot("first"),)),
    ],
)
def test_all_others_are_kept(kept):
    assert answer_media(kept) == ()


def test_mark_names_the_other_files():
    left = without_media(_MARK, (_MEDIUM,))
    assert left == {"v": 2, "id": "u", "created": "x", "files": [_LOG]}
    assert answer_media(Vm("web", id="u", power=STOPPED, mark=left)) == ()


def test_only_a_seed_with_answers_is_recorded_as_medium():
    assert recorded_media({"cloud_init": {"answer_file": "<unattend/>"}}, [_MEDIUM]) == {"answers": [_MEDIUM]}
    for creation in ({}, {"cloud_init": None}, {"cloud_init": {"user": "ann"}}):
        assert recorded_media(creation, [_MEDIUM]) == {}
