# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt: what is checked of a requested network before the first change. Reads and changes nothing."""

from __future__ import annotations

import ipaddress

from ..._core.errors import NotFound
from ..._tools import virsh_network_values as values
from .defined_plan import DefinedPlan
from .network_options import BRIDGE, FORWARDING, LONGEST_BRIDGE, NOT_OF_BRIDGES, check_no_overlap, identity

#: How the place of a subnet begins that another network of libvirt has, which may be inactive.
OF_NETWORK = "the network "
#: The shortest prefix with which dnsmasq serves DHCP for IPv6, and the kernel's limit for IPv6 on an interface.
_LONGEST_OF_DHCPV6, _LEAST_MTU_OF_IPV6 = 64, 1280


class NetworkChecks(DefinedPlan):
    """``_root`` is the requested definition; ``_by_native`` names the options that ``native`` would change."""

    def _check(self):
        self._check_native()
        self._check_bridge()
        self._check_mode()
        self._check_subnets()
        self._check_needed()
        self._check_routes()
        self._check_ranges()
        self._check_hosts()
        self._check_mtu()
        self._check_dhcp()

    def _check_native(self):
        """Paths of ``native`` can contain more than one value, such as ``forward``; an option has only one owner."""
        if self._by_native:
            name, paths = self._by_native[0], ", ".join(self._wanted["native"])
            raise self._refused(
                f"native: {paths}: this would change {name} to {self._after[name] or 'nothing'}.",
                f"Set the option {name} to the value that you want, too, or correct the path.",
            )

    def _check_mode(self):
        if self._after["mode"] != BRIDGE:
            return
        extra = [name for name in NOT_OF_BRIDGES if self._wanted[name]]
        if extra:
            raise self._refused(
                f"{', '.join(extra)}: the mode of the network is bridge, and the bridge belongs to the host.",
                "Set mode, or remove the options.",
            )

    def _check_bridge(self):
        bridge, interfaces = self._after["bridge"], self._state.interfaces
        current = self._before and self._before["bridge"]
        if bridge in self._state.bridges and bridge != current:
            raise self._refused(
                f"bridge: {bridge} is the bridge of the network {self._state.bridges[bridge]}.", "Use another name."
            )
        if bridge is None or interfaces is None:
            return
        if self._after["mode"] == BRIDGE:
            if not interfaces.get(bridge):
                raise _no_bridge(self._name, bridge, bridge in interfaces)
        elif bridge in interfaces and bridge != current:
            raise self._refused(
                f"bridge: {bridge} is an interface of this host already.",
                f"Use another name (at most {LONGEST_BRIDGE} characters), or mode: bridge to use an existing bridge.",
            )

    def _check_subnets(self):
        """Compare new subnets with everything on the host: libvirt rejects equal ones only, and when it starts."""
        before = set(self._before["addresses"] if self._before else ())
        for address in self._after["addresses"]:
            network = ipaddress.ip_interface(address).network
            used = [one for one in self._state.used if one[0].version == network.version and one[0].overlaps(network)]
            for other, where in used:
                if address not in before:
                    raise self._refused(
                        f"addresses: {network} overlaps with {other} of {where}.", "Use another subnet."
                    )
                self._check_start(network, other, where)
        self._check_no_lost_reservation()
        self._check_own_addresses(before)

    def _check_start(self, network, other, where):
        """Raise for what prevents the start of an existing network: only an equal subnet of an interface or a route."""
        if self._starts and other == network and not where.startswith(OF_NETWORK):
            raise self._refused(
                f"the network cannot be started: {where} has its subnet {network}.",
                "Remove that one, or set addresses in another subnet.",
            )

    def _check_own_addresses(self, before):
        """The host cannot take an address that is reserved; requested entries of ``hosts`` have their own check."""
        own = {str(ipaddress.ip_interface(one).ip) for one in self._after["addresses"] if one not in before}
        for entry in [one for one in self._after["hosts"] if one["address"] in own]:
            vm = self._state.reserved.get((entry.get("mac"), entry["address"]))
            raise self._refused(
                f"addresses: {entry['address']} is reserved for {vm or identity(entry)}.",
                "Use another address for the host, or change the reservation first.",
            )

    def _check_no_lost_reservation(self):
        """A reservation that belongs to a VM must have a subnet."""
        for (_mac, address), vm in self._state.reserved.items():
            had = self._before and any(one["address"] == address for one in self._before["hosts"])
            if had and self._subnet(address) is None:
                raise self._refused(
                    f"addresses: {vm} has the address {address} (networks[].address), which is in no subnet then.",
                    f"Change the address of {vm} first.",
                )

    def _subnet(self, address):
        """Return the interface of the host in the subnet of an address, or None."""
        address = ipaddress.ip_address(address)
        interfaces = map(ipaddress.ip_interface, self._after["addresses"])
        found = [one for one in interfaces if one.version == address.version and address in one.network]
        return found[0] if found else None

    def _subnets(self):
        return ", ".join(str(ipaddress.ip_interface(one).network) for one in self._after["addresses"]) or "none"

    def _check_needed(self):
        """Options that libvirt would ignore without another value."""
        if self._wanted["tftp"] and self._state.has_tftp is False:
            raise self._refused(
                f"tftp: {self._wanted['tftp']} is not a directory of this host.",
                "Create it first: without it, the network cannot be started.",
            )
        unused = self._root.find("dns[@enable='no']")
        if unused is not None and len(unused):
            raise self._refused(
                "dns: the network has no DNS server (dns@enable: no), so libvirt rejects names and forwarders.",
                "Remove them, or set dns@enable: yes in native.",
            )
        for option in ("tftp", "bootp"):
            if self._wanted[option] and self._after[option] is None:
                raise self._refused(f"{option}: the network has no IPv4 subnet.", "Add one to addresses.")
        if self._wanted["bootp"] and not any(one.version == 4 for one in values.served(self._root)):
            raise self._refused("bootp: the network has no DHCP server for IPv4.", "Set ranges or hosts.")
        is_asked = self._wanted["mode"] or self._wanted["addresses"] is not None
        if is_asked and self._after["mode"] in FORWARDING and not self._after["addresses"]:
            raise self._refused(
                f"mode: {self._after['mode']} needs a subnet, and the network has none.",
                "Set addresses, or mode: isolated.",
            )
        if self._wanted["domain_local"] and not self._after["domain"]:
            raise self._refused("domain_local: the network has no domain.", "Set domain.")

    def _check_mtu(self):
        if not (self._wanted["mtu"] or self._wanted["addresses"]):
            return
        is_short = self._after["mtu"] and self._after["mtu"] < _LEAST_MTU_OF_IPV6
        if is_short and any(":" in one for one in self._after["addresses"]):
            raise self._refused(
                f"mtu: IPv6 needs at least {_LEAST_MTU_OF_IPV6}, not {self._after['mtu']}.", "Use a greater one."
            )

    def _check_dhcp(self):
        """Checks what libvirt rejects in a definition, or when it starts the network."""
        if not any(self._wanted[name] for name in ("ranges", "hosts", "addresses")):
            return
        served = values.served(self._root)
        for version in (4, 6):
            subnets = [str(one.network) for one in served if one.version == version]
            if len(subnets) > 1:
                raise self._refused(
                    f"ranges, hosts: libvirt has a DHCP server in one IPv{version} subnet only, not in"
                    f" {' and '.join(subnets)}.",
                    "Use addresses of one subnet, or another network.",
                )
        for one in served:
            if one.version == 6 and one.network.prefixlen < _LONGEST_OF_DHCPV6:
                raise self._refused(
                    f"ranges, hosts: DHCP for IPv6 needs a prefix length of at least {_LONGEST_OF_DHCPV6}, and the"
                    f" network has {one.network}.",
                    "Use a smaller subnet.",
                )

    def _check_routes(self):
        """Kept routes count, too: libvirt rejects a definition with a gateway that it cannot reach."""
        for entry in self._after["routes"]:
            self._check_route_of_host(entry)
        for entry in self._after["routes"] if self._wanted["routes"] or self._wanted["addresses"] else ():
            if self._subnet(entry["gateway"]) is None:
                raise self._refused(
                    f"routes.{entry['destination']}: the gateway {entry['gateway']} is not in a subnet of the network"
                    f" ({self._subnets()}).",
                    "Use a router in the network. Routes that the task does not name remain without purge: true.",
                )

    def _check_route_of_host(self, entry):
        """libvirt does not start a network with a route that the host has already."""
        if not (self._starts or self._is_new("routes", entry)):
            return
        destination = ipaddress.ip_network(entry["destination"])
        for where in [where for other, where in self._state.used if other == destination]:
            raise self._refused(
                f"routes.{destination}: the host reaches {destination} by {where}.",
                "Remove that one, or this route (purge: true removes routes that the task does not name).",
            )

    def _is_new(self, option, entry):
        return not self._before or entry not in self._before[option]

    def _check_ranges(self):
        for entry in self._wanted["ranges"] or ():
            subnet = self._subnet(entry["start"])
            if subnet is None or self._subnet(entry["end"]) != subnet:
                raise self._refused(
                    f"ranges: {entry['start']} to {entry['end']} is not within a subnet of the network"
                    f" ({self._subnets()}).",
                    "Use addresses of one subnet.",
                )
            ends = (subnet.network.network_address, subnet.network.broadcast_address)
            if subnet.version == 4 and {ipaddress.ip_address(entry[one]) for one in ("start", "end")} & {*ends}:
                raise self._refused(
                    f"ranges: {entry['start']} to {entry['end']} contains the address of the subnet or of broadcasts.",
                    f"Use addresses between {ends[0]} and {ends[1]}.",
                )
        if self._wanted["ranges"]:
            pairs = [tuple(map(ipaddress.ip_address, (one["start"], one["end"]))) for one in self._after["ranges"]]
            check_no_overlap(f"{self._name}: ranges", pairs)

    def _check_hosts(self):
        for entry in self._wanted["hosts"] or ():
            address, where = entry["address"], f"hosts.{identity(entry)}"
            subnet = self._subnet(address)
            if subnet is None:
                raise self._refused(
                    f"{where}: {address} is not in a subnet of the network ({self._subnets()}).",
                    "Guests would never get it.",
                )
            network = subnet.network
            if ipaddress.ip_address(address) in (subnet.ip, network.network_address, network.broadcast_address):
                raise self._refused(
                    f"{where}: {address} is the address of the host or of the subnet itself.", "Use another address."
                )
            self._check_owner(where, entry)
            self._check_conflicts(where, entry)

    def _check_owner(self, where, entry):
        for (mac, address), vm in self._state.reserved.items():
            if (entry.get("mac") == mac) != (entry["address"] == address):
                raise self._refused(
                    f"{where}: {vm} has the reservation of {address} for {mac} (networks[].address).",
                    "Remove this entry, or the address of that VM.",
                )

    def _check_conflicts(self, where, entry):
        """Within a subnet, libvirt permits each MAC, name and address only once."""
        same_version = [one for one in self._after["hosts"] if values.is_ipv6(one) is values.is_ipv6(entry)]
        others = [one for one in same_version if identity(one) != identity(entry)]
        for name in ("name", "address"):
            taken = [one for one in others if entry.get(name) and (one.get(name) or "").lower() == entry[name].lower()]
            if taken:
                raise self._refused(
                    f"{where}: the network has the {name} {entry[name]} for {identity(taken[0])} already.",
                    "Use another one, or set purge: true to remove entries that the task does not name.",
                )


def _no_bridge(name, bridge, is_interface):
    problem = "is an interface of this host, but not a bridge" if is_interface else "does not exist on this host"
    return NotFound(
        f"{name}: bridge: {bridge} {problem}.",
        f"Create it first. NetworkManager: nmcli connection add type bridge ifname {bridge}, then nmcli connection add"
        f" type ethernet ifname NIC master {bridge}. netplan: bridges: {{{bridge}: {{interfaces: [NIC]}}}}."
        f" ifupdown: auto {bridge}, iface {bridge} inet dhcp, bridge_ports NIC. Nothing was changed.",
    )
