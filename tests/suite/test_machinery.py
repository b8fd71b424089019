# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Firmware, TPM, display and serial log of a VM that really starts, and which of their files are deleted with it."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import xml.etree.ElementTree as ET
from itertools import count
from pathlib import Path

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import RUNNING, STOPPED

from platforms.libvirt.qemu import TPM_STATES
from suite.answer import Task
from suite.carry import carry_one

pytestmark = pytest.mark.full

#: A part of the certificates that are enrolled for secure boot.
ENROLLED = b"Microsoft"
NAME = "pvg-uefi"
_SCRIBBLE = b"written by nobody"
SECURE, PLAIN = f"{NAME}.nvram-secure", f"{NAME}.nvram"


def _options(qemu):
    return {
        **qemu.creation,
        "name": [NAME],
        "firmware": "uefi",
        # What all versions of libvirt have; test_uefi.py has the other format.
        **({"nvram_format": "raw"} if "nvram_format" in qemu.traits().fields else {}),
        "secure_boot": True,
        "tpm": True,
        "display": {"type": "vnc"},
        "boot_order": ["cdrom", "disk"],
        "serial_log": str(qemu.storage / f"{NAME}.console"),
    }


def _running(answer):
    return ET.fromstring(answer.truth[NAME]["running"])


def _template(answer):
    """The template of the NVRAM in use."""
    return Path(_running(answer).find("os/nvram").get("template")).read_bytes()


def play(qemu, carry, *tasks):
    answers = carry(qemu, list(tasks), [NAME])
    for answer in answers.values():
        assert not answer.failed, answer.msg
    return answers


def test_vm_with_secure_boot_and_tpm(qemu, carry):
    qemu.clean()
    made = {**_options(qemu), "state": "started"}
    forced = {"name": [NAME], "state": "restarted", "stop_mode": "force"}
    answers = play(
        qemu, carry, Task("check", made, True), Task("make", made), Task("again", made), Task("restart", forced)
    )
    assert (answers["check"].truth[NAME], answers["check"].diff) == (None, answers["make"].diff)
    root = _running(answers["make"])
    assert root.find("os/loader").get("secure") == "yes"
    assert root.find("devices/tpm/backend").get("version") == "2.0"
    assert root.find("devices/graphics/listen").get("address") == "127.0.0.1"
    assert (qemu.storage / SECURE).stat().st_size == len(_template(answers["make"]))
    assert (qemu.storage / f"{NAME}.console").exists()
    assert not answers["again"].changed
    _turned(qemu, carry, made)
    _reset(qemu, carry, forced)
    _gone(qemu, carry, answers["make"].truth[NAME]["id"])


def _turned(qemu, carry, made):
    """Without secure boot, the VM starts with another firmware and other variables; the first ones are kept."""
    assert ENROLLED in (qemu.storage / SECURE).read_bytes()
    plain = {**made, "secure_boot": False, "stop_mode": "force"}
    stored, restarted, again = play(
        qemu, carry, Task("store", plain), Task("restart", {**plain, "allow_restart": True}), Task("again", plain)
    ).values()
    assert stored.vm(NAME)["restart_required"] == ["secure_boot"]
    assert _running(stored).find("os/loader").get("secure") == "yes"
    assert restarted.vm(NAME)["restart_required"] == []
    assert _running(restarted).find("os/loader").get("secure") is None
    assert not again.changed
    # The firmware writes its variables at each boot; the enrolled keys must not change.
    assert ENROLLED in (qemu.storage / SECURE).read_bytes()
    assert ENROLLED not in (qemu.storage / PLAIN).read_bytes()


def _reset(qemu, carry, forced):
    """The variables are reset only if the task requests it."""
    nvram = qemu.storage / PLAIN
    stop = Task("stop", {"name": [NAME], "state": "stopped", "stop_mode": "force"})
    assert play(qemu, carry, stop)["stop"].truth[NAME]["power"] == STOPPED
    # The firmware does not use the end of the file.
    nvram.write_bytes(nvram.read_bytes()[: -len(_SCRIBBLE)] + _SCRIBBLE)
    start = play(qemu, carry, Task("start", {"name": [NAME], "state": "started"}))["start"]
    assert nvram.read_bytes().endswith(_SCRIBBLE)
    reset = play(qemu, carry, Task("reset", {**forced, "reset_nvram": True}))["reset"]
    assert start.truth[NAME]["power"] == reset.truth[NAME]["power"] == RUNNING
    assert [step["verb"] for step in reset.vm(NAME)["steps"]] == ["kill", "start"]
    assert not nvram.read_bytes().endswith(_SCRIBBLE)


def _gone(qemu, carry, machine_id):
    """NVRAM and TPM state are deleted with the VM, and kept if its disks are kept."""
    state = TPM_STATES / machine_id
    play(qemu, carry, Task("stop", {"name": [NAME], "state": "stopped", "stop_mode": "force"}))
    content = _content(state)
    assert content
    absent = {"name": [NAME], "state": "absent", "stop_mode": "force"}
    keep = {**absent, "delete_disks": "none"}
    check, kept = play(qemu, carry, Task("check", keep, True), Task("keep", keep)).values()
    disk = f"{NAME}-vda.qcow2"
    assert {Path(one["path"]).name for one in kept.vm(NAME)["kept"]} == {disk, SECURE, PLAIN, machine_id}
    assert (check.vm(NAME)["kept"], check.vm(NAME)["deleted"]) == (kept.vm(NAME)["kept"], kept.vm(NAME)["deleted"])
    (reason,) = (one["reason"] for one in kept.vm(NAME)["kept"] if one["path"] == str(state))
    assert (reason, _content(state)) == (f"delete_disks: none; delete it with: rm -r {state}", content)
    subprocess.run(shlex.split(reason.rpartition(": ")[2]), check=True)
    assert not (qemu.storage / f"{NAME}.console").exists()
    assert qemu.files() == sorted([disk, SECURE, PLAIN])
    assert not state.exists()
    made = {**_options(qemu), "state": "started"}
    # Nothing says any more that these files are ours.
    for name in (disk, SECURE):
        refused = carry(qemu, [Task("adopt", made)], [NAME])["adopt"]
        assert (refused.truth[NAME], f"{name} already exists" in refused.msg) == (None, True), refused.msg
        (qemu.storage / name).unlink()
    without = Task("without", {"name": [NAME], "tpm": False})
    answers = play(qemu, carry, Task("make", made), without, Task("check", absent, True), Task("remove", absent))
    # The other kind of NVRAM does not belong to this second VM, which never had it.
    assert qemu.files() == [PLAIN]
    state = TPM_STATES / answers["make"].truth[NAME]["id"]
    assert [str(state) in answers[one].vm(NAME)["deleted"] for one in ("check", "remove")] == [True, True]
    assert not state.exists()


def _content(folder):
    return {one.name: one.read_bytes() for one in folder.rglob("*") if one.is_file()}


@pytest.mark.parametrize(("tpm", "delete_disks"), [(True, "none"), (False, "owned")])
def test_deletion_with_tpm_that_is_killed(qemu, shim, tmp_path, tpm, delete_disks):
    """At each call; also of a VM whose TPM was removed. The next run completes it."""
    task = {"name": [NAME], "state": "absent", "delete_disks": delete_disks}
    for number in count(1):
        qemu.clean()
        made = carry_one(qemu, shim, tmp_path, {**qemu.creation, "name": [NAME], "tpm": tpm})
        assert made.rc == 0, made.msg
        state = TPM_STATES / qemu.ids()[NAME]
        state.mkdir(parents=True)
        (state / "keys").touch()
        shim.order(f"kill-after {number}")
        killed = carry_one(qemu, shim, tmp_path, task)
        shim.forget()
        again = carry_one(qemu, shim, tmp_path, task)
        assert (again.rc, NAME in qemu.ids()) == (0, False), again.msg
        assert _content(state) == ({"keys": b""} if delete_disks == "none" else {}), number
        shutil.rmtree(state, ignore_errors=True)
        if killed.rc == 0:
            break
    assert number > 3


def test_native_paths_of_the_xml(qemu, carry):
    """Machine type, CPU model and huge pages are set and changed by native; a second run changes nothing."""
    qemu.clean()
    first = {"os/type@machine": "pc", "cpu@mode": "host-model", "memoryBacking/hugepages": ""}
    second = {"cpu@mode": "custom", "cpu/model": "Nehalem", "memoryBacking/hugepages": None}
    steps = {}
    for label, native in (("make", first), ("change", second)):
        options = {**qemu.creation, "name": [NAME], "native": native}
        steps.update({label: Task(label, options), f"{label} again": Task(f"{label} again", options)})
    answers = play(qemu, carry, *steps.values())
    assert [answer.changed for answer in answers.values()] == [True, False, True, False]
    made, changed = (ET.fromstring(answers[label].truth[NAME]["stored"]) for label in ("make", "change"))
    assert made.find("os/type").get("machine").startswith("pc-i440fx")
    assert made.find("cpu").get("mode") == "host-model"
    assert made.find("memoryBacking/hugepages") is not None
    assert changed.findtext("cpu/model") == "Nehalem"
    assert changed.find("memoryBacking/hugepages") is None
