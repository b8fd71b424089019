# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps from a state of a Hyper-V host to the requested settings, as a table."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import PolyvirtError
from ansible_collections.polyvirt.core.plugins.module_utils._hosts.windows.hyperv_plan import plan_host
from ansible_collections.polyvirt.core.plugins.module_utils._tools.hyperv_host import HostState

OFF = {"Hyper-V": "disabled", "Hyper-V-PowerShell": "disabled"}
ON, PENDING = dict.fromkeys(OFF, "enabled"), {**dict.fromkeys(OFF, "enabled"), "Hyper-V": "pending"}
ADAPTERS = (
    {"Name": "Ethernet", "InterfaceDescription": "Intel 1", "Virtual": False},
    {"Name": "Wi-Fi", "InterfaceDescription": "Intel 2", "Virtual": False},
)
ADDRESSES = (
    {"InterfaceAlias": "Ethernet", "IPAddress": "192.0.2.5", "PrefixLength": 24},
    {"InterfaceAlias": "Wi-Fi", "IPAddress": "169.254.1.1", "PrefixLength": 16},
    {"InterfaceAlias": "Wi-Fi", "IPAddress": "fe80::1", "PrefixLength": 64},
)
NOTHING = {
    "management_tools": False, "vm_path": None, "disk_path": None, "switches": [], "allow_connection_loss": False,
    "reboot": False,
}  # fmt: skip
NAT = {"name": "nat", "type": "nat", "address": "10.60.0.1/24"}
PRIVATE = {"name": "lab", "type": "private"}


def switch(name, kind, *descriptions, shared=True):
    return {
        "Id": f"id-{name}",
        "Name": name,
        "SwitchType": kind,
        "AllowManagementOS": shared,
        "NetAdapterInterfaceDescriptions": list(descriptions),
    }


def lan(adapter="Wi-Fi", **more):
    return {"name": "lan", "type": "external", "adapter": adapter, **more}


def host(features=None, **about):
    features = ON if features is None else features
    usable = about.pop("usable", features == ON)
    about = {"adapters": ADAPTERS, "addresses": ADDRESSES, "disk_path": "C:\\Disks", **about}
    return HostState(True, dict(features), usable, **about)


def nat_host(**about):
    nic = {"InterfaceAlias": "vEthernet (nat)", "IPAddress": "10.60.0.1", "PrefixLength": 24}
    nat = {"Name": "other", "InternalIPInterfaceAddressPrefix": "10.60.0.0/24"}
    return host(**{"switches": (switch("NAT", "Internal"),), "addresses": (nic,), "nats": (nat,), **about})


#: (host, options, keys of the steps; those that wait for a restart in parentheses)
STEPS = [
    (host(OFF), {"switches": [PRIVATE], "reboot": True}, "features reboot switches.lab"),
    (host(PENDING), {"switches": [PRIVATE]}, "(switches.lab)"),
    (host(PENDING), {"switches": [PRIVATE], "reboot": True}, "reboot switches.lab"),
    (host(PENDING, usable=True), {"switches": [PRIVATE]}, "switches.lab"),
    (host(), {"disk_path": "D:\\x", "vm_path": "D:\\y"}, "vm_path disk_path"),
    (nat_host(), {"switches": [NAT]}, ""),
    (nat_host(nats=()), {"switches": [NAT]}, "switches.nat.nat"),
    (nat_host(addresses=()), {"switches": [NAT]}, "switches.nat.address"),
    (
        nat_host(switches=(switch("nat", "Private"),), addresses=()),
        {"switches": [NAT]},
        "switches.nat switches.nat.address",
    ),
    (host(), {"switches": [lan()]}, "switches.lan"),
    (host(switches=(switch("LAN", "External", "Intel 2"),)), {"switches": [lan("wi-fi")]}, ""),
    (
        host(switches=(switch("lan", "External", "Intel 2"),)),
        {"switches": [lan(allow_management_os=False)]},
        "switches.lan",
    ),
    (host(switches=(switch("lan", "External", "Intel 2", shared=False),)), {"switches": [lan()]}, ""),
    (host(), {"switches": [lan("Ethernet")], "allow_connection_loss": True}, "switches.lan"),
]


@pytest.mark.parametrize(("found", "options", "expected"), STEPS)
def test_steps(found, options, expected):
    steps = plan_host({**NOTHING, **options}, found)
    assert " ".join(f"({one.key})" if one.waits else one.key for one in steps) == expected
    assert all(one.calls or one.restarts or one.waits for one in steps)


def test_team_of_adapters_is_not_replaced():
    """The tests of the module have the other rejections."""
    team = host(switches=(switch("lan", "External", "Intel 1", "Intel 2"),))
    with pytest.raises(PolyvirtError, match="it is a team of Ethernet, Wi-Fi"):
        plan_host({**NOTHING, "switches": [lan()]}, team)


def test_firmware_setting_matters_only_before_hyperv_is_installed():
    assert plan_host(NOTHING, host(firmware_allows=False)) == []
    assert plan_host(NOTHING, host(OFF, firmware_allows=False, has_hypervisor=True))
