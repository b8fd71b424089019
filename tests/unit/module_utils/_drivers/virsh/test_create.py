# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Creation and deletion of VMs, and what remains after failures."""

from __future__ import annotations

import os
from contextlib import ExitStack

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import CommandFailed, CreatedMeanwhile, Refused
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Step, Vm
from ansible_collections.polyvirt.core.plugins.module_utils._core.record.mark import (
    empty_mark,
    proven_of,
    unfinished_mark,
)
from ansible_collections.polyvirt.core.plugins.module_utils._core.record.seed_digests import digests_of
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh import create, delete
from ansible_collections.polyvirt.core.plugins.module_utils._ports import files
from ansible_collections.polyvirt.core.plugins.module_utils._ports.command import Commands
from ansible_collections.polyvirt.core.plugins.module_utils._tools.domain_xml import Definition
from ansible_collections.polyvirt.core.plugins.module_utils._tools.qemu_img import QemuImg
from ansible_collections.polyvirt.core.plugins.module_utils._tools.virsh import ConnectionLost

from unit.module_utils._drivers.virsh.answers import (
    CAPABILITIES,
    HERE,
    UUID,
    FakeVirsh,
    driver_of,
    fail_second_define,
    failed,
    machine_xml,
    opened_elsewhere,
)

pytestmark = pytest.mark.usefixtures("may_destroy")

MIB = 1 << 20
CONFIG = {
    "cpus": 2,
    "memory": 256 * MIB,
    "disks": {"vda": {"size": MIB}, "vdb": {"size": MIB, "format": "raw"}},
    "networks": {"0": {"type": "network", "source": "default"}},
    "tags": ("a",),
    "description": "one",
    "cdroms": {"sata0": {"source": ""}},
}
SEED = {"cloud_init": {"user": "admin", "ssh_authorized_keys": ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAAUE= me"]}}


@pytest.fixture(name="virsh")
def _virsh():
    return FakeVirsh({("capabilities",): CAPABILITIES, ("list", "--all", "--uuid", "--name"): ""})


def _create(driver, config, creation):
    create.create(driver, Vm.absent("web"), Step("create", arguments={"config": config, "creation": creation}))


def driver(virsh, folder):
    one = driver_of(virsh, folder)
    one.hypervisor = "QEMU"
    return one


def test_seed_contains_macs_of_nics(virsh, tmp_path):
    networks = {"0": {"type": "network", "source": "default"}, "1": {"type": "user", "mac": "52:54:00:aa:bb:cc"}}
    seeded = {"cloud_init": {"ip_config": ["ip=10.0.0.5/24", "ip=dhcp"], "nameservers": ["10.0.0.1"]}}
    _create(driver(virsh, tmp_path), {**CONFIG, "networks": networks}, seeded)
    macs = [nic.find("mac").get("address") for nic in virsh.defined(times=2).interfaces()]
    assert macs[1] == "52:54:00:aa:bb:cc"
    seed = (tmp_path / "web.polyvirt-seed.iso").read_bytes()
    for mac in macs:
        assert f'"macaddress": "{mac}"'.encode() in seed


def test_new_vm_has_requested_settings_and_its_own_mark(virsh, tmp_path):
    _create(driver(virsh, tmp_path), CONFIG, SEED)
    definition = virsh.defined(times=2)
    disks = [str(tmp_path / "web-vda.qcow2"), str(tmp_path / "web-vdb.raw")]
    seed = str(tmp_path / "web.polyvirt-seed.iso")
    assert (definition.name, definition.cpus, definition.memory) == ("web", 2, 256 * MIB)
    assert (definition.root.get("type"), definition.get("description")) == ("kvm", "one")
    assert [disk.find("source").get("file") for disk in definition.drives("disk")] == disks
    assert definition.mark == {
        **HERE, "v": 2, "id": definition.uuid, "disks": disks, "files": [seed], "tags": ["a"],
        "inputs": {"cloud_init": digests_of(SEED["cloud_init"])},
    }  # fmt: skip
    assert sorted(os.listdir(tmp_path)) == ["web-vda.qcow2", "web-vdb.raw", "web.polyvirt-seed.iso"]
    assert (tmp_path / "web.polyvirt-seed.iso").stat().st_mode & 0o077 == 0


def test_record_of_a_vm_on_another_host_does_not_name_this_one(virsh, tmp_path):
    virsh.uri = "qemu+ssh://other/system"
    _create(driver(virsh, tmp_path), {**CONFIG, "disks": {}}, {})
    assert "host" not in virsh.defined(times=2).mark


def test_rejected_definition_leaves_only_files_of_user(virsh, tmp_path):
    theirs = tmp_path / "theirs.qcow2"
    QemuImg(Commands()).create(str(theirs), "qcow2", MIB)
    virsh.answers["define", "/dev/stdin"] = failed("unsupported configuration")
    config = {**CONFIG, "disks": {**CONFIG["disks"], "vdc": {"source": str(theirs)}}}
    with pytest.raises(CommandFailed, match="unsupported configuration"):
        _create(driver(virsh, tmp_path), config, SEED)
    assert os.listdir(tmp_path) == ["theirs.qcow2"]


def unfinished(virsh, folder, *names):
    """A driver that has found the VM web, which a killed task has begun, with the mark that names these files."""
    one = driver(virsh, folder)
    paths = [str(folder / name) for name in names]
    identities = {path: files.identity(path) for path in paths if files.exists(path)}
    mark = unfinished_mark({**empty_mark(UUID), **HERE}, paths, identities)
    definition = create.new_definition(one, "web", UUID, {})
    definition.set_mark(mark)
    virsh.answers["dumpxml", UUID, "--inactive", "--security-info"] = definition.text()
    one.unfinished["web"] = Vm("web", id=UUID, mark=mark)
    return one


FILES = ("web-vda.qcow2", "web-vdb.raw", "web.polyvirt-seed.iso")


def test_new_vm_is_stored_before_its_files_exist(virsh, tmp_path, monkeypatch):
    creator = driver(virsh, tmp_path)
    define, seen = creator.define, []
    monkeypatch.setattr(
        creator, "define", lambda one: (seen.append((one.mark, sorted(os.listdir(tmp_path)))), define(one))
    )
    _create(creator, CONFIG, SEED)
    (first, files_before), (last, files_after) = seen
    paths = [str(tmp_path / name) for name in FILES]
    assert (first["unfinished"], sorted(first["making"]), {*FILES} & {*files_before}) == (True, sorted(paths), set())
    assert ([*last["disks"], *last["files"]], files_after) == (paths, sorted(FILES))
    assert sorted(proven_of(first, files.identity)) == sorted(paths)
    assert not {"unfinished", "making", "identities"} & last.keys()
    assert Definition(virsh.sent[0]).uuid == Definition(virsh.sent[1]).uuid


@pytest.mark.parametrize("name", FILES)
def test_existing_file_is_not_used_without_record(virsh, tmp_path, name):
    """Also if it has the content of the new one."""
    _create(driver(virsh, tmp_path), CONFIG, SEED)
    for other in set(FILES) - {name}:
        (tmp_path / other).unlink()
    before = (tmp_path / name).read_bytes()
    virsh.done.clear()
    with pytest.raises(Refused, match=f"{name} already exists, and there is no record that this collection created it"):
        _create(driver(virsh, tmp_path), CONFIG, SEED)
    assert (os.listdir(tmp_path), (tmp_path / name).read_bytes()) == ([name], before)
    assert ("define", "/dev/stdin") not in virsh.done


@pytest.mark.parametrize("is_late", [False, True], ids=["before", "while this task creates its disks"])
def test_vm_that_another_task_has_completed_is_not_stored_again(virsh, tmp_path, monkeypatch, is_late):
    creator = unfinished(virsh, tmp_path, *FILES)
    storage = type(creator.storage)
    create_disk = storage.create_disk

    def completed_meanwhile(*words):
        virsh.answers["dumpxml", UUID, "--inactive", "--security-info"] = machine_xml()
        return create_disk(*words)

    monkeypatch.setattr(storage, "create_disk", completed_meanwhile)
    if not is_late:
        virsh.answers["dumpxml", UUID, "--inactive", "--security-info"] = machine_xml()
    with pytest.raises(CreatedMeanwhile):
        _create(creator, CONFIG, SEED)
    # The mark is stored again with the identities of the files that are missing.
    assert virsh.done.count(("define", "/dev/stdin")) == is_late


def test_existing_disk_is_kept_if_the_completion_fails(virsh, tmp_path):
    """The mark still names it, for the next run."""
    found = tmp_path / "web-vda.qcow2"
    QemuImg(Commands()).create(str(found), "qcow2", MIB)
    creator = unfinished(virsh, tmp_path, *FILES)
    virsh.answers["define", "/dev/stdin"] = failed("unsupported configuration")
    with pytest.raises(CommandFailed):
        _create(creator, CONFIG, {})
    assert "web-vda.qcow2" in os.listdir(tmp_path)
    assert "undefine" not in [words[0] for words in virsh.done]


def test_failed_creation_leaves_nothing(virsh, tmp_path):
    fail_second_define(virsh, failed("unsupported configuration"))
    creator = driver(virsh, tmp_path)
    creator.read_definitions = lambda: [Definition(virsh.sent[0])]
    with pytest.raises(CommandFailed):
        _create(creator, CONFIG, SEED)
    assert (os.listdir(tmp_path), virsh.done[-1]) == ([], ("undefine", Definition(virsh.sent[0]).uuid))


@pytest.mark.parametrize(("machine", "ports"), [("q35", 14), ("pc-q35-7.2", 14), ("pc", 0), ("pc-i440fx-7.2", 0)])
def test_only_q35_vms_get_pcie_root_ports(virsh, tmp_path, machine, ports):
    _create(driver(virsh, tmp_path), {**CONFIG, "native": {"os/type@machine": machine}}, {})
    found = virsh.defined(times=2).root.findall("devices/controller[@model='pcie-root-port']")
    assert (len(found), virsh.defined(times=2).native("os/type@machine")) == (ports, machine)


def test_new_file_that_another_program_has_opened_is_kept_if_the_creation_fails(virsh, tmp_path, monkeypatch):
    creator = driver(virsh, tmp_path)
    with ExitStack() as stack:

        def reject(definition):
            if "unfinished" in definition.mark:
                return
            stack.enter_context(opened_elsewhere(tmp_path / "web-vda.qcow2"))
            raise CommandFailed(["virsh", "define"], 1, "XML error")

        monkeypatch.setattr(creator, "define", reject)
        with pytest.raises(CommandFailed, match="XML error"):
            _create(creator, CONFIG, {})
    assert os.listdir(tmp_path) == ["web-vda.qcow2"]


@pytest.mark.parametrize("name", ["web-vda.qcow2", "web.polyvirt-seed.iso"])
def test_files_of_vm_created_by_another_task_are_kept(virsh, tmp_path, name):
    fail_second_define(virsh, failed("operation failed: domain 'web' already exists with uuid 1"))
    virsh.answers["list", "--all", "--uuid", "--name"] = f"{UUID} web\n"
    theirs = machine_xml(("/var/lib/libvirt/images/m1.qcow2", str(tmp_path / name)))
    virsh.answers.update({("dumpxml", UUID): theirs, ("dumpxml", UUID, "--inactive"): theirs})
    with pytest.raises(
        CreatedMeanwhile, match="web: another task created a VM with this name at the same time"
    ) as raised:
        _create(driver(virsh, tmp_path), CONFIG, SEED)
    assert os.listdir(tmp_path) == [name]
    assert "again" in raised.value.remedy


def test_disk_of_vm_created_by_another_task_is_reported_as_such(virsh, tmp_path):
    (tmp_path / "web-vda.qcow2").write_bytes(b"written by its guest")
    theirs = machine_xml(
        ("/var/lib/libvirt/images/m1.qcow2", str(tmp_path / "web-vda.qcow2")), ("<name>m1", "<name>web")
    )
    virsh.answers["list", "--all", "--uuid", "--name"] = f"{UUID} web\n"
    virsh.answers.update({("dumpxml", UUID): theirs, ("dumpxml", UUID, "--inactive"): theirs})
    with pytest.raises(CreatedMeanwhile, match="web: another task created a VM with this name at the same time"):
        _create(driver(virsh, tmp_path), CONFIG, {})
    assert os.listdir(tmp_path) == ["web-vda.qcow2"]


def test_files_are_kept_if_their_users_cannot_be_read(virsh, tmp_path):
    fail_second_define(virsh, failed("the daemon went away"))
    virsh.answers["list", "--all", "--uuid", "--name"] = failed("the daemon went away")
    with pytest.raises(CommandFailed, match="the daemon went away"):
        _create(driver(virsh, tmp_path), CONFIG, {})
    assert sorted(os.listdir(tmp_path)) == ["web-vda.qcow2", "web-vdb.raw"]


def test_files_are_kept_if_libvirt_may_still_be_storing_the_definition(virsh, tmp_path, monkeypatch):
    def lose_answer(definition):
        if "unfinished" in definition.mark:
            return
        raise ConnectionLost(["virsh", "define"], 1, "End of file while reading data: Input/output error")

    creator = driver(virsh, tmp_path)
    monkeypatch.setattr(creator, "define", lose_answer)
    with pytest.raises(ConnectionLost):
        _create(creator, CONFIG, {})
    assert sorted(os.listdir(tmp_path)) == ["web-vda.qcow2", "web-vdb.raw"]


def test_nics_keep_their_order_beyond_the_tenth(virsh, tmp_path):
    networks = {str(place): {"type": "network", "source": f"n{place}"} for place in range(12)}
    _create(driver(virsh, tmp_path), {**CONFIG, "networks": networks}, {})
    sources = [nic.find("source").get("network") for nic in virsh.defined(times=2).interfaces()]
    assert sources == [f"n{place}" for place in range(12)]


def test_drives_get_slots_that_no_disk_has(virsh, tmp_path):
    config = {**CONFIG, "disks": {"sda": {"size": MIB, "format": "raw"}}, "cdroms": {"sata1": {}, "usb3": {}}}
    _create(driver(virsh, tmp_path), config, SEED)
    slots = [disk.find("target").get("dev") for disk in virsh.defined(times=2).root.findall("devices/disk")]
    assert slots == ["sda", "sdb", "sdd", "sdc"]


def test_incomplete_file_of_a_killed_task_is_deleted_with_the_vm_that_it_has_begun(virsh, tmp_path):
    creator = unfinished(virsh, tmp_path, *FILES)
    left = tmp_path / f".{FILES[0]}.{1 << 30}{files.partial_suffix()}"  # No process has this number.
    left.touch()
    delete.delete(creator, creator.unfinished["web"], Step("delete"))
    assert not left.exists()
