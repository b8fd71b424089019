# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What libvirt deletes with a call: it is part of the plan, and read again directly before the call."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import Refused
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import ABSENT, Plan, Snapshot, Step, Vm
from ansible_collections.polyvirt.core.plugins.module_utils._core.record.mark import empty_mark
from ansible_collections.polyvirt.core.plugins.module_utils._core.sharing.claims import DELETE
from ansible_collections.polyvirt.core.plugins.module_utils._core.sharing.losses import claims_of_plan, permit_of
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh import delete
from ansible_collections.polyvirt.core.plugins.module_utils._ports import permits

from unit.module_utils._drivers.claimed import check_claims
from unit.module_utils._drivers.virsh.answers import FakeVirsh, disk, domain, driver_of, failed
from unit.module_utils._drivers.virsh.test_claims import Driver

READ = ("dumpxml", "u-web", "--inactive", "--security-info")


def _vm(mark=None, **more):
    return Vm("web", id="u-web", power="stopped", config={"disks": {}}, mark=mark, **more)


def _deletion(keep_state=False):
    vm, step = _vm(), Step("delete", arguments={"files": (), "kept": {}, "keep_state": keep_state})
    return Plan(vm, vm.having(power=ABSENT), segments=((step,),))


def _deleted(driver, plan):
    during, _after = claims_of_plan(plan, [], driver.claims)
    return {claim.text for claim in during if claim.mode == DELETE}


@pytest.mark.parametrize(("keep_state", "deleted"), [(False, {"/nvram"}), (True, set())])
def test_libvirt_deletes_nvram_with_the_vm(keep_state, deleted):
    assert _deleted(Driver(domain("web", nvram="/nvram")), _deletion(keep_state)) == deleted


def test_nvram_that_another_vm_has_as_disk_is_not_deleted(tmp_path):
    path = tmp_path / "nvram"
    path.touch()
    with pytest.raises(Refused, match=f"{path} is a disk of db"):
        check_claims(Driver(domain("web", nvram=path), domain("db", disk(path))), _deletion())
    check_claims(Driver(domain("web", nvram=path), domain("db", disk("/other"))), _deletion())


def test_restored_vm_loses_the_nvram_that_is_ours():
    step = Step("finish_restore", arguments={"files": (), "kept": ()})
    for recorded, deleted in ((["/nvram"], {"/nvram"}), ([], set())):
        vm = _vm({**empty_mark("u-web"), "nvram": recorded})
        assert _deleted(Driver(domain("web", nvram="/nvram")), Plan(vm, vm, segments=((step,),))) == deleted


def test_files_of_a_deleted_snapshot():
    """libvirt deletes the overlay; the memory goes only if it is ours."""
    text = (
        "<domainsnapshot><name>s</name><memory snapshot='external' file='/memory'/><disks><disk name='vda'"
        " snapshot='external'><source file='/overlay'/></disk></disks></domainsnapshot>"
    )
    virsh = FakeVirsh({("snapshot-dumpxml", "u-web", "--snapshotname", "s"): text})
    driver, step = (
        Driver(domain("web"), virsh=virsh),
        Step("drop_snapshot", arguments={"names": ("s", "other"), "ids": ("s",)}),
    )
    for recorded, deleted in ((["/memory"], {"/overlay", "/memory"}), ([], {"/overlay"})):
        vm = _vm({**empty_mark("u-web"), "files": recorded}, snapshots=[Snapshot("s", kind="external")])
        plan = Plan(vm, vm, segments=((step,),))
        assert _deleted(driver, plan) == deleted
        assert permit_of(plan).things == {("snapshot", "u-web", "s"), ("snapshot", "u-web", "other")}


# Directly before the call --------------------------------------------------------------------------------------------


def _delete(folder, definition, *permitted):
    """Delete a VM whose definition is this one by now; ``permitted`` are the files that the plan lists."""
    virsh = FakeVirsh({READ: definition})
    driver, plan = driver_of(virsh, folder), _deletion()
    during = [driver.claims.file(str(path), DELETE, "")[0] for path in permitted]
    with permits.granted(permit_of(plan, [(plan.steps[0], during, ())])):
        delete.delete(driver, plan.before, plan.steps[0])
    return [words[0] for words in virsh.done]


def test_nvram_that_was_changed_since_the_plan_is_not_deleted(tmp_path):
    planned, theirs = tmp_path / "planned", tmp_path / "theirs"
    for path in (planned, theirs):
        path.touch()
    with pytest.raises(Refused, match=f"{theirs}: a step was about to delete this file, which the plan"):
        _delete(tmp_path, domain("web", nvram=theirs).text(), planned)
    assert _delete(tmp_path, domain("web", nvram=planned).text(), planned)[-1] == "undefine"
    assert _delete(tmp_path, domain("web", nvram=tmp_path / "none").text())[-1] == "undefine"
    assert planned.exists() and theirs.exists()


def test_vm_that_is_gone_by_now_has_nothing_to_delete(tmp_path):
    assert _delete(tmp_path, failed("failed to get domain 'u-web'")) == ["dumpxml"]
