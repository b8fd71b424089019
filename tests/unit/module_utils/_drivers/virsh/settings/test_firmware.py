# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Firmware and secure boot: parsed from definitions of libvirt 9.0.0, and written so that libvirt chooses the files.

The order of boot devices: read from kinds and from single devices, written as kinds.
"""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Change, Vm
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.settings.firmware import (
    has_nvram_of_others,
    normalize_firmware,
    nvram_of,
    read_boot_order,
    read_firmware,
    read_secure_boot,
    write_boot_order,
    write_firmware,
    write_secure_boot,
)
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.settings.nvram import place_nvram
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.storage import Storage
from ansible_collections.polyvirt.core.plugins.module_utils._tools.domain_xml import Definition

from unit.module_utils._drivers.virsh.answers import machine_xml, recorded, with_devices
from unit.module_utils._drivers.virsh.test_definition import flat

STORED, RUNNING = recorded("uefi-dumpxml-inactive.xml"), recorded("uefi-dumpxml-running.xml")
STORAGE = Storage(None, "/images")
BY_HAND = (
    "<os>",
    "<os><loader readonly='yes' secure='yes' type='pflash'>/f/CODE.fd</loader>"
    "<nvram template='/f/VARS.fd'>/n/m1.fd</nvram>",
)
#: The definition if no features are requested, so that libvirt chooses the firmware.
HOSTS_CHOICE = ("<os>", "<os firmware='efi'>")


def bios():
    return Definition(machine_xml())


def with_changes(definition, **fields):
    for field, new in fields.items():
        write = {"firmware": write_firmware, "secure_boot": write_secure_boot}[field]
        write(definition, Change(field, None, new))
    return definition


def read(definition):
    return read_firmware(definition), read_secure_boot(definition)


def features(definition):
    return {one.get("name"): one.get("enabled") for one in definition.root.findall("os/firmware/feature")}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (machine_xml(), ("bios", False)),
        (STORED, ("uefi", True)),
        (RUNNING, ("uefi", True)),
        (machine_xml(BY_HAND), ("uefi", None)),
        (machine_xml(HOSTS_CHOICE), ("uefi", None)),
        (machine_xml(("<os>", "<os><loader type='rom'>/bios.bin</loader>")), ("bios", False)),
        (STORED.replace("enabled='yes' name='enrolled-keys'", "enabled='no' name='enrolled-keys'"), ("uefi", False)),
        (STORED.replace("<feature enabled='yes' name='enrolled-keys'/>", ""), ("uefi", None)),
    ],
)
def test_firmware_is_read_from_stored_and_running_definition(text, found):
    assert read(Definition(text)) == found


@pytest.mark.parametrize("order", [("firmware", "secure_boot"), ("secure_boot", "firmware")])
def test_both_options_can_be_set_at_once_in_any_order(order):
    requested = {"firmware": "uefi", "secure_boot": True}
    definition = with_changes(bios(), **{field: requested[field] for field in order})
    assert read(definition) == ("uefi", True)
    assert definition.native("features/smm@state") == "on"


@pytest.mark.parametrize("text", [STORED, RUNNING, machine_xml(BY_HAND)])
def test_changing_secure_boot_removes_previous_firmware_files(text):
    definition = with_changes(Definition(text), secure_boot=False)
    assert read(definition) == ("uefi", False)
    assert (definition.get("os/loader"), nvram_of(definition)) == (None, None)
    assert definition.native("os@firmware") == "efi"


def test_change_to_bios_removes_all_of_uefi():
    definition = with_changes(Definition(STORED), firmware="bios")
    assert [child.tag for child in definition.root.find("os")] == ["type", "boot", "boot"]
    assert (read(definition), definition.native("os@firmware")) == (("bios", False), None)


def test_secure_boot_false_with_bios_changes_nothing():
    assert flat(with_changes(bios(), secure_boot=False).text()) == flat(machine_xml())


def test_each_kind_of_firmware_has_its_own_nvram_file():
    definition = with_changes(bios(), firmware="uefi")
    assert place_nvram(definition, STORAGE, "m1") == nvram_of(definition) == "/images/m1.nvram"
    with_changes(definition, secure_boot=True)
    assert place_nvram(definition, STORAGE, "m1") == nvram_of(definition) == "/images/m1.nvram-secure"
    assert len(definition.root.findall("os/nvram")) == 1


def test_nvram_is_read_from_source_element():
    text = machine_xml(("<os>", "<os><nvram type='file'><source file='/n/a.fd'/></nvram>"))
    assert nvram_of(Definition(text)) == "/n/a.fd"


@pytest.mark.parametrize(
    ("found", "requested", "normalized"),
    [
        (None, {"firmware": "uefi"}, {"firmware": "uefi", "secure_boot": False}),
        (None, {"firmware": "uefi", "secure_boot": True}, {"firmware": "uefi", "secure_boot": True}),
        ("bios", {"firmware": "uefi"}, {"firmware": "uefi", "secure_boot": False}),
        ("uefi", {"firmware": "uefi"}, {"firmware": "uefi"}),
        ("uefi", {"secure_boot": True}, {"secure_boot": True}),
        ("uefi", {"firmware": "bios"}, {"firmware": "bios", "secure_boot": False}),
        ("bios", {"secure_boot": False}, {"secure_boot": False}),
        (None, {"cpus": 2}, {"cpus": 2}),
    ],
)
def test_firmware_change_sets_secure_boot(found, requested, normalized):
    assert normalize_firmware(Vm("a", config={"firmware": found} if found else {}), requested) == normalized


# Boot order -----------------------------------------------------------------------------------------------------------

NO_KINDS = ("<boot dev='hd'/>", "")


def numbered(*devices):
    """m1 with boot numbers on more devices: (tag, device, number)."""
    elements = (
        f"<{tag} type='x'{device and f' device={device!r}'}><boot order='{number}'/></{tag}>"
        for tag, device, number in devices
    )
    return Definition(machine_xml(NO_KINDS, with_devices(*elements)))


def test_kind_that_option_does_not_have_keeps_name_of_libvirt():
    assert read_boot_order(Definition(machine_xml(("dev='hd'", "dev='fd'")))) == ("fd",)


@pytest.mark.parametrize(
    ("devices", "order"),
    [
        ([("disk", "disk", 2), ("interface", "", 1)], ("network", "disk")),
        ([("disk", "", 10), ("disk", "cdrom", 9)], ("cdrom", "disk")),
        ([("disk", "lun", 1), ("disk", "disk", 2), ("hostdev", "", 3)], ("disk", "hostdev")),
    ],
)
def test_boot_numbers_of_devices_are_read_as_order_of_kinds(devices, order):
    assert read_boot_order(numbered(*devices)) == order


def test_boot_order_replaces_boot_numbers_of_devices():
    definition = numbered(("disk", "disk", 2), ("interface", "", 1))
    write_boot_order(definition, Change("boot_order", None, ("disk", "network", "cdrom")))
    assert [boot.attrib for boot in definition.root.iter("boot")] == [
        {"dev": "hd"},
        {"dev": "network"},
        {"dev": "cdrom"},
    ]
    assert read_boot_order(definition) == ("disk", "network", "cdrom")


_FEATURES = (
    "<firmware><feature enabled='no' name='enrolled-keys'/><feature enabled='no' name='secure-boot'/></firmware>"
)
_LOADER = "<loader readonly='yes' type='pflash'>/usr/share/OVMF/OVMF_CODE_4M.fd</loader>"


@pytest.mark.parametrize(
    ("system", "found"),
    [
        ("<os>", False),
        (f"<os>{_LOADER}", True),
        (f"<os>{_LOADER}<nvram>/own/web.nvram</nvram>", False),
        (f"<os>{_LOADER}<nvram>/theirs.fd</nvram>", True),
        # As libvirt 11.3 completes the same definition.
        (f"<os firmware='efi'>{_FEATURES}{_LOADER}<nvram>/theirs.fd</nvram>", True),
        (f"<os firmware='efi'>{_FEATURES}{_LOADER}<nvram>/var/lib/libvirt/qemu/nvram/web_VARS.fd</nvram>", False),
        (f"<os firmware='efi'>{_FEATURES}{_LOADER}<nvram>/own/web.nvram</nvram>", False),
        ("<os firmware='efi'>", False),
    ],
)
def test_nvram_that_another_program_has_chosen(system, found):
    assert has_nvram_of_others(Definition(machine_xml(("<os>", system))), ["/own/web.nvram"]) is found
