# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guide on rights names the options that move a directory, and for each the platforms that have it."""

from __future__ import annotations

import re
from importlib import import_module

import pytest
from ansible_collections.polyvirt.core.plugins.plugin_utils.tasks.registry import PLATFORMS

from collection_path import CHECKOUT

_GUIDE = (CHECKOUT / "docs/who-runs-this.md").read_text(encoding="utf-8")
_SHOWN = {"libvirt": "libvirt", "virtualbox": "VirtualBox", "vmd": "vmd", "hyperv": "Hyper-V", "wsl": "WSL",
          "proxmox": "Proxmox VE", "vagrant": "Vagrant"}  # fmt: skip


def _options(platform):
    name = PLATFORMS[platform].vm
    return import_module(f"ansible_collections.polyvirt.core.plugins.modules.{name}").MODULE.options


@pytest.mark.parametrize("option", ["storage_path", "image_directory", "disks[].directory", "project_dir"])
def test_platforms_with_an_option(option):
    (row,) = re.findall(rf"^\| `{re.escape(option)}` \|.*\| (.*?) \|$", _GUIDE, re.MULTILINE)
    name, _brackets, suboption = option.partition("[].")
    having = {
        _SHOWN[platform]
        for platform in PLATFORMS
        if name in _options(platform) and (not suboption or suboption in _options(platform)[name].options)
    }
    assert set(row.split(", ")) == having
