# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The clock, and the order of boot devices: read from kinds and from single devices, written as kinds."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Change
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.settings.firmware import (
    read_boot_order,
    write_boot_order,
)
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.settings.hardware import read_rtc, write_rtc
from ansible_collections.polyvirt.core.plugins.module_utils._tools.domain_xml import Definition

from unit.module_utils._drivers.virsh.answers import machine_xml, with_devices

NO_KINDS = ("<boot dev='hd'/>", "")


def numbered(*devices):
    """m1 with boot numbers on more devices: (tag, device, number)."""
    elements = (
        f"<{tag} type='x'{device and f' device={device!r}'}><boot order='{number}'/></{tag}>"
        for tag, device, number in devices
    )
    return Definition(machine_xml(NO_KINDS, with_devices(*elements)))


def written(definition, *order):
    write_boot_order(definition, Change("boot_order", None, order))
    return definition


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
    definition = written(numbered(("disk", "disk", 2), ("interface", "", 1)), "disk", "network", "cdrom")
    assert [boot.attrib for boot in definition.root.iter("boot")] == [
        {"dev": "hd"},
        {"dev": "network"},
        {"dev": "cdrom"},
    ]
    assert read_boot_order(definition) == ("disk", "network", "cdrom")


def test_clock_loses_attributes_that_would_change_its_offset_and_keeps_timers():
    clock = "<clock offset='variable' adjustment='60' basis='utc'><timer name='rtc'/></clock>"
    definition = Definition(f"<domain>{clock}</domain>")
    assert read_rtc(definition) == "variable"
    write_rtc(definition, Change("rtc", "variable", "localtime"))
    (element,) = definition.root.findall("clock")
    assert (element.attrib, [one.tag for one in element]) == ({"offset": "localtime"}, ["timer"])


def test_definition_without_clock_has_utc_and_gets_one():
    definition = Definition("<domain/>")
    assert read_rtc(definition) == "utc"
    write_rtc(definition, Change("rtc", "utc", "localtime"))
    assert read_rtc(definition) == "localtime"
