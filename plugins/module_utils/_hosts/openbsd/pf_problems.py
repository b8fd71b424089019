# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the loaded rules of pf keep guests apart and translate their addresses, once those of the role are loaded."""

from __future__ import annotations

import ipaddress

from ..._ports import files
from ..._tools import openbsd_network as net
from ..._tools.pf_rules import Packets, passed_by, rules, skipped, without_nat

ANCHOR = "polyvirt_vmm"
#: Networks that isolated guests cannot reach, next to those of the host; also in roles/vmm_network/vars.
_PRIVATE = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16")
_EVERYWHERE = ipaddress.ip_network("0.0.0.0/0")


def pf_problems(host, wanted, subnet):
    """Return {isolation_problems, nat_problems}: the rules that pass packets of isolated guests, or without NAT."""
    guests = subnet or net.network(host.configuration.prefix)
    if wanted["state"] == "absent" or wanted["mode"] == "bridged" or guests is None:
        return {"isolation_problems": [], "nat_problems": []}
    inside = ["tap"] if wanted["mode"] == "local" else ["tap", wanted["host_interface"]]
    blocked = [(name, net.network(one)) for name in inside for one in dict.fromkeys((*_PRIVATE, *host.lan(wanted)))]
    evaluated = _evaluated(host, [f"block drop in on {name} inet from {guests} to {one}" for name, one in blocked])
    lost = without_nat(evaluated, Packets("out", "egress", guests, _EVERYWHERE, host.interfaces))
    found = {}
    for name, one in blocked if wanted["filter"] else ():
        rule = passed_by(evaluated, Packets("in", name, guests, one, host.interfaces))
        found.update({} if rule is None else {rule: f"packets from {guests} to {one} on {name}"})
    skip = skipped(files.read_latin1(host.file("pf.conf")) or "", inside) if wanted["filter"] else ()
    return {
        "isolation_problems": [
            *(f"pf.conf takes {name} from pf: set skip on {name}" for name in skip),
            *(f"{where}: {f'passed by {rule}' if rule else 'no rule blocks them'}" for rule, where in found.items()),
        ],
        "nat_problems": [lost] if lost else [],
    }


def _evaluated(host, planned):
    """Return the Rules; those of the role are ``planned`` if they are not loaded, in an anchor called at the end."""
    lines = host.main_rules.splitlines()
    if not net.calls_anchor(host.main_rules, ANCHOR):
        lines.append(f'anchor "{ANCHOR}" all')

    def read(name):
        found = host.anchor_rules(name)
        is_loaded = any(line.startswith("block ") for line in found)
        return found if name != ANCHOR or is_loaded else planned

    return rules(lines, ANCHOR, read)
