# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sizes of disks without a unit that are probably in MiB."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.options.request import size_warnings


@pytest.mark.parametrize(
    ("params", "warned"),
    [
        ({"disks": [{"size": "20480"}]}, ["20480 without a unit is 20T"]),
        ({"disks": [{"size": "20480G"}, {"size": 4096}, {}, {"size": "4G"}]}, []),
        ({"machines": [{"name": "a", "disks": [{"size": 8000}]}, {"name": "b", "disks": [{"size": 8000}]}]}, ["8000 "]),
        ({"machines": [{"name": "a"}], "disks": None}, []),
    ],
)
def test_size_of_a_disk_that_is_probably_in_mib_is_a_warning(params, warned):
    found = size_warnings(params)
    assert len(found) == len(warned)
    assert all(part in text and "never shrunk" in text for part, text in zip(warned, found))
