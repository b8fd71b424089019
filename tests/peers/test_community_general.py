# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""community.general: its inventory plugin virtualbox, on the VirtualBox double, against vbox_vm_info."""

from __future__ import annotations

import pytest

from peers.environment import Sides
from platforms.virtualbox import double_registry

pytestmark = pytest.mark.deep("what ours does in these cases is among its own tests of a full run")
_FAILING = "#!/bin/sh\necho 'VBoxManage: error: Failed to create the VirtualBox object!' >&2\nexit 1\n"


class _Registry:
    """A platform as far as ``carry_one`` asks."""

    family, word = "polyvirt.core.vbox", "vm"

    def __init__(self, box):
        self.programs = box.executable.parent

    def options(self, _about):
        return {}


class VirtualBox(Sides):
    def __init__(self, box, folder):
        super().__init__(_Registry(box), folder)
        self.box = box

    def hosts(self):
        """What the plugin finds: (hosts with variables, groups)."""
        return self.their_inventory("community.general.virtualbox", "source.virtualbox.yml")

    def vms(self):
        """What vbox_vm_info returns."""
        answer = self.ours("vm_info")
        assert not answer.failed, answer.msg
        return answer.vms

    def apart(self, uuid):
        """Move a VM's files to a folder of their own."""
        folder = self.folder / "apart"
        folder.mkdir()
        self.box.run("movevm", uuid, "--folder", folder)
        return folder


@pytest.fixture
def registry(tmp_path):
    with double_registry.VirtualBox(tmp_path / "virtualbox") as box:
        yield VirtualBox(box, tmp_path)


class TestNameWithComma:
    """D21: list VMs, one with a comma in its name"""

    @pytest.fixture(autouse=True)
    def _made(self, registry):
        registry.box.make("web")
        registry.box.run("modifyvm", registry.box.make("db, second"), "--memory", 64)

    def test_theirs(self, registry):
        """The VM is missing, and its settings are shown as those of another VM."""
        hosts, _groups = registry.hosts()
        assert {name: one["vbox_Memory_size"] for name, one in hosts.items()} == {"web": "64MB"}

    def test_ours(self, registry):
        """Both are there with their settings."""
        assert {vm["name"]: vm["memory_mib"] for vm in registry.vms()} == {"web": 16, "db, second": 64}


class TestDescription:
    """D22: list a VM with a description of several lines"""

    @pytest.fixture(autouse=True)
    def _made(self, registry):
        registry.box.run("modifyvm", registry.box.make("web"), "--description", "Shop\nName: payroll\nGroups: /prod")

    def test_theirs(self, registry):
        """Reads its lines as settings: a host and a group that nobody created."""
        hosts, groups = registry.hosts()
        assert (set(hosts), groups) == ({"web", "payroll"}, {"prod"})

    def test_ours(self, registry):
        """Returns it as text."""
        assert [(vm["name"], vm["description"].split("\n")[0]) for vm in registry.vms()] == [("web", "Shop")]


class TestTwoGroups:
    """D23: list a VM that is in two groups"""

    @pytest.fixture(autouse=True)
    def _made(self, registry):
        registry.box.run("modifyvm", registry.box.make("web"), "--groups", "/lab,/prod")

    def test_theirs(self, registry):
        """The first group is called `lab,`."""
        assert registry.hosts()[1] == {"lab,", "prod"}

    def test_ours(self, registry):
        """Returns both."""
        assert [sorted(vm["settings"]["groups"]) for vm in registry.vms()] == [["/lab", "/prod"]]


class TestSameNameTwice:
    """D24: list two VMs of the same name"""

    @pytest.fixture(autouse=True)
    def _made(self, registry):
        moved = registry.box.make("other")
        registry.apart(moved)
        registry.box.run("modifyvm", moved, "--name", "web")
        registry.box.make("web")

    def test_theirs(self, registry):
        """One host, with settings of both."""
        assert list(registry.hosts()[0]) == ["web"]

    def test_ours(self, registry):
        """Two VMs, each with its id."""
        assert len({vm["id"] for vm in registry.vms() if vm["name"] == "web"}) == 2


class TestVirtualBoxFails:
    """D25: list VMs while VirtualBox fails"""

    @pytest.fixture(autouse=True)
    def _broken(self, registry):
        registry.box.write_executable(_FAILING)

    def test_theirs(self, registry):
        """Success, with an empty inventory: a play over it does nothing."""
        assert registry.hosts() == ({}, set())

    def test_ours(self, registry):
        """Fails with the message of VirtualBox."""
        answer = registry.ours("vm_info")
        assert answer.failed
        assert "Failed to create the VirtualBox object" in answer.msg
