# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VirtualBox: fixed addresses of NICs: reservations in the DHCP server of a host-only, internal or NAT network.

A reservation names the VM and the number of its NIC, so it needs no record. It is removed with the NIC and with the VM.
"""

from __future__ import annotations

import shlex

from ...._core.errors import CommandFailed, Refused
from ...._core.model import LIVE
from ...._kit import addresses as kit
from ...._kit.settings import Setting, changed_entries
from ...._tools import vboxmanage_dhcp as tool

_HOST_ONLY = "HostInterfaceNetworking-"
_KINDS = ("networks.add", "networks.address", "networks.source", "networks.type")
#: networks.type -> what to do instead of reserving an address.
_INSTEAD = {
    "nat": "VirtualBox gives each VM behind NAT the address 10.0.2.15: use a NIC of type network, hostonly or internal"
    " for a fixed address, or port_forwards to reach the VM.",
    "bridged": "Reserve the address in the DHCP server of that network, or set it in the guest (cloud_init.ip_config).",
}
_OTHER_TYPE = "Use a NIC of type network, hostonly or internal, or set the address in the guest (cloud_init.ip_config)."
#: networks.type -> how a network of this type gets a DHCP server.
_NO_SERVER = {
    "network": "VirtualBox creates it with the first start of the NAT network: VBoxManage natnetwork start --netname"
    " {source}. If its DHCP server is off: VBoxManage natnetwork modify --netname {source} --dhcp on.",
    "hostonly": "Add one: VBoxManage dhcpserver add --interface {source} --server-ip ADDRESS --netmask MASK --lower-ip"
    " ADDRESS --upper-ip ADDRESS --enable.",
    "internal": "Add one: VBoxManage dhcpserver add --network {source} --server-ip ADDRESS --netmask MASK --lower-ip"
    " ADDRESS --upper-ip ADDRESS --enable.",
}

ADDRESSES = {"networks.address": Setting(cost=LIVE)}


def dhcp_network(nic):
    """Return what VirtualBox calls the network of a NIC in the list of DHCP servers; None if it has no such server."""
    if nic.get("type") not in _NO_SERVER or not nic.get("source"):
        return None
    return f"{_HOST_ONLY}{nic['source']}" if nic["type"] == "hostonly" else nic["source"]


def with_address(vm, place, nic, existing):
    """Return an entry of ``networks`` with its address in normalized form; a NIC that is moved loses its address."""
    return kit.with_address(vm, place, nic, existing, tuple(_NO_SERVER), lambda kind: _no_address(vm, place, kind))


def _no_address(vm, place, kind):
    return Refused(
        f"{vm.name}: networks.{place}.address: VirtualBox cannot reserve an address for a NIC of type {kind}.",
        _INSTEAD.get(kind, _OTHER_TYPE),
    )


def reserved_address(vbox_vm, number, nic):
    """Return the address that is reserved for a NIC in its network, or None."""
    return vbox_vm.reserved.get((dhcp_network(nic), number))


# Checks ---------------------------------------------------------------------------------------------------------------


def check_addresses(driver, plan, released):
    """Reject an address that the network of its NIC cannot reserve."""
    nics = {key: nic for key, nic in changed_entries(plan, "networks", _KINDS).items() if nic.get("address")}
    known = driver.listing().dhcp_servers
    for key, nic in sorted(nics.items()):
        path, server = f"{plan.after.name}: networks.{key}.address", known.get(dhcp_network(nic))
        if server is None:
            raise Refused(
                f"{path}: the network '{nic['source']}' has no DHCP server.",
                _NO_SERVER[nic["type"]].format(source=shlex.quote(nic["source"])),
            )
        if not server.is_enabled:
            raise Refused(
                f"{path}: the DHCP server of the network '{nic['source']}' is disabled.",
                f"Enable it: VBoxManage dhcpserver modify --network {shlex.quote(server.network)} --enable.",
            )
        kit.check_subnet(path, nic["address"], nic["source"], {server.subnet: server.own})
        _check_free(path, nic["address"], server, (plan.before.id, int(key) + 1), released)


def _check_free(path, address, server, own, released):
    from ...._core.sharing.claims import ADDRESS

    if any(kind == ADDRESS and identity == address for kind, identity in released):
        return
    for holder in sorted((one for one, fixed in server.fixed.items() if fixed == address and one != own), key=str):
        text = f"NIC {holder[1]} of the VM {holder[0]}" if isinstance(holder, tuple) else holder
        command = shlex.join(["VBoxManage", *tool.removing(server.network, holder)])
        raise Refused(
            f"{path}: the network '{server.network}' reserves {address} for {text}.",
            f"Set another address, or remove that reservation: {command}",
        )


# Writing --------------------------------------------------------------------------------------------------------------


def write_addresses(driver, vbox_vm, changes, nics):
    """Reserve and release addresses after changes of NICs; ``nics`` are those of the VM before the changes."""
    wanted = dict(vbox_vm.reserved)
    for key in {change.key for change in changes}:
        nic = _changed(nics.get(key) or {}, [change for change in changes if change.key == key])
        number, network = int(key) + 1, dhcp_network(nic)
        wanted = {holder: address for holder, address in wanted.items() if holder[1] != number}
        if network and nic.get("address"):
            wanted[network, number] = nic["address"]
    _write(driver, vbox_vm, wanted)


def _changed(nic, changes):
    for change in changes:
        nic = {**nic, change.attribute: change.new} if change.attribute else (change.new or {})
    return nic


def release_addresses(driver, vbox_vm):
    """Remove the reservations of a VM, which VirtualBox would keep."""
    _write(driver, vbox_vm, {})


def _write(driver, vbox_vm, wanted):
    before = vbox_vm.reserved
    changed = {holder for holder in {*before, *wanted} if before.get(holder) != wanted.get(holder)}
    for network, number in sorted(changed):
        words = tool.reserving(network, (vbox_vm.uuid, number), wanted.get((network, number)))
        driver.run(vbox_vm.uuid, *words)
    for network in sorted({network for network, _number in changed}):
        _restart(driver, vbox_vm, network)


def _restart(driver, vbox_vm, network):
    """Let the server of a network read its reservations; without a running VM on it, it is not running."""
    try:
        driver.run(vbox_vm.uuid, *tool.restarting(network))
    except CommandFailed as error:
        if not tool.is_not_running(error.stderr):
            raise
