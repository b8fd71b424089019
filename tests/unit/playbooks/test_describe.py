# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Playbook describe: VMs of four platforms as code, which in check mode reports exactly the VMs that were changed."""

from __future__ import annotations

import json
import re
import shutil

import pytest

from collection_path import CHECKOUT
from platforms.virtualbox.double_registry import VirtualBox
from platforms.vmm.double_host import OpenBSD
from simulators.proxmox import worlds
from simulators.proxmox.config import Config
from simulators.proxmox.server import Server

pytestmark = pytest.mark.full

_DOMAIN = """\
<domain type='test'><name>kvm{number}</name><uuid>00000000-0000-4000-8000-{number:012}</uuid>
<memory unit='MiB'>{memory}</memory><vcpu>1</vcpu><os><type arch='i686'>hvm</type></os>
<devices><disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='{folder}/kvm{number}.qcow2'/>
<target dev='vda' bus='virtio'/></disk></devices>
<test:runstate xmlns:test='http://libvirt.org/schemas/domain/test/1.0'>{state}</test:runstate></domain>
"""


class Libvirt:
    """The test driver reads its VMs from a file at each connection."""

    name, prefix = "libvirt", "kvm"

    def __init__(self, folder, count):
        self._folder, self._memory = folder, [128] * count
        for number in range(count):
            (folder / f"kvm{number}.qcow2").touch()
        self._write()

    def _write(self):
        vms = [
            _DOMAIN.format(number=number, memory=memory, folder=self._folder, state=5 if number % 2 else 1)
            for number, memory in enumerate(self._memory)
        ]
        (self._folder / "node.xml").write_text(f"<node>{''.join(vms)}</node>", encoding="utf-8")

    def options(self):
        return {"uri": f"test://{self._folder}/node.xml"}

    def change(self, number):
        self._memory[number] += 64
        self._write()


class Box:
    name, prefix = "virtualbox", "box"

    def __init__(self, folder, count):
        self._box = VirtualBox(folder / "virtualbox")
        for number in range(count):
            self._box.run("createvm", "--name", f"box{number}", "--register", "--basefolder", folder / "vms")

    def options(self):
        return {"executable": str(self._box.executable)}

    def change(self, number):
        self._box.run("modifyvm", f"box{number}", "--cpus", "2")


class Vmd:
    name, prefix = "vmd", "obsd"

    def __init__(self, folder, count):
        self._host, self._memory, self._folder = OpenBSD(folder / "openbsd"), ["64M"] * count, folder
        self._host.write("/var/run/dmesg.boot", "vmm0 at mainbus0: VMX/EPT\n")
        self._host.call("vmctl", "create", "-s", "16M", str(folder / "disk.qcow2"))
        for number in range(count):
            shutil.copy(folder / "disk.qcow2", folder / f"obsd{number}.qcow2")
        self._write()
        for action in ("enable", "start"):
            assert self._host.call("rcctl", action, "vmd").returncode == 0

    def _write(self):
        lines = [
            f'vm "obsd{number}" {{\n\tdisable\n\tmemory {memory}\n\tdisk "{self._folder}/obsd{number}.qcow2"\n}}\n'
            for number, memory in enumerate(self._memory)
        ]
        self._host.write("/etc/vm.conf", "".join(lines))

    def environment(self):
        return self._host.environment()

    def options(self):
        return {"config_file": str(self._host.file("/etc/vm.conf"))}

    def change(self, number):
        self._memory[number] = "96M"
        self._write()
        assert self._host.call("vmctl", "reload").returncode == 0


class Cluster:
    name, prefix = "proxmox", "vm-"

    def __init__(self, world, server):
        self._world, self._server = world, server

    def options(self):
        return {
            "api_host": "localhost",
            "api_port": self._server.port,
            "api_user": "root@pam",
            "api_token_id": "test",
            "ca_path": str(self._server.authority),
        }

    def environment(self):
        return {"PROXMOX_TOKEN_SECRET": worlds.TOKEN_SECRET}

    def change(self, number):
        machine = self._world.cluster.machines[100 + number]
        machine.write(Config(current={**machine.config.current, "cores": "3"}))


@pytest.fixture(name="single")
def _single(tmp_path, ansible_playbook):
    """An inventory with one source, which has two VMs."""
    assert shutil.which("virsh"), "These tests run real virsh: install libvirt-clients."
    return Lab(tmp_path, ansible_playbook, [Libvirt(tmp_path, 2)])


@pytest.fixture(name="lab")
def _lab(tmp_path, ansible_playbook, count):
    assert shutil.which("virsh"), "These tests run real virsh: install libvirt-clients."
    world = worlds.with_many(count)
    with Server(world) as server:
        platforms = [Libvirt(tmp_path, count), Box(tmp_path, count), Vmd(tmp_path, count), Cluster(world, server)]
        yield Lab(tmp_path, ansible_playbook, platforms)


class Lab:
    """An inventory with a source for each of ``platforms``."""

    def __init__(self, folder, ansible_playbook, platforms):
        self.folder, self._ansible_playbook, self.platforms = folder, ansible_playbook, platforms
        self.inventory = folder / "lab.polyvirt.yml"
        self.out = folder / "out"
        self.define()

    def define(self, *more):
        sources = [{"platform": one.name, "options": one.options()} for one in self.platforms]
        definition = {"plugin": "polyvirt.core.vms", "sources": [*sources, *more]}
        self.inventory.write_text(json.dumps(definition), encoding="utf-8")

    def run(self, *words):
        """Run ansible-playbook and return (exit code, output)."""
        environment = {"ANSIBLE_PYTHON_INTERPRETER": "auto_silent"}
        for one in self.platforms:
            environment.update(one.environment() if hasattr(one, "environment") else {})
        return self._ansible_playbook("-i", self.inventory, *words, environment=environment, folder=self.folder)

    def describe(self, *words):
        return self.run("polyvirt.core.describe", "-e", "describe_directory=out", *words)

    def drifted(self):
        """The names of the VMs that the generated playbooks report in check mode."""
        files = sorted(self.out.glob("*.yml"))
        code, output = self.run(*files, "--check", "--diff")
        assert code == 0, output
        assert len(files) == len(self.platforms)
        names = re.findall(r"^--- before: (\S+)$", output, re.MULTILINE)
        assert len(names) == len(set(names))
        return set(names)

    def names(self, number):
        return {self.name(one, number) for one in self.platforms}

    def name(self, platform, number):
        return f"vm-{number + 1:03}" if platform.name == "proxmox" else f"{platform.prefix}{number}"


#: After how many changes of each platform the playbooks are run.
_CHECKED = (1, 2, 3, 10, 25, 50)
_MANY = pytest.param(50, marks=pytest.mark.deep("the same with two VMs on each platform"))


@pytest.mark.parametrize("count", [2, _MANY])
def test_checks_report_exactly_the_vms_that_were_changed(lab, count):
    code, output = lab.describe()
    assert code == 0, output
    text = "".join(path.read_text(encoding="utf-8") for path in lab.out.glob("*.yml"))
    assert text.count("state:") == 4 * count
    assert worlds.TOKEN_SECRET not in text
    assert lab.drifted() == set()
    expected = set()
    for number in range(count):
        for platform in lab.platforms:
            platform.change(number)
        expected |= lab.names(number)
        if number + 1 in _CHECKED:
            assert lab.drifted() == expected


def test_file_that_a_person_changed_is_kept_and_a_dead_source_fails_the_run(single):
    file = single.out / "libvirt.yml"
    single.define({"platform": "virtualbox", "options": {"executable": "/nowhere/VBoxManage"}})
    code, output = single.describe()
    assert code != 0
    assert "source virtualbox: virtualbox does not answer: /nowhere/VBoxManage is not an executable" in output
    assert [path.name for path in single.out.iterdir()] == ["libvirt.yml"]
    mine = file.read_text(encoding="utf-8").replace("128M", "{{ memory_of_web }}")
    file.write_text(mine, encoding="utf-8")
    single.define()
    code, output = single.describe()
    assert (code, "changed=0" in output) == (0, True), output
    assert file.read_text(encoding="utf-8") == mine
    assert "libvirt.yml was changed by hand, so it was not overwritten." in " ".join(output.split())
    assert re.search(r'"-            memory: .*memory_of_web', output)
    assert '"+            memory: 128M"' in output


def test_file_of_the_guide_imports_the_playbook(single):
    """ansible-navigator finds no playbook of a collection by its name."""
    guide = (CHECKOUT / "docs/awx.md").read_text(encoding="utf-8")
    (text,) = re.findall(r"^```yaml\n# describe\.yml\n(.*?)^```$", guide, re.DOTALL | re.MULTILINE)
    (single.folder / "describe.yml").write_text(text, encoding="utf-8")
    code, output = single.run("describe.yml", "-e", "describe_directory=out")
    assert (code, (single.out / "libvirt.yml").exists()) == (0, True), output


def test_variables_of_hosts_are_those_of_provision_group(single):
    code, output = single.describe("--check", "-e", "describe_form=host_vars")
    assert (code, "changed=1" in output, single.out.exists()) == (0, True, False), output
    assert single.describe("-e", "describe_form=host_vars")[0] == 0
    assert sorted(path.name for path in (single.out / "host_vars").iterdir()) == ["kvm0.yml", "kvm1.yml"]
    (single.folder / "key.pub").write_text("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAAUE= test\n", encoding="utf-8")
    words = ("--check", "-e", "provision_group=described", "-e", f"vm_ssh_key_file={single.folder}/key")
    code, output = single.run("-i", single.out, "polyvirt.core.provision_group", *words)
    assert code == 0, output
    assert set(re.findall(r"changed=(\d+)", output)) == {"0"}


def test_misspelt_variable_is_an_error(single):
    code, output = single.describe("-e", "describe_from=host_vars")
    assert code != 0
    assert "describe_from: the playbook has no such variable." in " ".join(output.split())
