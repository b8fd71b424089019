# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hyper-V: the cloud-init seed ISO: created on the controller, and then written to a file on the host."""

from __future__ import annotations

import os

from ...._core.errors import Refused
from ...._ports import files
from ...._tools import seed
from ...._tools.seed_network import macs_by_place
from .disks import folder_of, path_in, seed_name


def build_seed(driver, name, arguments):
    """Return {path on the host: content} of the seed ISO of a step; empty if the step has no cloud_init."""
    cloud_init = arguments["creation"].get("cloud_init")
    if cloud_init is None:
        return {}
    networks = arguments.get("networks") or arguments["config"].get("networks") or {}
    documents = seed.nocloud_documents(cloud_init, name, name, macs_by_place(networks))
    with files.private_folder() as folder:
        image = os.path.join(folder, "seed.iso")
        seed.make_seed(driver.commands, files, image, documents, cloud_init.get("answer_drivers"))
        return {path_in(folder_of(driver), seed_name(name)): files.read(image)}


def check_seed(driver, plan):
    """Raise if the seed cannot be created. Hyper-V chooses MAC addresses only at the first start."""
    for step in plan.steps:
        networks = step.arguments.get("networks") or (step.arguments.get("config") or {}).get("networks") or {}
        without_mac = [index for index, entry in networks.items() if not entry.get("mac")]
        asked = (step.arguments.get("creation") or {}).get("cloud_init") or {}
        if asked.get("ip_config") and without_mac:
            nic = without_mac[0]
            raise Refused(
                f"{plan.after.name}: cloud_init.ip_config: the MAC address of NIC {nic} is not known before its first"
                " start.",
                f"Set networks[{nic}].mac.",
            )
    seed.check(driver, plan)
