# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Role vmm_network on the double of an OpenBSD host: files, rules, addresses, and what stays unchanged."""

from __future__ import annotations

from pprint import pformat

import pytest

from platforms.vmm.role_play import STOCK_PF, RoleHost

pytestmark = pytest.mark.full

ROUTED = {"vmm_network_mode": "routed"}
BRIDGED = {"vmm_network_mode": "bridged", "vmm_network_port": "em0"}
RESERVATION = {"name": "web1", "mac": "FE:E1:BB:D1:00:11", "address": "10.50.0.11"}
MODES = {"local": {}, "routed": {**ROUTED, "vmm_network_reservations": [RESERVATION]}, "bridged": BRIDGED}
ABSENT = {"vmm_network_state": "absent"}
#: A VM of the administrator that is enabled, and was stopped.
VM = 'vm "db" {\n\tmemory 512M\n\tcdrom "/etc/pf.conf"\n\tinterface { switch "local" }\n}\n'
OWN = "# Written by the role polyvirt.core.vmm_network.\n"


REMOVED = pytest.param(ABSENT, id="absent", marks=pytest.mark.deep("killed while it sets up"))
BEFORE = pytest.param("before", marks=pytest.mark.deep("killed after each write"))


@pytest.fixture(name="host")
def _host(tmp_path, ansible_playbook):
    return RoleHost(tmp_path, ansible_playbook).start_vmd()


def between(text):
    """The lines between the marks of the role."""
    return text.split("# BEGIN polyvirt.core network\n")[1].split("# END polyvirt.core network\n")[0]


def reboot(host):
    host.reboot()
    host.call("pfctl", "-f", "/etc/pf.conf")


@pytest.mark.parametrize("mode", MODES)
def test_life_of_a_network(host, mode):
    """Check mode predicts the run, the second run changes nothing, and absent restores the host."""
    variables, before, writes = MODES[mode], host.look(), host.writes()
    predicted = host.play("vmm_network", "--check", **variables)
    assert predicted.code == 0, predicted.output
    assert (host.look(), host.writes()) == (before, writes)
    done = host.play("vmm_network", **variables)
    assert done.code == 0, done.output
    assert done.changed == predicted.changed != []
    assert host.look()["vmd"]
    again = host.play("vmm_network", **variables)
    assert (again.code, again.changed) == (0, []), again.output
    present = host.look()
    reboot(host)
    assert host.look() == present
    predicted = host.play("vmm_network", "--check", **ABSENT)
    assert host.look() == present
    removed = host.play("vmm_network", **ABSENT)
    assert (removed.code, removed.changed) == (0, predicted.changed), removed.output
    assert host.look() == before
    assert host.play("vmm_network", **ABSENT).changed == []


def test_files_of_a_routed_network(host):
    done = host.play("vmm_network", **MODES["routed"])
    assert done.code == 0, done.output
    files = host.files()
    assert files["hostname.vether0"] == (f"{OWN}inet 10.50.0.1 255.255.255.0\n", "0o640")
    assert files["hostname.bridge0"] == (f"{OWN}add vether0\nup\n", "0o640")
    assert between(files["sysctl.conf"][0]) == "net.inet.ip.forwarding=1\n"
    assert between(files["vm.conf"][0]) == 'switch "local" { interface bridge0 }\n'
    assert between(files["pf.polyvirt_vmm.conf"][0]).splitlines() == [
        "match out on egress inet from 10.50.0.0/24 to any nat-to (egress:0)",
        "pass in on vether0 inet from 10.50.0.0/24",
        "pass out on egress inet from 10.50.0.0/24",
    ]
    assert files["pf.polyvirt_vmm.conf"][1] == files["pf.conf"][1] == "0o600"
    assert files["pf.conf"][0].startswith(STOCK_PF)
    assert "hardware ethernet fe:e1:bb:d1:00:11;" in files["dhcpd.conf"][0]
    assert files["rc.conf.local"][0] == "dhcpd_flags=vether0\nvmd_flags=\n"
    look = host.look()
    assert look["forwarding"] == "1"
    assert 'anchor "polyvirt_vmm" all' in look["rules"]
    assert "nat-to (egress:0) round-robin" in look["anchor"]


def test_addresses_of_another_network_are_reported_and_nothing_is_changed(host):
    before = host.look()
    variables = {
        "vmm_network_dhcp_first": "10.51.0.100",
        "vmm_network_reservations": [{**RESERVATION, "address": "10.50.0.1"}],
    }
    for words in ([], ["--check"]):
        done = host.play("vmm_network", *words, **ROUTED, **variables)
        assert done.code != 0
        assert "openbsd: 10.51.0.100 to 10.50.0.199 is no range of 10.50.0.0/24." in done.output
        assert "web1: 10.50.0.1 is the address of the host" in done.output
        assert host.look() == before


def test_pf_conf_that_is_invalid_is_reported_and_nothing_is_changed(host):
    host.write("/etc/pf.conf", f"{STOCK_PF}pass in on on em0\n")
    before = host.look()
    done = host.play("vmm_network", **ROUTED)
    assert done.code != 0
    assert f"pf.conf:{STOCK_PF.count(chr(10)) + 1}: syntax error" in done.output
    assert "Nothing was changed." in done.output
    assert host.look() == before


def test_pf_conf_is_restored_if_pf_fails_to_load_it(host):
    host.fails("pfctl", "-f", stderr="pfctl: DIOCXCOMMIT: Device busy\n")
    done = host.play("vmm_network")
    assert done.code != 0
    assert "DIOCXCOMMIT: Device busy" in done.output
    assert host.files()["pf.conf"] == (STOCK_PF, "0o600")
    done = host.play("vmm_network")
    assert done.code == 0, done.output
    assert 'anchor "polyvirt_vmm" all' in host.look()["rules"]


def test_disabled_pf_stays_disabled_and_is_reported(host):
    host.call("pfctl", "-d")
    done = host.play("vmm_network")
    assert done.code == 0, done.output
    assert "openbsd: pf is disabled, so no address is translated" in done.output
    assert "Status: Disabled" in host.call("pfctl", "-s", "info").stdout
    done = host.play("vmm_network", vmm_network_enable_pf=True)
    assert done.code == 0, done.output
    assert "Status: Enabled" in host.call("pfctl", "-s", "info").stdout
    assert host.play("vmm_network", vmm_network_enable_pf=True).changed == []


def test_anchor_that_was_lost_is_loaded_again(host):
    host.play("vmm_network")
    expected = host.look()
    host.write("/tmp/other.conf", "pass\n")
    host.call("pfctl", "-f", str(host.file("/tmp/other.conf")))
    assert "polyvirt_vmm" not in host.look()["rules"]
    predicted = host.play("vmm_network", "--check")
    done = host.play("vmm_network")
    assert (done.code, done.changed) == (0, predicted.changed), done.output
    assert done.changed == ["polyvirt.core.vmm_network : Call the anchor from pf.conf"]
    assert host.look() == expected


def test_subnet_that_is_in_use_is_rejected_and_auto_selects_another_one(host):
    host.change(routes=[["10.50.0.0/16", "em0"], ["10.51.0.128/25", "em0"]])
    before = host.look()
    done = host.play("vmm_network", **ROUTED)
    assert done.code != 0
    assert "10.50.0.0/24 overlaps 10.50.0.0/16 (a route by em0). Set vmm_network_subnet" in done.output
    assert host.look() == before
    done = host.play("vmm_network", **ROUTED, vmm_network_subnet="auto")
    assert done.code == 0, done.output
    assert "inet 10.52.0.1 netmask" in host.call("ifconfig", "vether0").stdout
    # It keeps the subnet, although another one is free now.
    host.change(routes=[])
    assert host.play("vmm_network", **ROUTED, vmm_network_subnet="auto").changed == []


def test_change_of_the_subnet_replaces_the_address(host):
    host.play("vmm_network", **ROUTED)
    done = host.play("vmm_network", **ROUTED, vmm_network_subnet="10.77.0.0/24")
    assert done.code == 0, done.output
    shown = host.call("ifconfig", "vether0").stdout
    assert "inet 10.77.0.1 " in shown
    assert "10.50." not in shown + host.look()["anchor"] + host.files()["dhcpd.conf"][0]
    assert host.play("vmm_network", **ROUTED, vmm_network_subnet="10.77.0.0/24").changed == []


def test_other_mode_removes_what_it_does_not_need(host):
    host.play("vmm_network", **ROUTED)
    done = host.play("vmm_network")
    assert done.code == 0, done.output
    assert set(host.files()) & {"hostname.vether0", "hostname.bridge0", "dhcpd.conf", "vm.conf"} == set()
    assert "100.64.0.0/10" in host.look()["anchor"]
    assert host.play("vmm_network").changed == []


def test_stopped_vm_of_the_administrator_stays_stopped(host):
    host.write("/etc/vm.conf", VM)
    host.call("vmctl", "reload")
    host.call("vmctl", "stop", "-f", "-w", "db")
    done = host.play("vmm_network", **ROUTED)
    assert done.code == 0, done.output
    assert "stopped db" in host.call("vmctl", "status").stdout
    assert host.files()["vm.conf"][0].startswith(VM)
    # It is connected to the switch now, so the network is not removed.
    removed = host.play("vmm_network", **ABSENT)
    assert removed.code != 0
    assert "db: connected to switch local (bridge0). Remove these VMs" in removed.output


def test_files_and_interfaces_of_others_are_not_taken(host):
    host.write("/etc/hostname.bridge0", "add em0\nup\n")
    before = host.look()
    done = host.play("vmm_network", **ROUTED)
    assert done.code != 0
    assert "hostname.bridge0 was not written by this role." in done.output
    assert host.look() == before


def test_dhcp_server_of_the_administrator_continues(host):
    host.write("/etc/dhcpd.conf", "subnet 192.168.1.0 netmask 255.255.255.0 {\n\trange 192.168.1.50 192.168.1.60;\n}\n")
    for words in (["enable", "dhcpd"], ["set", "dhcpd", "flags", "em0"], ["start", "dhcpd"]):
        host.call("rcctl", *words)
    before = host.look()
    done = host.play("vmm_network", **ROUTED)
    assert done.code == 0, done.output
    assert "dhcpd_flags=em0 vether0\n" in host.files()["rc.conf.local"][0]
    done = host.play("vmm_network", **ABSENT)
    assert done.code == 0, done.output
    assert host.look() == before


class Guest:
    """A guest with an nc that reaches only some addresses."""

    def __init__(self, host, folder, **variables):
        self._host, self._folder, self._variables = host, folder / "guest", variables
        self._folder.mkdir()
        self._known = {"ansible_remote_tmp": str(folder)}
        host.extra_path = str(self._folder)

    def program(self, name, text):
        (self._folder / name).write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
        (self._folder / name).chmod(0o755)
        return str(self._folder / name)

    def play(self, *words, reaches=(), **known):
        cases = "".join(f"'{one}') exit 0 ;; " for one in reaches)
        self.program("nc", f'case "$4" in {cases}*) exit 1 ;; esac')
        guest = {"guest": {**self._known, **known}}
        return self._host.play("vmm_network", *words, hosts=guest, **self._variables)

    def behind_ssh(self, command):
        ssh = self.program("ssh", f"for last; do :; done\n{command}")
        return {"ansible_connection": "ssh", "ansible_host": "192.0.2.1", "ansible_ssh_executable": ssh}

    def without_tools(self):
        return self.behind_ssh('PATH=/nonexistent exec /bin/sh -c "$last"')


VERIFIED = {"vmm_network_isolation": "verified"}


def test_isolation_is_verified_by_all_rules_of_pf(host):
    """A quick rule before the anchor and a rule after it decide before those of the role, and end the isolation."""
    network = {**MODES["routed"], **VERIFIED}
    done = host.play("vmm_network", **network)
    assert done.code == 0, done.output
    text = host.files()["pf.conf"][0]
    for words, rule, changed in (
        ((), "pass in quick on tap all", "{rule}\n{text}"),
        (("--check",), "pass in inet from 10.0.0.0/8 to 192.168.0.0/16", "{text}{rule}\n"),
    ):
        host.write("/etc/pf.conf", changed.format(rule=rule, text=text))
        host.call("pfctl", "-f", "/etc/pf.conf")
        done = host.play("vmm_network", *words, **network)
        assert done.code != 0
        assert "the isolation of the guests is not enforced: packets from" in done.output
        assert f"passed by {rule}" in done.output
    host.write("/etc/pf.conf", f"set skip on tap\n{text}")
    assert "pf.conf takes tap from pf: set skip on tap" in host.play("vmm_network", "--check", **network).output
    host.write("/etc/pf.conf", f"pass in quick on em0 all\n{text}pass out on egress all\n")
    host.call("pfctl", "-f", "/etc/pf.conf")
    done = host.play("vmm_network", **network)
    assert (done.code, done.changed) == (0, []), done.output


def test_rule_that_would_end_the_isolation_is_found_before_the_first_run(host):
    host.write("/etc/pf.conf", f"{STOCK_PF}pass in quick proto tcp from any to any port 22\n")
    host.call("pfctl", "-f", "/etc/pf.conf")
    done = host.play("vmm_network", "--check", **MODES["routed"], **VERIFIED)
    assert done.code != 0
    assert "passed by pass in quick proto tcp from any to any port = 22 flags S/SA" in done.output


def test_isolation_that_cannot_hold_is_found_before_the_first_write(host):
    host.write("/etc/pf.conf", f"set skip on vether0\n{STOCK_PF}")
    before, done = host.files(), host.play("vmm_network", **MODES["routed"], **VERIFIED)
    assert "pf.conf takes vether0 from pf: set skip on vether0." in done.output
    assert (done.code != 0, done.changed, host.files() == before) == (True, [], True), done.output


def test_rule_that_blocks_guests_or_takes_their_address_translation_away_is_reported(host):
    reports = {"pass out quick": "leave without address translation", "block in quick": "are blocked", "pass out": ""}
    for rule, report in reports.items():
        host.write("/etc/pf.conf", f"{STOCK_PF}{rule}\n")
        host.call("pfctl", "-f", "/etc/pf.conf")
        done = host.play("vmm_network", "--check", **MODES["local"])
        assert (done.code, "is before the rules" in " ".join(done.output.split())) == (0, bool(report)), done.output
        assert report in " ".join(done.output.split())


def test_isolation_is_verified_from_a_guest(host, tmp_path):
    isolated = {**ROUTED, "vmm_network_isolation": "verified", "vmm_network_isolation_guest": "guest"}
    guest = Guest(host, tmp_path, **isolated)
    done = guest.play(reaches=["10.50.0.1"])
    assert done.code == 0, done.output
    assert "block drop in on tap inet from 10.50.0.0/24 to 192.168.0.0/16" in host.look()["anchor"]
    done = guest.play(reaches=["10.50.0.1", "192.168.1.10"])
    assert done.code != 0
    assert "guest reaches 192.168.1.10:22 although vmm_network_isolation is verified" in done.output
    done = guest.play()
    assert done.code != 0
    assert "guest: cannot connect to 10.50.0.1:22." in done.output
    assert "This guest cannot verify the isolation." in done.output
    done = guest.play(**guest.without_tools())
    assert done.code != 0
    assert "guest: the guest has neither nc, nor bash and timeout, so it cannot try a connection." in done.output


def test_guest_that_does_not_reach_the_outside_is_reported(host, tmp_path):
    """Also in check mode, once nothing else is to be changed."""
    outside = {"vmm_network_outside_guest": "guest", "vmm_network_outside_targets": ["9.9.9.9:443", "openbsd.org:80"]}
    guest = Guest(host, tmp_path, **ROUTED, **outside)
    predicted = guest.play("--check")
    assert predicted.code == 0, predicted.output
    assert "whether guest reaches 9.9.9.9:443, openbsd.org:80 is checked after the network" in predicted.output
    for words in ([], ["--check"]):
        done = guest.play(*words, reaches=["9.9.9.9"])
        assert done.code != 0
        assert "guest: cannot connect to openbsd.org:80 (vmm_network_outside_targets). Check the default" in done.output
    done = guest.play(reaches=["9.9.9.9", "openbsd.org"])
    assert (done.code, done.changed) == (0, []), done.output
    done = guest.play(**guest.without_tools())
    assert done.code != 0
    assert "so it cannot try a connection. Install nc in the guest." in done.output


def test_reason_for_a_guest_without_the_outside_is_named(host, tmp_path):
    guest = Guest(host, tmp_path, **ROUTED, vmm_network_outside_guest="guest")
    done = guest.play(reaches=["9.9.9.9"])
    assert done.code == 0, done.output
    done = guest.play(**guest.behind_ssh("exit 255"))
    assert done.code != 0
    assert "guest: Ansible cannot connect to the guest:" in done.output
    host.call("pfctl", "-d")
    done = guest.play()
    assert done.code != 0
    assert "guest: cannot connect to 9.9.9.9:53 (vmm_network_outside_targets). pf is disabled, so no" in done.output


def test_options_are_checked_before_the_host_is_read(host):
    for variables, message in (
        ({"vmm_network_subnet": "10.50.0.0"}, "vmm_network_subnet is '10.50.0.0'; set auto"),
        ({"vmm_network_bridge": "em0"}, "vmm_network_bridge is 'em0'; set a bridge(4) or veb(4)"),
        ({**ROUTED, "vmm_network_dhcp_last": "10.50.0.300"}, "'10.50.0.300' is not an IPv4 address"),
        ({"vmm_network_moed": "routed"}, "vmm_network_moed is not an option of role polyvirt.core.vmm_network"),
        ({"vmm_network_outside_targets": ["9.9.9.9:53"]}, "outside_targets is set, but not vmm_network_outside_guest"),
        ({"vmm_network_isolation_targets": ["$(reboot):1"]}, "'$(reboot):1' has no port, or is neither a name nor"),
        ({**BRIDGED, "vmm_network_isolation": "enforced"}, "guests of a bridged network are members of the host's LAN"),
    ):
        calls = len(host.calls())
        done = host.play("vmm_network", **variables)
        assert done.code != 0
        assert message in done.output
        assert len(host.calls()) == calls


@pytest.mark.parametrize("when", [BEFORE, "after"])
@pytest.mark.parametrize("variables", [pytest.param(MODES["routed"], id="present"), REMOVED])
def test_killed_at_each_write(host, tmp_path, ansible_playbook, variables, when):
    """Runs that are killed, and the complete run after them, have the same result as one undisturbed run."""
    other = tmp_path / "undisturbed"
    other.mkdir()
    undisturbed = RoleHost(other, ansible_playbook).start_vmd()
    if variables is ABSENT:
        for one in (host, undisturbed):
            assert one.play("vmm_network", **MODES["routed"]).code == 0
    assert undisturbed.play("vmm_network", **variables).code == 0
    done = host.play_killed("vmm_network", when, **variables)
    assert done.code == 0, done.output
    assert comparable(host) == comparable(undisturbed)
    assert host.play("vmm_network", **variables).changed == []


def comparable(host):
    """The lines of ``look``, without the directory of the host."""
    return [line.replace(str(host.folder), "") for line in pformat(host.look(), width=100).splitlines()]


@pytest.mark.parametrize(
    "variables",
    [
        {"vmm_network_allow": [{"from": "web1", "to": "db9", "port": 5432}]},
        {"vmm_network_allow": [{"from": "web1", "to": "db1", "port": 70000}]},
        {"vmm_network_isolation": "none"},
    ],
)
def test_connection_that_cannot_be_allowed_is_rejected(host, variables):
    second = {"name": "db1", "mac": "FE:E1:BB:D1:00:12", "address": "10.50.0.12"}
    allowed = {"vmm_network_allow": [{"from": "web1", "to": "db1", "port": 5432}], "vmm_network_isolation": "enforced"}
    before = host.look()
    done = host.play(
        "vmm_network", **{**ROUTED, "vmm_network_reservations": [RESERVATION, second], **allowed, **variables}
    )
    assert (done.code != 0, host.look() == before) == (True, True), done.output
    assert "vmm_network_allow: from web1 to db" in done.output
