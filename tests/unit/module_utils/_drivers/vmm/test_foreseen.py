# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check mode, the run and a second run of tasks that vmd would reject, or that must change nothing else."""

from __future__ import annotations

import grp
import pwd
from typing import ClassVar

import pytest

from unit.module_utils._drivers.vmm.in_process import foreign, rejected, task, well

DISKS = {"memory": "64M", "disks": [{"size": "16M"}]}
OFF = 'switch "lan" {\n\tinterface bridge0\n}\nswitch "off" {\n\tinterface bridge0\n\tdisable\n}\n'
NICS = (
    "\tinterface { locked lladdr }",
    "\tinterface { switch lan locked lladdr fe:e1:BB:d1:00:01 group vms } # of alice",
    "\tinterface tap9 {\n\t\tlladdr FE:E1:BB:D1:00:02 # fixed\n\t\tdown up\n\t}",
    "\tinterface up down",
)


def accepted(host, **options):
    """Assert that check mode foresees the run, and that a second run changes nothing."""
    foreseen = task(host, check=True, **options)
    assert (foreseen.failed, foreseen.changed) == (False, True), foreseen.msg
    assert well(host, **options).changed
    assert not well(host, **options).changed


def with_switches(host):
    host.well("ifconfig", "bridge0", "create")
    host.write("/etc/vm.conf", OFF)
    host.well("vmctl", "reload")


@pytest.fixture(autouse=True)
def _users(host):
    """The host of vmd has users of the host of the test, where the module looks them up."""
    users = {one.pw_name: [one.pw_uid, one.pw_gid] for one in map(pwd.getpwnam, ("root", "daemon"))}
    host.change(users=users, groups={grp.getgrgid(0).gr_name: 0})


class TestForeignBlock:
    mail: ClassVar = {"name": ["mail"], "allow_foreign_edit": True}

    @pytest.mark.parametrize("nic", NICS)
    @pytest.mark.parametrize(
        ("given", "old", "new"),
        [({"memory": "96M"}, "memory 64M", "memory 96M"), ({"vmd_owner": "daemon"}, "owner root", "owner daemon")],
        ids=["memory", "owner"],
    )
    def test_only_the_requested_statement_is_written(self, host, nic, given, old, new):
        with_switches(host)
        text = foreign(host, more=f"\tdisable\n\towner root\n{nic}\n", before=OFF)
        accepted(host, **self.mail, **given)
        assert host.text().startswith(text.replace(old, new))

    def test_default_that_is_not_written_stays_so(self, host):
        text = foreign(host, more="\tdisable\n\tlocal interface\n").replace("\tmemory 64M # small\n", "")
        host.write("/etc/vm.conf", text)
        host.well("vmctl", "reload")
        accepted(host, **self.mail, boot_device="disk")
        assert "memory" not in host.text()

    def test_changed_switch_keeps_the_other_words_of_its_nic(self, host):
        with_switches(host)
        foreign(host, more=f"\tdisable\n{NICS[1]}\n", before=OFF.replace("\tdisable\n", ""))
        accepted(host, **self.mail, networks=[{"source": "off"}])
        assert '\tinterface { switch "off" locked lladdr fe:e1:BB:d1:00:01 group vms }' in host.text()
        host.well("vmctl", "reload")


class TestOwner:
    @pytest.mark.parametrize("owner", ["1000:1000", ":1000", "daemon:1000", "1000:daemon"])
    @pytest.mark.parametrize("option", ["vmd_owner", "native"])
    def test_number_beside_a_colon_is_a_name(self, host, owner, option):
        given = {"vmd_owner": owner} if option == "vmd_owner" else {"native": {"allow": [f"owner {owner}"]}}
        rejected(host, "1000", "accepts a number only for a user without a group", "Set the name", **DISKS, **given)

    def test_number_of_a_user(self, host):
        accepted(host, **DISKS, vmd_owner="1000")

    def test_names(self, host):
        accepted(host, **DISKS, vmd_owner=f"daemon:{grp.getgrgid(0).gr_name}")


class TestAllow:
    @pytest.mark.parametrize("word", ["color", "owner", "network", "owner alice bob", "memory,disk"])
    def test_unknown_setting_is_rejected(self, host, word):
        rejected(host, "native.allow", "boot, cdrom, disk", "owner USER", **DISKS, native={"allow": [word]})

    def test_user_who_may_start_instances(self, host):
        accepted(host, **DISKS, native={"allow": ["memory", "owner daemon"]})
        assert "allow instance { memory, owner daemon }" in host.text()


class TestSwitch:
    @pytest.mark.parametrize("state", ["present", "started"])
    def test_disabled_switch(self, host, state):
        with_switches(host)
        nics = [{"type": "network", "source": "off"}]
        words = ("networks[0].source", "the switch 'off' is disabled", "Usable switches: lan.", "'disable'")
        rejected(host, *words, state=state, **DISKS, networks=nics)
        host.write("/etc/vm.conf", OFF.replace("\tdisable\n", ""))
        accepted(host, **DISKS, networks=nics)

    def test_nic_without_a_switch(self, host):
        with_switches(host)
        accepted(host, **DISKS, networks=[{"type": "network", "source": ""}])
        assert "\tinterface { lladdr fe:e1:bb:" in host.text()
        accepted(host, networks=[{"type": "network", "source": "lan"}])
        accepted(host, networks=[{"source": ""}])
        words = "networks[0].source", "a NIC of type nat has no source"
        rejected(host, *words, networks=[{"type": "nat", "source": ""}])


def test_memory_beyond_that_of_the_host_is_a_warning(host, monkeypatch):
    """vmd itself accepts up to its own limit."""
    monkeypatch.setattr("os.sysconf", {"SC_PHYS_PAGES": 1 << 20, "SC_PAGE_SIZE": 4096}.get)
    for memory, warned in (("4G", 0), ("5G", 1)):
        found = [task(host, check=check, **{**DISKS, "memory": memory}) for check in (True, False)]
        assert not any(one.failed for one in found), [one.msg for one in found]
        words = f"web: memory: {memory} is more than the RAM of the hypervisor (4G)"
        assert [sum(words in text for text in one.warnings) for one in found] == [warned] * 2
