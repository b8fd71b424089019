# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Networks of a host with vmd: values that are not networks."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import InvalidInput
from ansible_collections.polyvirt.core.plugins.module_utils._hosts.openbsd.network import OPTIONS, HostNetwork
from ansible_collections.polyvirt.core.plugins.module_utils._tools.vmctl import Vmctl

from unit.module_utils._drivers.vmm.in_process import InProcess


def compared(host, **wanted):
    commands = InProcess(host)
    params = {"executable": "vmctl", "config_file": str(host.config_file), "etc": str(host.file("/etc"))}
    defaults = {name: option.default for name, option in OPTIONS["network"].options.items()}
    return HostNetwork(commands, Vmctl(commands), params).compare({**defaults, "mode": "routed", **wanted})


@pytest.mark.parametrize("subnet", ["10.0.0.5/24", "abc", "10.0.0.0/33", "10.0.0.0", "10.0.0.0/30", "fd00::/64", ""])
def test_text_that_is_not_a_subnet_is_an_error_of_the_task(host, subnet):
    with pytest.raises(InvalidInput, match=r"network\.subnet: '.*' is not an IPv4 network"):
        compared(host, subnet=subnet)


def test_valid_subnet(host):
    assert compared(host, subnet="10.60.0.0/24")["subnet"] == "10.60.0.0/24"


def test_invalid_prefix_of_vm_conf_is_named(host):
    host.write("/etc/vm.conf", "local prefix 100.64.0.300/10\n")
    problems = compared(host, subnet="10.60.0.0/24")["problems"]
    assert "vm.conf is invalid" in " ".join(problems)


@pytest.mark.parametrize("mode", ["local", "routed"])
@pytest.mark.parametrize(
    ("conf", "isolation", "nat"),
    [
        ("pass\n", 0, 0),
        ("pass in quick\n", 1, 0),
        ("pass out quick\n", 0, 1),
        ("pass quick\n", 1, 1),
        ("block in quick\n", 0, 1),
        ("block quick\n", 0, 1),
        ("block in quick on em0\n", 0, 0),
        ("block in quick inet proto tcp\n", 0, 0),
        ("block in\n", 0, 0),
        ("set skip on tap\npass\n", 1, 0),
    ],
)
def test_rules_of_the_administrator_are_evaluated_with_those_of_the_role(host, mode, conf, isolation, nat):
    host.write("/etc/pf.conf", conf)
    host.well("pfctl", "-f", "/etc/pf.conf")
    found = compared(host, mode=mode, filter=True)
    assert (len(found["isolation_problems"]), len(found["nat_problems"])) == (isolation, nat), found
    assert compared(host, mode=mode)["isolation_problems"] == []
    for other in ({"mode": "bridged"}, {"mode": mode, "state": "absent"}):
        assert compared(host, **{"filter": True, **other})["nat_problems"] == []


WEB = {"name": "web", "mac": "fe:e1:bb:00:00:01", "address": "10.60.0.11"}


def other(**values):
    return {**WEB, "name": "db", "mac": "fe:e1:bb:00:00:02", "address": "10.60.0.12", **values}


@pytest.mark.parametrize(
    ("wanted", "problem"),
    [
        ({"reservations": [{**WEB, "address": "10.60.0.1"}]}, "web: 10.60.0.1 is the address of the host"),
        ({"reservations": [{**WEB, "address": "10.61.0.1"}]}, "web: 10.61.0.1 is not an address for a guest of"),
        ({"reservations": [{**WEB, "address": "10.60.0.255"}]}, "web: 10.60.0.255 is not an address for a guest"),
        ({"reservations": [{**WEB, "address": "10.60.0.150"}]}, "web: 10.60.0.150 is in the range for leases"),
        ({"reservations": [WEB, other(mac="FE:E1:BB:00:00:01")]}, "2 of them have the mac fe:e1:bb:00:00:01"),
        ({"reservations": [WEB, other(address="10.60.0.11")]}, "2 of them have the address 10.60.0.11"),
        ({"reservations": [WEB, other(name="web")]}, "2 of them have the name web"),
        ({"dhcp_first": "10.50.0.100", "dhcp_last": "10.50.0.199"}, "10.50.0.100 to 10.50.0.199 is no range of"),
        ({"dhcp_first": "10.60.0.200"}, "10.60.0.200 to 10.60.0.199 is no range of"),
        ({"dhcp_first": "10.60.0.1"}, "contains the address of the host, 10.60.0.1. Set"),
    ],
)  # fmt: skip
def test_addresses_that_dhcpd_cannot_serve_are_problems(host, wanted, problem):
    (found,) = compared(host, subnet="10.60.0.0/24", **wanted)["problems"]
    assert problem in found
    assert compared(host, subnet="10.60.0.0/24", dhcp=False, **wanted)["problems"] == []


def test_addresses_that_dhcpd_serves(host):
    wanted = {"reservations": [WEB, other()], "dhcp_first": "10.60.0.2", "dhcp_last": "10.60.0.10"}
    assert compared(host, subnet="10.60.0.0/24", **wanted)["problems"] == []
