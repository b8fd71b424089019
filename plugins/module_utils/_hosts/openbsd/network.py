# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""OpenBSD: the module vmm_network_info reads the networks of a host with vmd, and what a requested one needs."""

from __future__ import annotations

import ipaddress
import os
import re
from functools import cached_property

from ..._core.errors import InvalidInput, PolyvirtError
from ..._core.options.option import Connection, Option
from ..._kit.connections import VMD as CONNECTION
from ..._ports import files
from ..._ports.command import Commands
from ..._tools import openbsd_network as net
from ..._tools import vm_conf
from ..._tools.marked_block import cut_out
from ..._tools.vmctl import Vmctl
from .network_problems import ANCHOR, pf_problems, problems

#: The first line of files that belong to the role vmm_network as a whole.
OWN = "# Written by the role polyvirt.core.vmm_network."
#: A subnet needs addresses for the host, for guests and for leases.
_SHORTEST_PREFIX, _LONGEST_PREFIX = 8, 29
_NO_SERVICE = {"enabled": False, "running": False, "flags": ""}
_RESERVATION = {name: Option(required=True) for name in ("name", "mac", "address")}
_NETWORK = {
    "state": Option(choices=("present", "absent"), default="present"),
    "mode": Option(choices=("local", "bridged", "routed"), default="local"),
    "subnet": Option(default="auto"),
    "switch": Option(default="local"),
    "bridge": Option(default="bridge0"),
    "host_interface": Option(default="vether0"),
    "port": Option(default=""),
    "dhcp": Option("bool", default=True),
    "dhcp_first": Option(default=""),
    "dhcp_last": Option(default=""),
    "reservations": Option("list", elements="dict", default=[], options=_RESERVATION),
    "filter": Option("bool", default=False),
}
OPTIONS = {
    **CONNECTION,
    "etc": Connection("path", default="/etc"),
    "network": Connection("dict", options=_NETWORK),
}


def answer(params, _check):
    """Return the result of the module vmm_network_info."""
    commands = Commands()
    host = HostNetwork(commands, Vmctl(commands, params["executable"]), params)
    wanted = params.get("network")
    facts = host.facts()
    if wanted:
        facts.update(host.compare(wanted))
    return {"changed": False, "warnings": [], **facts}


class HostNetwork:
    """The networks of this host, as read when the task begins."""

    def __init__(self, commands, tool, params):
        self._commands, self._tool, self._params = commands, tool, params
        self.interfaces = net.interfaces(self._output("ifconfig"))
        self.routes = net.routes(self._output("netstat", "-rnf", "inet"))
        self.configuration = vm_conf.read(params["config_file"], files.read_latin1)
        self.hostname_files = self._hostname_files()
        self._anchors = {}

    def _output(self, *words):
        try:
            return self._commands.run([self._commands.find(words[0]), *words[1:]]).stdout
        except PolyvirtError:
            return ""

    def _hostname_files(self):
        """Return {interface: text} of the files from which netstart creates interfaces."""
        names = [name for name in files.entries(self._params["etc"]) if name.startswith("hostname.")]
        texts = {name.partition(".")[2]: files.read_latin1(self.file(name)) for name in names}
        return {name: text for name, text in texts.items() if re.fullmatch(r"[a-z]+[0-9]+", name)}

    @property
    def own(self):
        """Return the interfaces with files that the role has written."""
        return [name for name, text in self.hostname_files.items() if text.startswith(OWN)]

    # The current state ------------------------------------------------------------------------------------------------

    def facts(self):
        return {
            "interfaces": {name: self._interface(one) for name, one in self.interfaces.items()},
            "own_interfaces": self.own,
            "forwarding": self.forwarding(),
            "pf": self._pf(),
            "dhcpd": {**self._service("dhcpd"), "serves_others": self._serves_others()},
            "vmd_running": self._vmd_responds(),
            "local_prefix": self.configuration.prefix,
            "switches": dict(self.configuration.switches),
            "switches_without_interface": self.switches_without_interface(),
            "switch_users": {name: self.users(name) for name in self.configuration.switches},
            "own_switch": self._own_lines() is not None,
            **self._stored_forwarding(),
            "vms": sorted(self.configuration.blocks),
        }

    def _own_lines(self):
        """Return the lines of the role in vm.conf, or None."""
        path = self._params["config_file"]
        return cut_out(self.configuration.texts.get(path, ""), path, "network")[1]

    @staticmethod
    def _interface(one):
        return {
            "up": one.is_up,
            "groups": list(one.groups),
            "description": one.description,
            "addresses": list(one.addresses),
            "members": list(one.members),
        }

    def switches_without_interface(self):
        """Return switches of vm.conf without an existing bridge: vmd would exit when it reads one, with all VMs."""
        return sorted(name for name, bridge in self.configuration.switches.items() if bridge not in self.interfaces)

    def _stored_forwarding(self):
        """Return whether sysctl.conf has lines of the role, and whether other lines of it turn on forwarding."""
        path = self.file("sysctl.conf")
        before, own, after = cut_out(files.read_latin1(path) or "", path, "network")
        values = re.findall(r"^\s*net\.inet\.ip\.forwarding\s*=\s*(\d+)", before + after, re.MULTILINE)
        return {"own_forwarding": own is not None, "forwarding_elsewhere": values[-1:] == ["1"]}

    def _serves_others(self):
        """Return whether dhcpd.conf has subnets outside of the lines of the role."""
        path = self.file("dhcpd.conf")
        before, _own, after = cut_out(files.read_latin1(path) or "", path, "network")
        return re.search(r"^\s*(subnet|shared-network)\s", before + after, re.MULTILINE) is not None

    def file(self, name):
        """Return the path of a configuration file of the host."""
        return os.path.join(self._params["etc"], name)

    def validation_error(self, path, *command):
        """Return the output of a validating command if it rejects a file; empty if the file is valid or missing."""
        if not files.exists(path):
            return ""
        try:
            completed = self._commands.run([self._commands.find(command[0]), *command[1:], path])
        except PolyvirtError as error:
            return str(error)
        return "" if completed.rc == 0 else (completed.stderr + completed.stdout).strip() or f"exit code {completed.rc}"

    def users(self, switch):
        """Return the names of the VMs with a NIC on this switch."""
        return sorted(
            name
            for name, block in self.configuration.blocks.items()
            if any(nic.get("switch") == switch for nic in block.all("interface"))
        )

    def forwarding(self):
        value = self._output("sysctl", "-n", "net.inet.ip.forwarding").strip()
        return int(value) if value.isdigit() else None

    def _pf(self):
        return {
            "enabled": net.is_enabled(self._output("pfctl", "-s", "info")),
            "anchor_called": net.calls_anchor(self.main_rules, ANCHOR),
            "anchor_rules": list(self.anchor_rules(ANCHOR)),
        }

    @cached_property
    def main_rules(self):
        """Return the loaded rules as pfctl prints them, without those of anchors."""
        return self._output("pfctl", "-s", "rules")

    def anchor_rules(self, name):
        """Return the printed rules of an anchor, which is read once. Without a name, they are not known."""
        if name not in self._anchors:
            lines = self._output("pfctl", "-a", name, "-s", "rules").splitlines() if name else ["pass"]
            self._anchors[name] = [line for line in lines if line.strip()]
        return self._anchors[name]

    def _service(self, name):
        flags = self._output("rcctl", "get", name, "flags").strip()
        if flags == "NO" or not self._succeeds("rcctl", "get", name, "status"):
            return {**_NO_SERVICE, "running": self._succeeds("rcctl", "check", name)}
        return {"enabled": True, "running": self._succeeds("rcctl", "check", name), "flags": flags}

    def _succeeds(self, *words):
        try:
            return self._commands.run([self._commands.find(words[0]), *words[1:]]).rc == 0
        except PolyvirtError:
            return False

    def _vmd_responds(self):
        try:
            self._tool.status()
        except PolyvirtError:
            return False
        return True

    # The requested network --------------------------------------------------------------------------------------------

    def compare(self, wanted):
        """Return the subnet, the interfaces to start and to remove, and the problems of a requested network."""
        subnet = self.subnet(wanted)
        needed = self.needed(wanted)
        start, renew = self._to_start(wanted, subnet)
        return {
            **(net.values_of(subnet) if subnet else dict.fromkeys(net.values_of(ipaddress.ip_network("10.50.0.0/24")))),
            "needed": needed,
            "start": start,
            "renew": renew,
            "remove": [name for name in self.own if name not in needed],
            "lan_networks": self.lan(wanted),
            "switch_elsewhere": self.has_elsewhere(wanted["switch"]),
            "problems": problems(self, wanted, subnet),
            **pf_problems(self, wanted, subnet),
        }

    def has_elsewhere(self, switch):
        """Return whether vm.conf defines a switch outside of the lines of the role."""
        own = vm_conf.read("", {"": "".join(f"{line}\n" for line in self._own_lines() or ())}.get)
        return switch in self.configuration.switches and switch not in own.switches

    def needed(self, wanted):
        """Return the interfaces that the role creates for a network, in the order in which it starts them."""
        if wanted["state"] == "absent" or wanted["mode"] == "local":
            return []
        if wanted["mode"] == "routed":
            return [wanted["host_interface"], wanted["bridge"]]
        return [wanted["bridge"]] if wanted["port"] else []

    def used(self, wanted):
        """Return [(network, where it is used)] of all networks of this host except the requested one."""
        own = {*self.own, wanted["host_interface"]} if wanted["host_interface"] in self.own else set(self.own)
        connected = [
            (ipaddress.ip_interface(address).network, name)
            for name, one in self.interfaces.items()
            for address in one.addresses
            if name not in own and "tap" not in one.groups
        ]
        routed = [(network, f"a route by {name}") for network, name in self.routes if name not in own]
        routed = [one for one in routed if not one[1].endswith(" lo0") and not _is_tap(one[1])]
        local = net.network(self.configuration.prefix)  # vmd rejects an invalid prefix; see _check_validity.
        return [*connected, *routed, *([(local, "vmd")] if local else [])]

    def subnet(self, wanted):
        """Return the subnet of a routed network; for ``auto``, its current subnet or a free one."""
        if wanted["mode"] != "routed" or wanted["state"] == "absent":
            return None
        if wanted["subnet"] != "auto":
            return _requested_subnet(wanted["subnet"])
        return self._subnet_of_file(wanted["host_interface"]) or net.free_subnet(self.used(wanted))

    def _subnet_of_file(self, name):
        text = self.hostname_files.get(name, "") if name in self.own else ""
        match = re.search(r"^inet (\S+) (\S+)$", text, re.MULTILINE)
        return net.network(f"{match[1]}/{match[2]}") if match else None

    def _to_start(self, wanted, subnet):
        """Return (interfaces that netstart has to start, those of them that must be destroyed and created again)."""
        start, renew = [], []
        for name in self.needed(wanted):
            current = self.interfaces.get(name)
            if name == wanted["bridge"]:
                member = wanted["host_interface"] if wanted["mode"] == "routed" else wanted["port"]
                is_ready = current and current.is_up and member in current.members and member not in renew
                # Only with this flag, pf filters packets between the ports of a veb(4).
                is_ready = is_ready and (not wanted["filter"] or not name.startswith("veb") or "LINK1" in current.flags)
            else:
                address = f"{subnet.network_address + 1}/{subnet.prefixlen}" if subnet else ""
                is_ready = current and current.is_up and current.addresses == (address,)
                if current and current.addresses and not is_ready:
                    renew.append(name)
            if not is_ready:
                start.append(name)
        return start, renew

    def lan(self, wanted):
        """Return the networks that the host is connected to, except those of its VMs."""
        networks = [network for network, where in self.used(wanted) if where in self.interfaces]
        return sorted({str(network) for network in networks if not network.is_loopback})


def _requested_subnet(text):
    subnet = net.network(text, strict=True)
    if subnet is None or not _LONGEST_PREFIX >= subnet.prefixlen >= _SHORTEST_PREFIX:
        raise InvalidInput(
            f"network.subnet: '{text}' is not an IPv4 network with a prefix length from {_SHORTEST_PREFIX} to"
            f" {_LONGEST_PREFIX}.",
            "Set the address of the network itself, such as 10.50.0.0/24, or auto.",
        )
    return subnet


def _is_tap(where):
    return where.rpartition(" ")[2].startswith("tap")
