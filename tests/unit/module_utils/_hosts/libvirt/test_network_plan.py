# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan for a libvirt network: tables of options, definitions as libvirt prints them, and the resulting calls."""

from __future__ import annotations

import ipaddress
import xml.etree.ElementTree as ET

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import InvalidInput, PolyvirtError, Refused
from ansible_collections.polyvirt.core.plugins.module_utils._hosts.libvirt.network_options import OPTIONS, checked
from ansible_collections.polyvirt.core.plugins.module_utils._hosts.libvirt.network_plan import (
    NetworkState,
    plan_network,
)

#: In the form of libvirt 9.0 (not recorded): the running network has the default of NAT, and both have a MAC.
_XML = """\
<network{connections}>
  <name>lab</name><uuid>0f6f3f2e-5b0e-4b3c-9f4e-5f7d3f0d8a11</uuid>
  <forward mode='nat'>{nat}</forward>
  <bridge name='virbr7' stp='on' delay='0'/><mac address='52:54:00:aa:bb:cc'/>
  <dns><host ip='10.7.0.9'><hostname>ntp</hostname></host></dns>
  <ip address='10.7.0.1' netmask='255.255.255.0'><dhcp>
    <range start='10.7.0.100' end='10.7.0.199'/>
    <host mac='52:54:00:00:07:10' name='db1' ip='10.7.0.10'/>
    <host mac='52:54:00:00:07:50' ip='10.7.0.50'/>
  </dhcp></ip>
</network>
"""
STORED = _XML.format(connections="", nat="")
RUNNING = _XML.format(connections=" connections='1'", nat="<nat><port start='1024' end='65535'/></nat>")
VM_RESERVATION = {("52:54:00:00:07:50", "10.7.0.50"): "web1"}
DB1 = {"mac": "52:54:00:00:07:10", "name": "db1", "address": "10.7.0.10"}
DB2 = {"mac": "52:54:00:00:07:11", "name": "db2", "address": "10.7.0.11"}


def _wanted(**options):
    defaults = {name: option.default for name, option in OPTIONS.items()}
    entries = {
        name: [{**dict.fromkeys(OPTIONS[name].options), **one} for one in given]
        for name, given in options.items()
        if OPTIONS[name].elements == "dict"
    }
    return checked({**defaults, "name": "lab", **options, **entries})


def _state(running=RUNNING, stored=STORED, **more):
    roots = [None if text is None else ET.fromstring(text) for text in (running, stored)]
    return NetworkState("lab", *roots, **{"reserved": VM_RESERVATION, **more})


def _keys(steps):
    return [step.key for step in steps]


def _calls(steps):
    return [call[:2] for call in dict.fromkeys(call for step in steps for call in step.calls)]


@pytest.mark.parametrize(
    ("options", "keys"),
    [
        ({}, []),
        ({"mode": "nat", "bridge": "virbr7", "addresses": ["10.7.0.1/24"]}, []),
        ({"hosts": [DB1]}, []),
        ({"hosts": [DB1], "purge": True}, []),
        ({"isolated_ports": False, "domain_local": False}, []),
        ({"hosts": []}, []),
        ({"hosts": [], "purge": True}, ["lab.hosts", "lab.running.hosts"]),
        ({"hosts": [DB2]}, ["lab.hosts", "lab.running.hosts"]),
        ({"hosts": [{**DB1, "name": None}]}, []),
        ({"dns": [{"address": "10.7.0.9", "names": ["time", "ntp"]}]}, ["lab.dns", "lab.running.dns"]),
        ({"mtu": 1400}, ["lab.mtu", "lab.restart"]),
        ({"mtu": 1400, "allow_restart": True}, ["lab.mtu", "lab.restart"]),
        ({"native": {"bridge@stp": "on"}}, []),
        ({"native": {"bridge@delay": 4}}, ["lab.native.bridge@delay", "lab.restart"]),
        ({"autostart": True}, ["lab.autostart"]),
        ({"state": "inactive"}, ["lab.active"]),
        ({"state": "absent"}, ["lab"]),
    ],
)
def test_steps(options, keys):
    steps, _after = plan_network(_wanted(**options), _state())
    assert _keys(steps) == keys


def test_an_unstored_network_becomes_persistent():
    steps, after = plan_network(_wanted(), _state(stored=None))
    assert _keys(steps) == ["lab.persistent"]
    assert "connections" not in after.stored.attrib


@pytest.mark.parametrize("options", [{"mtu": 1400}, {"hosts": [DB2], "mtu": 1400}])
def test_running_vm_prevents_a_restart(options):
    wanted = _wanted(allow_restart=True, **options)
    steps, _after = plan_network(wanted, _state(guests=("web1",)))
    assert [step.waits for step in steps if step.key == "lab.restart"] == [True]
    free, _after = plan_network(wanted, _state())
    assert _calls(free)[-2:] == [("net-destroy", "lab"), ("net-start", "lab")]


@pytest.mark.parametrize("state", ["absent", "inactive"])
def test_network_with_running_vm_is_not_stopped(state):
    with pytest.raises(Refused, match=r"lab: .*web1"):
        plan_network(_wanted(state=state), _state(guests=("web1",)))
    steps, _after = plan_network(_wanted(state=state), _state(users=("web1",)))
    assert _calls(steps)[0] == ("net-destroy", "lab")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"addresses": ["10.8.0.1/16"]}, "web1 has the address 10.7.0.50"),
        ({"addresses": ["10.7.0.50/24"]}, "10.7.0.50 is reserved for web1"),
        ({"addresses": ["10.7.0.10/24"]}, "10.7.0.10 is reserved for 52:54:00:00:07:10"),
        ({"addresses": ["10.9.0.1/24"]}, "10.9.0.0/24 overlaps with 10.9.0.0/16 of the interface eth0"),
        ({"hosts": [{**DB2, "address": "10.7.0.50"}]}, "web1 has the reservation"),
        ({"hosts": [{**DB2, "mac": "52:54:00:00:07:50"}]}, "web1 has the reservation"),
        ({"hosts": [{**DB2, "name": "db1"}]}, "has the name db1"),
        ({"hosts": [{**DB2, "address": "10.7.0.10"}]}, "has the address 10.7.0.10"),
        ({"hosts": [{**DB2, "address": "10.7.0.255"}]}, "of the subnet itself"),
        ({"hosts": [{**DB2, "address": "10.7.0.1"}]}, "address of the host"),
        ({"hosts": [{**DB2, "address": "10.7.1.1"}]}, "not in a subnet"),
        ({"ranges": [{"start": "10.7.0.150", "end": "10.7.0.250"}]}, "overlap"),
        ({"bridge": "eth0"}, "eth0 is an interface"),
        ({"bridge": "virbr0"}, "bridge of the network default"),
        ({"mode": "bridge", "bridge": "br0"}, "web1 has the address"),
        ({"mode": "bridge", "bridge": "eth0"}, "not a bridge"),
        ({"mode": "bridge", "bridge": "br9"}, "nmcli"),
        ({"native": {"mtu@size": 9000}}, "option mtu"),
        ({"ranges": [{"start": "10.7.0.200", "end": "10.7.1.10"}]}, "not within a subnet"),
        ({"domain_local": True}, "the network has no domain"),
        ({"hosts": [{**DB2, "name": "DB1"}]}, "has the name DB1 for"),
        ({"tftp": "/nothing"}, "/nothing is not a directory of this host"),
        ({"native": {"forward": None}}, "native: forward: this would change mode to isolated"),
        ({"native": {"dns@enable": "no"}}, "dns: the network has no DNS server"),
        ({"native": {"dns": None}}, "native: dns: this would change dns to nothing"),
        ({"mode": "isolated", "native": {"forward@dev": "eth1"}}, "this would change mode to nat"),
        (
            {"routes": [{"destination": "10.9.0.0/16", "gateway": "10.7.0.2"}]},
            "the host reaches 10.9.0.0/16 by the int",
        ),
        ({"ranges": [{"start": "10.7.0.200", "end": "10.7.0.255"}]}, "the address of the subnet or of broadcasts"),
        ({"ranges": [{"start": "10.7.0.0", "end": "10.7.0.9"}]}, "Use addresses between 10.7.0.0 and 10.7.0.255"),
        ({"routes": [{"destination": "10.20.0.0/16", "gateway": "10.8.0.2"}]}, "gateway 10.8.0.2 is not in a subnet"),
    ],
)
def test_rejected_before_the_first_call(options, words):
    state = _state(
        used=((ipaddress.ip_network("10.9.0.0/16"), "the interface eth0"),),
        bridges={"virbr0": "default"},
        interfaces={"eth0": False, "virbr7": True, "br0": True},
        has_tftp=False,
    )
    with pytest.raises(PolyvirtError, match=words):
        plan_network(_wanted(**options), state)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"addresses": ["10.7.0.1"]}, "prefix length"),
        ({"addresses": ["10.7.0.0/24"]}, "10.7.0.1/24"),
        ({"addresses": ["10.7.0.1/24", "10.7.0.129/25"]}, "overlap"),
        ({"hosts": [DB1, {**DB2, "name": "DB1"}]}, "occurs twice"),
        ({"hosts": [{"address": "10.7.0.8"}]}, "for nobody"),
        ({"hosts": [{"address": "fd00::8", "mac": DB1["mac"]}]}, "IPv6"),
        ({"hosts": [{"address": "10.7.0.8", "id": "0:4"}]}, "id is for IPv6"),
        ({"hosts": [{**DB1, "name": "Bad Name!"}]}, "host name"),
        ({"bridge": "averylongbridgename"}, "at most 15"),
        ({"ranges": [{"start": "10.7.0.9", "end": "10.7.0.2"}]}, "not a range"),
        ({"ranges": [{"start": "10.7.255.9", "end": "10.8.0.2"}]}, "too large for libvirt"),
        ({"ranges": [{"start": "fd00::9", "end": "fd00::1:9"}]}, "too large for libvirt"),
        ({"addresses": ["127.0.5.1/24"]}, "not the address of a host"),
        ({"addresses": ["224.0.0.1/24"]}, "not the address of a host"),
        ({"mode": "bridge"}, "needs bridge"),
        ({"mode": "bridge", "bridge": "br0", "mtu": 1400}, "mtu cannot be set"),
        ({"name": "a/b"}, "name"),
        *[({"name": name}, "not a valid name") for name in ("--all", " lab", "lab ", "a\nb", "")],
        ({"name": "0f6f3f2e-5b0e-4b3c-9f4e-5f7d3f0d8a11"}, "the form of a UUID"),
        *[({"bridge": name}, "not a valid name of an interface") for name in ("br%d", "..", "brü" * 4, "a b")],
        ({"tftp": "srv"}, "not an absolute path"),
        ({"bootp": {"file": "", "server": "10.7.0.9"}}, "is empty, which removes bootp"),
        ({"bootp": {"file": "x", "server": "pxe"}}, "bootp.server: 'pxe' is not an IP address"),
        ({"forwarders": [{"domain": "a b"}]}, "not a valid host name"),
        ({"forwarders": [{"address": "10.7.0.5"}, {"address": "10.7.0.5"}]}, "forwarders: 10.7.0.5 occurs twice"),
        ({"mtu": 10}, "mtu"),
        ({"dns": [{"address": "x", "names": ["a"]}]}, "not an IP address"),
        ({"forwarders": [{}]}, "address or domain"),
        ({"routes": [{"destination": "10.9.0.1/24", "gateway": "10.7.0.2"}]}, "not a subnet"),
        ({"routes": [{"destination": "10.9.0.0/24", "gateway": "fd00::2"}]}, "not of the same IP version"),
        ({"routes": [{"destination": "10.9.0.0/24", "gateway": "10.7.0.2", "metric": 0}]}, "positive"),
        ({"domain": "", "domain_local": True}, "domain is empty"),
        ({"domain": "a b"}, "not a valid host name"),
    ],
)
def test_wrong_form(options, words):
    with pytest.raises(InvalidInput, match=words):
        _wanted(**options)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"addresses": ["10.8.0.1/24"], "bootp": {"file": "x", "server": None}}, "no DHCP server for IPv4"),
        *[({"mode": one}, f"mode: {one} needs a subnet") for one in ("nat", "routed", "open")],
        (
            {
                "addresses": ["10.8.0.1/24", "10.9.0.1/24"],
                "ranges": [{"start": f"10.{one}.0.10", "end": f"10.{one}.0.20"} for one in (8, 9)],
            },
            "one IPv4 subnet only, not in 10.8.0.0/24 and 10.9.0.0/24",
        ),
        (
            {"addresses": ["fd00:8::1/56"], "hosts": [{"name": "db1", "address": "fd00:8::10"}]},
            "prefix length of at least 64, and the network has fd00:8::/56",
        ),
        ({"addresses": ["fd00:8::1/64"], "mtu": 1279}, "IPv6 needs at least 1280"),
    ],
)
def test_what_libvirt_cannot_serve_is_rejected(options, words):
    with pytest.raises(Refused, match=words):
        plan_network(_wanted(**options), _state(None, None, reserved={}))


@pytest.mark.parametrize(
    "options",
    [
        {
            "addresses": ["10.8.0.1/24", "10.9.0.1/24", "fd00:8::1/64"],
            "ranges": [{"start": "10.9.0.10", "end": "10.9.0.20"}, {"start": "fd00:8::10", "end": "fd00:8::20"}],
            "bootp": {"file": "x", "server": None},
            "mtu": 1280,
        },
        {"addresses": ["10.8.0.1/24"], "mtu": 576},
        {"addresses": ["fd00:8::1/56"]},
    ],
)
def test_what_libvirt_can_serve_is_accepted(options):
    _steps, after = plan_network(_wanted(**options), _state(None, None, reserved={}))
    assert {name: after.values[name] for name in options} == options


def test_forwarding_network_keeps_a_subnet():
    with pytest.raises(Refused, match="mode: nat needs a subnet"):
        plan_network(_wanted(addresses=[]), _state(reserved={}))
    assert _keys(plan_network(_wanted(addresses=[], mode="isolated"), _state(reserved={}))[0])


def test_native_value_that_the_mode_removes_is_rejected():
    stored = STORED.replace("<forward mode='nat'>", "<forward mode='nat' dev='eth1'>")
    wanted = _wanted(mode="isolated", native={"forward@dev": "eth1"}, state="present")
    with pytest.raises(Refused, match="native: forward@dev: this would change mode to nat"):
        plan_network(wanted, _state(None, stored))


@pytest.mark.parametrize("device", [None, "eth1"])
def test_device_of_forwarding_is_replaced(device):
    """libvirt repeats it as an interface, from which it would take it again."""
    stored = STORED.replace("<forward mode='nat'>", "<forward mode='nat' dev='eth0'><interface dev='eth0'/>")
    steps, after = plan_network(_wanted(native={"forward@dev": device}, state="present"), _state(None, stored))
    assert _keys(steps) == ["lab.native.forward@dev"]
    forward = after.stored.find("forward")
    assert (forward.get("dev"), forward.findall("interface")) == (device, [])


def test_entry_of_dns_is_deleted_by_its_address_alone():
    steps, _after = plan_network(_wanted(dns=[], purge=True), _state())
    (call,) = steps[-1].calls
    assert call == ("net-update", "lab", "delete", "dns-host", '<host ip="10.7.0.9" />', "--live")


@pytest.mark.parametrize("option", [{"tftp": "/srv"}, {"bootp": {"file": "pxelinux.0", "server": None}}])
def test_pxe_needs_an_ipv4_subnet(option):
    for addresses in ([], ["fd00:7::1/64"]):
        with pytest.raises(Refused, match=r"the network has no IPv4 subnet"):
            plan_network(_wanted(addresses=addresses, **option), _state(None, None, reserved={}))


def test_route_that_is_kept_needs_its_gateway():
    stored = STORED.replace("</network>", "<route address='10.20.0.0' prefix='16' gateway='10.7.0.2'/></network>")
    state = _state(None, stored, reserved={})
    with pytest.raises(Refused, match=r"routes.10.20.0.0/16: the gateway 10.7.0.2"):
        plan_network(_wanted(addresses=["10.8.0.1/24"]), state)
    steps, _after = plan_network(_wanted(addresses=["10.8.0.1/24"], routes=[], purge=True), state)
    assert "lab.routes" in _keys(steps)


def test_network_with_a_route_of_the_host_is_not_started():
    """A running network is left alone: its own route is not among those of the host."""
    stored = STORED.replace("</network>", "<route address='10.20.0.0' prefix='16' gateway='10.7.0.2'/></network>")
    used = ((ipaddress.ip_network("10.20.0.0/16"), "a route by eth0"),)
    with pytest.raises(Refused, match=r"routes.10.20.0.0/16: the host reaches 10.20.0.0/16 by a route by eth0"):
        plan_network(_wanted(), _state(None, stored, used=used))
    for state, running in (("present", None), ("active", stored)):
        assert plan_network(_wanted(state=state), _state(running, stored, used=used))[0] == []
    wider = ((ipaddress.ip_network("10.0.0.0/8"), "a route by eth0"),)
    assert _keys(plan_network(_wanted(), _state(None, stored, used=wider))[0]) == ["lab.active"]


def test_empty_file_removes_bootp():
    removal = {"bootp": {"file": "", "server": None}}
    stored = STORED.replace("<dhcp>", "<dhcp><bootp file='x' server='10.7.0.9'/>")
    steps, after = plan_network(_wanted(state="present", **removal), _state(None, stored))
    assert (_keys(steps), after.values["bootp"]) == (["lab.bootp"], None)
    assert plan_network(_wanted(**removal), _state())[0] == []


@pytest.mark.parametrize("place", ["the interface eth0", "a route by eth0"])
def test_stopped_network_is_not_started_if_its_subnet_is_in_use(place):
    used = (ipaddress.ip_network("10.7.0.0/24"), place)
    with pytest.raises(Refused, match=f"lab: the network cannot be started: {place} has its subnet 10.7.0.0/24"):
        plan_network(_wanted(), _state(None, used=(used,)))
    for state, running in (("present", None), ("inactive", None), ("active", RUNNING)):
        plan_network(_wanted(state=state), _state(running, used=(used,)))
    for other in ((ipaddress.ip_network("10.0.0.0/8"), place), (used[0], "the network other")):
        assert _keys(plan_network(_wanted(), _state(None, used=(other,)))[0]) == ["lab.active"]
