# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A task of ``vm_backup`` on a platform without backups fails, and names what the platform has."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import Unsupported
from ansible_collections.polyvirt.core.plugins.module_utils._core.options.backup import BACKUP
from ansible_collections.polyvirt.core.plugins.module_utils._front.any_platform import OPTIONS
from ansible_collections.polyvirt.core.plugins.plugin_utils.tasks.platforms import parts_of

KNOWN = {**OPTIONS, **BACKUP}
GIVEN = {"name": ["web1"], "max_age": "20h"}


@pytest.mark.parametrize(
    ("platform", "instead"),
    [
        ("virtualbox", "VBoxManage export"),
        ("hyperv", "Export-VMSnapshot"),
        ("vmd", "vmctl create -i"),
        ("wsl", "export"),
        ("vagrant", "provider"),
    ],
)
def test_platform_without_backups(platform, instead):
    with pytest.raises(Unsupported, match=f"Backups are not supported on {platform}") as found:
        parts_of("vm_backup", {**GIVEN, "platform": platform}, KNOWN)
    assert instead in found.value.remedy


@pytest.mark.parametrize(("platform", "place"), [("libvirt", "directory"), ("proxmox", "storage")])
def test_platform_with_backups(platform, place):
    ((part,), _order) = parts_of("vm_backup", {**GIVEN, "platform": platform, place: "/b"}, KNOWN)
    assert (part.module[-7:], part.arguments) == ("_backup", {**GIVEN, place: "/b"})
