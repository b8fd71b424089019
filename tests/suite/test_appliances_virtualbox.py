# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Appliances that the real VirtualBox exports become VMs of libvirt; VMs of the real VirtualBox from appliances."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import STOPPED

from suite import appliance_files as made
from suite import backup_files
from suite.answer import Task
from suite.belts import share

VM = "pvb-appliance"
#: The bytes that fill the first disk, and the second one.
THEN, OTHER = 0x11, 0x22


def _tasks(vm, source, suboptions, check=True, **more):
    asked = {"name": [vm], "appliance": {"source": str(source), **suboptions}, **more}
    checked = [Task("check", asked, check=True)] if check else []
    return [*checked, Task("run", asked), Task("again", asked)]


def _has_succeeded(answers, vm):
    run = answers["run"]
    assert not run.failed, run.msg
    assert not answers["again"].changed, answers["again"].result["diff"]
    if "check" in answers:
        assert answers["check"].truth[vm] is None
        assert answers["check"].result["diff"] == run.result["diff"]
        assert answers["check"].vm(vm)["not_carried"] == run.vm(vm)["not_carried"]
    return answers["again"].vm(vm)


EXPORTS = {
    "bios-0.9": (["--ovf09"], "bios"),
    "efi-1.0": (["--ovf10", "--manifest"], "uefi"),
    "efi-2.0": (["--ovf20", "--manifest"], "uefi"),
    "no-macs": (["--ovf10", "--options", "manifest,nomacs"], "bios"),
    "license": (["--manifest", "--vsys", "0", "--eula", "The terms"], "bios"),
}


def _exported(box, folder):
    """{name of an export: path} of a VM with two disks."""
    box.clean()
    source = f"{box.prefix}source"
    box.bring({source: STOPPED})
    uuid = box.ids()[source]
    box.box.run("modifyvm", uuid, "--nic1", "nat")
    second = Path(box.storage) / "second.vdi"
    made.disk(second, "vdi", byte=OTHER)
    box.write(source, THEN)
    box.box.run("storageattach", uuid, "--storagectl", "SATA", "--port", "1", "--type", "hdd", "--medium", second)
    found = {}
    for name, (words, firmware) in EXPORTS.items():
        box.box.run("modifyvm", uuid, "--firmware", {"uefi": "efi"}.get(firmware, "bios"))
        exported = Path(box.storage) / f"{name}.ova"
        box.box.run("export", uuid, "--output", exported, *words)
        found[name] = shutil.move(exported, folder / f"{name}.ova")
    box.box.run("storageattach", uuid, "--storagectl", "SATA", "--port", "1", "--type", "hdd", "--medium", "none")
    box.box.run("closemedium", "disk", second)
    return found


@pytest.mark.full
def test_exports_of_virtualbox_become_vms_of_libvirt(ground, carry, tmp_path):
    exports = _exported(ground.open("virtualbox", "pvb-"), tmp_path)
    qemu = ground.open("libvirt_qemu", "pvg-")
    vm = f"{qemu.prefix}moved"
    for name, path in exports.items():
        qemu.clean()
        firmware = EXPORTS[name][1]
        accepted = {"accept_eula": True}
        answers = carry(qemu, _tasks(vm, path, accepted, check=name == "efi-2.0", networks=[]), [vm])
        found = _has_succeeded(answers, vm)
        assert found["settings"]["firmware"] == firmware, name
        assert [one["slot"] for one in found["disks"]] == ["sda", "sdb"], name
        truth = answers["run"].truth[vm]
        assert (qemu.holds(truth, THEN, "sda"), qemu.holds(truth, OTHER, "sdb")) == (True, True), name
        macs = any("MAC" in text for text in answers["run"].vm(vm)["not_carried"])
        assert macs == (name != "no-macs"), name


def _ova(folder):
    disks = {"a.vmdk": made.disk(folder / "a.vmdk", byte=THEN), "b.vmdk": made.disk(folder / "b.vmdk", byte=OTHER)}
    files = [("f1", "a.vmdk", ""), ("f2", "b.vmdk", "")]
    body = made.hardware(made.sata(("d1", 0), ("d2", 1)), made.nic(model="VmxNet3"), cpus=2, memory=128)
    return made.ova(folder / "x.ova", made.envelope(body, files, [("d1", "f1", 20 * 1024**2), ("d2", "f2", 1)]), disks)


NAT = {"networks": [{"name": "VM Network", "type": "nat"}]}


def test_appliance_at_an_address_becomes_a_vm_of_virtualbox(box, carry, tmp_path, server):
    box.clean()
    about = {**NAT, **made.published(server, _ova(tmp_path))}
    answers = carry(box, _tasks(VM, about.pop("source"), about, image_directory=str(tmp_path / "store")), [VM])
    _has_succeeded(answers, VM)
    truth = answers["run"].truth[VM]
    assert (box.holds(truth, THEN, "SATA 0"), box.holds(truth, OTHER, "SATA 1")) == (True, True)
    assert [path for path, wanted in server.requests if wanted is None] == ["/x.ova"]


def test_appliance_becomes_a_vm_of_virtualbox(box, carry, tmp_path):
    """Its disks are deleted with it, and the appliance is not; no image of it is registered."""
    box.clean()
    source = _ova(tmp_path)
    content, known = Path(source).read_bytes(), box.registered_disks()
    answers = carry(box, _tasks(VM, source, NAT, disks=[{"slot": "SATA 1", "size": "24M"}]), [VM])
    found = _has_succeeded(answers, VM)
    assert (found["cpus"], found["memory_mib"], found["networks"][0]["model"]) == (2, 128, "82540EM")
    assert {one["slot"]: one["size"] for one in found["disks"]} == {"SATA 0": "20M", "SATA 1": "24M"}
    truth = answers["run"].truth[VM]
    assert (box.holds(truth, THEN, "SATA 0"), box.holds(truth, OTHER, "SATA 1")) == (True, True)
    gone = carry(box, [Task("gone", {"name": [VM], "state": "absent"})], [VM])["gone"]
    assert not gone.failed, gone.msg
    assert (gone.truth[VM], box.registered_disks()) == (None, known)
    assert Path(source).read_bytes() == content


def test_damaged_disk_of_an_appliance_is_reported_as_that(box, carry, tmp_path):
    box.clean()
    disk = made.damaged(made.disk(tmp_path / "disk1.vmdk", byte=THEN))
    source = made.ova(tmp_path / "x.ova", made.one_disk(), {"disk1.vmdk": disk})
    run = carry(box, _tasks(VM, source, {}, check=False)[:1], [VM])["run"]
    assert (run.failed, run.truth[VM]) == (True, None)
    assert f"{source} contains a damaged disk: qemu-img: error while reading" in run.msg
    assert run.msg.endswith("Get the appliance again."), run.msg


#: The number of calls of a creation after which it is killed on one day; a deep run tests all.
_KILLED_AT = 3


@pytest.mark.full
@pytest.mark.parametrize("kind", ["archive", "backup"])
def test_killed_creation_is_completed(request, box, carry, tmp_path, shim, kind):
    box.clean()
    source = _ova(tmp_path) if kind == "archive" else str(backup_files.with_two_disks(tmp_path, OTHER, THEN))
    asked = _tasks(VM, source, NAT)[1].options
    calls = carry(box, [Task("make", asked)], [VM])["make"].calls
    for number in share(request.config, [call.number for call in calls], _KILLED_AT):
        box.clean()
        shim.forget()
        shim.order(f"kill-after {number}")
        assert carry(box, [Task("make", asked)], [VM])["make"].rc == -9
        shim.forget()
        answers = carry(box, _tasks(VM, source, NAT, check=False), [VM])
        found = _has_succeeded(answers, VM)
        truth = answers["run"].truth[VM]
        assert [one["slot"] for one in found["disks"]] == ["SATA 0", "SATA 1"], number
        assert (box.holds(truth, THEN, "SATA 0"), box.holds(truth, OTHER, "SATA 1")) == (True, True), number
