# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixed addresses of NICs."""

from __future__ import annotations

import ipaddress

from .._core.errors import Refused


def normalized_address(vm, address):
    """Return the address in normalized form, because an IPv6 address can be written in several ways."""
    try:
        return str(ipaddress.ip_address(address))
    except ValueError as error:
        raise Refused(
            f"{vm.name}: networks: '{address}' is not an IP address.",
            "Set one such as 192.168.56.10, without a prefix length.",
        ) from error
