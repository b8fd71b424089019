# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The architecture of a VM on every platform: as the task sets it, or an error that names the VM and a remedy.

The host is of amd64. test_arm64.py has guests of arm64.
"""

from __future__ import annotations

import pytest

from platforms.known import PLATFORMS
from suite.answer import Task, writes
from suite.fork_server import ARCHITECTURE
from suite.scenarios.options import has, rejection

NAME = "pvc-architecture"
RUNS = ("check", "real", "again")
#: Each platform's words for the architectures of VMs.
_AMD64, _ARM64 = ("x86_64", "x86"), ("aarch64", "ARM")
_WITH_ARCHITECTURES = [name for name, one in PLATFORMS.items() if hasattr(one, "architecture_of")]
_WITH_BOTH = [name for name in _WITH_ARCHITECTURES if PLATFORMS[name].arm64_error is None]
_WITHOUT_ARM64 = [name for name in PLATFORMS if name not in (*_WITH_BOTH, "libvirt_test")]


def _carried(platform, carry, options):
    tasks = [Task(run, {"name": [NAME], **options}, check=run == "check") for run in RUNS]
    return carry(platform, tasks, [NAME]).values()


def _is_done(platform, carry, options, words):
    """Check mode writes nothing and predicts the run, which sets the architecture; a second run changes nothing."""
    before = platform.truth([NAME])
    check, real, again = _carried(platform, carry, options)
    assert [one.msg for one in (check, real, again) if one.failed] == []
    assert (check.changed, real.changed, again.changed) == (True, True, False)
    assert check.diff == real.diff
    assert (check.truth, again.truth) == (before, real.truth)
    assert (writes(platform, check), writes(platform, again)) == ([], [])
    assert platform.architecture_of(real.truth[NAME]) in words
    return real


def _is_rejected(platform, carry, options, words):
    before = platform.truth([NAME])
    for answer in _carried(platform, carry, options):
        assert answer.failed
        assert [word for word in words if word not in answer.msg] == [], answer.msg
        assert (answer.truth, writes(platform, answer)) == (before, [])


def _is_unchanged(platform, carry, options):
    for answer in _carried(platform, carry, options):
        assert (answer.failed, answer.changed, answer.diff) == (False, False, []), answer.msg


def _is_created_again(platform, carry, options, words):
    """Another architecture than that of the existing VM needs permission, and then is that of a new VM."""
    _is_rejected(platform, carry, options, (f"{NAME}: architecture", "allow_recreate"))
    before = platform.truth([NAME])[NAME]["id"]
    done = _is_done(platform, carry, {**options, "allow_recreate": True}, words)
    assert done.truth[NAME]["id"] != before or done.vm(NAME)["steps"][0]["verb"] == "delete"


@pytest.mark.parametrize("platform_name", _WITH_ARCHITECTURES, indirect=True)
def test_architecture_of_the_host_is_the_default(platform, carry):
    platform.clean()
    made = _is_done(platform, carry, platform.creation, _AMD64)
    _is_unchanged(platform, carry, {"architecture": "amd64"})
    platform.clean()
    named = _is_done(platform, carry, {**platform.creation, "architecture": "amd64"}, _AMD64)
    assert len(writes(platform, named)) == len(writes(platform, made))
    platform.clean()


@pytest.mark.parametrize("platform_name", _WITH_BOTH, indirect=True)
def test_another_architecture_than_that_of_the_host(platform, carry):
    platform.clean()
    options = {**platform.arm64_options(), **platform.creation}
    done = _is_done(platform, carry, {**options, "architecture": "arm64"}, _ARM64)
    assert f"{NAME}: architecture: arm64 is emulated" in str(done.result["warnings"])
    _is_unchanged(platform, carry, {**platform.arm64_options(), "architecture": "arm64"})
    # Without a source, such as an ISO image, the new VM would have nothing to start from.
    _is_created_again(platform, carry, {**options, "architecture": "amd64", "iso": platform.medium()}, _AMD64)
    platform.clean()
    iso, drive = platform.medium(), platform.drives[0]
    _is_done(platform, carry, platform.creation, _AMD64)
    again = {**options, "architecture": "arm64", "allow_recreate": True}
    # The firmware for arm64 does not read the drive of the VM, which is kept like all its settings.
    words = (f"{NAME}: cdroms.{drive}: ", "not start from the bus", f"set cdroms: [{{slot: {drive}, state: absent}}]")
    _is_rejected(platform, carry, {**again, "iso": iso}, words)
    drives = [{"slot": drive, "state": "absent"}, {"slot": platform.arm64_drive, "source": iso}]
    _is_created_again(platform, carry, {**options, "architecture": "arm64", "cdroms": drives}, _ARM64)
    platform.clean()


@pytest.mark.parametrize("platform_name", _WITHOUT_ARM64, indirect=True)
def test_vm_of_arm64_is_rejected(platform, carry):
    """Also after its creation, where that is possible."""
    platform.clean()
    never = None if has(platform.traits(), "architecture") else rejection(platform.traits(), {"architecture": "arm64"})
    words = (never,) if never else (f"{NAME}: architecture: ", *platform.arm64_error)
    _is_rejected(platform, carry, {**platform.creation, "architecture": "arm64"}, words)
    if never:
        assert "Omit it" in never
    platform.clean()


@pytest.mark.parametrize("platform_name", ["proxmox"], indirect=True)
def test_token_does_not_create_an_emulated_vm(platform, carry):
    platform.clean()
    words = (f"{NAME}: architecture: arm64 can be set only by root@pam itself", "log in as root@pam")
    _is_rejected(platform, carry, {**platform.creation, "architecture": "arm64"}, words)


@pytest.fixture(name="move_to_arm")
def _move_to_arm(platform, monkeypatch):
    """A function that moves all VMs to a host with an Arm CPU."""

    def move():
        monkeypatch.setenv(ARCHITECTURE, "arm64")
        platform.box.is_on_arm()

    yield move
    platform.box.is_on_arm(False)


@pytest.mark.parametrize("platform_name", ["virtualbox_double"], indirect=True)
def test_vms_of_virtualbox_on_an_arm_host(platform, carry, move_to_arm):
    """A VM of amd64 comes from another host, with its files: it is kept until a task deletes it."""
    platform.clean()
    options = {**platform.creation, "native": {}}
    _is_done(platform, carry, options, _AMD64)
    move_to_arm()
    _is_unchanged(platform, carry, {"architecture": "amd64"})
    again = {**options, "architecture": "arm64", "iso": platform.medium(), "allow_recreate": True}
    words = (f"{NAME}: architecture is 'amd64' and cannot be changed to 'arm64'", "delete the VM (state: absent)")
    _is_rejected(platform, carry, again, words)
    gone = carry(platform, [Task("gone", {"name": [NAME], "state": "absent"})], [NAME])["gone"]
    assert (gone.failed, gone.truth) == (False, {NAME: None}), gone.msg
    words = (f"{NAME}: architecture: ", "the architecture of its host, which is arm64", "Set arm64")
    _is_rejected(platform, carry, {**options, "architecture": "amd64"}, words)
    _is_done(platform, carry, options, _ARM64)
    _is_unchanged(platform, carry, {"architecture": "arm64"})
    platform.clean()
