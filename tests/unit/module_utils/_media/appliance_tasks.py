# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks with an appliance, and what they get from it."""

from __future__ import annotations

from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Request
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.images import APPLIANCES
from ansible_collections.polyvirt.core.plugins.module_utils._media.appliances.lookup import resolved

from suite import appliance_files as made

M = 1024**2
VMDK = b"KDMV" + b"\0" * 8 + (32768).to_bytes(8, "little") + b"\0" * 2000


def ova(folder, text=None, disks=None, **about):
    disks = {"disk1.vmdk": VMDK} if disks is None else disks
    return made.ova(folder / "x.ova", text or made.one_disk(made.nic()), disks, **about)


def request(source, config=None, **more):
    asked = {"source": str(source), "networks": {"VM Network": {"type": "nat"}}, **more}
    return Request("web", config=config or {}, creation={"appliance": asked})


def appliance_of(source, config=None, **more):
    found = resolved(request(source, config, **more), APPLIANCES, None)
    return found, found.creation["appliance"]
