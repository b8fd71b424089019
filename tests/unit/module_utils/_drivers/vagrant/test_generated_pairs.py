# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Generated pairs of a VM in a project and a task about it: check mode predicts the real run."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from hypothesis import strategies as st

from suite.pairs import UNDISTURBED, Pair, assert_true, pairs
from unit.module_utils._drivers.disturbed import disturbed
from unit.module_utils._drivers.vagrant.in_process import World

#: Power states of the VM before the task; None: it does not exist, "present": it is only described.
_POWERS = {
    "virtualbox": [None, "present", "started", "stopped", "suspended"],
    "hyperv": [None, "present", "started", "stopped", "paused"],
}
_PROVIDERS = st.sampled_from(["virtualbox", "hyperv"])
_IN_MEMORY = "/dev/shm"
_SETTINGS = {
    "cpus": st.integers(1, 2),
    "memory": st.sampled_from(["64M", "96M"]),
    "description": st.sampled_from(["", "one", "two \u00fc\nlines"]),
    "tags": st.sampled_from([[], ["a"], ["a", "b"]]),
    "networks": st.sampled_from([[{"type": "nat"}], [{"type": "nat"}, {"type": "bridged"}]]),
    "port_forwards": st.sampled_from([[{"name": "web", "host_port": port, "guest_port": 80}] for port in (81, 82)]),
    "shared_folders": st.sampled_from([[{"name": "src", "host_path": path}] for path in ("/", "/tmp")]),
    "provisioners": st.sampled_from([[{"inline": "true"}], [{"inline": "false"}]]),
    "hostname": st.sampled_from(["a", "b"]),
}
_FOUND = st.fixed_dictionaries({}, optional=_SETTINGS)
_REQUESTED = st.fixed_dictionaries(
    {
        "state": st.sampled_from(["present", "started", "stopped", "restarted", "paused", "suspended", "absent"]),
        "stop_mode": st.sampled_from(["graceful_then_force", "force"]),
    },
    optional={
        **_SETTINGS,
        "allow_restart": st.booleans(),
        "purge": st.just(["networks"]),
    },
)


class _InProject(Pair):
    def __init__(self, world, requested):
        self._world, self._requested, self.state = world, requested, requested["state"]

    def run(self, check=False, disturbance=UNDISTURBED, again=False):
        requested = {**self._requested, "state": "started"} if again and self.state == "restarted" else self._requested
        port, run = self._world.port, self._world.port.run
        port.run = lambda argv, writes=False, **more: disturbed(
            disturbance, argv, writes, lambda counted: run(argv, writes=counted, **more)
        )
        try:
            return self._world.create(check=check, stop_timeout=5, **requested)
        finally:
            port.run = run

    def platform_state(self):
        vms = self._world.virtualbox.run("list", "--long", "vms") if hasattr(self._world, "virtualbox") else ""
        return self._world.files(), self._world.vagrant.state()["machines"], vms


@pairs(120, _PROVIDERS, st.data(), _FOUND, _REQUESTED)
def test_check_mode_predicts_the_real_run(provider, data, found, requested, disturbance):
    power = data.draw(st.sampled_from(_POWERS[provider]))
    if requested.get("purge"):
        requested.setdefault("networks", [{"type": "nat"}])
    if provider == "hyperv":
        found.pop("port_forwards", None)  # Not supported by this provider.
    with tempfile.TemporaryDirectory(dir=_IN_MEMORY if os.path.isdir(_IN_MEMORY) else None) as folder:
        world = World(Path(folder), provider)
        if power is not None:
            assert world.create(state="present" if power == "present" else "started", **found).vm
        if power not in (None, "present", "started"):
            assert world.run(state=power, stop_mode="force").vm
        assert_true(_InProject(world, requested), disturbance)
