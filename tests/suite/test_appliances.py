# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VMs from appliances on the real libvirt: check mode, run and again; hostile appliances change nothing."""

from __future__ import annotations

import gzip
import stat
import subprocess
from pathlib import Path

import pytest

from suite import appliance_files as made
from suite import backup_files
from suite.answer import Task
from suite.belts import share

#: The byte that fills the first disk, and the second one.
THEN, OTHER = 0x11, 0x22
VM, OTHER_VM = "pvg-appliance", "pvg-appliance-2"
NAT = [{"name": "VM Network", "type": "network", "source": "default", "model": "e1000"}]


@pytest.fixture
def folder(qemu, tmp_path):
    qemu.clean()
    return tmp_path


def _asked(source, **more):
    appliance = {"source": source, "networks": NAT, **more.pop("appliance", {})}
    return {"name": [VM], "appliance": appliance, **more}


def _tasks(source, **more):
    asked = _asked(source, **more)
    return [Task("check", asked, check=True), Task("run", asked), Task("again", asked)]


def test_appliance_becomes_a_vm(qemu, carry, folder):
    """Two disks, of which the second in the archive is the first one of the VM; CPUs, memory and NIC as described."""
    disks = {"b.vmdk": made.disk(folder / "b.vmdk", byte=OTHER), "a.vmdk": made.disk(folder / "a.vmdk", byte=THEN)}
    files = [("f1", "b.vmdk", ""), ("f2", "a.vmdk", "")]
    # One is larger than its file.
    listed = [("d1", "f1", 20 * 1024**2), ("d2", "f2", 16 * 1024**2)]
    body = made.hardware(made.sata(("d1", 1), ("d2", 0)), made.nic(), cpus=2, memory=96)
    source = made.ova(folder / "x.ova", made.envelope(body, files, listed), disks)
    answers = carry(qemu, _tasks(source), [VM])
    run = answers["run"]
    assert not run.failed, run.msg
    assert answers["check"].truth[VM] is None
    assert answers["check"].result["diff"] == run.result["diff"]
    assert (answers["again"].changed, answers["again"].result.get("warnings") or []) == (False, [])
    found = answers["again"].vm(VM)
    assert (found["cpus"], found["memory_mib"], found["settings"]["firmware"]) == (2, 96, "bios")
    disks = [(one["slot"], one["bus"], one["size"]) for one in found["disks"]]
    assert disks == [("sda", "sata", "16M"), ("sdb", "sata", "20M")]
    assert [one["model"] for one in found["networks"]] == ["e1000"]
    assert qemu.holds(run.truth[VM], THEN, "sda")
    assert qemu.holds(run.truth[VM], OTHER, "sdb")


def _simple(folder, descriptor=None, **about):
    disks = {"disk1.vmdk": made.disk(folder / "disk1.vmdk", byte=THEN)}
    return made.ova(folder / "x.ova", descriptor or made.one_disk(made.nic()), disks, **about)


def test_what_is_not_carried_is_in_the_result_of_check_mode_too(qemu, carry, folder):
    source = _simple(folder, made.one_disk(made.nic(), made.item(35, 50)))
    answers = carry(qemu, _tasks(source), [VM])
    found = [answers[label].vm(VM)["not_carried"] for label in ("check", "run", "again")]
    assert found[0] == found[1] == ["sound card", found[0][1]], found
    assert (found[0][1].startswith("firmware"), found[2]) == (True, [])


def test_options_of_the_task_win(qemu, carry, folder):
    """The disk of the appliance grows, and a second one is added."""
    disks = [{"slot": "sata0", "size": "24M"}, {"slot": "vda", "size": "8M"}]
    more = {"cpus": 3, "memory": "80M", "disks": disks, "networks": [], "appliance": {"networks": None}}
    answers = carry(qemu, _tasks(_simple(folder), **more), [VM])
    assert not answers["run"].failed, answers["run"].msg
    assert (answers["check"].result["diff"], answers["again"].changed) == (answers["run"].result["diff"], False)
    found = answers["again"].vm(VM)
    assert (found["cpus"], found["memory_mib"], found["networks"]) == (3, 80, [])
    assert {one["slot"]: one["size"] for one in found["disks"]} == {"sda": "24M", "vda": "8M"}
    assert qemu.holds(answers["run"].truth[VM], THEN, "sda")


def test_disks_are_deleted_with_the_vm_and_the_appliance_is_not(qemu, carry, folder):
    source = _simple(folder)
    content = Path(source).read_bytes()
    tasks = [*_tasks(source)[1:], Task("gone", {"name": [VM], "state": "absent"})]
    answers = carry(qemu, tasks, [VM])
    assert not answers["gone"].failed, answers["gone"].msg
    assert (answers["gone"].truth[VM], qemu.contents()) == (None, {})
    assert Path(source).read_bytes() == content


def test_properties_are_on_an_iso_image_that_only_its_owner_can_read(qemu, carry, folder):
    section = (
        '<ProductSection><Info/><Property ovf:key="hostname" ovf:userConfigurable="true" ovf:value="x"/>'
        '<Property ovf:key="password" ovf:userConfigurable="true" ovf:password="true"/></ProductSection>'
    )
    source = _simple(folder, made.one_disk(made.nic(), sections=section, transport="iso"))
    given = {"properties": {"hostname": "web1", "password": "S3cret-of-the-appliance"}}
    answers = carry(qemu, _tasks(source, appliance=given), [VM])
    assert not answers["run"].failed, answers["run"].msg
    assert not any("S3cret" in str(answer.result) for answer in answers.values())
    (iso,) = [Path(qemu.storage) / name for name in qemu.files() if name.endswith(".iso")]
    assert stat.S_IMODE(iso.stat().st_mode) == 0o600
    text = subprocess.run(
        ["xorriso", "-osirrox", "on", "-indev", iso, "-extract", "/ovf-env.xml", folder / "env.xml"],
        check=True,
        capture_output=True,
    )
    assert 'oe:key="hostname" oe:value="web1"' in (folder / "env.xml").read_text(), text
    assert not answers["again"].changed
    gone = carry(qemu, [Task("gone", {"name": [VM], "state": "absent"})], [VM])["gone"]
    assert (gone.failed, iso.exists()) == (False, False)


def _hostile(folder):
    """{name: (path of an appliance, part of the message)}."""
    good = made.disk(folder / "disk1.vmdk", byte=THEN)
    text = b'# Disk DescriptorFile\nversion=1\nCID=1\nparentCID=ffffffff\nRW 4 FLAT "/etc/passwd" 0\n'
    licensed = "<EulaSection><Info/><License>The terms</License></EulaSection>"
    descriptors = {
        "outside": (made.one_disk(made.nic(), file="../../etc/passwd"), good, "outside of the appliance"),
        "address": (made.one_disk(made.nic(), file="http://example.com/x"), good, "outside of the appliance"),
        "entities": ('<!DOCTYPE x [<!ENTITY a "a">]><Envelope/>', good, "document type"),
        "names files": (made.one_disk(made.nic()), text, "names another file"),
        "memory": (made.one_disk(made.nic(), memory=10**15), good, "out of range"),
        "license": (made.one_disk(made.nic(), sections=licensed), good, "The terms"),
        "network": (made.one_disk(made.nic("LAN")), good, "'LAN' of the appliance is not mapped"),
        "damaged disk": (made.one_disk(made.nic()), good[:4096] + b"x" * 4096, "disk"),
    }
    found = {}
    for number, (name, (descriptor, disk, expected)) in enumerate(descriptors.items()):
        found[name] = made.ova(folder / f"{number}.ova", descriptor, {"disk1.vmdk": disk}), expected
    wrong = Path(made.ova(folder / "wrong.ova", made.one_disk(made.nic()), {"disk1.vmdk": good}))
    wrong.write_bytes(wrong.read_bytes().replace(good, good[:-1] + b"x"))
    found["manifest"] = str(wrong), "differs from its checksum"
    return found


def test_hostile_appliance_changes_nothing(qemu, carry, folder):
    cases = _hostile(folder)
    tasks = [
        task
        for name, (source, _expected) in cases.items()
        for task in (Task(f"{name} checked", _asked(source), check=True), Task(name, _asked(source)))
    ]
    before = qemu.contents()
    answers = carry(qemu, tasks, [VM])
    for name, (_source, expected) in cases.items():
        for label in (f"{name} checked", name):
            answer = answers[label]
            assert answer.failed, label
            assert expected in answer.msg, (label, answer.msg)
            assert answer.truth[VM] is None, label
    assert qemu.contents() == before


def test_damaged_disk_is_reported_as_that(qemu, carry, folder):
    disk = made.damaged(made.disk(folder / "disk1.vmdk", byte=THEN))
    source = made.ova(folder / "x.ova", made.one_disk(made.nic()), {"disk1.vmdk": disk})
    run = carry(qemu, [Task("run", _asked(source))], [VM])["run"]
    assert (run.failed, run.truth[VM], qemu.contents()) == (True, None, {})
    assert f"{source} contains a damaged disk: qemu-img: error while reading" in run.msg
    assert run.msg.endswith("Get the appliance again."), run.msg


def test_file_of_somebody_else_is_not_overwritten(qemu, carry, folder):
    path = Path(qemu.storage) / f"{VM}-sda.qcow2"
    made.disk(path, "qcow2", byte=OTHER)
    content = path.read_bytes()
    answers = carry(qemu, _tasks(_simple(folder)), [VM])
    assert (answers["check"].failed, answers["run"].failed) == (True, True)
    assert "already exists" in answers["run"].msg
    assert path.read_bytes() == content


@pytest.mark.full
def test_guest_of_an_appliance_boots(qemu, carry, folder, key):
    """The small guest has drivers for virtio only, and its kernel is not on its disk."""
    guest, disk = qemu.guest, folder / "disk1.vmdk"
    words = ["-O", "vmdk", "-o", "subformat=streamOptimized", guest["image"]["source"], disk]
    subprocess.run(["qemu-img", "convert", *words], check=True)
    attached = made.item(17, 20, Parent=3, AddressOnParent=0, HostResource="ovf:/disk/d1")
    controller = made.item(20, 3, ResourceSubType="virtio")
    body = made.hardware(controller, attached, made.nic(model="virtio"), memory=128)
    descriptor = made.envelope(body, [("f1", "disk1.vmdk", "")], [("d1", "f1", 1)])
    source = made.ova(folder / "x.ova", descriptor, {"disk1.vmdk": disk.read_bytes()})
    qemu.start_network()
    networks = [{"name": "VM Network", "type": "network", "source": qemu.guests_network}]
    asked = _asked(source, appliance={"networks": networks}, native=guest["native"], **key.seed)
    answer = carry(qemu, [Task("run", {**asked, "state": "started", "wait_for": "ssh"})], [VM])["run"]
    assert not answer.failed, answer.msg
    found = answer.vm(VM)
    assert (found["state"], found["disks"][0]["slot"], found["networks"][0]["model"]) == ("running", "vda", "virtio")


def test_compressed_disk_leaves_no_other_file(qemu, carry, folder):
    disk = gzip.compress(made.disk(folder / "disk1.vmdk", byte=THEN))
    descriptor = made.one_disk(made.nic(), attributes='ovf:compression="gzip"')
    source = made.ova(folder / "x.ova", descriptor, {"disk1.vmdk": disk})
    answers = carry(qemu, _tasks(source), [VM])
    assert not answers["run"].failed, answers["run"].msg
    assert (answers["check"].result["diff"], answers["again"].changed) == (answers["run"].result["diff"], False)
    assert qemu.holds(answers["run"].truth[VM], THEN, "sda")
    assert len(qemu.contents()) == 1, qemu.contents()


def test_secure_boot_can_be_set_for_firmware_that_only_the_descriptor_states(qemu, carry, folder):
    efi = '<vmw:Config vmw:key="firmware" vmw:value="efi"/>'
    answers = carry(qemu, _tasks(_simple(folder, made.one_disk(made.nic(), efi)), secure_boot=True), [VM])
    assert not answers["run"].failed, answers["run"].msg
    assert (answers["check"].result["diff"], answers["again"].changed) == (answers["run"].result["diff"], False)
    found = answers["again"].vm(VM)["settings"]
    assert (found["firmware"], found["secure_boot"]) == ("uefi", True)


def test_several_vms_of_a_task_have_the_same_appliance(qemu, carry, folder):
    """Each has disks and properties of its own, and check mode has the same diff and result for each."""
    asked = {**_asked(_simple(folder, made.one_disk(made.nic(), made.item(35, 50)))), "name": [VM, OTHER_VM]}
    tasks = [Task("check", asked, check=True), Task("run", asked), Task("again", asked)]
    answers = carry(qemu, tasks, [VM, OTHER_VM])
    assert [answer.msg for answer in answers.values() if answer.failed] == []
    check, run = answers["check"], answers["run"]
    assert (check.result["diff"], len(run.result["diff"]), answers["again"].changed) == (run.result["diff"], 2, False)
    for name in (VM, OTHER_VM):
        assert (check.truth[name], check.vm(name)["changed"], run.vm(name)["changed"]) == (None, True, True)
        assert check.vm(name)["not_carried"] == run.vm(name)["not_carried"] != []
        assert qemu.holds(run.truth[name], THEN, "sda")
    macs = [run.vm(name)["networks"][0]["mac"] for name in (VM, OTHER_VM)]
    assert len(set(macs)) == 2
    gone = carry(qemu, [Task("gone", {"name": [VM], "state": "absent"})], [VM, OTHER_VM])["gone"]
    assert qemu.holds(gone.truth[OTHER_VM], THEN, "sda")


def test_appliance_at_an_address_becomes_a_vm(qemu, carry, folder, server):
    """Check mode reads parts of it; the run downloads it once, for both VMs of the task."""
    store = folder / "store"
    about = made.published(server, _simple(folder))
    asked = {**_asked(None, appliance=about), "name": [VM, OTHER_VM], "image_directory": str(store)}
    answers = carry(qemu, [Task("check", asked, check=True), Task("run", asked), Task("again", asked)], [VM, OTHER_VM])
    assert [answer.msg for answer in answers.values() if answer.failed] == []
    assert answers["check"].result["diff"] == answers["run"].result["diff"]
    assert not answers["again"].changed
    for name in (VM, OTHER_VM):
        assert qemu.holds(answers["run"].truth[name], THEN, "sda")
        assert answers["check"].vm(name)["not_carried"] == answers["run"].vm(name)["not_carried"] != []
    assert [path for path, wanted in server.requests if wanted is None] == ["/x.ova"]
    assert sorted(one.suffix for one in store.iterdir()) == [".json", ".ova"]


#: The number of calls of a creation after which it is killed on one day; a deep run tests all.
_KILLED_AT = 3


@pytest.mark.parametrize("kind", ["archive", "backup"])
def test_killed_creation_is_completed(request, qemu, carry, folder, shim, kind):
    source = _simple(folder) if kind == "archive" else str(backup_files.with_two_disks(folder, OTHER, THEN))
    asked = _asked(source)
    calls = carry(qemu, [Task("make", asked)], [VM])["make"].calls
    for number in share(request.config, [call.number for call in calls], _KILLED_AT):
        qemu.clean()
        shim.forget()
        shim.order(f"kill-after {number}")
        assert carry(qemu, [Task("make", asked)], [VM])["make"].rc == -9
        shim.forget()
        answers = carry(qemu, _tasks(asked["appliance"]["source"]), [VM])
        assert [answer.msg for answer in answers.values() if answer.failed] == [], number
        assert not answers["again"].changed
        assert qemu.holds(answers["run"].truth[VM], THEN, "sda")
        assert len(answers["again"].vm(VM)["disks"]) == (1 if kind == "archive" else 2)
