# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A network and a pool as virsh 9.0.0 shows them, while a VM runs on the network: info modules, and a second run."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._hosts.libvirt import network_host, pool_host
from ansible_collections.polyvirt.core.plugins.module_utils._hosts.libvirt.network_options import OPTIONS, checked
from ansible_collections.polyvirt.core.plugins.module_utils._hosts.libvirt.network_plan import plan_network
from ansible_collections.polyvirt.core.plugins.module_utils._tools.virsh import Answer

RECORDED = Path(__file__).parents[3] / "fixtures" / "virsh" / "9.0.0"
#: The options of virsh_network that describe the recorded network.
NETWORK = {
    "mode": "nat",
    "bridge": "virbr7",
    "addresses": ["10.107.0.1/24", "fd00:107::1/64"],
    "ranges": [{"start": "10.107.0.100", "end": "10.107.0.150"}, {"start": "fd00:107::100", "end": "fd00:107::1ff"}],
    "hosts": [
        {"mac": "52:54:00:00:07:10", "name": "db1", "address": "10.107.0.10"},
        {"name": "v6", "address": "fd00:107::10"},
    ],
    "domain": "lab.example.net",
    "domain_local": True,
    "dns": [{"address": "10.107.0.9", "names": ["ntp", "time"]}],
    "forwarders": [{"address": "10.107.0.5", "domain": "corp.example.net"}],
    "routes": [{"destination": "10.109.0.0/16", "gateway": "10.107.0.2"}],
    "mtu": 1400,
    "tftp": "/srv",
    "bootp": {"file": "pxelinux.0"},
    "autostart": True,
    "native": {"forward/nat@ipv6": True},
}


class RecordedVirsh:
    """Answers with the recordings: one network, one pool, no definitions of VMs."""

    uri = "qemu+ssh://host/system"

    def batch(self, requests, timeout=None):
        return [self._answer(*words) for words in requests]

    @staticmethod
    def _answer(command, *words):
        names = {"net-list": "lab\n", "pool-list": "images\n", "list": ""}
        if command in names:
            return Answer(names[command], None)
        side = {"net-dumpxml": "-running", "pool-dumpxml": "-running"}.get(command, "")
        name = f"{command}-inactive" if "--inactive" in words else f"{command}{side}"
        found = [path for path in RECORDED.glob(f"{name}.*") if path.stem == name]
        return Answer(found[0].read_text(encoding="utf-8"), None) if found else Answer("", "not recorded")


@pytest.fixture(autouse=True)
def _recorded(monkeypatch):
    for module in (network_host, pool_host):
        monkeypatch.setattr(module, "connect", lambda _commands, _params: RecordedVirsh())


def test_network_with_a_running_vm():
    (network,) = network_host.report({"name": None}, None)["networks"]
    expected = {key: value for key, value in NETWORK.items() if key not in ("native", "bootp")}
    assert {key: network[key] for key in expected} == expected
    assert network["bootp"]["file"] == "pxelinux.0"
    assert (network["state"], network["persistent"], network["restart_required"]) == ("active", True, False)
    assert network["in_use"] == {"running": ["web"], "defined": []}
    (lease,) = network["leases"]
    assert (lease["mac"], lease["address"]) == ("52:54:00:00:07:10", "10.107.0.10")


def test_same_options_lead_to_no_step():
    networks = network_host.Networks(SimpleNamespace(), RecordedVirsh())
    state = networks.state("lab", networks.read())
    wanted = checked({**{name: option.default for name, option in OPTIONS.items()}, "name": "lab", **NETWORK})
    assert plan_network(wanted, state)[0] == []
    assert [step.key for step in plan_network({**wanted, "mtu": 1500}, state)[0]] == ["lab.mtu", "lab.restart"]


def test_pool_with_a_blank_in_the_name_of_a_volume():
    (pool,) = pool_host.report({"name": None}, None)["pools"]
    assert (pool["type"], pool["path"], pool["mode"], pool["state"]) == ("dir", "/tmp/img", "0755", "active")
    assert pool["volumes"] == ["/tmp/img/data.raw", "/tmp/img/two words.qcow2"]
    assert (pool["capacity"], pool["restart_required"], pool["autostart"]) == (12638031872, False, False)
