# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes by other clients during a task, which a failing task must not undo, on the real VirtualBox."""

from __future__ import annotations

import threading
from contextlib import contextmanager

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import CommandFailed
from ansible_collections.polyvirt.core.plugins.module_utils._tools.vboxmanage_file import settings_in

from platforms.virtualbox.tasks import task
from suite.limits import scaled

pytestmark = pytest.mark.deep("what others do meanwhile on the double: unit belt, test_create.py")


def _fails():
    raise CommandFailed(["VBoxManage"], 1, "disk full", "VBoxManage modifyvm failed: disk full")


def _images(box):
    return {path.name for path in box.machines.rglob("*.vdi")}


def test_loser_of_a_race_undoes_nothing(box):
    """Another task creates the VM while this one waits. That this one's start fails is no reason to delete the VM."""
    created, lost = threading.Event(), threading.Event()

    def slow():
        created.set()
        assert lost.wait(30)

    winner = threading.Thread(target=lambda: task(box, before={"createmedium": slow}).succeeded())
    winner.start()
    assert created.wait(30)
    threading.Timer(1, lost.set).start()
    loser = task(box, state="started", before={"startvm": _fails})
    winner.join()
    assert loser.outcome.failed
    assert task(box, check=True).succeeded().outcome.changed is False
    assert _images(box) == {"web-SATA-0.vdi"}


@contextmanager
def _changed_all_the_time(box, machine):
    over = threading.Event()

    def change():
        while not over.is_set():
            box.call("modifyvm", machine, "--description", "changed")

    other = threading.Thread(target=change)
    other.start()
    try:
        yield
    finally:
        over.set()
        other.join()


def test_query_of_snapshots_is_repeated_while_others_hold_the_lock(box):
    """The driver's query of snapshots needs the VM's lock, which another client takes again and again."""
    machine = task(box).succeeded().vm["id"]
    box.run("snapshot", machine, "take", "first")
    asked = {"name": "first", "state": "restored"}
    with _changed_all_the_time(box, machine):
        for _attempt in range(5):
            task(box, config={}, snapshot=asked, check=True, timeout=scaled(60)).succeeded()


def test_settings_file_is_found_while_it_is_replaced(box):
    """Without its file, the VM would look like one that is not created yet, that is, absent."""
    machine = task(box).succeeded().vm["id"]
    path = str(box.machines / "web" / "web.vbox")
    with _changed_all_the_time(box, machine):
        lost = [attempt for attempt in range(50_000) if settings_in(path) is None]
    assert lost == []
