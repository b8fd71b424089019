# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A domain's addresses from all sources of libvirt: DHCP leases, the guest agent, the host's ARP table."""

from __future__ import annotations

from .virsh_output import addresses

_SOURCES = {"lease": (), "agent": ("--source", "agent"), "arp": ("--source", "arp")}


def questions(uuid, thoroughly):
    """{source: words of the call}: only leases, which are fast, or ``thoroughly`` all sources."""
    return {
        source: ("domifaddr", uuid, *words) for source, words in _SOURCES.items() if thoroughly or source == "lease"
    }


def reported(answers):
    """[(address, source, MAC)] without loopback and link-local ones, IPv4 first.

    ``answers`` is {source: Answer} and may contain others; missing or failed sources are ignored. If several sources
    report an address, the most reliable one is named: an ARP entry shows that the guest is alive, a lease does not.
    """
    found = {}
    for source in reversed(list(_SOURCES)):
        answer = answers.get(source)
        for one in addresses(answer.stdout) if answer and not answer.error else ():
            if not one.address.startswith(("127.", "::1", "fe80:")):
                found.setdefault(one.address, (one.address, source, one.mac))
    return sorted(found.values(), key=lambda row: (":" in row[0], row[0]))
