# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Interrupted tasks on Hyper-V: at each call the answer is lost, the process on the host ends, or the call fails."""

from __future__ import annotations

import pytest

from platforms.hyperv import reading
from platforms.hyperv.double.host import HyperV
from platforms.hyperv.double.records import GIB, Switch
from platforms.hyperv.tasks import run
from platforms.windows.failures import Failed
from suite.depth import share

#: Places of an interruption on one day; a deep run has all.
_PLACES = 6
BASE = "C:\\Hyper-V\\Disks\\base.vhdx"
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
LINKED = {**NEW, "image": {"source": BASE, "linked": True}}
CHANGE = {
    "name": ["web"],
    "cpus": 2,
    "memory": "2G",
    "disks": [{"size": "30G"}, {"size": "2G"}, {"size": "3G"}],
    "networks": [{"vlan": 0}, {"type": "network", "source": "lan"}],
    "description": "changed",
    "tags": ["a", "b"],
}
#: {label: (tasks before, the task that is interrupted)}; a task is (module, options).
TASKS = {
    "create from a copy": ([], ("vm", NEW)),
    "create linked and start": ([], ("vm", {**LINKED, "state": "started"})),
    "clone": ([("vm", NEW)], ("vm", {"name": ["copy"], "clone": "web"})),
    "change": ([("vm", LINKED)], ("vm", CHANGE)),
    "take a checkpoint": ([("vm", LINKED)], ("snapshot", {"name": ["web"], "snapshot": "s", "description": "d"})),
    "delete with checkpoints": (
        [("vm", LINKED), ("snapshot", {"name": ["web"], "snapshot": "s"})],
        ("vm", {"name": ["web"], "state": "absent"}),
    ),
}
FAULTS = {
    "lose": {"kind": "lose"},
    "kill before": {"kind": "kill", "before": True},
    "kill after": {"kind": "kill"},
    "fail": {"kind": "fail", "error": Failed("ObjectInUse,Microsoft.HyperV", "ResourceBusy", "in Verwendung")},
}


def _host():
    host = HyperV()
    host.switches.append(Switch("lan", "Private"))
    host.disk(BASE, size=10 * GIB)
    return host


def _prepared(tasks):
    host = _host()
    for about, options in tasks:
        result = run(host, about, **options)
        assert not result["failed"], result["msg"]
    return host


def _stands(host):
    """All that must be as after an undisturbed task: without ids, and without the mark's note that it has no id yet."""
    vms = {vm.name: reading.standing(host, vm) for vm in host.vms}
    kept = ("power", "stored", "disks")
    snapshots = {vm.name: reading.snapshots(vm) for vm in host.vms}
    return {name: {key: vm[key] for key in kept} for name, vm in vms.items()}, snapshots, sorted(host.files.contents)


def _without_ids(stands):
    vms, snapshots, files = stands
    return vms, snapshots, [file for file in files if not file.endswith((".avhdx", ".vmcx", ".vmrs", ".vmgs"))]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("label", TASKS)
def test_task_that_is_interrupted_converges(request, label, fault):
    before, (about, options) = TASKS[label]
    undisturbed = _prepared(before)
    first = undisturbed.windows.faults.calls
    assert run(undisturbed, about, **options)["changed"]
    calls = undisturbed.windows.faults.calls - first
    expected = _without_ids(_stands(undisturbed))
    for place in share(request.config, range(1, calls + 1), _PLACES):
        host = _prepared(before)
        host.windows.faults.plan(call=place, **FAULTS[fault])
        result = run(host, about, **options)
        if result["failed"]:
            again = run(host, about, **options)
            assert not again["failed"], (place, result["msg"], again["msg"])
        assert _without_ids(_stands(host)) == expected, place
        assert not run(host, about, **options)["changed"], place
