# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parses the ARP table of a Linux host. Pure: text in, values out."""

from __future__ import annotations

#: Flag of a neighbour with a known MAC address (ATF_COM).
_COMPLETE = 0x2


def neighbours(text):
    """``/proc/net/arp`` as [(address, mac)], without neighbours that did not answer."""
    rows = [line.split() for line in text.splitlines()[1:]]
    return [(row[0], row[3].lower()) for row in rows if len(row) >= 6 and int(row[2], 16) & _COMPLETE]
