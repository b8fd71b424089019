# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt: the modules virsh_network and virsh_network_info: reading networks and their users, carrying out steps."""

from __future__ import annotations

import ipaddress
import json
import os
import re
import xml.etree.ElementTree as ET

from ..._core.errors import PolyvirtError, Unavailable
from ..._core.frozen import Frozen, replace
from ..._core.options.option import Option
from ..._kit.addresses import recorded
from ..._kit.connections import LIBVIRT as CONNECTION
from ..._kit.native_paths import check_stored, same_text
from ..._ports import files
from ..._ports.command import Commands
from ..._tools import virsh_network as tool
from ..._tools import virsh_network_values as values
from ..._tools import virsh_output as output
from ..._tools.domain_xml import Definition
from ..._tools.virsh import TEST_DRIVER, Virsh, is_local, is_unsupported, raise_for_errors
from ..._tools.virsh_network_running import start_content
from .defined_host import DefinedHost, connect, needs_restart, reported, restart_warnings, shown_state
from .defined_plan import ACTIVE
from .network_checks import OF_NETWORK
from .network_options import BRIDGE, checked
from .network_plan import NetworkState, plan_network, text_of

INFO_OPTIONS = {**CONNECTION, "name": Option()}
#: Kinds of interfaces that libvirt can connect VMs to.
_BRIDGES = ("bridge", "openvswitch")
#: What the name of the port ends in with which older versions of libvirt keep the MAC of a bridge.
_OWN_PORT = "-nic"
#: Begins the names of the kernel's links to the devices on top of another one.
_ON_TOP = "upper_"
_REFERENCE = "https://libvirt.org/formatnetwork.html"
#: The name of a copy for libvirt's test driver, which has a network default.
_COPY = "polyvirt-copy"
_INSTALL_IP = "Install iproute2, which lists the subnets that the host uses already."


def make_host(params):
    """Return the host for the parameters of virsh_network. Raises InvalidInput before anything is read."""
    return NetworkHost(checked(params), Commands())


class Reading(Frozen):
    """All networks of a libvirt: {name: {side: root}}, what net-info says of each, and the VMs: (name, UUID, root).

    ``running`` are (name, root) of the VMs that run, as they run.
    """

    networks: dict
    information: dict
    vms: tuple
    running: tuple


class Networks:
    """The networks of one connection to libvirt."""

    def __init__(self, commands, virsh):
        self._commands, self.virsh = commands, virsh
        self.is_local = is_local(virsh.uri)
        self._is_of_this_kernel = self.is_local and not virsh.uri.startswith("test:")

    def read(self):
        """Return a Reading, by two virsh processes."""
        lists = [("net-list", "--all", "--name"), ("list", "--all", "--uuid", "--name"), ("list", "--uuid")]
        answers = self.virsh.batch(lists)
        raise_for_errors(lists, answers)
        names = output.names(answers[0].stdout)
        vms = dict(output.domains(answers[1].stdout))
        questions = [words for name in names for words in tool.questions(name)]
        questions += [("dumpxml", uuid, "--inactive") for uuid in vms]
        active = [uuid for uuid in answers[2].stdout.split() if uuid in vms]
        questions += [("dumpxml", uuid) for uuid in active]
        found = iter(self.virsh.batch(questions) if questions else ())
        networks, information = {}, {}
        for name in names:
            parts = [next(found) for _words in tool.questions(name)]
            network = tool.parsed(name, parts)
            if network is not None:
                networks[name], information[name] = network.sides, output.key_values(parts[0].stdout)
        roots = [(name, uuid, next(found)) for uuid, name in vms.items()]
        definitions = tuple((name, uuid, Definition(one.stdout)) for name, uuid, one in roots if not one.error)
        live = [(vms[uuid], next(found)) for uuid in active]
        running = tuple((name, Definition(one.stdout)) for name, one in live if not one.error)
        return Reading(networks, information, definitions, running)

    def guests(self, name, reading):
        """Return who would lose the connection if a network is stopped: VMs, and ports of its bridge of nobody else."""
        root = reading.networks[name][tool.LIVE]
        bridge = values.read(root)["bridge"]
        by_name = {vm for vm, one in reading.running if bridge and bridge in _ends_of(one, "source", "bridge")}
        return tuple(sorted(self._owners_of_ports(name, reading) | by_name | self._on_bridge(root, bridge, reading)))

    def _owners_of_ports(self, name, reading):
        (ports,) = self.virsh.batch([("net-port-list", name)])
        if ports.error and is_unsupported(ports.error):
            # Without a list of ports: what runs and names the network in its definition.
            return {vm for vm, definition in reading.running if name in _networks_of(definition)}
        uuids = re.findall(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", "" if ports.error else ports.stdout)
        answers = self.virsh.batch([("net-port-dumpxml", name, one) for one in uuids]) if uuids else ()
        found = [(uuid, one) for uuid, one in zip(uuids, answers) if not one.error]
        return {ET.fromstring(one.stdout).findtext("owner/name") or f"the port {uuid}" for uuid, one in found}

    def _on_bridge(self, root, bridge, reading):
        """Return the same from the kernel: it has the ports that other programs have added, too.

        An existing bridge of the host (mode: bridge) remains when the network is stopped, with all its ports.
        """
        if not bridge or not self._is_of_this_kernel or values.read(root)["mode"] == BRIDGE:
            return set()
        uplinks = {one.get("dev") for one in (*root.findall("forward"), *root.findall("forward/interface"))}
        owners = {port: vm for vm, definition in reading.running for port in _ends_of(definition, "target", "dev")}
        device = f"/sys/class/net/{bridge}"
        ports = {*files.entries(f"{device}/brif")} - {f"{bridge}{_OWN_PORT}"} - uplinks
        # What is on top of the bridge, such as a macvtap or a VLAN, goes with it.
        ports |= {one.removeprefix(_ON_TOP) for one in files.entries(device) if one.startswith(_ON_TOP)}
        return {owners.get(port, port) for port in ports}

    def state(self, name, reading):
        """Return the NetworkState of a network, without what the host has besides it."""
        sides, information = reading.networks.get(name, {}), reading.information.get(name, {})
        reserved = {
            (mac, address): vm
            for vm, uuid, definition in reading.vms
            for source, mac, address in recorded(definition.mark, uuid)
            if source == name
        }
        return NetworkState(
            name,
            sides.get(tool.LIVE),
            sides.get(tool.CONFIG),
            information.get("Autostart") == "yes",
            self.guests(name, reading) if tool.LIVE in sides else (),
            tuple(sorted(vm for vm, _uuid, definition in reading.vms if name in _networks_of(definition))),
            reserved,
            bridges=self._bridges(name, reading),
        )

    @staticmethod
    def _bridges(name, reading):
        """Return {bridge: network} of all other networks that have created theirs."""
        return {
            root.find("bridge").get("name"): other
            for other, sides in reading.networks.items()
            for root in sides.values()
            if other != name and root.find("bridge") is not None and values.read(root)["mode"] != "bridge"
        }

    def interfaces(self):
        """Return {interface of this host: whether it is a bridge}; None if libvirt runs on another host."""
        if not self.is_local:
            return None
        links = self._ip("-d", "link")
        return {one["ifname"]: one.get("linkinfo", {}).get("info_kind") in _BRIDGES for one in links}

    def used(self, name, reading):
        """Return [(subnet, where)] of other networks, and of the interfaces and routes of this host."""
        others = [
            (ipaddress.ip_interface(address).network, f"{OF_NETWORK}{other}")
            for other, sides in reading.networks.items()
            for root in sides.values()
            for address in values.read(root)["addresses"]
            if other != name
        ]
        if not self.is_local:
            return tuple(others)
        own = {values.read(root)["bridge"] for root in reading.networks.get(name, {}).values()}
        return (*others, *((subnet, where) for subnet, interface, where in self._of_host() if interface not in own))

    def _of_host(self):
        for one in self._ip("address"):
            for address in one.get("addr_info", ()):
                interface = ipaddress.ip_interface(f"{address['local']}/{address['prefixlen']}")
                if not (interface.is_link_local or interface.is_loopback):
                    yield interface.network, one["ifname"], f"the interface {one['ifname']}"
        for route in [*self._ip("-4", "route"), *self._ip("-6", "route")]:
            subnet = None if route.get("dst") == "default" else _subnet(route.get("dst"))
            if subnet is not None and not (subnet.is_link_local or subnet.is_multicast):
                yield subnet, route.get("dev"), f"a route by {route.get('dev') or 'several interfaces'}"

    def _ip(self, *words):
        completed = self._commands.run([self._commands.find("ip", _INSTALL_IP), "-j", *words])
        if completed.rc != 0:
            raise PolyvirtError(f"ip {' '.join(words)} failed: {completed.stderr.strip()}", _INSTALL_IP)
        # Without IPv6, there is no output.
        return json.loads(completed.stdout or "[]")


def _subnet(text):
    try:
        return ipaddress.ip_network(text or "", strict=False)
    except ValueError:
        return None


def _networks_of(definition):
    """Return the names of the libvirt networks of the NICs in a definition."""
    sources = [nic.find("source") for nic in definition.interfaces() if nic.get("type") == "network"]
    return {one.get("network") for one in sources if one is not None}


def _ends_of(definition, tag, attribute):
    """Return the names of interfaces of the host at the NICs of a running VM: bridges, or those of the NICs."""
    ends = [nic.find(tag) for nic in definition.interfaces()]
    return {one.get(attribute) for one in ends if one is not None}


class NetworkHost(DefinedHost):
    def __init__(self, wanted, commands):
        super().__init__(wanted, connect(commands, wanted))
        self._commands, self._networks = commands, Networks(commands, self._virsh)

    def read(self):
        name, reading = self._wanted["name"], self._networks.read()
        state = self._networks.state(name, reading)
        may_start = self._wanted["state"] == ACTIVE and state.exists and state.running is None
        needs_used = self._wanted["addresses"] or self._wanted["routes"] or may_start
        used = self._networks.used(name, reading) if needs_used else ()
        needs_interfaces = self._wanted["bridge"] or self._wanted["mode"]
        interfaces = self._networks.interfaces() if needs_interfaces else None
        folder = self._wanted["tftp"] if self._networks.is_local else None
        has_tftp = files.is_folder(folder) if folder else None
        self._read = replace(state, used=used, interfaces=interfaces, has_tftp=has_tftp)
        return self._read

    def plan(self, state):
        steps, self._after = plan_network(self._wanted, state)
        definitions = {call[1] for step in steps for call in step.calls if call[0] == "net-define"}
        for text in definitions if self._wanted["native"] else ():
            self._check_native(text)
        return steps

    def _check_native(self, text):
        """Raise Refused if libvirt would not store a value of ``native``: its test driver needs no daemon."""
        copy = Definition(text)
        copy.set("name", _COPY)
        copy.remove("uuid")
        virsh = Virsh(self._commands, self._wanted["executable"], TEST_DRIVER)
        with files.private_folder() as folder:
            path = os.path.join(folder, "network.xml")
            files.write_atomically(path, copy.text().encode("utf-8", "surrogateescape"))
            try:
                defined, printed = virsh.batch([("net-define", path), ("net-dumpxml", _COPY)])
            except Unavailable:
                return  # This virsh has no test driver, so nothing is known.
        # An error is reported by the connection of the task, too.
        if not (defined.error or printed.error):
            native = self._wanted["native"]
            check_stored(
                self._wanted["name"],
                native,
                Definition(printed.stdout),
                lambda found, value: same_text(found, text_of(value)),
                _REFERENCE,
            )

    def facts(self, state, steps):
        after = state if self._after is None else self._after
        is_pending = needs_restart(state.name, steps)
        return {
            "restart_required": is_pending,
            "warnings": _warnings(state, after, is_pending, self._wanted["allow_restart"]),
            "network": shown_state(after) if after.exists else None,
            "in_use": {"running": list(state.guests), "defined": list(state.users)},
        }


def _warnings(state, after, is_pending, may_restart):
    warnings = restart_warnings("network", state, is_pending, may_restart)
    if not after.exists and state.users:
        warnings.append(f"{state.name}: these VMs are defined with the deleted network: {', '.join(state.users)}.")
    return warnings


# The info module ------------------------------------------------------------------------------------------------------


def report(params, _check):
    """Return the result of virsh_network_info."""
    commands = Commands()
    networks = Networks(commands, connect(commands, params))
    reading = networks.read()
    names = [name for name in sorted(reading.networks) if params["name"] in (None, name)]
    leases = networks.virsh.batch([("net-dhcp-leases", name) for name in names]) if names else ()
    return {"changed": False, "warnings": [], "networks": [
        _reported(networks.state(name, reading), answer) for name, answer in zip(names, leases)
    ]}  # fmt: skip


def _is_restart_required(state):
    return len({start_content(root) for root in (state.running, state.stored)}) > 1


def _reported(state, leases):
    return {
        **reported(state, _is_restart_required),
        "in_use": {"running": list(state.guests), "defined": list(state.users)},
        "reserved_by_vms": [
            {"mac": mac, "address": address, "vm": vm} for (mac, address), vm in sorted(state.reserved.items())
        ],
        "leases": [] if leases.error else output.all_leases(leases.stdout),
    }
