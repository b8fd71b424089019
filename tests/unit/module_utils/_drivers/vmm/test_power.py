# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Start, stop and pause VMs of vmd; their addresses; and the facts about the host."""

from __future__ import annotations

import re

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import Unavailable
from ansible_collections.polyvirt.core.plugins.module_utils._ports import files
from ansible_collections.polyvirt.core.plugins.module_utils._ports.command import Completed

from unit.module_utils._drivers.vmm.in_process import DISKS, InProcess, info, openbsd, rejected, task, well


@pytest.fixture(name="running")
def _running(host):
    well(host, state="started", **DISKS)
    return host


def test_stop_warns_about_guests_without_vmmci(running):
    done = well(running, state="stopped")
    assert "vmmci" in done.vms[0]["steps"][0]["also"][0]


@pytest.mark.parametrize("memory", ["64M", "200M", "4900M", "5G"])
def test_rounded_sizes_of_vmctl_are_no_error(host, memory):
    well(host, state="started", memory=memory, **DISKS)
    assert re.search(r"\d\.[1-9][MG] +ttyp0", host.well("vmctl", "status"))
    (vm,) = info(host, "web", facets=["counters"])["vms"]
    assert 0 < vm["counters"]["memory_used_mib"] < vm["memory_mib"]


def test_rounded_memory_of_a_vm_of_the_command_line_is_reported_in_whole_mib(host):
    host.well("vmctl", "start", "-m", "1700M", "-d", host.disk(), "hand")
    (vm,) = info(host, "hand")["vms"]
    assert (vm["state"], vm["memory_mib"]) == ("running", 1740)


def test_guest_without_vmmci_is_shut_down_by_ssh(running):
    running.guest("web", vmmci=False)
    commands = InProcess(running)
    done = well(running, commands=commands, state="stopped", guest_shutdown={"user": "admin"})
    assert [call for call in commands.calls if call[:2] == ("vmctl", "stop")] == []
    assert done.vms[0]["steps"][0]["also"] == []
    (call,) = [call for call in commands.calls if call[0] == "ssh"]
    assert call[-2:] == ("admin@100.64.1.3", "shutdown -p now || poweroff")
    # A new VM may have the address of a deleted one with another host key.
    assert "UserKnownHostsFile=/dev/null" in call


class _Ssh(InProcess):
    """ssh ends with an exit code; the guest shuts down if ``works``."""

    def __init__(self, machine, rc, stderr, works):
        super().__init__(machine)
        self._rc, self._stderr, self._works = rc, stderr, works

    def _by_ssh(self, argv):
        if self._works:
            super()._by_ssh(argv)
        return Completed(tuple(argv), self._rc, "", self._stderr)


@pytest.mark.parametrize(
    ("rc", "stderr"),
    [
        (1, "shutdown: NOT super-user\n"),
        (127, "ksh: poweroff: not found\n"),
        (255, "ssh: connect to host 100.64.1.3 port 22: Connection refused\n"),
        (1, "Warning: Permanently added '100.64.1.3' (ED25519) to the list of known hosts.\ndoas: Operation denied\n"),
    ],
)
def test_shutdown_command_that_fails_in_the_guest_is_an_error(running, rc, stderr):
    commands = _Ssh(running, rc, stderr, works=False)
    outcome = task(running, commands=commands, state="stopped", guest_shutdown={"user": "admin"})
    assert (outcome.failed, outcome.changed, running.states()["web"]) == (True, False, "running")
    words = "web: guest_shutdown: 'shutdown -p now || poweroff' as admin failed with exit code"
    assert f"{words} {rc}: {stderr.splitlines()[-1]}" in outcome.msg, outcome.msg
    assert running.timer.now() < 60


@pytest.mark.parametrize(("rc", "stderr"), [(255, "Connection to 100.64.1.3 closed by remote host.\n"), (143, "")])
def test_guest_that_ends_the_connection_shuts_down(running, rc, stderr):
    well(running, commands=_Ssh(running, rc, stderr, works=True), state="stopped", guest_shutdown={"user": "admin"})


def test_hanging_guest_is_reported_after_the_timeout_and_not_powered_off(running):
    running.guest("web", hangs=True)
    outcome = task(running, state="stopped", stop_timeout=5)
    assert (outcome.failed, running.states()["web"]) == (True, "stopping")
    well(running, state="stopped", stop_mode="force")
    assert running.states()["web"] == "stopped"


def test_hanging_guest_is_powered_off_with_permission(running):
    running.guest("web", hangs=True)
    well(running, state="stopped", stop_timeout=5, stop_mode="graceful_then_force")
    assert running.states()["web"] == "stopped"


def test_pause_without_an_answer_succeeds(running):
    running.change(pause_hangs=True)
    assert well(running, state="paused").vms[0]["state"] == "paused"


def test_third_start_within_seconds_is_retried(running):
    for _time in range(2):
        running.well("vmctl", "stop", "-fw", "web")
        running.call("vmctl", "start", "web")
    running.call("vmctl", "stop", "-fw", "web")
    assert well(running, state="started").vms[0]["state"] == "running"


class _RejectsStarts(InProcess):
    def run(self, argv, **more):
        if argv[1:2] != ["start"]:
            return super().run(argv, **more)
        return Completed(tuple(argv), 1, "", "vmctl: start vm command failed: Operation not permitted\n")


@pytest.mark.parametrize(("user", "remedy"), [(0, "Run the task again in 6 seconds"), (1000, "Run the task as root")])
def test_start_that_stays_rejected_has_the_remedy_for_its_user(host, monkeypatch, user, remedy):
    well(host, **DISKS)
    monkeypatch.setattr("os.geteuid", lambda: user)
    outcome = task(host, commands=_RejectsStarts(host), state="started", timeout=20)
    assert (outcome.failed, remedy in outcome.msg) == (True, True), outcome.msg


class _StillEnds(_RejectsStarts):
    """The first starts are those of a VM that has not ended yet."""

    starts = 0

    def run(self, argv, **more):
        self.starts += argv[1:2] == ["start"]
        if argv[1:2] != ["start"] or self.starts > self.refused:
            return InProcess.run(self, argv, **more)
        return Completed(tuple(argv), 1, "", "vmctl: start vm command failed: Operation already in progress\n")


@pytest.mark.parametrize("refused", [1, 3, 100])
def test_start_of_a_vm_that_still_ends_is_sent_again(host, refused):
    well(host, **DISKS)
    commands = _StillEnds(host)
    commands.refused = refused
    outcome = task(host, commands=commands, state="started", timeout=60)
    is_started = refused < 100
    assert (outcome.failed, outcome.vms[0]["state"]) == (not is_started, "running" if is_started else "stopped")
    assert is_started or "The VM has not ended yet" in outcome.msg


@pytest.mark.parametrize("autostart", [False, True])
@pytest.mark.parametrize("gap", [0.4, 2, 5])
def test_vm_that_vmctl_does_not_list_for_a_moment_still_exists(host, gap, autostart):
    host.change(status_gap=gap)
    well(host, state="started", autostart=autostart, **DISKS)
    well(host, state="stopped", stop_mode="force")
    well(host, state="started")
    assert well(host, state="restarted", stop_mode="force").vms[0]["state"] == "running"
    well(host, state="paused")
    well(host, state="absent", stop_mode="force")


def test_vm_of_the_command_line_exists_only_while_it_runs(host):
    host.well("vmctl", "start", "-m", "64M", "-d", host.disk(), "hand")
    (vm,) = info(host, "hand")["vms"]
    assert (vm["state"], vm["memory_mib"]) == ("running", 64)
    rejected(host, "only while it runs", name=["hand"], state="stopped", stop_mode="force")
    assert well(host, name=["hand"], state="absent", stop_mode="force").changed
    assert (host.states(), host.files()) == ({}, ["user.qcow2"])


def test_vm_with_a_missing_disk_does_not_start(host):
    well(host, **DISKS)
    (host.storage / "web-disk0.qcow2").unlink()
    rejected(host, "web-disk0.qcow2 does not exist", state="started")


def test_fifth_nic_needs_another_tap_device(host):
    names = [f"vm{number}" for number in range(5)]
    well(host, name=names, disks=[{"size": "1M"}])
    well(host, name=names[:4], state="started")
    rejected(host, "MAKEDEV tap4", name=names[4:], state="started")


def test_missing_firmware_is_reported_with_its_remedy(host):
    well(host, **DISKS)
    host.file("/etc/firmware/vmm-bios").unlink()
    rejected(host, "fw_update vmm", state="started")


def test_source_of_linked_clones_does_not_start(host):
    well(host, name=["base"], **DISKS)
    well(host, clone={"source": "base", "linked": True})
    rejected(host, "the backing file of disks of web", name=["base"], state="started")
    kept = well(host, name=["base"], state="absent")
    assert [one["reason"] for one in kept.vms[0]["kept"]] == ["used by web"]
    well(host, state="started")


def test_copy_without_free_space_is_rejected_before_it_begins(host, monkeypatch):
    image = host.disk()
    monkeypatch.setattr(files, "free_space", lambda folder: 1024)
    rejected(host, "has only 1K", image={"source": image, "linked": False})


def test_address_of_a_local_interface_is_computed_and_confirmed(running):
    running.sleep(10)
    (vm,) = info(running, "web")["vms"]
    assert vm["addresses"] == [{"address": "100.64.1.3", "source": "vmd"}]
    assert vm["ssh"]["host"] == "100.64.1.3"


def test_vm_has_no_known_address_if_the_prefix_in_vm_conf_is_invalid(running):
    running.write("/etc/vm.conf", "local prefix 100.64.0.300/10\n" + running.text())
    (vm,) = info(running, "web")["vms"]
    assert vm["addresses"] == []


def test_address_on_a_switch_comes_from_the_lease(host):
    host.write("/etc/vm.conf", 'switch "lan" { interface bridge0 }\n')
    host.well("ifconfig", "bridge0", "create")
    nic = {"type": "network", "source": "lan", "mac": "fe:e1:bb:d1:00:11"}
    well(host, state="started", networks=[nic], **DISKS)
    host.write("/var/db/dhcpd.leases", _lease("10.50.0.7", nic["mac"]))
    (vm,) = info(host, "web")["vms"]
    assert (vm["addresses"], vm["mac_addresses"]) == ([{"address": "10.50.0.7", "source": "lease"}], [nic["mac"]])


def _lease(address, mac):
    body = f"\tstarts 5 2026/11/20 06:00:00 UTC;\n\tends 5 2099/11/20 18:00:00 UTC;\n\thardware ethernet {mac};\n"
    return f"lease {address} {{\n{body}}}\n"


def test_mac_stays_when_vmd_reads_its_file_again(running):
    before = info(running, "web")["vms"][0]["mac_addresses"]
    running.well("vmctl", "stop", "-fw", "web")
    running.well("vmctl", "reload")
    assert info(running, "web")["vms"][0]["mac_addresses"] == before != []


def test_host_that_can_run_vms(host):
    found = info(host)["host"]
    assert {key: found[key] for key in ("available", "enabled", "running", "initialized", "cpu_supported")} == {
        "available": True, "enabled": True, "running": True, "initialized": True, "cpu_supported": True,
    }  # fmt: skip
    assert (found["version"], found["message"]) == ("7.8", "vmd of OpenBSD 7.8 answers.")


def test_invalid_vm_conf_is_named(host):
    host.write("/etc/vm.conf", "vm {\n")
    found = info(host)
    assert f"vmd answers, but would reject {host.config_file}: " in found["host"]["message"]
    assert "vm.conf:1: syntax error" in found["host"]["message"]


def test_host_without_vmd_is_no_failure():
    with openbsd() as host:
        host.well("rcctl", "stop", "vmd")
        host.well("rcctl", "disable", "vmd")
        found = info(host)
    assert (found["vms"], found["host"]["enabled"], found["host"]["running"]) == ([], False, False)
    assert "rcctl enable vmd" in found["host"]["message"]


def test_cpu_without_virtualization_is_named(host):
    host.write("/var/run/dmesg.boot", "mainbus0 at root\ncpu0: something old\n")
    found = info(host)["host"]
    assert (found["cpu_supported"], found["kernel_supported"]) == (False, False)
    assert "VMX or SVM" in found["message"]


def test_task_where_vmd_does_not_run_says_how_to_start_it(host):
    host.well("rcctl", "stop", "vmd")
    with pytest.raises(Unavailable, match="rcctl start vmd"):
        task(host, state="started", **DISKS)


def test_terminal_of_a_running_vm(running):
    (vm,) = info(running, "web", facets=["power"], console=5)["vms"]
    assert (vm["console"]["terminal"], vm["console"]["lines"]) == ("/dev/ttyp0", None)
    assert "vmctl console web connects" in vm["console"]["how"]
    well(running, state="stopped", stop_mode="force")
    (vm,) = info(running, "web", facets=["power"], console=5)["vms"]
    assert vm["console"]["terminal"] is None
