# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks that a platform deletes together with their VM: only those that this collection created, unless asked."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.frozen import replace
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import RUNNING, STOPPED, File, Snapshot, Traits
from ansible_collections.polyvirt.core.plugins.module_utils._core.planner.plan import plan

from unit.tables.rows import ask, found

VOLUME = File("local-lvm:vm-100-disk-0", "disk", ours=True, bound=True)
ISO = File("local:iso/debian.iso", "medium", bound=True)
CREATED = {"v": 2, "id": "u-web", "created": ""}
#: A task has recorded its tags on the VM of somebody else.
RECORDED = {"v": 2, "id": "u-web", "tags": ["ours"]}


def _planned(mark, volume=VOLUME, **options):
    vm = found(mark=mark, files=(volume, ISO))
    return plan(vm, ask("absent", **options), Traits(platform="any"))


@pytest.mark.parametrize(
    ("volume", "mark"), [(VOLUME, None), (VOLUME, RECORDED), (replace(VOLUME, ours=False), CREATED)]
)
def test_bound_disk_that_was_not_created_here_prevents_the_deletion(volume, mark):
    refusal = str(_planned(mark, volume).refusal)
    assert refusal.startswith("web: local-lvm:vm-100-disk-0 is deleted together with its VM, but there is no record")
    assert "delete_disks: all" in refusal


@pytest.mark.parametrize(
    ("mark", "delete_disks"), [(None, "all"), (RECORDED, "all"), ({"id": "u-web"}, "owned"), (CREATED, "owned")]
)
def test_bound_disk_is_deleted_with_the_vm(mark, delete_disks):
    (delete,) = _planned(mark, delete_disks=delete_disks).steps
    assert delete.arguments["files"] == ("local-lvm:vm-100-disk-0",)
    assert delete.arguments["kept"] == {"local:iso/debian.iso": "an ISO image is never deleted"}


@pytest.mark.parametrize("mark", [None, CREATED])
def test_bound_disk_cannot_be_kept(mark):
    refusal = str(_planned(mark, delete_disks="none").refusal)
    assert "local-lvm:vm-100-disk-0 is deleted together with its VM" in refusal


@pytest.mark.parametrize("mark", [None, RECORDED, CREATED])
def test_disk_that_was_recorded_before_it_existed_is_ours_in_any_vm(mark):
    """Others are kept by default."""
    vm = found(mark=mark, files=(File("/d/ours", "disk", ours=True), File("/d/theirs", "disk")))
    (delete,) = plan(vm, ask("absent"), Traits(platform="any")).steps
    assert delete.arguments["files"] == (("/d/ours",) if mark else ())
    assert delete.arguments["kept"]["/d/theirs"] == "not created by this collection"


@pytest.mark.parametrize("delete_disks", ["owned", "all"])
def test_path_that_may_be_one_of_another_host_is_kept(delete_disks):
    disk = File("C:\\web.vhdx", "disk", ours=True, elsewhere="recorded on the host old")
    (delete,) = plan(found(mark=CREATED, files=(disk,)), ask("absent", delete_disks=delete_disks), Traits("any")).steps
    assert (delete.arguments["files"], delete.arguments["kept"]) == ((), {disk.path: disk.elsewhere})


@pytest.mark.parametrize("role", ["disk", "support", "nvram"])
def test_what_is_no_regular_file_is_kept(role):
    file = File("/d/node", role, ours=True, special="a block device")
    vm, task = found(mark=CREATED, files=(file,)), ask("absent", delete_disks="all")
    (delete,) = plan(vm, task, Traits("any")).steps
    assert (delete.arguments["files"], delete.arguments["keep_state"]) == ((), role != "support")
    assert delete.arguments["kept"] == {"/d/node": "it is a block device, and only regular files are deleted"}
    refusal = str(plan(vm.having(files=(replace(file, bound=True),)), task, Traits("any")).refusal)
    assert "/d/node is a block device, and would be deleted together with its VM" in refusal


@pytest.mark.parametrize("power", [STOPPED, RUNNING])
def test_vm_of_a_guarded_run_is_not_deleted_with_its_snapshot(power):
    """Its playbook would take the way back from itself."""
    guarded = "guarded-patch-20261125-170012-3f9a"
    vm = found(mark=CREATED, power=power, snapshots=(Snapshot("daily"), Snapshot(guarded)))
    refusal = str(plan(vm, ask("absent"), Traits(platform="any")).refusal)
    assert refusal.startswith(f"web: its snapshot {guarded} belongs to a guarded run")
    others = vm.having(snapshots=(Snapshot("daily"), Snapshot("guarded-by-me")))
    assert plan(others, ask("absent"), Traits(platform="any")).refusal is None
