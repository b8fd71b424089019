# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Killed at any call of Vagrant: the same task, run again, ends as if nothing had happened."""

from __future__ import annotations

import shutil

import pytest

from vagrant import real
from vagrant.played import Played

MADE = {"box": real.BOX, "cpus": 1}
#: (tasks beforehand, the task that is cut off).
SCENARIOS = {
    "create": ([], {**MADE, "state": "started"}),
    "configure": ([{**MADE, "state": "started"}], {"cpus": 2, "state": "started", "allow_restart": True}),
    "rebuild": ([{**MADE, "state": "started"}], {"hostname": "x", "box_version": ">= 0", "box": real.BOX,
                                                 "allow_recreate": True, "state": "started"}),
    "remove": ([{**MADE, "state": "started"}], {"state": "absent"}),
    "snapshot": ([{**MADE, "state": "started"}], {"about": "snapshot", "snapshot": "one"}),
}  # fmt: skip


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_killed_at_every_call(scenario, tmp_path, monkeypatch):
    kill = _Kill(*SCENARIOS[scenario], tmp_path, monkeypatch)
    for number in range(1, kill.calls + 1):
        for when in ("kill-before", "kill-after"):
            kill.at(f"{when} {number}")
    assert kill.fired >= kill.calls > 0


class _Kill:
    """One scenario, run whole once and then cut off at one call after the other, always from the same beginning."""

    def __init__(self, before, task, folder, monkeypatch):
        self._task, self._folder, self._kept = task, folder / "played", folder / "kept"
        self._folder.mkdir()
        self._played, self._lefts, self.fired = Played(self._folder), [], 0
        for name, value in self._played.environment().items():
            monkeypatch.setenv(name, value)
        self._played.project.rmdir()
        for one in before:
            assert _run(self._played, one).rc == 0
        shutil.copytree(self._folder, self._kept, symlinks=True)
        whole = _run(self._played, task)
        assert whole.rc == 0, whole.result.get("msg")
        self.calls, self._end = len(whole.calls), _standing(self._played)

    def at(self, order):
        shutil.rmtree(self._folder)
        shutil.copytree(self._kept, self._folder, symlinks=True)
        self._played.shim.forget()
        self._played.shim.order(order)
        killed = _run(self._played, self._task)
        assert killed.rc == -9, f"{order}: {killed}"
        self.fired += 1
        self._played.shim.forget()
        left = (_standing(self._played), self._played.files())
        if left in self._lefts:
            return  # The way on from exactly here was shown already.
        self._lefts.append(left)
        again = _run(self._played, self._task)
        assert again.rc == 0, f"{order}: {again.result.get('msg')}"
        assert _standing(self._played) == self._end, order


def _run(played, task):
    return played.run(stop_mode="force", **task) if "about" not in task else played.run(**task)


def _standing(played):
    """All that there is, but for what is drawn by lot, and the notes of how a machine was last started."""
    machines = [{**one, "address": ""} for one in played.vagrant.state()["machines"].values()]
    files = sorted(name for name in played.files() if not name.endswith("polyvirt.json"))
    described = played.project / "Vagrantfile.polyvirt"
    return machines, files, described.read_text(encoding="utf-8") if described.exists() else None
