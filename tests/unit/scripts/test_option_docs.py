# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The documentation of options of several platforms says where each option, suboption and choice exists."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.options.option import VM

from lib.option_docs import option_lines

NETWORKS = {"networks": VM["networks"]}


def sentences(lacking):
    text = " ".join("\n".join(option_lines(NETWORKS, NETWORKS, lacking)).split())
    return [one for one in text.replace(" - ", ". ").split(". ") if "upported" in one]


@pytest.mark.parametrize(
    ("lacking", "expected"),
    [
        ({}, []),
        ({"a": (), "b": ()}, []),
        ({"a": (), "b": (), "c": ("networks",)}, ["Not supported on V(c)"]),
        ({"a": (), "b": ("networks",), "c": ("networks",)}, ["Supported only on V(a)"]),
        (
            {"a": (), "b": (), "c": (), "d": ("networks.vlan",), "e": ("networks.vlan",)},
            ["Not supported on V(d) and V(e)"],
        ),
        ({"a": (), "b": (), "c": ("networks.type=user",)}, ["V(user) is not supported on V(c)"]),
        # A platform that lacks the option says nothing about its suboptions and choices.
        (
            {"a": (), "b": ("networks",), "c": ("networks.type=user",), "d": ("networks.type=user",)},
            ["Not supported on V(b)", "V(user) is supported only on V(a)"],
        ),
    ],
)
def test_platforms_of_options_and_choices(lacking, expected):
    found = [one.rstrip(".").split(" type: ")[0].rstrip(".") for one in sentences(lacking)]
    assert [one for one in expected if one not in found] == []
    assert len(found) == len(expected)
