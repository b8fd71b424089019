# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two processes attach one disk to two VMs at the same time: VirtualBox itself allows that, and then neither starts."""

from __future__ import annotations

import multiprocessing
import time

import pytest

from platforms.virtualbox.tasks import task

_FORK = multiprocessing.get_context("fork")
_REAL = pytest.mark.deep("the same on the double, in each run")


@pytest.fixture(name="registry", params=["double", pytest.param("box", marks=_REAL)])
def _registry(request):
    return request.getfixturevalue(request.param)


def test_second_of_two_processes_waits_and_is_rejected(registry):
    path = registry.disk()
    for name in ("web", "db"):
        task(registry, name).succeeded()
    attaching, config = _FORK.Event(), {"disks": {"SATA 1": {"source": path}}}

    def slow():
        attaching.set()
        time.sleep(2)  # In which the other one plans, and finds that nobody has the disk.

    first = _FORK.Process(target=lambda: task(registry, config=config, before={"storageattach": slow}).succeeded())
    first.start()
    assert attaching.wait(60)
    second = task(registry, "db", config=config)
    first.join()
    assert first.exitcode == 0
    second.refused(f"db: disks.SATA 1.source: {path} is a disk of web. Detach it from that VM first")
    assert [path in registry.run("showvminfo", name, "--machinereadable") for name in ("web", "db")] == [True, False]
    task(registry, "db", state="started", config={}).succeeded()
    task(registry, state="started", config={}).succeeded()
