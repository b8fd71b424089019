# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""community.libvirt: the module virt on libvirt's test driver and on real QEMU."""

from __future__ import annotations

import pytest

from peers.libvirt_sides import CHANGED, FAILED, OK, WEB, flags, opened
from platforms.libvirt import qemu, testdriver

pytestmark = pytest.mark.deep("what ours does in these cases is among its own tests of a full run")
_POOL = "pvd-pool"
_NIC = "<interface type='network'><source network='default'/></interface>"


@pytest.fixture
def host(tmp_path):
    """libvirt's test driver."""
    with opened(testdriver.Platform("pvd-"), tmp_path) as found:
        yield found


@pytest.fixture
def real(tmp_path):
    """Real QEMU; its guests are in their firmware, which ignores the power button."""
    with opened(qemu.Platform("pvd-"), tmp_path) as found:
        yield found
        found.platform.virsh("pool-destroy", _POOL, check=False)


class TestSameDefinitionTwice:
    """D1: define the same VM with a NIC in every run"""

    def test_theirs(self, host):
        """Each run is a change and gives the NIC another MAC address."""
        answers = host.theirs(*[host.define(nic=_NIC)] * 3)
        assert flags(answers) == [CHANGED] * 3
        assert len({one.diff["after"].partition("mac address=")[2][:20] for one in answers[1:]}) == 2

    def test_ours(self, host):
        """The second run changes nothing."""
        asked = {"networks": [host.platform.cloneable_nic]}
        first = host.created(**asked)
        second = host.ours(name=[WEB], **asked)
        assert (second.failed, second.changed) == OK
        assert first.vm(WEB)["networks"] == second.vm(WEB)["networks"]


class TestCheckOfSameDefinition:
    """D2: check a task for a VM that is defined already, then run it"""

    def test_theirs(self, host):
        """Check mode reports a change that the run does not make: it compares the text of two XML documents."""
        asked = host.define()
        assert flags(host.theirs(asked, {**asked, "check": True}, asked)) == [CHANGED, CHANGED, OK]

    def test_ours(self, host):
        """Check mode and run agree."""
        host.created()
        assert (
            flags(host.ours(**host.platform.creation, name=[WEB], check=check) for check in (True, False)) == [OK] * 2
        )


class TestCheckOfInvalidSetting:
    """D3: check a task with a number of CPUs that libvirt rejects"""

    def test_theirs(self, host):
        """Check mode reports a change; the run fails."""
        asked = host.define(cpus=0)
        assert flags(host.theirs(host.define(), {**asked, "check": True}, asked)) == [CHANGED, CHANGED, FAILED]

    def test_ours(self, host):
        """Check mode fails as the run does, and names the option."""
        host.created()
        check, run = (host.ours(name=[WEB], cpus=0, check=check) for check in (True, False))
        assert flags([check, run]) == [FAILED] * 2
        assert check.msg == run.msg
        assert "cpus" in run.msg


class TestStartReportsNoChange:
    """D4: start a VM and enable its autostart"""

    def test_theirs(self, host):
        """`command: start` does both and reports `changed: false`."""
        host.platform.bring({WEB: "stopped"})
        answers = host.theirs({"name": WEB, "command": "start", "autostart": True})
        assert (flags(answers), host.power()) == ([OK], "running")
        assert host.platform.truth([WEB])[WEB]["autostart"]

    def test_ours(self, host):
        """Reports the change and shows both in the diff."""
        host.platform.bring({WEB: "stopped"})
        answer = host.ours(name=[WEB], state="started", autostart=True)
        assert (flags([answer]), host.power()) == ([CHANGED], "running")
        assert {"state", "autostart"} <= set(answer.diff_of(WEB)["after"])


class TestPauseOfStoppedVm:
    """D5: pause a VM that does not run"""

    def test_theirs(self, host):
        """`state: paused` succeeds and the VM is not paused."""
        host.platform.bring({WEB: "stopped"})
        assert (flags(host.theirs({"name": WEB, "state": "paused"})), host.power()) == ([OK], "stopped")

    def test_ours(self, host):
        """Fails and says what to do first."""
        host.platform.bring({WEB: "stopped"})
        answer = host.ours(name=[WEB], state="paused")
        assert flags([answer]) == [FAILED]
        assert "state: started" in answer.msg


class TestRemovalOfAbsentVm:
    """D6: delete a VM that does not exist"""

    def test_theirs(self, host):
        """Check mode of `command: undefine` succeeds; the run fails."""
        asked = {"name": WEB, "command": "undefine"}
        assert flags(host.theirs({**asked, "check": True}, asked)) == [OK, FAILED]

    def test_ours(self, host):
        """Nothing to do in both."""
        assert flags(host.ours(name=[WEB], state="absent", check=check) for check in (True, False)) == [OK] * 2


class TestRemovalOfRunningVm:
    """D7: delete a VM that runs"""

    def test_theirs(self, host):
        """`command: undefine` reports success and the VM runs on; libvirt forgets it once it stops."""
        host.platform.bring({WEB: "running"})
        assert (flags(host.theirs({"name": WEB, "command": "undefine"})), host.power()) == ([CHANGED], "running")
        host.platform.virsh("destroy", WEB)
        assert WEB not in host.platform.ids()

    def test_ours(self, host):
        """Stops it first; then it is gone."""
        host.platform.bring({WEB: "running"})
        assert flags([host.ours(name=[WEB], state="absent", stop_mode="force")]) == [CHANGED]
        assert WEB not in host.platform.ids()


class TestNicWithoutSource:
    """D8: list the NICs of a VM, of type user"""

    def test_theirs(self, host):
        """Fails with an error of Python."""
        answers = host.theirs(host.define(nic="<interface type='user'/>"), {"name": WEB, "command": "get_interfaces"})
        assert flags(answers) == [CHANGED, FAILED]
        assert answers[1].msg == "'NoneType' object has no attribute 'get'"

    def test_ours(self, host):
        """Returns type and MAC address."""
        host.created(networks=[{"type": "user"}])
        (nic,) = host.ours("vm_info", name=[WEB]).vm(WEB)["networks"]
        assert nic["type"] == "user"
        assert nic["mac"]


class TestDiskOutsideOfPools:
    """D9: delete a VM with its disk, which is in no storage pool"""

    def test_theirs(self, host):
        """`command: undefine` with `force: true` fails; check mode reports a change."""
        host.platform.bring({WEB: "stopped"})
        asked = {"name": WEB, "command": "undefine", "force": True}
        answers = host.theirs({**asked, "check": True}, asked)
        assert flags(answers) == [CHANGED, FAILED]
        assert "Storage volume not found" in answers[1].msg

    def test_ours(self, host):
        """Deletes both."""
        host.created()
        assert host.platform.files() != []
        assert flags([host.ours(name=[WEB], state="absent")]) == [CHANGED]
        assert (host.platform.files(), WEB in host.platform.ids()) == ([], False)


class TestGuestIgnoresShutdown:
    """D10: shut down a VM with a guest that ignores the power button"""

    def test_theirs(self, real):
        """Every run reports success and a change; the VM runs on."""
        real.platform.bring({WEB: "running"})
        assert flags(real.theirs(*[{"name": WEB, "state": "shutdown"}] * 2)) == [CHANGED] * 2
        assert real.power() == "running"

    def test_ours(self, real):
        """Fails after `stop_timeout` and says what to do."""
        real.platform.bring({WEB: "running"})
        answer = real.ours(name=[WEB], state="stopped", stop_timeout=1)
        assert (answer.failed, real.power()) == (True, "running")
        assert "set stop_mode: graceful_then_force" in answer.msg


class TestStartOfCrashedVm:
    """D11: start a VM with a crashed guest"""

    def test_theirs(self, real):
        """Fails, because the VM "is already running"; `state: shutdown` fails, because it "is not running"."""
        real.platform.bring({WEB: "failed"})
        started, stopped = real.theirs({"name": WEB, "state": "running"}, {"name": WEB, "state": "shutdown"})
        assert (started.failed, stopped.failed) == (True, True)
        assert "already running" in started.msg
        assert "not running" in stopped.msg

    def test_ours(self, real):
        """Names the failure and the way out; with `stop_mode: force` it starts the VM."""
        real.platform.bring({WEB: "failed"})
        assert "stop_mode: force" in real.ours(name=[WEB], state="started").msg
        assert flags([real.ours(name=[WEB], state="started", stop_mode="force")]) == [CHANGED]
        assert real.power() == "running"


def _create_pool(host):
    """The pool of the VMs' disks: without one, theirs deletes none."""
    host.platform.virsh("pool-create-as", _POOL, "dir", "--target", str(host.platform.storage))


def _with_iso_in_a_pool(host):
    host.platform.virsh("change-media", WEB, "sda", host.platform.medium(), "--config")
    _create_pool(host)


class TestIsoOfDeletedVm:
    """D12: delete a VM with its disks while an ISO image is in its drive"""

    def test_theirs(self, real):
        """`command: undefine` with `force: true` deletes the ISO image too, whoever else uses it."""
        real.platform.bring({WEB: "stopped"})
        _with_iso_in_a_pool(real)
        assert flags(real.theirs({"name": WEB, "command": "undefine", "force": True})) == [CHANGED]
        assert real.platform.files() == []

    def test_ours(self, real):
        """Deletes the disks, never the ISO image."""
        real.platform.bring({WEB: "stopped"})
        _with_iso_in_a_pool(real)
        assert flags([real.ours(name=[WEB], state="absent", delete_disks="all")]) == [CHANGED]
        assert real.platform.files() == ["medium.iso"]


class TestDisksOfRunningVm:
    """D13: delete a VM with its disks while it runs"""

    def test_theirs(self, real):
        """`command: undefine` with `force: true` deletes the disks below the guest, which runs on."""
        real.platform.bring({WEB: "running"})
        _create_pool(real)
        assert flags(real.theirs({"name": WEB, "command": "undefine", "force": True})) == [CHANGED]
        assert (real.power(), real.platform.files()) == ("running", [])
        real.platform.virsh("destroy", WEB)

    def test_ours(self, real):
        """Deletes no file of a VM that it could not stop."""
        real.platform.bring({WEB: "running"})
        assert real.ours(name=[WEB], state="absent", delete_disks="all", stop_timeout=1).failed
        assert (real.power(), real.platform.files()) == ("running", [f"{WEB}-vda.qcow2"])
