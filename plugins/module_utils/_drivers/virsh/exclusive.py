# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What only one running VM can have, and what of it a clone would share with its source."""

from __future__ import annotations

from ..._core.sharing.claims import WRITE
from ..._tools.domain_xml import Definition
from .own_files import named_files

#: {type of a NIC that only one running VM can have: what it is}
_NICS = {
    "hostdev": "a device of the host", "vdpa": "a device of the host", "vhostuser": "a socket",
    "udp": "a local port", "server": "a local port",
}  # fmt: skip
#: {path of other devices that only one running VM can have: what it is}
_DEVICES = {
    "devices/input[@type='evdev']": "an input device of the host",
    "devices/input[@type='passthrough']": "an input device of the host",
    "devices/lease": "a lease",
    "devices/filesystem/source[@socket]": "the socket of a shared folder",
    "devices/tpm/backend[@type='passthrough']": "the TPM of the host",
    "devices/tpm/backend[@type='external']": "the socket of a TPM",
    "devices/disk[@type='nvme']": "an NVMe disk of the host",
    "devices/disk[@type='vhostuser']": "the socket of a disk",
    "devices/disk[@type='vhostvdpa']": "a disk of the host",
}  # fmt: skip


def make_unique(definition: Definition) -> None:
    """Reset the ids that libvirt generates: of sockets of the host (vsock), and of ports of virtual switches."""
    for cid in definition.root.iterfind("devices/vsock/cid"):
        cid.attrib.pop("address", None)
        cid.set("auto", "yes")
    for port in definition.root.iterfind("devices/interface/virtualport[@type='openvswitch']/parameters"):
        port.attrib.pop("interfaceid", None)
    for port in definition.root.iterfind("devices/interface/virtualport[@type='802.1Qbg']/parameters"):
        port.attrib.pop("instanceid", None)


def exclusive_devices(definition: Definition) -> list:
    """Return descriptions of the devices that only one running VM can have."""
    found = [f"NIC {place} with {what}" for place, nic in enumerate(definition.interfaces()) for what in _of_nic(nic)]
    found += [what for path, what in _DEVICES.items() if definition.root.find(path) is not None]
    return found + [
        f"a device that writes to {path}" for mode, _option, path in named_files(definition) if mode == WRITE
    ]


def _of_nic(nic):
    source = nic.find("source")
    if nic.get("type") in _NICS:
        yield _NICS[nic.get("type")]
    elif nic.get("type") == "direct" and source is not None and source.get("mode") == "passthrough":
        yield f"the whole interface {source.get('dev')} of the host"
