# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who uses a running network: by libvirt's ports, by the name of its bridge, and by the ports of the bridge."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import PolyvirtError
from ansible_collections.polyvirt.core.plugins.module_utils._hosts.libvirt import network_host
from ansible_collections.polyvirt.core.plugins.module_utils._hosts.libvirt.network_options import OPTIONS, checked
from ansible_collections.polyvirt.core.plugins.module_utils._hosts.libvirt.network_plan import plan_network
from ansible_collections.polyvirt.core.plugins.module_utils._tools.virsh import Answer

_PORT = "dde4e2cc-c28c-44f0-bb4a-8c79deef93e5"
#: {mode: forward element and bridge}. SR-IOV and macvtap have no bridge; that of Open vSwitch is one of the host.
NETWORKS = {
    "nat": "<forward mode='nat' dev='eth0'/><bridge name='virbr7'/><ip address='10.7.0.1' prefix='24'/>",
    "isolated": "<bridge name='virbr7'/><ip address='10.7.0.1' prefix='24'/>",
    "open": "<forward mode='open'/><bridge name='virbr7'/><ip address='10.7.0.1' prefix='24'/>",
    "bridge": "<forward mode='bridge'/><bridge name='virbr7'/>",
    "openvswitch": "<forward mode='bridge'/><bridge name='virbr7'/><virtualport type='openvswitch'/>",
    "macvtap": "<forward mode='bridge'><interface dev='eth0'/></forward>",
    "sriov": "<forward mode='hostdev' managed='yes'><pf dev='eth0'/></forward>",
}
WITHOUT_OWN_BRIDGE = ("bridge", "openvswitch", "macvtap", "sriov")
WITHOUT_BRIDGE = ("macvtap", "sriov")
#: {name: NICs} of the VMs that run.
BY_BRIDGE = "<interface type='bridge'><source bridge='virbr7'/><target dev='vnet4'/></interface>"
BY_NETWORK = "<interface type='network'><source network='lab'/></interface>"
ELSEWHERE = "<interface type='bridge'><source bridge='br0'/><target dev='vnet9'/></interface>"
BY_HAND = "<interface type='ethernet'><target dev='tap5'/></interface>"


class Virsh:
    """A libvirt with the network lab. ``owner``: of its only port, None: it has none."""

    def __init__(self, kind, vms, owner=None, uri="qemu:///system", has_ports=True):
        self.uri, self._kind, self._vms, self._owner, self._has_ports = uri, kind, vms, owner, has_ports
        self.processes = 0

    def batch(self, requests, timeout=None):
        self.processes += 1
        return [Answer(found, None) if isinstance(found, str) else found for found in map(self._answer, requests)]

    def _answer(self, words):
        command = words[0]
        uuids = {f"00000000-0000-0000-0000-00000000000{place}": name for place, name in enumerate(self._vms)}
        if command == "list":
            return "\n".join(f"{uuid} {name}" if "--name" in words else uuid for uuid, name in uuids.items())
        if command == "dumpxml":
            # What was changed in the running VM alone is not in its stored definition.
            nics = "" if "--inactive" in words else self._vms[uuids[words[1]]]
            return f"<domain><devices>{nics}</devices></domain>"
        if command == "net-port-list" and not self._has_ports:
            return Answer("", "this function is not supported by the connection driver: virNetworkListAllPorts")
        owner = "" if self._owner == "nobody" else f"<owner><name>{self._owner}</name></owner>"
        return {
            "net-list": "lab\n",
            "net-info": "Active: yes\nPersistent: yes\n",
            "net-dumpxml": f"<network><name>lab</name>{NETWORKS[self._kind]}</network>",
            "net-port-list": f" {_PORT}\n" if self._owner else "",
            "net-port-dumpxml": f"<networkport><uuid>{_PORT}</uuid>{owner}</networkport>",
        }[command]


@pytest.fixture
def kernel(monkeypatch):
    """The ports of the bridges of this host: {bridge: ports}; what is in the directory of a bridge: {None: names}."""
    ports = {"virbr7": ["virbr7-nic"], "br0": ["eth0", "vnet9"], None: ["brif", "mtu", "lower_veth3"]}

    def entries(path):
        *_above, bridge, last = path.split("/")
        return ports.get(bridge if last == "brif" else None, [])

    monkeypatch.setattr(network_host.files, "entries", entries)
    return ports


def _state(virsh):
    networks = network_host.Networks(SimpleNamespace(), virsh)
    return networks.state("lab", networks.read())


@pytest.mark.parametrize("kind", NETWORKS)
def test_port_of_libvirt_is_a_user(kernel, kind):
    assert _state(Virsh(kind, {}, owner="web1")).guests == ("web1",)
    assert _state(Virsh(kind, {}, owner="nobody")).guests == (f"the port {_PORT}",)
    assert _state(Virsh(kind, {"db1": ELSEWHERE})).guests == ()


@pytest.mark.parametrize("uri", ["qemu:///system", "qemu+ssh://host/system"])
@pytest.mark.parametrize("kind", NETWORKS)
def test_running_vm_that_names_the_bridge_is_a_user(kernel, kind, uri):
    found = _state(Virsh(kind, {"web1": BY_BRIDGE, "db1": ELSEWHERE}, uri=uri)).guests
    assert found == (() if kind in WITHOUT_BRIDGE else ("web1",))


@pytest.mark.parametrize("kind", NETWORKS)
def test_port_of_the_bridge_is_a_user_under_the_name_of_its_vm_or_its_own(kernel, kind):
    kernel["virbr7"] += ["veth3", "tap5"]
    found = _state(Virsh(kind, {"web1": BY_HAND})).guests
    assert found == (() if kind in WITHOUT_OWN_BRIDGE else ("veth3", "web1"))


def test_device_on_top_of_the_bridge_is_a_user(kernel):
    """It goes with the bridge: a macvtap, or a VLAN."""
    kernel[None] += ["upper_macvtap0", "upper_virbr7.5"]
    assert _state(Virsh("nat", {})).guests == ("macvtap0", "virbr7.5")


def test_uplink_of_the_definition_is_no_user(kernel):
    kernel["virbr7"] += ["eth0", "eth1"]
    assert _state(Virsh("nat", {})).guests == ("eth1",)


@pytest.mark.parametrize("uri", ["qemu+ssh://host/system", "test:///default"])
def test_kernel_of_another_host_is_not_asked(kernel, uri):
    kernel["virbr7"] += ["veth3"]
    assert _state(Virsh("nat", {}, uri=uri)).guests == ()


def test_libvirt_without_ports_knows_its_vms_by_the_name_of_the_network(kernel):
    assert _state(Virsh("nat", {"web1": BY_NETWORK, "db1": ELSEWHERE}, has_ports=False)).guests == ("web1",)


def test_reading_takes_two_processes_and_one_for_the_ports(kernel):
    virsh = Virsh("nat", {"web1": BY_BRIDGE})
    _state(virsh)
    assert virsh.processes == 3


@pytest.mark.parametrize("port", ["web1", "veth3"])
@pytest.mark.parametrize("options", [{"state": "absent"}, {"state": "inactive"}, {"mtu": 1400, "allow_restart": True}])
def test_no_user_is_cut_off(kernel, options, port):
    kernel["virbr7"] += ["veth3"] if port == "veth3" else []
    state = _state(Virsh("isolated", {"web1": BY_BRIDGE} if port == "web1" else {}))
    wanted = checked({**{name: option.default for name, option in OPTIONS.items()}, "name": "lab", **options})
    if "mtu" in options:
        steps, _after = plan_network(wanted, state)
        assert [(step.key, step.waits) for step in steps] == [("lab.mtu", False), ("lab.restart", True)]
    else:
        with pytest.raises(PolyvirtError, match=f"would cut off {port}"):
            plan_network(wanted, state)
