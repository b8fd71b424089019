# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups of libvirt as appliances: what a definition says, what is not carried over, and folders that are rejected."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import Refused
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.hyperv.appliances import APPLIANCES as OF_HYPERV
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.proxmox.appliances import APPLIANCES as OF_PROXMOX
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vbox.images import APPLIANCES as OF_VIRTUALBOX
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.images import APPLIANCES
from ansible_collections.polyvirt.core.plugins.module_utils._media.appliances.definition import read
from ansible_collections.polyvirt.core.plugins.module_utils._media.appliances.envelope import Damaged
from ansible_collections.polyvirt.core.plugins.module_utils._media.appliances.lookup import resolved

from suite import backup_files as made
from unit.module_utils._media.appliance_tasks import M, request

CHECKOUT = Path(__file__).parents[4]
RECORDED = Path(__file__).parents[2] / "fixtures" / "virsh" / "9.0.0"
TPM = "content of the TPM (tpm: true adds an empty one)"
NEW_MACS = "MAC addresses (each NIC gets a new one; appliance.keep_macs: true keeps them)"
NVRAM, SECURE_BOOT = "variables of the firmware (NVRAM)", "secure boot (secure_boot: true turns it on)"


def _manifest(text, slots, excluded=()):
    uuid = re.search("<uuid>(.*)</uuid>", text)[1]
    files = [{"role": "disk", "slot": one, "name": f"{one}.qcow2", "virtual_size": 16 * M} for one in slots]
    return {"birth": uuid, "vm": "web1", "excluded": list(excluded), "files": files}


#: {recording: (CPUs, MiB, firmware, is_windows, {slot: bus}, [(network, models, MAC)], what is not carried over)}
RECORDINGS = {
    "vm1": (
        *(1, 512, "bios", False, {"vda": "virtio"}, [("default", ("virtio",), "52:54:00:d4:9a:10")]),
        [
            "machine type pc-q35-7.2", "kernel (/var/lib/libvirt/images/vmlinuz)",
            "initrd (/var/lib/libvirt/images/initrd.img)", "cmdline", "CPU model qemu64",
            "emulator (/usr/bin/qemu-system-x86_64)", "optical drive (/var/lib/libvirt/images/vm1-seed.iso)",
            "serial port (/var/log/libvirt/qemu/vm1-console.log)", "device channel (org.qemu.guest_agent.0)",
            "device rng (/dev/urandom)", NEW_MACS,
        ],
    ),
    "uefi": (
        *(1, 256, "uefi", False, {"vda": "virtio"}, []),
        [
            "machine type pc-q35-7.2", SECURE_BOOT, NVRAM, "CPU model qemu64",
            "emulator (/usr/bin/qemu-system-x86_64)", "optical drive",
            "serial port (/var/lib/libvirt/images/desk1.log)", "device channel (org.qemu.guest_agent.0)", TPM,
            "device rng (/dev/urandom)",
        ],
    ),
    "every-option": (
        *(1, 64, "bios", True, {"vda": "virtio"}, [("user", ("virtio",), "52:54:00:d2:99:1a")]),
        [
            "machine type pc-q35-7.2", "CPU model qemu64", "element memoryBacking",
            "emulator (/usr/bin/qemu-system-x86_64)", "optical drive", "shared folder (/srv)", "serial port (pty)",
            "device channel (org.qemu.guest_agent.0)", TPM, "device watchdog (i6300esb)", "device rng (/dev/urandom)",
            NEW_MACS,
        ],
    ),
    "rich": (
        *(1, 64, "bios", False, {"vda": "virtio", "vdb": "virtio"}),
        [("default", ("virtio",), "52:54:00:d4:9a:11")],
        [
            "machine type pc-q35-7.2", "smbios", "CPU model qemu64", "element sysinfo (smbios)",
            "emulator (/usr/bin/qemu-system-x86_64)", "of the disk vda: serial", "of the disk vdb: readonly",
            "optical drive (/images/medium.iso)", "optical drive (/images/rich.polyvirt-seed.iso)",
            "serial port (/images/rich.console)", "serial port (/images/rich.socket)", "serial port (tcp)",
            "device channel (/images/rich.agent)", NEW_MACS,
        ],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", RECORDINGS)
def test_definition_that_libvirt_wrote_is_read(name):
    text = (RECORDED / f"{name}-dumpxml-inactive.xml").read_text()
    cpus, memory, firmware, is_windows, disks, nics, lost = RECORDINGS[name]
    found = read(text.encode(), _manifest(text, disks), False)
    assert (found.cpus, found.memory, found.firmware, found.is_windows) == (cpus, memory * M, firmware, is_windows)
    assert {one.name: one.bus for one in found.disks} == disks
    assert [(one.network, tuple(one.models), one.mac) for one in found.nics] == nics
    assert list(found.lost) == lost


def _read(*devices, excluded=(), slots=("vda",), keeps_macs=False, **about):
    text = made.definition("".join((*(made.disk("vda"),), *devices)), **about)
    return read(text.encode(), _manifest(text, slots, excluded), keeps_macs)


USUAL = ("machine type pc-q35-7.2", "emulator (/usr/bin/qemu-system-x86_64)")
#: {what: (a device, more of the definition, what is not carried over because of it)}
ROWS = {
    "share of everything": (
        "<filesystem type='mount'><source dir='/'/><target dir='all'/></filesystem>", "", ["shared folder (/)"],
    ),
    "device": (
        "<hostdev mode='subsystem' type='pci'><source><address bus='0x06'/></source></hostdev>", "",
        ["device of the host (pci)"],
    ),
    "NIC that is a device": (
        "<interface type='hostdev'><mac address='52:54:00:00:00:01'/></interface>", "", ["NIC of the host (hostdev)"],
    ),
    "TPM of the host": (
        "<tpm model='tpm-tis'><backend type='passthrough'><device path='/dev/tpm0'/></backend></tpm>", "",
        ["device tpm (/dev/tpm0)"],
    ),
    "arguments": (
        "", "<q:commandline xmlns:q='http://libvirt.org/schemas/domain/qemu/1.0'><q:arg value='-x'/></q:commandline>",
        ["element qemu:commandline"],
    ),
    "unknown": ("<teapot/>", "<kettle>/etc/shadow</kettle>", ["element kettle (/etc/shadow)", "device teapot"]),
    "input of the host": (
        "<input type='mouse' bus='ps2'/><input type='evdev'><source dev='/dev/input/event1'/></input>", "",
        ["device input (/dev/input/event1)"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ROWS)
def test_what_has_no_counterpart_is_named(name):
    devices, more, lost = ROWS[name]
    found = _read(devices, more=more)
    assert sorted(found.lost) == sorted((*USUAL, *lost))
    assert [one.name for one in found.disks] == ["vda"]
    assert found.nics == ()


def test_features_are_named():
    found = _read(features="<apic/><hyperv mode='custom'/><vmcoreinfo state='on'/>")
    assert [one for one in found.lost if "feature" in one] == ["feature hyperv", "feature vmcoreinfo (on)"]


def test_nics_and_disks_name_what_they_lose():
    found = _read(
        made.nic("lab", "e1000", more="<link state='down'/><filterref filter='clean-traffic'/>"),
        made.nic("lab", "pcnet", mac="52:54:00:ab:cd:02"),
        "<interface type='bridge'><source bridge='br0'/><model type='virtio-transitional'/><boot order='1'/>"
        "</interface>",
        made.disk("sda", "sata", "<shareable/>"),
        slots=("vda",),
        excluded=("sda",),
        keeps_macs=True,
    )
    assert [(one.network, tuple(one.models), one.mac) for one in found.nics] == [
        *(("lab", ("e1000",), made.MAC), ("lab", ("pcnet32",), "52:54:00:ab:cd:02"), ("br0", ("virtio",), "")),
    ]
    assert set(found.lost) - set(USUAL) == {
        *("of the disk sda: shareable", "disk sda (the backup does not contain it)", "start from the network"),
        *(f"of the NIC {made.MAC}: link (down)", f"of the NIC {made.MAC}: filterref"),
    }


@pytest.mark.parametrize(
    ("orders", "expected"),
    [(("", "", ""), "vda sda sdb"), (("3", "", "1"), "sdb vda sda"), (("", "2", "1"), "sdb sda vda")],
)
def test_disks_are_in_the_order_of_their_start(orders, expected):
    begins = [f"<boot order='{one}'/>" if one else "" for one in orders]
    disks = [
        made.disk("vda", "virtio", begins[0]),
        *(made.disk(f"sd{x}", "sata", one) for x, one in zip("ab", begins[1:])),
    ]
    text = made.definition("".join(disks))
    assert [
        one.name for one in read(text.encode(), _manifest(text, ("vda", "sda", "sdb")), False).disks
    ] == expected.split()


@pytest.mark.parametrize(
    ("system", "expected"),
    [
        (" firmware='efi'>", "uefi"),
        ("><loader readonly='yes' type='pflash'>/usr/share/OVMF/OVMF_CODE_4M.fd</loader>", "uefi"),
        ("><loader>/tmp/evil.fd</loader>", "bios"),
    ],
)
def test_firmware_is_read_and_its_file_is_not(system, expected):
    found = _read(system=system)
    assert found.firmware == expected
    assert ("loader (/tmp/evil.fd)" in found.lost) == ("evil" in system)
    assert (NVRAM in found.lost) == (expected == "uefi")


OSINFO = "http://libosinfo.org/xmlns/libvirt/domain/1.0"


@pytest.mark.parametrize(("system", "is_windows"), [("microsoft.com/win/11", True), ("debian.org/debian/12", False)])
def test_windows_is_known_by_the_record_of_virt_manager(system, is_windows):
    os_of = f"<o:os id='http://{system}'/>"
    more = f"<metadata><o:libosinfo xmlns:o='{OSINFO}'>{os_of}</o:libosinfo></metadata>"
    assert _read(more=more).is_windows == is_windows


def test_secure_loader_and_other_architectures_are_named():
    assert SECURE_BOOT in _read(system="><loader secure='yes' type='pflash'>/usr/share/x.fd</loader>").lost
    text = made.definition(made.disk("vda")).replace("x86_64' machine='pc-q35-7.2'", "aarch64'")
    lost = read(text.encode(), _manifest(text, ("vda",)), False).lost
    assert lost[0] == "architecture aarch64 (architecture: arm64 sets it)"
    assert not any("machine type" in one for one in lost)


def test_disk_of_a_bus_that_few_platforms_have_is_on_sata():
    """A disk that the guest sends SCSI commands to is a disk, too; the order is that of the definition."""
    lun = made.disk("sdb", "usb").replace("device='disk'", "device='lun'")
    found = _read(lun, slots=("vda", "sdb"))
    assert [(one.name, one.bus) for one in found.disks] == [("vda", "virtio"), ("sdb", "sata")]


BAD = {
    "no XML": (lambda text: text[:-3], "is not XML"),
    "entities": (lambda text: f"<!DOCTYPE x [<!ENTITY a 'a'>]>{text}", "document type"),
    "another document": (lambda text: text.replace("domain", "network"), "is not a definition of libvirt"),
    "another VM": (lambda text: text.replace(made.BIRTH, made.BIRTH[:-1] + "0"), "the backup is of VM"),
    "more disks": (lambda text: text.replace("<emulator>", made.disk("vdz") + "<emulator>"), "not those of the backup"),
    "CPUs": (lambda text: text.replace(">1</vcpu>", ">0</vcpu>"), "0 CPUs"),
    "memory": (lambda text: text.replace("'KiB'>65536", "'KiB'>" + "9" * 18), "out of range"),
}


@pytest.mark.parametrize("name", BAD)
def test_definition_that_cannot_be_used_is_rejected(name):
    change, expected = BAD[name]
    text = made.definition(made.disk("vda"))
    with pytest.raises(Damaged, match=expected):
        read(change(text).encode(), _manifest(text, ("vda",)), False)


# Folders --------------------------------------------------------------------------------------------------------------


def _qcow2(fill=0, size=16 * M):
    """The header of an image without data."""
    header = b"QFI\xfb\0\0\0\3" + b"\0" * 12 + (16).to_bytes(4, "big") + size.to_bytes(8, "big")
    return header + b"\0" * 72 + bytes([fill]) * 1000


def _backup(tmp_path, devices=None, **about):
    devices = devices or made.disk("vda") + made.disk("vdb") + made.nic()
    contents = {"vda": _qcow2(1), "vdb": _qcow2(2)}
    return made.backup(tmp_path / "backups", made.definition(devices, **about), contents)


def _asked(place, config=None, words=APPLIANCES, **more):
    more = {"networks": {"default": {"type": "nat"}}, **more}
    found = resolved(request(place, config, **more), words, None)
    return found, found.creation["appliance"]


def test_backup_becomes_the_request_that_an_appliance_becomes(tmp_path):
    place = _backup(tmp_path, cpus=2, memory_mib=96)
    for source in (place, f"{place}/", place / "manifest.json"):
        found, appliance = _asked(source)
        assert found.config == {
            **{"cpus": 2, "memory": 96 * M, "firmware": "bios", "display": {"type": "vnc"}},
            "networks": {"0": {"model": "virtio", "type": "nat"}},
        }
        assert appliance["slots"] == {"vda": {}, "vdb": {}}
        images = {slot: (one["source"], one["format"], one["size"]) for slot, one in appliance["disks"].items()}
        assert images == {slot: (str(place / f"{slot}.qcow2"), "qcow2", 16 * M) for slot in ("vda", "vdb")}
        assert (appliance["warnings"], appliance["not_carried"]) == ([], [*USUAL, NEW_MACS])


@pytest.mark.parametrize(
    ("words", "slots", "model"),
    [
        (OF_VIRTUALBOX, ["SATA 0", "SATA 1"], "virtio"),
        (OF_PROXMOX, ["virtio0", "virtio1"], "virtio"),
        (OF_HYPERV, ["IDE 0:0", "IDE 0:1"], None),
    ],
)
def test_each_platform_has_its_words(tmp_path, words, slots, model):
    found, appliance = _asked(_backup(tmp_path), words=words)
    assert list(appliance["disks"]) == slots
    assert found.config["networks"]["0"].get("model") == model


def test_manifest_is_in_the_plan(tmp_path):
    """It has the digests of all files, so another content is another plan."""
    place = _backup(tmp_path)
    before = _asked(place)[1]["checksum"]
    assert before == _asked(place)[1]["checksum"]
    (place / "vdb.qcow2").write_bytes(_qcow2(3))
    made.edit(place, ["vdb.qcow2"])
    assert _asked(place)[1]["checksum"] != before
    assert re.fullmatch("sha256:[0-9a-f]{64}", before)


def test_boot_disk_is_named_by_its_slot(tmp_path):
    found = _asked(_backup(tmp_path), boot_disk="vdb")[1]["disks"]
    assert found["vda"]["source"].endswith("vdb.qcow2")


def _write(name, content):
    return lambda place: (place / name).write_bytes(content)


def _link(place):
    target = place.parent.parent.parent / "secret"
    shutil.move(place / "vda.qcow2", target)
    (place / "vda.qcow2").symlink_to(target)


def _backing(place):
    content = _qcow2(1)
    (place / "vda.qcow2").write_bytes(content[:8] + (104).to_bytes(8, "big") + (8).to_bytes(4, "big") + content[20:])
    made.edit(place, ["vda.qcow2"])


def _larger(place):
    files = json.loads((place / "manifest.json").read_text())["files"]
    made.edit(place, files=[{**one, "virtual_size": 32 * M} if one["name"] == "vda.qcow2" else one for one in files])


def _other_uuid(place):
    path = place / "definition.xml"
    path.write_text(path.read_text().replace(made.BIRTH, made.BIRTH[:-1] + "0"))
    made.edit(place, ["definition.xml"])


#: {what: (how the folder is changed, part of the message)}
TAMPERED = {
    "exchanged disk": (_write("vda.qcow2", _qcow2(7)), "vda.qcow2 differs from its checksum"),
    "disks exchanged": (lambda place: (place / "vdb.qcow2").replace(place / "vda.qcow2"), "vdb.qcow2 is missing"),
    "backing file": (_backing, "vda.qcow2 names another file"),
    "link": (_link, "outside of the appliance: 'vda.qcow2' is a link"),
    "shorter": (_write("vda.qcow2", _qcow2()[:-1]), "bytes instead of"),
    "another size": (_larger, "vda.qcow2 has another size"),
    "no image": (_write("vda.qcow2", b"x" * len(_qcow2())), "vda.qcow2 is not a qcow2 image"),
    "missing disk": (lambda place: (place / "vdb.qcow2").unlink(), "vdb.qcow2 is missing"),
    "unfinished": (lambda place: made.edit(place, unfinished=True), "its task has not completed it"),
    "another UUID": (_other_uuid, "the backup is of VM"),
    "definition": (_write("definition.xml", b"<domain/>"), "definition.xml has 9 bytes"),
    "manifest": (_write("manifest.json", b"{"), "its manifest is not valid"),
    "another directory": (lambda place: made.edit(place, id="20200101T000000Z-0a1b2c3d"), "is that of backup 2020"),
}


@pytest.mark.parametrize("name", TAMPERED)
def test_tampered_folder_is_rejected(tmp_path, name):
    change, expected = TAMPERED[name]
    place = _backup(tmp_path)
    change(place)
    with pytest.raises(Refused, match=re.escape(expected)) as error:
        _asked(place)
    # That would not help.
    assert "delete the manifest" not in str(error.value)


def test_checksum_is_that_of_the_manifest(tmp_path):
    place = _backup(tmp_path)
    with pytest.raises(Refused, match="has another checksum"):
        _asked(place, checksum="sha256:" + "0" * 64)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_copied_folder_needs_its_owner(tmp_path):
    """One remedy for all of the backup: not one for each directory."""
    place = _backup(tmp_path)
    for one in (place.parent, place):
        os.chown(one, 1234, 1234)
    with pytest.raises(Refused) as error:
        _asked(place)
    assert f"Run: chown -R root {place.parent}; chmod -R go-w {place.parent}." in str(error.value)
    assert _asked(place, allow_shared_directory=True)


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("rsync"), reason="needs root and rsync")
def test_copy_command_of_the_guide_is_enough(tmp_path):
    place = _backup(tmp_path)
    for one in (place.parent, place, *place.iterdir()):
        os.chown(one, 1234, 1234)
        one.chmod(0o770)
    (tmp_path / "new").mkdir()
    (command,) = re.findall(r"^rsync .*", (CHECKOUT / "docs" / "appliances.md").read_text(), re.MULTILINE)
    for guide, here in (("kvm1:/srv/backups", tmp_path / "backups"), ("/srv/backups", tmp_path / "new")):
        command = command.replace(guide, str(here), 1)
    subprocess.run(command.replace("UUID", made.BIRTH).replace("ID", made.ID).split(), check=True)
    copy = tmp_path / "new" / made.BIRTH / made.ID
    assert _asked(copy)[1]["checksum"] == _asked(place, allow_shared_directory=True)[1]["checksum"]
    assert {one.stat().st_uid for one in (copy.parent, copy, *copy.iterdir())} == {0}


# MAC addresses --------------------------------------------------------------------------------------------------------


def test_macs_are_kept_if_the_task_says_so(tmp_path):
    place = _backup(tmp_path)
    found, appliance = _asked(place, keep_macs=True)
    assert found.config["networks"] == {"0": {"model": "virtio", "type": "nat", "mac": made.MAC}}
    assert NEW_MACS not in appliance["not_carried"]


@pytest.mark.parametrize("mac", ["", "01:00:00:00:00:01", "52:54:00"])
def test_mac_that_no_nic_can_have_is_rejected(tmp_path, mac):
    place = _backup(tmp_path, made.disk("vda") + made.disk("vdb") + made.nic(mac=mac))
    with pytest.raises(Refused, match="keep_macs: the appliance has the MAC address"):
        _asked(place, keep_macs=True)


def test_macs_of_nics_that_the_task_replaces_cannot_be_kept(tmp_path):
    with pytest.raises(Refused, match="keep_macs: it cannot be set together with networks"):
        _asked(_backup(tmp_path), {"networks": {"0": {"type": "nat"}}}, networks={}, keep_macs=True)
