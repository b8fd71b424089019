# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt: the options of the module virsh_network, and their validation as far as it needs no host."""

from __future__ import annotations

import ipaddress
import re

from ..._core.errors import InvalidInput
from ..._core.options.option import Consent, Entries, Option, Texts
from ..._core.units import mac_address
from ..._kit.connections import LIBVIRT as CONNECTION
from ..._kit.native_paths import check_paths
from ..._tools.virsh_network_values import host_key, is_ipv6
from .defined_plan import ABSENT, ACTIVE, INACTIVE, PRESENT, check_name

NAT, ROUTED, ISOLATED, OPEN, BRIDGE = MODES = ("nat", "routed", "isolated", "open", "bridge")
#: What libvirt rejects without a subnet.
FORWARDING = (NAT, ROUTED, OPEN)
#: The kernel's limit for the name of an interface.
LONGEST_BRIDGE = 15
_ADDRESS = Option(required=True)
OPTIONS = {
    **CONNECTION,
    "name": Option(required=True),
    "state": Option(choices=(ACTIVE, PRESENT, INACTIVE, ABSENT), default=ACTIVE),
    "mode": Option(choices=MODES),
    "bridge": Option(),
    "addresses": Texts(),
    "ranges": Entries(options={"start": _ADDRESS, "end": _ADDRESS}),
    "hosts": Entries(options={"mac": Option(), "id": Option(), "name": Option(), "address": _ADDRESS}),
    "domain": Option(),
    "domain_local": Option("bool"),
    "dns": Entries(options={"address": _ADDRESS, "names": Texts(required=True)}),
    "forwarders": Entries(options={"address": Option(), "domain": Option()}),
    "routes": Entries(options={"destination": _ADDRESS, "gateway": _ADDRESS, "metric": Option("int")}),
    "mtu": Option("int"),
    "isolated_ports": Option("bool"),
    "tftp": Option("path"),
    "bootp": Option("dict", options={"file": Option(required=True), "server": Option()}),
    "autostart": Option("bool"),
    "native": Option("dict"),
    "purge": Consent(),
    "allow_restart": Consent(),
}
#: What a network with an existing bridge cannot have: the bridge, and its addresses, are those of the host.
NOT_OF_BRIDGES = (
    *("addresses", "ranges", "hosts", "domain", "domain_local", "dns", "forwarders", "routes", "mtu", "tftp", "bootp"),
)
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?", re.IGNORECASE)
#: {pattern for the beginning of a path in the XML: option that sets it}
_PATHS = {
    r"name\b": "name",
    r"uuid\b": "name",
    r"bridge@name": "bridge",
    r"forward@mode": "mode",
    r"ip\b": "addresses",
    r"domain@name": "domain",
    r"domain@localOnly": "domain_local",
    r"dns/host": "dns",
    r"dns/forwarder": "forwarders",
    r"route\b": "routes",
    r"mtu@size": "mtu",
    r"port@isolated": "isolated_ports",
}


def checked(params):
    """Return the parameters with all values in their canonical form. Raises InvalidInput."""
    check_name(params["name"], "network")
    wanted = {**params}
    if params["addresses"] is not None:
        wanted["addresses"] = _addresses(params["addresses"])
    for option, convert in (("ranges", _range), ("hosts", _host), ("dns", _dns), ("routes", _route)):
        if params[option] is not None:
            wanted[option] = [convert(f"{option}[{place}]", one) for place, one in enumerate(params[option])]
    if params["forwarders"] is not None:
        wanted["forwarders"] = [
            _forwarder(f"forwarders[{place}]", one) for place, one in enumerate(params["forwarders"])
        ]
    if params["bootp"] is not None:
        wanted["bootp"] = _bootp(params["bootp"])
    _check_names(wanted)
    _check_mode(wanted)
    _check_unique(wanted)
    check_paths(params["name"], params["native"], _PATHS, "a network XML", "forward/nat@ipv6")
    return wanted


def _check_names(wanted):
    bridge = wanted["bridge"]
    if bridge is not None and not _is_interface_name(bridge):
        raise InvalidInput(
            f"bridge: '{bridge}' is not a valid name of an interface.",
            f"Use at most {LONGEST_BRIDGE} characters, without spaces, slashes, colons and percent signs.",
        )
    if wanted["domain"]:
        _host_name("domain", wanted["domain"])
    if wanted["mtu"] is not None and not 68 <= wanted["mtu"] <= 65535:
        raise InvalidInput(f"mtu: {wanted['mtu']} is not between 68 and 65535.")
    if wanted["tftp"] and not wanted["tftp"].startswith("/"):
        raise InvalidInput(f"tftp: {wanted['tftp']} is not an absolute path.")
    if wanted["domain_local"] and wanted["domain"] == "":
        raise InvalidInput("domain_local: needs a domain, and domain is empty.", "Set the name of the domain.")


def _is_interface_name(name):
    """The kernel counts bytes, and replaces %d by a number."""
    is_short = len(name.encode()) <= LONGEST_BRIDGE
    return is_short and name not in (".", "..") and bool(re.fullmatch(r"[^\s/:%]+", name))


def _check_mode(wanted):
    if wanted["mode"] == BRIDGE:
        extra = [name for name in NOT_OF_BRIDGES if wanted[name] is not None]
        if extra:
            raise InvalidInput(
                f"mode: bridge: {', '.join(extra)} cannot be set, because the bridge belongs to the host.",
                "Set them on the host, or use another mode.",
            )
        if not wanted["bridge"]:
            raise InvalidInput("mode: bridge: needs bridge, the name of an existing bridge of the host.")


def _check_unique(wanted):
    """Reject entries that libvirt, or the DHCP server, would not tell apart."""
    hosts = wanted["hosts"] or []
    for name in ("mac", "id", "name", "address"):
        for version in (True, False):
            values = [one[name].lower() for one in hosts if one.get(name) and is_ipv6(one) is version]
            _reject_twice(f"hosts: {name}", values)
    _reject_twice("dns: address", [one["address"] for one in wanted["dns"] or []])
    _reject_twice("routes: destination", [one["destination"] for one in wanted["routes"] or []])
    _reject_twice("forwarders", [" ".join(one.values()) for one in wanted["forwarders"] or []])
    ranges = [(ipaddress.ip_address(one["start"]), ipaddress.ip_address(one["end"])) for one in wanted["ranges"] or []]
    check_no_overlap("ranges", ranges)
    networks = [ipaddress.ip_interface(one).network for one in wanted["addresses"] or []]
    for place, one in enumerate(networks):
        for other in networks[:place]:
            if one.version == other.version and one.overlaps(other):
                raise InvalidInput(f"addresses: {other} and {one} overlap.")


def check_no_overlap(option, ranges):
    for place, (start, end) in enumerate(ranges):
        for first, last in ranges[:place]:
            if start.version == first.version and start <= last and first <= end:
                raise InvalidInput(
                    f"{option}: {first} to {last} and {start} to {end} overlap.",
                    "Ranges that the task does not name remain; to replace them, set purge: true.",
                )


def _reject_twice(where, values):
    twice = sorted({one for one in values if values.count(one) > 1})
    if twice:
        raise InvalidInput(f"{where}: {twice[0]} occurs twice.")


def _addresses(given):
    addresses = []
    for text in given:
        try:
            interface = ipaddress.ip_interface(text if "/" in text else "")
        except ValueError:
            raise InvalidInput(
                f"addresses: '{text}' is not an address with its prefix length.",
                "Set the address of the host in the subnet, such as 10.7.0.1/24.",
            ) from None
        network, is_ends = interface.network, (interface.network.network_address, interface.network.broadcast_address)
        if interface.is_multicast or interface.is_loopback or (network.num_addresses > 2 and interface.ip in is_ends):
            raise InvalidInput(
                f"addresses: {text} is not the address of a host in its subnet.",
                f"Set an address such as {network.network_address + 1}/{network.prefixlen}.",
            )
        addresses.append(str(interface))
    return [str(one) for one in sorted(map(ipaddress.ip_interface, addresses), key=lambda one: one.version)]


def _address(where, text):
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise InvalidInput(f"{where}: '{text}' is not an IP address.") from None


def _range(where, entry):
    start, end = (_address(f"{where}.{name}", entry[name]) for name in ("start", "end"))
    first, last = ipaddress.ip_address(start), ipaddress.ip_address(end)
    if first.version != last.version or first > last:
        raise InvalidInput(f"{where}: {start} to {end} is not a range.")
    if int(first) >> 16 != int(last) >> 16:
        raise InvalidInput(
            f"{where}: {start} to {end} is too large for libvirt.",
            "The first two numbers of both must be the same; for IPv6, all but the last one.",
        )
    return {"start": start, "end": end}


def _host(where, entry):
    host = {key: value for key, value in entry.items() if value is not None}
    host["address"] = _address(f"{where}.address", entry["address"])
    if "mac" in host:
        host["mac"] = mac_address(host["mac"], f"{where}.mac")
    if is_ipv6(host) and "mac" in host:
        raise InvalidInput(
            f"{where}: libvirt cannot reserve an IPv6 address for a MAC.", "Set id (the DUID of the guest) or name."
        )
    if not is_ipv6(host) and "id" in host:
        raise InvalidInput(f"{where}: id is for IPv6 addresses.", "Set mac or name.")
    if "name" in host:
        _host_name(f"{where}.name", host["name"])
    if not {"mac", "id", "name"} & set(host):
        raise InvalidInput(f"{where}: {host['address']} is reserved for nobody.", "Set mac, name or id.")
    return host


def _dns(where, entry):
    if not entry["names"]:
        raise InvalidInput(f"{where}.names: must not be empty.")
    for name in entry["names"]:
        _host_name(f"{where}.names", name)
    return {"address": _address(f"{where}.address", entry["address"]), "names": sorted(set(entry["names"]))}


def _forwarder(where, entry):
    forwarder = {key: value for key, value in entry.items() if value is not None}
    if not forwarder:
        raise InvalidInput(f"{where}: needs address or domain.")
    if "address" in forwarder:
        forwarder["address"] = _address(f"{where}.address", forwarder["address"])
    if "domain" in forwarder:
        _host_name(f"{where}.domain", forwarder["domain"])
    return forwarder


def _bootp(entry):
    if not entry["file"]:
        if entry["server"] is not None:
            raise InvalidInput("bootp.file: is empty, which removes bootp.", "Remove bootp.server, too.")
        return ""
    bootp = {key: value for key, value in entry.items() if value is not None}
    return {**bootp, "server": _address("bootp.server", bootp["server"])} if "server" in bootp else bootp


def _route(where, entry):
    try:
        destination = str(ipaddress.ip_network(entry["destination"]))
    except ValueError:
        raise InvalidInput(
            f"{where}.destination: '{entry['destination']}' is not a subnet.", "Set a subnet such as 10.9.0.0/24."
        ) from None
    route = {"destination": destination, "gateway": _address(f"{where}.gateway", entry["gateway"])}
    if (":" in destination) != (":" in route["gateway"]):
        raise InvalidInput(f"{where}: {destination} and {route['gateway']} are not of the same IP version.")
    if entry.get("metric") is None:
        return route
    if entry["metric"] < 1:
        raise InvalidInput(f"{where}.metric: {entry['metric']} is not a positive number.")
    return {**route, "metric": entry["metric"]}


def _host_name(where, name):
    labels = name.split(".")
    if len(name) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise InvalidInput(
            f"{where}: '{name}' is not a valid host name.", "Use letters, digits and hyphens, and dots between labels."
        )


def identity(entry):
    """Return what identifies an entry of ``hosts`` in messages."""
    return host_key(entry)[1]
