# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the definition in a backup of libvirt says about a VM, and what is not carried over."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._media.appliances.definition import read
from ansible_collections.polyvirt.core.plugins.module_utils._media.appliances.envelope import Damaged

from suite import backup_files as made
from unit.module_utils._media.appliance_tasks import M

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
