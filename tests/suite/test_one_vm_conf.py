# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ten tasks at once on one OpenBSD host, where all VMs are in one file: no change is lost, and it is always valid."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import RUNNING, STOPPED

from suite.carry import carry_one
from suite.shim import Shim

pytestmark = pytest.mark.full

_COUNTS = {"new": 5, "on": 3, "off": 2}
NEW, STARTED, REMOVED = ([f"pvm-{word}-{number}" for number in range(count)] for word, count in _COUNTS.items())
FOREIGN = "pvm-mail"


@pytest.fixture(name="openbsd")
def _openbsd(ground):
    return ground.open("vmm", "pvm-")


class Watcher(threading.Thread):
    """Has vmd check its file again and again."""

    def __init__(self, platform):
        super().__init__(daemon=True)
        self._platform, self._is_over, self.seen, self.faults = platform, threading.Event(), 0, []

    def run(self):
        while not self._is_over.is_set():
            before = self._platform.config_file.read_bytes()
            answer = self._platform.host.call("vmd", "-n")
            self.seen += 1
            # vmd opens the disks after it has read the file: between the two, a task may delete a VM with its disk.
            if answer.returncode and self._platform.config_file.read_bytes() == before:
                self.faults.append(answer.stderr)

    def end(self):
        self._is_over.set()
        self.join()


def _tasks(platform):
    made = {name: {**platform.creation, "name": [name], "disks": [{"size": "8M"}]} for name in NEW}
    started = {name: {"name": [name], "state": "started"} for name in STARTED}
    return {**made, **started, **{name: {"name": [name], "state": "absent"} for name in REMOVED}}


def test_ten_tasks_at_once(openbsd, tmp_path):
    openbsd.clean()
    openbsd.bring({FOREIGN: STOPPED})
    before = openbsd.config_file.read_text(encoding="latin-1")
    shim = Shim(tmp_path / "shim", openbsd.commands)
    made = carry_one(openbsd, shim, tmp_path, {**openbsd.creation, "name": [*STARTED, *REMOVED]})
    assert made.rc == 0, made.msg
    watcher = Watcher(openbsd)
    watcher.start()
    tasks = _tasks(openbsd)
    with ThreadPoolExecutor(len(tasks)) as pool:
        answers = dict(zip(tasks, pool.map(lambda name: _carry(openbsd, tmp_path, name, tasks[name]), tasks)))
    watcher.end()
    assert [answer.msg for answer in answers.values() if answer.failed] == []
    assert watcher.faults == [] and watcher.seen > len(tasks)
    text = openbsd.config_file.read_text(encoding="latin-1")
    assert text.startswith(before)
    assert {name: text.count(f'vm "{name}"') for name in tasks} == {name: int(name not in REMOVED) for name in tasks}
    powers = {name: truth and truth["power"] for name, truth in openbsd.truth([FOREIGN, *tasks]).items()}
    on = dict.fromkeys(STARTED, RUNNING)
    assert powers == {**dict.fromkeys([FOREIGN, *NEW], STOPPED), **on, **dict.fromkeys(REMOVED)}
    left = {f"{name}-disk0.qcow2" for name in (*NEW, *STARTED)}
    assert set(openbsd.files()) == {*left, f"{FOREIGN}.qcow2"}


def _carry(platform, folder, name, options):
    place = folder / name
    place.mkdir()
    return carry_one(platform, Shim(place / "shim", platform.commands), place, options)
