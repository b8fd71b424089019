# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The documentation and the options of the modules for Proxmox VE."""

from __future__ import annotations

import re

import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.polyvirt.core.plugins.module_utils._core.options import option as shared
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.proxmox.options import CONNECTION, VM
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.proxmox.settings.hardware import OS_TYPES
from ansible_collections.polyvirt.core.plugins.modules import proxmox_vm


def test_documented_short_names_of_os_types_are_supported():
    documented = yaml.safe_load(proxmox_vm.DOCUMENTATION)["options"]["os_type"]["description"]
    (short,) = [text for text in documented if "short name" in text]
    named = set(re.findall(r"V\((\w+)\)", short))
    assert named - {"l26", "win11"} == set(OS_TYPES) - {"other"}


def test_module_has_at_most_twelve_own_options():
    assert len(set(VM) - set(CONNECTION) - set(shared.VM)) <= 12


def test_vmid_is_an_alias_of_id_and_may_be_a_number():
    checked = ArgumentSpecValidator({**proxmox_vm.MODULE.argument_spec}).validate({"name": ["web"], "vmid": 105})
    assert (checked.error_messages, checked.validated_parameters["id"]) == ([], "105")
