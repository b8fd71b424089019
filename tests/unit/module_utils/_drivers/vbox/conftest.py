# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixture: a simulated VirtualBox for the tests of the driver."""

from __future__ import annotations

import pytest

from unit.module_utils._drivers.vbox.in_process import virtualbox


@pytest.fixture(name="vbox")
def _vbox():
    with virtualbox() as vbox:
        yield vbox
