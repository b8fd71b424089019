# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cluster on which the driver's tests work."""

from __future__ import annotations

import pytest

from simulators.proxmox import invariants, worlds


@pytest.fixture(name="world")
def _world():
    """The cluster of the cases; at the end it must be sound."""
    world = worlds.with_cases()
    yield world
    assert world.tasks.crashes == []
    assert invariants.violations(world) == []
