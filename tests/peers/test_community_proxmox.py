# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""community.proxmox: its modules on the simulated cluster."""

from __future__ import annotations

import pytest

from peers.environment import Sides
from platforms.proxmox.modules import Modules
from simulators.proxmox import worlds
from simulators.proxmox.engine import DrivenClock
from simulators.proxmox.server import Server

KEYS = [f"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{letter * 43} one" for letter in "AB"]
pytestmark = pytest.mark.deep("what ours does in these cases is among its own tests of a full run")


class Proxmox(Sides):
    module = "community.proxmox.proxmox_kvm"

    @property
    def connection(self):
        """Named alike by both."""
        return self.platform.connection


@pytest.fixture(name="world")
def _world():
    world = worlds.with_cases(DrivenClock())
    yield world
    assert world.tasks.crashes == []


@pytest.fixture(name="cluster")
def _cluster(world, tmp_path):
    with Server(world, tick=1) as server:
        yield Proxmox(Modules(server, tmp_path), tmp_path)


def _names(world):
    return sorted(one.config.current.get("name", "") for one in world.cluster.machines.values())


def _flags(answers):
    return [(one.failed, one.changed) for one in answers]


OK, CHANGED = (False, False), (False, True)


class TestSameUpdateTwice:
    """D26: update a VM with the memory that it has"""

    def test_theirs(self, cluster):
        """A change in every run."""
        asked = {"name": "web2", "node": "pve2", "memory": 2048, "update": True}
        assert _flags(cluster.theirs(asked, asked)) == [CHANGED] * 2

    def test_ours(self, cluster, world):
        """No change; nothing is sent."""
        assert _flags(cluster.ours(name=["web2"], node="pve2", memory="2048") for _run in range(2)) == [OK] * 2
        assert world.journal.writes() == []


class TestSameKeysTwice:
    """D27: update a VM with the public keys that it has"""

    def test_theirs(self, cluster, world):
        """A change in every run; the keys are sent again."""
        asked = {"name": "web2", "node": "pve2", "sshkeys": "\n".join(KEYS), "update": True}
        assert _flags(cluster.theirs(asked, asked)) == [CHANGED] * 2
        assert len(world.journal.writes()) == 2

    def test_ours(self, cluster):
        """The second run changes nothing."""
        asked = {"name": ["web2"], "cloud_init": {"ssh_authorized_keys": KEYS}}
        assert _flags(cluster.ours(**asked) for _run in range(2)) == [CHANGED, OK]


class TestSameCloneTwice:
    """D28: clone a template in every run"""

    def test_theirs(self, cluster, world):
        """The second run creates a second VM with the same name."""
        asked = {"clone": "tmpl", "name": "web9", "node": "pve1", "full": False, "format": "unspecified", "timeout": 60}
        assert _flags(cluster.theirs(asked, asked)) == [CHANGED] * 2
        assert _names(world).count("web9") == 2

    def test_ours(self, cluster, world):
        """The second run changes nothing."""
        asked = {"name": ["web9"], "clone": {"source": "tmpl", "linked": True}}
        assert _flags(cluster.ours(**asked) for _run in range(2)) == [CHANGED, OK]
        assert _names(world).count("web9") == 1


class TestIdOfExistingClone:
    """D29: register the id of a clone that exists"""

    def test_theirs(self, cluster):
        """Returns the id of the template."""
        asked = {"clone": "tmpl", "newid": 150, "name": "web9", "node": "pve1", "full": False, "format": "unspecified"}
        first, second = cluster.theirs(*[{**asked, "timeout": 60}] * 2)
        assert _flags([first, second]) == [CHANGED, OK]
        assert (first.result["vmid"], second.result["vmid"]) == (150, 9000)

    def test_ours(self, cluster):
        """Returns the id of the clone."""
        asked = {"name": ["web9"], "vmid": 150, "clone": {"source": "tmpl", "linked": True}}
        assert [cluster.ours(**asked).vm("web9")["id"] for _run in range(2)] == ["150", "150"]


@pytest.mark.parametrize(("their_state", "state"), [("paused", "paused"), ("hibernated", "suspended")])
class TestPause:
    """D30: pause or hibernate a VM that runs"""

    def test_theirs(self, cluster, their_state, state):
        """Fails with an error of Python."""
        (answer,) = cluster.theirs({"name": "web1", "state": their_state})
        assert answer.failed
        assert "suspend" in answer.msg

    def test_ours(self, cluster, their_state, state):
        """Does it."""
        answer = cluster.ours(name=["web1"], state=state)
        assert (answer.failed, answer.vm("web1")["state"]) == (False, state), answer.msg


class TestRemovalOfRunningVm:
    """D31: delete a VM that runs"""

    def test_theirs(self, cluster, world):
        """Reports success and no change; the VM is still there."""
        assert _flags(cluster.theirs({"name": "web1", "state": "absent"})) == [OK]
        assert "web1" in _names(world)

    def test_ours(self, cluster, world):
        """Stops and deletes it."""
        assert _flags([cluster.ours(name=["web1"], state="absent", stop_mode="force")]) == [CHANGED]
        assert "web1" not in _names(world)


class TestOtherCores:
    """D32: give a VM four cores instead of one"""

    def test_theirs(self, cluster, world):
        """Reports success and no change."""
        assert _flags(cluster.theirs({"name": "web2", "node": "pve2", "cores": 4})) == [OK]
        assert world.cluster.machines[101].config.current.get("cores") is None

    def test_ours(self, cluster, world):
        """Changes it."""
        assert _flags([cluster.ours(name=["web2"], cpus=4)]) == [CHANGED]
        assert world.cluster.machines[101].config.current["cores"] == "4"


class TestOtherDiskSize:
    """D33: grow a disk from 32 to 64 GiB"""

    def test_theirs(self, cluster, world):
        """Reports success and no change: the disk is up to date."""
        asked = {"name": "web2", "disk": "scsi0", "storage": "local-lvm", "size": "64"}
        (answer,) = cluster.theirs(asked, module="community.proxmox.proxmox_disk")
        assert _flags([answer]) == [OK]
        assert "size=32G" in world.cluster.machines[101].config.current["scsi0"]

    def test_ours(self, cluster, world):
        """Grows it."""
        assert _flags([cluster.ours(name=["web2"], disks=[{"slot": "scsi0", "size": "64G"}])]) == [CHANGED]
        assert "size=64G" in world.cluster.machines[101].config.current["scsi0"]


class TestCheckMode:
    """D34: check a task that starts a VM"""

    def test_theirs(self, cluster):
        """The task is skipped."""
        (answer,) = cluster.theirs({"name": "web2", "state": "started", "check": True})
        assert answer.result["skipped"]

    def test_ours(self, cluster, world):
        """Reports the change that the run then makes, with the same diff."""
        asked = {"name": ["web2"], "state": "started", "cpus": 4}
        check = cluster.ours(**asked, check=True)
        assert _flags([check]) == [CHANGED]
        assert world.journal.writes() == []
        assert cluster.ours(**asked).diff == check.diff


class TestCheckOfSnapshot:
    """D35: check a task that removes a snapshot, then run it"""

    def test_theirs(self, cluster, world):
        """Reports no change; the run removes it."""
        asked = {"hostname": "web1", "snapname": "before", "timeout": 60}
        gone = {**asked, "state": "absent"}
        answers = cluster.theirs(asked, {**gone, "check": True}, gone, module="community.proxmox.proxmox_snap")
        assert _flags(answers) == [CHANGED, OK, CHANGED]
        assert world.cluster.machines[100].config.snapshots == {}

    def test_ours(self, cluster, world):
        """Reports the change that the run then makes."""
        assert cluster.ours("snapshot", name=["web1"], snapshot="before").changed
        asked = {"name": ["web1"], "snapshot": "before", "state": "absent"}
        assert _flags(cluster.ours("snapshot", **asked, check=check) for check in (True, False)) == [CHANGED] * 2
        assert world.cluster.machines[100].config.snapshots == {}
