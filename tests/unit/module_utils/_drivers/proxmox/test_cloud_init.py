# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of cloud-init: every notation of a value leads to the same state; wrong values fail before any change."""

from __future__ import annotations

import pytest

from unit.module_utils._drivers.proxmox.simulated import applied, rejected, unchanged

KEY, OTHER = (f"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{letter * 43}" for letter in "AB")


@pytest.mark.parametrize(
    ("option", "requested", "key", "stored"),
    [
        ("nameservers", ["1.1.1.1 8.8.8.8"], "nameserver", "1.1.1.1 8.8.8.8"),
        ("nameservers", [" 1.1.1.1", "", "8.8.8.8"], "nameserver", "1.1.1.1 8.8.8.8"),
        ("search_domains", [" a.b ", "c"], "searchdomain", "a.b c"),
        ("user", " root ", "ciuser", "root"),
        ("ssh_authorized_keys", [f"{KEY} a\n{OTHER} b\n"], "sshkeys", None),
        ("ssh_authorized_keys", [f'from="10.0.0.1" {KEY} a b'], "sshkeys", None),
        ("ssh_authorized_keys", [OTHER], "sshkeys", None),
        ("ip_config", [" ip=10.0.0.5/24, gw=10.0.0.1,", ""], "ipconfig0", "ip=10.0.0.5/24,gw=10.0.0.1"),
        ("ip_config", ["gw=10.0.0.1,ip=10.0.0.5/8"], "ipconfig0", "gw=10.0.0.1,ip=10.0.0.5/8"),
        ("ip_config", ["ip=manual,ip6=auto"], "ipconfig0", "ip=manual,ip6=auto"),
        ("ip_config", ["ip=dhcp,ip6=dhcp"], "ipconfig0", "ip=dhcp,ip6=dhcp"),
        ("ip_config", ["", "ip6=manual"], "ipconfig1", "ip6=manual"),
        ("ip_config", ["ip6=2001:db8::5/64,gw6=fe80::1"], "ipconfig0", "ip6=2001:db8::5/64,gw6=fe80::1"),
        ("ip_config", [*[""] * 31, "ip=dhcp", ""], "ipconfig31", "ip=dhcp"),
    ],
)
def test_every_notation_of_a_value_is_stored_in_one_form(world, option, requested, key, stored):
    found = applied(world, name="web2", cloud_init={option: requested})
    assert stored is None or found[key] == stored


@pytest.mark.parametrize(
    ("option", "blank"), [("nameservers", [""]), ("nameservers", [" "]), ("user", " "), ("search_domains", [" "])]
)
def test_blank_values_change_nothing(world, option, blank):
    unchanged(world, name="web2", cloud_init={option: blank})


@pytest.mark.parametrize(
    ("requested", "words"),
    [
        (
            {"ip_config": ["10.0.0.5"]},
            ("ip_config: '10.0.0.5' of NIC 0", "not one of ip,", "ip=10.0.0.5/24,gw=10.0.0.1"),
        ),
        ({"ip_config": ["", "gw=10.0.0.1"]}, ("of NIC 1", "gw needs ip.")),
        ({"ip_config": ["ip=dhcp,gw6=fe80::1"]}, ("gw6 needs ip6.",)),
        ({"ip_config": ["ip=10.0.0.5"]}, ("'10.0.0.5' is neither an IPv4 address with a prefix", "dhcp, manual")),
        ({"ip_config": ["ip=10.0.0.5/33"]}, ("10.0.0.5/33",)),
        ({"ip_config": ["ip=10.0.0.5/7"]}, ("10.0.0.5/7",)),
        ({"ip_config": ["ip=10.0.0.5/255.0.0.0"]}, ("10.0.0.5/255.0.0.0",)),
        ({"ip_config": ["ip=auto"]}, ("'auto'", "IPv4")),
        ({"ip_config": ["ip="]}, ("''", "IPv4")),
        ({"ip_config": ["ip=2001:db8::5/64"]}, ("IPv4",)),
        ({"ip_config": ["ip6=10.0.0.5/24"]}, ("'10.0.0.5/24' is neither an IPv6", "auto, dhcp, manual")),
        ({"ip_config": ["ip=dhcp,gw=10.0.0.1/24"]}, ("'10.0.0.1/24' is not an IPv4 address.",)),
        ({"ip_config": ["ip=10.0.0.5/24,gw=10.1.0.1"]}, ("gw is not in 10.0.0.0/24", "has no route to it")),
        ({"ip_config": ["ip6=fd00::5/64,gw6=fd01::1"]}, ("gw6 is not in fd00::/64",)),
        ({"ip_config": ["ip=10.0.0.5/24,gw=10.0.0.5"]}, ("gw is the address of the guest itself",)),
        ({"ip_config": ["ip=dhcp,ip=dhcp"]}, ("ip is set twice",)),
        ({"ip_config": ["ip=dhcp,foo=1"]}, ("'foo' is not one of",)),
        ({"ip_config": [*[""] * 32, "ip=dhcp"]}, ("33 entries", "32")),
    ],
)
def test_invalid_values_are_rejected(world, requested, words):
    rejected(world, "web2", *words, name="web2", cloud_init=requested)
    rejected(world, "web3", *words, name="web3", clone={"source": "tmpl"}, cloud_init=requested)
