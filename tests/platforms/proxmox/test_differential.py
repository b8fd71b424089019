# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What community.proxmox gets wrong on the simulated cluster, and that ours gets it right; each shown side by side.

pytest -rs tests/platforms/proxmox/test_differential.py
"""

from __future__ import annotations

import pytest

from platforms.proxmox.modules import INSTALL, Modules, theirs
from simulators.proxmox import worlds
from simulators.proxmox.engine import DrivenClock
from simulators.proxmox.server import Server

KEYS = [f"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{letter * 43} one" for letter in "AB"]
pytestmark = pytest.mark.deep("what ours does in these cases is among its own tests of every day")
_COMMUNITY = theirs()
#: What is said of them is shown only where they are.
with_theirs = pytest.mark.skipif(_COMMUNITY is None, reason=INSTALL)


@pytest.fixture(name="world")
def _world():
    world = worlds.with_cases(DrivenClock())
    yield world
    assert world.tasks.crashes == []


@pytest.fixture(name="modules")
def _modules(world, tmp_path):
    with Server(world, tick=1) as server:
        yield Modules(server, tmp_path, _COMMUNITY)


def _names(world):
    return sorted(one.config.current.get("name", "") for one in world.cluster.machines.values())


class TestUpdatesForEver:
    """The same update is a change in every run."""

    @with_theirs
    def test_theirs(self, modules):
        runs = [modules.theirs(name="web2", node="pve2", memory=2048, update=True) for _run in range(2)]
        assert [one.changed for one in runs] == [True, True], runs[0].msg

    def test_ours(self, modules, world):
        runs = [modules.ours(name=["web2"], node="pve2", memory="2048") for _run in range(2)]
        assert [(one.failed, one.changed) for one in runs] == [(False, False)] * 2
        assert world.journal.writes() == []


class TestKeysAlwaysDiffer:
    """Public keys that are there already are a change, and are sent again."""

    @with_theirs
    def test_theirs(self, modules, world):
        for _run in range(2):
            world.journal.clear()
            ran = modules.theirs(name="web2", node="pve2", sshkeys="\n".join(KEYS), update=True)
            assert (ran.failed, ran.changed) == (False, True), ran.msg
            assert len(world.journal.writes()) == 1

    def test_ours(self, modules, world):
        runs = [modules.ours(name=["web2"], cloud_init={"ssh_authorized_keys": KEYS}) for _run in range(2)]
        assert [(one.failed, one.changed) for one in runs] == [(False, True), (False, False)]


class TestASecondClone:
    """The same clone in a second run is a second machine."""

    @with_theirs
    def test_theirs(self, modules, world):
        for _run in range(2):
            ran = modules.theirs(clone="tmpl", name="web9", node="pve1", full=False, format="unspecified", timeout=60)
            assert ran.changed, ran.msg
        assert _names(world).count("web9") == 2

    def test_ours(self, modules, world):
        asked = {"name": ["web9"], "clone": {"source": "tmpl", "linked": True}}
        runs = [modules.ours(**asked) for _run in range(2)]
        assert [(one.failed, one.changed) for one in runs] == [(False, True), (False, False)]
        assert _names(world).count("web9") == 1


class TestTheIdOfAnExistingClone:
    """What is told of a clone that exists is the number of its template."""

    @with_theirs
    def test_theirs(self, modules):
        asked = {"clone": "tmpl", "newid": 150, "name": "web9", "node": "pve1", "full": False, "format": "unspecified"}
        first, second = (modules.theirs(**asked, timeout=60) for _run in range(2))
        assert (first.changed, second.changed) == (True, False), first.msg + second.msg
        assert second.result["vmid"] == 9000

    def test_ours(self, modules):
        asked = {"name": ["web9"], "id": "150", "clone": {"source": "tmpl", "linked": True}}
        first, second = (modules.ours(**asked) for _run in range(2))
        assert [one.result["vms"][0]["id"] for one in (first, second)] == ["150", "150"]


@pytest.mark.parametrize(("their_state", "state"), [("paused", "paused"), ("hibernated", "suspended")])
class TestPausing:
    """A running machine can be neither paused nor hibernated."""

    @with_theirs
    def test_theirs(self, modules, their_state, state):
        ran = modules.theirs(name="web1", state=their_state)
        assert ran.failed
        assert "suspend" in ran.msg

    def test_ours(self, modules, their_state, state):
        ran = modules.ours(name=["web1"], state=state)
        assert (ran.failed, ran.result["vms"][0]["state"]) == (False, state), ran.msg


class TestAbsentWhileItRuns:
    """A machine that shall be absent and is not is reported as fine."""

    @with_theirs
    def test_theirs(self, modules, world):
        ran = modules.theirs(name="web1", state="absent")
        assert (ran.failed, ran.changed) == (False, False)
        assert "web1" in _names(world)

    def test_ours(self, modules, world):
        ran = modules.ours(name=["web1"], state="absent", stop_mode="force")
        assert (ran.failed, ran.changed) == (False, True), ran.msg
        assert "web1" not in _names(world)


class TestOtherCores:
    """A machine with another number of processors than asked for is reported as fine."""

    @with_theirs
    def test_theirs(self, modules, world):
        ran = modules.theirs(name="web2", node="pve2", cores=4)
        assert (ran.failed, ran.changed) == (False, False)
        assert world.cluster.machines[101].config.current.get("cores") is None

    def test_ours(self, modules, world):
        ran = modules.ours(name=["web2"], cpus=4)
        assert (ran.failed, ran.changed) == (False, True), ran.msg
        assert world.cluster.machines[101].config.current["cores"] == "4"


class TestCheckMode:
    """A check says nothing at all."""

    @with_theirs
    def test_theirs(self, modules):
        ran = modules.theirs(name="web2", state="started", check=True)
        assert ran.result.get("skipped")

    def test_ours(self, modules, world):
        check = modules.ours(name=["web2"], state="started", cpus=4, check=True)
        assert (check.failed, check.changed) == (False, True)
        assert world.journal.writes() == []
        real = modules.ours(name=["web2"], state="started", cpus=4)
        assert real.result["diff"] == check.result["diff"]


class TestCheckOfSnapshots:
    """A check says that no snapshot would be removed, and the run removes it."""

    @with_theirs
    def test_theirs(self, modules, world):
        assert modules.theirs("proxmox_snap", hostname="web1", snapname="before", timeout=60).changed
        told = [
            modules.theirs("proxmox_snap", hostname="web1", snapname="before", state="absent", timeout=60, check=check)
            for check in (True, False)
        ]
        assert [one.changed for one in told] == [False, True], [one.msg for one in told]
        assert world.cluster.machines[100].config.snapshots == {}

    def test_ours(self, modules, world):
        assert modules.ours("snapshot", name=["web1"], snapshot="before").changed
        asked = {"name": ["web1"], "snapshot": "before", "state": "absent"}
        told = [modules.ours("snapshot", **asked, check=check) for check in (True, False)]
        assert [one.changed for one in told] == [True, True], [one.msg for one in told]
        assert world.cluster.machines[100].config.snapshots == {}
