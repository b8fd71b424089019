# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Interrupted tasks on WSL: at each call the answer is lost, the process on the host ends, or the call fails."""

from __future__ import annotations

import pytest

from platforms.windows.failures import Failed, interruptions
from platforms.wsl import reading
from platforms.wsl.double.distro import FILES, packed
from platforms.wsl.double.host import Knobs, WslHost
from platforms.wsl.tasks import controller_ends, run
from suite.depth import share

#: The number of places of an interruption that are tested on one day; a deep run tests all.
_PLACES = 3
TAR = "C:\\images\\base.tar"
NEW = {
    "name": ["web"],
    "image": {"source": TAR},
    "install_location": "D:\\new\\web",
    "state": "started",
    "description": "a server",
    "tags": ["b", "a"],
    "default_user": "anna",
    "systemd": True,
    "native": {"network.hostname": "web"},
    "keep_running": "true",
    "disks": [{"size": "2T"}],
    "default": True,
}
PLAIN = {"name": ["web"], "image": {"source": TAR}}
RUNNING = {**PLAIN, "state": "started"}
CHANGE = {
    "name": ["web"],
    "description": "changed",
    "version": 1,
    "systemd": False,
    "default_user": "berta",
    "keep_running": "at_logon",
    "export": "C:\\images\\out.tar",
    # Otherwise an interrupted task that stopped the distribution for the change would leave it stopped.
    "state": "started",
    "allow_restart": True,
}
MOVE = {
    "name": ["web"],
    "install_location": "D:\\moved\\web",
    "disks": [{"size": "3T"}],
    "state": "started",
    "allow_restart": True,
}
#: {label: (tasks before, the task that is interrupted)}
TASKS = {
    "create": ([], NEW),
    "clone": ([NEW], {"name": ["copy"], "clone": "web", "tags": ["copy"]}),
    "clone of one that runs": ([RUNNING], {"name": ["copy"], "clone": "web", "state": "started"}),
    "change": ([RUNNING], CHANGE),
    "move": ([NEW], MOVE),
    "stop": ([NEW], {"name": ["web"], "state": "stopped"}),
    "delete": ([NEW], {"name": ["web"], "state": "absent"}),
}
FAULTS = interruptions(Failed("OperationTimeout,Register", "OperationTimeout", "Zeitüberschreitung"))


def _prepared(tasks):
    host = WslHost(knobs=Knobs(idle_seconds=1e9))
    host.files.put(TAR, packed(FILES))
    for options in tasks:
        result = run(host, **options)
        assert not result["failed"], result["msg"]
    host.tick(2)
    return host


def _stands(host):
    """The state that must be as after an undisturbed task: all but ids."""
    host.tick(2)
    distros = {
        one.name: (reading.vm_state(host, one), one.base, one.version, one.uid, sorted(one.users()), one.clients > 0)
        for one in host.distros.values()
    }
    for stands, *_more in distros.values():
        del stands["id"]
    tasks = sorted((task.words[1], task.is_enabled, task.is_running) for task in host.tasks.values())
    folders = [path for path in host.files.folders if host.files.below(path) or path.startswith("c:\\wsl\\")]
    default = host.distros[host.default].name if host.default else None
    return distros, tasks, sorted(host.files.contents), sorted(folders), default


def _calls_of(host, options):
    """Run a task that changes something; returns the number of its calls."""
    first = host.windows.faults.calls
    assert run(host, **options)["changed"]
    return host.windows.faults.calls - first


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("label", TASKS)
def test_task_that_is_interrupted_converges(request, label, fault):
    before, options = TASKS[label]
    calls = _calls_of(undisturbed := _prepared(before), options)
    expected = _stands(undisturbed)
    for place in share(request.config, range(1, calls + 1), _PLACES):
        host = _prepared(before)
        host.windows.faults.plan(call=place, **FAULTS[fault])
        result = run(host, **options)
        assert "Unexpected" not in result.get("msg", ""), (place, result["msg"])
        if result["failed"]:
            again = run(host, **options)
            assert not again["failed"], (place, result["msg"], again["msg"])
        assert _stands(host) == expected, place
        assert not run(host, **options)["changed"], place


def test_clone_whose_controller_ends_is_deleted_with_its_file(request):
    """The next task finds no half-created distribution, and removes the exported file."""
    before, options = TASKS["clone of one that runs"]
    calls = _calls_of(_prepared(before), options)
    for place in share(request.config, range(1, calls + 1), _PLACES):
        host = _prepared(before)
        host.windows.faults.plan(call=place, kind="kill")
        with controller_ends(host):
            run(host, **options)
        result = run(host, name=["copy"], state="absent")
        assert not result["failed"], (place, result["msg"])
        assert not [path for path in host.files.contents if path.endswith(".tar") and path != TAR.lower()], place
        assert host.find("copy") is None, place
