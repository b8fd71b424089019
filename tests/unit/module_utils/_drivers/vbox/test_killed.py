# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A task is killed after each of its calls: a second run completes the VM, and ``state: absent`` deletes it."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import Refused
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Step

from unit.module_utils._drivers.vbox.in_process import (
    MIB,
    SMALL,
    InProcess,
    Killed,
    driver_of,
    killed_after,
    observed,
    snapshot,
    task,
)

TWO_DISKS = {**SMALL, "disks": {"#0": {}, "#1": {"size": 2 * MIB}}}
LARGER = {"memory": 20 * MIB}


def _create(vbox):
    image = {"source": vbox.disk("image.vdi"), "linked": False}
    return {"config": TWO_DISKS, "image": image, "cloud_init": {"user": "admin"}}


def _add_disks(vbox):
    task(vbox).succeeded()
    return {"config": {**LARGER, "disks": {"SATA 1": {"size": 2 * MIB}, "NVMe 0": {"size": 2 * MIB}}}}


@pytest.fixture(name="vbox")
def _with_base(vbox):
    """A registry with a VM that can be cloned."""
    task(vbox, "base").succeeded()
    snapshot(vbox, "s", "base").succeeded()
    return vbox


def is_killed(vbox, number, **more):
    """Run a task that is killed after ``number`` calls that change something; return False if it makes fewer."""
    try:
        task(vbox, commands=killed_after(InProcess, number)(vbox), **more).succeeded()
    except Killed:
        return True
    return False


def test_disk_of_a_killed_task_that_another_vm_uses_is_kept(vbox):
    more = _add_disks(vbox)
    assert is_killed(vbox, 3, **more)  # Just after createmedium.
    disk = f"{vbox.machines}/web/web-SATA-1.vdi"
    task(vbox, "other", config={**SMALL, "disks": {"SATA 0": {"source": disk}}}).succeeded()
    done = task(vbox, **more)
    assert (done.outcome.failed, f"{disk} is a disk of other" in done.outcome.msg) == (True, True)
    task(vbox, state="absent").succeeded()
    assert disk in vbox.registered()


def test_disk_that_a_killed_task_attached_is_owned(vbox):
    more = _add_disks(vbox)
    assert is_killed(vbox, 4, **more)  # Just after storageattach.
    assert observed(vbox).mark["making"]
    task(vbox, config={"disks": {"SATA 1": None}}).succeeded()
    mark = observed(vbox).mark
    assert (len(mark["disks"]), "making" in mark) == (2, False)


def test_vm_that_another_task_has_completed_is_not_deleted(vbox):
    more = _create(vbox)
    assert is_killed(vbox, 2, **more)
    planned = observed(vbox, "unfinished")
    task(vbox, **more).succeeded()
    with pytest.raises(Refused, match="web: another task has finished creating the VM in the meantime"):
        driver_of(vbox).apply([(planned, (Step("delete"),))])
    assert not task(vbox, **more).succeeded().changed


def test_foreign_file_in_the_directory_of_a_disk_is_not_that_of_the_killed_task(vbox, tmp_path):
    """The directory of an unfinished VM has only its own files, but this one is not its directory."""
    more = {"config": {**SMALL, "disks": {"#0": {"size": 2 * MIB, "directory": str(tmp_path)}}}}
    assert is_killed(vbox, 1, **more)
    foreign = tmp_path / "web-SATA-0.vdi"
    foreign.write_bytes(b"of somebody else")
    for check in (True, False):
        done = task(vbox, check=check, **more)
        assert (done.outcome.failed, f"disks.SATA 0: {foreign} already exists" in done.outcome.msg) == (True, True)
    foreign.unlink()
    task(vbox, **more).succeeded()
    assert foreign.exists()


@pytest.mark.parametrize("number", range(1, 9))
def test_disk_of_a_killed_task_in_another_directory_is_completed_or_deleted(vbox, tmp_path, number):
    more = {"config": {**SMALL, "disks": {"#0": {"size": 2 * MIB, "directory": str(tmp_path)}}}}
    if is_killed(vbox, number, **more) and number % 2:
        task(vbox, **more).succeeded()
    task(vbox, state="absent").succeeded()
    assert list(tmp_path.glob("*.vdi")) == []
