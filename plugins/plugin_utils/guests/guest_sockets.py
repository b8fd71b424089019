# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parse the output of ss, netstat or sockstat: which programs of a guest listen on which ports. Pure."""

from __future__ import annotations

import re

#: How the tools print "all addresses".
_ALL = ("*", "0.0.0.0", "::", "")  # noqa: S104 # It is read, not bound to.


def services(text):
    """Return [{protocol, address, port, process}] sorted; None if the guest has none of the tools."""
    if not text.strip():
        return None
    found = {}
    for line in text.splitlines():
        one = _entry(line.split(), line)
        if one:
            key = one["protocol"], one["port"], one["address"]
            found[key] = found.get(key) or one
    return [found[key] for key in sorted(found)]


def _entry(columns, line):
    for pattern in (_of_ss, _of_netstat, _of_sockstat):
        one = pattern(columns, line)
        if one is not None:
            return one
    return None


def _of_ss(columns, line):
    # tcp LISTEN 0 128 0.0.0.0:22 0.0.0.0:* users:(("sshd",pid=700,fd=3))
    if len(columns) < 6 or columns[0] not in ("tcp", "udp") or columns[1] not in ("LISTEN", "UNCONN"):
        return None
    process = re.search(r'users:\(\("([^"]+)"', line)
    return _service(columns[0], columns[4], process and process[1])


def _of_netstat(columns, line):
    # tcp 0 0 0.0.0.0:22 0.0.0.0:* LISTEN 700/sshd (Linux); tcp 0 0 *.22 *.* LISTEN (OpenBSD)
    if len(columns) < 5 or not re.fullmatch(r"(tcp|udp)[46]?", columns[0]) or not columns[1].isdigit():
        return None
    listens = "LISTEN" in columns or (columns[0].startswith("udp") and columns[4].endswith("*"))
    process = re.match(r"\d+/([^\s:]+)", columns[-1])
    return _service(columns[0][:3], columns[3], process and process[1]) if listens else None


def _of_sockstat(columns, line):
    # root sshd 700 3 tcp4 *:22 *:*
    if len(columns) < 7 or not re.fullmatch(r"(tcp|udp)(4|6|46)", columns[4]):
        return None
    return _service(columns[4][:3], columns[5], columns[1].strip("?"))


def _service(protocol, address_and_port, process):
    found = re.fullmatch(r"(.*)[.:](\d+)", address_and_port)
    if found is None:
        return None
    address, port = found.groups()
    address = re.sub(r"%[^\]]*", "", address).strip("[]")
    return {
        "protocol": protocol,
        "address": None if address in _ALL else address,
        "port": int(port),
        "process": process or None,
    }
