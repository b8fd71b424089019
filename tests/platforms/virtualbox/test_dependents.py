# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots and VMs below linked clones are not deleted; the task fails before VirtualBox deletes a part of them."""

from __future__ import annotations

import pytest

from platforms.virtualbox.registry import ENGINE
from platforms.virtualbox.tasks import snapshot, task

pytestmark = pytest.mark.deep("users of a disk on the double: unit belt, test_delete.py")


@pytest.fixture(name="source")
def _source(box):
    """A VM with two snapshots, the second a child of the first; a linked clone of the first exists."""
    uuid = task(box, "source").succeeded().vm["id"]
    for name in ("first", "second"):
        snapshot(box, "source", name).succeeded()
    clone = {"source": "source", "snapshot": "first", "linked": True}
    task(box, "clone", config={}, clone=clone).succeeded()
    return uuid


def tree(box, uuid):
    return box.run("snapshot", uuid, "list", "--machinereadable")


def test_snapshot_and_vm_used_by_a_linked_clone_are_not_deleted(box, source):
    before = tree(box, source), sorted(box.machines.rglob("*"))
    snapshot(box, "source", "first", state="absent").refused("'first' is needed by clone", "Delete clone first")
    snapshot(box, "source", "first", state="absent", children=True).refused("'first' is needed by clone")
    task(box, "source", state="absent", config={}).refused("needed by clone", "Delete clone first")
    assert (tree(box, source), sorted(box.machines.rglob("*"))) == before


def test_unused_snapshots_are_deleted(box, source):
    assert snapshot(box, "source", "second", state="absent").succeeded().changed
    assert task(box, "clone", state="absent", config={}).succeeded().changed
    assert snapshot(box, "source", "first", state="absent").succeeded().changed
    assert task(box, "source", state="absent", config={}).succeeded().changed
    assert list(box.machines.iterdir()) == []


def test_snapshot_below_the_one_of_a_clone_is_deleted(box, source):
    """The snapshot is merged into its child, so a clone of the child keeps its content."""
    task(box, "clone", state="absent", config={}).succeeded()
    clone = {"source": "source", "snapshot": "second", "linked": True}
    task(box, "clone", config={}, clone=clone).succeeded()
    assert snapshot(box, "source", "first", state="absent").succeeded().changed
    snapshot(box, "source", "second", state="absent").refused("'second' is needed by clone")
    assert task(box, "clone", state="started", config={"native": ENGINE}).succeeded().changed
