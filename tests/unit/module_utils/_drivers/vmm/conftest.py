# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The OpenBSD host of the tests of the vmd driver."""

from __future__ import annotations

import pytest

from unit.module_utils._drivers.vmm.in_process import openbsd


@pytest.fixture(name="host")
def _host():
    with openbsd() as host:
        yield host
