# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the platform in memory can do."""

from __future__ import annotations

from ansible_collections.polyvirt.core.plugins.module_utils._core.model import (
    LIVE,
    POWER_OFF,
    RUNNING,
    STOPPED,
    Field,
    Traits,
)

TRAITS = Traits(
    platform="toy",
    powers=frozenset({STOPPED, RUNNING}),
    verbs=frozenset({"create", "configure", "start", "stop", "kill", "delete"}),
    fields={
        "cpus": Field(cost=POWER_OFF, minimum=1, maximum=8),
        "memory": Field(cost=POWER_OFF),
        "description": Field(cost=LIVE),
        "fleet": Field(cost=LIVE),
        "owner": Field(cost=LIVE),
        "expires": Field(cost=LIVE),
        "image": Field(),
        "watchdog": Field(cost=POWER_OFF),
        "watchdog.model": Field(cost=POWER_OFF),
        "watchdog.action": Field(cost=LIVE),
    },
    sources=("image",),
    defaults={"cpus": 1, "memory": 1 << 30},
)
