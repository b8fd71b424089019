# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names that a user has misspelt."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.options.option import DISK, Option
from ansible_collections.polyvirt.core.plugins.module_utils._core.options.option_errors import (
    did_you_mean,
    nearest,
    unknown_options,
)
from ansible_collections.polyvirt.core.plugins.module_utils._core.options.platform import Platform

OPTIONS = {
    "memory": Option(aliases=("ram",)),
    "cpus": Option(),
    "disks": Option("list", elements="dict", options=DISK),
    "cloud_init": Option("dict", options={"user_data": Option("dict")}),
    "clone": Option("dict", options={"source": Option()}),
}


@pytest.mark.parametrize(
    ("name", "known", "expected"),
    [
        ("web", ["web1", "db"], "web1"),
        ("WEB1", ["web1", "web2"], "web1"),
        ("web3", ["web1", "web2"], None),
        ("db-sever", ["db-server", "db"], "db-server"),
        ("a", [], None),
        ("web1", ["web1"], None),
        (7, ["7"], "7"),
    ],
)
def test_nearest_name(name, known, expected):
    assert nearest(name, known) == expected
    assert did_you_mean(name, known) == (f"Did you mean {expected}? " if expected else "")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"memroy": "2G"}, {"memroy": "Did you mean memory?"}),
        ({"cpu": 2, "memory": 1}, {"cpu": "Use cpus instead."}),
        ({"disks": [{"name": "a"}, {"sise": "2G"}]}, {"disks.name": None, "disks.sise": "Did you mean disks.size?"}),
        ({"disks": [{"capacity": 1}]}, {"disks.capacity": "Use disks.size instead."}),
        ({"clone": {"name": "x"}}, {"clone.name": "Use clone.source instead."}),
        ({"cloud_init": {"userdata": {"memroy": 1}}}, {"cloud_init.userdata": "Did you mean cloud_init.user_data?"}),
        ({"cores": 1}, {"cores": "Use cpus instead."}),
        ({"hue": 1, "cpus": {"memroy": 1}, "cloud_init": {"user_data": {"userdata": 1}}}, {"hue": None}),
        ({"_ansible_check_mode": False, "price": 1, "disks": "text"}, {"price": None}),
    ],
)
def test_unknown_options(given, expected):
    assert dict(unknown_options(given, OPTIONS)) == expected


def test_option_that_the_platform_lacks_is_named_before_a_misspelt_one():
    platform = Platform("this platform", lacks={"tpm": "Use another."})
    rejected = platform.rejected({"memroy": 1, "tpm": True}, OPTIONS)
    assert str(rejected) == "tpm is not supported on this platform. Use another."
    rejected = platform.rejected({"memroy": 1}, OPTIONS)
    assert str(rejected) == "memroy is not an option of this module. Did you mean memory?"
    rejected = platform.rejected({"memroy": 1, "hue": 1, "disks": [{"sise": 1}]}, OPTIONS)
    assert str(rejected) == (
        "memroy, hue, disks.sise are not options of this module. Did you mean memory? Did you mean disks.size?"
    )
