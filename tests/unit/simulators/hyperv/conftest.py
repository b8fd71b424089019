# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Hyper-V host with a VM, and how its commands are called."""

from __future__ import annotations

import pytest

from platforms.hyperv.caller import DISK, Caller
from platforms.hyperv.double.host import HyperV


@pytest.fixture
def host():
    return HyperV()


@pytest.fixture
def call(host):
    return Caller(host)


@pytest.fixture
def web(host):
    return host.add("web", disk=DISK)
