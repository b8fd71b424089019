# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The number of requests that tasks need: each request takes a second or more on a real host."""

from __future__ import annotations

import pytest

from platforms.hyperv.counts import BASE, EXISTING, NEW, counted, host_with, names_of
from platforms.hyperv.double.records import GIB
from platforms.hyperv.tasks import run

#: Maximum bytes of the request and of the answer of a task with nothing to do: (for the task, for each VM).
_REQUEST, _ANSWER = (5450, 150), (1600, 3300)


@pytest.mark.parametrize("count", [1, 20, 200])
def test_task_with_nothing_to_do_needs_one_request(count):
    host = host_with(names_of(count))
    result, counts = counted(host, name=names_of(count), **EXISTING)
    assert (result["changed"], counts.requests, counts.changing) == (False, 1, 0)
    assert counts.sent <= _REQUEST[0] + count * _REQUEST[1]
    assert counts.received <= _ANSWER[0] + count * _ANSWER[1]


@pytest.mark.parametrize(
    "options", [{}, {"storage_path": "D:\\VMs"}, {"image": {"source": BASE, "linked": True}}], ids=str
)
@pytest.mark.parametrize("count", [1, 20])
def test_creation_and_start_need_two_requests(count, options):
    """The first observes and reads what the checks need; the second creates, starts, and observes the final state."""
    host = host_with()
    host.files.make("D:\\VMs")
    result, counts = counted(host, name=names_of(count), **{**NEW, **options})
    assert (result["failed"], counts.requests, counts.changing) == (False, 2, 1)
    assert {vm.state for vm in host.vms} == {"Running"}
    assert [name for name, _values in host.log].count("Test-Path") == 1


def test_disks_of_other_vms_are_not_read_for_the_copy_of_an_image():
    host = host_with(names_of(2))
    counted(host, name=["web0"], state="started")
    result, counts = counted(host, name=["new"], **{**NEW, "image": {"source": BASE}, "state": "present"})
    assert (result["failed"], counts.requests, counts.changing) == (False, 4, 2)


def test_what_a_creation_needs_is_not_read_for_vms_that_exist():
    host = host_with(names_of(2))
    new = {**EXISTING, "image": {"source": BASE}, "adopt": True}
    assert counted(host, name=["web0", "web1"], **new)[1].requests == 1
    assert "Test-Path" not in [name for name, _values in host.log]
    result, _counts = counted(host, name=["web0", "WEB1", "web2"], **new)
    assert (result["failed"], [vm["changed"] for vm in result["vms"]]) == (False, [False, False, True])
    assert [name for name, _values in host.log].count("Test-Path") == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "web: disks.SCSI 0:0: C:\\Hyper-V\\Disks\\web-scsi0-0.vhdx already exists"),
        ({"storage_path": "E:\\no"}, "web: storage_path: the directory E:\\no does not exist"),
        ({"image": {"source": "C:\\no.vhdx"}}, "web: image.source: C:\\no.vhdx does not exist"),
        (
            {"image": {"source": "C:\\text.vhdx"}},
            "web: image.source: C:\\text.vhdx is not a virtual disk. Use a VHDX or VHD file.",
        ),
        ({"disks": [{"size": "900G", "format": "vhdx-fixed"}]}, "web: storage_path: 901G "),
    ],
)
def test_what_would_make_a_creation_fail_is_reported_after_one_request(options, message):
    host = host_with()
    if not options:
        host.disk("C:\\Hyper-V\\Disks\\web-scsi0-0.vhdx")
    host.files.put("C:\\text.vhdx", b"text")
    host.files.capacity["C"] = 100 * GIB
    result, counts = counted(host, check=True, name=["web"], **{**NEW, **options})
    assert (result["failed"], counts.requests) == (True, 1)
    assert result["msg"].startswith(message)


def test_what_was_read_with_the_vms_is_read_again_with_them():
    """While the task waits for another VM that is busy, somebody creates the file."""
    host = host_with(["busy"])
    host.vm("busy").busy.append("BackingUpVirtualMachine")
    host.clock.at(10, lambda: host.disk("C:\\Hyper-V\\Disks\\web-scsi0-0.vhdx"))
    host.clock.at(20, host.vm("busy").busy.clear)
    result = run(host, name=["busy", "web"], **{**NEW, "networks": []})
    assert result["failed"]
    assert "web-scsi0-0.vhdx already exists" in result["msg"]


def test_number_of_requests_does_not_depend_on_the_number_of_vms():
    changes = [
        {"cpus": 4, "allow_restart": True, "stop_mode": "force", "disks": [{"size": "9G"}]},
        {"state": "paused"},
        {"state": "absent", "stop_mode": "force"},
    ]
    needed = []
    for count in (1, 20):
        host = host_with()
        counted(host, name=names_of(count), **NEW)
        results = [counted(host, name=names_of(count), **change) for change in changes]
        assert not any(result["failed"] for result, _counts in results)
        needed.append([counts.requests for _result, counts in results])
    assert needed[0] == needed[1]


def test_end_of_a_change_is_observed_with_it():
    host = host_with(["web"])
    assert counted(host, name=["web"], description="x")[1].requests == 2
    assert counted(host, "snapshot", name=["web"], snapshot="one")[1].requests == 2


def test_change_of_others_after_the_request_is_seen():
    """Data that was read with the request is used only until time passes."""
    host = host_with(["web"])
    host.guest_template.boot_seconds = 5.0
    host.vm("web").guest.boot_seconds = 5.0
    counted(host, name=["web"], networks=[{"type": "network", "source": "lan"}])
    result, _counts = counted(host, name=["web"], state="started", wait_for="address")
    assert [one["address"] for one in result["vms"][0]["addresses"]] == ["192.0.2.10"]


def test_disks_of_all_vms_are_read_once_and_without_their_settings():
    host = host_with(names_of(200))
    result, counts = counted(host, name=["web0", "web1"], state="started")
    assert (result["failed"], counts.requests) == (False, 3)
    assert counts.received < 200 * 650
    counted(host, name=["linked"], image={"source": BASE, "linked": True})
    assert counted(host, name=["b"], disks=[{"slot": "SCSI 0:1", "source": BASE}])[0]["failed"]


def test_counters_need_no_further_request():
    host = host_with(names_of(2))
    counted(host, name=["web0"], state="started")
    result, counts = counted(host, about="vm_info", facets=["power", "counters"])
    assert counts.requests == 1
    running, stopped = (vm["counters"] for vm in sorted(result["vms"], key=lambda vm: vm["name"]))
    assert running["memory_used_mib"] == result["vms"][0]["memory_mib"]
    assert running["uptime"] >= 0
    assert (running["disk_used"] > 0, stopped["disk_used"] > 0) == (True, True)
    assert (stopped["memory_used_mib"], stopped["uptime"], running["cpu_time"]) == (None, None, None)
