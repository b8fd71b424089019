# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ``virsh -q`` prints: lists, power states, addresses, consoles. Pure: text in, values out."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from typing import NamedTuple

from .._core.frozen import Frozen
from .._core.pattern import Pattern

_PADDED_NAME = 30
_MAC = r"[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2})+"
_ADDRESS_ROW = Pattern(
    rf"\s*(?P<interface>\S.*?)\s+(?:(?P<mac>{_MAC}|-)\s+)?(?:ipv4|ipv6)\s+(?P<address>\S+)/(?P<prefix>\d+)\s*\Z"
)
_SIZE_ROW = Pattern(r"\s*(\S+)\s+(\d+|-)\s+(\d+|-)\s+(?:\d+|-)\s*\Z")
_POWER = Pattern(r"(?P<state>.*?)(?: \((?P<reason>.*)\))?\Z")
_OWNER = Pattern(r"\+(\d+):\+(\d+)")
_LIBRARY = Pattern(r"^Using library: \S+ (\S+)$", re.MULTILINE)
_HYPERVISOR = Pattern(r"^Running hypervisor: (.+) \S+$", re.MULTILINE)


class Address(Frozen):
    """One address of a guest; ``mac`` is None if the source does not report it."""

    interface: str
    mac: str | None
    address: str
    prefix: int


class Versions(Frozen):
    """Either may be None: a session without a hypervisor binary names no hypervisor."""

    library: str | None
    hypervisor: str | None


def host_architecture(text):
    """``capabilities``: the architecture of the host in libvirt's terms; None if it is not reported."""
    return ET.fromstring(text).findtext("host/cpu/arch")


def guests(text):
    """``capabilities``: {architecture of guests that the host can run: their types, such as kvm}."""
    rows = ET.fromstring(text).findall("guest/arch")
    return {row.get("name"): frozenset(one.get("type") for one in row.findall("domain")) for row in rows}


def qemu_owner(text):
    """``capabilities``: (uid, gid) that QEMU runs with, written as ``+64055:+64055``; None if it is not reported."""
    label = ET.fromstring(text).findtext("host/secmodel[model='dac']/baselabel[@type='qemu']") or ""
    match = _OWNER.fullmatch(label)
    return (int(match[1]), int(match[2])) if match else None


def domains(text):
    """``list --all --uuid --name``: rows of ``UUID NAME``, as (uuid, name); a name can contain all but a line break.

    libvirt up to 6 pads names to 30 bytes. Then *every* row is that long; otherwise blanks at the end are the name's.
    """
    rows = [line.split(" ", 1) for line in _lines(text)]
    padded = all(len(name.encode("utf-8", "surrogateescape")) >= _PADDED_NAME for uuid, name in rows)
    return [(uuid, name.rstrip(" ") if padded else name) for uuid, name in rows]


def power(text):
    """``domstate --reason``: ``running (booted)`` as (state, reason); the reason is None when none is given."""
    match = _POWER.match(text.strip())
    return match["state"], match["reason"]


def addresses(text):
    """``domifaddr``: the addresses in order, loopback too.

    A row is ``eth0  52:54:00:66:59:1c  ipv4  192.168.122.222/24``; ``-  -  ipv6  fe80::1/64`` continues the interface
    above; an interface without addresses says ``N/A``. Windows interface names hold spaces.
    """
    found, interface, mac = [], None, None
    for line in _lines(text):
        match = _ADDRESS_ROW.match(line)
        if not match:
            continue
        if (match["interface"], match["mac"]) != ("-", "-"):
            interface, mac = match["interface"], match["mac"]
        found.append(Address(interface, mac, match["address"], int(match["prefix"])))
    return found


def block_sizes(text):
    """``domblkinfo --all``: rows of target, capacity, allocation, physical size, as {target: capacity in bytes}.

    An empty drive (``sda  -  -  -``) is None. virsh prints no row at all when the file of any disk is missing.
    """
    rows = filter(None, map(_SIZE_ROW.match, _lines(text)))
    return {row[1]: None if row[2] == "-" else int(row[2]) for row in rows}


def allocated_sizes(text):
    """``domblkinfo --all``: {target: bytes that the disk takes on the host}."""
    rows = filter(None, map(_SIZE_ROW.match, _lines(text)))
    return {row[1]: int(row[3]) for row in rows if row[3] != "-"}


def statistics(text):
    """``domstats``: lines such as ``  cpu.time=1234`` (nanoseconds, KiB), as {name: number}."""
    return {name: int(value) for name, value in re.findall(r"^ *([a-z0-9_.-]+)=(\d+)$", text, re.MULTILINE)}


def versions(text):
    """``version``: lines such as ``Using library: libvirt 9.0.0`` and ``Running hypervisor: QEMU 7.2.22``."""
    library = _LIBRARY.search(text)
    hypervisor = _HYPERVISOR.search(text)
    return Versions(
        library=library[1] if library else None,
        hypervisor=hypervisor[1] if hypervisor else None,
    )


def version_numbers(version):
    """``9.0.0`` as (9, 0), for comparing; an unknown version is older than every other."""
    return tuple(int(part) for part in version.split(".")[:2] if part.isdigit())


def key_values(text):
    """``dominfo``: ``Max memory:     8388608 KiB`` as {"Max memory": "8388608 KiB"}; an indented line continues one."""
    values, last = {}, None
    for line in _lines(text):
        if line.startswith(" ") and last is not None:
            values[last] += "\n" + line.strip()
            continue
        key, colon, value = line.partition(":")
        if colon:
            last = key
            values[key] = value.strip()
    return values


def snapshots(text):
    """``snapshot-list DOMAIN --name``: one name a line."""
    return _lines(text)


def names(text):
    """``net-list --name`` and the like: one name a line; old versions pad it, and no name ends with a blank."""
    return [line.rstrip(" ") for line in _lines(text)]


def all_leases(text):
    """``net-dhcp-leases``: date, time, MAC, protocol, address with prefix length, host name and client ID per line."""
    rows = [line.split() for line in _lines(text)]
    return [
        {
            "expires": f"{row[0]} {row[1]}",
            "mac": row[2],
            "address": row[4].partition("/")[0],
            "hostname": None if len(row) < 6 or row[5] == "-" else row[5],
        }
        for row in rows
        if len(row) >= 5 and row[3] in ("ipv4", "ipv6")
    ]


def filesystem_drivers(text):
    """``domcapabilities``: the drivers for shared directories (``path`` is 9p); none if it does not report them."""
    values = ET.fromstring(text).findall("devices/filesystem[@supported='yes']/enum[@name='driverType']/value")
    return {value.text for value in values}


def _lines(text):
    """Non-empty lines. Not splitlines(): a name may contain a line separator of Unicode."""
    return [line for line in text.split("\n") if line.strip()]


def log_paths(root):
    """Return the files of the serial ports and consoles in a definition (an element), the first port first."""
    ports = [*root.findall("devices/serial"), *root.findall("devices/console")]
    found = [path for port in ports for path in (_log(port), _file(port))]
    # libvirt lists the first serial port as a console too.
    return list(dict.fromkeys(path for path in found if path))


def _log(port):
    log = port.find("log")
    return None if log is None else log.get("file")


def _file(port):
    source = port.find("source") if port.get("type") == "file" else None
    return None if source is None else source.get("path")


_SOURCES = {"lease": (), "agent": ("--source", "agent"), "arp": ("--source", "arp")}


def questions(uuid, thoroughly):
    """{source: words of the call}: only leases, which are fast, or ``thoroughly`` all sources."""
    return {
        source: ("domifaddr", uuid, *words) for source, words in _SOURCES.items() if thoroughly or source == "lease"
    }


def reported(answers):
    """[(address, source, MAC)] without loopback and link-local ones: those that the host knows first, then IPv4.

    A guest can claim any address, and the first one is that to which others connect.
    ``answers`` is {source: Answer} and may contain others; missing or failed sources are ignored. If several sources
    report an address, the most reliable one is named: an ARP entry shows that the guest is alive, a lease does not.
    """
    found, known = {}, set()
    for source in reversed(list(_SOURCES)):
        answer = answers.get(source)
        for one in addresses(answer.stdout) if answer and not answer.error else ():
            if not one.address.startswith(("127.", "::1", "fe80:")):
                found.setdefault(one.address, (one.address, source, one.mac))
                known.update([one.address] if source != "agent" else ())
    return sorted(found.values(), key=lambda row: (row[0] not in known, ":" in row[0], row[0]))


#: Reasons of an unrequested pause, after which resuming would not help.
_BROKEN_PAUSES = ("I/O error", "watchdog", "crashed")
#: "migrating" is not listed: a VM restored as paused keeps this reason (libvirt 9.0.0).
_TEMPORARY_PAUSES = ("saving", "dumping", "creating snapshot", "creating", "starting up", "shutting down")


class State(NamedTuple):
    """``power`` is a power state of the power table, or ``unknown``; ``busy`` names a temporary state."""

    power: str
    busy: str | None
    reason: str


def state(answer, saved):
    """The State from an answer to ``domstate --reason``; ``saved``: its memory is on disk."""
    if answer.error:
        return State("unknown", None, answer.error)
    domain_state, reason = power(answer.stdout)
    reason = "" if reason in (None, "unknown") else reason
    if domain_state == "shut off":
        return State("suspended" if saved else "stopped", None, reason)
    if domain_state in ("running", "idle", "no state"):
        return State("running", None, reason)
    if domain_state == "in shutdown":
        return State("running", "stopping", reason)
    if domain_state == "paused" and reason in _BROKEN_PAUSES:
        return State("failed", None, reason)
    if domain_state == "paused":
        return State("paused", reason if reason in _TEMPORARY_PAUSES else None, reason)
    if domain_state == "crashed":
        return State("failed", None, reason or domain_state)
    return State("unknown", None, domain_state)
