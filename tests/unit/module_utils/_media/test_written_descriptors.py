# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Descriptors as their writers write them: what counts, what is rejected, and what is listed as not carried over."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._media.appliances.descriptor import read
from ansible_collections.polyvirt.core.plugins.module_utils._media.appliances.envelope import Damaged

from suite import appliance_files as made
from unit.module_utils._media.ovf_writers import STYLES, written

WRITTEN = Path(__file__).parents[2] / "fixtures" / "ovf" / "written"
M, G = 1024**2, 1024**3
NAMES = {int(path.name[:2]): path for path in WRITTEN.glob("*.ovf")}


def _of(number, **asked):
    return read(NAMES[number].read_bytes(), asked)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("name", STYLES)
def test_style_of_each_writer_is_read(name, seed):
    text, disks = written(STYLES[name], Random(f"{name}{seed}"))
    system = read(text.encode(), {})
    assert (system.name, system.cpus, system.memory) == ("sample", 2, 1536 * M), text
    assert [(one.name, one.file.href, one.capacity) for one in system.disks] == [
        (name, f"{name[1:]}.vmdk", G) for name in disks
    ], text
    assert ([one.models for one in system.nics], system.lost) == ([("vmxnet3", "e1000")], ()), text


@pytest.mark.parametrize(
    ("number", "memory", "disks", "windows"),
    [
        (1, 512 * M, ["a.vmdk"], False),
        (2, G, ["a.vhd"], False),
        (3, G, ["a.vmdk", "b.vmdk"], False),
        (4, G, ["a.vmdk"], True),
        (7, G, ["a.vmdk"], False),
    ],
)
def test_input_is_read(number, memory, disks, windows):
    system = _of(number)
    assert (system.memory, system.is_windows, system.lost) == (memory, windows, ())
    assert [one.file.href for one in system.disks] == disks


@pytest.mark.parametrize(
    ("number", "expected"), [(5, "the diskId 'd1'"), (6, "the id 'f1'"), (8, "requires OtherSection")]
)
def test_input_is_rejected(number, expected):
    with pytest.raises(Damaged, match=expected):
        _of(number)


def test_devices_that_the_vm_does_not_get_are_named():
    assert _of(9).lost == ("content of the TPM (tpm: true adds an empty one)", "device vmware.pci.passthrough")


def test_what_belongs_to_another_collection_does_not_count():
    first, second = (_of(10, system=one) for one in ("v1", "v2"))
    assert [(one.key, one.value) for one in (*first.properties, *second.properties)] == [("a", "1"), ("a", "2")]
    assert (first.license, second.license) == ("License of c1", "")


# Rows -----------------------------------------------------------------------------------------------------------------


def _vm(*items, files="", disks="", more="", **about):
    """A VM with the disk d1 in the file a.vmdk at a SATA port."""
    text = made.envelope(made.hardware(made.sata(("d1", 0)), *items, **about) + more, [("f1", "a.vmdk", "")])
    listed = f'<Disk ovf:diskId="d1" ovf:fileRef="f1" ovf:capacity="1"/>{disks}</DiskSection>'
    return text.replace("</References>", f"{files}</References>").replace("</DiskSection>", listed)


def _read(*items, asked=None, **about):
    return read(_vm(*items, **about).encode(), asked or {})


def _config(key, value="true", tag="Config"):
    return f'<vmw:{tag} vmw:key="{key}" vmw:value="{value}"/>'


SECOND = '<Disk ovf:diskId="d2" ovf:fileRef="f2" ovf:capacity="1" {}/>'
FILE = '<File ovf:id="f2" ovf:href="{}"/>'
AT_PORT = made.item(17, 30, Parent=3, AddressOnParent=1, HostResource="ovf:/disk/d2")
BOOT = '<vmw:BootOrderSection vmw:instanceId="{}" vmw:type="{}"><Info/></vmw:BootOrderSection>'


@pytest.mark.parametrize(
    ("more", "attribute", "expected"),
    [
        ("", "", ["d1", "d2"]),
        (BOOT.format(30, "disk"), "", ["d2", "d1"]),
        (BOOT.format(20, "disk"), "", ["d1", "d2"]),
        (BOOT.format(40, "ethernet"), "", ["d1", "d2"]),
        ("", 'ovf:boot="true"', ["d2", "d1"]),
        ("", 'ovf:boot="0"', ["d1", "d2"]),
        ("", 'ovf:isBootable="1"', ["d2", "d1"]),
    ],
)
def test_disk_that_the_descriptor_starts_from_is_the_first_one(more, attribute, expected):
    system = _read(AT_PORT, files=FILE.format("b.vmdk"), disks=SECOND.format(attribute), more=more)
    assert ([one.name for one in system.disks], system.lost) == (expected, ())


@pytest.mark.parametrize(
    ("items", "about", "expected"),
    [
        ((made.item(1, 50, ResourceSubType="vmware.vmci"),), {}, "device vmware.vmci"),
        ((made.item(34, 50, ResourceSubType="vmware.vtpm"),), {}, "content of the TPM"),
        ((made.item(1, 50, ResourceSubType="vmware.soundcard.hdaudio"),), {}, "sound card"),
        ((made.item(32768, 50, Caption="Graphical Controller"),), {}, "device Graphical Controller"),
        ((made.item(32768, 50, HostResource="ovf:/file/f1"),), {}, "device 32768 (a.vmdk)"),
        ((made.item(15, 50),), {}, "optical drive"),
        ((made.item(15, 50, HostResource="ovf:/file/f2"),), {"files": FILE.format("x.iso")}, "optical drive (x.iso)"),
        (
            (made.item(20, 50, ResourceSubType="vmware.nvdimm.device", HostResource="/disk/d1"),),
            {},
            "nvdimm.device (a.vmdk)",
        ),
        ((), {"files": FILE.format("x-file1.nvram")}, "variables of the firmware (NVRAM)"),
        ((_config("nvram", "ovf:/file/x", "ExtraConfig"),), {}, "variables of the firmware (NVRAM)"),
        ((), {"files": FILE.format("readme.txt")}, "file readme.txt"),
        ((), {"files": FILE.format("b.vmdk"), "disks": SECOND.format("")}, "disk b.vmdk of no device"),
        ((made.item(10, 40, Connection="LAN", AutomaticAllocation="false"),), {}, "NICs that are not connected"),
        ((made.item(10, 40, Connection="LAN", MACAddress="00:1a"),), {}, "MAC addresses"),
        ((made.item(3, 60, VirtualQuantity=4, CoresPerSocket=2),), {}, "2 cores in each CPU socket"),
        ((_config("bootOptions.efiSecureBootEnabled", "1"),), {}, "secure boot"),
        ((_config("uefi.secureBoot.enabled", "TRUE", "ExtraConfig"),), {}, "secure boot"),
        ((_config("nestedHVEnabled"),), {}, "nested virtualization"),
        ((), {"more": "<VirtualHardwareSection><Info/></VirtualHardwareSection>"}, "alternatives of the hardware"),
    ],
)
def test_what_the_vm_does_not_get_is_listed(items, about, expected):
    (found,) = _read(*items, **about).lost
    assert expected in found


def test_range_counts_only_if_there_is_nothing_else():
    least = made.item(4, 2, VirtualQuantity=64).replace("<Item", '<Item ovf:bound="min"')
    most = made.item(4, 2, VirtualQuantity=128).replace("<Item", '<Item ovf:bound="max"')
    assert (_read(most, least, memory=96).memory, _read(most, least, memory=96).lost) == (96 * M, ())
    alone = read(
        _vm(most, least).replace(made.item(4, 2, AllocationUnits="byte * 2^20", VirtualQuantity=64), "").encode(), {}
    )
    assert (alone.memory, alone.lost) == (64 * M, ("range of the memory (the VM has its minimum)",))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (_vm(made.item(23, 20)), "two devices with the InstanceID '20'"),
        (_vm(more='<ProductSection><Property ovf:value="1"/></ProductSection>'), "property without a key"),
        (_vm(more='<ProductSection><Property ovf:key="a"/><Property ovf:key="a"/></ProductSection>'), "the key 'a'"),
        (
            _vm(made.item(1, 50, ResourceSubType="x").replace("<Item", '<Item ovf:required="1"')),
            "requires the device x",
        ),
        (_vm(), "is empty"),
    ],
    ids=["instance", "no key", "key", "device", "empty"],
)
def test_what_could_mean_two_things_is_rejected(text, expected):
    with pytest.raises(Damaged, match=expected):
        read(b" \n" if expected == "is empty" else text.encode(), {})


def test_last_one_of_two_devices_of_a_configuration_counts():
    options = '<DeploymentOptionSection><Info/><Configuration ovf:id="s"/><Configuration ovf:id="l" ovf:default="1"/>'
    memory = [made.item(4, 2, names, VirtualQuantity=size) for names, size in (("s l", 512), ("l", 1024))]
    text = _vm(*memory).replace("<VirtualSystem ", f"{options}</DeploymentOptionSection><VirtualSystem ")
    assert [read(text.encode(), asked).memory for asked in ({}, {"configuration": "s"})] == [G, 512 * M]


@pytest.mark.parametrize("is_required", ['<Item ovf:required="true">', "<Item>"])
def test_child_of_a_device_may_be_required(is_required):
    child = made.item(6, 50, **{"Hint": ""}).replace("<rasd:Hint>", '<rasd:Hint ovf:required="true">')
    assert _read(child.replace("<Item>", is_required)).lost == ()


@pytest.mark.parametrize(
    ("more", "firmware", "secure"),
    [
        ("<BiosType>1</BiosType>", "bios", 0),
        ("<BiosType>2</BiosType>", "uefi", 0),
        ("<BiosType>3</BiosType>", "uefi", 1),
    ],
)
def test_firmware_of_ovirt(more, firmware, secure):
    system = _read(more=more)
    assert (system.firmware, len(system.lost)) == (firmware, secure)


@pytest.mark.parametrize(
    ("value", "firmware", "secure"),
    [("order=dc", "bios", 0), ("order=dc;firmware=uefi", "uefi", 0), ("firmware=uefi;secureboot=true", "uefi", 1)],
)
def test_firmware_of_xenserver_in_a_text_that_is_declared_in_another_encoding(value, firmware, secure):
    setting = (
        f'<x:VirtualSystemOtherConfigurationData xmlns:x="urn:x" Name="HVM_boot_params"><x:Value>{value}</x:Value>'
    )
    text = _vm(f"{setting}</x:VirtualSystemOtherConfigurationData>").replace('encoding="UTF-8"', 'encoding="utf-16"')
    system = read(text.encode(), {})
    assert (system.firmware, len(system.lost)) == (firmware, secure)


def test_nics_and_disks_of_ovirt():
    nics = [made.item(10, 40 + number, Connection="LAN", ResourceSubType=number) for number in (1, 2, 3, 6)]
    system = _read(*nics, AT_PORT, files=FILE.format("b"), disks=SECOND.format('ovf:disk-interface="VirtIO"'))
    assert [one.models for one in system.nics] == [("rtl8139",), ("e1000",), ("virtio",), ("e1000e",)]
    assert [one.bus for one in system.disks] == ["sata", "virtio"]


@pytest.mark.parametrize(
    ("words", "bus"),
    [("virtio lsilogic", "virtio"), ("lsilogic virtio", "scsi"), ("lsilogic,virtio", "scsi"), ("NVMe", "nvme")],
)
def test_first_choice_of_a_controller_counts(words, bus):
    disk = made.item(17, 51, Parent=50, HostResource="ovf:/disk/d1")
    assert _read(made.item(6, 50, ResourceSubType=words), disk).disks[-1].bus == bus


@pytest.mark.parametrize(
    ("system", "expected"),
    [('ovf:id="74"', True), ('ovf:id="120"', True), ('ovf:id="96"', False), ('vmw:osType="windows9_64Guest"', True),
     ('vmw:osType="darwin21_64Guest"', False), ('vmw:osType="winNetEnterpriseGuest"', True)],
)  # fmt: skip
def test_windows_by_number_and_by_type(system, expected):
    assert _read(more=f"<OperatingSystemSection {system}><Info/></OperatingSystemSection>").is_windows == expected


def test_capacity_can_be_a_property():
    more = '<ProductSection><Property ovf:key="size" ovf:value="20" ovf:userConfigurable="1"/></ProductSection>'
    disks = '<Disk ovf:diskId="d2" ovf:capacity="${size}" ovf:capacityAllocationUnits="byte * 2^30"/>'
    found = [_read(AT_PORT, disks=disks, more=more, asked=asked) for asked in ({}, {"properties": {"size": 30}})]
    assert [one.disks[1].capacity for one in found] == [20 * G, 30 * G]
    assert found[0].properties[0].is_users


def test_memory_in_the_unit_of_its_quantity():
    memory = made.item(4, 2, VirtualQuantityUnits="byte * 2^30", VirtualQuantity=4)
    text = _vm().replace(made.item(4, 2, AllocationUnits="byte * 2^20", VirtualQuantity=64), memory)
    assert read(text.encode(), {}).memory == 4 * G


def test_disk_that_names_its_file_and_invalid_hints():
    files = '<File ovf:id="f2" ovf:href="b.vmdk" ovf:size="unknown"/><File ovf:id="f3" ovf:href="c" ovf:chunkSize="x"/>'
    direct = made.item(17, 30, Parent=3, AddressOnParent=1, HostResource="ovf:/file/f2")
    system = _read(direct, files=files)
    assert ([one.file.href for one in system.disks], system.lost) == (["a.vmdk", "b.vmdk"], ("file c",))
    assert _read(disks=SECOND.format("").replace('capacity="1"', 'capacity="?"'), files=FILE.format("b")).disks


@pytest.mark.parametrize(
    ("asked", "expected"), [("a", 1), ("b", 2), ("other", 3), ("same", None), ("c", None), (None, None), ("none", None)]
)
def test_vm_is_chosen_by_its_name_or_id(asked, expected):
    parts = [("a", "same", 1), ("b", "same", 2), ("c", "other", 3), ("c", "4th", 4)]
    systems = "".join(
        f'<VirtualSystem ovf:id="{one}"><Name>{name}</Name>{made.hardware(cpus=cpus)}</VirtualSystem>'
        for one, name, cpus in parts
    )
    text = made.envelope("").partition("<VirtualSystem ")[0] + f"{systems}</Envelope>"
    if expected:
        assert read(text.encode(), {"system": asked}).cpus == expected
        return
    with pytest.raises(Damaged) as error:
        read(text.encode(), {"system": asked})
    assert error.value.remedy == "Set appliance.system to one of: a, b, c, c."


@pytest.mark.parametrize("count", [1, 30_000])
def test_time_grows_with_the_text_only(count):
    nested = f"{'<VirtualSystemCollection>' * count}<VirtualSystem/>{'</VirtualSystemCollection>' * count}"
    assert not read(f"<Envelope>{nested}</Envelope>".encode(), {}).disks
    with pytest.raises(Damaged, match=f"contains {2 * count} VMs"):
        read(f"<Envelope>{'<VirtualSystem/>' * 2 * count}</Envelope>".encode(), {})


STRINGS = (
    '<Strings xml:lang="en-US"><Msg ovf:msgid="l">Terms</Msg></Strings>'
    '<Strings xml:lang="de-DE"><Msg ovf:msgid="l">Bedingungen</Msg></Strings>'
)


@pytest.mark.parametrize(
    ("strings", "language", "expected"),
    [
        (STRINGS, "", "Terms"),
        (STRINGS, 'xml:lang="de-DE"', "Bedingungen"),
        (STRINGS, 'xml:lang="fr-FR"', "Bedingungen"),
        ("", "", "(the descriptor does not contain its text)"),
        ('<Strings ovf:fileRef="f2"/>', "", "(the descriptor does not contain its text)"),
    ],
)
def test_license_is_in_the_language_of_the_descriptor(strings, language, expected):
    text = _vm(files=FILE.format("terms.msg"), more='<EulaSection><Info/><License ovf:msgid="l"/></EulaSection>')
    text = text.replace("<DiskSection>", f"{strings}<DiskSection>").replace("<Envelope ", f"<Envelope {language} ")
    assert read(text.encode(), {}).license == expected
