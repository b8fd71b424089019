# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The answer medium of Windows Setup: on a bus that Setup sees, and deleted as soon as the installer is ejected."""

from __future__ import annotations

from pathlib import Path

import pytest

from suite.answer import Task

VM = "pvc-answers"
ANSWERS = (
    '<unattend xmlns="urn:schemas-microsoft-com:unattend"><settings pass="windowsPE"><component name="a"/></settings>'
    "</unattend>"
)
_PLATFORMS = ["libvirt_test", "virtualbox", "virtualbox_double", "hyperv"]
ON_EACH = pytest.mark.parametrize("platform_name", _PLATFORMS, indirect=True, scope="session")
EJECT = {"name": VM, "iso": ""}


def _created(platform, **more):
    answers = {"answer_file": ANSWERS, "answer_files": {"polyvirt.ps1": "exit"}}
    return {"name": VM, **platform.creation, "iso": platform.medium(), "cloud_init": answers, **more}


@ON_EACH
def test_medium_is_deleted_when_the_installer_is_ejected(platform, carry):
    platform.clean()
    tasks = [Task("made", _created(platform)), Task("check", EJECT, True), Task("real", EJECT), Task("again", EJECT)]
    answers = carry(platform, tasks, [VM])
    made, check, real, again = (answers[one] for one in ("made", "check", "real", "again"))
    assert not made.failed, made.msg
    (medium,) = platform.seeds_of(made.truth[VM])
    assert (check.changed, check.diff, check.truth) == (real.changed, real.diff, made.truth)
    assert not real.failed, real.msg
    for answer in (check, real):
        (step,) = answer.vm(VM)["steps"]
        (also,) = step["also"]
        assert also.startswith("The answer medium is deleted: ") and Path(medium).name in also
    assert platform.seeds_of(real.truth[VM]) == []
    assert [name for name in platform.files() if "seed" in name] == []
    assert (again.changed, again.failed, again.truth) == (False, False, real.truth)


@ON_EACH
def test_medium_of_a_running_vm_and_of_snapshots_is_kept(platform, carry):
    platform.clean()
    carry(platform, [Task("made", _created(platform, state="started"))], [VM])
    ejected = carry(platform, [Task("running", EJECT)], [VM])["running"]
    assert (ejected.changed, len(platform.seeds_of(ejected.truth[VM]))) == (True, 1)
    insert = {"name": VM, "iso": platform.medium(), "state": "stopped", "stop_mode": "force"}
    carry(platform, [Task("inserted", insert)], [VM])
    platform.take_snapshot(VM, "first")
    kept = carry(platform, [Task("kept", EJECT)], [VM])["kept"]
    assert (kept.changed, kept.failed, len(platform.seeds_of(kept.truth[VM]))) == (True, False, 1), kept.msg


@ON_EACH
def test_seed_without_answers_is_kept(platform, carry):
    platform.clean()
    made = {**_created(platform), "cloud_init": {"user": "ann"}}
    answers = carry(platform, [Task("made", made), Task("real", EJECT)], [VM])
    assert len(platform.seeds_of(answers["real"].truth[VM])) == 1
    assert answers["real"].vm(VM)["steps"][0]["also"] == []


@ON_EACH
def test_interrupted_deletion_is_completed(platform, carry):
    """The file is deleted first: a run that was killed then leaves the drive, and the image of the installer."""
    platform.clean()
    made = carry(platform, [Task("made", _created(platform))], [VM])["made"]
    (medium,) = platform.seeds_of(made.truth[VM])
    if platform.name == "hyperv":
        platform.host.files.delete(medium)
    else:
        (platform.storage / medium).unlink()
    real = carry(platform, [Task("real", EJECT)], [VM])["real"]
    assert (real.failed, real.changed) == (False, True), real.msg
    assert platform.seeds_of(real.truth[VM]) == []
