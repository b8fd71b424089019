# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures with the cluster of the driver's tests, and with a vendor of images."""

from __future__ import annotations

import pytest

from simulators.proxmox import invariants, worlds
from unit.module_utils._drivers.proxmox.vendor import Vendor


@pytest.fixture(name="world")
def _world():
    """The cluster of test_cases.py; at the end its state must be consistent."""
    world = worlds.with_cases()
    yield world
    assert world.tasks.crashes == []
    assert invariants.violations(world) == []
    # With both, the server overwrites a VM without a right on it.
    assert not [one for one in world.journal.requests if {"force", "pool"} <= set(one.params)]


@pytest.fixture(name="own_images")
def _own_images(monkeypatch, tmp_path):
    """The directory where the host of the task keeps images."""
    monkeypatch.setenv("POLYVIRT_IMAGE_DIRECTORY", str(tmp_path / "own"))
    return tmp_path / "own"


@pytest.fixture(name="vendor")
def _vendor(monkeypatch, own_images):
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    server = Vendor()
    server.publish()
    yield server
    server.close()
