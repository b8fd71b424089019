# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every module of a platform accepts the ID of a VM in the spelling of other tools."""

from __future__ import annotations

from importlib import import_module

import pytest
from ansible_collections.polyvirt.core.plugins import modules
from ansible_collections.polyvirt.core.plugins.module_utils._front.declaration import in_full

UUID = "6c0ee30a-f1b8-4cd6-a2a2-dd2b4b2b6b21"
VM_MODULES = {"vagrant": "vagrant_instance"}


@pytest.mark.parametrize("about", ["{vm}", "{vm}_info", "{platform}_snapshot", "{platform}_snapshot_info"])
@pytest.mark.parametrize(
    ("platform", "given", "own"),
    [
        ("virsh", UUID.upper(), UUID),
        ("vbox", f"{{{UUID}}}", UUID),
        ("vagrant", UUID.upper(), UUID),
        ("hyperv", f"{{{UUID.upper()}}}", UUID),
        ("proxmox", "0102", "102"),
    ],
)
def test_id_is_converted_to_the_spelling_of_the_platform(platform, given, own, about):
    name = about.format(vm=VM_MODULES.get(platform, f"{platform}_vm"), platform=platform)
    declared = import_module(f"{modules.__name__}.{name}").MODULE
    assert in_full({"id": given}, declared.options, declared.platform)["id"] == own
