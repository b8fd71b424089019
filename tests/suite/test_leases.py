# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Leases on every platform: what a clone and a restored VM have, and the playbook that ends expired ones."""

from __future__ import annotations

import calendar
import json

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import RUNNING, STOPPED

from platforms.known import PLATFORMS
from suite.answer import Task
from suite.by_ansible import run_ansible
from suite.scenarios.snapshots import snapshot
from suite.source_host import host_of, write_sources

ANNAS, BENS, LATER, FREE = "pvc-lease-anna", "pvc-lease-ben", "pvc-lease-later", "pvc-lease-free"
NAMES = [ANNAS, BENS, LATER, FREE]
PAST, FUTURE = "2020-01-31", "2037-01-31"
#: When the tasks that set them run, by the clock of the controller: a new expiry must not have passed.
LONG_AGO = {"controller_time": calendar.timegm((2020, 1, 1, 0, 0, 0))}
SNAPSHOTS = {"past": PAST, "later": FUTURE, "plain": None}
FULL = ("libvirt_test",)
_DEEP = pytest.mark.deep("test_expired_vms_are_stopped_and_deleted[libvirt_test]")
_OTHERS = [pytest.param(name, marks=_DEEP) for name in PLATFORMS if name not in FULL]


#: A pool of the simulated cluster.
_POOL = "prod"


class Reaping:
    """VMs with leases, and the playbook ``reap`` on their inventory source."""

    def __init__(self, platform, shim, folder):
        self.platform, self.shim, self.folder = platform, shim, folder
        self.name = platform.traits().platform
        self.connection = dict(platform.options("vm_info"))
        self.has_pools = self.name == "proxmox"

    def prepare(self, carry):
        self.platform.clean()
        leases = {
            ANNAS: {"owner": "anna", "expires": PAST},
            BENS: {"owner": "ben", "expires": PAST},
            LATER: {"owner": "anna", "expires": FUTURE},
            FREE: {},
        }
        made = {**self.platform.creation, **self.platform.to_exist, **({"pool": _POOL} if self.has_pools else {})}
        tasks = [Task(name, {**made, "name": [name], **lease, **LONG_AGO}) for name, lease in leases.items()]
        answers = carry(self.platform, tasks, NAMES)
        assert [answer.msg for answer in answers.values() if answer.failed] == []
        for name in NAMES if self.platform.to_exist else ():
            self.platform.move(name, STOPPED)
        if self.platform.has_snapshots:
            taken = [snapshot(name, LATER, name, expires=expires, **LONG_AGO) for name, expires in SNAPSHOTS.items()]
            answers = carry(self.platform, taken, NAMES)
            assert [answer.msg for answer in answers.values() if answer.failed] == []

    def run(self, *words, code=0, **variables):
        """Run the playbook, and return its output."""
        around = {**self.shim.environment(programs=self.platform.programs), "COLUMNS": "1000"}
        variables = {**({"reap_pools": [_POOL]} if self.has_pools else {}), **variables}
        command = ["polyvirt.core.reap", "-i", "lab", "-e", json.dumps(variables), *words]
        with self.platform.hurried():
            done = run_ansible(self.folder, "ansible-playbook", command, around, cwd=self.folder)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    def snapshots(self):
        """Names of the snapshots of the VM that does not expire; of a platform without snapshots, all that remain."""
        return set(self.platform.snapshots(LATER)) if self.platform.has_snapshots else {"later", "plain"}

    def powers(self):
        found = self.platform.truth(NAMES)
        return [vm and vm["power"] for vm in (found[name] for name in NAMES)]


def _expired_vms_are_ended(platform, carry, shim, folder):
    reaping = Reaping(platform, shim, folder)
    reaping.prepare(carry)
    platform.move(BENS, RUNNING)
    with host_of(platform) as host:
        write_sources(folder / "lab", {"platform": reaping.name, "options": reaping.connection}, host)
        if reaping.has_pools:
            output = reaping.run(reap_pools=["another"], reap_action="stop", reap_stop_mode="force")
            assert reaping.powers() == [STOPPED, RUNNING, STOPPED, STOPPED], output
            assert "only VMs in the pools that the option pools (reap_pools) names are ended" in output
        output = reaping.run("--check")
        assert reaping.powers() == [STOPPED, RUNNING, STOPPED, STOPPED], output
        listed = [ANNAS, BENS, *([LATER] if platform.has_snapshots else [])]
        assert [name for name in NAMES if f"  {name}  " in output] == listed, output
        assert ("past" in reaping.snapshots()) == platform.has_snapshots
        assert "changed=1" in output
        output = reaping.run(reap_owner="anna")
        assert reaping.powers() == [None, RUNNING, STOPPED, STOPPED], output
        assert reaping.snapshots() == {"later", "plain"}, output
        # Not every guest obeys a request to shut down.
        output = reaping.run(reap_action="stop", reap_stop_mode="force")
        assert reaping.powers() == [None, STOPPED, STOPPED, STOPPED], output
        output = reaping.run(reap_grace="36500d")
        assert (reaping.powers(), "changed=0" in output) == ([None, STOPPED, STOPPED, STOPPED], True), output
        output = reaping.run()
        assert reaping.powers() == [None, None, STOPPED, STOPPED], output
        assert "changed=0" in reaping.run()


@pytest.mark.full
@pytest.mark.parametrize("platform_name", FULL, indirect=True, scope="session")
def test_expired_vms_are_stopped_and_deleted(platform, carry, shim, tmp_path):
    _expired_vms_are_ended(platform, carry, shim, tmp_path)


@pytest.mark.parametrize("platform_name", _OTHERS, indirect=True, scope="session")
def test_expired_vms_are_stopped_and_deleted_on_every_platform(platform, carry, shim, tmp_path):
    _expired_vms_are_ended(platform, carry, shim, tmp_path)


@_DEEP
@pytest.mark.parametrize("platform_name", ["proxmox"], indirect=True, scope="session")
def test_guests_that_obey_or_ignore_the_request_to_shut_down(platform, carry, shim, tmp_path):
    reaping = Reaping(platform, shim, tmp_path)
    reaping.prepare(carry)
    for name, seconds in ((ANNAS, 3), (BENS, None)):
        platform.move(name, RUNNING)
        platform.world.cluster.machines[int(platform.ids()[name])].guest.stops_within = seconds
    with host_of(platform) as host:
        write_sources(tmp_path / "lab", {"platform": reaping.name, "options": reaping.connection}, host)
        output = reaping.run(code=2, reap_stop_mode="graceful")
        assert reaping.powers() == [None, RUNNING, STOPPED, STOPPED], output
        assert "set stop_mode: graceful_then_force" in output
        outcomes = [line.split()[0] for line in output.splitlines() if f"  {ANNAS}  " in line or f"  {BENS}  " in line]
        assert outcomes == ["deleted", "failed"], output
        output = reaping.run(reap_stop_mode="graceful_then_force")
        assert reaping.powers() == [None, None, STOPPED, STOPPED], output


@pytest.mark.full
@pytest.mark.parametrize("platform_name", FULL, indirect=True, scope="session")
def test_source_that_does_not_answer_is_an_error_and_the_others_are_reaped(platform, carry, shim, tmp_path):
    reaping = Reaping(platform, shim, tmp_path)
    reaping.prepare(carry)
    with host_of(platform) as host:
        write_sources(tmp_path / "lab", {"platform": reaping.name, "options": reaping.connection}, host)
        nowhere = {"platform": "libvirt", "name": "nowhere", "options": {"uri": "test:///nonexistent.xml"}}
        inventory = {"plugin": "polyvirt.core.vms", "sources": [nowhere]}
        (tmp_path / "lab" / "3.polyvirt.yml").write_text(json.dumps(inventory), encoding="utf-8")
        output = reaping.run(code=2)
    assert reaping.powers() == [None, None, STOPPED, STOPPED], output
    assert "The source nowhere cannot be read, so nothing was done there: " in output
