# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The projects on which the driver's tests work."""

from __future__ import annotations

import os

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._ports import net

from unit.module_utils._drivers.vagrant.played import World


@pytest.fixture(autouse=True)
def _no_wait_for_the_disk(monkeypatch):
    """A power failure of the test host is nothing that these tests are about."""
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)


@pytest.fixture(autouse=True)
def _all_ports_are_free(monkeypatch):
    monkeypatch.setattr(net, "is_free", lambda *_any: True)


@pytest.fixture
def world(tmp_path):
    """VMs of a provider for which the collection has no tool of its own."""
    return World(tmp_path)


@pytest.fixture
def virtualbox_world(tmp_path):
    return World(tmp_path, "virtualbox")
