# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guide for those who have VMs says what platforms without backups have instead, as the error of a task does."""

from __future__ import annotations

import re

import pytest
from ansible_collections.polyvirt.core.plugins.plugin_utils.tasks.registry import PLATFORMS

from collection_path import CHECKOUT

_GUIDE = (CHECKOUT / "docs/taking-over.md").read_text(encoding="utf-8")
_OTHERS = [name for name, one in PLATFORMS.items() if one.instead_of_backups]
#: The words that both need.
_WORDS = re.compile(r"--\w+|VBoxManage|vmctl create|Export-VMSnapshot|export|provider")


def test_each_platform_is_one_or_the_other():
    assert [name for name, one in PLATFORMS.items() if one.vm_backup] == ["libvirt", "proxmox"]
    assert len(_OTHERS) == 5


@pytest.mark.parametrize("name", _OTHERS)
def test_guide_has_what_the_error_says(name):
    words = _WORDS.findall(PLATFORMS[name].instead_of_backups)
    assert words
    assert [word for word in words if word not in _GUIDE] == []
