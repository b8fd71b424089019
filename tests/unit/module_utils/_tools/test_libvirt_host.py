# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tools of the host of libvirt: dpkg and iptables as recorded on Debian 13, systemctl as its manual describes it."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._tools import (
    kvm_nesting,
    kvm_probe,
    libvirt_daemons,
    libvirt_firewall,
    linux_packages,
)

MANAGERS = {manager.name: manager for manager in linux_packages.MANAGERS}
#: dpkg --no-act --purge systemd-sysv systemd libapparmor1, in a container without an init system.
PROTECTED = """\
dpkg: error processing package systemd-sysv (--purge):
 this is a protected package; it should not be removed
dpkg: dependency problems prevent removal of systemd:
 systemd-sysv depends on systemd (= 257.13-1~deb13u1).
 systemd-sysv depends on systemd.

dpkg: error processing package systemd (--purge):
 dependency problems - not removing
dpkg: error processing package libapparmor1:amd64 (--purge):
 dependency problems - not removing
Errors were encountered while processing:
 systemd-sysv
"""
#: systemctl show --property=Id,UnitFileState,ActiveState of a running, two stopped and a missing unit (not recorded).
UNITS = """\
Id=libvirtd.service
ActiveState=active
UnitFileState=enabled

Id=virtqemud.socket
ActiveState=inactive
UnitFileState=disabled

Id=virtnetworkd.socket
ActiveState=failed
UnitFileState=enabled

Id=nosuch.socket
ActiveState=inactive
UnitFileState=
"""
#: iptables -t filter -S after the last network of libvirt 11.3 was stopped, and with a chain of somebody else.
RULES = """\
-P INPUT ACCEPT
-P FORWARD ACCEPT
-P OUTPUT ACCEPT
-N LIBVIRT_FWI
-N LIBVIRT_FWO
-N LIBVIRT_FWX
-N LIBVIRT_INP
-N LIBVIRT_OUT
-N MINE
-A INPUT -j LIBVIRT_INP
-A INPUT -p tcp -j MINE
-A FORWARD -j LIBVIRT_FWX
-A FORWARD -j LIBVIRT_FWI
-A FORWARD -j LIBVIRT_FWO
-A OUTPUT -j LIBVIRT_OUT
"""
CHAINS = ["LIBVIRT_FWI", "LIBVIRT_FWO", "LIBVIRT_FWX", "LIBVIRT_INP", "LIBVIRT_OUT"]


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("apt", "installed bash\nconfig-files nano\nnot-installed vim\ninstalled libc6\n", {"bash", "libc6"}),
        ("dnf", "installed bash\ninstalled gpg-pubkey\n", {"bash", "gpg-pubkey"}),
        ("pacman", "bash 5.2.037-1\nlibvirt 1:11.3.0-1\n", {"bash", "libvirt"}),
        ("apt", "", set()),
    ],
)
def test_installed_packages_are_listed(name, text, expected):
    assert linux_packages.installed(MANAGERS[name], text) == expected


def test_names_that_installed_packages_provide_are_listed():
    text = "installed qemu-system-x86 qemu-kvm (= 1:7.2), qemu-system-i386\nconfig-files old older\ninstalled bash \n"
    assert linux_packages.provided(MANAGERS["apt"], text) == {"qemu-kvm", "qemu-system-i386"}
    assert linux_packages.installed(MANAGERS["apt"], text) == {"qemu-system-x86", "bash"}
    assert linux_packages.provided(MANAGERS["pacman"], "qemu-base 9.1.0-1\n") == frozenset()


def test_packages_that_dpkg_does_not_remove_are_named():
    assert linux_packages.refused(PROTECTED) == {"systemd-sysv", "systemd", "libapparmor1"}
    assert linux_packages.refused("") == set()


def test_unit_must_be_enabled_and_active():
    found = libvirt_daemons.states(UNITS)
    stopped = {"virtqemud.socket": False, "virtnetworkd.socket": False, "nosuch.socket": False}
    assert found == {"libvirtd.service": True, **stopped}


def test_daemons_are_started_by_systemd_or_directly():
    assert libvirt_daemons.start_argvs(("a.socket", "b.socket"), True) == [
        ["systemctl", "enable", "--now", "a.socket", "b.socket"]
    ]
    assert libvirt_daemons.start_argvs((), False) == [["virtlogd", "-d"], ["libvirtd", "-d"]]


@pytest.mark.parametrize(
    ("argv", "expected"),
    [(["/usr/sbin/libvirtd", "-d"], True), (["virtlogd"], True), (["vim", "libvirtd"], False), ([], False)],
)
def test_only_daemons_of_libvirt_are_ended(argv, expected):
    assert libvirt_daemons.is_daemon(argv) is expected


def test_rules_of_libvirt_are_removed_and_no_others():
    removal = libvirt_firewall.removal("iptables", "filter", RULES)
    assert [" ".join(argv[5:]) for argv in removal] == [
        "INPUT -j LIBVIRT_INP",
        "FORWARD -j LIBVIRT_FWX",
        "FORWARD -j LIBVIRT_FWI",
        "FORWARD -j LIBVIRT_FWO",
        "OUTPUT -j LIBVIRT_OUT",
        *CHAINS,
        *CHAINS,
    ]
    assert removal[0][:5] == ["iptables", "-w", "-t", "filter", "-D"]
    assert libvirt_firewall.removal("iptables", "nat", "-P PREROUTING ACCEPT\n") == []


@pytest.mark.parametrize("is_enabled", [True, False])
def test_file_of_modprobe_is_read_as_it_was_written(is_enabled):
    assert kvm_nesting.parse(kvm_nesting.text(is_enabled)) is is_enabled


@pytest.mark.parametrize("content", [None, "", "# options kvm_intel nested=1\n"])
def test_file_without_the_option_sets_nothing(content):
    assert kvm_nesting.parse(content) is None


def test_probe_is_a_boot_sector():
    assert len(kvm_probe.SECTOR) == 512
    assert kvm_probe.SECTOR.endswith(b"\x55\xaa")
    # mov al,0x2a; out 0xf4,al: isa-debug-exit turns 0x2a into 85.
    assert kvm_probe.SECTOR.startswith(bytes.fromhex("b02ae6f4"))
    assert kvm_probe.EXIT_CODE == 85
