# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a running VM lets go of only in its stored settings is used until the VM is off."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.frozen import replace
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import NEXT_BOOT, Field

from unit.module_utils._engine.claiming import DATA, Claiming, disk1, existing, forward, host, nic, with_disk1
from unit.module_utils._engine.tasks import run, vm


class NextBoot(Claiming):
    """A platform on which these settings of a running VM take effect at its next start."""

    def traits(self):
        traits = super().traits()
        stored = [kind for kind in traits.fields if kind.startswith(("disks.", "port_forwards.", "networks."))]
        return replace(traits, fields={**traits.fields, **{kind: Field(cost=NEXT_BOOT) for kind in stored}})


FREE = "52:54:00:00:00:0f"
#: what: (settings of a running VM, settings that no longer have it, settings of another VM that has it then).
HANDED_OVER = {
    "disk": ({}, {"disks": disk1(None)}, {"disks": disk1(DATA)}),
    "base": ({}, {"disks": disk1(None)}, {}),
    "mac": ({"networks": {"0": nic()}}, {"networks": {"0": nic(FREE)}}, {"networks": {"0": nic()}}),
    "port": ({"port_forwards": forward(1)}, {"port_forwards": forward(2)}, {"port_forwards": forward(1)}),
}


def asked(what, state):
    """(host, request for the VM that lets go of something, request for the one that gets it)."""
    has, gone, given = HANDED_OVER[what]
    made = host(with_disk1("a", power="running", **has), existing("b"))()
    linked = {"image": DATA, "linked": True} if what == "base" else {}
    first = vm("a", state, policy={"stop_mode": "force"}.items(), **gone)
    return made, first, vm("new" if linked else "b", "started", **given, **linked)


@pytest.mark.parametrize("what", HANDED_OVER)
def test_running_vm_keeps_what_it_lets_go_of_at_its_next_start(what):
    made, first, second = asked(what, "present")
    before = made.state()
    outcome = run(NextBoot(made), first, second)
    assert (outcome.failed, made.state(), made.calls) == (True, before, [])
    assert "a" in outcome.msg.split(" of ")[-1] or " a" in outcome.msg


@pytest.mark.parametrize("what", HANDED_OVER)
@pytest.mark.parametrize("state", ["stopped", "restarted"])
def test_vm_that_is_stopped_afterwards_lets_go_of_it(what, state):
    made, first, second = asked(what, state)
    outcome = run(NextBoot(made), first, second)
    assert (outcome.failed, made.damage) == (False, []), outcome.msg
