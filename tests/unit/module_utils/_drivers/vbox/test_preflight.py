# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requirements of a task on its host are checked before the first step: a task that would fail changes nothing."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import Unavailable
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Vm
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vbox.needed import VBoxFiles
from ansible_collections.polyvirt.core.plugins.module_utils._ports import files

from unit.module_utils._drivers.vbox.in_process import MIB, SMALL, InProcess, configure, observed, rejected, task

HEADERS = {
    "qcow2": b"QFI\xfb\0\0\0\3",
    "qcow": b"QFI\xfb\0\0\0\1",
    "odd": b"\1" * 513,
    "empty": b"",
    "vdi": b"<<< Oracle VM",
}


@pytest.fixture(name="expand")
def _expand(vbox):
    """Create the files and the VM that the tables below name. Return a function that replaces {} by their folder."""
    for name, content in HEADERS.items():
        (vbox.folder / f"a.{name}").write_bytes(content)
    (vbox.folder / "bad.vdi").write_bytes(HEADERS["vdi"])
    (vbox.folder / "small.img").write_bytes(b"\0" * MIB)
    vbox.disk()
    vbox.make("other")
    vbox.attach(vbox.disk("others.vdi"), 0, "other")
    return lambda text: text.replace("{}", str(vbox.folder)) if isinstance(text, str) else text


def disk(**entry):
    return {"disks": {"SATA 0": entry}}


REJECTED = [
    (disk(source="{}/none.vdi"), "does not exist"),
    (disk(source="{}/machines"), "is not a file"),
    (disk(source="{}/a.qcow2"), "qemu-img convert -f qcow2 -O vdi {}/a.qcow2 {}/a.vdi"),
    (disk(source="{}/a.qcow"), "qemu-img convert -f qcow -O vdi {}/a.qcow {}/a.vdi"),
    (disk(source="{}/small.img"), "qemu-img convert -f raw -O vdi {}/small.img {}/small.vdi"),
    (disk(source="{}/a.odd"), "is not a disk image"),
    (disk(source="{}/a.empty"), "is empty (0 bytes)"),
    (disk(source="{}/bad.vdi"), "is a damaged vdi image"),
    (disk(source="{}/user.vdi", format="vmdk"), "disks.SATA 0.format: vmdk is set, but "),
    (disk(source="{}/others.vdi"), "is a disk of other"),
    (disk(source="{}/machines/../others.vdi"), "is a disk of other"),
    ({"iso": "{}/none.iso"}, "does not exist"),
    ({"iso": "{}/small.img"}, "is not an ISO image"),
    ({"os_type": "Debain_64"}, "is not known to this version of VirtualBox"),
    ({"os_type": "Debian13_65"}, "Similar: Debian"),
    ({"autostart": True}, "setproperty autostartdbpath"),
    ({"native": {"autostop-type": "savestate"}}, "setproperty autostartdbpath"),
    ({"shared_folders": {"s": {"host_path": "{}/none"}}}, "s.host_path: {}/none does not exist"),
    ({"networks": {"0": {"type": "bridged", "source": "none"}}}, "Available: none"),
]


@pytest.mark.parametrize("exists", [False, True])
@pytest.mark.parametrize(("config", "text"), REJECTED, ids=[text for _config, text in REJECTED])
def test_invalid_setting_is_rejected_before_the_first_step(vbox, expand, config, text, exists):
    if exists:
        vbox.make("web")
    rejected(vbox, "web", expand(text), config={**({} if exists else SMALL), **expanded(config, expand)})


def expanded(value, expand):
    return {key: expanded(one, expand) for key, one in value.items()} if isinstance(value, dict) else expand(value)


IMAGES = [
    ("{}/none.img", {}, "does not exist"),
    ("{}/a.qcow2", {}, "qemu-img convert -f qcow2"),
    ("{}/a.odd", {}, "is not a disk image"),
    ("{}/others.vdi", {}, "is a disk of other, which may write to it"),
    ("{}/user.vdi", {"size": MIB}, "1M is smaller than the image {}/user.vdi (2M)"),
    ("{}/user.vdi", {"size": 3 * MIB, "format": "vmdk"}, "(2M), and VirtualBox cannot enlarge a vmdk"),
    ("{}/user.vdi", {"size": 2 * MIB, "format": "vmdk"}, None),
    ("{}/user.vdi", {"size": 3 * MIB, "format": "vhd"}, None),
    ("{}/small.img", {}, None),
]


@pytest.mark.parametrize(("path", "entry", "text"), IMAGES)
def test_image_is_checked(vbox, expand, path, entry, text):
    done = task(vbox, config={**SMALL, "disks": {"#0": entry}}, image={"source": expand(path), "linked": False})
    done.refused("web", expand(text)) if text else done.succeeded()


def test_image_that_only_a_snapshot_uses_is_copied(vbox):
    base = task(vbox, "source").succeeded().vm["disks"][0]["source"]
    vbox.run("snapshot", "source", "take", "s")
    task(vbox, image={"source": base, "linked": False}).succeeded()


@pytest.mark.parametrize(
    ("content", "is_iso"),
    [
        (b"\0" * 32769 + b"CD001", True),
        (b"\0" * 32769 + b"BEA01", True),
        (b"--iprt-iso-maker-file-marker-bourne-sh 1\n/etc/hosts", True),
        (b"\0" * 4096 + b"koly".ljust(512, b"\0"), True),
        (b"\0" * 65536, False),
        (b"koly", False),
        (b"", False),
    ],
    ids=["ISO 9660", "UDF", "VISO", "DMG", "zeroes", "text", "empty"],
)
def test_iso_image_is_recognized_by_its_content(tmp_path, content, is_iso):
    path = tmp_path / "any"
    path.write_bytes(content)
    driver, plan = SimpleNamespace(claims=None, listing=lambda: None), SimpleNamespace(after=Vm("web"), steps=())
    assert VBoxFiles(driver, plan, None).is_iso(str(path)) == is_iso


def test_clone_is_checked_against_its_source(vbox):
    task(vbox, "source", config={**SMALL, "disks": {"#0": {"size": 2 * MIB, "format": "vmdk"}}}).succeeded()
    clone = {"source": "source", "linked": False}
    larger = {"disks": {"#0": {"size": 4 * MIB}}}
    task(vbox, "copy", config=larger, clone=clone).refused("cannot enlarge", "--format VDI")
    task(vbox, "source", config=larger).refused("cannot enlarge", "clonemedium disk")
    assert task(vbox, "copy", config={}, clone=clone).succeeded().vm["disks"][0]["size"] == "2M"


@pytest.mark.parametrize(("slot", "text"), [
    ("AHCI 1", "no controller 'AHCI'; its controller of that type is named 'SATA'. Use slot SATA 1"),
    ("sata 30", "no controller 'sata'"),
    ("SATA 30", "'SATA' has at most 30 ports"),
    ("SATA 29", None),
    ("IDE 0", "disks.IDE 0: the slot is used by an optical drive"),
    ("IDE 0:1", None),
    ("IDE 2", "at most 2 ports"),
    ("SATA 1:1", "'SATA' has one device at each port"),
    ("SCSI 15", None),
    ("SCSI 16", "'SCSI' has at most 16 ports"),
    ("SCSI 1:1", "'SCSI' has one device at each port"),
    ("NVMe 254", None),
    ("NVMe 255", "at most 255 ports"),
])  # fmt: skip
def test_slot_is_checked(vbox, slot, text):
    task(vbox).succeeded()
    done = task(vbox, config={"disks": {slot: {"size": MIB}}})
    if text:
        done.refused("web", *text.split(". "))
    else:
        assert slot in [one["slot"] for one in done.succeeded().vm["disks"]]


@pytest.mark.parametrize(("slot", "text"), [("SATA 30", "has at most 30 ports"), ("SATA 0:1", "has one device")])
def test_slot_of_a_new_vm_is_checked(vbox, slot, text):
    config = {**SMALL, "disks": {slot: {"size": MIB}}}
    task(vbox, config=config).refused(f"web: disks.{slot}: a controller of this type {text}", "Use another slot.")


def test_path_has_several_spellings(vbox):
    disk = vbox.disk()
    folder, name = os.path.split(disk)
    share = {"s": {"host_path": f"{folder}/"}}
    config = {**SMALL, "disks": {"SATA 0": {"source": f"{folder}//./{name}"}}, "shared_folders": share}
    assert configure(vbox, **config).vm["disks"][0]["source"] == disk
    assert observed(vbox).config["shared_folders"]["s"]["host_path"] == folder


@pytest.mark.parametrize("spelling", ["SATA 0:0", "SATA 00"])
def test_slot_has_several_spellings(vbox, spelling):
    config = {**SMALL, "disks": {spelling: {"size": MIB}}}
    assert [one["slot"] for one in configure(vbox, **config).vm["disks"]] == ["SATA 0"]
    twice = {"disks": {"SATA 0": {"size": MIB}, spelling: {"size": MIB}}}
    task(vbox, config=twice).refused(f"disks.{spelling}: slot SATA 0 is listed twice")
    assert task(vbox, config={"disks": {spelling: None}}).succeeded().vm["disks"] == []


def test_unreadable_image_is_rejected(vbox, expand, monkeypatch):
    monkeypatch.setattr(files, "is_readable", lambda path: False)
    task(vbox, config=disk(source=vbox.disk())).refused("is not readable", "as a user with read permission")


def test_storage_path_must_exist(vbox):
    task(vbox, storage_path=f"{vbox.folder}/none").refused("web: storage_path", "does not exist")


def test_seed_needs_a_program_that_creates_iso_images(vbox):
    class WithoutPrograms(InProcess):
        def find(self, name_or_path, hint=None):
            if "VBoxManage" not in name_or_path:
                raise Unavailable(f"{name_or_path} was not found on PATH.", why="not_on_path")
            return name_or_path

    task(vbox, cloud_init={"user": "a"}, commands=WithoutPrograms(vbox)).refused("Install xorriso")
    task(vbox, cloud_init={"user_data": "#cloud-config\n", "user": "a"}).refused("cannot be merged")


# Images and slots -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("image_format", ["vdi", "vhd"])
def test_disk_of_the_fixed_variant_cannot_grow(vbox, image_format):
    """VirtualBox reports it only after the other settings were changed; a full clone has a disk of the same variant."""
    path = str(vbox.folder / f"fixed.{image_format}")
    options = ("--format", image_format.upper(), "--variant", "Fixed")
    vbox.run("createmedium", "disk", "--filename", path, "--size", 2, *options)
    task(vbox, config={**SMALL, "disks": {"#0": {"source": path}}}).succeeded()
    larger = {"memory": 24 * MIB, "disks": {"#0": {"size": 4 * MIB}}}
    rejected(vbox, "web: disks.SATA 0.size", path, "--variant Standard", config=larger)
    clone = {"source": "web", "linked": False}
    rejected(vbox, "copy: disks.SATA 0.size", "Fixed", name="copy", config=larger, clone=clone)
    vbox.run("snapshot", "web", "take", "s")
    task(vbox, config=larger).succeeded()  # The overlay of the snapshot is enlarged.
    clone = {"source": "web", "linked": True, "snapshot": "s"}
    assert task(vbox, "copy", config=larger, clone=clone).succeeded().changed


@pytest.mark.parametrize("lost", ["disk", "base", "iso", "seed"])
def test_missing_image_is_named_before_a_start(vbox, lost):
    iso = Path(vbox.iso())
    task(vbox, config={**SMALL, "iso": str(iso)}, cloud_init={"user": "a"}).succeeded()
    vbox.run("snapshot", "web", "take", "s")
    folder = vbox.machines / "web"
    overlay = next((folder / "Snapshots").glob("*.vdi"))
    paths = {"disk": overlay, "base": folder / "web-SATA-0.vdi", "iso": iso, "seed": folder / "web.polyvirt-seed.iso"}
    paths[lost].unlink()
    option = {"iso": "iso", "seed": "cloud_init"}.get(lost, "disks.SATA 0")
    missing = f"web: {option}: {paths[lost]} does not exist, so the VM cannot start."
    rejected(vbox, missing, "Restore the file", state="started", config={})
    assert task(vbox, config={"memory": 24 * MIB}).succeeded().changed
    if lost == "iso":
        assert task(vbox, state="started", config={"iso": ""}).succeeded().vm["state"] == "running"


@pytest.mark.parametrize("kind", ["image", "clone"])
def test_free_space_for_a_copy_is_checked(vbox, monkeypatch, kind):
    task(vbox, "base").succeeded()
    image = vbox.image("obeys")
    monkeypatch.setattr(files, "allocated", lambda path: 3 * MIB)
    more = {"image": image} if kind == "image" else {"clone": {"source": "base", "linked": False}, "config": {}}
    for free, text in (
        (2 * MIB, f"web: storage_path: 3M are needed, but {vbox.machines} has only 2M of free space."),
        (4 * MIB, None),
    ):
        monkeypatch.setattr(files, "free_space", lambda folder, free=free: free)
        for check in (True, False):
            done = task(vbox, check=check, **more)
            done.refused(text, "storage_path") if text else done.succeeded()


@pytest.mark.parametrize("kind", ["disk added", "disk exists", "iso"])
def test_path_that_new_groups_move_is_rejected(vbox, kind):
    """The directory of a VM depends on its first group."""
    task(vbox).succeeded()
    folder = vbox.machines / "web"
    own = observed(vbox).config["disks"]["SATA 0"]["source"]
    disk = vbox.disk()
    os.rename(disk, folder / "user.vdi")
    vbox.iso(folder / "a.iso")
    config = {
        "disk added": {"disks": {"SATA 1": {"source": f"{folder}/user.vdi"}}},
        "disk exists": {"disks": {"SATA 0": {"source": own}}},
        "iso": {"iso": f"{folder}/a.iso"},
    }[kind]
    rejected(vbox, str(folder), "would move", config={**config, "groups": ("/new", "/")})
    for groups in (("/",), ("/", "/new")):
        configure(vbox, **config, groups=groups)


def test_free_slot_for_a_drive_is_checked(vbox):
    vbox.make("web")
    slots = {f"IDE {port}:{device}" if device else f"IDE {port}": {"size": MIB} for port in (0, 1) for device in (0, 1)}
    task(vbox, config={"disks": slots}).succeeded()
    iso = vbox.iso()
    rejected(vbox, "no slot is free for an optical", config={"memory": 24 * MIB, "iso": iso})
    task(vbox, config={"disks": {"IDE 1": None}, "iso": iso}).succeeded()
    assert vbox.values()["IDE-1-0"] == iso


def test_controller_of_a_running_vm_gets_no_ports(vbox):
    task(vbox, state="started").succeeded()
    disk = {"disks": {"SATA 12": {"size": MIB}}}
    rejected(vbox, "web: disks.SATA 12: controller 'SATA' has only 8 ports while the VM is running", config=disk)
    assert task(vbox, state="stopped", config=disk).succeeded().vm["state"] == "stopped"


@pytest.mark.parametrize("exists", [False, True])
def test_two_rules_for_one_port_are_rejected(vbox, exists):
    one, two = {"host_port": 8080, "guest_port": 80}, {"host_port": 8080, "host_address": "", "guest_port": 81}
    if exists:
        task(vbox, config={**SMALL, "port_forwards": {"a": one}}).succeeded()
    rules = {"b": two} if exists else {"a": one, "b": two}
    words = "host_port: 8080 is also that of port_forwards."
    rejected(vbox, words, config={**SMALL, "port_forwards": rules})
    # A listener on all addresses would leave nothing for one on a single address.
    rules = {"a": {**one, "host_address": "127.0.0.2"}, "b": {**two, "host_address": "127.0.0.1"}}
    task(vbox, config={**SMALL, "port_forwards": rules}).succeeded()


def test_folder_of_vms_must_be_writable(vbox, monkeypatch):
    monkeypatch.setattr(files, "is_writable", lambda path: False)
    task(vbox).refused(f"web: storage_path: {vbox.machines} is not writable", "image_directory")


@pytest.mark.parametrize("kind", ["disk", "image"])
def test_copy_of_an_image_with_the_same_uuid_is_rejected(vbox, kind):
    """VirtualBox identifies images by the UUIDs in their headers."""
    own = task(vbox, "other").succeeded().vm["disks"][0]["source"]
    copy = str(vbox.folder / "copy.vdi")
    shutil.copy(own, copy)
    more = {"config": disk(source=copy)} if kind == "disk" else {"image": {"source": copy, "linked": False}}
    rejected(vbox, f"{copy} has the same UUID as {own}", f"sethduuid {copy}", **more)


def test_two_names_with_one_file_name_are_rejected(vbox):
    task(vbox, "a;b").succeeded()
    rejected(vbox, "a_b.vbox is used by a;b", name="a:b")
    path = vbox.machines / "c_d" / "c_d-SATA-0.vdi"
    path.parent.mkdir()
    path.write_bytes(b"precious")
    rejected(vbox, f"{path} already exists", name="c:d")


@pytest.mark.parametrize(("ram", "warned"), [(1, True), (4, False)])
def test_memory_beyond_that_of_the_host_is_a_warning(vbox, monkeypatch, ram, warned):
    """Beyond eight times of it is a mistake. VirtualBox itself accepts any number at a stopped VM."""
    task(vbox).succeeded()
    read, text = files.read, b"MemTotal: %d kB\nSwapTotal: 0 kB\n" % (ram << 20)
    monkeypatch.setattr(files, "read", lambda path: text if path == "/proc/meminfo" else read(path))
    done = task(vbox, config={"memory": 2048 * MIB}).succeeded()
    assert ["is more than the RAM of the hypervisor" in one for one in done.outcome.warnings] == [True] * warned
    rejected(vbox, "web: memory: 33G is more than the hypervisor has", config={"memory": 33 * 1024 * MIB})
