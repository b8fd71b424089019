# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VMs from appliances on Hyper-V: the controller converts the disks, and copies them to the host."""

from __future__ import annotations

import gzip
import os
import stat
from pathlib import Path

import pytest

from platforms.hyperv.appliance_tasks import A, B, M, backup, bytes_in, host_with_switch, ova, task, vm_of
from platforms.hyperv.stored_images import images_of, steps_of
from platforms.hyperv.tasks import done, run
from platforms.windows.tasks import run_module
from suite import appliance_files as made
from suite.backup_files import MAC

EFI = '<vmw:Config vmw:key="firmware" vmw:value="efi"/>'


@pytest.fixture(name="host")
def _host(world):
    return host_with_switch()


@pytest.fixture(name="asked")
def _asked(tmp_path):
    return task(ova(tmp_path))


def test_appliance_becomes_a_vm(host, asked, world):
    check = run(host, check=True, **asked)
    assert not check["failed"], check["msg"]
    assert (images_of(host), world.store.exists(), host.vms) == ([], False, [])
    result = done(host, **asked)
    for key in ("diff", "plan"):
        assert check[key] == result[key], key
    assert check["vms"][0]["not_carried"] == result["vms"][0]["not_carried"] != []
    assert steps_of(result) == ["fetch", "fetch", "create"]
    found = vm_of(host)
    assert (found["cpus"], found["memory_mib"], found["settings"]["firmware"]) == (2, 128, "bios")
    assert [(one["type"], one["source"]) for one in found["networks"]] == [("network", "lan")]
    assert bytes_in(host) == {"IDE 0:0": B, "IDE 0:1": A}
    assert not done(host, **asked)["changed"]


def test_vm_with_uefi_has_its_disks_on_scsi_and_secure_boot_is_off(host, tmp_path):
    asked = task(ova(tmp_path, EFI))
    check, result = run(host, check=True, **asked), done(host, **asked)
    assert check["diff"] == result["diff"]
    found = vm_of(host)["settings"]
    assert (found["firmware"], found["secure_boot"]) == ("uefi", False)
    assert bytes_in(host) == {"SCSI 0:0": B, "SCSI 0:1": A}
    assert not done(host, **asked)["changed"]


@pytest.mark.parametrize(
    ("system", "slots"),
    [("", ["IDE 0:0", "IDE 0:1"]), (" firmware='efi'>", ["SCSI 0:0", "SCSI 0:1"])],
    ids=["bios", "uefi"],
)
def test_backup_of_libvirt_becomes_a_vm(host, tmp_path, system, slots):
    asked = task(backup(tmp_path, system=system), appliance={"keep_macs": True})
    check, result = run(host, check=True, **asked), done(host, **asked)
    for key in ("diff", "plan"):
        assert check[key] == result[key], key
    assert check["vms"][0]["not_carried"] == result["vms"][0]["not_carried"] != []
    assert result["warnings"] == []
    found = vm_of(host)
    assert (found["cpus"], found["memory_mib"], found["networks"][0]["mac"]) == (2, 128, MAC)
    assert bytes_in(host) == dict(zip(slots, (B, A)))
    assert not done(host, **asked)["changed"]
    other = run(host, **{**asked, "name": ["other"]})
    assert f"other: networks.0.mac: {MAC} is used by web" in other["msg"], other["msg"]
    assert [vm.name for vm in host.vms] == ["web"]


def test_tampered_backup_changes_nothing(host, tmp_path):
    source = backup(tmp_path)
    first, second = (Path(source) / f"{slot}.qcow2" for slot in ("sda", "sdb"))
    first.write_bytes(second.read_bytes())
    for check in (True, False):
        result = run(host, check=check, **task(source))
        assert "sda.qcow2 differs from its checksum in the manifest" in result["msg"]
    assert (images_of(host), host.vms) == ([], [])


def test_secure_boot_of_the_task_is_used(host, tmp_path):
    source = ova(tmp_path, EFI)
    done(host, **task(source, "on", secure_boot=True))
    done(host, **task(source, "linux", secure_boot_template="linux"))
    found = {name: vm_of(host, name)["settings"] for name in ("on", "linux")}
    assert [one["secure_boot"] for one in found.values()] == [True, True]
    assert found["linux"]["secure_boot_template"] == "linux"


def test_options_of_the_task_replace_the_descriptor(host, asked):
    """The firmware too, which decides where the disks are; the second disk grows, and a third one is added."""
    disks = [{}, {"slot": "SCSI 0:1", "size": "1G"}, {"size": "2G"}]
    more = {"cpus": 1, "memory": "256M", "firmware": "uefi", "networks": [], "disks": disks}
    asked = {**asked, **more, "appliance": {**asked["appliance"], "networks": []}}
    check, result = run(host, check=True, **asked), done(host, **asked)
    assert check["diff"] == result["diff"]
    found = vm_of(host)
    assert (found["cpus"], found["memory_mib"], found["networks"]) == (1, 256, [])
    sizes = {one["slot"]: one["size"] for one in found["disks"]}
    assert sizes == {"SCSI 0:0": "32M", "SCSI 0:1": "1G", "SCSI 0:2": "2G"}
    assert "firmware" not in str(result["vms"][0]["not_carried"])
    assert not done(host, **asked)["changed"]


def test_slots_of_the_task_are_those_of_the_firmware_in_the_descriptor(host, asked, tmp_path):
    drives = {"disks": [{"slot": "IDE 0:1", "size": "1G"}], "cdroms": [{"slot": "IDE 1:1", "source": ""}]}
    check, result = run(host, check=True, **asked, **drives), done(host, **asked, **drives)
    assert check["diff"] == result["diff"]
    assert {one["slot"]: one["size"] for one in vm_of(host)["disks"]} == {"IDE 0:0": "32M", "IDE 0:1": "1G"}
    assert not done(host, **asked, **drives)["changed"]
    other = {**task(ova(tmp_path, EFI, file="efi.ova"), "efi"), **drives}
    for checks in (True, False):
        assert "generation 2 VMs have no IDE" in run(host, check=checks, **other)["msg"]
    assert [vm.name for vm in host.vms] == ["web"]


def test_more_disks_than_ide_has_are_on_scsi(host, tmp_path):
    """A disk without a file is created empty; an entry without a slot that follows is another one."""
    files = {"a.vmdk": made.disk(tmp_path / "a.vmdk", byte=A)}
    body = made.hardware(made.sata(("d1", 0), ("d2", 1), ("d3", 2)))
    listed = [("d1", "f1", 16 * M), ("d2", "", 32 * M), ("d3", "", 48 * M)]
    source = made.ova(tmp_path / "x.ova", made.envelope(body, [("f1", "a.vmdk", "")], listed), files)
    asked = task(source, appliance={"networks": None}, disks=[{}, {}, {}, {"size": "1G"}])
    check, result = run(host, check=True, **asked), done(host, **asked)
    assert (check["diff"], steps_of(result)) == (result["diff"], ["fetch", "create"])
    sizes = {one["slot"]: one["size"] for one in vm_of(host)["disks"]}
    assert sizes == {"IDE 0:0": "16M", "IDE 0:1": "32M", "SCSI 0:0": "48M", "SCSI 0:3": "1G"}
    assert not done(host, **asked)["changed"]


def test_other_appliances_are_other_disks_of_the_store(host, asked, tmp_path):
    """The store keeps the disks: a second VM needs no copy, and a changed appliance another one."""
    done(host, **asked)
    before = images_of(host)
    assert len(before) == 4
    again = done(host, **{**asked, "name": ["second"]})
    assert (steps_of(again, "second"), images_of(host)) == (["create"], before)
    assert bytes_in(host, "second") == {"IDE 0:0": B, "IDE 0:1": A}
    os.unlink(asked["appliance"]["source"])
    ova(tmp_path, made.item(35, 50))
    third = done(host, **{**asked, "name": ["third"]})
    assert (steps_of(third, "third"), len(images_of(host))) == (["fetch", "fetch", "create"], 8)
    done(host, name=["second"], state="absent")
    assert len(images_of(host)) == 8
    source = asked["appliance"]["source"]
    assert {one["name"] for one in done(host, "vm_info")["vms"]} == {"web", "third"}
    assert {one["name"] for one in run_module(host, "image_info", platform="hyperv")["images"]} == {source}
    removed = run_module(host, "image", platform="hyperv", name=[source], state="absent")
    assert (removed["failed"], removed["changed"], images_of(host)) == (False, True, [])


def test_several_vms_of_a_task_copy_each_disk_once(host, asked):
    both = {**asked, "name": ["web", "second"]}
    check, result = run(host, check=True, **both), done(host, **both)
    assert (check["diff"], len(images_of(host))) == (result["diff"], 4)
    for name in both["name"]:
        assert bytes_in(host, name) == {"IDE 0:0": B, "IDE 0:1": A}
    assert not done(host, **both)["changed"]


def test_copies_of_a_private_appliance_are_private_on_the_controller(host, asked, world):
    os.chmod(asked["appliance"]["source"], 0o600)
    done(host, **asked)
    modes = {stat.S_IMODE(one.stat().st_mode) for one in world.store.iterdir() if one.suffix == ".vhdx"}
    assert modes == {0o600}


def test_compressed_disk_and_properties(host, tmp_path):
    """The ISO image of the properties is deleted with the VM, and its password is in no result."""
    content = gzip.compress(made.disk(tmp_path / "disk1.vmdk", byte=A))
    text = made.one_disk(
        made.nic(), attributes='ovf:compression="gzip"', sections=made.PROPERTIES, transport="iso", file="disk1.vmdk"
    )
    source = made.ova(tmp_path / "y.ova", text, {"disk1.vmdk": content})
    given = {"com.x.login": "me", "com.x.password": "S3cret-of-x"}
    asked = task(source, appliance={"properties": given})
    check, result = run(host, check=True, **asked), done(host, **asked)
    assert (check["diff"], "S3cret" in f"{check}{result}") == (result["diff"], False)
    assert bytes_in(host) == {"IDE 0:0": A}
    (iso,) = [path for path in host.files.contents if path.endswith("-seed.iso")]
    assert b"S3cret-of-x" in host.files.file(iso)
    # SYSTEM, Administrators, the owner, and the processes of VMs; nobody else whom its directory lets in.
    assert host.files.rights == {iso: ["*S-1-5-18:F", "*S-1-5-32-544:F", "*S-1-3-4:F", "*S-1-5-83-0:R"]}
    assert not done(host, **asked)["changed"]
    done(host, name=["web"], state="absent")
    assert host.files.file(iso) is None


def test_appliance_at_an_address_is_downloaded_by_the_controller(host, asked, world):
    about = made.published(world.vendor.server, asked["appliance"]["source"])
    asked = {**asked, "appliance": {**asked["appliance"], **about}}
    check = run(host, check=True, **asked)
    assert (check["failed"], world.store.exists(), images_of(host)) == (False, False, []), check["msg"]
    result = done(host, **asked)
    assert (check["diff"], check["plan"]) == (result["diff"], result["plan"])
    assert bytes_in(host) == {"IDE 0:0": B, "IDE 0:1": A}
    assert [path for path, wanted in world.vendor.server.requests if wanted is None] == ["/x.ova"]
    assert not done(host, **asked)["changed"]
    # The digest is of the content, so another host gets the same disks.
    requests, other = len(world.vendor.server.requests), host_with_switch()
    done(other, **asked)
    assert (bytes_in(other), len(world.vendor.server.requests)) == ({"IDE 0:0": B, "IDE 0:1": A}, requests)


# Errors ---------------------------------------------------------------------------------------------------------------


def _hostile(folder):
    """{name: (descriptor, disk, part of the message)}."""
    good = made.disk(folder / "disk1.vmdk", byte=A)
    text = b'# Disk DescriptorFile\nversion=1\nCID=1\nparentCID=ffffffff\nRW 4 FLAT "/etc/passwd" 0\n'
    licensed = "<EulaSection><Info/><License>The terms</License></EulaSection>"
    return {
        "outside": (made.one_disk(made.nic(), file="../../etc/passwd"), good, "outside of the appliance"),
        "address": (made.one_disk(made.nic(), file="http://example.com/x"), good, "outside of the appliance"),
        "entities": ('<!DOCTYPE x [<!ENTITY a "a">]><Envelope/>', good, "document type"),
        "names files": (made.one_disk(made.nic()), text, "names another file"),
        "memory": (made.one_disk(made.nic(), memory=10**15), good, "out of range"),
        "license": (made.one_disk(made.nic(), sections=licensed), good, "The terms"),
        "network": (made.one_disk(made.nic("LAN")), good, "'LAN' of the appliance is not mapped"),
        "damaged disk": (made.one_disk(made.nic()), good[:4096] + b"x" * 4096, "disk"),
    }


@pytest.mark.parametrize("check", [True, False])
def test_hostile_appliance_changes_nothing(host, tmp_path, world, check):
    for name, (descriptor, disk, expected) in _hostile(tmp_path).items():
        source = made.ova(tmp_path / "x.ova", descriptor, {"disk1.vmdk": disk})
        result = run(host, check=check, **task(source))
        assert expected in result["msg"], name
        assert (host.vms, images_of(host), world.store.exists()) == ([], [], False), name


@pytest.mark.parametrize("check", [True, False])
def test_what_hyper_v_lacks_is_rejected_before_anything_is_written(host, asked, world, check):
    """A model of a NIC, a type of network, an appliance on the Windows host, and a host without space or qemu-img."""
    appliance = asked["appliance"]
    nic = appliance["networks"][0]
    cases = [
        ({"networks": [{**nic, "model": "e1000"}]}, "appliance.networks.model is not supported", "synthetic NICs only"),
        ({"networks": [{**nic, "type": "bridged"}]}, "networks.0.type", "nat, network"),
        ({"source": "C:\\x.ova"}, "appliance.source: 'C:\\x.ova' is not an absolute path on the controller", "Copy"),
    ]
    for changes, *words in cases:
        result = run(host, check=check, **{**asked, "appliance": {**appliance, **changes}})
        assert all(word in result["msg"] for word in words), (result["msg"], words)
        assert (host.vms, images_of(host), world.store.exists()) == ([], [], False)


@pytest.mark.parametrize("check", [True, False])
def test_disk_that_is_smaller_than_that_of_the_appliance_is_rejected(host, asked, world, check):
    result = run(host, check=check, **asked, disks=[{"slot": "IDE 0:1", "size": "8M"}])
    assert "disks.IDE 0:1.size" in result["msg"] and "16M" in result["msg"], result["msg"]
    assert (host.vms, images_of(host), world.store.exists()) == ([], [], False)


@pytest.mark.parametrize("check", [True, False])
def test_too_little_space_for_the_disks(host, asked, world, check):
    host.files.capacity["C"] = 100_000
    result = run(host, check=check, **asked)
    assert "are needed for the disks of the appliance, but C:\\ProgramData\\polyvirt\\images has only" in result["msg"]
    assert (images_of(host), world.store.exists()) == ([], False)


@pytest.mark.parametrize("check", [True, False])
def test_without_qemu_img_on_the_controller(host, asked, monkeypatch, world, check):
    monkeypatch.setenv("PATH", "/nowhere")
    result = run(host, check=check, **asked)
    assert "qemu-img was not found" in result["msg"] and "Install qemu-img" in result["msg"]
    assert (images_of(host), world.store.exists(), host.vms) == ([], False, [])


@pytest.mark.parametrize("check", [True, False])
def test_copy_that_was_changed_on_the_host_is_rejected(host, asked, check):
    done(host, **asked)
    path = next(one for one in images_of(host) if one.endswith(".vhdx"))
    host.files.put(path, host.files.file(path)[:-4] + b"evil")
    result = run(host, check=check, **{**asked, "name": ["second"]})
    assert "was changed since it was stored" in result["msg"]
    assert [vm.name for vm in host.vms] == ["web"]


def test_file_of_somebody_else_is_never_replaced(host, asked):
    done(host, **asked)
    paths = [one for one in images_of(host) if one.endswith(".vhdx")]
    host = host_with_switch()
    for path in paths:
        host.files.put(path, b"precious")
    for check in (True, False):
        assert "is not a complete image of this store" in run(host, check=check, **asked)["msg"]
    assert {host.files.file(path) for path in paths} == {b"precious"}


def test_approved_plan_is_that_of_this_appliance(host, asked, tmp_path):
    plan = done(host, check=True, **asked)["plan"]
    assert plan is not None
    os.unlink(asked["appliance"]["source"])
    ova(tmp_path, made.item(35, 50))
    result = run(host, expect_plan=plan, **asked)
    assert "This plan was not approved" in result["msg"]
    assert (host.vms, images_of(host)) == ([], [])
    assert done(host, expect_plan=done(host, check=True, **asked)["plan"], **asked)["changed"]
