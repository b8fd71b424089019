# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The simulator's own interface below /simulator, for tests in other processes and to try things out."""

from __future__ import annotations

import json
from dataclasses import asdict

from aiohttp import web

from . import assumptions, behind

PREFIX = "/simulator"


async def answer(world, http):
    """POST requests contain a JSON object; every answer is a JSON object, too."""
    name = http.path.removeprefix(PREFIX).strip("/")
    if name not in ACTIONS:
        return web.json_response({"error": f"there is {', '.join(sorted(ACTIONS))}"}, status=404)
    try:
        asked = json.loads(await http.read() or b"{}")
        world.engine.run_due()
        with world.engine.lock:
            found = ACTIONS[name](world, **asked)
    except (KeyError, TypeError, ValueError) as error:
        return web.json_response({"error": f"{type(error).__name__}: {error}"}, status=400)
    return web.json_response(found if found is not None else {})


def _journal(world, clear=False):
    found = {
        "requests": [{**vars(entry), "is_write": entry.is_write} for entry in world.journal.requests],
        "effects": [asdict(effect) for effect in world.journal.effects],
        "crashes": world.tasks.crashes,
    }
    if clear:
        world.journal.clear()
    return found


def _count(world):
    requests = world.journal.requests
    return {"requests": len(requests), "writes": len(world.journal.writes())}


def _clear(world):
    world.journal.clear()


def _request_fault(world, kind, **settings):
    world.faults.request(kind, **settings)


def _task_fault(world, type, **settings):
    world.faults.task(type, **settings)


def _faults(world, **settings):
    """The switches: hotplug_fails, statistics_frozen, full_storages."""
    for name, value in settings.items():
        if name == "full_storages":
            world.faults.full_storages.clear()
            world.faults.full_storages.update(value)
        elif isinstance(getattr(world.faults, name, None), bool):
            setattr(world.faults, name, bool(value))
        else:
            raise ValueError(f"there is no switch {name!r}")


def _advance(world, seconds):
    if not world.engine.clock.driven:
        raise ValueError("the clock runs on its own; start the simulator with --driven")
    world.engine.advance(seconds)


def _config(world, vmid):
    machine = world.cluster.machines[vmid]
    return {"node": machine.node, "running": machine.running, "config": machine.text}


def _machines(world):
    """The actual state of all VMs, not that which the API reports."""
    return [
        {
            "vmid": machine.vmid,
            "node": machine.node,
            "power": machine.qmp if machine.running else "stopped",
            "pool": world.cluster.pool_of(machine.vmid),
            **{part: getattr(machine.config, part) for part in ("current", "pending", "deletes", "snapshots")},
        }
        for machine in world.cluster.machines.values()
    ]


def _volumes(world):
    """{volume: its properties} of all storages."""
    return {
        f"{storage.id}:{name}": {"node": node, **asdict(volume)}
        for storage in world.storages.by_id.values()
        for (node, name), volume in storage.volumes.items()
    }


ACTIONS = {
    "machines": _machines,
    "volumes": _volumes,
    "assumptions": assumptions.of_requests,
    "behind": lambda world, **change: behind.asked(world, change),
    "fail": behind.fail,
    "write": behind.write,
    "journal": _journal,
    "count": _count,
    "clear": _clear,
    "request-fault": _request_fault,
    "task-fault": _task_fault,
    "faults": _faults,
    "advance": _advance,
    "config": _config,
    "power": behind.power,
    "pause": behind.pause,
    "edit": behind.edit,
    "lock": behind.lock,
    "hold-file-lock": behind.hold_file_lock,
    "delete": behind.delete,
    "node": behind.node,
}
