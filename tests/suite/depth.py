# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which tests run: those of every day, or with ``--deep`` all of them.

What a day leaves out (generated cases, places to kill a task) rotates: the day is the seed, so a week meets most of it.
``POLYVIRT_TEST_SEED`` repeats another day.
"""

from __future__ import annotations

import datetime
import os
import random

import pytest


def seed():
    """The seed of this run: a number, by default the day."""
    return int(os.environ.get("POLYVIRT_TEST_SEED") or datetime.date.today().strftime("%Y%m%d"))


def is_deep(config):
    return config.getoption("--deep")


def share(config, items, count):
    """All ``items`` in a deep run, else ``count`` of them in their order, chosen by the seed."""
    items = list(items)
    if is_deep(config) or len(items) <= count:
        return items
    chosen = set(random.Random(seed()).sample(range(len(items)), count))
    return [item for number, item in enumerate(items) if number in chosen]


def pytest_addoption(parser):
    parser.addoption("--deep", action="store_true", help="run all tests, those that are left out every day too")
    # Ours is set in pyproject.toml, and would be an unknown option with -p no:cacheprovider.
    parser.addini("cache_dir", "cache directory path", default=".pytest_cache")


def pytest_report_header(config):
    return f"polyvirt: {'deep, ' if is_deep(config) else ''}POLYVIRT_TEST_SEED={seed()}"


#: The real platform of which one day takes a sixth of the scenarios, and of the tests marked ``rotated``: it is the
#: slowest. Its double has all scenarios every day.
ROTATED, SHARE = "virtualbox", 6


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config, items):
    if is_deep(config):
        return
    scenarios = [item for item in items if _is_rotated(item)]
    # A single test that somebody asks for runs.
    kept = scenarios if len(scenarios) < SHARE else share(config, scenarios, len(scenarios) // SHARE)
    left_out = {*scenarios} - {*kept} | {item for item in items if item.get_closest_marker("deep")}
    config.hook.pytest_deselected(items=[item for item in items if item in left_out])
    items[:] = [item for item in items if item not in left_out]


def _is_rotated(item):
    if item.get_closest_marker("rotated"):
        return True
    return hasattr(item, "callspec") and ROTATED in map(item.callspec.params.get, ("platform_name", "aside"))
