# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``ifconfig``, ``netstart`` and ``arp``."""

from __future__ import annotations

import ipaddress
import re

from .options import Failure

_FLAGS = {
    "UP": 0x1,
    "BROADCAST": 0x2,
    "LOOPBACK": 0x8,
    "RUNNING": 0x40,
    "SIMPLEX": 0x800,
    "LINK1": 0x2000,
    "MULTICAST": 0x8000,
}
CLONED = ("aggr", "bridge", "lo", "pair", "tap", "trunk", "tun", "veb", "vether", "vlan", "vport", "wg")
_NEW_FLAGS = ["BROADCAST", "SIMPLEX", "MULTICAST"]


def kind_of(name):
    return re.sub("[0-9]+$", "", name)


def ifconfig(world, words):
    if not words or words in (["-a"], ["-A"]):
        return 0, _listed(world), ""
    name, *rest = words
    if not re.search("[0-9]$", name):
        return 0, _listed(world, group=name), ""
    if rest and rest != ["addr"] and world.host.uid:
        raise Failure(
            f"ifconfig: {'SIOCIFCREATE' if rest == ['create'] else 'SIOCSIFFLAGS'}: Operation not permitted\n"
        )
    with world.vmd() as vmd:
        interfaces = vmd.state["interfaces"]
        if rest[:1] == ["create"]:
            _create(interfaces, name)
            rest = rest[1:]
        elif name not in interfaces:
            if not rest or kind_of(name) not in CLONED:
                raise Failure(f"ifconfig: {name}: no such interface\n")
            # ifconfig creates a missing interface before it changes it, if interfaces of this kind can be created.
            _create(interfaces, name)
        elif not rest:
            return 0, _block(interfaces, name), ""
        elif rest == ["addr"]:
            return 0, _learned(vmd, name), ""
        _Change(interfaces, name).apply(rest)
    return 0, "", ""


def _create(interfaces, name):
    if name in interfaces:
        raise Failure("ifconfig: SIOCIFCREATE: File exists\n")
    if kind_of(name) not in CLONED:
        raise Failure("ifconfig: SIOCIFCREATE: Invalid argument\n")
    number = len(interfaces)
    interfaces[name] = {"flags": list(_NEW_FLAGS), "inet": [], "groups": [kind_of(name)]}
    if kind_of(name) in ("bridge", "veb"):
        interfaces[name]["members"] = []
    elif kind_of(name) != "lo":
        interfaces[name]["lladdr"] = f"fe:e1:ba:d0:00:{number:02x}"


class _Change:
    """The arguments after the name of an interface."""

    def __init__(self, interfaces, name):
        self.interfaces, self.name = interfaces, name

    @property
    def own(self):
        return self.interfaces[self.name]

    def apply(self, words):
        words = list(words)
        while words:
            word = words.pop(0)
            if word in ("up", "down"):
                self._set_up(word == "up")
            elif word in ("link1", "-link1"):
                kept = [flag for flag in self.own["flags"] if flag != "LINK1"]
                self.own["flags"] = [*kept, "LINK1"] if word == "link1" else kept
            elif word == "destroy":
                self._destroy()
                return
            elif word in ("add", "del", "delete") and "members" in self.own and words:
                self._member(words.pop(0), word == "add")
            elif word in ("inet", "alias", "autoconf"):
                continue
            elif word in ("-inet", "delete", "-alias", "-autoconf"):
                self._remove_address(words)
            elif re.match(r"[0-9]+\.", word):
                self._address(word, words)
            else:
                self._value(word, words)

    def _value(self, word, words):
        if word == "-description":
            self.own.pop("description", None)
        elif word in ("description", "lladdr", "rdomain", "mtu", "group") and words:
            value = words.pop(0)
            if word == "group":
                self.own["groups"].append(value)
            else:
                self.own[word] = value
        else:
            raise Failure(f"ifconfig: {word}: bad value\n")

    def _set_up(self, is_up):
        kept = [flag for flag in self.own["flags"] if flag not in ("UP", "RUNNING")]
        self.own["flags"] = ["UP", "RUNNING", *kept] if is_up else kept

    def _destroy(self):
        if kind_of(self.name) not in CLONED:
            raise Failure("ifconfig: SIOCIFDESTROY: Invalid argument\n")
        self.interfaces.pop(self.name)
        for other in self.interfaces.values():
            if self.name in other.get("members", []):
                other["members"].remove(self.name)

    def _member(self, member, is_added):
        if member not in self.interfaces:
            raise Failure(f"ifconfig: {self.name}: {member}: No such file or directory\n")
        holders = [name for name, one in self.interfaces.items() if member in one.get("members", [])]
        if is_added and holders:
            text = "File exists" if self.name in holders else "Device busy"
            raise Failure(f"ifconfig: {self.name}: {member}: {text}\n")
        if is_added:
            self.own["members"].append(member)
        elif self.name in holders:
            self.own["members"].remove(member)
        else:
            raise Failure(f"ifconfig: {self.name}: {member}: No such process\n")

    def _address(self, word, words):
        address, slash, length = word.partition("/")
        if not slash:
            if words[:1] == ["netmask"]:
                words.pop(0)
            length = _length(words.pop(0)) if words and re.match(r"(0x|255)", words[0]) else 8
        try:
            found = ipaddress.ip_interface(f"{address}/{length}")
        except ValueError:
            raise Failure(f"ifconfig: {word}: bad value\n") from None
        entry = [str(found.ip), found.network.prefixlen]
        self.own["inet"] = [one for one in self.own["inet"] if one[0] != entry[0]] + [entry]
        if words[:1] == ["delete"]:
            words.pop(0)
            self.own["inet"].remove(entry)
        self._set_up(True)

    def _remove_address(self, words):
        if words and re.match(r"[0-9]+\.", words[0]):
            address = words.pop(0).partition("/")[0]
            self.own["inet"] = [one for one in self.own["inet"] if one[0] != address]
        else:
            self.own["inet"] = []


def _length(mask):
    if mask.startswith("0x"):
        return bin(int(mask, 16)).count("1")
    return ipaddress.ip_network(f"0.0.0.0/{mask}").prefixlen


# Lists ----------------------------------------------------------------------------------------------------------------


def _listed(world, group=None):
    with world.vmd() as vmd:
        interfaces = vmd.state["interfaces"]
        names = [name for name, one in interfaces.items() if group is None or group in one["groups"]]
        if group and not names:
            raise Failure(f"ifconfig: {group}: no such interface\n")
        return "".join(_block(interfaces, name) for name in names)


def _block(interfaces, name):
    one = interfaces[name]
    flags = [flag for flag in _FLAGS if flag in one["flags"]]
    number = sum(_FLAGS[flag] for flag in flags)
    index = list(interfaces).index(name) + 1
    lines = [f"{name}: flags={number:x}<{','.join(flags)}> mtu {one.get('mtu', 1500)}"]
    lines += [f"\tlladdr {one['lladdr']}"] if one.get("lladdr") else []
    lines += [f"\tdescription: {one['description']}"] if one.get("description") else []
    lines.append(f"\tindex {index} llprio 3" if "members" in one else f"\tindex {index} priority 0 llprio 3")
    lines.append(f"\tgroups: {' '.join(one['groups'])}")
    if "members" in one:
        for member in one["members"]:
            port = list(interfaces).index(member) + 1
            lines += [f"\t{member} flags=3<LEARNING,DISCOVER>", f"\t\tport {port} ifpriority 0 ifcost 0"]
    else:
        lines.append(f"\tstatus: {'active' if 'RUNNING' in flags else 'no carrier'}")
    lines += [_address_line(*entry) for entry in one["inet"]]
    return "".join(f"{line}\n" for line in lines)


def _address_line(address, length):
    network = ipaddress.ip_network(f"{address}/{length}", strict=False)
    line = f"\tinet {address} netmask 0x{int(network.netmask):08x}"
    is_broad = length < 31 and not network.is_loopback
    return f"{line} broadcast {network.broadcast_address}" if is_broad else line


def _learned(vmd, name):
    """The MAC addresses of guests that a bridge has learned."""
    members = vmd.state["interfaces"][name].get("members", [])
    seen = [(nic["lladdr"], tap) for vm in vmd.guests.running() for tap, nic in zip(vm["taps"], vm["interfaces"])]
    return "".join(f"\t\t{address} {tap} 1 flags=0<>\n" for address, tap in seen if tap in members)


_ARP = "{:<36} {:<17} {:>7} {:<10} {}\n"


def arp(world, words):
    with world.vmd() as vmd:
        own = [(one["inet"][0][0], one["lladdr"], name) for name, one in vmd.state["interfaces"].items()
               if one["inet"] and one.get("lladdr") and "tap" not in one["groups"]]  # fmt: skip
        rows = [(*entry, "permanent", "l") for entry in own] + [(*entry, "19m57s", "") for entry in vmd.state["arp"]]
    wanted = [word for word in words if not word.startswith("-")]
    if wanted:
        rows = [row for row in rows if row[0] == wanted[0]]
        if not rows:
            return 1, "", f"arp: {wanted[0]} ({wanted[0]}) -- no entry\n"
    text = _ARP.format("Host", "Ethernet Address", "Netif", "Expire", "Flags")
    return 0, text + "".join(_ARP.format(*row).replace(" \n", "\n") for row in rows), ""


_ROUTE = "{:<18} {:<18} {:<5} {:>6} {:>8} {:>5}  {:>4} {}\n"


def netstat(world, words):
    """``netstat -rnf inet``: the networks of the interfaces, and ``routes`` of the state, each [network, interface]."""
    if words != ["-rnf", "inet"]:
        raise Failure("usage: netstat -r [-n] [-f address_family]\n")
    state = world.state.look()
    rows = [(f"{address}/{length}", name, "UCn") for name, one in state["interfaces"].items()
            for address, length in one["inet"]]  # fmt: skip
    rows += [(network, name, "UGS") for network, name in state.get("routes", ())]
    text = "Routing tables\n\nInternet:\n"
    text += _ROUTE.format("Destination", "Gateway", "Flags", "Refs", "Use", "Mtu", "Prio", "Iface")
    for network, name, flags in [("default", "em0", "UGS"), *rows]:
        text += _ROUTE.format(_shortened(network), "192.168.1.1", flags, 0, 0, "-", 8, name)
    return 0, text, ""


def _shortened(text):
    """A network in the form of routing tables (10.50.0/24), or the complete address of a single host."""
    if text == "default":
        return text
    network = ipaddress.ip_network(text, strict=False)
    if network.prefixlen == network.max_prefixlen:
        return str(network.network_address)
    octets = -(-network.prefixlen // 8)
    return f"{'.'.join(str(network.network_address).split('.')[:octets])}/{network.prefixlen}"


# netstart -------------------------------------------------------------------------------------------------------------


def netstart(world, words):
    """``sh /etc/netstart IF...``: configure interfaces from their hostname.if files."""
    if world.host.uid:
        return 1, "", "netstart: need root privileges\n"
    err = ""
    for name in words:
        path = f"/etc/hostname.{name}"
        if not world.host.exists(path):
            err += f"netstart: {path}: No such file or directory.\n"
            continue
        if name not in world.state.look()["interfaces"]:
            err += _quiet(world, [name, "create"])
        for line in world.host.read(path).splitlines():
            pieces = line.partition("#")[0].split()
            if pieces and not pieces[0].startswith("!"):
                err += _quiet(world, [name, *pieces])
    return 0, "", err


def _quiet(world, words):
    """Run ifconfig for one line; returns its error text, because a failure does not end the script."""
    try:
        ifconfig(world, words)
    except Failure as failure:
        return failure.text
    return ""
