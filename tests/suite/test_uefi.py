# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The NVRAM of VMs with UEFI, and snapshots of such VMs while they run: what this host's libvirt supports.

With libvirt 9.0 they are rejected; ``scripts/test.sh run --root debian13`` runs the same tests with libvirt 11.3.
"""

from __future__ import annotations

import json
import subprocess

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import RUNNING, STOPPED

from suite.answer import Task
from suite.limits import scaled
from suite.provisioning import variables_of_guest
from suite.test_machinery import play

NAME, SNAPSHOT = "pvg-uefi", "clean"
RAW, QCOW2 = f"{NAME}.nvram", f"{NAME}.nvram.qcow2"
#: With 128M, the firmware crashes while it loads the kernel of the guest.
MEMORY = "256M"
ABSENT_TASK = {"name": [NAME], "state": "absent", "stop_mode": "force"}


def _made(qemu, **options):
    return {**qemu.creation, "name": [NAME], "firmware": "uefi", "state": "started", **options}


def _has_qcow2(qemu):
    return "nvram_format" in qemu.traits().fields


def _snapshot(label, check=False, **options):
    return Task(label, {"name": [NAME], "snapshot": SNAPSHOT, **options}, check=check, about="snapshot")


def _in_image(path):
    """Names of the snapshots within an image."""
    command = ["qemu-img", "info", "-U", "--output=json", path]
    described = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return [one["name"] for one in described.get("snapshots", ())]


@pytest.mark.guest
def test_snapshot_of_a_running_vm(qemu, carry):
    """It is taken, restored and deleted with the NVRAM; without support, it is rejected before any change."""
    qemu.clean()
    play(qemu, carry, Task("make", _made(qemu)))
    if not _has_qcow2(qemu):
        answer = carry(qemu, [_snapshot("take")], [NAME])["take"]
        assert answer.failed
        assert all(word in answer.msg for word in (NAME, "Stop the VM first", "10.10", "kind: external", "BIOS"))
        assert answer.truth[NAME]["power"] == RUNNING
        play(qemu, carry, Task("remove", ABSENT_TASK))
        return
    assert {QCOW2} == {name for name in qemu.files() if ".nvram" in name}
    taken = play(
        qemu, carry, _snapshot("check", check=True), _snapshot("take"), _snapshot("again"), Task("same", _made(qemu))
    )
    assert [answer.changed for answer in taken.values()] == [True, True, False, False]
    assert taken["check"].result["diff"] == taken["take"].result["diff"]
    assert _in_image(qemu.storage / QCOW2) == _in_image(qemu.disk_of(NAME)) == [SNAPSHOT]
    restored = play(
        qemu, carry, Task("off", {"name": [NAME], "state": "stopped", "stop_mode": "force"}),
        _snapshot("restore", state="restored"), _snapshot("drop", state="absent"), _snapshot("gone", state="absent"),
    )  # fmt: skip
    assert [restored[label].truth[NAME]["power"] for label in ("off", "restore")] == [STOPPED, RUNNING]
    assert [restored[label].changed for label in ("drop", "gone")] == [True, False]
    assert _in_image(qemu.storage / QCOW2) == []
    removed = play(qemu, carry, Task("remove", ABSENT_TASK))["remove"]
    assert (removed.truth[NAME], qemu.files()) == (None, [])


def test_vm_without_possible_snapshots_is_rejected_before_it_is_created(qemu, carry):
    """With ``require_snapshots``: UEFI depends on the version of libvirt, raw disks have none with any version."""
    qemu.clean()
    uefi, raw = _made(qemu, require_snapshots=True), {"disks": [{"size": "8M", "format": "raw"}]}
    cases = {"raw": {**_made(qemu, **raw, require_snapshots=True), "firmware": "bios"}}
    if not _has_qcow2(qemu):
        cases["uefi"] = uefi
    for case, options in cases.items():
        answers = carry(qemu, [Task("check", options, check=True), Task("make", options)], [NAME])
        for answer in answers.values():
            assert f"{NAME}: require_snapshots: " in answer.msg, case
            assert answer.truth[NAME] is None
    assert qemu.files() == []
    without = {**cases["raw"], "require_snapshots": False, "state": "stopped"}
    answers = play(qemu, carry, Task("make", without), Task("remove", ABSENT_TASK))
    assert [answer.changed for answer in answers.values()] == [True, True]


@pytest.mark.guest
def test_raw_nvram_is_converted_with_permission(qemu, carry):
    """The conversion is a change like others: it waits for allow_restart, and keeps what the guest has stored."""
    qemu.clean()
    if not _has_qcow2(qemu):
        answer = carry(qemu, [Task("make", _made(qemu, nvram_format="qcow2"))], [NAME])["make"]
        assert (answer.truth[NAME], "nvram_format" in answer.msg, "10.10" in answer.msg) == (None, True, True)
        return
    play(qemu, carry, Task("make", _made(qemu, nvram_format="raw")))
    before = (qemu.storage / RAW).read_bytes()
    asked = _made(qemu, nvram_format="qcow2", stop_mode="force")
    waiting, check, done, again = carry(
        qemu, [
            Task("waiting", asked), Task("check", {**asked, "allow_restart": True}, check=True),
            Task("do", {**asked, "allow_restart": True}), Task("again", asked),
        ], [NAME],
    ).values()  # fmt: skip
    assert all(word in waiting.msg for word in (NAME, "nvram_format", "allow_restart")), waiting.msg
    assert (check.changed, done.changed, again.changed) == (True, True, False), done.msg
    assert check.result["diff"] == done.result["diff"]
    assert done.truth[NAME]["power"] == RUNNING
    assert len(before) == len(_raw(qemu.storage / QCOW2))
    removed = play(qemu, carry, Task("remove", ABSENT_TASK))["remove"]
    assert (removed.truth[NAME], qemu.files()) == (None, [])


def _raw(path):
    """The content of a qcow2 image."""
    copy = f"{path}.raw"
    subprocess.run(["qemu-img", "convert", "-U", "-O", "raw", path, copy], check=True)
    with open(copy, "rb") as file:
        content = file.read()
    subprocess.run(["rm", copy], check=True)
    return content


@pytest.mark.guest
@pytest.mark.full
def test_molecule_resets_vm_or_rejects_it_before_it_is_created(qemu, tmp_path, ansible_playbook):
    qemu.clean()
    qemu.start_network()
    variables = variables_of_guest(qemu, tmp_path / "key")
    for name in ("vm_ssh_key_file", "vm_known_hosts_folder"):
        del variables[name]
    options = {**variables["vm_module_options"], "firmware": "uefi"}
    hosts = {"web": {**variables, "vm_memory": MEMORY, "vm_module_options": options, "vm_timeout": int(scaled(240))}}
    (tmp_path / "inventory").mkdir()
    (tmp_path / "hosts.json").write_text(json.dumps({"all": {"hosts": hosts}}), encoding="utf-8")

    def play(playbook, *words):
        inventories = ["-i", tmp_path / "hosts.json", "-i", tmp_path / "inventory"]
        around = {"environment": {"MOLECULE_EPHEMERAL_DIRECTORY": str(tmp_path)}, "folder": tmp_path}
        return ansible_playbook(*inventories, playbook, *words, **around)

    try:
        code, output = play("polyvirt.core.molecule_create")
        vms = [name for name in qemu.virsh("list", "--all", "--name").split() if name.endswith("-web")]
        if not _has_qcow2(qemu):
            words = " ".join(output.split())
            assert all(one in words for one in ("require_snapshots: libvirt", "10.10", "molecule_snapshot=false"))
            assert (code != 0, vms, qemu.files()) == (True, [], [])
            return
        assert (code, len(vms)) == (0, 1), output
        assert "exists" in _in_guest(play, tmp_path, "touch /etc/trace; [ -e /etc/trace ] && echo exists")
        code, output = play("polyvirt.core.molecule_reset")
        assert code == 0, output
        assert "gone" in _in_guest(play, tmp_path, "[ -e /etc/trace ] || echo gone")
    finally:
        code, output = play("polyvirt.core.molecule_destroy")
    assert (code, qemu.files()) == (0, []), output


def _in_guest(play, folder, command):
    """Run a command in the guest by SSH, with the variables that the playbook has written; returns the output."""
    playbook, raw = folder / "in_guest.json", {"ansible.builtin.raw": command, "register": "said"}
    tasks = [raw, {"ansible.builtin.debug": {"var": "said.stdout"}}]
    playbook.write_text(json.dumps([{"hosts": "web", "gather_facts": False, "tasks": tasks}]), encoding="utf-8")
    code, output = play(playbook)
    assert code == 0, output
    return output
