# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules for Proxmox VE say of themselves is so."""

from __future__ import annotations

import re

import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.proxmox.options import CONNECTION, VM
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.proxmox.traits import OS_TYPES
from ansible_collections.polyvirt.core.plugins.module_utils._lifecycle import options as shared
from ansible_collections.polyvirt.core.plugins.modules import proxmox_vm


def test_the_short_names_of_systems_are_those_that_are_known():
    documented = yaml.safe_load(proxmox_vm.DOCUMENTATION)["options"]["os_type"]["description"]
    (short,) = [text for text in documented if "short name" in text]
    named = set(re.findall(r"V\((\w+)\)", short))
    assert named - {"l26", "win11"} == set(OS_TYPES) - {"other"}


def test_it_has_at_most_ten_options_of_its_own():
    assert len(set(VM) - set(CONNECTION) - set(shared.VM)) <= 10


def test_vmid_is_another_name_of_id_that_takes_a_number():
    checked = ArgumentSpecValidator({**proxmox_vm.MODULE.argument_spec}).validate({"name": ["web"], "vmid": 105})
    assert (checked.error_messages, checked.validated_parameters["id"]) == ([], "105")
