# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks that wait on the platform in memory, and probes of its guests."""

from __future__ import annotations

from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Policy, Request
from ansible_collections.polyvirt.core.plugins.module_utils._engine import task

from unit.module_utils._engine.world import Machine

#: The SSH address of a guest behind NAT.
FORWARD = {"host": "127.0.0.1", "port": 2222, "user": "me", "key_file": None, "scope": "host"}


def ask(name, state, **policy):
    return Request(name, state=state, policy=Policy(**policy))


def carry_out(world, *requests, probe=None, check=False):
    return task.run(world, requests, check, clock=world.clock, probe=probe)


def running(name="web", **behaviour):
    return Machine(name, f"id-{name}", power="running", **behaviour)


def answers(world, *endpoints):
    """A probe: ``endpoints`` are (host, from second)."""
    asked = []

    def probe(host, port, what):
        asked.append((host, port, what))
        return any(host == known and world.clock.now() >= since for known, since in endpoints)

    probe.asked = asked
    return probe
