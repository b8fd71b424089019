# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests that run in parallel have files with the same paths on their simulated hosts, so each process has its locks."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._ports import exclusive


@pytest.fixture(autouse=True, scope="session")
def _own_locks(tmp_path_factory):
    before, exclusive._OF_ROOT = exclusive._OF_ROOT, (str(tmp_path_factory.mktemp("locks")),)
    yield
    exclusive._OF_ROOT = before
