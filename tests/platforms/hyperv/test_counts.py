# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How many requests tasks need: each takes a second or more on a real host."""

from __future__ import annotations

import pytest

from platforms.hyperv.counts import BASE, EXISTING, NEW, counted, host_with, names_of

#: Bytes of the request and of the answer of a task with nothing to do: of the task itself, and of each VM.
_REQUEST, _ANSWER = (4500, 150), (1500, 3200)


@pytest.mark.parametrize("count", [1, 20, 200])
def test_task_with_nothing_to_do_needs_one_request(count):
    host = host_with(names_of(count))
    result, counts = counted(host, name=names_of(count), **EXISTING)
    assert (result["changed"], counts.requests, counts.changing) == (False, 1, 0)
    assert counts.sent <= _REQUEST[0] + count * _REQUEST[1]
    assert counts.received <= _ANSWER[0] + count * _ANSWER[1]


@pytest.mark.parametrize("count", [1, 20])
def test_creation_and_start_need_two_requests_that_change_something(count):
    """One observes, one checks files; the end is observed by the requests that change something."""
    host = host_with()
    result, counts = counted(host, name=names_of(count), **NEW)
    assert (result["failed"], counts.requests, counts.changing) == (False, 4, 2)
    assert {vm.state for vm in host.vms} == {"Running"}


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
    """What was read with the request counts only until time passes."""
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
    assert counts.received < 200 * 500
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
