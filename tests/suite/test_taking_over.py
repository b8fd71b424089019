# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/taking-over.md as it is typed: VMs that other tools created are described, checked, changed and backed up.

libvirt is the real one; VirtualBox and Hyper-V are doubles. Proxmox VE is the simulator with thirty VMs, of which two
have the same name, and one waits for its restart.
"""

from __future__ import annotations

import json
import re
import subprocess

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import RUNNING, STOPPED

from simulators.proxmox import fixture, worlds
from simulators.proxmox.config import Config
from simulators.proxmox.engine import RealClock
from simulators.proxmox.server import Server
from suite.reader import Reader, sections
from suite.source_host import host_of

pytestmark = pytest.mark.full

SECTIONS = sections("docs/taking-over.md")
DESCRIBE, CHECK, CHANGE, AGAIN, REPORT = [text for heading, text in SECTIONS.items() if re.match(r"\d\. ", heading)]
PLATFORMS = {"libvirt_qemu": "libvirt", "virtualbox_double": "VirtualBox", "hyperv": "Hyper-V"}


class Owner(Reader):
    """Somebody with VMs, in an empty directory."""

    def __init__(self, folder, section, environment):
        super().__init__(folder, environment)
        self.section = SECTIONS[section]

    def begin(self, host=()):
        """Write the files of the section; those of a host with an invented address get its variables."""
        self.type(SECTIONS[""])
        self.type(self.section, lambda code: code.startswith("# "))
        if "hosts.yml" in self.section:
            variables = self.folder / "inventory/host_vars/windows1.yml"
            variables.parent.mkdir()
            variables.write_text(json.dumps(dict(host)), encoding="utf-8")

    def back_up(self):
        return self.type(self.section, lambda code: "polyvirt.core.backup" in code)

    def described(self):
        (path,) = (self.folder / "vms").iterdir()
        return path.read_text(encoding="utf-8")

    def reported(self):
        """{VM: paths that differ}."""
        report = json.loads((self.folder / "polyvirt-report/report.json").read_text(encoding="utf-8"))
        vms = [one for one in report["vms"] if one["status"] != "ok"]
        return {one["name"]: [difference["path"] for difference in one["differences"]] for one in vms}


@pytest.fixture
def _srv(tmp_path):
    """An own /srv for backups in this world, which has that of the host."""
    (tmp_path / "srv").mkdir()
    subprocess.run(["mount", "--bind", tmp_path / "srv", "/srv"], check=True)
    yield
    subprocess.run(["umount", "/srv"], check=True)


@pytest.mark.usefixtures("_srv")
@pytest.mark.parametrize("platform_name", PLATFORMS)
def test_page_is_right_for_a_reader_with_vms(ground, shim, tmp_path, platform_name):
    platform = ground.open(platform_name, "web")
    platform.clean()
    platform.bring({"web1": STOPPED, "web2": RUNNING, "web3": STOPPED})
    before = platform.truth(["web2", "web3"])
    owner = Owner(tmp_path, PLATFORMS[platform_name], shim.environment(programs=platform.programs))
    try:
        with host_of(platform) as host, platform.hurried():
            owner.begin(host)
            assert owner.type(DESCRIBE)[0] == [1]
            assert owner.type(CHECK)[0] == [0]
            assert owner.type(CHANGE)[0] == [1, 1]
            assert owner.type(AGAIN)[0] == [1, 0]
            assert "memory: 1G" in owner.described()
            assert platform.truth(["web2", "web3"]) == before
            owner.run("sed -e s/web1/web3/ -e 's/memory: 1G/cpus: 2/' change.yml > other.yml")
            owner.run("ansible-playbook -i inventory other.yml")
            assert owner.type(REPORT)[0] == [1]
            assert owner.reported() == {"web3": ["cpus"]}
            if "Back them up" in owner.section:
                output = owner.back_up()[1]
                assert re.findall(r"^(created|passed) +\S+ +(\S+)", output, re.MULTILINE) == [
                    ("created", "web1"), ("created", "web2"), ("passed", "web1"),
                ]  # fmt: skip
    finally:
        platform.clean()


def _cluster():
    """Thirty VMs on three nodes; web3 is there twice, and web5 waits for its restart."""
    names = [*(f"web{number}" for number in range(1, 30)), "web3"]
    usual = {"memory": "2048", "cores": "2", "ostype": "l26", "boot": "order=scsi0"}
    vms = [
        {
            "vmid": 100 + place,
            "node": f"pve{place % 3 + 1}",
            "running": place % 2 == 0,
            "options": {**usual, "name": name},
        }
        for place, name in enumerate(names)
    ]
    storages = {"local-lvm": ("lvmthin", "images"), "backups": ("nfs", "backup")}
    given = {
        "nodes": {f"pve{number}": {} for number in (1, 2, 3)},
        "storages": {name: {"type": kind, "content": content, "shared": int(kind == "nfs")}
                     for name, (kind, content) in storages.items()},
        "bridges": ["vmbr0"],
        "vms": vms,
    }  # fmt: skip
    world = fixture.world(given, RealClock(20))
    waiting = world.cluster.machines[104]
    waiting.write(Config(current=waiting.config.current, pending={"memory": "4096"}))
    return world


def test_page_is_right_for_thirty_vms_of_proxmox(tmp_path):
    world = _cluster()
    with Server(world) as server:
        connection = {"HOST": "localhost", "PORT": str(server.port), "USER": "root@pam", "TOKEN_ID": "test"}
        connection.update(TOKEN_SECRET=worlds.TOKEN_SECRET, CA_PATH=str(server.authority))
        owner = Owner(tmp_path, "Proxmox VE", {f"PROXMOX_{name}": value for name, value in connection.items()})
        owner.begin()
        assert owner.type(DESCRIBE)[0] == [1]
        assert owner.described().count("- name: web3\n") == 2
        changed, output = owner.type(CHECK)
        assert changed == [1]
        assert re.findall(r"^--- before: (\S+)$", output, re.MULTILINE) == ["web5"]
        assert re.search(r'"restart_required": \[\s*-\s*"memory"', output)
        assert owner.type(CHANGE)[0] == [1, 1]
        owner.type(AGAIN)
        assert "memory: 1G" in owner.described()
        world.cluster.machines[129].write(Config(current={**world.cluster.machines[129].config.current, "cores": "3"}))
        owner.type(REPORT)
        assert owner.reported().pop("web3") == ["cpus"]
        assert owner.reported()["web5"] == ["restart_required", "restarted"]
        output = owner.back_up()[1]
        assert re.findall(r"^(created|passed) +proxmox +(\S+)", output, re.MULTILINE) == [
            ("created", "web1"), ("created", "web2"), ("passed", "web1"),
        ]  # fmt: skip
        _assert_in_group(owner)


def _assert_in_group(owner):
    """The form host_vars has two hosts for the two VMs of one name, which a group may have."""
    variables = "-e describe_directory=vars -e describe_form=host_vars"
    owner.run(f"ansible-playbook polyvirt.core.describe -i inventory {variables}")
    owner.run("ssh-keygen -q -t ed25519 -N '' -f key")
    both = "web3_proxmox_102,web3_proxmox_129"
    words = f"-i vars -e provision_group={both} -e vm_ssh_key_file=$PWD/key --check"
    changed, output = owner.run(f"ansible-playbook polyvirt.core.provision_group {words}")
    assert changed == [0], output
    assert re.findall(r'"web3 +(\S+)', output) == ["running", "stopped"]
