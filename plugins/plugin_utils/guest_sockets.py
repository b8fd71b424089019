# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which programs of a guest listen, from what ss, netstat or sockstat prints. Pure."""

from __future__ import annotations

import re

#: Addresses of programs that listen on all of them.
_ALL = ("*", "0.0.0.0", "::", "")  # noqa: S104 # It is read, not bound to.


def services(text):
    """[{protocol, address, port, process}] sorted by port; None where the guest has no tool that lists them."""
    if not text.strip():
        return None
    found = {}
    for line in text.splitlines():
        one = _entry(line.split(), line)
        if one:
            key = one["protocol"], one["port"], one["address"]
            found[key] = found.get(key) or one
    return [found[key] for key in sorted(found)]


def _entry(words, line):
    for pattern in (_of_ss, _of_netstat, _of_sockstat):
        one = pattern(words, line)
        if one is not None:
            return one
    return None


def _of_ss(words, line):
    # tcp LISTEN 0 128 0.0.0.0:22 0.0.0.0:* users:(("sshd",pid=700,fd=3))
    if len(words) < 6 or words[0] not in ("tcp", "udp") or words[1] not in ("LISTEN", "UNCONN"):
        return None
    process = re.search(r'users:\(\("([^"]+)"', line)
    return _service(words[0], words[4], process and process[1])


def _of_netstat(words, line):
    # tcp 0 0 0.0.0.0:22 0.0.0.0:* LISTEN 700/sshd (Linux); tcp 0 0 *.22 *.* LISTEN (OpenBSD)
    if len(words) < 5 or not re.fullmatch(r"(tcp|udp)[46]?", words[0]) or not words[1].isdigit():
        return None
    listens = "LISTEN" in words or (words[0].startswith("udp") and words[4].endswith("*"))
    process = re.match(r"\d+/([^\s:]+)", words[-1])
    return _service(words[0][:3], words[3], process and process[1]) if listens else None


def _of_sockstat(words, line):
    # root sshd 700 3 tcp4 *:22 *:*
    if len(words) < 7 or not re.fullmatch(r"(tcp|udp)(4|6|46)", words[4]):
        return None
    return _service(words[4][:3], words[5], words[1].strip("?"))


def _service(protocol, place, process):
    found = re.fullmatch(r"(.*)[.:](\d+)", place)
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
