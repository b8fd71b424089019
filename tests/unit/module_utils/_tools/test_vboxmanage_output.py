# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parsers of lists, on recorded output of VBoxManage 7.2.22 and on the formats of 6.1."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._tools import vboxmanage_output as output
from ansible_collections.polyvirt.core.plugins.module_utils._tools.vboxmanage_output import Property

from unit.module_utils._tools.vbox_recordings import recorded

WEB, RUN = "5bfd9472-3b72-43ff-aa34-ab5707a665e4", "4d01d1df-3bf3-4c61-acab-03ab2f18ebc7"
# Output of 6.1, written from its source code.
OSTYPES_6_1 = """\
ID:          Debian_64
Description: Debian (64-bit)
Family ID:   Linux
Family Desc: Linux
64 bit:      true

ID:          Windows11_64
Description: Windows 11 (64-bit)
Family ID:   Windows
Family Desc: Microsoft Windows
64 bit:      true

"""


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("7.2.22_Debianr175245\n", (7, 2, 22)),
        ("7.0.14r161095\n", (7, 0, 14)),
        ("6.1.50_Ubuntur161033\n", (6, 1, 50)),
        ("", None),
        ("VBoxManage 7\n", None),
    ],
)
def test_version(text, numbers):
    assert output.version(text) == numbers


@pytest.mark.parametrize(
    "warning",
    [
        recorded("version-with-warning").removesuffix("7.2.22_Debianr175245\n"),
        "WARNING: The vboxdrv kernel module is not loaded. Either there is no module\n"
        "         available for the current kernel (uname) or it failed to\n"
        "         load. Please recompile the kernel module and install it by\n"
        "\n"
        "           sudo /sbin/vboxconfig\n"
        "\n"
        "         You will not be able to start VMs until this problem is fixed.\n",
        "WARNING: The character device /dev/vboxdrv does not exist.\n\t Please install it.\n",
    ],
)
@pytest.mark.parametrize("text", ["7.2.22r1\n", '"web" {x}\n', ""])
def test_warning_of_a_distribution_is_removed(warning, text):
    assert output.without_warning(warning + text) == text


def test_output_without_a_warning_is_unchanged():
    assert output.without_warning("\n  text\nWARNING: no\n") == "\n  text\nWARNING: no\n"


def test_ostypes():
    types = output.ostypes(recorded("list-ostypes"))
    assert len(types) == 228
    assert output.OsType("Debian_64", "Debian (64-bit)", "Linux") in types
    assert output.OsType("Windows11_64", "Windows 11 (64-bit)", "Windows") in types


def test_ostypes_of_6_1():
    assert output.ostypes(OSTYPES_6_1) == [
        output.OsType("Debian_64", "Debian (64-bit)", "Linux"),
        output.OsType("Windows11_64", "Windows 11 (64-bit)", "Windows"),
    ]


def test_media():
    media = output.media(recorded("list-hdds"))
    assert len(media) == 17
    assert media[1] == output.Medium(
        uuid="f388765a-ecb2-4c06-9a4e-b00213bbb42b",
        parent="7368aaf4-5e76-4277-b0d8-07371c7baf7d",
        state="created",
        location="/home/v/vms/a/web/Snapshots/{f388765a-ecb2-4c06-9a4e-b00213bbb42b}.vdi",
        format="VDI",
        capacity=1,
        variant=None,
        users={},
        children=(),
        kind="normal (differencing)",
    )
    assert media[5].location == '/home/v/vms/a\\b"c.vdi'


def test_media_in_the_long_list():
    base, child, *_rest = output.media(recorded("list-hdds-long"))
    assert base.parent is None
    assert base.variant == "dynamic default"
    assert base.users == {WEB: ("3cc2bf36-0437-41eb-9e33-b46d1d7979a7",)}
    assert base.children == ("f388765a-ecb2-4c06-9a4e-b00213bbb42b", "5a0d99e0-4c42-469f-b5f9-ef7d03954bbc")
    assert child.parent == base.uuid


def test_children_of_media_match_the_parents_of_media():
    media = output.media(recorded("list-hdds-long"))
    assert {(medium.uuid, child) for medium in media for child in medium.children} == {
        (medium.parent, medium.uuid) for medium in media if medium.parent
    }


def test_image_of_a_running_vm():
    (medium,) = output.media(recorded("showmediuminfo-running"))
    assert (medium.state, medium.users) == ("locked write", {RUN: ()})


def test_image_of_vms_with_line_breaks_in_their_names():
    """If a user were missed, the disk would look unused."""
    one, other, taken = (f"62d77cc9-5c1b-4be5-8f7a-f9a8b1f3f8a{number}" for number in range(3))
    use = f"In use by VMs:  two\n\nlines: (UUID: {one}) [a\nb (UUID: {taken})]\n                c\nd (UUID: {other})\n"
    first, second = output.media(
        f"UUID: u\nLocation: /a.vdi\n{use}Child UUIDs:    {one}\n                {other}\n\nUUID: v\nLocation: /b.vdi\n"
    )
    assert (first.users, first.children) == ({one: (taken,), other: ()}, (one, other))
    assert (second.location, second.users) == ("/b.vdi", {})


@pytest.mark.parametrize("name", ["guestproperty-enumerate", "guestproperty-enumerate-old"])
def test_guest_properties_in_both_formats(name):
    properties = output.properties(recorded(name))
    assert len(properties) == 11
    assert properties["/VirtualBox/GuestInfo/Net/0/MAC"].value == "080027AABBCC"
    assert properties["/VirtualBox/GuestInfo/Net/Count"].flags == {"TRANSIENT", "TRANSRESET"}
    address, started = properties["/VirtualBox/GuestInfo/Net/0/V4/IP"], properties["/VirtualBox/HostInfo/VBoxVer"]
    assert 2.0e9 < address.time - started.time < 2.2e9


def test_new_format_has_milliseconds():
    properties = output.properties(recorded("guestproperty-enumerate"))
    assert properties["/VirtualBox/GuestInfo/Net/0/V4/IP"] == Property(
        "10.0.2.15", 1795174083445000000, frozenset({"TRANSIENT"})
    )


def test_value_that_looks_like_the_end_of_its_row():
    properties = output.properties(recorded("guestproperty-enumerate-strange"))
    assert [(name, found.value) for name, found in properties.items()] == [
        ("/my/prop", 'va l "ü" , x'),
        ("/my/ro", "1"),
        ("/my/tricky", "it's ' @ 2026-01-01T00:00:00.000Z X"),
    ]


@pytest.mark.parametrize("text", ["", "No properties found.\n"])
def test_no_guest_properties(text):
    assert output.properties(text) == {}


def test_one_value():
    assert output.value(recorded("getextradata-one")) == "lines\nof ü"
    assert output.value(recorded("getextradata-none")) is None
    assert output.value("Value: \n") == ""


def test_networks():
    nets = output.networks(recorded("list-natnets"))
    assert [(net["Name"], net["Network"], net["DHCP Server"]) for net in nets] == [
        ("nn 1", "10.10.0.0/24", "Yes"),
        ("nn2", "10.11.0.0/24", "No"),
    ]
    assert [net["Name"] for net in output.networks(recorded("list-intnets"))] == ["intnet", "lan0"]
    assert output.networks(recorded("list-bridgedifs"))[0]["IPAddress"] == "192.0.2.2"
    assert output.networks("") == []
    assert output.networks("Name: vboxnet0\nIPV6Address:\n") == [{"Name": "vboxnet0", "IPV6Address": ""}]


def test_system_properties():
    properties = output.system_properties(recorded("list-systemproperties"))
    assert properties["Default machine folder"] == "/home/v/vms"
    assert properties["API version"] == "7_2"
    assert properties["Autostart database path"] == ""


@pytest.mark.parametrize(("state", "size"), [("created", 0), ("inaccessible", None)])
def test_size_of_an_image_that_cannot_be_read_is_unknown(state, size):
    """Such as an iSCSI disk without a connection (recorded from 7.2.22)."""
    text = (
        "UUID:           70209e97-1f1c-497b-b559-dcebc8727c6d\nParent UUID:    base\n"
        f"State:          {state}\nType:           normal (base)\nLocation:       10.0.0.9|iqn.x|1\n"
        "Storage format: iSCSI\nFormat variant: dynamic default\nCapacity:       0 MBytes\n"
    )
    assert [one.capacity for one in output.media(text)] == [size]
