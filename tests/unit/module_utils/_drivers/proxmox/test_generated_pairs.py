# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Generated pairs of a VM on the simulated cluster and a task about it: check mode predicts the real run."""

from __future__ import annotations

from ansible_collections.polyvirt.core.plugins.module_utils._ports import writes
from ansible_collections.polyvirt.core.plugins.module_utils._ports.proxmox_api import Answer, ConnectionLost

from simulators.proxmox import invariants
from suite.pairs import FAILS, LOST, UNDISTURBED, Pair, assert_true, pairs
from unit.module_utils._drivers.proxmox.cluster_state import cluster_state
from unit.module_utils._drivers.proxmox.pairs import ASKED, machines, options_of, world_with
from unit.module_utils._drivers.proxmox.simulated import Api, do


class _OnProxmox(Pair):
    def __init__(self, world, requested):
        self._world, self._requested, self.state = world, requested, requested["state"]

    def run(self, check=False, disturbance=UNDISTURBED, again=False):
        requested = {**self._requested, "state": "started"} if again and self.state == "restarted" else self._requested
        self._world.journal.clear()
        outcome = do(self._world, check=check, api=DisturbedApi(self._world, disturbance), **requested)
        assert not (check and self._world.journal.writes())
        # The last task of the cluster may still be running.
        self._world.engine.advance(60)
        return outcome

    def platform_state(self):
        # Without the list of past tasks, which remains when a VM is deleted after a failed creation.
        return cluster_state(self._world)[1:]

    def assert_sound(self):
        world = self._world
        assert (invariants.violations(world), invariants.orphans(world), world.tasks.crashes) == ([], [], [])


class DisturbedApi(Api):
    """``disturbance`` applies to a request that writes."""

    def __init__(self, world, disturbance):
        super().__init__(world)
        self._disturbance = disturbance

    def call(self, method, path, parameters=None):
        kind = self._disturbance.at_this_call(method != "GET")
        if kind == FAILS:
            return Answer(500, "It went wrong", None, None)
        answer = super().call(method, path, parameters)
        if kind is None:
            return answer
        if answer.status < 400:
            writes.take_back(doubtful=True)
        if kind == LOST:
            raise ConnectionLost("The connection broke off.", None)
        return Answer(596, "Connection timed out", None, None)


@pairs(200, machines(), ASKED)
def test_check_mode_predicts_the_real_run(machine, requested, disturbance):
    assert_true(_OnProxmox(world_with(machine), options_of(requested)), disturbance)
