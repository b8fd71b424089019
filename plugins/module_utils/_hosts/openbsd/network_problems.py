# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""OpenBSD: find everything that makes a requested network impossible on this host, before the first change.

Also whether the loaded rules of pf keep guests apart and translate their addresses, once those of the role are loaded.
"""

from __future__ import annotations

import ipaddress
import re
from collections import Counter

from ..._ports import files
from ..._tools import openbsd_network as net
from ..._tools.pf_rules import Packets, lost_before, passed_by, rules, skipped

ANCHOR = "polyvirt_vmm"
#: Networks that isolated guests cannot reach, next to those of the host; also in roles/vmm_network/vars.
_PRIVATE = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16")
_EVERYWHERE = ipaddress.ip_network("0.0.0.0/0")
_IPSEC_ONLY = 2
_VALIDATORS = {"pf.conf": ("pfctl", "-nf"), "vm.conf": ("vmd", "-n", "-f"), "dhcpd.conf": ("dhcpd", "-n", "-c")}
_REMOVE_NICS = "Remove these VMs, or their NICs on this switch, first."


def problems(host, wanted, subnet):
    """Return one sentence for each problem; none if the network can be set up or removed."""
    checks = [_check_users, _check_validity]
    if wanted["state"] == "present":
        checks += [
            _check_files,
            _check_subnet,
            _check_leases,
            _check_reservations,
            _check_bridge,
            _check_switch,
            _check_host,
        ]
    return [sentence for check in checks for sentence in check(host, wanted, subnet)]


def _check_users(host, wanted, _subnet):
    """Find VMs that would lose their network, because the role removes its switch or the bridge of a switch."""
    needed = host.needed(wanted)
    kept = wanted["switch"] if wanted["state"] == "present" and wanted["mode"] != "local" else None
    removed = {name for name in host.own if name not in needed}
    for switch, bridge in host.configuration.switches.items():
        is_lost = bridge in removed or (switch != kept and not host.has_elsewhere(switch))
        users = host.users(switch) if is_lost else []
        if users:
            yield f"{', '.join(users)}: connected to switch {switch} ({bridge}). {_REMOVE_NICS}"


def _check_validity(host, wanted, _subnet):
    """Find files that are invalid before the change, so that the changed files could not be validated."""
    for name, command in _VALIDATORS.items():
        if name == "dhcpd.conf" and not (wanted["mode"] == "routed" and wanted["dhcp"]):
            continue
        error = host.validation_error(host.file(name), *command)
        if error and not _is_caused_by_missing(host.needed(wanted), host, error):
            yield f"{name} is invalid: {error.rstrip('.')}. Correct it first."


def _is_caused_by_missing(interfaces, host, error):
    """Return whether a file is invalid only because it uses the address of one of ``interfaces``, not yet created."""
    missing = {name for name in interfaces if name not in host.interfaces}
    named = re.findall(r"no IP address found for (\w+)", error)
    return bool(named) and missing.issuperset(named) and "syntax error" not in error


def _check_files(host, wanted, _subnet):
    for name in host.needed(wanted):
        if name in host.hostname_files and name not in host.own:
            yield (
                f"hostname.{name} was not written by this role. Choose another interface (vmm_network_bridge,"
                " vmm_network_host_interface), or remove the file."
            )
        elif name in host.interfaces and name not in host.own:
            yield f"{name} exists already. Choose another interface, or destroy it: ifconfig {name} destroy."


def _check_subnet(host, wanted, subnet):
    if wanted["mode"] != "routed":
        return
    if subnet is None:
        yield "all subnets that auto tries are in use. Set vmm_network_subnet."
        return
    for network, where in net.overlaps(subnet, host.used(wanted)):
        yield f"{subnet} overlaps {network} ({where}). Set vmm_network_subnet to another subnet, or to auto."


def _check_leases(_host, wanted, subnet):
    """Find a range for leases that dhcpd rejects, or that has the address of the host."""
    if subnet is None or not wanted["dhcp"]:
        return
    first, last = _range(wanted, subnet)
    if not (first <= last and net.is_host_of(subnet, first) and net.is_host_of(subnet, last)):
        yield f"{first} to {last} is no range of {subnet}. Correct vmm_network_dhcp_first and vmm_network_dhcp_last."
    elif first <= subnet.network_address + 1 <= last:
        yield f"{first} to {last} contains the address of the host, {first}. Set vmm_network_dhcp_first to {first + 1}."


def _range(wanted, subnet):
    values = net.values_of(subnet)
    return [net.address(wanted[key] or values[key]) for key in ("dhcp_first", "dhcp_last")]


def _check_reservations(_host, wanted, subnet):
    """Find reservations that dhcpd ignores, or by which two guests get one address."""
    if subnet is None or not wanted["dhcp"]:
        return
    entries, (first, last) = wanted["reservations"], _range(wanted, subnet)
    for key in ("name", "mac", "address"):
        for value, count in Counter(one[key].lower() for one in entries).items():
            if count > 1:
                yield f"vmm_network_reservations: {count} of them have the {key} {value}. Correct them."
    for one in entries:
        address = net.address(one["address"])
        fault = (
            f"not an address for a guest of {subnet}" if not net.is_host_of(subnet, address)
            else "the address of the host" if address == subnet.network_address + 1
            else f"in the range for leases, {first} to {last}" if first <= address <= last
            else ""
        )  # fmt: skip
        if fault:
            yield f"vmm_network_reservations: {one['name']}: {address} is {fault}. Choose another address."


def _check_bridge(host, wanted, _subnet):
    if wanted["mode"] != "bridged":
        return
    bridge, port = wanted["bridge"], wanted["port"]
    if not port:
        if bridge not in host.interfaces:
            yield f"{bridge} does not exist. Set vmm_network_port to the physical interface that it is to bridge."
        return
    found = host.interfaces.get(port)
    if found is None:
        yield f"{port} does not exist. Set vmm_network_port to a physical interface of this host."
    elif "wlan" in found.groups:
        yield f"{port} is a Wi-Fi interface, which cannot be bridged. Use vmm_network_mode: routed."
    elif bridge.startswith("veb") and found.addresses:
        yield (
            f"{port} has the address {found.addresses[0]}, which it would lose as a port of {bridge}. Use a bridge(4),"
            " such as bridge0, or move the address to a vport(4) interface yourself."
        )
    for name, one in host.interfaces.items():
        if name != bridge and port in one.members:
            yield f"{port} is a member of {name} already. Set vmm_network_bridge to {name}, without vmm_network_port."


def _check_switch(host, wanted, _subnet):
    """Find a switch with the same name, but another bridge, outside of the lines of the role.

    Of two switches with one name, vmd uses the first.
    """
    if wanted["mode"] == "local":
        return
    bridge = host.configuration.switches.get(wanted["switch"])
    if bridge != wanted["bridge"] and host.has_elsewhere(wanted["switch"]):
        yield (
            f"vm.conf has a switch {wanted['switch']} with {bridge} already. Set vmm_network_switch to another name,"
            f" or vmm_network_bridge to {bridge}."
        )


def _check_host(host, wanted, _subnet):
    if wanted["mode"] != "bridged" and host.forwarding() == _IPSEC_ONLY:
        yield (
            "net.inet.ip.forwarding is 2: this host forwards packets of IPsec only. Set it to 0 or 1 in sysctl.conf"
            " and with sysctl, if VMs may reach other networks."
        )


# The rules of pf ------------------------------------------------------------------------------------------------------


def pf_problems(host, wanted, subnet):
    """Return {isolation_problems: rules that pass packets of isolated guests, nat_problems: rules that block those of
    all guests, or let them leave without NAT}.
    """
    guests = subnet or net.network(host.configuration.prefix)
    if wanted["state"] == "absent" or wanted["mode"] == "bridged" or guests is None:
        return {"isolation_problems": [], "nat_problems": []}
    inside = ["tap"] if wanted["mode"] == "local" else ["tap", wanted["host_interface"]]
    blocked = [(name, net.network(one)) for name in inside for one in dict.fromkeys((*_PRIVATE, *host.lan(wanted)))]
    evaluated = _evaluated(host, [f"block drop in on {name} inet from {guests} to {one}" for name, one in blocked])
    ways = [("out", "egress"), *(("in", name) for name in inside)]
    lost = [lost_before(evaluated, Packets(*way, guests, _EVERYWHERE, host.interfaces)) for way in ways]
    found = {}
    for name, one in blocked if wanted["filter"] else ():
        rule = passed_by(evaluated, Packets("in", name, guests, one, host.interfaces))
        found.update({} if rule is None else {rule: f"packets from {guests} to {one} on {name}"})
    skip = skipped(files.read_latin1(host.file("pf.conf")) or "", inside) if wanted["filter"] else ()
    return {
        "isolation_problems": [
            *(f"pf.conf takes {name} from pf: set skip on {name}" for name in skip),
            *(f"{where}: {f'passed by {rule}' if rule else 'no rule blocks them'}" for rule, where in found.items()),
        ],
        "nat_problems": list(dict.fromkeys(filter(None, lost))),
    }


def _evaluated(host, planned):
    """Return the Rules; those of the role are ``planned`` if they are not loaded, in an anchor called at the end."""
    lines = host.main_rules.splitlines()
    if not net.calls_anchor(host.main_rules, ANCHOR):
        lines.append(f'anchor "{ANCHOR}" all')

    def read(name):
        found = host.anchor_rules(name)
        is_loaded = any(line.startswith("block ") for line in found)
        return found if name != ANCHOR or is_loaded else planned

    return rules(lines, ANCHOR, read)
