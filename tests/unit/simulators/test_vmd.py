# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The double of an OpenBSD host has the known problems of the original: each has a test."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from platforms.vmm.double import commands
from platforms.vmm.double.options import TimedOut
from platforms.vmm.double_host import OpenBSD

_HEADER = "   ID   PID VCPUS  MAXMEM  CURMEM     TTY        OWNER    STATE NAME\n"
_BLOCK = 'vm "{0}" {{\n\t{1}\n\tmemory 1G\n\tdisk "/var/vmm/{0}.img"\n\tlocal interface\n}}\n'


@pytest.fixture(name="host")
def _host(tmp_path):
    """A host on which vmd runs, without VMs."""
    host = OpenBSD(tmp_path / "host")
    host.call("rcctl", "enable", "vmd")
    assert host.call("rcctl", "start", "vmd") == (0, "vmd(ok)\n", "")
    return host


def define(host, *names, word="disable"):
    """Write the file with these VMs, with a disk each, and let vmd read it."""
    for name in names:
        host.write(f"/var/vmm/{name}.img", "data")
    host.write("/etc/vm.conf", "".join(_BLOCK.format(name, word) for name in names))
    return host.call("vmctl", "reload")


def states(host):
    """{name: (id, state)} as ``vmctl status`` lists them."""
    rows = [line.split() for line in host.call("vmctl", "status").stdout.splitlines()[1:]]
    return {row[8]: (row[0], row[7]) for row in rows}


def test_status_fails_when_there_is_no_vm_and_not_when_the_name_is_unknown(host):
    assert host.call("vmctl", "status") == (1, _HEADER, "")
    host.change(release="7.4")
    assert host.call("vmctl", "status") == (0, _HEADER, "")
    define(host, "web")
    assert host.call("vmctl", "status", "nosuch") == (0, _HEADER, "")


def test_success_is_reported_on_stderr(host):
    define(host, "web")
    assert host.call("vmctl", "start", "web") == (0, "", "vmctl: started vm 1 successfully, tty /dev/ttyp0\n")
    assert host.call("vmctl", "stop", "web") == (0, "", "stopping vm web: requested to shutdown vm 1\n")


def test_vmd_that_is_down_leaves_its_socket(host):
    assert host.call("vmctl", "status", uid=1000).stderr.endswith("vmd.sock: Permission denied\n")
    host.call("rcctl", "stop", "vmd")
    assert host.call("vmctl", "status") == (1, "", "vmctl: connect: /var/run/vmd.sock: Connection refused\n")


def test_stop_cuts_a_guest_without_the_driver(host):
    define(host, "linux", "openbsd")
    host.guest("linux", vmmci=False)
    for name in ("linux", "openbsd"):
        host.call("vmctl", "start", name)
        host.call("vmctl", "stop", name)
    assert {name: state for name, (_id, state) in states(host).items()} == {"linux": "stopped", "openbsd": "stopping"}
    assert host.state.look()["dirty"] == ["/var/vmm/linux.img"]


def test_guest_that_ignores_a_stop_is_cut_after_two_minutes(host):
    define(host, "web")
    host.guest("web", hangs=True)
    host.call("vmctl", "start", "web")
    host.call("vmctl", "stop", "web")
    host.sleep(110)
    assert states(host)["web"] == ("1", "stopping")
    assert host.call("vmctl", "stop", "web").stderr == "stopping vm web: failed: Operation already in progress\n"
    assert host.call("vmctl", "wait", "web").stderr == "waiting for vm web: failed: Operation already in progress\n"
    host.sleep(15)
    assert states(host)["web"] == ("1", "stopped")


def test_reload_starts_what_was_stopped_and_changes_nothing_that_runs(host):
    define(host, "a", "b", word="enable")
    assert {state for _id, state in states(host).values()} == {"running"}
    host.call("vmctl", "stop", "-w", "a")
    text = host.file("/etc/vm.conf").read_text(encoding="ascii")
    host.write("/etc/vm.conf", text.replace("1G", "2G"))
    assert host.call("vmctl", "reload") == (0, "", "")
    rows = {line.split()[8]: line.split()[3] for line in host.call("vmctl", "status").stdout.splitlines()[1:]}
    assert states(host)["a"][1] == "running"
    assert rows == {"a": "2.0G", "b": "1.0G"}


def test_reload_of_a_broken_file_forgets_stopped_vms_and_starts_none(host):
    define(host, "a", "b")
    host.call("vmctl", "start", "b")
    host.write("/etc/vm.conf", _BLOCK.format("a", "enable") + "nonsense\n")
    assert host.call("vmctl", "reload") == (1, "", "vmctl: command failed\n")
    assert {name: state for name, (_id, state) in states(host).items()} == {"a": "waiting", "b": "running"}


def test_reload_with_a_switch_without_interface_ends_vmd(host):
    define(host, "a", word="enable")
    host.write("/etc/vm.conf", 'switch "s" { interface bridge7 }\n')
    assert host.call("vmctl", "reload") == (1, "", "vmctl: pipe closed\n")
    assert host.call("vmctl", "status").stderr.endswith("Connection refused\n")


def test_ids_stay_until_vmd_starts_again(host):
    define(host, "a", "b")
    define(host, "b")
    assert states(host)["b"] == ("2", "stopped")
    host.call("rcctl", "restart", "vmd")
    assert states(host)["b"] == ("1", "stopped")


def test_block_of_two_options_on_one_line_is_an_error(host):
    host.write("/etc/vm.conf", 'vm "a" { disable memory 1G }\n')
    assert host.call("vmd", "-n") == (1, "", "vmd: /etc/vm.conf:1: syntax error\n")
    assert host.call("vmd", "-n", "-f", "/etc/none")[::2] == (
        0, "vmd: failed to open /etc/none: No such file or directory\nconfiguration OK\n",
    )  # fmt: skip


def test_third_start_within_seconds_is_refused(host):
    define(host, "web")
    for code in (0, 0, 1):
        assert host.call("vmctl", "start", "web").returncode == code
        host.call("vmctl", "stop", "-fw", "web")
    host.sleep(6)
    assert host.call("vmctl", "start", "web").returncode == 0


class EndOfPatience(Exception):
    """Somebody waited."""


def test_pause_that_never_answers_pauses(host):
    class Clock:
        def sleep(self, _seconds):
            raise EndOfPatience

    define(host, "web")
    host.call("vmctl", "start", "web")
    host.change(pause_hangs=True)
    host.clock = Clock()
    with pytest.raises(EndOfPatience):
        host.call("vmctl", "pause", "web")
    assert states(host)["web"] == ("1", "paused")


def test_a_vm_is_missing_for_a_moment_after_its_start(host):
    define(host, "web")
    host.change(status_gap=0.9)
    host.call("vmctl", "start", "web")
    assert states(host) == {}
    assert states(host)["web"] == ("1", "running")


@pytest.mark.parametrize(
    "known, words, stderr",
    [
        ({"cpu": "vmx"}, ("start", "nosuch"), "vmctl: could not open disk image(s)\n"),
        ({}, ("start", "-m", "1G", "-d", "/var/vmm/a.img", "a"),
         "vmctl: starting without network interfaces\n"
         "vmctl: start vm command failed: Operation already in progress\n"),
        ({"memory_limit": 1 << 20}, ("start", "a"), "vmctl: start vm command failed: Cannot allocate memory\n"),
        ({}, ("stop", "a"), "stopping vm a: failed: Invalid argument\n"),
        ({}, ("pause", "nosuch"), "vmctl: vmctl: vmop_result_read: Bad message\n"),
        ({"release": "7.6"}, ("pause", "nosuch"), "vmctl: pause vm command failed: No such file or directory\n"),
    ],
)  # fmt: skip
def test_refusals(host, known, words, stderr):
    define(host, "a")
    host.change(**known)
    assert host.call("vmctl", *words) == (1, "", stderr)


def test_disk_of_a_running_vm_is_locked_and_taps_are_few(host):
    define(host, "a", "b", "c", "d", "e")
    host.write("/etc/vm.conf", host.file("/etc/vm.conf").read_text(encoding="ascii")
               + 'vm "twin" {\n\tdisable\n\tdisk "/var/vmm/a.img"\n}\n')  # fmt: skip
    host.call("vmctl", "reload")
    host.call("vmctl", "start", "a")
    assert host.call("vmctl", "start", "twin").stderr == "vmctl: could not open disk image(s)\n"
    codes = [host.call("vmctl", "start", name).returncode for name in "bcde"]
    assert codes == [0, 0, 0, 1]


def test_firmware_is_fetched_and_fails_without_a_network(host):
    define(host, "a")
    host.file("/etc/firmware/vmm-bios").unlink()
    assert host.call("vmctl", "start", "a").stderr == "vmctl: vmm bios firmware file not found.\n"
    host.change(network=False)
    assert host.call("fw_update", "vmm")[:2] == (1, "fw_update: failed.\n")
    host.change(network=True)
    assert host.call("fw_update", "vmm") == (0, "fw_update: add vmm; update none\n", "")
    assert host.call("vmctl", "start", "a").returncode == 0


def test_host_without_virtualization_does_not_start_vmd(tmp_path):
    host = OpenBSD(tmp_path / "host", cpu="none")
    assert host.call("rcctl", "-f", "start", "vmd") == (1, "vmd(failed)\n", "")
    assert "vmm0" not in host.call("dmesg").stdout


def test_guest_in_a_switch_gets_a_lease(host):
    host.write("/etc/hostname.vether0", "inet 10.50.0.1 255.255.255.0\n")
    host.write("/etc/hostname.bridge0", "add vether0\nup\n")
    host.write("/etc/dhcpd.conf", "subnet 10.50.0.0 netmask 255.255.255.0 {\n\trange 10.50.0.101 10.50.0.200;\n}\n")
    assert host.call("sh", "/etc/netstart", "vether0", "bridge0") == (0, "", "")
    host.call("rcctl", "enable", "dhcpd")
    host.call("rcctl", "set", "dhcpd", "flags", "vether0")
    assert host.call("rcctl", "start", "dhcpd").stdout == "dhcpd(ok)\n"
    host.write("/var/vmm/a.img", "data")
    host.write("/etc/vm.conf", 'switch "lan" { interface bridge0 }\nvm "a" {\n\tdisk "/var/vmm/a.img"\n'
               '\tinterface { switch "lan" lladdr fe:e1:bb:d1:2a:3c }\n}\n')  # fmt: skip
    host.call("vmctl", "reload")
    host.sleep(10)
    assert "lease 10.50.0.101 {" in host.file("/var/db/dhcpd.leases").read_text(encoding="ascii")
    assert "10.50.0.101                          fe:e1:bb:d1:2a:3c vether0 19m57s" in host.call("arp", "-an").stdout
    assert "description: vm1-if0-a\n" in host.call("ifconfig", "tap").stdout
    assert "\ttap0 flags=3" in host.call("ifconfig", "bridge0").stdout


def test_orders_fail_once_or_lose_the_answer(host):
    define(host, "a")
    host.fails("vmctl", "start", "a", stderr="vmctl: pipe closed\n")
    assert host.call("vmctl", "start", "a") == (1, "", "vmctl: pipe closed\n")
    host.fails("vmctl", "start", "a", stderr="", code=255, lost=True)
    assert host.call("vmctl", "start", "a") == (255, "", "")
    assert states(host)["a"] == ("1", "running")
    assert host.calls()[-1] == ["vmctl", "status"]


def test_reboot_keeps_what_is_in_files(host):
    define(host, "a", word="enable")
    host.write("/etc/hostname.vether0", "inet 10.50.0.1/24\n")
    host.write("/etc/sysctl.conf", "net.inet.ip.forwarding=1\n")
    host.call("ifconfig", "bridge3", "create")
    host.reboot()
    assert "inet 10.50.0.1 netmask 0xffffff00" in host.call("ifconfig", "vether0").stdout
    assert host.call("sysctl", "-n", "net.inet.ip.forwarding").stdout == "1\n"
    assert host.call("ifconfig", "bridge3") == (1, "", "ifconfig: bridge3: no such interface\n")
    assert states(host) == {"a": ("1", "running")}


def test_staggered_start_waits(host):
    for name in "abc":
        host.write(f"/var/vmm/{name}.img", "data")
    host.write(
        "/etc/vm.conf",
        "staggered start parallel 2 delay 30\n" + "".join(_BLOCK.format(name, "enable") for name in "abc"),
    )
    host.call("vmctl", "reload")
    assert {name: state for name, (_id, state) in states(host).items()} == {
        "a": "running", "b": "running", "c": "waiting",
    }  # fmt: skip
    host.sleep(30)
    assert states(host)["c"][1] == "running"


def test_guest_reboot_after_an_installation(host):
    define(host, "loops", "ends")
    for name in ("loops", "ends"):
        host.guest(name, ends=20, on_end="reboot")
    text = host.file("/etc/vm.conf").read_text(encoding="ascii")
    host.write("/etc/vm.conf", text.replace('vm "ends" {', 'vm "ends" {\n\tboot device cdrom'))
    host.call("vmctl", "reload")
    for name in ("loops", "ends"):
        host.call("vmctl", "start", name)
    host.sleep(25)
    assert {name: state for name, (_id, state) in states(host).items()} == {"loops": "running", "ends": "stopped"}


def test_doas_runs_a_program_as_root_or_says_why_not(host):
    assert host.call("doas", "-n", "id", "-u", uid=1000).stdout == "0\n"
    host.change(doas="password")
    assert host.call("doas", "-n", "id", uid=1000) == (1, "", "doas: Authentication required\n")
    assert host.call("rcctl", "enable", "vmd", uid=1000).stderr == 'rcctl: "enable" needs root privileges\n'


def test_executables_answer_as_calls_in_process_do(host, tmp_path):
    done = subprocess.run([str(host.bin / "vmctl"), "status"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (1, _HEADER, "")
    file = tmp_path / "plain.conf"
    file.write_text('vm "a" { disable }\nfoo\n', encoding="ascii")
    by_hand = Path(commands.__file__).parent / "bin" / "vmd"
    environment = {**os.environ, "POLYVIRT_VMM_STATE": str(tmp_path / "new"), "POLYVIRT_VMM_PYTHON": sys.executable}
    done = subprocess.run(
        [str(by_hand), "-n", "-f", "plain.conf"],
        capture_output=True, text=True, check=False, cwd=tmp_path, env=environment,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "vmd: plain.conf:2: syntax error\n")


def test_caller_ends_a_call_that_takes_too_long(host):
    define(host, "web")
    host.guest("web", hangs=True)
    host.call("vmctl", "start", "web")
    before = host.state.look()["now"]
    with pytest.raises(TimedOut, match="stopping vm web: "):
        host.call("vmctl", "stop", "-w", "web", patience=5)
    assert host.state.look()["now"] == before + 5
    assert states(host)["web"] == ("1", "stopping")
    assert host.call("vmctl", "stop", "-fw", "web", patience=5) == (0, "", "stopping vm web: terminated vm 1\n")


def test_vm_of_the_command_line_vanishes_when_it_stops(host):
    host.write("/var/vmm/a.img", "data")
    assert host.call("vmctl", "start", "-L", "-d", "/var/vmm/a.img", "a").returncode == 0
    assert host.call("vmctl", "start", "-L", "-d", "/var/vmm/a.img", "b").stderr == (
        "vmctl: could not open disk image(s)\n"
    )
    assert states(host) == {"a": ("1", "running")}
    host.call("vmctl", "stop", "-w", "a")
    assert states(host) == {}


def test_instance_takes_what_it_lacks_from_its_template(host):
    define(host, "template")
    host.write("/var/vmm/a.img", "data")
    assert host.call("vmctl", "start", "-t", "template", "-d", "/var/vmm/a.img", "a").returncode == 0
    assert host.call("vmctl", "status", "a").stdout.split("\n")[1].split()[3] == "1.0G"
    assert host.call("vmctl", "start", "-t", "none", "-d", "/var/vmm/a.img", "b").stderr == "vmctl: invalid template\n"


def test_users_may_only_use_their_own_vms(host):
    define(host, "a", "b")
    text = host.file("/etc/vm.conf").read_text(encoding="ascii")
    host.write("/etc/vm.conf", "socket owner alice\n" + text.replace('"b" {', '"b" {\n\towner alice'))
    host.call("vmctl", "reload")
    assert host.call("vmctl", "start", "b", uid=1000).returncode == 0
    refused = "vmctl: start vm command failed: Operation not permitted\n"
    assert host.call("vmctl", "start", "a", uid=1000) == (1, "", refused)
    assert host.call("vmctl", "reload", uid=1000) == (1, "", "vmctl: command failed: Operation not permitted\n")
