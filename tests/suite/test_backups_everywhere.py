# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups on all platforms: one scenario where there are backups, and an error by name everywhere else."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import RUNNING, STOPPED

from suite import front_door
from suite.answer import Task

WEB, COPY = "pvc-backup-web", "pvc-backup-copy"
#: {platform: what its error names}.
WITHOUT = {
    "virtualbox_double": "VBoxManage export",
    "hyperv": "Export-VMSnapshot",
    "vmm": "vmctl create -i",
    "wsl": "export",
    "vagrant": "provider",
}


@pytest.fixture(name="place")
def _place(platform):
    """The option that says where backups are."""
    if platform.name == "proxmox":
        yield {"storage": "backups"}
        return
    # A directory that QEMU's user can enter, and no VM uses.
    directory = Path("/var/lib/pvc-backups")
    shutil.rmtree(directory, ignore_errors=True)
    yield {"directory": str(directory)}
    shutil.rmtree(directory, ignore_errors=True)


def _of_backups(place, label, check=False, **options):
    return Task(label, {"name": [WEB], **place, **options}, check, "backup")


def _runs(platform, carry, place, **options):
    """The answer of a task for real, which check mode has predicted, and of the same task again."""
    tasks = [_of_backups(place, label, label == "check", **options) for label in ("check", "real", "again")]
    answers = carry(platform, tasks, [WEB, COPY])
    check, real, again = answers.values()
    assert not real.failed, real.msg
    assert (check.failed, check.changed, check.diff) == (False, True, real.diff), check.msg
    assert [call.argv for call in check.calls if platform.is_write(call)] == []
    return real, again


def _unchanged(real, again):
    assert (again.failed, again.changed, again.truth) == (False, False, real.truth), again.msg


def _ids(answer):
    return [one["id"] for one in answer.vm(WEB)["backups"]]


def _created(platform, carry, state):
    platform.clean()
    task = Task("made", {**platform.creation, "name": [WEB], "state": "stopped"})
    assert not carry(platform, [task], [WEB])["made"].failed
    platform.write(WEB, 7)
    if state == RUNNING:
        assert not carry(platform, [Task("on", {"name": [WEB], "state": "started"})], [WEB])["on"].failed


@pytest.mark.parametrize(
    ("platform_name", "state"),
    [
        pytest.param("proxmox", RUNNING, marks=pytest.mark.core),
        pytest.param("proxmox", STOPPED, marks=pytest.mark.full),
        pytest.param("libvirt_qemu", RUNNING, marks=pytest.mark.full),
        pytest.param("libvirt_qemu", STOPPED, marks=pytest.mark.full),
    ],
    indirect=["platform_name"],
    scope="session",
)
def test_backup_is_created_restored_and_deleted(platform, carry, place, state):
    """Created once, restored as another VM and in place, and deleted by its ID."""
    _created(platform, carry, state)
    real, again = _runs(platform, carry, place, max_age="1h")
    _unchanged(real, again)
    (first,) = _ids(real)
    assert real.truth[WEB]["power"] == state
    # As another VM: its disk has the content of the backup, it is off, and it shares no identity with the VM.
    asked = {"state": "restored", "backup": first}
    beside, again = _runs(platform, carry, place, **asked, new_name=COPY)
    _unchanged(beside, again)
    copy, web = beside.truth[COPY], beside.truth[WEB]
    assert copy["power"] == STOPPED
    assert platform.holds(copy, 7)
    assert not platform.identities(copy) & platform.identities(web)
    # In place, which needs permission: the VM is as before, with the content of the backup.
    off = Task("off", {"name": [WEB], "state": "stopped", "stop_mode": "force"})
    assert not carry(platform, [off], [WEB])["off"].failed
    platform.write(WEB, 9)
    if state == RUNNING:
        assert not carry(platform, [Task("on", {"name": [WEB], "state": "started"})], [WEB])["on"].failed
    rejected = carry(platform, [_of_backups(place, "no permission", **asked)], [WEB])["no permission"]
    assert rejected.failed
    assert "replace: true" in rejected.msg
    # It is restored each time, because the content of disks cannot be compared.
    _real, replaced = _runs(platform, carry, place, **asked, replace=True)
    assert (replaced.failed, replaced.changed) == (False, True), replaced.msg
    assert (replaced.truth[WEB]["power"], replaced.truth[WEB]["id"]) == (state, web["id"])
    assert platform.holds(replaced.truth[WEB], 7)
    left = carry(platform, [_of_backups(place, "left", max_age="1h")], [WEB])["left"]
    assert (left.failed, left.changed, _ids(left)) == (False, False, [first]), left.msg
    # An age of 0 is never that of an existing backup, also in the same second.
    _real, always = _runs(platform, carry, place, max_age="0m", keep_last=1)
    assert (always.failed, always.changed, len(_ids(always))) == (False, True, 1), always.msg
    assert _ids(always)[0] > first
    (asked["backup"],) = (first,) = _ids(always)
    real, again = _runs(platform, carry, place, state="absent", backup=first)
    _unchanged(real, again)
    assert _ids(again) == []
    gone = carry(platform, [_of_backups(place, "gone", **asked, new_name="pvc-backup-new")], [WEB])["gone"]
    assert gone.failed
    assert f"has no backup '{first}'" in gone.msg
    platform.clean()


@pytest.mark.full
@pytest.mark.parametrize("platform_name", ["proxmox", "libvirt_qemu"], indirect=True, scope="session")
def test_lost_vm_that_is_restored_is_still_created_from_its_source(platform, carry, place):
    """The task that has created it does not warn that it was created from something else."""
    _created(platform, carry, STOPPED)
    cloned = Task("cloned", {"name": [COPY], "clone": {"source": WEB}})
    backup = {"name": [COPY], **place}
    tasks = [
        cloned,
        Task("backup", {**backup, "max_age": "1h"}, about="backup"),
        Task("lost", {"name": [COPY], "state": "absent"}),
        Task("restored", {**backup, "state": "restored", "backup": "newest"}, about="backup"),
    ]
    done = carry(platform, tasks, [WEB, COPY])
    assert {label: answer.msg for label, answer in done.items() if answer.failed or not answer.changed} == {}
    again = carry(platform, [cloned], [WEB, COPY])["cloned"]
    assert (again.failed, again.changed, again.result.get("warnings") or []) == (False, False, []), again.result
    platform.clean()


@pytest.mark.full
@pytest.mark.parametrize("platform_name", WITHOUT, indirect=True, scope="session")
def test_platform_without_backups_names_what_to_use(platform, shim, tmp_path):
    platform.clean()
    shim.forget()
    tasks = [
        {
            "name": label,
            "polyvirt.core.vm_backup": {"name": WEB, **options},
            "check_mode": label == "check",
            "ignore_errors": True,
        }
        for label, options in {
            "check": {"max_age": "1h"},
            "create": {"max_age": "1h"},
            "restore": {"state": "restored", "backup": "newest"},
        }.items()
    ]
    reach = {"vars": {"vm_platform": platform.traits().platform}}
    results = front_door.play(platform, shim, tmp_path, tasks, reach)
    for failed, result in results.values():
        assert failed
        assert f"Backups are not supported on {platform.traits().platform}" in result["msg"]
        assert WITHOUT[platform.name] in result["msg"]
        assert not result.get("changed")
    assert platform.truth([WEB]) == {WEB: None}
