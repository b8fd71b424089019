# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The marks of a test decide in which belt it is, and the same seed always generates the same cases."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from suite import belts
from suite.pairs import number_of_pairs

ITEMS = list(range(40))


class _Config:
    def __init__(self, **options):
        self._options = options

    def getoption(self, name):
        return self._options.get(name.lstrip("-"), False)


@pytest.fixture(name="shares")
def _shares(monkeypatch):
    def of_seeds(seeds, **options):
        found = []
        for seed in seeds:
            monkeypatch.setenv("POLYVIRT_TEST_SEED", str(seed))
            found.append(belts.share(_Config(**options), ITEMS, 10))
        return found

    return of_seeds


def test_share_of_one_seed_is_always_the_same_and_in_order(shares):
    first, again = shares([1, 1])
    assert first == again == sorted(first)
    assert len(first) == 10


def test_shares_of_other_seeds_are_others(shares):
    seen = set().union(*shares(range(14)))
    assert len(seen) >= 0.9 * len(ITEMS)


def test_deep_run_takes_all(shares):
    assert shares([1], deep=True) == [ITEMS]


class _Item(SimpleNamespace):
    def iter_markers(self):
        return [SimpleNamespace(name=name) for name in self.marks]

    def get_closest_marker(self, name):
        return next((mark for mark in self.iter_markers() if mark.name == name), None)


def _item(*marks, platform=None, fixtures=(), name="test_x"):
    """A test with these marks, the closest first, on a platform or none."""
    params = {"platform_name": platform} if platform else {}
    nodeid = f"tests/suite/test_x.py::{name}[{platform}-word]" if platform else f"tests/suite/test_x.py::{name}"
    return _Item(marks=marks, callspec=SimpleNamespace(params=params), fixturenames=fixtures, nodeid=nodeid)


@pytest.mark.parametrize(
    ("item", "is_quick"),
    [
        (_item(), True),
        (_item("parametrize"), True),
        (_item("full"), False),
        (_item("deep"), False),
        (_item("core", "full"), True),
        (_item("full", "core"), False),
        (_item("core", "deep"), False),
        (_item(platform="libvirt_test"), True),
        (_item(platform="proxmox"), False),
        (_item("core", platform="proxmox"), True),
        (_item("core", platform="virtualbox"), False),
        (_item("core", platform="virtualbox_double"), True),
        (_item("full", platform="libvirt_test"), False),
        (_item(fixtures=["qemu"]), False),
        (_item("core", fixtures=["qemu"]), True),
        (_item(fixtures=["box"]), False),
    ],
)
def test_closest_mark_decides_whether_a_test_is_quick(item, is_quick):
    assert belts.is_quick(item) is is_quick


@pytest.mark.parametrize(
    ("marks", "is_on_real"),
    [((), False), (("full",), False), (("real", "full"), True), (("core", "full"), False), (("real", "deep"), False)],
)
def test_full_run_has_a_scenario_on_the_double_and_on_the_real_platform_with_a_mark(marks, is_on_real):
    real, double = (_item(*marks, platform=name) for name in ("virtualbox", "virtualbox_double"))
    on_double = [] if "deep" in marks else [double]
    assert belts.of_belt(_Config(), [real, double]) == ([real] if is_on_real else []) + on_double


@pytest.mark.parametrize("other", [(), ("deep",)])
def test_scenario_that_the_double_does_not_run_is_in_full_on_the_real_platform(other):
    """Such as a single test that somebody names."""
    real, double = _item(platform="virtualbox"), _item(*other, platform="virtualbox_double", name="test_y")
    assert belts.of_belt(_Config(), [real, double])[0] is real


def test_deep_run_has_all_on_the_real_platform():
    items = [_item(*marks, platform=name) for name in ("virtualbox", "virtualbox_double") for marks in ((), ("deep",))]
    assert belts.of_belt(_Config(deep=True), items) == items


@pytest.mark.parametrize("count", [1, 3, 7])
def test_shards_have_each_file_once_and_about_the_same_duration(count, monkeypatch, tmp_path):
    durations = {f"test_{number}.py": number for number in range(1, 41)}
    monkeypatch.setattr(belts, "DURATIONS", tmp_path / "durations.json")
    belts.DURATIONS.write_text(str(durations).replace("'", '"'), encoding="utf-8")
    files = {*durations, "test_new.py"}
    shards = [belts.files_of_shard(f"{number}/{count}", files) for number in range(1, count + 1)]
    assert sorted(name for shard in shards for name in shard) == sorted(files)
    totals = [sum(durations.get(name, 1) for name in shard) for shard in shards]
    assert max(totals) - min(totals) <= 2


def test_slow_unit_tests_are_first_and_all_others_keep_their_order(monkeypatch, tmp_path):
    monkeypatch.setattr(belts, "DURATIONS", tmp_path / "durations.json")
    durations = {"tests/unit/test_a.py": 5.0, "tests/unit/test_b.py": 90.0, "tests/unit/test_c.py": 3.0}
    belts.DURATIONS.write_text(json.dumps({**durations, "tests/suite/test_d.py": 900}), encoding="utf-8")
    names = ["tests/suite/test_d.py", *durations, "tests/unit/test_c.py", "tests/unit/test_new.py"]
    items = [SimpleNamespace(nodeid=f"{name}::test_{place}") for place, name in enumerate(names)]
    assert belts.slowest_first(items) == [items[place] for place in (2, 1, 0, 3, 4, 5)]


@pytest.mark.parametrize("shard", ["0/3", "4/3"])
def test_shard_that_does_not_exist_is_an_error(shard):
    with pytest.raises(pytest.UsageError, match="there is no such part"):
        belts.files_of_shard(shard, set())


@pytest.mark.parametrize(
    ("requested", "at_most", "generated"),
    [(None, None, 40), (None, 500, 40), ("10000", None, 10000), ("10000", 500, 500), ("20", 500, 20)],
)
def test_a_slow_platform_generates_fewer_pairs(monkeypatch, requested, at_most, generated):
    monkeypatch.delenv("POLYVIRT_PAIRS", raising=False)
    if requested:
        monkeypatch.setenv("POLYVIRT_PAIRS", requested)
    assert number_of_pairs(40, at_most) == generated
