# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The description of each module for VMs names its ten usual options: ansible-doc lists all of them alphabetically."""

from __future__ import annotations

import re
from importlib import import_module

import pytest
import yaml
from ansible_collections.polyvirt.core.plugins.module_utils._core.options.option import VM
from ansible_collections.polyvirt.core.plugins.plugin_utils.tasks.registry import PLATFORMS

_MODULES = "ansible_collections.polyvirt.core.plugins.modules"


@pytest.mark.parametrize("name", ["vm", *(one.vm for one in PLATFORMS.values())])
def test_ten_usual_options_exist(name):
    module = import_module(f"{_MODULES}.{name}")
    _first, usual, *_more = yaml.safe_load(module.DOCUMENTATION)["description"]
    named = re.findall(r"O\((\w+)\)", usual)
    assert usual.startswith("Ten options are enough for most tasks")
    assert len(set(named)) == 10
    known = VM if name == "vm" else module.MODULE.options
    assert set(named) <= set(known)
