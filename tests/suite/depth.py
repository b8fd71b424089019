# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which tests run: those of every day, with ``--turns`` also those whose turn it is, or with ``--deep`` all of them.

What a day leaves out (generated cases, places to kill a task) rotates: the day is the seed, so a week meets most of it.
The scenarios of all platforms take turns: two days have all of them, but for the slowest.
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
    parser.addoption("--turns", action="store_true", help="of tests that take turns, run only those of this day")
    # Ours is set in pyproject.toml, and would be an unknown option with -p no:cacheprovider.
    parser.addini("cache_dir", "cache directory path", default=".pytest_cache")


def pytest_report_header(config):
    return f"polyvirt: {'deep, ' if is_deep(config) else ''}POLYVIRT_TEST_SEED={seed()}"


#: The platforms whose scenarios run every day, and the one that is slowest: the number of its days.
EVERY_DAY, SLOWEST = "libvirt_test", {"virtualbox": 6}
#: The days in which the scenarios of the other platforms have their turns.
DAYS = 2


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config, items):
    if is_deep(config):
        return
    left_out = {item for item in items if item.get_closest_marker("deep")}
    if config.getoption("--turns"):
        left_out |= not_today([item for item in items if item not in left_out], seed())
    config.hook.pytest_deselected(items=[item for item in items if item in left_out])
    items[:] = [item for item in items if item not in left_out]


def not_today(items, day):
    """Those of ``items`` that have their turn on another day: every second, third … of those that take as many days."""
    in_turn = {}
    for item in items:
        in_turn.setdefault(days_of(item), []).append(item)
    return {item for days, some in in_turn.items() for place, item in enumerate(some) if place % days != day % days}


def days_of(item):
    """In how many days a test has its turn: 1 if it runs every day."""
    marker = item.get_closest_marker("rotated")
    names = [item.callspec.params.get(name) for name in ("platform_name", "aside")] if hasattr(item, "callspec") else []
    of_platforms = [SLOWEST.get(name, DAYS) for name in names if name and name != EVERY_DAY]
    return max([*of_platforms, *(marker.args if marker else ())], default=1)
