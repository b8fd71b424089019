# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks that another program has locked are not deleted, enlarged or attached; files of others are not replaced."""

from __future__ import annotations

import fcntl
from contextlib import contextmanager
from pathlib import Path

import pytest

from unit.module_utils._drivers.vmm.in_process import DISKS, InProcess, info, rejected, task, well


class _AfterTheCheck(InProcess):
    """Calls a function before the first ``vmctl status`` after ``vmd -n``, which only the check of the plan calls."""

    def __init__(self, machine, act):
        super().__init__(machine)
        self._act = act

    def run(self, argv, *arguments, **more):
        if "status" in argv and ("vmd", "-n") in [call[:2] for call in self.calls]:
            self._act()
        return super().run(argv, *arguments, **more)


@contextmanager
def _locked(path):
    """A context in which a program, such as the vmd of another vm.conf or a backup, has the file open."""
    with Path(path).open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@pytest.mark.parametrize("given", [{"state": "absent"}, {"disks": [{"size": "32M"}]}], ids=str)
def test_locked_disk_is_not_touched(host, given):
    well(host, **DISKS)
    path = host.storage / "web-disk0.qcow2"
    with _locked(path):
        rejected(host, f"{path} is open in another program", **given)
    well(host, **given)


def test_locked_disk_is_not_attached(host):
    path = host.disk()
    with _locked(path):
        rejected(host, f"{path} is open in another program", disks=[{"source": path}])
    well(host, disks=[{"source": path}])


@pytest.mark.parametrize("linked", [True, False])
def test_locked_disk_is_not_copied(host, linked):
    well(host, **DISKS)
    path = host.storage / "web-disk0.qcow2"
    given = {"name": ["copy"], "clone": {"source": "web", "linked": linked}}
    with _locked(path):
        rejected(host, f"{path} is open in another program", **given)
    well(host, **given)


def test_disk_that_is_locked_after_the_check_is_not_deleted(host):
    """The lock is taken when the step reads the state of vmd again."""
    well(host, **DISKS)
    path = host.storage / "web-disk0.qcow2"
    with path.open("rb") as file:
        commands = _AfterTheCheck(host, lambda: fcntl.flock(file, fcntl.LOCK_EX))
        outcome = task(host, commands=commands, state="absent")
    assert (outcome.failed, "is open in another program" in outcome.msg) == (True, True), outcome.msg
    assert (host.states(), host.files()) == ({"web": "stopped"}, ["web-disk0.qcow2"])


def test_disks_of_a_running_vm_are_locked_by_itself(host):
    well(host, state="started", **DISKS)
    with _locked(host.storage / "web-disk0.qcow2"):
        assert not task(host, check=True, state="absent", stop_mode="force").failed


def test_kept_disk_may_be_locked(host):
    well(host, **DISKS)
    with _locked(host.storage / "web-disk0.qcow2"):
        well(host, state="absent", delete_disks="none")


def test_vm_cannot_start_while_its_disk_is_replaced_by_a_larger_one(host):
    """The guest would write to the former file, which nobody finds again."""
    well(host, **DISKS)
    answers = []
    # Of the two calls of vmctl create, the second one copies the disk.
    commands = InProcess(host, before={"-i": lambda: answers.append(host.call("vmctl", "start", "web"))})
    well(host, commands=commands, disks=[{"size": "32M"}])
    assert [("could not open disk image(s)" in one.stderr, one.returncode) for one in answers] == [(True, 1)]
    assert host.states() == {"web": "stopped"}
    assert info(host, "web")["vms"][0]["disks"][0]["size"] == "32M"
    well(host, state="started")


@pytest.mark.parametrize("name", ["web-disk0.qcow2", "web.polyvirt-seed.iso"])
def test_file_that_appears_during_the_task_is_not_replaced(host, name):
    path = host.storage / name
    given = {"cloud_init": {"user_data": "#cloud-config\n"}, **DISKS}
    commands = InProcess(host)
    # The first status is that of the observation, the second one that of the step.
    at_the_step = {"status": lambda: path.write_bytes(b"precious")}
    commands.before["status"] = lambda: commands.before.update(at_the_step)
    outcome = task(host, commands=commands, **given)
    assert (outcome.failed, f"web: {path} already exists" in outcome.msg) == (True, True), outcome.msg
    assert (path.read_bytes(), host.files(), host.states()) == (b"precious", [name], {})
    assert "web" not in host.text()
