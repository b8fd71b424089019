# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host's table of neighbours, as Linux tells it. Pure: text in, values out."""

from __future__ import annotations

_COMPLETE = 0x2


def neighbours(text):
    """``/proc/net/arp`` as [(address, mac)]; those that did not answer are left out."""
    rows = [line.split() for line in text.splitlines()[1:]]
    return [(row[0], row[3].lower()) for row in rows if len(row) >= 6 and int(row[2], 16) & _COMPLETE]
