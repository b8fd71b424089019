# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A task is killed while it creates a VM: the unfinished VM on the real VirtualBox can be deleted."""

from __future__ import annotations

import pytest

from platforms.virtualbox.tasks import MIB, SMALL, Killed, RecordingCommands, killed_after, task

pytestmark = pytest.mark.deep("killed at every call on the double: unit belt, test_killed.py")

TWO_DISKS = {**SMALL, "disks": {"#0": {}, "#1": {"size": 2 * MIB}}}


def registry_state(box):
    return box.run("list", "vms"), box.run("list", "hdds"), sorted(map(str, box.machines.rglob("*")))


def prepared(box):
    """Create a VM with a snapshot and an unregistered image; returns arguments of tasks that use them."""
    task(box, "base").succeeded()
    task(box, "base", snapshot={"name": "s"}).succeeded()
    image = box.folder / "image.vdi"
    box.run("createmedium", "disk", "--filename", image, "--size", "2")
    box.run("closemedium", "disk", image)
    linked, full = ({"source": "base", "linked": linked, "snapshot": "s"} for linked in (True, False))
    return {
        "made": {"config": TWO_DISKS, "image": {"source": str(image), "linked": False}},
        "linked clone": {"config": {"memory": 20 * MIB}, "clone": linked},
        "full clone": {"config": {"memory": 20 * MIB}, "clone": full},
    }


@pytest.mark.parametrize("way", ["made", "linked clone", "full clone"])
@pytest.mark.parametrize("number", [1, 3])
def test_half_created_vm_of_the_real_virtualbox_is_deleted(box, way, number):
    more, before = prepared(box)[way], registry_state(box)
    with pytest.raises(Killed):
        task(box, commands=killed_after(RecordingCommands, number)(), **more)
    assert task(box, state="absent", check=True).succeeded().outcome.changed
    assert task(box, state="absent").succeeded().outcome.changed
    assert registry_state(box) == before
    assert not task(box, state="absent").succeeded().outcome.changed
