# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A clone has nothing that only one running VM can have: it is replaced, or the clone is rejected with its name."""

from __future__ import annotations

import re

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import Refused
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Vm
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh import clone
from ansible_collections.polyvirt.core.plugins.module_utils._tools.domain_xml import Definition

from unit.module_utils._drivers.virsh.answers import domain

SOURCE = Vm("web", id="u-web")
_ADDRESS = "<address type='pci' domain='0' bus='1' slot='0' function='0'/>"
#: {device: words of the error}.
_REJECTED = {
    f"<interface type='hostdev'><source>{_ADDRESS}</source></interface>": "devices/interface[@type='hostdev']",
    "<interface type='direct'><source dev='eth1' mode='passthrough'/></interface>": "source[@mode='passthrough']",
    "<interface type='vhostuser'><source type='unix' path='/s' mode='client'/></interface>": "[@type='vhostuser']",
    "<interface type='udp'><source address='10.0.0.1' port='5'><local port='6'/></source></interface>": "interface[",
    "<interface type='server'><source address='10.0.0.1' port='5'/></interface>": "interface[",
    "<interface type='vdpa'><source dev='/dev/vhost-vdpa-0'/></interface>": "[@type='vdpa']",
    "<serial type='dev'><source path='/dev/ttyS0'/></serial>": "/dev/ttyS0",
    "<input type='evdev'><source dev='/dev/input/event1' grab='all'/></input>": "devices/input[",
    "<input type='passthrough' bus='virtio'><source evdev='/dev/input/event1'/></input>": "devices/input[",
    "<memory model='nvdimm'><source><path>/n</path></source></memory>": "/n",
    "<lease><lockspace>a</lockspace><key>k</key></lease>": "devices/lease",
    "<tpm><backend type='passthrough'><device path='/dev/tpm0'/></backend></tpm>": "devices/tpm",
    "<tpm><backend type='external'><source type='unix' mode='connect' path='/s'/></backend></tpm>": "devices/tpm",
    "<filesystem type='mount'><source socket='/s'/><target dir='t'/></filesystem>": "source[@socket]",
    "<audio id='1' type='file' path='/a'/>": "/a",
    "<disk type='nvme'><source type='pci'/><target dev='vdb'/><readonly/></disk>": "devices/disk[@type='nvme']",
}
#: {device: (what the clone no longer has, what it has instead)}.
_REPLACED = {
    "<vsock><cid auto='no' address='5'/></vsock>": ("address", 'auto="yes"'),
    "<interface><virtualport type='openvswitch'><parameters interfaceid='i'/></virtualport></interface>": (
        "interfaceid",
        "openvswitch",
    ),
    "<interface type='direct'><virtualport type='802.1Qbg'><parameters instanceid='i' managerid='1'/></virtualport>"
    "</interface>": ("instanceid", "managerid"),
    "<serial type='udp'><source mode='bind' service='5'/><source mode='connect' service='6'/></serial>": (
        "service",
        'type="pty"',
    ),
    "<serial type='pipe'><source path='/p'/></serial>": ("/p", 'type="pty"'),
    "<channel type='file'><source path='/out'/><target type='virtio' name='c'/></channel>": ("/out", 'type="pty"'),
    "<channel type='tcp'><source mode='bind' service='5'/><target type='virtio' name='c'/></channel>": (
        "service",
        'type="pty"',
    ),
}
_KEPT = (
    "<interface type='direct'><source dev='eth1' mode='bridge'/></interface>",
    "<interface type='mcast'><source address='230.0.0.1' port='5'/></interface>",
    "<serial type='tcp'><source mode='connect' host='a' service='5'/></serial>",
    "<serial type='udp'><source mode='connect' host='a' service='5'/></serial>",
    "<memory model='dimm'><target><size>1</size></target></memory>",
    "<memory model='nvdimm'><source><path>/n</path></source><target><readonly/></target></memory>",
    "<tpm><backend type='emulator'/></tpm>",
    "<input type='tablet' bus='usb'/>",
)


def _original(device):
    definition = Definition(domain("web", more=device).text().replace("<nvram />", ""))
    return clone.Original(definition, {})


@pytest.mark.parametrize(("device", "words"), list(_REJECTED.items()))
def test_device_that_cannot_be_in_two_vms_is_named(device, words):
    with pytest.raises(Refused, match=f"copy: clone.source: 'web' has .*{re.escape(words)}") as caught:
        clone.check_original("copy", SOURCE, _original(device), {"linked": False})
    assert "virsh edit" in caught.value.remedy


@pytest.mark.parametrize(("device", "expected"), list(_REPLACED.items()))
def test_what_libvirt_generates_is_replaced(device, expected):
    original = _original(device)
    clone.check_original("copy", SOURCE, original, {"linked": False})
    assert expected[0] in original.definition.text()  # The check changes nothing.
    clone.remove_identity(original.definition)
    text = original.definition.text()
    assert expected[0] not in text and expected[1] in text


@pytest.mark.parametrize("device", _KEPT)
def test_what_several_vms_can_have_is_kept(device):
    original = _original(device)
    clone.check_original("copy", SOURCE, original, {"linked": False})
    kept = Definition(original.definition.text())
    clone.remove_identity(original.definition)
    assert original.definition.text() == kept.text()
