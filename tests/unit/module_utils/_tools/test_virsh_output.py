# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parsers on recorded output of virsh 9.0.0."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._tools import virsh_output
from ansible_collections.polyvirt.core.plugins.module_utils._tools.virsh_output import Address

RECORDED = Path(__file__).parents[2] / "fixtures" / "virsh" / "9.0.0"


def recorded(name):
    return (RECORDED / f"{name}.txt").read_text(encoding="utf-8")


def test_names_with_special_characters():
    names = [name for uuid, name in virsh_output.domains(recorded("list-uuid-name"))]
    assert names == ["test", "-lead", "a b", "back\\slash", "it's", 'q"u', "x;y", "ü€"]


def test_domains_have_uuid_and_name():
    assert virsh_output.domains(recorded("list-uuid-name"))[2] == ("00bccbd4-2d15-4974-af93-2a9523a56f0e", "a b")


def test_numbers_and_blanks_at_the_end_are_part_of_a_name():
    assert virsh_output.domains("u1 54\nu2 odd \n") == [("u1", "54"), ("u2", "odd ")]


def test_padding_of_old_versions_is_not_part_of_a_name():
    # virsh 6 prints "%-36s %-30s": padded by bytes, so "ü€" has 25 blanks, not 28.
    old = "u1 " + "web" + " " * 27 + "\n" + "u2 " + "ü€" + " " * 25 + "\n"
    assert virsh_output.domains(old) == [("u1", "web"), ("u2", "ü€")]


def test_no_domains():
    assert virsh_output.domains("") == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("running (booted)\n", ("running", "booted")),
        ("shut off (unknown)\n\n", ("shut off", "unknown")),
        ("paused (I/O error)\n", ("paused", "I/O error")),
        ("running (from snapshot)\n", ("running", "from snapshot")),
        ("shut off\n", ("shut off", None)),
    ],
)
def test_power(text, expected):
    assert virsh_output.power(text) == expected


def test_lease_address():
    assert virsh_output.addresses(recorded("domifaddr-lease")) == [
        Address("vnet3", "52:54:00:66:59:1c", "192.168.122.222", 24)
    ]


def test_agent_addresses_continue_the_interface_above():
    assert virsh_output.addresses(recorded("domifaddr-agent")) == [
        Address("lo", "00:00:00:00:00:00", "127.0.0.1", 8),
        Address("lo", "00:00:00:00:00:00", "::1", 128),
        Address("eth0", "52:54:00:66:59:1c", "192.168.122.222", 24),
        Address("eth0", "52:54:00:66:59:1c", "fe80::5054:ff:fe66:591c", 64),
    ]


def test_windows_interfaces_and_those_without_mac_or_address():
    # Formats as in virsh's source: "%-10s %-17s    %-12s %s/%d", and N/A where there is no address.
    text = (
        " Ethernet Instance 0 52:54:00:66:59:1c    ipv4         10.0.0.5/24\n"
        " Loopback Pseudo-Interface 1                      ipv6         ::1/128\n"
        " eth1       52:54:00:66:59:1d    N/A          N/A\n"
    )
    assert virsh_output.addresses(text) == [
        Address("Ethernet Instance 0", "52:54:00:66:59:1c", "10.0.0.5", 24),
        Address("Loopback Pseudo-Interface 1", None, "::1", 128),
    ]


@pytest.mark.parametrize("name", ["domblkinfo-all", "domblkinfo-all-loud"])
def test_block_sizes_with_an_empty_drive(name):
    assert virsh_output.block_sizes(recorded(name)) == {"vda": 6442450944, "vdb": 1073741824, "sda": None}


def test_block_sizes_of_the_test_driver():
    assert virsh_output.block_sizes(recorded("domblkinfo-all-test-driver")) == {"vda": 1099506450432}


def test_versions():
    assert virsh_output.versions(recorded("version-qemu")) == virsh_output.Versions("9.0.0", "QEMU")


def test_versions_without_a_hypervisor():
    assert virsh_output.versions("Using library: libvirt 9.0.0\n") == virsh_output.Versions("9.0.0", None)


def test_key_values():
    info = virsh_output.key_values(recorded("dominfo-running"))
    assert info["Max memory"] == "8388608 KiB"
    assert info["CPU(s)"] == "2"
    assert info["Security DOI"] == ""
    assert info["Security label"] == "libvirt-test (enforcing)"


def test_key_values_keep_every_message():
    text = "Messages:       tainted: one\n                deprecated: two\nPersistent:     yes\n"
    assert virsh_output.key_values(text) == {"Messages": "tainted: one\ndeprecated: two", "Persistent": "yes"}


def test_snapshot_names_keep_their_blanks():
    assert virsh_output.snapshots("na me;x\n-x\nbase\u2028line\n") == ["na me;x", "-x", "base\u2028line"]


def test_network_names():
    assert virsh_output.names("default\nisolated1\n\n") == ["default", "isolated1"]


def test_columns_of_leases():
    text = (
        " 2026-11-26 01:40:11   52:54:00:5e:8a:01   ipv4       192.168.157.44/24   guest      01:52:54:00:5e:8a:01\n"
        " 2026-11-26 01:40:12   52:54:00:5e:8a:02   ipv4       192.168.157.45/24   -          -\n"
    )
    assert [(one["address"], one["hostname"]) for one in virsh_output.all_leases(text)] == [
        ("192.168.157.44", "guest"),
        ("192.168.157.45", None),
    ]
