# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The event source with ansible-inventory, virsh and the simulated cluster: changes of VMs that others make."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
from pathlib import Path

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import RUNNING, STOPPED
from ansible_collections.polyvirt.core.plugins.module_utils._core.texts import harmless

from suite.answer import Task
from suite.by_ansible import configured, run_ansible
from suite.event_source import running

#: A reading takes seconds of the processor. tests/unit/eda is quick, with programs in place of these.
pytestmark = pytest.mark.full

WEB, DB, NEW = "pvc-event-web", "pvc-event-db", "pvc-event-new"
ALL = [WEB, DB, NEW]
_READ = "VMs are known"
OFF = {"state": "stopped", "stop_mode": "force"}


@pytest.fixture
def inventory_of(tmp_path, monkeypatch, caplog):
    """A function that writes an inventory file with the VMs of a platform as its source ``here``."""
    caplog.set_level(logging.INFO, "polyvirt.core.vms")

    def written(platform):
        for name, value in configured(tmp_path).items():
            monkeypatch.setenv(name, value)
        source = {"platform": platform.traits().platform, "name": "here", "options": platform.options("vm_info")}
        path = tmp_path / "vms.polyvirt.yml"
        path.write_text(json.dumps({"plugin": "polyvirt.core.vms", "sources": [source]}), encoding="utf-8")
        return str(path)

    return written


class Watched:
    """A source that runs, and tasks that change VMs meanwhile."""

    def __init__(self, source, caplog, platform, carry):
        self.source, self._caplog, self._platform, self._carry = source, caplog, platform, carry

    async def readings(self, count):
        """Wait for so many more readings: before the first one, nothing is an event."""
        before = self._caplog.text.count(_READ)
        await self.source.until(lambda: self._caplog.text.count(_READ) >= before + count)

    async def after(self, names, options, count=1):
        """Carry out a task; return its events, once there are ``count`` of them."""
        answer = self._carry(self._platform, [Task("change", {"name": names, **options})], ALL)["change"]
        assert not answer.failed, answer.msg
        return await self.source.sent(count)


@pytest.mark.parametrize("platform_name", ["libvirt_test", "proxmox"], indirect=True, scope="session")
def test_changes_by_tasks_are_events_once(platform, inventory_of, carry, caplog):
    """At the interval; what happened between two readings, and only that."""
    platform.clean()
    platform.bring({WEB: RUNNING, DB: STOPPED})

    async def watch():
        async with running(inventory=inventory_of(platform), interval=1) as source:
            watched = Watched(source, caplog, platform, carry)
            await watched.readings(1)
            reported = [await watched.after([DB], {"state": "started"})]
            reported.append(await watched.after([NEW], platform.creation))
            reported.append(await watched.after([WEB, DB], OFF, 2))
            reported.append(await watched.after([NEW], {"state": "absent"}))
            await watched.readings(1)
            return reported, source.taken()

    reported, rest = asyncio.run(watch())
    started, created, stopped, deleted = reported
    assert (started, created, deleted) == ([("vm.started", DB)], [("vm.created", NEW)], [("vm.deleted", NEW)])
    assert (sorted(stopped), rest) == ([("vm.stopped", DB), ("vm.stopped", WEB)], [])


@pytest.mark.parametrize("platform_name", ["proxmox"], indirect=True, scope="session")
def test_crash_is_repaired_and_a_cluster_is_down_for_a_while(platform, inventory_of, caplog, tmp_path):
    """The playbook of the rulebook runs with the event, as ansible-rulebook passes it."""
    platform.clean()
    platform.bring({WEB: RUNNING, DB: RUNNING})

    async def watch():
        async with running(inventory=inventory_of(platform), interval=1) as source:
            await Watched(source, caplog, platform, None).readings(1)
            platform.simulator("fail", vmid=int(platform.ids()[WEB]), state="internal-error")
            await source.until(lambda: source.events)
            _restart(platform, tmp_path, source.events[0])
            # At each reading until then, the VM has still crashed.
            await source.until(lambda: source.events[-1]["event"] == "vm.started")
            sent = source.taken()
            reported = [[one for one in sent if one[0] != "vm.still_crashed"]]
            platform.world.faults.request("reply", status=595, reason="No route to host", times=10_000)
            await source.until(lambda: "cannot be read: here" in caplog.text)
            platform.simulator("power", vmid=int(platform.ids()[DB]), on=False)
            platform.world.faults.requests.clear()
            reported.append(await source.sent(1))
            return reported

    assert asyncio.run(watch()) == [[("vm.crashed", WEB), ("vm.started", WEB)], [("vm.stopped", DB)]]


def _restart(platform, folder, event):
    # As of a VM whose name has brackets; its ID says which one is meant.
    event = {**event, "vm": {**event["vm"], "name": harmless(f"{event['vm']['name']} (old)")}}
    variables = {"ansible_eda": {"event": event}, "restart_options": {"here": platform.options("vm")}}
    words = ["-i", "localhost,", "-c", "local", "polyvirt.core.restart_vm", "-e", json.dumps(variables)]
    done = run_ansible(folder, "ansible-playbook", words)
    assert done.returncode == 0 and "changed=1" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize("platform_name", ["libvirt_test"], indirect=True, scope="session")
def test_virsh_reports_at_once_and_is_started_again(platform, inventory_of, carry, caplog):
    """With an interval of an hour: all events are those of virsh, or of a reading when virsh has connected again."""
    platform.clean()
    platform.bring({WEB: STOPPED})

    async def watch():
        uris = {"here": platform.uri}
        async with running(inventory=inventory_of(platform), interval=3600, libvirt_uris=uris) as source:
            watched = Watched(source, caplog, platform, carry)
            await watched.readings(1)
            reported = [await watched.after([WEB], {"state": "started"})]
            (first,) = await _virsh(source, ())
            os.kill(first, signal.SIGKILL)
            reported.append(await watched.after([WEB], OFF))
            await _virsh(source, (first,))
            reported.append(await watched.after([NEW], platform.creation))
            return reported

    assert asyncio.run(watch()) == [[("vm.started", WEB)], [("vm.stopped", WEB)], [("vm.created", NEW)]]


async def _virsh(source, ended):
    """Wait for the processes of virsh that the source has started, except those that have ended."""

    def found():
        pids = map(int, Path(f"/proc/self/task/{os.getpid()}/children").read_text(encoding="ascii").split())
        return [pid for pid in pids if pid not in ended and b"--loop" in _command_line(pid)]

    await source.until(found)
    return found()


def _command_line(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""  # The process has ended since it was listed.


def test_emulator_that_is_killed_has_crashed(qemu, inventory_of, caplog):
    """libvirt distinguishes a crash from a normal stop by its event."""
    qemu.clean()
    name = f"{qemu.prefix}event"
    qemu.bring({name: RUNNING})

    async def watch():
        uris = {"here": qemu.uri}
        async with running(inventory=inventory_of(qemu), interval=3600, libvirt_uris=uris) as source:
            # The second one is when virsh is connected.
            await Watched(source, caplog, qemu, None).readings(2)
            os.kill(int(Path(f"/run/libvirt/qemu/{name}.pid").read_text(encoding="ascii")), signal.SIGKILL)
            await source.until(lambda: source.events)
            return source.events[0]

    event = asyncio.run(watch())
    assert (event["event"], event["reason"], event["vm"]["name"]) == ("vm.crashed", "Stopped Failed", name)
