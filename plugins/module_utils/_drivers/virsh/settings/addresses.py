# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt: fixed addresses of NICs: reservations for their MACs in the DHCP server of a network.

The mark of a VM lists the reservations that were created for it, each as NETWORK, MAC and ADDRESS. Only these are
removed: with the VM, with the NIC, and if the address, the network or the MAC of the NIC changes. The mark is stored
before the networks are changed, so that the next task can complete an interrupted one.
"""

from __future__ import annotations

from shlex import quote

from ...._core.errors import Refused
from ...._core.frozen import replace
from ...._core.model import LIVE
from ...._kit import addresses as kit
from ...._kit.addresses import RESERVATIONS, recorded
from ...._kit.settings import Setting, changed_entries
from ...._tools import virsh_network as tool

_KINDS = ("networks.add", "networks.address", "networks.mac", "networks.source", "networks.type")

ADDRESSES = {"networks.address": Setting(cost=LIVE)}


# Requested values -----------------------------------------------------------------------------------------------------


def with_address(vm, position, entry, existing):
    """Return an entry of ``networks`` with its address in normalized form; a NIC that is moved loses its address."""
    return kit.with_address(vm, position, entry, existing, ("network",), lambda kind: _no_address(vm, position, kind))


def _no_address(vm, position, kind):
    return Refused(
        f"{vm.name}: networks.{position}.address: libvirt has no DHCP server for a NIC of type {kind}.",
        "Use type nat or network, or set the address in the guest (cloud_init.ip_config).",
    )


# Reading --------------------------------------------------------------------------------------------------------------


def named_networks(virsh, names):
    """Return {name: Network} of those networks that exist, read by one process."""
    names = sorted(names)
    answers = iter(virsh.batch([words for name in names for words in tool.questions(name)]) if names else ())
    networks = [tool.parsed(name, [next(answers) for _words in tool.questions(name)]) for name in names]
    return {network.name: network for network in networks if network is not None}


def with_reservations(mark, texts):
    """Return a mark with these reservations, in the form that it has them in, and no others."""
    others = {name: value for name, value in mark.items() if name != RESERVATIONS}
    return {**others, RESERVATIONS: list(texts)} if texts else others


def sources_of(config):
    """Return the names of the networks of all NICs."""
    nics = ((config or {}).get("networks") or {}).values()
    return {nic["source"] for nic in nics if nic.get("type") == "network" and nic.get("source")}


def with_reserved(vm, networks):
    """Return the VM with the addresses that ``networks`` reserve for the MACs of its NICs."""
    active = vm.active and _with_addresses(vm.active, networks)
    snapshots = tuple(_snapshot_with_addresses(one, networks) for one in vm.snapshots)
    return vm.having(config=_with_addresses(vm.config, networks), active=active, snapshots=snapshots)


def _with_addresses(config, networks):
    nics = config.get("networks") or {}
    return {**config, "networks": {key: with_reserved_address(nic, networks) for key, nic in nics.items()}}


def with_reserved_address(nic, networks):
    """Return a NIC with the address that its network reserves for its MAC."""
    network = networks.get(nic.get("source")) if nic.get("type") == "network" else None
    address = network and network.reserved_for(nic.get("mac"))
    return {**nic, "address": address} if address else nic


def _snapshot_with_addresses(snapshot, networks):
    """A restored VM has the reservations of today."""
    return snapshot if snapshot.config is None else replace(snapshot, config=_with_addresses(snapshot.config, networks))


# Checks ---------------------------------------------------------------------------------------------------------------


def check_addresses(driver, plan, released):
    """Reject an address that the network of its NIC cannot reserve."""
    nics = {key: nic for key, nic in changed_entries(plan, "networks", _KINDS).items() if nic.get("address")}
    networks = named_networks(driver.virsh, {nic["source"] for nic in nics.values()}) if nics else {}
    own = recorded(plan.before.mark, plan.before.id)
    for key, nic in sorted(nics.items()):
        # check_networks has rejected missing networks.
        if nic["source"] in networks:
            path = f"{plan.after.name}: networks.{key}.address"
            subnets = {subnet: (host,) for subnet, host in networks[nic["source"]].subnets().items()}
            kit.check_subnet(path, nic["address"], nic["source"], subnets)
            _check_free(path, nic, networks[nic["source"]], own, released)


def _check_free(path, nic, network, own, released):
    from ...._core.sharing.claims import ADDRESS

    address = nic["address"]
    if any(kind == ADDRESS and identity == address for kind, identity in released):
        return
    own_macs = {mac for source, mac, one in own if (source, one) == (network.name, address)} | {nic.get("mac")}
    for holder in sorted(network.holders(address) - own_macs):
        raise Refused(
            f"{path}: the network '{network.name}' reserves {address} for {holder}.",
            f"Set another address, or remove that reservation: virsh net-update {quote(network.name)} delete"
            f" ip-dhcp-host \"<host ip='{address}'/>\" --live --config",
        )


# Writing --------------------------------------------------------------------------------------------------------------


class Following:
    """The addresses of the NICs in a definition while changes are made to it."""

    def __init__(self, definition, reserved, read_nic):
        self._definition, self._read_nic = definition, read_nic
        self._addresses = {}
        for nic in definition.interfaces():
            found = read_nic(nic)
            own = [
                address for source, mac, address in reserved if (source, mac) == (found.get("source"), found.get("mac"))
            ]
            self._addresses[nic] = own[0] if own else None

    def follow(self, change):
        """Note the address that a change gives to a NIC; NICs are removed last, so its position is still its key."""
        if change.kind == "networks.add":
            self._addresses[self._definition.interfaces()[int(change.key)]] = change.new.get("address")
        elif change.kind == "networks.address":
            self._addresses[self._definition.interfaces()[int(change.key)]] = change.new

    def reservations(self):
        """Return {(network, MAC, address)} of the NICs as they are now."""
        nics = [(self._read_nic(nic), self._addresses.get(nic)) for nic in self._definition.interfaces()]
        return {(nic["source"], nic["mac"], address) for nic, address in nics if address}


def to_record(driver, wanted, known=frozenset()):
    """Return those of ``wanted`` that belong in the mark, as its texts: not what somebody else has reserved already."""
    networks = named_networks(driver.virsh, {source for source, _mac, _address in wanted - known})
    foreign = {
        (source, mac, address)
        for source, mac, address in wanted - known
        if source in networks and networks[source].reserved_for(mac) == address
    }
    return sorted(" ".join(one) for one in wanted - foreign)


def update(driver, before, after):
    """Change the networks from the reservations ``before`` to those ``after``, sets of (network, MAC, address)."""
    from ...._tools.definition_lock import alone  # Only changes need it.

    networks = named_networks(driver.virsh, {source for source, _mac, _address in before | after})
    for name, network in networks.items():
        gone, wanted = ({(mac, ip) for source, mac, ip in one if source == name} for one in (before - after, after))
        with alone():
            for words in tool.updates(network, gone, wanted):
                driver.virsh.run(*words)
