# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which tests run: those of the belt quick (``--quick``), full (the default) or deep (``--deep``).

Full is all tests but those marked ``deep``, and but the scenarios on a real platform that its double runs: of these,
full has on the real one those with the mark ``real``. Quick is a part of full that is the same for the same commit: of
the marks ``core`` and ``full`` of a test, its parameters and its file, the closest one decides; without such a mark,
each test is in quick but scenarios on a platform other than libvirt's test driver.
Cases are generated from one seed, which is constant in quick and full, so that each run of a commit has the same tests.
The first process of a run fixes it; ``POLYVIRT_TEST_SEED`` sets another one, as a deep run does.
"""

from __future__ import annotations

import json
import os
import random
import re
from collections import Counter
from pathlib import Path

import pytest

SEED = "POLYVIRT_TEST_SEED"
#: The seed of quick and full runs.
CONSTANT_SEED = "1"
#: The platform of which all scenarios are in quick, and the parameters that name the platform of a test.
FASTEST, _PLATFORM_PARAMETERS = "libvirt_test", ("platform_name", "aside")
#: {real platform that needs minutes: its double, which is held to recordings of the real one}. Quick has no scenario
#: on the real one.
DOUBLES = {"virtualbox": "virtualbox_double"}
#: {path of a file of tests: seconds of all its tests in a full run}, written by scripts/durations.py.
DURATIONS = Path(__file__).with_name("durations.json")
#: Seconds of a test from which on it is slow.
_SLOW = 2
#: Fixtures of real guests and of the real VirtualBox.
_REAL = frozenset({"qemu", "box"})


def seed():
    """The seed of this run, a number: the same in each of its processes."""
    return int(os.environ[SEED])


def fix_seed():
    """Fix the seed for this process and those that it starts, unless it is already fixed."""
    os.environ[SEED] = os.environ.get(SEED) or CONSTANT_SEED


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config):
    fix_seed()
    # Cases of hypothesis, too. With a seed, it repeats none that it found on this machine before.
    if config.getoption("hypothesis_seed", None) is None:
        config.option.hypothesis_seed = seed()


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
    parser.addoption("--quick", action="store_true", help="run the tests of the belt quick only")
    parser.addoption("--deep", action="store_true", help="run all tests, those marked deep too")
    parser.addoption("--shard", metavar="K/N", help="run the K-th of N parts of the tests; each takes about as long")
    # pyproject.toml sets this option, which would be unknown with -p no:cacheprovider.
    parser.addini("cache_dir", "cache directory path", default=".pytest_cache")


def pytest_report_header(config):
    return f"polyvirt: {'deep, ' if is_deep(config) else ''}{SEED}={seed()} repeats the choice of this run"


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config, items):
    chosen = of_belt(config, items)
    if config.getoption("--shard"):
        files = files_of_shard(config.getoption("--shard"), {_file(item) for item in chosen})
        chosen = [item for item in chosen if _file(item) in files]
    left_out = set(items).difference(chosen)
    config.hook.pytest_deselected(items=[item for item in items if item in left_out])
    items[:] = slowest_first(chosen)


def _file(item):
    return item.nodeid.partition("::")[0]


def files_of_shard(shard, files):
    """The files of a shard such as 1/3: the longest file first, each goes to the shard that has the least to do."""
    number, count = map(int, shard.split("/"))
    if not 1 <= number <= count:
        raise pytest.UsageError(f"--shard {shard}: there is no such part; use 1/{count} to {count}/{count}")
    durations = json.loads(DURATIONS.read_text(encoding="utf-8"))
    shards = [(0, place, []) for place in range(count)]
    for seconds, name in sorted(((durations.get(name, 1), name) for name in files), reverse=True):
        total, place, chosen = min(shards)
        shards[place] = (total + seconds, place, [*chosen, name])
    return set(shards[number - 1][2])


def of_belt(config, items):
    """The tests of the run's belt, in their order."""
    if is_deep(config):
        return list(items)
    if config.getoption("--quick"):
        return list(filter(is_quick, items))
    full = [item for item in items if not item.get_closest_marker("deep")]
    names = {item.nodeid for item in full}
    return [item for item in full if item.get_closest_marker("real") or _on_double(item) not in names]


def _on_double(item):
    """The id that the test of a scenario on a real platform has on its double; None for other tests.

    A scenario leaves full on the real platform only if its double has it in the same run.
    """
    for name in DOUBLES.keys() & _platforms(item):
        return re.sub(rf"(?<=[\[-]){name}(?=[]-])", DOUBLES[name], item.nodeid)
    return None


def is_quick(item):
    """Whether a test is in the belt quick."""
    names = [mark.name for mark in item.iter_markers() if mark.name in ("core", "full", "deep")]
    if "deep" in names or not DOUBLES.keys().isdisjoint(_platforms(item)):
        return False
    return names[0] == "core" if names else not _has_slow_platform(item)


def _platforms(item):
    parameters = getattr(getattr(item, "callspec", None), "params", {})
    return {parameters[name] for name in _PLATFORM_PARAMETERS if name in parameters}


def _has_slow_platform(item):
    return bool(_platforms(item) - {FASTEST}) or not _REAL.isdisjoint(getattr(item, "fixturenames", ()))


def slowest_first(items):
    """The items with the unit tests that take seconds before all others, the slowest first, else in their order.

    A worker that begins one of them at the end keeps the others waiting.
    """
    durations, counts = json.loads(DURATIONS.read_text(encoding="utf-8")), Counter(map(_file, items))
    seconds = {name: durations.get(name, 0) / count for name, count in counts.items() if name.startswith("tests/unit/")}
    return sorted(items, key=lambda item: -max(seconds.get(_file(item), 0), _SLOW))
