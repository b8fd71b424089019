# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What forbids a network of VMs on this host. All of it is found before the first change."""

from __future__ import annotations

import re

from ..._tools import openbsd_network as net

_IPSEC_ONLY = 2
_VALIDATORS = {"pf.conf": ("pfctl", "-nf"), "vm.conf": ("vmd", "-n", "-f"), "dhcpd.conf": ("dhcpd", "-n", "-c")}
_REMOVE_NICS = "Remove these VMs, or their NICs on this switch, first."


def problems(host, wanted, subnet):
    """One sentence for each; none if the network can be set up, or removed."""
    checks = [_of_users, _of_validity]
    if wanted["state"] == "present":
        checks += [_of_files, _of_subnet, _of_bridge, _of_switch, _of_host]
    return [sentence for check in checks for sentence in check(host, wanted, subnet)]


def _of_users(host, wanted, _subnet):
    """VMs that would lose their network, because the role removes a switch of its own, or the bridge of a switch."""
    needed = host.needed(wanted)
    kept = wanted["switch"] if wanted["state"] == "present" and wanted["mode"] != "local" else None
    removed = {name for name in host.own if name not in needed}
    for switch, bridge in host.configuration.switches.items():
        is_lost = bridge in removed or (switch != kept and not host.has_elsewhere(switch))
        users = host.users(switch) if is_lost else []
        if users:
            yield f"{', '.join(users)}: connected to switch {switch} ({bridge}). {_REMOVE_NICS}"


def _of_validity(host, wanted, _subnet):
    """Files of the host that are invalid already: a change of theirs could not be validated."""
    for words, name in (
        (("pfctl", "-nf"), "pf.conf"),
        (("vmd", "-n", "-f"), "vm.conf"),
        (("dhcpd", "-n", "-c"), "dhcpd.conf"),
    ):
        if name == "dhcpd.conf" and not (wanted["mode"] == "routed" and wanted["dhcp"]):
            continue
        said = host.rejected(host.file(name), *words)
        if said and not _is_for_lack_of(host.needed(wanted), host, said):
            yield f"{name} is invalid: {said.rstrip('.')}. Correct it first."


def _is_for_lack_of(interfaces, host, said):
    """Whether a file is invalid only because it names the address of an interface that is about to be created."""
    missing = {name for name in interfaces if name not in host.interfaces}
    named = re.findall(r"no IP address found for (\w+)", said)
    return bool(named) and missing.issuperset(named) and "syntax error" not in said


def _of_files(host, wanted, _subnet):
    for name in host.needed(wanted):
        if name in host.hostname_files and name not in host.own:
            yield (
                f"hostname.{name} was not written by this role. Choose another interface (vmm_network_bridge,"
                " vmm_network_host_interface), or remove the file."
            )
        elif name in host.interfaces and name not in host.own:
            yield f"{name} exists already. Choose another interface, or destroy it: ifconfig {name} destroy."


def _of_subnet(host, wanted, subnet):
    if wanted["mode"] != "routed":
        return
    if subnet is None:
        yield "all subnets that auto tries are in use. Set vmm_network_subnet."
        return
    for network, where in net.overlaps(subnet, host.used(wanted)):
        yield f"{subnet} overlaps {network} ({where}). Set vmm_network_subnet to another subnet, or to auto."


def _of_bridge(host, wanted, _subnet):
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


def _of_switch(host, wanted, _subnet):
    """The switch of the role is between its own lines; any other block of that name would come first or be ignored."""
    if wanted["mode"] == "local":
        return
    bridge = host.configuration.switches.get(wanted["switch"])
    if bridge != wanted["bridge"] and host.has_elsewhere(wanted["switch"]):
        yield (
            f"vm.conf has a switch {wanted['switch']} with {bridge} already. Set vmm_network_switch to another name,"
            f" or vmm_network_bridge to {bridge}."
        )


def _of_host(host, wanted, _subnet):
    if wanted["mode"] != "bridged" and host.forwarding() == _IPSEC_ONLY:
        yield (
            "net.inet.ip.forwarding is 2: this host forwards packets of IPsec only. Set it to 0 or 1 in sysctl.conf"
            " and with sysctl, if VMs may reach other networks."
        )
