# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The driver on the simulated cluster in the same process, without HTTP."""

from __future__ import annotations

import os
from pathlib import Path

from ansible_collections.polyvirt.core.plugins.module_utils._core.options.backup import backup_requests
from ansible_collections.polyvirt.core.plugins.module_utils._core.options.request import requests, snapshot_requests
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.proxmox.driver import ProxmoxDriver
from ansible_collections.polyvirt.core.plugins.module_utils._engine.task import run
from ansible_collections.polyvirt.core.plugins.module_utils._ports import change_counter
from ansible_collections.polyvirt.core.plugins.module_utils._ports.proxmox_api import Answer, ConnectionLost
from ansible_collections.polyvirt.core.plugins.module_utils._tools.proxmox import Proxmox
from ansible_collections.polyvirt.core.plugins.modules import proxmox_backup, proxmox_snapshot, proxmox_vm

from simulators.proxmox.access import User
from simulators.proxmox.errors import Dropped
from simulators.proxmox.gateway import Gateway
from simulators.proxmox.web import File
from simulators.proxmox.wire import store
from unit.module_utils._engine.world import FakeClock


class Api:
    """Calls the simulator without HTTP; values are converted to strings, as over HTTP."""

    def __init__(self, world, user=None):
        self._gateway = Gateway(world)
        self._user = user or User("root@pam", "test")
        self.who, self.where = self._user.id, "pve1:8006"

    def call(self, method, path, parameters=None):
        try:
            answer = self._gateway.call(
                method, path, {key: str(value) for key, value in (parameters or {}).items()}, self._user
            )
        except Dropped:
            if method != "GET":
                change_counter.note(doubtful=True)
            raise ConnectionLost("The connection broke off.", None) from None
        if method != "GET" and answer.status < 400:
            change_counter.note()
        return Answer(answer.status, answer.reason, answer.data, answer.errors)

    def upload(self, path, parameters, file):
        received = File()
        received.add(Path(file).read_bytes())
        stored = store(self._gateway.world.uploads, received)
        return self.call("POST", path, {**parameters, "filename": os.path.basename(file), "tmpfilename": stored})


class SimulatedClock(FakeClock):
    """The simulated time, which advances when the driver sleeps."""

    def __init__(self, world):
        self._engine = world.engine

    def now(self):
        return self._engine.clock.now

    def sleep(self, seconds):
        self._engine.advance(seconds)


#: Parameters of a task that needs no settings of VMs, only their power states.
POWER_ONLY = {"state": "started", "stop_mode": "graceful", "allow_restart": False}


def driver_of(world, api=None, params=None, kind=ProxmoxDriver):
    """The driver for a module's parameters, or the observer."""
    return kind(Proxmox(api or Api(world), SimulatedClock(world)), params or {})


def do(world, check=False, api=None, probe=lambda host, port, kind: True, **options):
    """Run a task of ``proxmox_vm`` with these options; returns its Outcome."""
    driver, asked = asked_of(world, api, **options)
    return run(driver, asked, check, clock=SimulatedClock(world), probe=probe)


def asked_of(world, api=None, **options):
    """The (driver, Requests) of a task with these options."""
    params = {**defaults(proxmox_vm), **options}
    params["name"] = [params["name"]] if isinstance(params["name"], str) else params["name"]
    for option in ("disks", "networks"):
        if params[option] is not None:
            params[option] = [{**_defaults(proxmox_vm.MODULE.options[option].options), **one} for one in params[option]]
    return driver_of(world, api, params), requests(params, proxmox_vm.MODULE.options)


def machine_of(world, name):
    """The VM of this name in the simulated cluster."""
    (found,) = (one for one in world.cluster.machines.values() if one.config.current.get("name") == name)
    return found


def unchanged(world, **requested):
    """Assert that a task succeeds, changes nothing and writes nothing."""
    before = world.journal.writes()
    outcome = do(world, **requested)
    assert (outcome.failed, outcome.changed, outcome.diff) == (False, False, []), outcome.msg
    assert world.journal.writes() == before


def applied(world, **requested):
    """Assert that a task changes a VM as check mode predicts, and nothing when it runs again; returns its options."""
    check, real = do(world, check=True, **requested), do(world, **requested)
    assert (real.failed, real.changed, real.diff) == (False, True, check.diff), real.msg
    unchanged(world, **requested)
    return machine_of(world, requested["name"]).config.current


def rejected(world, *words, run=do, **requested):
    """Assert that a task fails with ``words`` in its message, in check mode and without, and writes nothing."""
    world.journal.clear()
    for check in (True, False):
        outcome = run(world, check=check, **requested)
        assert outcome.failed, (check, requested)
        for word in words:
            assert word in outcome.msg
    assert world.journal.writes() == []


def put(world, vmid=500, **options):
    """A user changes a VM."""
    answer = Gateway(world).call("PUT", f"/nodes/pve1/qemu/{vmid}/config", options)
    assert answer.status == 200, answer


def do_snapshot(world, check=False, api=None, **options):
    """The same for ``proxmox_snapshot``."""
    params = {**defaults(proxmox_snapshot), **options}
    params["name"] = [params["name"]] if isinstance(params["name"], str) else params["name"]
    asked = snapshot_requests(params, proxmox_snapshot.MODULE.options)
    return run(driver_of(world, api), asked, check, clock=SimulatedClock(world))


def do_backup(world, check=False, api=None, approval=None, **options):
    """The same for ``proxmox_backup``, on the storage ``backups``; the controller has the time of the cluster."""
    given = {"storage": "backups", "controller_time": int(world.now)}
    given |= {"max_age": "50m"} if options.get("state", "present") == "present" else {}
    params = {**defaults(proxmox_backup), **given, **options}
    params["name"] = [params["name"]] if isinstance(params["name"], str) else params["name"]
    asked = backup_requests(params, proxmox_backup.MODULE.options)
    driver, is_each = driver_of(world, api, params), params["each"] is not None
    return run(driver, asked, check, approval, clock=SimulatedClock(world), is_each=is_each)


def defaults(module):
    """The parameters of a module without any option."""
    return _defaults(module.MODULE.options)


def _defaults(options):
    return {name: option.default for name, option in options.items()}
