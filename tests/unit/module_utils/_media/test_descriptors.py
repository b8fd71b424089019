# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Descriptors of appliances in all dialects, and hostile ones.

The descriptors of VirtualBox 7.2 are recordings. Those of others are written after real ones of vendors.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.images import APPLIANCES
from ansible_collections.polyvirt.core.plugins.module_utils._media.appliances.defaults import placed_nics
from ansible_collections.polyvirt.core.plugins.module_utils._media.appliances.descriptor import read
from ansible_collections.polyvirt.core.plugins.module_utils._media.appliances.envelope import Damaged

from suite import appliance_files as made
from suite.appliance_files import PROPERTIES

RECORDED = Path(__file__).parents[2] / "fixtures" / "ovf" / "virtualbox-7.2"
M = 1024**2


def _system(text, **choices):
    return read(text.encode(), choices)


def _recorded(name):
    return read((RECORDED / f"{name}.ovf").read_bytes(), {})


@pytest.mark.parametrize("name", ["b09", "b10", "b20", "bnm"])
def test_dialects_of_virtualbox_are_read_alike(name):
    system = _recorded(name)
    assert (system.name, system.cpus, system.memory, system.firmware) == ("b-rich", 4, 2048 * M, "uefi")
    assert [(one.name, one.bus) for one in system.disks] == [
        ("vmdisk1", "sata"),
        ("vmdisk3", "scsi"),
        ("vmdisk2", "nvme"),
    ]
    assert [(one.network, one.models) for one in system.nics] == [
        ("NAT", ("e1000",)),
        ("Bridged", ("virtio",)),
        ("Internal", ("pcnet32",)),
        ("HostOnly", ("e1000",)),
    ]
    has_macs = any("MAC" in text for text in system.lost)
    assert has_macs == (name != "bnm")
    assert {"port forwards", "shared folders", "variables of the firmware (NVRAM)"} <= set(system.lost)


@pytest.mark.parametrize("name", ["b09", "b10", "b20"])
def test_macs_that_virtualbox_exports_can_be_kept(name):
    """It writes them without colons, in its own section, in the order of the NICs."""
    system = read((RECORDED / f"{name}.ovf").read_bytes(), {"keep_macs": True})
    assert [nic.mac for nic in system.nics] == ["0800273ACB88", "0800271234AB", "0800270E8EF6", "0800271186E0"]
    assert not any("MAC" in text for text in system.lost)
    networks = {nic.network: {"type": "nat"} for nic in system.nics}
    placed = placed_nics(system, networks, APPLIANCES, "web: appliance", keeps_macs=True)
    assert [nic["mac"] for nic in placed.values()][:2] == ["08:00:27:3a:cb:88", "08:00:27:12:34:ab"]


def test_mac_of_the_device_itself_counts():
    text = made.one_disk(made.item(10, 40, Connection="LAN", ResourceSubType="E1000", Address="00:50:56:aa:bb:cc"))
    (nic,) = read(text.encode(), {}).nics
    assert nic.mac == "00:50:56:aa:bb:cc"


def test_bios_is_what_virtualbox_does_not_write():
    assert _recorded("a10").firmware == "bios"


def test_disks_are_in_the_order_of_their_ports():
    system = _recorded("c")
    assert [one.file.href for one in system.disks] == ["c-two-disk002.vmdk", "c-two-disk001.vmdk"]
    assert (system.is_windows, system.license) == (True, "Text")


@pytest.mark.parametrize(
    ("unit", "quantity", "size"),
    [
        ("byte * 2^20", 512, 512 * M),
        ("MegaBytes", 512, 512 * M),
        ("MB", 512, 512 * M),
        ("byte*2^30", 2, 2048 * M),
        ("GigaBytes", 2, 2048 * M),
        ("byte", 512 * M, 512 * M),
        ("byte * 10^6", 512, 512 * 10**6),
        ("", 512, 512 * M),
    ],
)
def test_units_of_memory(unit, quantity, size):
    memory = made.item(4, 2, AllocationUnits=unit, VirtualQuantity=quantity)
    text = made.one_disk().replace(made.item(4, 2, AllocationUnits="byte * 2^20", VirtualQuantity=64), memory)
    assert _system(text).memory == size


@pytest.mark.parametrize("unit", ["byte * 2^60", "furlongs", "byte * 9999^99"])
def test_unit_that_makes_no_sense_is_rejected(unit):
    with pytest.raises(Damaged, match="the memory"):
        _system(made.one_disk().replace("byte * 2^20", unit))


FIRMWARE = '<vmw:Config ovf:required="false" vmw:key="firmware" vmw:value="{}"/>'


@pytest.mark.parametrize(("word", "firmware"), [("efi", "uefi"), ("bios", "bios")])
def test_firmware_of_vmware(word, firmware):
    assert _system(made.one_disk(FIRMWARE.format(word))).firmware == firmware


def test_secure_boot_of_vmware_is_reported():
    key = FIRMWARE.format("efi") + '<vmw:Config vmw:key="bootOptions.efiSecureBootEnabled" vmw:value="true"/>'
    assert any("secure boot" in text for text in _system(made.one_disk(key)).lost)


def test_firmware_that_no_descriptor_states_is_unknown():
    assert _system(made.one_disk()).firmware is None


def test_empty_disk_is_created():
    body = made.hardware(made.sata(("d1", 0), ("d2", 1)))
    system = _system(made.envelope(body, [("f1", "a.vmdk", "")], [("d1", "f1", 1), ("d2", "", 128 * M)]))
    assert [(one.file is None, one.capacity) for one in system.disks] == [(False, 1), (True, 128 * M)]


OPTIONS = (
    "<DeploymentOptionSection><Info/>"
    '<Configuration ovf:id="small"><Label>Small</Label></Configuration>'
    '<Configuration ovf:id="large" ovf:default="true"><Label>Large</Label></Configuration>'
    "</DeploymentOptionSection>"
)


@pytest.mark.parametrize(("chosen", "cpus", "nics"), [(None, 8, 2), ("large", 8, 2), ("small", 1, 1)])
def test_item_of_a_configuration_replaces_the_general_one(chosen, cpus, nics):
    large = made.item(3, 1, "large other", VirtualQuantity=8)
    second = made.item(10, 41, "large", Connection="VM Network")
    body = made.hardware(made.sata(("d1", 0)), large, made.nic(), second)
    text = made.envelope(body, [("f1", "a.vmdk", "")], [("d1", "f1", 1)], OPTIONS)
    system = _system(text, configuration=chosen)
    assert (system.cpus, len(system.nics)) == (cpus, nics)


def test_unknown_configuration_names_the_known_ones():
    with pytest.raises(Damaged, match="no configuration 'huge'") as error:
        _system(made.envelope("", more=OPTIONS), configuration="huge")
    assert error.value.remedy == "Set appliance.configuration to one of: small, large."


def test_several_vms_need_a_choice():
    text = made.one_disk().replace("</Envelope>", '<VirtualSystem ovf:id="b"><Info/></VirtualSystem></Envelope>')
    with pytest.raises(Damaged, match="contains 2 VMs") as error:
        _system(text)
    assert error.value.remedy == "Set appliance.system to one of: sample, b."
    assert _system(text, system="sample").disks
    assert not _system(text, system="b").disks


def test_properties_have_the_keys_of_their_class():
    found = _system(made.one_disk(sections=PROPERTIES, transport="iso com.vmware.guestInfo"))
    assert [(one.key, one.value, one.is_users) for one in found.properties] == [
        ("com.x.login", "admin", True),
        ("com.x.password", None, True),
        ("com.x.model", "X1", False),
    ]
    assert found.transport == ("iso", "com.vmware.guestInfo")


def test_license_in_another_place():
    license_of = '<EulaSection><Info/><License ovf:msgid="l"/></EulaSection>'
    text = made.one_disk(sections=license_of).replace(
        "<DiskSection>", '<Strings xml:lang="en"><Msg ovf:msgid="l">The terms</Msg></Strings><DiskSection>'
    )
    assert _system(text).license == "The terms"


HOSTILE = {
    "entities": ('<!DOCTYPE x [<!ENTITY a "aaaa">]><Envelope/>', "document type"),
    "external entity": ('<!DOCTYPE x SYSTEM "file:///etc/passwd"><Envelope/>', "document type"),
    "too large": ("<Envelope>" + " " * (4 * M) + "</Envelope>", "larger"),
    "no XML": ("<Envelope", "not XML"),
    "other XML": ("<html/>", "not an OVF descriptor"),
    "no VM": ("<Envelope/>", "contains no VM"),
    "unknown requirement": (made.one_disk('<x:Thing xmlns:x="urn:x" ovf:required="true"/>'), "requires Thing"),
    "CPUs": (made.one_disk(cpus=10**9), "out of range"),
    "many devices": (made.one_disk(*(made.item(23, n) for n in range(100, 400))), "more than 256 devices"),
    "no number": (made.one_disk(cpus="many"), "no number"),
    "delta": (made.one_disk().replace('ovf:diskId="d1"', 'ovf:diskId="d1" ovf:parentRef="d0"'), "differences"),
    "unknown file": (made.one_disk().replace('ovf:fileRef="f1"', 'ovf:fileRef="f9"'), "no file"),
    "unknown disk": (made.one_disk().replace("ovf:/disk/d1", "ovf:/disk/d9"), "without a description"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_descriptor_is_rejected(name):
    text, expected = HOSTILE[name]
    with pytest.raises(Damaged, match=expected):
        read(text.encode(), {})


def test_entities_in_another_encoding_are_rejected():
    text = '<?xml version="1.0" encoding="utf-16"?><!DOCTYPE x [<!ENTITY a "b">]><Envelope/>'
    with pytest.raises(Damaged, match="document type"):
        read(text.encode("utf-16"), {})
    with pytest.raises(Damaged, match="not UTF-8"):
        read(text.encode("cp037"), {})


#: How a descriptor with entities could be encoded so that its document type is not found.
ENCODINGS = {
    "UTF-16 with a mark": (b"\xff\xfe", "utf-16-le", "UTF-16"),
    "UTF-16 BE with a mark": (b"\xfe\xff", "utf-16-be", "UTF-16"),
    "UTF-16": (b"", "utf-16-le", "UTF-16LE"),
    "UTF-16 BE": (b"", "utf-16-be", "UTF-16BE"),
    "UTF-32": (b"\xff\xfe\0\0", "utf-32-le", "UTF-32"),
    "UTF-32 BE": (b"\0\0\xfe\xff", "utf-32-be", "UTF-32"),
    "UTF-7": (b"", "utf-7", "UTF-7"),
    "EBCDIC": (b"", "cp037", "cp037"),
    "another name": (b"\xff\xfe", "utf-16-le", "UTF-8"),
}


@pytest.mark.parametrize("name", ENCODINGS)
def test_no_encoding_hides_entities(name):
    begin, encoding, declared = ENCODINGS[name]
    text = f'<?xml version="1.0" encoding="{declared}"?><!DOCTYPE Envelope [<!ENTITY a "b">]><Envelope>&a;</Envelope>'
    content = begin + text.encode(encoding)
    if encoding == "utf-7":
        content = content.replace(b"<!DOCTYPE", b"+ADwAIQ-DOCTYPE").replace(b"<!ENTITY", b"+ADwAIQ-ENTITY")
    with pytest.raises(Damaged, match=r"document type|not UTF-8|not XML"):
        read(content, {})


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8", "utf-8-sig"])
def test_encodings_of_xml_are_read(encoding):
    text = made.one_disk().replace('encoding="UTF-8"', f'encoding="{encoding[:6].rstrip("-")}"')
    assert read(text.encode(encoding), {})
