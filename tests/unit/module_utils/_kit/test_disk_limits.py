# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Limits of disks: 0 removes them, and what QEMU does not start is rejected."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import InvalidInput, Refused
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Vm
from ansible_collections.polyvirt.core.plugins.module_utils._core.units import is_size, parse_size
from ansible_collections.polyvirt.core.plugins.module_utils._kit.disk_limits import (
    Limit,
    check_limit,
    normalized_limits,
)

LIMIT = Limit("total", ("read", "read_max"), "total_max", ("size",))
NAMES = ("iops_limit", "bandwidth_limit")


@pytest.mark.parametrize(
    ("found", "rejected"),
    [
        ({}, None),
        ({"total": 5}, None),
        ({"total": 5, "read": 0, "total_max": 0, "size": 4096}, None),
        ({"total": 5, "total_max": 5}, None),
        ({"read": 5, "read_max": 9, "size": 4096}, None),
        ({"total": 5, "read": 1}, "read 1, and QEMU starts no VM with both"),
        ({"total": 5, "read_max": 1}, "read_max 1, and QEMU starts no VM with both"),
        ({"total": 5, "total_max": 4}, "total_max 4, and QEMU starts no VM with a burst below the limit"),
        ({"total": 0, "total_max": 4}, "total_max 4, and QEMU starts no VM with that alone"),
        ({"total": None, "size": 4096}, "size 4096, and QEMU starts no VM with that alone"),
    ],
)
def test_values_that_qemu_does_not_start_are_rejected(found, rejected):
    if rejected is None:
        check_limit("vm1", LIMIT, found, str)
        return
    with pytest.raises(Refused) as raised:
        check_limit("vm1", LIMIT, found, lambda name: f"remove {name}")
    assert raised.value.message == f"vm1: the disk has {rejected}."
    assert raised.value.remedy == f"remove {rejected.partition(' ')[0]}"


def test_zero_removes_the_limit_of_a_disk_and_a_new_disk_has_none():
    vm = Vm("vm1", config={"disks": {"vda": {"iops_limit": 5}}})
    entry = {"size": 1, "iops_limit": 0, "bandwidth_limit": 7}
    asked = {"vda": entry, "vdb": entry, "vdc": None, "vdd": {"size": 1}}
    assert normalized_limits(vm, asked, NAMES) == {
        "vda": {"size": 1, "iops_limit": None, "bandwidth_limit": 7},
        "vdb": {"size": 1, "bandwidth_limit": 7},
        "vdc": None,
        "vdd": {"size": 1},
    }
    assert normalized_limits(vm, {"vda": {"iops_limit": 10**15}}, NAMES)
    with pytest.raises(Refused, match=r"vm1: disks.vda.iops_limit: QEMU takes at most 1000000000000000"):
        normalized_limits(vm, {"vda": {"iops_limit": 10**15 + 1}}, NAMES)


def test_bandwidth_is_a_size_and_may_be_zero():
    assert [parse_size(text, "x", 1 << 20, zero=True) for text in ("0", 0, "0M", "1536K", 2)] == [
        0, 0, 0, 1536 << 10, 2 << 20,
    ]  # fmt: skip
    with pytest.raises(InvalidInput, match="whole, positive"):
        parse_size("0", "x", 1 << 20)
    assert [is_size(path) for path in ("disks.vda.bandwidth_limit", "disks.vda.iops_limit", "memory")] == [
        True, False, True,
    ]  # fmt: skip
