# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which tests run: all but those marked ``deep``, with ``--turns`` also without those of other days; with --deep all.

A daily run chooses a part of the generated cases and of the calls at which a task is killed. The day is the seed of
this choice, so a week covers most of them. The scenarios of most platforms are distributed over twelve days, those of
libvirt's test driver over four, and other tests with guests of QEMU over six; if libvirt's driver or what all drivers
share has changed, over half as many. The tests of drivers, parsers, simulators and plugins take three days, or one
day if what they test has changed (subjects.py).
The first process of a run fixes the seed; ``POLYVIRT_TEST_SEED`` repeats that of another run.
"""

from __future__ import annotations

import datetime
import os
import random

import pytest

from . import subjects

SEED = "POLYVIRT_TEST_SEED"


def seed():
    """The seed of this run, a number: the same in each of its processes, whatever their clocks say."""
    return int(os.environ[SEED])


def fix_seed():
    """Fix the seed for this process and those that it starts: by default the day, unless it is already fixed."""
    if not os.environ.get(SEED):
        os.environ[SEED] = datetime.date.today().strftime("%Y%m%d")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config):
    # A worker inherits it. One without a seed must not choose its own.
    if not hasattr(config, "workerinput"):
        fix_seed()
    # Cases of hypothesis, too. With a seed, it repeats none that it found on this machine before.
    if config.getoption("hypothesis_seed", None) is None:
        config.option.hypothesis_seed = seed()


def day_of(number):
    """The day of a seed: consecutive days have consecutive numbers, also from one month to the next."""
    try:
        return datetime.datetime.strptime(str(number), "%Y%m%d").toordinal()
    except ValueError:  # A seed that is no date.
        return number


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
    parser.addoption("--days", type=int, default=1, help="with --turns: run each test on one day of so many")
    parser.addoption("--in-full", action="append", default=[], help="tests of files with such a path take no turns")
    # pyproject.toml sets this option, which would be unknown with -p no:cacheprovider.
    parser.addini("cache_dir", "cache directory path", default=".pytest_cache")


def pytest_report_header(config):
    return f"polyvirt: {'deep, ' if is_deep(config) else ''}{SEED}={seed()} repeats the choice of this run"


#: The number of days for the scenarios of each platform, and on libvirt's test driver, the fastest.
DAYS, OTHER_DAYS = 12, {"libvirt_test": 4}
#: The number of days for tests with guests of QEMU that are not scenarios of all platforms.
DAYS_OF_GUESTS = 6
#: All tests that take turns in this run, those of other days too.
IN_TURN = pytest.StashKey()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config, items):
    if is_deep(config):
        return
    left_out = {item for item in items if item.get_closest_marker("deep")}
    if config.getoption("--turns"):
        in_turn = [item for item in items if item not in left_out and not in_full(config, item)]
        config.stash[IN_TURN] = in_turn
        left_out |= not_today(in_turn, day_of(seed()), config.getoption("--days"))
    config.hook.pytest_deselected(items=[item for item in items if item in left_out])
    # The slowest first: a worker that begins one at the end keeps the others waiting.
    items[:] = sorted((item for item in items if item not in left_out), key=lambda item: not is_slow(item.path))


def without_turn(session):
    """The tests of this run, with those of other days, that have no turn within twelve days when a year ends."""
    items = session.config.stash.get(IN_TURN, None) or session.items
    dates = [datetime.date(2026, 12, 25) + datetime.timedelta(number) for number in range(12)]
    distributed = _groups(items)
    left_out = set(items).intersection(*(_left_out(distributed, day_of(date.strftime("%Y%m%d"))) for date in dates))
    return [item for item in items if item in left_out]


def is_slow(path):
    """Whether a file has tests that take much longer than others: plays of whole roles and playbooks."""
    return path.parent.name in ("roles", "playbooks")


def in_full(config, item):
    """Whether a test takes no turns in this run."""
    return any(item.path.match(pattern) for pattern in config.getoption("--in-full"))


def not_today(items, day, at_least=1):
    """Those of ``items`` that run on other days: of tests distributed over N days, every N-th runs on one day.

    ``at_least``: over how many days all tests are distributed, even those that otherwise run more often.
    """
    return _left_out(_groups(items, at_least), day)


def _groups(items, at_least=1):
    """Return [(number of days, tests that have one turn)] in the order of ``items``."""
    in_turn = {}
    for item in items:
        in_turn.setdefault(max(at_least, days_of(item)), {}).setdefault(_turn_of(item), []).append(item)
    return [(days, list(groups.values())) for days, groups in in_turn.items()]


def _left_out(distributed, day):
    left_out = [group for days, groups in distributed for place, group in enumerate(groups) if (place - day) % days]
    return {item for group in left_out for item in group}


def _turn_of(item):
    """What has a turn: the test, or with ``together=True`` all tests of its file, which share an expensive fixture."""
    marker = item.get_closest_marker("rotated")
    return item.path if marker and marker.kwargs.get("together") else item


def days_of(item):
    """The number of days in which a test runs once; 1 if it runs every day."""
    marker = item.get_closest_marker("rotated")
    names = [item.callspec.params.get(name) for name in ("platform_name", "aside")] if hasattr(item, "callspec") else []
    days = [OTHER_DAYS.get(name, DAYS) for name in names if name]
    if "qemu" in getattr(item, "fixturenames", ()):
        days.append(DAYS_OF_GUESTS)
    if max(days, default=1) < DAYS and subjects.is_of_changed_libvirt(item.path):
        days = [number // 2 for number in days]
    return max([*days, *(marker.args if marker else ())], default=subjects.days_of(item.path))
