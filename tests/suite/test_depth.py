# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a day leaves out rotates with the seed, and a deep run leaves out nothing."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from suite import depth, subjects
from suite.pairs import number_of_pairs

ITEMS = list(range(40))


class _Config:
    def __init__(self, is_deep):
        self.is_deep = is_deep

    def getoption(self, _name):
        return self.is_deep


@pytest.fixture(name="shares")
def _shares(monkeypatch):
    def of_days(days, is_deep=False):
        found = []
        for day in days:
            monkeypatch.setenv("POLYVIRT_TEST_SEED", str(day))
            found.append(depth.share(_Config(is_deep), ITEMS, 10))
        return found

    return of_days


def test_share_of_one_seed_is_always_the_same_and_in_order(shares):
    first, again = shares([20261101, 20261101])
    assert first == again == sorted(first)
    assert len(first) == 10


def test_shares_of_two_weeks_are_nearly_all(shares):
    seen = set().union(*shares(range(20261101, 20261115)))
    assert len(seen) >= 0.9 * len(ITEMS)


def test_deep_run_takes_all(shares):
    assert shares([20261101], is_deep=True) == [ITEMS]


class _Item:
    """A test of a platform, or of none."""

    def __init__(self, platform=None, days=None, path=None, fixtures=()):
        self.fixturenames = fixtures
        self._days, self.path, self._is_together = days, Path(path or __file__), path is not None
        if platform:
            self.callspec = SimpleNamespace(params={"platform_name": platform})

    def get_closest_marker(self, _name):
        return self._days and SimpleNamespace(args=(self._days,), kwargs={"together": self._is_together})


ON_TEST_DRIVER = depth.OTHER_DAYS["libvirt_test"]


@pytest.mark.parametrize(
    ("item", "days"),
    [
        (_Item(), 1),
        (_Item("libvirt_test"), ON_TEST_DRIVER),
        (_Item("virtualbox"), depth.DAYS),
        (_Item(fixtures=["qemu"]), depth.DAYS_OF_GUESTS),
        (_Item(days=9, fixtures=["qemu"]), 9),
        (_Item("proxmox"), depth.DAYS),
        (_Item(days=2), 2),
        (_Item("libvirt_test", days=3 * ON_TEST_DRIVER), 3 * ON_TEST_DRIVER),
        (_Item("proxmox", days=2), depth.DAYS),
    ],
)
def test_every_test_has_its_turn_once(item, days, monkeypatch):
    monkeypatch.setattr(subjects, "changed_files", lambda _checkout: ())
    assert depth.days_of(item) == days
    items = [item, *(_Item("proxmox") for _place in range(4)), *(_Item(days=days) for _place in range(7))]
    of_days = [[one for one in items if one not in depth.not_today(items, day)] for day in range(36)]
    assert sum(item in some for some in of_days) == 36 / days
    assert {one for some in of_days[:days] for one in some if depth.days_of(one) == days} >= {items[0], *items[5:]}


@pytest.mark.parametrize("changed", ["plugins/module_utils/_kit/verbs.py", "tests/suite/test_depth.py"])
def test_scenarios_on_libvirt_have_their_turn_sooner_after_a_change(changed, monkeypatch):
    monkeypatch.setattr(subjects, "changed_files", lambda _checkout: [changed])
    items = [_Item("libvirt_test"), _Item(fixtures=["qemu"]), _Item("libvirt_qemu"), _Item("libvirt_test", days=4)]
    assert [depth.days_of(item) for item in items] == [ON_TEST_DRIVER // 2, depth.DAYS_OF_GUESTS // 2, depth.DAYS, 4]
    monkeypatch.setattr(subjects, "changed_files", lambda _checkout: ["docs/testing.md"])
    assert [depth.days_of(item) for item in items] == [ON_TEST_DRIVER, depth.DAYS_OF_GUESTS, depth.DAYS, 4]


def test_tests_of_one_file_can_have_one_turn():
    others = [_Item(days=6) for _place in range(4)]
    items = [others[0], _Item(days=6, path="a"), others[1], _Item(days=6, path="a"), *others[2:]]
    of_days = [[one for one in items if one not in depth.not_today(items, day)] for day in range(6)]
    assert of_days == [[others[0]], [items[1], items[3]], [others[1]], [others[2]], [others[3]], []]


def test_every_test_of_this_run_has_its_turn_within_twelve_days(request):
    """Of all tests that this run has collected; tests/unit/scripts/test_turns.py does the same for the unit tests."""
    assert depth.without_turn(request.session) == []


@pytest.mark.parametrize(("days", "has_turn"), [(12, True), (13, False)])
def test_test_without_a_turn_is_found(days, has_turn):
    items = [_Item(days=days) for _place in range(days)]
    session = SimpleNamespace(config=SimpleNamespace(stash={depth.IN_TURN: items}))
    assert bool(depth.without_turn(session)) is not has_turn


def test_consecutive_days_have_consecutive_numbers():
    days = [depth.day_of(day) for day in (20261129, 20261130, 20261201, 20261231, 20270101)]
    assert [day - days[0] for day in days] == [0, 1, 2, 32, 33]
    assert [depth.day_of(day) for day in (5, 20269999)] == [5, 20269999]


@pytest.mark.parametrize(
    ("requested", "at_most", "generated"),
    [(None, None, 40), (None, 500, 40), ("10000", None, 10000), ("10000", 500, 500), ("20", 500, 20)],
)
def test_a_slow_platform_generates_fewer_pairs(monkeypatch, requested, at_most, generated):
    monkeypatch.delenv("POLYVIRT_PAIRS", raising=False)
    if requested:
        monkeypatch.setenv("POLYVIRT_PAIRS", requested)
    assert number_of_pairs(40, at_most) == generated
