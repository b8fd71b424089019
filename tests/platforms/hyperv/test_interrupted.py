# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Interrupted tasks on Hyper-V: at each call the answer is lost, the process on the host ends, or the call fails."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.record.mark import empty_mark
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.hyperv.mark import notes_of, temporary_name

from platforms.hyperv import reading
from platforms.hyperv.double.host import HyperV
from platforms.hyperv.double.records import GIB, Switch
from platforms.hyperv.tasks import run
from suite.belts import share

#: The number of places of an interruption that are tested on one day; a deep run tests all.
_PLACES = 6
_FOLDER = "C:\\Hyper-V\\Disks"
BASE = f"{_FOLDER}\\base.vhdx"
NEW = {
    "name": ["web"],
    "cpus": 4,
    "memory": "4G",
    "image": {"source": BASE},
    "disks": [{"size": "20G"}, {"size": "1G"}],
    "networks": [{"type": "network", "source": "lan", "vlan": 7}],
    "description": "a server",
    "tags": ["web"],
    "tpm": True,
    "secure_boot_template": "linux",
}
#: {label: (tasks before, the task that is interrupted)}; a task is (module, options).
TASKS = {
    "create from a copy": ([], ("vm", NEW)),
    "clone": ([("vm", NEW)], ("vm", {"name": ["copy"], "clone": "web"})),
}


def _host():
    """A host with VMs of others: with a similar name, with another VM's temporary name, and with another VM's mark."""
    host = HyperV()
    host.switches.append(Switch("lan", "Private"))
    host.disk(BASE, size=10 * GIB)
    host.add("web2", disk=f"{_FOLDER}\\web2-scsi0-0.vhdx")
    for number, name in enumerate([temporary_name("web1"), temporary_name("web").replace("~", "_"), "exported"]):
        vm = host.add(name, disk=f"{_FOLDER}\\other{number}.vhdx")
        mark = {**empty_mark("another id"), "making": [f"{_FOLDER}\\web2-scsi0-0.vhdx"], "disks": [BASE]}
        vm.shown["Notes"] = notes_of("of somebody else", mark)
    return host


def _prepared(tasks):
    host = _host()
    for about, options in tasks:
        result = run(host, about, **options)
        assert not result["failed"], result["msg"]
    return host


def _stands(host):
    """The state that must be as after an undisturbed task: VMs without ids and marks, checkpoints, files."""
    vms = {vm.name: reading.vm_state(host, vm) for vm in host.vms}
    kept = ("power", "stored", "disks", "seeds")
    snapshots = {vm.name: reading.snapshots(vm) for vm in host.vms}
    return {name: {key: vm[key] for key in kept} for name, vm in vms.items()}, snapshots, sorted(host.files.contents)


def _without_ids(stands):
    vms, snapshots, files = stands
    return vms, snapshots, [file for file in files if not file.endswith((".avhdx", ".vmcx", ".vmrs", ".vmgs"))]


def _calls_of(host, about, options):
    """Run a task that changes something; returns the number of its calls."""
    first = host.windows.faults.calls
    assert run(host, about, **options)["changed"]
    return host.windows.faults.calls - first


@pytest.mark.parametrize("label", TASKS)
def test_what_a_killed_creation_has_left_is_removed_with_the_vm(request, label):
    """The VM does not have its final name yet, and its mark has no id: only its temporary name identifies it."""
    before, (about, options) = TASKS[label]
    name = options["name"]
    expected = _without_ids(_stands(_prepared(before)))
    calls = _calls_of(_prepared(before), about, options)
    for place in share(request.config, range(1, calls + 1), _PLACES):
        host = _prepared(before)
        # All further requests fail, too, so the task cannot recover.
        for one in range(place, place + 999):
            host.windows.faults.plan(call=one, kind="kill", before=one > place)
        assert run(host, about, **options)["failed"], place
        host.windows.faults.planned.clear()
        left = [vm.id for vm in host.vms if vm.name == temporary_name(name[0])]
        reasons = {vm["id"]: vm["reason"] for vm in run(host, "vm_info")["vms"]}
        assert all(reasons[one].startswith("unfinished") for one in left), place
        result = run(host, name=name, state="absent", stop_mode="force")
        assert not result["failed"], (place, result["msg"])
        assert _without_ids(_stands(host)) == expected, place


@pytest.mark.parametrize("check", [True, False])
def test_connection_that_stays_broken_is_an_error_without_changes(check):
    host = _prepared([])
    stands = _stands(host)
    for place in range(1, 999):
        host.windows.faults.plan(call=place, kind="kill", before=True)
    result = run(host, check=check, **NEW)
    assert result["failed"]
    assert "The connection to the Windows host broke off" in result["msg"]
    assert "exception" not in result
    assert _stands(host) == stands
