# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The XML of a libvirt network as values, and values written into it. Pure.

Each option is one row: how it is read, and how it is written into the existing document, which keeps everything else.
"""

from __future__ import annotations

import ipaddress
import xml.etree.ElementTree as ET
from typing import Callable

from .._core.frozen import Frozen
from .domain_xml import find_or_add_child as _child

#: What a network has that only uses an existing bridge: none of these.
_NOT_OF_BRIDGES = ("ip", "dns", "domain", "mtu", "mac", "route")


def interface_of(element):
    """Return the address of the host in an ``<ip>`` element, with its prefix length, or None."""
    address = element.get("address")
    if not address:
        return None
    length = element.get("prefix") or element.get("netmask")
    return ipaddress.ip_interface(f"{address}/{length}" if length else address)


def subnet_element(root, address):
    """Return the ``<ip>`` element with the subnet that contains an address, or None."""
    address = ipaddress.ip_address(address)
    for element in root.findall("ip"):
        interface = interface_of(element)
        if interface is not None and interface.version == address.version and address in interface.network:
            return element
    return None


def served(root):
    """Return the addresses of the host in the subnets with a DHCP server; without these entries, there is none."""
    return [interface_of(one) for one in root.findall("ip") if one.findall("dhcp/range") or one.findall("dhcp/host")]


def remove(parent, children):
    """Remove elements from their parent."""
    for child in children:
        parent.remove(child)


def remove_interfaces(root, device):
    """Remove the element with a device to which packets are forwarded."""
    for forward in root.findall("forward"):
        remove(forward, [one for one in forward.findall("interface") if one.get("dev") == device])


def _without_none(entry):
    return {name: value for name, value in entry.items() if value is not None}


# Lists ----------------------------------------------------------------------------------------------------------------


class Entries(Frozen):
    """A list: where its elements are, and how one is read, identified and filled. ``parent`` may return None."""

    path: str
    read_one: Callable
    key: Callable
    fill: Callable
    parent: Callable

    def read(self, root):
        return [self.read_one(element) for element in root.findall(self.path)]

    def write(self, root, wanted, purge, is_kept):
        """Write the entries. Others remain without ``purge``, and those that ``is_kept`` in any case."""
        parents = {child: parent for parent in root.iter() for child in parent}
        present = {self.key(self.read_one(one)): one for one in root.findall(self.path)}
        keys = {self.key(entry) for entry in wanted}
        for key, element in present.items():
            if purge and key not in keys and not is_kept(self.read_one(element)):
                parents[element].remove(element)
        for entry in wanted:
            element = present.get(self.key(entry))
            found = {} if element is None else self.read_one(element)
            whole = {**found, **_without_none(entry)}
            if whole != found:
                self._put(root, whole, element, parents)

    def _put(self, root, entry, element, parents):
        parent = self.parent(root, entry)
        if element is not None and parents[element] is not parent:
            parents[element].remove(element)
        if parent is None:
            return
        if element is None or parents[element] is not parent:
            element = ET.SubElement(parent, self.path.rpartition("/")[2], {} if element is None else element.attrib)
        self.fill(element, entry)


def _set(element, **values):
    for name, value in values.items():
        if value is not None:
            element.set(name, str(value))


def _dhcp(root, address):
    element = subnet_element(root, address)
    return None if element is None else _child(element, "dhcp")


def _host(element):
    mac = element.get("mac")
    found = {"mac": mac and mac.lower(), "id": element.get("id"), "name": element.get("name")}
    return _without_none({**found, "address": element.get("ip")})


def is_ipv6(entry):
    return ":" in (entry.get("address") or "")


def host_key(entry):
    """Return what identifies a fixed address: MAC, DUID or name, in this order, and the IP version."""
    names = ("mac", "id", "name", "address")
    return next((name, entry[name].lower(), is_ipv6(entry)) for name in names if entry.get(name))


def _fill_host(element, entry):
    _set(element, mac=entry.get("mac"), id=entry.get("id"), name=entry.get("name"), ip=entry["address"])


def _range(element):
    return {"start": element.get("start"), "end": element.get("end")}


def _dns(element):
    return {"address": element.get("ip"), "names": sorted(one.text or "" for one in element.findall("hostname"))}


def _fill_dns(element, entry):
    element.set("ip", entry["address"])
    for old in element.findall("hostname"):
        element.remove(old)
    for name in entry["names"]:
        ET.SubElement(element, "hostname").text = name


def _forwarder(element):
    return _without_none({"address": element.get("addr"), "domain": element.get("domain")})


def _route(element):
    length = element.get("prefix") or element.get("netmask")
    address = element.get("address")
    destination = ipaddress.ip_network(f"{address}/{length}" if length else address, strict=False)
    metric = element.get("metric")
    route = {"destination": str(destination), "gateway": element.get("gateway"), "metric": metric and int(metric)}
    return _without_none(route)


def _fill_route(element, entry):
    network = ipaddress.ip_network(entry["destination"])
    element.attrib.pop("netmask", None)
    _set(
        element,
        family=f"ipv{network.version}",
        address=network.network_address,
        prefix=network.prefixlen,
        gateway=entry["gateway"],
        metric=entry.get("metric"),
    )


LISTS = {
    "ranges": Entries(
        "ip/dhcp/range", _range, lambda one: (one["start"], one["end"]), lambda element, one: _set(element, **one),
        lambda root, one: _dhcp(root, one["start"]),
    ),
    "hosts": Entries("ip/dhcp/host", _host, host_key, _fill_host, lambda root, one: _dhcp(root, one["address"])),
    "dns": Entries("dns/host", _dns, lambda one: one["address"], _fill_dns, lambda root, one: _child(root, "dns")),
    "forwarders": Entries(
        "dns/forwarder", _forwarder, lambda one: (one.get("address"), one.get("domain")),
        lambda element, one: _set(element, addr=one.get("address"), domain=one.get("domain")),
        lambda root, one: _child(root, "dns"),
    ),
    "routes": Entries("route", _route, lambda one: one["destination"], _fill_route, lambda root, one: root),
}  # fmt: skip


# Single values --------------------------------------------------------------------------------------------------------


def _mode(root):
    forward = root.find("forward")
    mode = "isolated" if forward is None else forward.get("mode", "nat")
    return "routed" if mode == "route" else mode


def _set_mode(root, mode):
    if mode == _mode(root):
        return
    forward = root.find("forward")
    if forward is not None:
        root.remove(forward)
    if mode != "isolated":
        root.insert(0, ET.Element("forward", {"mode": "route" if mode == "routed" else mode}))
    if mode == "bridge":
        for element in [one for one in root if one.tag in _NOT_OF_BRIDGES]:
            root.remove(element)
        for name in ("stp", "delay"):
            _child(root, "bridge").attrib.pop(name, None)


def _addresses(root):
    return [str(interface) for interface in map(interface_of, root.findall("ip")) if interface is not None]


def _set_addresses(root, addresses):
    wanted = sorted(map(ipaddress.ip_interface, addresses), key=lambda one: one.version)
    old = [(interface_of(element), element) for element in root.findall("ip")]
    equal = {interface: element for interface, element in old if interface in wanted}
    others = [(interface, element) for interface, element in old if interface not in equal and interface is not None]
    for _interface, element in old:
        root.remove(element)
    for interface in wanted:
        element = equal.get(interface)
        if element is None:
            same_family = [one for one in others if one[0].version == interface.version]
            element = ET.Element("ip")
            if same_family:
                others.remove(same_family[0])
                element = same_family[0][1]
            _move(element, interface)
        root.append(element)


def _move(element, interface):
    """Give a subnet to an ``<ip>`` element; ranges and fixed addresses outside of it cannot remain."""
    element.attrib.pop("netmask", None)
    _set(element, family=f"ipv{interface.version}", address=interface.ip, prefix=interface.network.prefixlen)
    dhcp = element.find("dhcp")
    for one in [] if dhcp is None else list(dhcp):
        address = one.get("ip") or one.get("start")
        if address and ipaddress.ip_address(address) not in interface.network:
            dhcp.remove(one)


def _attribute(path, name, convert=str):
    def read(root):
        element = root.find(path)
        value = None if element is None else element.get(name)
        return None if value is None else convert(value)

    def write(root, value):
        element = root
        for tag in path.split("/"):
            element = _child(element, tag)
        element.set(name, ("yes" if value else "no") if isinstance(value, bool) else str(value))

    return read, write


def _is_yes(text):
    return text == "yes"


def _in_ipv4(tag, names):
    """A value of the IPv4 subnet: an element with attributes, {suboption: attribute}."""

    def elements(root):
        found = [one for one in root.findall("ip") if one.get("family", "ipv4") == "ipv4"]
        return sorted(found, key=lambda one: one.find("dhcp") is None)

    def read(root):
        found = [one.find(tag) for one in elements(root) if one.find(tag) is not None]
        return {name: found[0].get(attribute) for name, attribute in names.items()} if found else None

    def write(root, value):
        if not elements(root):
            return  # The plan rejects it.
        element = elements(root)[0]
        for part in tag.split("/"):
            element = _child(element, part)
        for name, attribute in names.items():
            _set(element, **{attribute: value.get(name)})

    return read, write


_TFTP_READ, _TFTP_WRITE = _in_ipv4("tftp", {"root": "root"})
_BOOTP_READ, _BOOTP_WRITE = _in_ipv4("dhcp/bootp", {"file": "file", "server": "server"})
_DOMAIN_READ, _DOMAIN_WRITE = _attribute("domain", "name")


def _set_domain(root, name):
    """Without its name, libvirt drops everything that a domain has."""
    if name:
        _DOMAIN_WRITE(root, name)
    else:
        remove(root, root.findall("domain"))


def _set_bootp(root, value):
    if value:
        _BOOTP_WRITE(root, value)
    else:
        for dhcp in root.findall("ip/dhcp"):
            remove(dhcp, dhcp.findall("bootp"))


def _set_tftp(root, folder):
    if folder:
        _TFTP_WRITE(root, {"root": folder})
    else:
        for subnet in root.findall("ip"):
            remove(subnet, subnet.findall("tftp"))


#: {option: (read, write)} of everything that is no list of entries, in the order in which it is written.
VALUES = {
    "mode": (_mode, _set_mode),
    "bridge": _attribute("bridge", "name"),
    "addresses": (_addresses, _set_addresses),
    "domain": (_DOMAIN_READ, _set_domain),
    "domain_local": _attribute("domain", "localOnly", _is_yes),
    "mtu": _attribute("mtu", "size", int),
    "isolated_ports": _attribute("port", "isolated", _is_yes),
    "tftp": (lambda root: (_TFTP_READ(root) or {}).get("root"), _set_tftp),
    "bootp": (_BOOTP_READ, _set_bootp),
}
#: In the order in which they are written: the DHCP server must exist before it gets the file to boot.
NAMES = (*(name for name in VALUES if name != "bootp"), *LISTS, "bootp")


def read(root):
    """Return {option: value} of a definition; what it does not contain is None or an empty list."""
    values = {name: reader(root) for name, (reader, _writer) in VALUES.items()}
    return {**values, **{name: entries.read(root) for name, entries in LISTS.items()}}


def write(root, wanted, purge, is_kept, names=NAMES):
    """Write the options that a task sets into a definition. ``is_kept(entry)``: a fixed address is never removed."""
    for name in names:
        if wanted.get(name) is None:
            continue
        if name in LISTS:
            kept = is_kept if name == "hosts" else lambda entry: False
            LISTS[name].write(root, wanted[name], purge, kept)
        else:
            before = VALUES[name][0](root)
            if isinstance(before, dict):
                before = {key: before.get(key) for key in wanted[name]}
            # libvirt does not store what is off by default, and no empty value.
            if before != wanted[name] and not (before is None and not wanted[name]):
                VALUES[name][1](root, wanted[name])
