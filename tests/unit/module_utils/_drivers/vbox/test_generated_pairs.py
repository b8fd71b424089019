# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Generated pairs of state and request: check mode predicts what the real run does."""

from __future__ import annotations

from ansible_collections.polyvirt.core.plugins.module_utils._lifecycle.model import (
    ABSENT,
    PAUSED,
    RUNNING,
    STOPPED,
    SUSPENDED,
)
from ansible_collections.polyvirt.core.plugins.module_utils._lifecycle.power import STATES
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from unit.module_utils._drivers.vbox.in_process import MIB, task, virtualbox

_MOVES = {PAUSED: "pause", SUSPENDED: "savestate"}
_CARD = st.sampled_from([{"type": "nat"}, {"type": "internal", "source": "lan"}, {"type": "nat", "model": "virtio"}])
_RULE = st.fixed_dictionaries({"host_port": st.sampled_from([2101, 2102]), "guest_port": st.sampled_from([22, 80])})
_SETTINGS = {
    "cpus": st.integers(1, 2),
    "memory": st.sampled_from([16 * MIB, 20 * MIB]),
    "description": st.sampled_from(["", 'one "two"\nthree']),
    "tags": st.sampled_from([(), ("a",)]),
    "disks": st.fixed_dictionaries({"SATA 0": st.fixed_dictionaries({"size": st.sampled_from([2 * MIB, 4 * MIB])})},
                                   optional={"SATA 1": st.just({"size": MIB})}),
    "networks": st.dictionaries(st.sampled_from(["0", "1"]), _CARD, max_size=2),
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
#: Parts of a result that check mode can know.
_PREDICTED = ("name", "state", "cpus", "memory_mib", "restart_required", "changed")


# Not shrunk: what fails is small.
@settings(max_examples=200, derandomize=True, deadline=None, database=None, phases=[Phase.generate])
@given(
    power=_STATES,
    found=st.fixed_dictionaries(_SETTINGS),
    state=st.sampled_from(STATES),
    asked=st.fixed_dictionaries({}, optional={**_SETTINGS, "port_forwards": _RULES}),
    policy=_POLICIES,
)
def test_check_mode_predicts_the_real_run(power, found, state, asked, policy):
    if policy["purge"]:
        asked = {"networks": {}, **asked}
    with virtualbox() as vbox:
        image = vbox.image("obeys")
        if power != ABSENT:
            _create(vbox, power, found, image)
        creation = {} if state == ABSENT else {"image": image}
        _compare(vbox, state=state, config=asked, **creation, **policy)


def _create(vbox, power, found, image):
    state = "present" if power == STOPPED else "started"
    task(vbox, state=state, config=found, image=image).well()
    if power in _MOVES:
        vbox.run("controlvm", "web", _MOVES[power])


def _compare(vbox, **asked):
    check = task(vbox, check=True, **asked)
    assert check.writes == []
    real = task(vbox, **asked)
    assert (check.outcome.failed, check.outcome.msg) == (real.outcome.failed, real.outcome.msg)
    assert (check.changed, check.outcome.diff) == (real.changed, real.outcome.diff)
    if real.outcome.failed:
        assert real.writes == []
        return
    assert {key: check.vm.get(key) for key in _PREDICTED} == {key: real.vm.get(key) for key in _PREDICTED}
    assert real.changed == bool(real.writes)
    once_more = "started" if asked["state"] == "restarted" else asked["state"]
    again = task(vbox, **{**asked, "state": once_more})
    assert (again.outcome.failed, again.changed, again.writes) == (False, False, []), again.outcome.msg
