# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The documentation of the modules for VirtualBox."""

from __future__ import annotations

import re

import yaml
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vbox.settings.hardware import OS_TYPES
from ansible_collections.polyvirt.core.plugins.modules import vbox_vm


def test_documented_short_names_of_os_types_are_supported():
    documented = yaml.safe_load(vbox_vm.DOCUMENTATION)["options"]["os_type"]["description"]
    (short,) = [text for text in documented if text.startswith("A short name")]
    assert sorted(re.findall(r"V\((\w+)\)", short)) == sorted(OS_TYPES)
