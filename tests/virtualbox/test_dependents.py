# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What linked clones stand on stays, and is refused before VirtualBox has removed half of it."""

from __future__ import annotations

import pytest

from virtualbox.tasks import ENGINE, refused, snapshot, succeeded, task


@pytest.fixture(name="source")
def _source(box):
    """A machine with two snapshots, one on the other; a linked clone stands on the first."""
    uuid = succeeded(task(box, "source")).vms[0]["id"]
    for name in ("first", "second"):
        succeeded(snapshot(box, "source", name))
    clone = {"source": "source", "snapshot": "first", "linked": True}
    succeeded(task(box, "clone", config={}, clone=clone))
    return uuid


def tree(box, uuid):
    return box.run("snapshot", uuid, "list", "--machinereadable")


def test_neither_the_snapshot_nor_the_machine_goes(box, source):
    before = tree(box, source), sorted(box.machines.rglob("*"))
    refused(snapshot(box, "source", "first", state="absent"), "'first' is needed by clone", "Remove clone first")
    refused(snapshot(box, "source", "first", state="absent", children=True), "'first' is needed by clone")
    refused(task(box, "source", state="absent", config={}), "needed by clone", "Remove clone first")
    assert (tree(box, source), sorted(box.machines.rglob("*"))) == before


def test_what_nobody_stands_on_goes(box, source):
    assert succeeded(snapshot(box, "source", "second", state="absent")).changed
    assert succeeded(task(box, "clone", state="absent", config={})).changed
    assert succeeded(snapshot(box, "source", "first", state="absent")).changed
    assert succeeded(task(box, "source", state="absent", config={})).changed
    assert list(box.machines.iterdir()) == []


def test_a_clone_of_the_snapshot_above_does_not_hold_the_one_below(box, source):
    """Merging a snapshot into the next one gives the clone of that one the same content."""
    succeeded(task(box, "clone", state="absent", config={}))
    clone = {"source": "source", "snapshot": "second", "linked": True}
    succeeded(task(box, "clone", config={}, clone=clone))
    assert succeeded(snapshot(box, "source", "first", state="absent")).changed
    refused(snapshot(box, "source", "second", state="absent"), "'second' is needed by clone")
    assert succeeded(task(box, "clone", state="started", config={"native": ENGINE})).changed
