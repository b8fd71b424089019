# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups that the real libvirt has created become new VMs of libvirt and of the real VirtualBox."""

from __future__ import annotations

import json
import re
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import STOPPED

from suite import backup_files as made
from suite.answer import Task
from suite.backup_tasks import COPY, WEB, assert_worked, backing_up, bring, content, disks_of, powered, virsh

NEW = "pvg-moved"
#: The bytes that fill the disk that a VM starts from, and its other one.
THEN, OTHER = 0x11, 0x22
#: What the powers of a definition would do.
POWERS = (
    "<filesystem type='mount'><source dir='/'/><target dir='all'/></filesystem>"
    "<hostdev mode='subsystem' type='usb'><source><vendor id='0x1234'/><product id='0x0001'/></source></hostdev>"
)


def _asked(place, name=NEW, networks=(), **more):
    appliance = {"source": str(place), "networks": list(networks), **more.pop("appliance", {})}
    return {"name": [name], "appliance": appliance, **more}


def _tasks(asked):
    return [Task("check", asked, check=True), Task("run", asked), Task("again", asked)]


def _start_from_the_second(name):
    """As an administrator writes it into the definition."""
    text = virsh("dumpxml", name, "--inactive").replace("<boot dev='hd'/>", "").replace("<boot dev='cdrom'/>", "")
    for slot, order in (("vda", 2), ("vdb", 1)):
        text = re.sub(rf"(<target dev='{slot}'[^>]*>)", rf"\1<boot order='{order}'/>", text)
    subprocess.run(["virsh", "-q", "define", "/dev/stdin"], input=text, text=True, check=True)


def _back_up(qemu, carry, place, firmware):
    """Back up a VM that starts from its second disk. Returns (its disks by the order of their start, directory)."""
    nic = [{"type": "network", "source": "default"}]
    disks = bring(qemu, carry, STOPPED, firmware=firmware, networks=nic)
    _start_from_the_second(WEB)
    before = [content(*disks[slot]) for slot in ("vdb", "vda")]
    assert_worked(carry(qemu, [backing_up("made", place)], [WEB]), made=True)
    (folder,) = place.glob("*/*")
    return before, folder


@pytest.mark.full
@pytest.mark.parametrize("firmware", ["bios", "uefi"])
def test_backup_becomes_another_vm_of_libvirt(qemu, carry, place, firmware):
    before, folder = _back_up(qemu, carry, place, firmware)
    (mac,) = re.findall("<mac address='(.*)'/>", virsh("dumpxml", WEB))
    networks = [{"name": "default", "type": "network", "source": "default"}]
    kept = _asked(folder, networks=networks, appliance={"keep_macs": True})
    answers = carry(qemu, _tasks(kept), [NEW])
    for label in ("check", "run"):
        assert f"{NEW}: networks.0.mac: {mac} is used by {WEB}." in answers[label].msg, answers[label].msg
        assert answers[label].truth[NEW] is None
    assert_worked(carry(qemu, [powered("absent")], [WEB]), absent=True)
    both = Task("both", {**kept, "name": [NEW, COPY]}, check=True)
    twice = carry(qemu, [both], [NEW, COPY])["both"]
    assert f"{COPY}: networks.0.mac: {mac} is used by {NEW}, as this task makes it." in twice.msg
    answers = carry(qemu, _tasks(kept), [NEW])
    assert_worked(answers, check=True, run=True, again=False)
    assert answers["check"].truth[NEW] is None
    assert answers["check"].result["diff"] == answers["run"].result["diff"]
    assert answers["check"].vm(NEW)["not_carried"] == answers["run"].vm(NEW)["not_carried"]
    found = answers["again"].vm(NEW)
    assert (found["memory_mib"], found["settings"]["firmware"]) == (128, firmware)
    assert found["id"] != folder.parent.name
    assert [(one["mac"], one["model"]) for one in found["networks"]] == [(mac, "virtio")]
    new = disks_of(found)
    assert [content(*new[slot]) for slot in ("vda", "vdb")] == before
    assert answers["run"].result.get("warnings", []) == []


#: {platform: what its error names}.
WITHOUT = {"libvirt_test": "appliance", "vagrant": "Use image with a box", "vmm": "image", "wsl": "Use image"}


def test_backup_becomes_a_vm_on_each_platform_or_is_rejected_by_name(platform, carry, place):
    platform.clean()
    place.mkdir()
    folder, name = made.with_two_disks(place, OTHER, THEN), "pvc-moved"
    networks = [{"name": "VM Network", **platform.nic}] if platform.name not in WITHOUT else []
    answers = carry(platform, _tasks(_asked(folder, name, networks)), [name])
    if platform.name in WITHOUT:
        for answer in answers.values():
            assert (answer.failed, answer.changed, answer.truth[name]) == (True, False, None), answer.result
            assert WITHOUT[platform.name] in answer.msg, answer.msg
        return
    assert_worked(answers, check=True, run=True, again=False)
    check, run = answers["check"], answers["run"]
    assert (check.truth[name], check.result["diff"]) == (None, run.result["diff"])
    assert check.vm(name)["not_carried"] == run.vm(name)["not_carried"] != []
    found = answers["again"].vm(name)
    assert (found["cpus"], found["memory_mib"], len(found["networks"])) == (2, 128, 1)
    slots = [one["slot"] for one in found["disks"]]
    # The simulated server keeps no content of uploads: unit/module_utils/_drivers/proxmox/test_appliances.py.
    assert platform.name == "proxmox" or [
        platform.holds(run.truth[name], byte, slot) for byte, slot in zip((THEN, OTHER), slots)
    ] == [True, True]
    assert_worked(carry(platform, [Task("gone", {"name": [name], "state": "absent"})], [name]), gone=True)
    platform.clean()


def _write(name, data):
    return lambda place: (place / name).write_bytes(data)


def _edit_definition(place, old, new):
    path = place / "definition.xml"
    path.write_text(path.read_text().replace(old, new, 1))
    made.edit(place, ["definition.xml"])


def _backing(place):
    path = place / "sda.qcow2"
    path.unlink()
    subprocess.run(
        ["qemu-img", "create", "-q", "-f", "qcow2", "-b", "/etc/passwd", "-F", "raw", path, "16M"], check=True
    )
    made.edit(place, ["sda.qcow2"])


def _link(place):
    path = place / "sda.qcow2"
    path.rename(place.parent.parent / "elsewhere")
    path.symlink_to(place.parent.parent / "elsewhere")


def _larger(place):
    manifest = json.loads((place / "manifest.json").read_text())
    made.edit(
        place, files=[{**one, "virtual_size": 2**30} if "virtual_size" in one else one for one in manifest["files"]]
    )


#: {how the directory is changed: part of the message}
TAMPERED = {
    lambda place: (place / "sda.qcow2").write_bytes((place / "sdb.qcow2").read_bytes()): "differs from its checksum",
    _backing: "names another file",
    _link: "is a link",
    _larger: "has another size",
    _write("sda.qcow2", b""): "has 0 bytes instead of",
    lambda place: made.edit(place, unfinished=True): "its task has not completed it",
    lambda place: _edit_definition(place, made.BIRTH, made.BIRTH[::-1]): f"the backup is of VM {made.BIRTH}",
}


def test_tampered_backup_changes_nothing(qemu, carry, place):
    qemu.clean()
    tasks, cases = [], {}
    for number, (change, expected) in enumerate(TAMPERED.items()):
        parent = place / str(number)
        parent.mkdir(parents=True)
        folder = made.with_two_disks(parent, OTHER, THEN)
        change(folder)
        asked = _asked(folder, networks=[{"name": "VM Network", "type": "network", "source": "default"}])
        labels = f"{number} check", f"{number} run"
        cases.update(dict.fromkeys(labels, expected))
        tasks += [Task(label, asked, check="check" in label) for label in labels]
    before = qemu.contents()
    answers = carry(qemu, tasks, [NEW])
    for label, expected in cases.items():
        assert answers[label].failed, label
        assert expected in answers[label].msg, (label, answers[label].msg)
        assert answers[label].truth[NEW] is None
    assert qemu.contents() == before


def test_definition_of_another_vm_is_not_restored_either(qemu, carry, place):
    qemu.clean()
    place.mkdir()
    folder = made.with_two_disks(place, OTHER, THEN)
    _edit_definition(folder, made.BIRTH, made.BIRTH[::-1])
    asked = {"name": ["web1"], "directory": str(place / "backups"), "state": "restored", "backup": made.ID}
    answers = carry(qemu, [Task(one, asked, one == "check", "backup") for one in ("check", "run")], ["web1"])
    for answer in answers.values():
        assert f"its definition is not valid: its UUID is {made.BIRTH[::-1]}" in answer.msg, answer.msg
        assert answer.truth["web1"] is None


def test_powers_of_a_definition_are_named_and_not_in_the_vm(qemu, carry, place):
    qemu.clean()
    place.mkdir()
    folder = made.with_two_disks(place, OTHER, THEN)
    _edit_definition(
        folder, "<emulator>/usr/bin/qemu-system-x86_64</emulator>", f"<emulator>/x/evil</emulator>{POWERS}"
    )
    asked = _asked(folder, networks=[{"name": "VM Network", "type": "network", "source": "default"}])
    answers = carry(qemu, _tasks(asked), [NEW])
    assert_worked(answers, check=True, run=True, again=False)
    lost = {"emulator (/x/evil)", "shared folder (/)", "device of the host (usb)"}
    for label in ("check", "run"):
        assert lost <= set(answers[label].vm(NEW)["not_carried"]), answers[label].vm(NEW)
    text = virsh("dumpxml", NEW, "--inactive")
    assert "evil" not in text and "<filesystem" not in text and "<hostdev" not in text


@pytest.mark.full
def test_guest_of_a_backup_boots_on_libvirt_and_its_disk_is_that_of_virtualbox(ground, carry, place, key):
    """The source and all files of it are deleted before, as on another host; the VM of VirtualBox is only compared."""
    qemu = ground.open("libvirt_qemu", "pvg-")
    qemu.clean()
    qemu.start_network()
    guest = {**qemu.guest, **key.seed}
    answers = carry(
        qemu, [Task("made", {**guest, "name": [WEB], "state": "stopped"}), backing_up("saved", place)], [WEB]
    )
    assert_worked(answers, made=True, saved=True)
    (folder,) = place.glob("*/*")
    before = content(*disks_of(answers["made"].vm(WEB))["vda"])
    assert_worked(carry(qemu, [powered("absent")], [WEB]), absent=True)
    networks = [{"name": qemu.guests_network, "type": "network", "source": qemu.guests_network}]
    boot = {"native": guest["native"], "state": "started", "wait_for": "ssh", **key.seed}
    answer = carry(qemu, [Task("run", _asked(folder, networks=networks, **boot))], [NEW])["run"]
    assert not answer.failed, answer.msg
    assert (answer.vm(NEW)["state"], answer.vm(NEW)["disks"][0]["slot"]) == ("running", "vda")
    box = ground.open("virtualbox", "pvb-")
    _assert_is_vm_of_virtualbox(box, carry, folder, [before])


@pytest.mark.full
@pytest.mark.parametrize("firmware", ["bios", "uefi"])
def test_backup_of_libvirt_becomes_a_vm_of_virtualbox(ground, carry, place, firmware):
    before, folder = _back_up(ground.open("libvirt_qemu", "pvg-"), carry, place, firmware)
    found = _assert_is_vm_of_virtualbox(ground.open("virtualbox", "pvb-"), carry, folder, before)
    assert found["settings"]["firmware"] == firmware


def _assert_is_vm_of_virtualbox(box, carry, folder, before):
    """Check mode, run and again; the content of its disks, in the order of their start, is that of the source."""
    box.clean()
    name = f"{box.prefix}moved"
    nic = ET.fromstring((folder / "definition.xml").read_text()).find("devices/interface")
    network, mac = nic.find("source").get("network"), nic.find("mac").get("address")
    asked = _asked(folder, name, [{"name": network, "type": "nat"}], appliance={"keep_macs": True})
    answers = carry(box, _tasks(asked), [name])
    assert_worked(answers, check=True, run=True, again=False)
    assert answers["check"].result["diff"] == answers["run"].result["diff"]
    assert answers["check"].vm(name)["not_carried"] == answers["run"].vm(name)["not_carried"] != []
    found = answers["again"].vm(name)
    assert (found["networks"][0]["mac"], found["networks"][0]["model"]) == (mac, "virtio")
    paths = {one["slot"]: one["source"] for one in found["disks"]}
    assert list(paths) == [f"SATA {at}" for at in range(len(before))]
    assert [content(Path(path), "vdi") for path in paths.values()] == before
    return found
