# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixture with the cluster of the driver's tests."""

from __future__ import annotations

import pytest

from simulators.proxmox import invariants, worlds


@pytest.fixture(name="world")
def _world():
    """The cluster of test_cases.py; at the end its state must be consistent."""
    world = worlds.with_cases()
    yield world
    assert world.tasks.crashes == []
    assert invariants.violations(world) == []
