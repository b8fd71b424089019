# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The seed of cloud-init: made on the controller, and written to a file on the host."""

from __future__ import annotations

import os

from ...._lifecycle.errors import Refused
from ...._ports import files
from ...._ports.command import Commands
from ...._tools import seed
from ...._tools.seed_network import macs_by_place
from .disks import folder_of, path_in, seed_name


def seed_of(driver, name, arguments):
    """{path: content} of the seed that a step asks for: one or none."""
    cloud_init = arguments["creation"].get("cloud_init")
    if cloud_init is None:
        return {}
    networks = arguments.get("networks") or arguments["config"].get("networks") or {}
    documents = seed.nocloud_documents(cloud_init, name, name, macs_by_place(networks))
    with files.private_folder() as folder:
        image = os.path.join(folder, "seed.iso")
        seed.make_seed(Commands(driver.call_timeout), files, image, documents)
        return {path_in(folder_of(driver), seed_name(name)): files.read(image)}


def check_seed(driver, name, arguments):
    """Raise what would make the seed fail. Hyper-V chooses MAC addresses at the first start only."""
    networks = arguments.get("networks") or arguments["config"].get("networks") or {}
    nameless = [place for place, nic in networks.items() if not nic.get("mac")]
    if arguments["creation"]["cloud_init"].get("ip_config") and nameless:
        raise Refused(
            f"{name}: cloud_init.ip_config: the MAC address of NIC {nameless[0]} is not known before its first start.",
            f"Set networks[{nameless[0]}].mac.",
        )
    seed.check_documents(arguments, name)
    seed.find_tool(Commands(driver.call_timeout))
