# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Creation of VMs: initial settings, images, cloud-init seeds, existing files, and the cleanup after failures."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import Timeout
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import STOPPED
from ansible_collections.polyvirt.core.plugins.module_utils._core.units import human_size
from ansible_collections.polyvirt.core.plugins.module_utils._media import disk_header

from unit.module_utils._drivers.vbox.in_process import MIB, SMALL, info, observed, rejected, task, twice

OWN_UUID = "706f6c79-7669-4000-8000-000000000001"
DISK_FULL = "The disk is full"


def full_copy_of(path):
    return {"source": path, "linked": False}


def test_new_vm_is_created_in_this_order(vbox):
    """The mark names each file before it is created, and is completed last."""
    config = {**SMALL, "groups": ("/g",), "ssh_forward": False, "disks": {"#0": {"size": 2 * MIB}}}
    done = task(vbox, config=config, storage_path=str(vbox.folder)).succeeded()
    folder = f"{vbox.folder}/g/web"
    disk = f"{folder}/web-SATA-0.vdi"
    assert [line.partition(" {")[0] for line in done.writes] == [
        f"createvm --name=web --ostype Linux26_64 --groups /g --uuid --register --basefolder {vbox.folder}",
        "setextradata polyvirt/mark",
        "modifyvm --ioapic on --audio none --mouse usbtablet --memory 16 --graphicscontroller vmsvga"
        " --vram 16 --vm-execution-engine interpreter",
        "storagectl --name SATA --add sata --portcount 8",
        "setextradata polyvirt/mark",
        f"createmedium disk --filename {disk} --size 2 --format VDI",
        f"storageattach --storagectl SATA --port 0 --device 0 --type hdd --medium {disk}",
        "setextradata polyvirt/mark",
        "storagectl --name IDE --add ide",
        "storageattach --storagectl IDE --port 0 --device 0 --type dvddrive --medium emptydrive",
        "setextradata polyvirt/mark",
    ]
    marks = [line for line in done.writes if "mark" in line]
    assert [f'"making":["{disk}"]' in mark for mark in marks] == [False, True, False, False]
    assert ['"unfinished":true' in mark for mark in marks] == [True, True, True, False]


@pytest.mark.parametrize(
    ("more", "ssh"),
    [
        ({}, True),
        ({"networks": {"0": {"type": "internal"}}}, False),
        ({"networks": {"0": {"type": "internal"}, "1": {"type": "nat"}}}, True),
        ({"ssh_forward": False}, False),
    ],
)
def test_vm_behind_nat_has_an_ssh_forward(vbox, more, ssh):
    task(vbox, config={**SMALL, **more}).succeeded()
    assert observed(vbox).config["ssh_forward"] is ssh


@pytest.mark.parametrize("source", ["raw", "vdi", "vhd"])
@pytest.mark.parametrize("size", [None, 2 * MIB, 4 * MIB])
def test_disk_is_a_copy_of_the_image(vbox, source, size):
    image = vbox.disk(f"image.{source}") if source != "raw" else vbox.image()["source"]
    base = 1 * MIB if source == "raw" else 2 * MIB
    done = task(vbox, config={**SMALL, "disks": {"#0": {"size": size} if size else {}}}, image=full_copy_of(image))
    (disk,) = done.succeeded().vm["disks"]
    found = disk_header.capacity(disk["source"])
    assert (disk["size"], found) == (human_size(found), max(size or 0, base))
    assert vbox.registered() == [disk["source"]]  # The image was unregistered after the copy.
    copy = f"convertfromraw {image}" if source == "raw" else f"clonemedium disk {image}"
    assert f"{copy} {disk['source']} --format VDI" in done.writes
    assert ("modifymedium" in done.verbs) == (found > base)


def test_image_that_another_task_also_copies_stays_registered(vbox):
    image = vbox.disk("image.vdi")
    task(vbox, image=full_copy_of(image), fails={"closemedium": "it is locked for reading"}).succeeded()
    assert image in vbox.registered()
    other = vbox.disk("other.vdi")
    done = task(vbox, "two", image=full_copy_of(other), fails={"closemedium": "The object is not ready"}).succeeded()
    assert other not in vbox.registered()
    assert done.verbs.count("createvm") == 1


def test_seed_is_in_a_drive_of_its_own_in_the_last_slot(vbox):
    iso = vbox.iso()
    task(vbox, config={**SMALL, "iso": iso}, cloud_init={"user": "admin"}).succeeded()
    seed = vbox.machines / "web" / "web.polyvirt-seed.iso"
    values = vbox.values()
    assert (values["IDE-0-0"], values["IDE-1-1"]) == (iso, str(seed))
    assert observed(vbox).config["cdroms"] == {"IDE 0": {"source": iso}}
    assert b"local-hostname: web" in seed.read_bytes()
    task(vbox, config={"iso": ""}).succeeded()
    assert (vbox.values()["IDE-0-0"], vbox.values()["IDE-1-1"]) == ("emptydrive", str(seed))
    task(vbox, state="absent").succeeded()
    assert (vbox.files(), vbox.registered("dvds")) == ([], [iso, str(seed)])
    assert (vbox.folder / "a.iso").exists()


# Existing files ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["web-SATA-0.vhd", "web.polyvirt-seed.iso"])
def test_existing_file_is_not_replaced(vbox, name):
    path = vbox.machines / "web" / name
    path.parent.mkdir()
    path.write_bytes(b"precious")
    config = {**SMALL, "disks": {"#0": {"size": MIB, "format": "vhd"}}}
    rejected(vbox, f"{path} already exists", config=config, cloud_init={"user": "admin"})
    assert (path.read_bytes(), vbox.files()) == (b"precious", [f"web/{name}"])
    assert vbox.run("list", "vms") == ""


@pytest.mark.parametrize("content", [None, "no settings"])
def test_settings_file_of_a_foreign_vm_is_not_replaced(vbox, content):
    vbox.run("createvm", "--name", "web")
    settings = vbox.machines / "web" / "web.vbox"
    if content:
        settings.write_text(content, encoding="utf-8")
    task(vbox).refused(f"{settings} already exists", "registervm")
    assert (vbox.run("list", "vms"), vbox.files()) == ("", ["web/web.vbox"])


@pytest.mark.parametrize("registered", [False, True])
def test_vm_without_disks_and_mark_is_completed(vbox, registered):
    """The task was killed before VirtualBox had registered the VM, or before setextradata: nothing can be lost."""
    vbox.run("createvm", "--name", "web", "--uuid", OWN_UUID, *(["--register"] if registered else []))
    assert [vm["reason"].partition(":")[0] for vm in info(vbox)["vms"]] == (["unfinished"] if registered else [])
    assert task(vbox).succeeded().vm["id"] == OWN_UUID
    assert (observed(vbox).reason, len(observed(vbox).mark["disks"])) == ("", 1)


def _write_log(vbox):
    """As VirtualBox does at the start of a VM."""
    log = vbox.machines / "web" / "Logs" / "VBox.log"
    log.parent.mkdir(parents=True)
    log.write_text("started\n", encoding="ascii")


def test_vm_without_a_mark_that_has_run_is_not_completed(vbox):
    """Somebody removed the mark by hand."""
    vbox.run("createvm", "--name", "web", "--uuid", OWN_UUID, "--register")
    _write_log(vbox)
    assert task(vbox, config={}).succeeded().writes == []


# Failures and races -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["modifyvm", "storagectl", "createmedium", "storageattach", "convertfromraw"])
def test_failed_creation_leaves_nothing(vbox, command):
    image = vbox.image() if command == "convertfromraw" else None
    creation = {"image": image} if image else {"cloud_init": {"user": "admin"}}
    task(vbox, fails={command: DISK_FULL}, **creation).failed(DISK_FULL)
    assert (vbox.run("list", "vms"), vbox.files(), vbox.registered()) == ("", [], [])
    assert list(vbox.machines.iterdir()) == []


def test_failed_creation_keeps_foreign_disks(vbox):
    """Attached disks, and a disk of the same VM that the task did not create, remain."""
    disk = vbox.disk()
    config = {**SMALL, "disks": {"SATA 0": {"size": MIB}, "SATA 1": {"source": disk}}}
    task(vbox, config={**config, "native": {"chipset": "nonsense"}}).failed("chipset", "nonsense")
    task(vbox, config=config, fails={"emptydrive": DISK_FULL}).failed(DISK_FULL)
    assert (vbox.run("list", "vms"), vbox.files(), vbox.registered()) == ("", [], [disk])


def test_vm_that_another_task_creates_first_is_left_alone(vbox):
    done = task(vbox, state="started", before={"createvm": lambda: task(vbox).succeeded()})
    done.failed_late("web: another task created a VM with this name at the same time")
    assert vbox.run("list", "vms").count('"web"') == 1
    assert (observed(vbox).power, vbox.files()) == (STOPPED, ["web/web-SATA-0.vdi", "web/web.vbox"])


def test_vm_that_another_task_begins_first_is_completed(vbox):
    begin = ("createvm", "--name", "web", "--uuid", OWN_UUID, "--register")
    assert task(vbox, before={"createvm": lambda: vbox.run(*begin)}).succeeded().vm["id"] == OWN_UUID


def test_vm_that_is_deleted_at_once_is_an_error(vbox):
    done = task(vbox, after={"createvm": lambda: vbox.run("unregistervm", "web", "--delete")})
    done.failed_late("web: the new VM was deleted in the meantime")
    assert vbox.files() == []


def test_file_that_appears_during_the_task_is_not_replaced(vbox):
    path = vbox.machines / "web" / "web-SATA-0.vdi"
    task(vbox, before={"modifyvm": lambda: path.write_bytes(b"precious")}).failed_late(f"{path} already exists")
    assert path.read_bytes() == b"precious"


def test_vm_that_is_deleted_while_it_is_created_is_an_error(vbox):
    done = task(vbox, before={"storagectl": lambda: vbox.run("unregistervm", "web", "--delete")})
    done.failed_late("Could not find a registered machine")
    assert vbox.run("list", "vms") == ""


def _without_mark(vbox, mark):
    """A VM of which a user has removed the mark before its first start, to keep it; and a source of clones."""
    task(vbox, "source").succeeded()
    task(vbox).succeeded()
    vbox.run("setextradata", "web", "polyvirt/mark", mark)
    return vbox.machines / "web" / "web-SATA-0.vdi"


def _creations(vbox):
    image = {"source": vbox.disk("image.vdi"), "linked": False}
    return ({"image": image}, {"clone": {"source": "source", "linked": False, "snapshot": None}})


_MARKS = ["", "{}", '{"v": 1, "id": "of another"}']


@pytest.mark.parametrize("mark", _MARKS)
def test_vm_with_disks_and_without_its_mark_is_foreign(vbox, mark):
    disk, before = _without_mark(vbox, mark), vbox.registered()
    for creation in _creations(vbox):
        rejected(vbox, "web: ", "no record of creation by this collection", "adopt", **creation)
    task(vbox, state="absent").succeeded()
    assert (disk.exists(), set(before) <= set(vbox.registered())) == (True, True)
    assert '"web"' not in vbox.run("list", "vms")


@pytest.mark.parametrize("mark", ['{"v": 9, "disks": "of a later version"}', "{", '{"v": 1, "disks": 5}'])
def test_vm_with_a_damaged_mark_is_left_alone(vbox, mark):
    """Nobody knows what the mark said, such as which files were created for the VM."""
    disk, before = _without_mark(vbox, mark), vbox.registered()
    for creation in _creations(vbox):
        rejected(vbox, "web: ", "its ownership record is damaged", "remove the record", **creation)
    task(vbox, state="absent").refused("its ownership record is damaged")
    assert (disk.exists(), vbox.registered()) == (True, before)
    assert mark in vbox.run("getextradata", "web", "polyvirt/mark")


@pytest.mark.parametrize("mark", _MARKS)
def test_vm_without_its_mark_that_is_not_registered_is_left_alone(vbox, mark):
    disk = _without_mark(vbox, mark)
    vbox.run("unregistervm", "web")
    before = vbox.files()
    for creation in _creations(vbox):
        rejected(vbox, "web.vbox already exists", "registervm", **creation)
    assert (vbox.files(), disk.exists()) == (before, True)


def test_vm_without_a_disk_that_has_run_is_left_alone_if_it_is_not_registered(vbox):
    """It boots from a network; its log is all that shows that it has run."""
    task(vbox, "source").succeeded()
    vbox.run("createvm", "--name", "web", "--uuid", OWN_UUID)
    _write_log(vbox)
    for creation in _creations(vbox):
        rejected(vbox, "web.vbox already exists", **creation)


def test_vm_with_an_unreadable_settings_file_is_unknown(vbox):
    task(vbox).succeeded()
    file = vbox.machines / "web" / "web.vbox"
    file.write_text(file.read_text(encoding="utf-8").replace("</VirtualBox>", "\x1b</VirtualBox>"), encoding="utf-8")
    for state in ("present", "started", "absent"):
        task(vbox, state=state).refused("web", "not readable")
    assert (vbox.machines / "web" / "web-SATA-0.vdi").exists()


def test_log_of_an_earlier_vm_does_not_affect_a_new_one(vbox):
    _write_log(vbox)
    twice(vbox)
    assert observed(vbox).config["disks"]


@pytest.mark.parametrize("command", ["createvm", "clonevm"])
def test_vm_is_deleted_if_its_creation_times_out(vbox, command):
    """VirtualBox had registered the VM before the timeout."""
    task(vbox, "base").succeeded()
    before = vbox.run("list", "vms"), vbox.files()

    def time_out():
        raise Timeout("VBoxManage had not ended after 5 seconds and was killed.", waited=5)

    creation = {"clone": {"source": "base", "linked": False}} if command == "clonevm" else {}
    task(vbox, after={command: time_out}, **creation).failed()
    assert (vbox.run("list", "vms"), vbox.files()) == before


def test_new_vm_has_all_requested_nics_slots_and_settings(vbox):
    """A new VM has only the requested NICs, and the settings of every option."""
    config = {
        **SMALL, "networks": {"1": {"type": "internal", "source": "lan", "mac": "08:00:27:aa:bb:cc"}},
        "firmware": "uefi", "tpm": True, "nested_virtualization": True, "boot_order": ("cdrom", "disk"),
        "display": {"type": "none", "video_memory": 32 * MIB}, "description": "x", "os_type": "Debian_64",
        "disks": {"SATA 9": {"size": MIB}, "NVMe 1": {"size": MIB}, "IDE 1:1": {"size": MIB, "format": "vhd"}},
        "graphics_controller": "vboxsvga",
    }  # fmt: skip
    twice(vbox, config=config)
    found = observed(vbox).config
    assert {**found, **{key: config[key] for key in config.keys() - {"native", "disks", "networks"}}} == found
    nic = {"type": "internal", "source": "lan", "mac": "08:00:27:aa:bb:cc", "model": "82540EM"}
    assert found["networks"] == {"1": nic}
    assert sorted(found["disks"]) == ["IDE 1:1", "NVMe 1", "SATA 9"]
    values = vbox.values()
    assert (values["audio"], values["hidpointing"], values["ioapic"]) == ("none", "usbtablet", "on")


def test_seed_names_the_macs_of_the_nics(vbox):
    config = {**SMALL, "networks": {"0": {"type": "nat"}}}
    task(vbox, config=config, cloud_init={"ip_config": ["", "ip=dhcp"]}).refused("NIC 1, but the VM has 1 NICs")
    task(vbox, config=config, cloud_init={"ip_config": ["ip=10.0.0.5/24"]}).succeeded()
    mac = observed(vbox).config["networks"]["0"]["mac"]
    seed = (vbox.machines / "web" / "web.polyvirt-seed.iso").read_bytes()
    assert f'"macaddress": "{mac}"'.encode() in seed
