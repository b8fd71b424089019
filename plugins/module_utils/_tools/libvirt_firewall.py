# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The firewall rules that libvirt leaves behind when its last network is stopped.

With the iptables backend these are the chains LIBVIRT_* and the rules that jump to them, with the nftables backend the
tables libvirt_network. A restart of the host removes them, too.
"""

from __future__ import annotations

PROGRAMS = ("iptables", "ip6tables")
TABLES = ("filter", "nat", "mangle")
_PREFIX = "LIBVIRT_"


def listing_argvs():
    """Return the commands that print the rules of each table, as ``removal`` expects them."""
    return {(program, table): [program, "-w", "-t", table, "-S"] for program in PROGRAMS for table in TABLES}


def removal(program, table, rules):
    """Return the commands that remove the rules to libvirt's chains, and then the chains."""
    lines = [line.split() for line in rules.splitlines()]
    chains = [words[1] for words in lines if words[:1] == ["-N"] and words[1].startswith(_PREFIX)]
    jumps = [words[1:] for words in lines if words[:1] == ["-A"] and _leads_in(words)]
    prefix = [program, "-w", "-t", table]
    return [
        *([*prefix, "-D", *words] for words in jumps),
        *([*prefix, "-F", chain] for chain in chains),
        *([*prefix, "-X", chain] for chain in chains),
    ]


def _leads_in(words):
    """Whether a rule of a chain that is not libvirt's jumps to one of libvirt's."""
    target = words[words.index("-j") + 1] if "-j" in words[:-1] else ""
    return target.startswith(_PREFIX) and not words[1].startswith(_PREFIX)
