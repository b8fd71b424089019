# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parsers of vmctl status, ifconfig, dhcpd.leases and arp."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._tools import vmctl

STATUS = """\
   ID   PID VCPUS  MAXMEM  CURMEM     TTY        OWNER    STATE NAME
    2 61533     1    1.0G    248M   ttyp1         root  running web01
    1     -     1    512M       -       -         root  stopped db.example.com
    3 40211     1    2.0G    1.9G   ttyp2 alice:vmusers   paused build-1
    4  1120     1   16.0G    900M  ttyp12 verylonguser:gr stopping x
    5     -     1    512M       -       -         root  waiting late
"""
TAPS = """\
tap0: flags=8843<UP,BROADCAST,RUNNING,SIMPLEX,MULTICAST> mtu 1500
\tlladdr fe:e1:ba:d4:3e:e2
\tdescription: vm1-if0-web01
\tindex 10 priority 0 llprio 3
\tgroups: tap
\tinet 100.64.1.2 netmask 0xfffffffe
tap1: flags=8802<BROADCAST,SIMPLEX,MULTICAST> mtu 1500
\tgroups: tap
"""
LEASES = """\
lease 10.50.0.101 {
\tstarts 5 2026/11/20 06:00:00 UTC;
\tends 5 2026/11/20 18:00:00 UTC;
\thardware ethernet fe:e1:bb:d1:2a:3c;
\tclient-hostname "web01";
}
lease 10.50.0.102 {
\tstarts 5 2026/11/20 06:00:00 UTC;
\tends 5 2026/11/20 18:00:00 UTC;
\thardware ethernet fe:e1:bb:d1:2a:3d;
\tabandoned;
}
"""
NOON = 1795176000
ARP = """\
Host                                 Ethernet Address    Netif Expire     Flags
10.50.0.1                            fe:e1:ba:d0:5c:01 vether0 permanent  l
10.50.0.101                          (incomplete)      vether0 expired
10.50.0.102                          FE:E1:BB:D1:2A:3C vether0 19m57s
"""


def test_status_is_read_by_words_because_columns_may_be_wider_than_their_heading():
    rows = vmctl.rows(STATUS)
    assert {name: (row.id, row.power, row.busy) for name, row in rows.items()} == {
        "web01": (2, "running", None),
        "db.example.com": (1, "stopped", None),
        "build-1": (3, "paused", None),
        "x": (4, "running", "stopping"),
        "late": (5, "stopped", "waiting for its staggered start"),
    }
    assert (rows["web01"].max_memory, rows["web01"].used_memory, rows["x"].used_memory) == ("1.0G", "248M", "900M")


def test_unrecognized_state_is_unknown():
    assert vmctl.rows(STATUS.replace("running", "melting"))["web01"].power == "unknown"


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1.0G", 1 << 30), ("512M", 512 << 20), ("1.9G", 2040109465), ("21.3M", 22334668), ("1023B", 1023), ("0B", 0),
        ("100K", 102400), ("1024M", 1 << 30), ("1.2T", 1319413953331), ("-", None), ("much", None), ("", None),
    ],
)  # fmt: skip
def test_sizes_are_rounded_to_one_decimal_so_they_are_not_whole_bytes(text, size):
    assert vmctl.size(text) == size


def test_taps_are_recognized_by_the_description_that_vmd_gives_them():
    assert vmctl.taps(TAPS) == [vmctl.Tap(1, 0, ("100.64.1.2",))]


@pytest.mark.parametrize(
    ("prefix", "vm", "nic", "address"),
    [
        ("100.64.0.0/10", 1, 0, "100.64.1.3"),
        ("100.64.0.0/10", 1, 1, "100.64.1.5"),
        ("100.64.0.0/10", 255, 0, "100.64.255.3"),
        ("100.64.0.0/10", 256, 0, "100.65.0.3"),
        ("100.64.0.0/10", 300, 0, "100.65.44.3"),
        ("10.60.0.0/16", 255, 0, "10.60.255.3"),
        ("10.60.0.0/16", 256, 0, None),
        ("100.64.0.300/10", 1, 0, None),
    ],
)
def test_address_of_a_local_interface_is_computed_as_vmd_does(prefix, vm, nic, address):
    assert vmctl.local_address(prefix, vm, nic) == address


def test_expired_and_abandoned_leases_are_ignored():
    assert vmctl.leases(LEASES, NOON - 3600) == {"fe:e1:bb:d1:2a:3c": "10.50.0.101"}
    assert vmctl.leases(LEASES, NOON + 360000) == {}


def test_last_lease_of_an_address_is_used():
    later = LEASES.replace("d1:2a:3c", "d1:00:01") + LEASES
    assert vmctl.leases(LEASES + later.partition("lease 10.50.0.102")[0], NOON - 3600) == {
        "fe:e1:bb:d1:00:01": "10.50.0.101"
    }


def test_incomplete_arp_entries_are_ignored():
    assert vmctl.neighbours(ARP) == {"fe:e1:ba:d0:5c:01": "10.50.0.1", "fe:e1:bb:d1:2a:3c": "10.50.0.102"}


def test_interface_names():
    assert vmctl.interfaces(TAPS) == {"tap0", "tap1"}
