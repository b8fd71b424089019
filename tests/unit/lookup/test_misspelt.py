# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which variables of a host are misspelt options of a role."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleLookupError
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader, lookup_loader

from collection_path import collections_path


@pytest.fixture(name="misspelt", scope="module")
def _misspelt():
    init_plugin_loader([str(collections_path())])
    plugin = lookup_loader.get("polyvirt.core.misspelt", loader=DataLoader())

    def misspelt(role, *names, **options):
        return plugin.run([role], dict.fromkeys(names, "x"), **options)

    return misspelt


@pytest.mark.parametrize(
    ("role", "name", "nearest"),
    [
        ("vm", "vm_memroy", "vm_memory"),
        ("vm", "vm_cpu", "vm_cpus"),
        ("vm", "vm_ssh_key", "vm_ssh_key_file"),
        ("agent", "agent_profle", "agent_profile"),
        ("agent", "agent_variable", "agent_variables"),
        ("guest_image", "guest_image_pth", "guest_image_path"),
    ],
)
def test_misspelt_variable_is_reported_with_nearest_option(misspelt, role, name, nearest):
    (sentence,) = misspelt(role, name)
    assert sentence == f"{name} is not an option of role polyvirt.core.{role}; did you mean {nearest}?"


@pytest.mark.parametrize(
    ("role", "name"),
    [
        ("vm", "vm_memory"),
        ("vm", "vm_snapshot_state"),
        ("vm", "vm_result"),
        ("agent", "agent_target"),
        ("agent", "agent_values"),
        ("agent", "agent_port"),
        ("vm", "vm_owner"),
        ("vm", "vm_hostname"),
        ("vm", "__vm_memroy"),
        ("vm", "agent_profle"),
        ("guest_image", "guest_image_result"),
    ],
)
def test_option_fact_or_variable_of_user_is_not_reported(misspelt, role, name):
    assert misspelt(role, name) == []


def test_variable_of_user_can_be_excluded(misspelt):
    assert misspelt("vm", "vm_users", own=["vm_users"]) == []
    assert len(misspelt("vm", "vm_users")) == 1


def test_unknown_role_is_an_error(misspelt):
    with pytest.raises(AnsibleLookupError, match="no role nothing"):
        misspelt("nothing", "nothing_a")
