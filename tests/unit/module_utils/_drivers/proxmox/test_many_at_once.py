# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ten creations and ten clones at once over HTTPS, while locks are refused: hardly slower than the work itself."""

from __future__ import annotations

import heapq
from concurrent.futures import ThreadPoolExecutor

from ansible_collections.polyvirt.core.plugins.module_utils._drivers.proxmox.connecting import OWN_SETTINGS, make_driver
from ansible_collections.polyvirt.core.plugins.module_utils._lifecycle.options import PROXMOX, PROXMOX_VM, VM
from ansible_collections.polyvirt.core.plugins.module_utils._lifecycle.request import requests
from ansible_collections.polyvirt.core.plugins.module_utils._runner import run

from simulators.proxmox import invariants, worlds
from simulators.proxmox.engine import RealClock
from simulators.proxmox.server import Server

EACH = 10
LANES = 8
#: Times the schedule of somebody who knows in advance when each task will end.
ALLOWED = 1.3
LOCKED = "can't lock file '/var/lock/qemu-server/lock-9000.conf' - got timeout"
CREATE = {"disks": [{"size": "8G", "state": "present"}], "memory": "1G"}
CLONE = {"clone": {"source": "tmpl", "linked": False}}


def _task(server, names, **asked):
    """Through everything but Ansible itself."""
    unset = {option: one.get("default") for option, one in {**VM, **PROXMOX, **PROXMOX_VM}.items()}
    own = {"api_host": "localhost", "api_port": server.port, "ca_path": str(server.authority), "api_user": "root@pam"}
    token = {"api_token_id": "test", "api_token_secret": worlds.TOKEN_SECRET}
    params = {**unset, **own, **token, "name": names, **asked}
    return run(make_driver(params), requests(params, OWN_SETTINGS))


def _ideal(seconds):
    """When the last of ``EACH`` works of ``seconds`` ends on ``LANES`` lanes."""
    lanes = [0.0] * LANES
    for _work in range(EACH):
        heapq.heappush(lanes, heapq.heappop(lanes) + seconds)
    return max(lanes)


def test_twenty_at_once():
    world = worlds.with_cases(RealClock())
    # What takes long takes long here: else the calls themselves would count for more than on any real cluster.
    world.timing.create_disk, world.timing.clone_per_gib = 4, 1.5
    for path, kind in ((".*/9000/clone", "reply"), ("/nodes/pve./qemu", "reply")):
        world.faults.request(kind, method="POST", path=path, times=2, status=500, reason=LOCKED)
    for kind in ("qmcreate", "qmclone"):
        world.faults.task(kind, LOCKED, times=2)
    ideal = max(_ideal(world.timing.create + world.timing.create_disk), _ideal(8 * world.timing.clone_per_gib))
    names = {kind: [f"{kind}-{number}" for number in range(EACH)] for kind in ("new", "copy")}
    with Server(world) as server, ThreadPoolExecutor(2) as pool:
        began = world.engine.clock.now
        works = [pool.submit(_task, server, names[kind], **asked) for kind, asked in (("new", CREATE), ("copy", CLONE))]
        outcomes = [work.result() for work in works]
        took = world.engine.clock.now - began
    assert [outcome.msg for outcome in outcomes if outcome.failed] == []
    made = [one.config.current.get("name") for one in world.cluster.machines.values()]
    assert sorted(made) == sorted([*names["new"], *names["copy"], "tmpl", "web1", "web2"])
    assert (invariants.violations(world), invariants.orphans(world), world.tasks.crashes) == ([], [], [])
    print(f"{took:.1f} s, ideal {ideal:.1f} s")
    assert took <= ALLOWED * ideal
