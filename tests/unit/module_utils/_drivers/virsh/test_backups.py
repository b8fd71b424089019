# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups of a running VM on a double of libvirt: frozen for a moment only, complete or not there, completed later."""

from __future__ import annotations

import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.backup.backup import Backup, BackupRequest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import (
    CommandFailed,
    PolyvirtError,
    Refused,
    Timeout,
)
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import PAUSED, RUNNING, Step, Vm
from ansible_collections.polyvirt.core.plugins.module_utils._core.verbs import Permit
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh import backups
from ansible_collections.polyvirt.core.plugins.module_utils._ports import change_counter, permits
from ansible_collections.polyvirt.core.plugins.module_utils._tools import virsh_backup
from ansible_collections.polyvirt.core.plugins.module_utils._tools.virsh import Answer

from unit.module_utils._drivers.virsh.answers import UUID, driver_of, machine_xml
from unit.module_utils._drivers.virsh.guest_of_backups import COMPLETED, Clock, Guest

_FAILED = "Operation not supported: no"
_RUNNING_JOB = (
    "<domainbackup><disks><disk name='vda' backup='yes'/><disk name='sda' backup='no'/></disks></domainbackup>"
)
_ID = "20270131T120000Z-d7188e7f"


@pytest.fixture(name="guest")
def _guest(tmp_path, monkeypatch):
    disk = tmp_path / "m1.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(disk), "1M"], check=True)
    guest = Guest(machine_xml(("/var/lib/libvirt/images/m1.qcow2", str(disk))))
    monkeypatch.setattr(virsh_backup.unpiped, "run", guest.run_unpiped)
    monkeypatch.setattr(backups, "CLOCK", Clock)
    Clock.time = 0
    return guest


@pytest.fixture(name="driver")
def _driver(guest, tmp_path):
    return driver_of(guest, tmp_path, directory=str(tmp_path / "backups"), call_timeout=100)


def _vm(power=RUNNING):
    return Vm(name="m1", id=UUID, power=power, config={"disks": {"vda": {}}})


def _back_up(driver, vm, consistency="crash"):
    made = Backup(id=_ID, vm="m1", birth=UUID, start=1801396800, consistency=consistency)
    backups.backup(driver, vm, Step("backup", arguments={"made": made, "consistency": consistency}))


def _listed(driver, vm):
    return backups.read_backups(driver, vm, BackupRequest(of="m1", max_age=1), False)


def _killed(driver, monkeypatch, owner, name):
    """The task is killed when it calls this function: nothing is undone."""

    def killed(*_words):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(owner, name, killed)
        patched.setattr(backups, "discard", killed)
        with pytest.raises(KeyboardInterrupt):
            _back_up(driver, _vm())


def test_guest_is_frozen_only_while_the_job_begins(guest, driver):
    _back_up(driver, _vm())
    assert guest.calls == ["domfsfreeze", "backup-begin", "domfsthaw"]
    (found,) = _listed(driver, _vm())
    assert (found.is_good, found.consistency, found.notes) == (True, "filesystem", ())
    _back_up(driver, _vm())  # The same step sent twice.
    assert guest.calls == ["domfsfreeze", "backup-begin", "domfsthaw"]


def test_every_disk_is_named_in_the_job(guest, driver):
    """A disk that is not named is silently not backed up, and an optical drive that is named would be."""
    _back_up(driver, _vm())
    disks = {one.get("name"): one.get("backup") for one in ET.fromstring(guest.xml).iterfind("disks/disk")}
    assert (disks.pop("vda"), set(disks.values())) == ("yes", {"no"})


@pytest.mark.parametrize(("power", "has_agent"), [(RUNNING, False), (PAUSED, True)])
def test_without_an_agent_the_backup_is_as_after_a_crash(guest, driver, power, has_agent):
    guest.has_agent = has_agent
    _back_up(driver, _vm(power))
    assert guest.calls == ["backup-begin"]
    assert [one.consistency for one in _listed(driver, _vm(power))] == ["crash"]


def test_freeze_of_no_file_system_is_no_freeze(guest, driver):
    guest.file_systems = 0
    _back_up(driver, _vm())
    assert [one.consistency for one in _listed(driver, _vm())] == ["crash"]


def test_failed_freeze_is_reported_as_a_weaker_backup(guest, driver):
    guest.errors["domfsfreeze"] = "failed to freeze /var: Device or resource busy"
    _back_up(driver, _vm())
    (found,) = _listed(driver, _vm())
    assert (found.is_good, found.consistency) == (True, "crash")
    assert "failed to freeze /var" in found.notes[0]
    assert "domfsthaw" in guest.calls


@pytest.mark.parametrize("problem", ["agent", "freeze", "freeze, and the job has ended before that is known"])
def test_filesystem_consistency_that_is_not_reached_leaves_nothing(guest, driver, tmp_path, problem):
    guest.has_agent = problem != "agent"
    if problem.startswith("freeze"):
        guest.errors["domfsfreeze"] = _FAILED
    if "ended" in problem:
        guest.polls = 0
    (tmp_path / "backups").mkdir()
    before = change_counter.count()
    with pytest.raises(Refused, match="consistency: filesystem"):
        _back_up(driver, _vm(), "filesystem")
    assert (guest.is_frozen, guest.job, _listed(driver, _vm())) == (False, None, [])
    assert not list((tmp_path / "backups").rglob("*"))
    assert change_counter.count() == before


@pytest.mark.parametrize(
    ("errors", "completed"),
    [
        ({"backup-begin": _FAILED}, COMPLETED),
        ({}, "Job type:         Failed      \nError message:    No space left on device\n"),
        ({}, "Job type:         Cancelled   \n"),
        ({}, "Job type:         None        \n"),
    ],
    ids=["not begun", "no space", "cancelled", "unknown"],
)
def test_failed_job_leaves_nothing_and_no_frozen_guest(guest, driver, tmp_path, errors, completed):
    guest.errors, guest.completed = errors, completed
    with pytest.raises(CommandFailed):
        _back_up(driver, _vm())
    assert (guest.is_frozen, _listed(driver, _vm())) == (False, [])
    assert not list((tmp_path / "backups").rglob("*"))


def test_job_that_libvirt_calls_complete_needs_complete_images(guest, driver, tmp_path, monkeypatch):
    wait = virsh_backup.Waiting.until_end

    def shrinks(self, uuid):
        wait(self, uuid)
        (path,) = (tmp_path / "backups").rglob("vda.qcow2")
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(path), "512K"], check=True)

    monkeypatch.setattr(virsh_backup.Waiting, "until_end", shrinks)
    with pytest.raises(PolyvirtError, match="backup of disk vda is not complete"):
        _back_up(driver, _vm())
    assert _listed(driver, _vm()) == []


@pytest.mark.parametrize("killed", ["domfsfreeze", "backup-begin"])
def test_next_task_thaws_a_guest_whose_virsh_was_killed(guest, driver, killed, monkeypatch):
    """virsh is killed between freezing and thawing, and so is the task."""
    guest.killed = killed
    _killed(driver, monkeypatch, backups.jobs, "thaw")
    assert guest.is_frozen
    guest.killed, guest.polls = None, 2
    (left,) = _listed(driver, _vm())
    assert not left.is_good
    vm = _vm().having(backups=(left,))
    backups.drop_backup(driver, vm, Step("drop_backup", arguments={"ids": (left.id,), "unfinished": (left.id,)}))
    assert (guest.is_frozen, guest.job, _listed(driver, _vm())) == (False, None, [])


def test_second_task_completes_the_job_of_a_killed_one(guest, driver, monkeypatch):
    _killed(driver, monkeypatch, virsh_backup.Waiting, "until_end")
    guest.polls = 10
    (running,) = _listed(driver, _vm())
    assert (running.is_written, running.is_good) == (True, False)
    _back_up(driver, _vm())
    assert guest.calls.count("backup-begin") == 1
    (found,) = _listed(driver, _vm())
    assert (found.is_good, found.consistency) == (True, "filesystem")


def test_job_that_no_disk_has_any_more_is_aborted_and_begun_again(guest, driver, monkeypatch):
    """libvirtd was killed, and QEMU has completed the disks meanwhile: libvirt reports the job until it is aborted."""
    _killed(driver, monkeypatch, virsh_backup.Waiting, "until_end")
    guest.polls, guest.is_over, begin = 10_000, True, guest.run_unpiped

    def begun(*words, **more):
        guest.polls, guest.is_over = 3, False
        return begin(*words, **more)

    monkeypatch.setattr(virsh_backup.unpiped, "run", begun)
    monkeypatch.setattr(backups, "thaw", lambda *_words: None)
    _back_up(driver, _vm())
    assert guest.calls.count("domjobabort") == 1
    assert guest.calls.count("backup-begin") == 2
    assert [one.is_good for one in _listed(driver, _vm())] == [True]


@pytest.mark.parametrize("consistency", ["crash", "filesystem"])
def test_task_that_completes_the_job_of_a_killed_virsh_thaws_and_claims_what_is_known(
    guest, driver, consistency, monkeypatch
):
    """virsh was killed before it thawed the guest, and nobody has read whether the guest was frozen."""
    guest.killed = "backup-begin"
    _killed(driver, monkeypatch, backups.jobs, "thaw")
    assert guest.is_frozen
    guest.killed, guest.polls = None, 10
    if consistency == "crash":
        _back_up(driver, _vm())
        assert [one.consistency for one in _listed(driver, _vm())] == ["crash"]
    else:
        with pytest.raises(Refused, match="has not the consistency filesystem"):
            _back_up(driver, _vm(), consistency="filesystem")
    assert not guest.is_frozen


def test_job_without_progress_is_not_waited_for_but_slow_one_is(guest):
    """``call_timeout`` counts from the last progress."""
    guest.polls = 200
    slow = virsh_backup.Waiting(guest, Clock(), 100)
    guest.job = _RUNNING_JOB
    slow.until_end(UUID)
    assert Clock.time > 500
    guest.job, guest.polls, guest.is_stuck = _RUNNING_JOB, 10_000, True
    with pytest.raises(Timeout, match="no progress"):
        slow.until_end(UUID)


def test_job_that_loses_its_disks_is_not_waited_for(guest):
    """libvirtd was killed when one disk was complete, and the other disk ends after the restart."""
    guest.job, guest.polls, guest.is_over, guest.is_stuck = _RUNNING_JOB, 10_000, True, True
    with pytest.raises(CommandFailed, match=r"end of the backup job was lost\. Run the task again"):
        virsh_backup.Waiting(guest, Clock(), 100).until_end(UUID)
    assert Clock.time < 1


def test_job_that_ends_while_it_is_read_is_not_endless(guest):
    """It ends before the job of its last disk."""
    guest.job, guest.polls, guest.is_over = _RUNNING_JOB, 1, True
    assert not virsh_backup.is_over(guest, UUID)
    guest.job, guest.polls = _RUNNING_JOB, 2
    assert virsh_backup.is_over(guest, UUID)


def test_agent_that_does_not_answer_does_not_hang(guest, driver, monkeypatch):
    """virsh hangs in freezing: after a limit the task fails, and the guest is thawed."""
    real = guest.run_unpiped

    def hanging(*_words, **_more):
        guest.is_frozen = True
        monkeypatch.setattr(virsh_backup.unpiped, "run", real)

    monkeypatch.setattr(virsh_backup.unpiped, "run", hanging)
    with pytest.raises(Timeout):
        _back_up(driver, _vm())
    assert (guest.is_frozen, _listed(driver, _vm())) == (False, [])


def test_guest_that_cannot_be_thawed_is_an_error_in_each_task_until_it_is(guest, driver):
    guest.errors["domfsthaw"] = "Guest agent is not responding"
    for _task in range(2):
        with pytest.raises(PolyvirtError, match="Guest agent is not responding"):
            _back_up(driver, _vm())
        (left,) = _listed(driver, _vm())
        assert (guest.is_frozen, left.is_good) == (True, False)
    with pytest.raises(Refused, match="may still be frozen: the VM is paused"):
        _back_up(driver, _vm(PAUSED))
    guest.errors.clear()
    _back_up(driver, _vm())
    assert (guest.is_frozen, [one.is_good for one in _listed(driver, _vm())]) == (False, [True])


def test_unknown_answer_about_the_job_is_an_error(guest, driver, monkeypatch):
    """No answer is not the answer that there is no job."""
    monkeypatch.setattr(guest, "_running_job", lambda: Answer("", "cannot acquire state change lock"))
    with pytest.raises(CommandFailed, match="state change lock"):
        _listed(driver, _vm())


def test_backup_that_was_completed_meanwhile_is_not_deleted(driver, tmp_path):
    _back_up(driver, _vm())
    vm = _vm().having(backups=tuple(_listed(driver, _vm())))
    backups.drop_backup(driver, vm, Step("drop_backup", arguments={"ids": (_ID,), "unfinished": (_ID,)}))
    assert len(_listed(driver, _vm())) == 1
    backups.edit_backup(driver, vm, Step("edit_backup", arguments={"id": _ID, "protected": True}))
    assert [one.protected for one in _listed(driver, _vm())] == [True]
    drop = Step("drop_backup", arguments={"ids": (_ID,), "unfinished": ()})
    with pytest.raises(Refused, match="was protected meanwhile"):
        backups.drop_backup(driver, vm, drop)
    (protected,) = _listed(driver, _vm())
    before = {path: path.stat() for path in tmp_path.rglob("*")}
    assert {Path(one) for one in protected.files} == {path for path in before if path.parent.name == _ID}
    some, refused = (
        Permit([(path, None) for path in protected.files[1:]]),
        r"vda\.qcow2: a step was about to delete this",
    )
    with permits.granted(some), pytest.raises(Refused, match=refused):
        backups.drop_backup(driver, _vm().having(backups=(protected,)), drop)
    assert {path: path.stat() for path in tmp_path.rglob("*")} == before
    with permits.granted(Permit([(path, None) for path in protected.files])):
        backups.drop_backup(driver, _vm().having(backups=(protected,)), drop)
    assert not list((tmp_path / "backups").rglob("*"))
