# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A task is killed after each of its calls: a second run completes the VM, and ``state: absent`` deletes it."""

from __future__ import annotations

import json
import os

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import Refused
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Step
from ansible_collections.polyvirt.core.plugins.module_utils._ports import permits
from ansible_collections.polyvirt.core.plugins.module_utils._ports.command import Completed

from unit.module_utils._drivers.vbox.in_process import (
    MIB,
    SMALL,
    InProcess,
    Killed,
    driver_of,
    killed_after,
    observed,
    rejected,
    task,
)


def _add_disks(vbox):
    task(vbox).succeeded()
    return {"config": {"memory": 20 * MIB, "disks": {"SATA 1": {"size": 2 * MIB}, "NVMe 0": {"size": 2 * MIB}}}}


def is_killed(vbox, number, commands_of=InProcess, **more):
    """Run a task that is killed after ``number`` calls that change something; return False if it makes fewer."""
    try:
        task(vbox, commands=killed_after(commands_of, number)(vbox), **more).succeeded()
    except Killed:
        return True
    return False


def test_disk_of_a_killed_task_that_another_vm_uses_is_kept(vbox):
    more = _add_disks(vbox)
    assert is_killed(vbox, 3, **more)  # Just after createmedium.
    disk = f"{vbox.machines}/web/web-SATA-1.vdi"
    task(vbox, "other", config={**SMALL, "disks": {"SATA 0": {"source": disk}}}).succeeded()
    task(vbox, **more).failed_late(f"{disk} is a disk of other")
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
    more = {"image": vbox.image(), "cloud_init": {"user": "admin"}}
    assert is_killed(vbox, 2, **more)
    planned = observed(vbox, "unfinished")
    task(vbox, **more).succeeded()
    with pytest.raises(Refused, match="web: another task has finished creating the VM in the meantime"):
        driver_of(vbox).apply([(planned, (Step("delete"),), permits.ANYTHING)])
    assert not task(vbox, **more).succeeded().changed


def test_foreign_file_in_the_directory_of_a_disk_is_not_that_of_the_killed_task(vbox, tmp_path):
    """The directory of an unfinished VM has only its own files, but this one is not its directory."""
    more = {"config": {**SMALL, "disks": {"#0": {"size": 2 * MIB, "directory": str(tmp_path)}}}}
    assert is_killed(vbox, 1, **more)
    foreign = tmp_path / "web-SATA-0.vdi"
    foreign.write_bytes(b"of somebody else")
    rejected(vbox, f"disks.SATA 0: {foreign} already exists", **more)
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


# Disks of an appliance --------------------------------------------------------------------------------------------


class _Copying(InProcess):
    """The port to programs, with qemu-img that copies disks of an archive: ``box.copied`` is {path: offset}."""

    def run_program(self, argv, **options):
        if os.path.basename(argv[0]) != "qemu-img":
            return super().run_program(argv, **options)
        done = ""
        if argv[1] == "convert":
            path, source = argv[-1], json.loads(argv[-2].partition(":")[2])
            self._box.disk(path)
            self._box.copied[path] = source["file"]["offset"]
        else:
            done = json.dumps({"filename": argv[-1], "format": "vmdk", "virtual-size": 2 * MIB, "required": MIB})
        return Completed(tuple(argv), 0, done, "")


@pytest.fixture(name="archive")
def _archive(vbox):
    vbox.copied = {}
    path = vbox.folder / "x.ova"
    path.write_bytes(bytes(4096))
    return path


def _from_archive(archive, parts):
    """What a task does whose appliance has disks at these offsets of its archive."""
    image = {"source": str(archive), "format": "vmdk", "size": 2 * MIB, "digest": "1:2"}
    disks = {f"SATA {at}": {**image, "part": (offset, 512)} for at, offset in enumerate(parts)}
    appliance = {"source": str(archive), "slots": {slot: {} for slot in disks}, "disks": disks}
    return {"config": SMALL, "appliance": appliance}


def _contents(vbox):
    return [vbox.copied[disk["source"]] for _slot, disk in sorted(observed(vbox).config["disks"].items())]


@pytest.mark.parametrize("parts", [(1024, 512), (1024,), (512, 1024, 2048)], ids=["other order", "fewer", "more"])
@pytest.mark.parametrize("number", [4, 5, 6, 8, 9, 12])
def test_disks_of_a_killed_task_are_replaced_by_those_of_another_appliance(vbox, archive, parts, number):
    """Both tasks use the same file, but another boot disk, VM or configuration in it."""
    assert is_killed(vbox, number, _Copying, **_from_archive(archive, (512, 1024)))
    task(vbox, commands=_Copying(vbox), **_from_archive(archive, parts)).succeeded()
    assert _contents(vbox) == list(parts)
    assert len(list(vbox.machines.glob("web/*.vdi"))) == len(parts)
    task(vbox, state="absent").succeeded()
    assert not list(vbox.machines.glob("web/*"))


@pytest.mark.parametrize("number", range(1, 13))
def test_task_that_is_killed_when_it_replaces_disks_is_completed(vbox, archive, number):
    more = _from_archive(archive, (1024, 512))
    assert is_killed(vbox, 8, _Copying, **_from_archive(archive, (512, 1024)))
    assert is_killed(vbox, number, _Copying, **more)
    task(vbox, commands=_Copying(vbox), **more).succeeded()
    assert _contents(vbox) == [1024, 512]


def test_disks_of_a_killed_task_with_the_same_appliance_are_kept(vbox, archive):
    more = _from_archive(archive, (512, 1024))
    assert is_killed(vbox, 10, _Copying, **more)
    vbox.copied = dict.fromkeys(vbox.copied, "kept")
    task(vbox, commands=_Copying(vbox), **more).succeeded()
    assert _contents(vbox) == ["kept", "kept"]
