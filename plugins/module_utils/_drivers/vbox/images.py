# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VirtualBox: what an image must have for a VM."""

from __future__ import annotations

from ..._media.appliances.defaults import Words
from ..._media.choose import Needs, level_of
from ..._media.images import Images
from ..._ports import host
from .settings.architecture import host_architecture, is_arm
from .settings.networks import NIC_SYNONYMS

#: VBoxManage reads qcow2 when it copies an image. Source: its list of formats (hddbackends), and a copy of each.
_FORMATS = ("vdi", "qcow2", "vmdk", "vhd", "raw")
_DEFAULT_NIC = "82540EM"
#: The words of the catalogue for the NICs that a kernel may have no driver for.
_DEVICES = {
    "82540EM": "e1000", "82543GC": "e1000", "82545EM": "e1000", "Am79C960": "pcnet", "Am79C970A": "pcnet",
    "Am79C973": "pcnet",
}  # fmt: skip

#: SATA has a driver in each guest that booted elsewhere, and VirtualBox imports a VMXNET3 as the same model.
APPLIANCES = Words(
    slot=lambda _bus, number, _firmware: f"SATA {number}",
    models={"e1000": "82540EM", "pcnet32": "Am79C973", "virtio": "virtio"},
    default_model="82540EM",
)


class VBoxImages(Images):
    """The images of a user of VirtualBox."""

    appliances = APPLIANCES

    def needs(self, request):
        """Return the Needs of a new VM."""
        networks = request.config.get("networks", {"0": {}})
        models = {(nic.get("model") or _DEFAULT_NIC) for nic in networks.values() if nic is not None}
        models = {NIC_SYNONYMS.get(model.lower(), model) for model in models}
        return Needs(
            platform="VirtualBox",
            architecture=host_architecture(),
            formats=_FORMATS,
            firmware=request.config.get("firmware") or ("uefi" if is_arm() else "bios"),
            devices=tuple(sorted({_DEVICES[model] for model in models if model in _DEVICES})),
            cpu=level_of(host.cpu_flags()),
        )
