# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests with the host's tools run only in a world, where they cannot change the VMs and networks of the host."""

from __future__ import annotations

import os

import pytest


def require_world():
    """Fail outside of a world."""
    if "POLYVIRT_WORLD" not in os.environ:
        pytest.fail("This test would use the libvirt of the host. Run it with: scripts/test.sh run TEST", pytrace=False)
