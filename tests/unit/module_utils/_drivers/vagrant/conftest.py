# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures: projects for the tests of the Vagrant driver."""

from __future__ import annotations

import os

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._ports import net

from unit.module_utils._drivers.vagrant.in_process import World


@pytest.fixture(autouse=True)
def _no_fsync(monkeypatch):
    """Replace fsync, because these tests are not about power failures of the host."""
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)


@pytest.fixture(autouse=True)
def _all_ports_are_free(monkeypatch):
    monkeypatch.setattr(net, "is_free", lambda *_any: True)


@pytest.fixture
def world(tmp_path):
    """A project with a provider for which the collection has no tool."""
    return World(tmp_path)


@pytest.fixture
def virtualbox_world(tmp_path):
    return World(tmp_path, "virtualbox")


@pytest.fixture
def libvirt_world(tmp_path):
    """A project with the provider libvirt, on a host with virsh."""
    return World(tmp_path, "libvirt", virsh=True)
