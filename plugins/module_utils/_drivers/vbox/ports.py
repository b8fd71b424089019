# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Choosing the host's ports for rules that name none."""

from __future__ import annotations

import hashlib
import threading

from ..._lifecycle.errors import Refused
from ..._ports import net

#: Chosen ports: above those of services, below those that systems give to outgoing connections.
_FIRST_PORT, _PORTS = 20000, 10000


class HostPorts:
    """What a task chose for its machines: no two of them, worked on at once, are given the same."""

    def __init__(self):
        self._lock = threading.Lock()
        self._chosen = {}

    def choose(self, sight, rule, taken):
        """A port that is free, and none of ``taken``. The same machine's rule is given the same one again.

        Each machine begins to look at a place of its own: so two tasks at once seldom choose the same.
        """
        own = (sight.uuid, rule.name)
        begin = int(hashlib.sha256(" ".join(own).encode("utf-8", "surrogateescape")).hexdigest(), 16)
        with self._lock:
            taken = taken | {port for key, port in self._chosen.items() if key != own}
            for step in range(_PORTS):
                port = _FIRST_PORT + (begin + step) % _PORTS
                if port not in taken and net.is_free(rule.host_address, port, rule.protocol):
                    self._chosen[own] = port
                    return port
        raise Refused(f"{sight.values['name']}: no port of the host is free for {rule.name}.", "Name a host_port.")
