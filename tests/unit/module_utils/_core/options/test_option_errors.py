# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values of the wrong type: Ansible would name no option, or take a list or a dictionary as Python shows it."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.options.option import FACETS, VM
from ansible_collections.polyvirt.core.plugins.module_utils._core.options.option_errors import misshapen

ONE_TEXT = "Set one text."


@pytest.mark.parametrize(
    ("params", "message", "remedy"),
    [
        ({"owner": ["anna"]}, "owner: it is a list.", ONE_TEXT),
        ({"description": {"team": "blue"}}, "description: it is a dictionary.", ONE_TEXT),
        ({"iso": ["/a.iso"]}, "iso: it is a list.", ONE_TEXT),
        ({"firmware": ["uefi"]}, "firmware: it is a list.", "Set one of bios, uefi."),
        ({"name": [["web1", "web2"]]}, "name: an entry of the list is a list.", "stands alone, such as name: "),
        ({"tags": ["a", {"b": 1}]}, "tags: an entry of the list is a dictionary.", "Set a list of texts."),
        ({"tags": {"a": 1}}, "tags: it is a dictionary.", "Set a list of texts, such as [a, b]."),
        ({"disks": [{"slot": "vda"}, {"slot": ["vdb"]}]}, "disks.slot: it is a list.", ONE_TEXT),
        ({"image": {"source": ["debian-13"]}}, "image.source: it is a list.", ONE_TEXT),
        ({"cloud_init": {"password": ["s3cr3t"]}}, "cloud_init.password: it is a list.", ONE_TEXT),
        ({"filters": {"owner": ["anna", "ben"]}}, "filters.owner: it is a list.", ONE_TEXT),
        ({"limits": 10}, "limits: it is a number.", "Set a dictionary, such as {vms: 5}."),
        ({"limits": True}, "limits: it is a boolean.", "Set a dictionary, such as {vms: 5}."),
        ({"filters": 5}, "filters: it is a number.", "Set a dictionary, such as {state: [running]}."),
        ({"native": "<cpu mode='host'/>"}, "native: it is text.", "Set a dictionary, such as {KEY: ...}."),
        ({"native": "<domain/>"}, "native: it is text.", "Set a dictionary, such as {KEY: ...}."),
        ({"disks": 5}, "disks: it is a number.", "Set a list of dictionaries, such as [{size: 40G}]."),
        (
            {"disks": [{"size": "1G"}, 5]},
            "disks: it is a number.",
            "Set a list of dictionaries, such as [{size: 40G}].",
        ),
        ({"cloud_init": {"meta_data": 5}}, "cloud_init.meta_data: it is a number.", "Set a dictionary"),
        ({"image": {"source": "a", "headers": "a"}}, "image.headers: it is text.", "Set a dictionary"),
    ],
)
def test_value_of_another_type_of_text(params, message, remedy):
    options = {**VM, **FACETS}
    problem = misshapen(params, options)
    assert (problem.message, remedy in problem.remedy) == (message, True)


@pytest.mark.parametrize(
    "params",
    [
        {"owner": 5, "description": None, "memory": 512, "name": "web1", "tags": [1, "b"]},
        {"name": ["web1"], "native": "a=b,c=d", "limits": '{"vms": 2}', "image": ["debian-13"], "disks": [{"size": 2}]},
        {"cloud_init": {"user_data": {"packages": ["vim"]}, "ssh_authorized_keys": ["ssh-ed25519 A"]}},
    ],
)
def test_values_that_ansible_converts_well(params):
    assert misshapen(params, VM) is None
