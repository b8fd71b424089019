# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""molecule-plugins: its module vagrant, on the Vagrant double with VMs of Hyper-V, which only Vagrant itself knows."""

from __future__ import annotations

import pytest

from peers.environment import Sides, packages
from platforms.vagrant import double_project, real

pytestmark = pytest.mark.deep("what ours does in these cases is among its own tests of a full run")
PROVIDER = "hyperv"
WEB, DB, OWN = {"name": "web"}, {"name": "db"}, "# written by the user\n"


class _Project:
    """A platform as far as ``carry_one`` asks."""

    family, word = "polyvirt.core.vagrant", "instance"

    def __init__(self, vagrant):
        self.vagrant, self.programs = vagrant, vagrant.bin

    def options(self, _about):
        return {"project_dir": str(self.vagrant.project)}


class Vagrant(Sides):
    module = "vagrant"

    def __init__(self, folder):
        boxes = [{"name": real.BOX, "provider": PROVIDER, "version": "0"}]
        self.vagrant = double_project.Vagrant(folder, usable=[PROVIDER], boxes=boxes)
        self.file = self.vagrant.project / "Vagrantfile"
        super().__init__(_Project(self.vagrant), folder)

    @property
    def connection(self):
        return {"workdir": str(self.vagrant.project), "provider_name": PROVIDER, "default_box": real.BOX}

    @property
    def variables(self):
        return {"ANSIBLE_LIBRARY": str(packages() / "molecule_plugins/vagrant/modules")}

    def up(self, *names, **options):
        """The Answer to a task of ours that creates and starts VMs."""
        answer = self.ours(name=list(names), box=real.BOX, state="started", **options)
        assert not answer.failed, answer.msg
        return answer

    def powers(self):
        """{VM: power state} in the provider."""
        machines = self.vagrant.state()["machines"].values()
        return {one["name"].partition("_")[2]: one["state"] for one in machines}


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.setenv("VAGRANT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("VAGRANT_DEFAULT_PROVIDER", PROVIDER)
    return Vagrant(tmp_path)


class TestCheckMode:
    """D14: check a task that starts a VM"""

    def test_theirs(self, project):
        """The task is skipped."""
        (answer,) = project.theirs({"instances": [WEB], "check": True})
        assert answer.result["skipped"]

    def test_ours(self, project):
        """Reports the change that the run then makes, with the same diff."""
        asked = {"name": ["web"], "box": real.BOX, "state": "started"}
        check = project.ours(**asked, check=True)
        assert (check.changed, project.powers()) == (True, {})
        assert project.ours(**asked).diff == check.diff


class TestVagrantfileOfTheUser:
    """D15: stop a VM in a folder in which the user has a Vagrantfile"""

    def test_theirs(self, project):
        """Overwrites the file and reports no change."""
        project.file.write_text(OWN)
        (answer,) = project.theirs({"instances": [WEB], "state": "halt"})
        assert (answer.failed, answer.changed) == (False, False)
        assert OWN not in project.file.read_text()

    def test_ours(self, project):
        """Has a file of its own."""
        project.file.write_text(OWN)
        project.up("web")
        assert not project.ours(name=["web"], state="stopped").failed
        assert project.file.read_text() == OWN


class TestTaskForOneOfTwo:
    """D16: stop one of the two VMs of a project"""

    def test_theirs(self, project):
        """Removes the other one, which runs on, from the Vagrantfile: Vagrant does not know it any more."""
        answers = project.theirs({"instances": [WEB, DB]}, {"instances": [WEB], "state": "halt"})
        assert not any(one.failed for one in answers)
        assert project.powers() == {"web": "off", "db": "running"}
        assert '"db"' not in project.file.read_text()

    def test_ours(self, project):
        """Leaves the other one as it is."""
        project.up("web", "db")
        assert not project.ours(name=["web"], state="stopped").failed
        assert [(vm["name"], vm["state"]) for vm in project.ours("vm_info").vms] == [
            ("db", "running"),
            ("web", "stopped"),
        ]


@pytest.mark.parametrize(("their_state", "state"), [("halt", "stopped"), ("destroy", "absent")])
class TestFailedCommand:
    """D17: stop or delete a VM, and Vagrant's command fails"""

    def test_theirs(self, project, their_state, state):
        """Reports success and a change; the VM runs on."""
        project.vagrant.fails(their_state, "SomeError")
        answers = project.theirs({"instances": [WEB]}, {"instances": [WEB], "state": their_state})
        assert [(one.failed, one.changed) for one in answers] == [(False, True)] * 2
        assert project.powers() == {"web": "running"}

    def test_ours(self, project, their_state, state):
        """Fails with Vagrant's message."""
        project.up("web")
        project.vagrant.fails(their_state, "SomeError", "No space left")
        answer = project.ours(name=["web"], state=state)
        assert answer.failed
        assert "No space left" in answer.msg


class TestStopOfSuspendedVm:
    """D18: stop a VM that is suspended"""

    def test_theirs(self, project):
        """Reports success and no change; the VM stays suspended."""
        project.theirs({"instances": [WEB]})
        project.vagrant.call("suspend", "web", VAGRANT_VAGRANTFILE="Vagrantfile")
        (before,) = project.powers().values()
        (answer,) = project.theirs({"instances": [WEB], "state": "halt"})
        assert (answer.failed, answer.changed, project.powers()) == (False, False, {"web": before})
        assert before not in ("running", "off")

    def test_ours(self, project):
        """Stops it."""
        project.up("web")
        project.vagrant.call("suspend", "web")
        answer = project.ours(name=["web"], state="stopped", stop_mode="force")
        assert (answer.failed, answer.changed, project.powers()) == (False, True, {"web": "off"}), answer.msg


class TestOtherMemory:
    """D19: give a running VM more memory"""

    def test_theirs(self, project):
        """Reports no change and does not say that the VM still has the old size."""
        more = {"instances": [{**WEB, "memory": 2048}]}
        _created, answer = project.theirs({"instances": [WEB]}, more)
        assert (answer.failed, answer.changed, answer.result.get("warnings")) == (False, False, None)
        assert ".memory = 2048" in project.file.read_text()

    def test_ours(self, project):
        """Reports the change, and warns that it waits for the next start."""
        project.up("web", memory="512M")
        answer = project.up("web", memory="2G")
        assert (answer.changed, answer.vm("web")["restart_required"]) == (True, ["memory"])
        assert "memory" in str(answer.result["warnings"])


class TestAmpersand:
    """D20: set an option to a text with an ampersand"""

    def test_theirs(self, project):
        """Writes it as HTML."""
        project.theirs({"instances": [{**WEB, "config_options": {"vm.post_up_message": "R&D"}}], "state": "halt"})
        assert '"R&amp;D"' in project.file.read_text()

    def test_ours(self, project):
        """Writes it as it is."""
        project.up("web", native={"vm.post_up_message": "R&D"})
        text = (project.vagrant.project / "Vagrantfile.polyvirt").read_text()
        assert "R&D" in text
        assert "&amp;" not in text
