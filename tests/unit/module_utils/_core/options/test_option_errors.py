# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A list or a dictionary where an option is text: Ansible would take how Python shows it."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.options.option import FACETS, VM
from ansible_collections.polyvirt.core.plugins.module_utils._core.options.option_errors import misshapen, not_text

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
    ],
)
def test_list_instead_of_text(params, message, remedy):
    options = {**VM, **FACETS}
    problem = not_text(params, options)
    assert (problem.message, remedy in problem.remedy) == (message, True)
    assert str(misshapen(params, options)) == str(problem)


@pytest.mark.parametrize(
    "params",
    [
        {"owner": 5, "description": None, "memory": 512, "name": "web1", "tags": [1, "b"]},
        {"name": ["web1"], "native": {"a": ["b"]}, "image": ["debian-13"], "disks": [{"size": 2}]},
        {"cloud_init": {"user_data": {"packages": ["vim"]}, "ssh_authorized_keys": ["ssh-ed25519 A"]}},
    ],
)
def test_values_that_ansible_converts_well(params):
    assert not_text(params, VM) is None
