# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A vendor's server with one image, and what the nodes of the simulated cluster have of it."""

from __future__ import annotations

import struct

from simulators.proxmox.storage import GIB
from unit.module_utils._media.server import Server, checksum

FILE = "debian-13-generic-amd64.qcow2"
IMAGE, SUMS = f"/latest/{FILE}", "/latest/SHA256SUMS"
DOWNLOAD = "/nodes/pve1/storage/local/download-url"


def qcow2(size=GIB, content=b"data"):
    begin = b"QFI\xfb" + struct.pack(">IQIIQ", 3, 0, 0, 16, size) + bytes(40) + bytes(8)
    return begin.ljust(4096, b"\0") + content * 10_000


QCOW2 = qcow2()


class Vendor(Server):
    """A vendor's server with one image."""

    def publish(self, content=QCOW2):
        self.files[IMAGE] = content
        self.files[SUMS] = f"{checksum(content)} *{FILE}\n".encode()

    def medium(self, **changes):
        image = {"format": "qcow2", **changes.pop("image", {})}
        medium = {"type": "cloud", "architecture": "amd64", "file": FILE, "checksums": "SHA256SUMS", "image": image}
        return {**medium, "bases": [f"{self.url}/latest"], **changes}

    def vm(self, name="web3", image=None, **options):
        """Options of a VM from an image, by default from that of this vendor by its name."""
        named = {"source": "debian-13", "catalogue": {"media": [self.medium()]}}
        return {"name": name, "node": "pve1", "image": {"linked": False, **(image or named)}, "networks": [], **options}

    def address(self, **more):
        return {"source": f"{self.url}{IMAGE}", **more}


def volume_of(content=QCOW2, name="debian-13"):
    return f"local:import/{name}-{checksum(content)[:12]}.qcow2"


def images(world, node="pve1"):
    local = world.storages.get("local")
    return sorted(f"local:{name}" for name, one in local.on(node).items() if one.content == "import")[:-1]


def downloads(world):
    return [one for one in world.journal.requests if one.path.endswith("download-url")]
