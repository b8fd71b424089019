# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Port forwards, as entries of ``port_forwards``: their host ports, and SSH through them. Pure."""

from __future__ import annotations

from .._core.errors import Refused
from .._core.options.guest_conditions import forwarded


def check_host_ports(vm, forwards):
    """Reject a new forward without host_port, on platforms that do not choose a free port.

    ``forwards`` are {name: requested entry, or None to remove it}.
    """
    known = vm.config.get("port_forwards") or {}
    for name, entry in sorted(forwards.items()):
        if entry is not None and not entry.get("host_port") and name not in known:
            raise Refused(
                f"{vm.name}: port_forwards.{name}: host_port is not set, and this platform chooses no free port.",
                "Set host_port to a port of the host.",
            )


def ssh_through(forwards):
    """The connection to the guest's SSH port as {host, port, user, scope}; None if no forward leads there."""
    found = forwarded(forwards, 22)
    return None if found is None else {"host": found[0], "port": found[1], "user": None, "scope": "host"}
