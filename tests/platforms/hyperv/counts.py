# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Count the requests of tasks and their bytes on the double."""

from __future__ import annotations

from dataclasses import dataclass

from platforms.hyperv.double.host import HyperV
from platforms.hyperv.double.records import GIB, Switch
from platforms.hyperv.tasks import run

BASE = "C:\\Hyper-V\\Disks\\base.vhdx"
NIC = {"type": "network", "source": "lan"}
EXISTING = {"memory": "512M", "cpus": 1, "disks": [{"size": "10G"}], "secure_boot": True, "state": "present"}
NEW = {
    "cpus": 2,
    "memory": "1G",
    "disks": [{"size": "8G"}],
    "networks": [{**NIC, "vlan": 7}],
    "tpm": True,
    "description": "x",
    "state": "started",
}
_READS = ("Get-", "Test-")


@dataclass(frozen=True)
class Counts:
    """All requests, the requests that change something, and the bytes of all requests and answers."""

    requests: int
    changing: int
    sent: int
    received: int


def host_with(names=()):
    """A server with a switch, a base disk, and VMs."""
    host = HyperV()
    host.switches.append(Switch("lan", "Private"))
    host.disk(BASE, size=4 * GIB)
    for name in names:
        host.add(name, disk=f"C:\\Hyper-V\\Disks\\{name}.vhdx")
    return host


def names_of(count):
    return [f"web{number}" for number in range(count)]


def counted(host, about="vm", **options):
    """Run a task: (its result, its Counts)."""
    first = len(host.windows.requests)
    result = run(host, about, **options)
    sizes = host.windows.sizes[first:]
    changing = sum(map(_changes, host.windows.requests[first:]))
    return result, Counts(len(sizes), changing, *(sum(part) for part in zip(*sizes)))


def _changes(request):
    calls = [call for chain in request["chains"] for call in chain["calls"] if call["op"] not in ("pick", "read")]
    return any(not call.get("command", "").rpartition("\\")[2].startswith(_READS) for call in calls)


def _vms(count):
    return "1 VM" if count == 1 else f"{count} VMs"


def rows():
    """Run the tasks of the table in tests/bench/README.md: yields (description of the task, its Counts)."""
    for count in (1, 20, 200):
        result, counts = counted(host_with(names_of(count)), name=names_of(count), **EXISTING)
        assert (result["failed"], result["changed"]) == (False, False)
        yield f"nothing to do, {_vms(count)}", counts
    for count in (1, 20):
        result, counts = counted(host := host_with(), name=names_of(count), **NEW)
        assert {vm.state for vm in host.vms} == {"Running"}, result["msg"]
        yield f"create, configure and start, {_vms(count)}", counts
    change = {"cpus": 4, "memory": "2G", "allow_restart": True, "stop_mode": "force"}
    _result, counts = counted(host, name=["web0"], **change)
    assert host.vm("web0").hardware.processor["Count"] == 4
    yield "change CPUs and memory of a running VM", counts
    _result, counts = counted(host, "snapshot", name=["web0"], snapshot="one")
    yield "take a checkpoint", counts
    _result, counts = counted(host, name=["web1"], state="absent", stop_mode="force")
    assert "web1" not in [vm.name for vm in host.vms]
    yield "delete a running VM with its disk", counts
    _result, counts = counted(host, "vm_info")
    yield "report 19 VMs", counts


#: The number of tasks of the collection microsoft.hyperv that do the same, in the order of ``rows``;
#: tests/bench/README.md lists them.
THEIRS = (6, 120, 1200, 6, 120, 4, 1, 2, 1)


def table():
    """The lines of the table in tests/bench/README.md."""
    for (task, counts), theirs in zip(rows(), THEIRS):
        figures = (counts.requests, counts.changing, f"{counts.sent:,}", f"{counts.received:,}", f"{theirs:,}")
        yield f"| {task} | {' | '.join(map(str, figures))} |"


if __name__ == "__main__":
    print("\n".join(table()))
