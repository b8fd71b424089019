# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Generated pairs of a VM and a task about it: check mode predicts the real run."""

from __future__ import annotations

from ansible_collections.polyvirt.core.plugins.module_utils._core.model import (
    ABSENT,
    PAUSED,
    RUNNING,
    STOPPED,
    SUSPENDED,
)
from ansible_collections.polyvirt.core.plugins.module_utils._core.options import STATES
from hypothesis import strategies as st

from suite.pairs import UNDISTURBED, Pair, assert_true, pairs
from unit.module_utils._drivers.disturbed import disturbed
from unit.module_utils._drivers.vbox.in_process import MIB, InProcess, task, virtualbox

_COMMANDS = {PAUSED: "pause", SUSPENDED: "savestate"}
_NIC = st.sampled_from([{"type": "nat"}, {"type": "internal", "source": "lan"}, {"type": "nat", "model": "virtio"}])
_RULE = st.fixed_dictionaries({"host_port": st.sampled_from([2101, 2102]), "guest_port": st.sampled_from([22, 80])})
_SETTINGS = {
    "cpus": st.integers(1, 2),
    "memory": st.sampled_from([16 * MIB, 20 * MIB]),
    "description": st.sampled_from(["", 'one "two"\nthree']),
    "tags": st.sampled_from([(), ("a",)]),
    "disks": st.fixed_dictionaries({"SATA 0": st.fixed_dictionaries({"size": st.sampled_from([2 * MIB, 4 * MIB])})},
                                   optional={"SATA 1": st.just({"size": MIB})}),
    "networks": st.dictionaries(st.sampled_from(["0", "1"]), _NIC, max_size=2),
    "boot_order": st.sampled_from([("disk",), ("cdrom", "disk")]),
    "native": st.fixed_dictionaries({"hpet": st.sampled_from(["on", "off"])}),
}  # fmt: skip
_RULES = st.dictionaries(st.sampled_from(["one"]), _RULE, max_size=1)
_STATES = st.sampled_from([ABSENT, STOPPED, RUNNING, PAUSED, SUSPENDED])
_POLICIES = st.fixed_dictionaries(
    {
        "allow_restart": st.booleans(),
        "stop_mode": st.sampled_from(["graceful", "force"]),
        "purge": st.sampled_from([frozenset(), frozenset({"networks"})]),
    }
)
_REQUESTED = st.fixed_dictionaries({}, optional={**_SETTINGS, "port_forwards": _RULES})


class _OnVirtualBox(Pair):
    def __init__(self, vbox, requested):
        self._vbox, self._requested, self.state = vbox, requested, requested["state"]

    def run(self, check=False, disturbance=UNDISTURBED, again=False):
        requested = {**self._requested, "state": "started"} if again and self.state == "restarted" else self._requested
        return task(self._vbox, check=check, commands=DisturbedPort(self._vbox, disturbance), **requested).outcome

    def platform_state(self):
        lists = [self._vbox.run("list", "--long", what) for what in ("vms", "hdds")]
        marks = self._vbox.run("getextradata", "web", "enumerate") if lists[0] else ""
        return [*lists, marks, self._vbox.files()]


class DisturbedPort(InProcess):
    """``disturbance`` applies to a call of VBoxManage."""

    def __init__(self, box, disturbance):
        super().__init__(box)
        self._disturbance = disturbance

    def run(self, argv, writes=False, **more):
        run = super().run
        return disturbed(self._disturbance, argv, writes, lambda counted: run(argv, writes=counted, **more))


@pairs(120, _STATES, st.fixed_dictionaries(_SETTINGS), st.sampled_from(STATES), _REQUESTED, _POLICIES)
def test_check_mode_predicts_the_real_run(power, found, state, requested, policy, disturbance):
    if policy["purge"]:
        requested = {"networks": {}, **requested}
    with virtualbox() as vbox:
        image = vbox.image("obeys")
        if power != ABSENT:
            _create(vbox, power, found, image)
        creation = {} if state == ABSENT else {"image": image}
        assert_true(_OnVirtualBox(vbox, {"state": state, "config": requested, **creation, **policy}), disturbance)


def _create(vbox, power, found, image):
    state = "present" if power == STOPPED else "started"
    task(vbox, state=state, config=found, image=image).succeeded()
    if power in _COMMANDS:
        vbox.run("controlvm", "web", _COMMANDS[power])
