# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ten creations and ten clones at once over HTTPS, while locks fail: no task fails, and many run in parallel."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from ansible_collections.polyvirt.core.plugins.module_utils._core.options.request import requests
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.proxmox.driver import make_driver
from ansible_collections.polyvirt.core.plugins.module_utils._engine.task import run
from ansible_collections.polyvirt.core.plugins.module_utils._ports.clock import Clock
from ansible_collections.polyvirt.core.plugins.modules import proxmox_vm

from simulators.proxmox import invariants, worlds
from simulators.proxmox.engine import DrivenClock
from simulators.proxmox.server import Server
from unit.module_utils._drivers.proxmox.simulated import defaults

EACH = 10
#: Each of the two tasks works on more than one VM at a time.
AT_ONCE = 3
LOCKED = "can't lock file '/var/lock/qemu-server/lock-9000.conf' - got timeout"
CREATE = {"disks": [{"size": "8G", "state": "present"}], "memory": "1G"}
CLONE = {"clone": {"source": "tmpl", "linked": False}}


def _task(server, names, **requested):
    """Run a task through everything except Ansible itself."""
    own = {"api_host": "localhost", "api_port": server.port, "ca_path": str(server.authority), "api_user": "root@pam"}
    token = {"api_token_id": "test", "api_token_secret": worlds.TOKEN_SECRET}
    params = {**defaults(proxmox_vm), **own, **token, "name": names, **requested}
    return run(make_driver(params), requests(params, proxmox_vm.MODULE.options))


def _most_at_once(world):
    """The largest number of tasks of the cluster that ran at the same time."""
    tasks = [task for task in world.tasks.by_upid.values() if task.type in ("qmcreate", "qmclone")]
    return max(sum(one.began <= task.began < one.ended for one in tasks) for task in tasks)


def test_twenty_creations_at_once(monkeypatch):
    world = worlds.with_cases(DrivenClock())
    monkeypatch.setattr(Clock, "now", lambda _self: world.engine.clock.now)
    monkeypatch.setattr(Clock, "sleep", lambda _self, seconds: world.engine.advance(seconds))
    world.timing.create_disk, world.timing.clone_per_gib = 4, 1.5
    for path, kind in ((".*/9000/clone", "reply"), ("/nodes/pve./qemu", "reply")):
        world.faults.request(kind, method="POST", path=path, times=2, status=500, reason=LOCKED)
    for kind in ("qmcreate", "qmclone"):
        world.faults.task(kind, LOCKED, times=2)
    names = {kind: [f"{kind}-{number}" for number in range(EACH)] for kind in ("new", "copy")}
    with Server(world) as server, ThreadPoolExecutor(2) as pool:
        works = [
            pool.submit(_task, server, names[kind], **requested)
            for kind, requested in (("new", CREATE), ("copy", CLONE))
        ]
        outcomes = [work.result() for work in works]
    assert [outcome.msg for outcome in outcomes if outcome.failed] == []
    made = [one.config.current.get("name") for one in world.cluster.machines.values()]
    assert sorted(made) == sorted([*names["new"], *names["copy"], "tmpl", "web1", "web2"])
    assert (invariants.violations(world), invariants.orphans(world), world.tasks.crashes) == ([], [], [])
    assert _most_at_once(world) >= AT_ONCE
