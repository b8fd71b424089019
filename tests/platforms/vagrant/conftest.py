# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures with a real Vagrant; if it is not available, tests that use them are skipped with the reason."""

from __future__ import annotations

import pytest

from platforms.vagrant import real


@pytest.fixture(scope="session")
def box():
    """The file of the fast test guest's box."""
    try:
        return real.build()
    except real.NotAvailable as reason:
        pytest.skip(f"not available: {reason}")


@pytest.fixture
def environment_of_its_own(box, tmp_path):
    """A real Vagrant without VMs and boxes."""
    assert box.exists()
    with real.Vagrant(tmp_path, "pvv-real") as found:
        yield found
