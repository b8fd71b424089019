# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import Refused
from ansible_collections.polyvirt.core.plugins.module_utils._core.units import GIB, MIB
from ansible_collections.polyvirt.core.plugins.module_utils._kit.space import ReservedSpace


@pytest.fixture(name="space")
def _space():
    space = ReservedSpace()
    space.reserve("web1", "storage_path", "/vms", 6 * MIB, 10 * MIB, "set x")
    return space


def refused(space, name, option, needed, free, place="/vms"):
    with pytest.raises(Refused) as caught:
        space.reserve(name, option, place, needed, free, "set x")
    assert caught.value.remedy == "Free some space there, or set x."
    return str(caught.value)


def test_vms_and_options_of_a_task_share_the_free_space(space):
    for name, option in (("web2", "storage_path"), ("web1", "disks.sda.size")):
        text = refused(space, name, option, 5 * MIB, 10 * MIB)
        assert f"{name}: {option}: 5M are needed, but /vms has only 4M of free space left by other disks" in text
    space.reserve("web2", "storage_path", "/vms", 4 * MIB, 10 * MIB, "")
    assert "only 0B of free space left" in refused(space, "web3", "storage_path", 1, 10 * MIB)


def test_same_option_is_reserved_once_and_other_places_are_separate(space):
    space.reserve("web1", "storage_path", "/vms", 10 * MIB, 10 * MIB, "")
    space.reserve("web2", "storage_path", "/more", 10 * MIB, 10 * MIB, "")


def test_no_need_and_unknown_space_are_accepted(space):
    space.reserve("web2", "storage_path", "/vms", 0, 0, "")
    space.reserve("web3", "storage_path", "/vms", GIB, None, "")


@pytest.mark.parametrize(
    ("needed", "free", "text"),
    [
        (GIB + 1, GIB, "1025M are needed, but /x has only 1G of free space."),
        (40 * GIB + 1, 20 * GIB - 1, "41G are needed, but /x has only 19G of free space."),
        (MIB, 1024, "1M are needed, but /x has only 1K of free space."),
    ],
)
def test_needed_space_is_rounded_up_and_free_space_down(needed, free, text):
    assert f"web: iso: {text}" in refused(ReservedSpace(), "web", "iso", needed, free, "/x")
