# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Generated tasks with two to five VMs that share files, MAC addresses, ports, names or ids, on every platform."""

from __future__ import annotations

import pytest

from platforms.benches import WITH_LISTS
from suite import lists
from suite.pairs import number_of_pairs

pytestmark = pytest.mark.full


@pytest.mark.parametrize("bench", WITH_LISTS)
def test_generated_lists(ground, bench):
    number = number_of_pairs(bench.list_count, bench.at_most)
    lists.assert_all_true(number, lambda place: bench.opened(place, ground))
