# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/moving.md as it is typed: a VM leaves its host, and is created on another one."""

from __future__ import annotations

import os
import re
import subprocess
from contextlib import contextmanager

import pytest
import yaml
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import RUNNING, STOPPED

from install.newcomer import blocks
from platforms import images
from platforms.hyperv.double.records import Switch
from platforms.known import PLATFORMS
from simulators.proxmox import worlds
from suite.answer import Task
from suite.reader import Reader, sections
from suite.source_host import host_of
from suite.two_hosts import on, reachable, second_host

pytestmark = pytest.mark.full

SECTIONS = sections("docs/moving.md")
BY_RESTORE, BY_APPLIANCE, BY_EXPORT = (
    SECTIONS[heading]
    for heading in (
        "libvirt to libvirt", "libvirt to VirtualBox, Proxmox VE and Hyper-V", "VirtualBox and VMware to all",
    )
)  # fmt: skip
#: The addresses of the page.
OLD, NEW = "192.0.2.11", "192.0.2.12"
VM, THEN = "web1", 0x11


def _is_file(code):
    return code.startswith("# ")


def _commands(text):
    """[command] of the page: leave, bring, check, create, start, delete."""
    lines = [line for language, code in blocks(text) if language == "sh" for line in code.splitlines()]
    assert [re.search(r"(?:(\w+)\.yml(?: --check.*)?$)|\"(started|absent)\"", line)[0] for line in lines] == [
        "leave.yml", "bring.yml", "create.yml --check --diff", "create.yml", '"started"', '"absent"',
    ]  # fmt: skip
    return lines


LEAVE, BRING, CHECK, CREATE, START, DELETE = _commands(BY_RESTORE)


@pytest.fixture
def _srv(tmp_path):
    """An own /srv in this world, which has that of the host."""
    (tmp_path / "srv").mkdir()
    subprocess.run(["mount", "--bind", tmp_path / "srv", "/srv"], check=True)
    yield
    subprocess.run(["umount", "/srv"], check=True)


@pytest.fixture
def old(ground):
    """The real libvirt."""
    platform = ground.open("libvirt_qemu", "web")
    platform.clean()
    yield platform
    platform.clean()


def _made(platform, carry, **options):
    answer = carry(platform, [Task("make", {**options, "name": [VM]})], [VM])["make"]
    assert not answer.failed, answer.msg
    return re.search(r"mac address='(\S+)'", platform.virsh("dumpxml", VM))[1]


@pytest.mark.usefixtures("_srv")
def test_vm_moves_to_another_libvirt(old, carry, key, tmp_path):
    """Its guest answers there by SSH, and the old VM is complete until it is deleted."""
    old.start_network()
    mac = _made(old, carry, **old.guest, **key.seed, state="started", wait_for="ssh")
    disk = old.storage / f"{VM}-vda.qcow2"
    (tmp_path / "network.xml").write_text(old.virsh("net-dumpxml", old.guests_network), encoding="utf-8")
    reader = Reader(tmp_path, {})
    with reachable(tmp_path, OLD), second_host(tmp_path, NEW, "192.0.2.1"):
        on(NEW, f"virsh net-define {tmp_path}/network.xml && virsh net-start {old.guests_network}")
        reader.type(BY_RESTORE, _is_file)
        assert reader.run(f"{LEAVE}\n{BRING}\n{CHECK}\n{CREATE}\n")[0] == [3, 1, 1, 1]
        (new_disk,) = re.findall(r"source file='(\S+qcow2)'", on(NEW, f"virsh dumpxml {VM}"))
        on(NEW, f"qemu-img convert -O raw {new_disk} {tmp_path}/new.raw")
        subprocess.run(["qemu-img", "compare", disk, tmp_path / "new.raw"], check=True)
        assert '"changed": true' in reader.run(START.replace('"started"', '"started", "wait_for": "ssh"'))[1]
        assert (mac in on(NEW, f"virsh dumpxml {VM}"), VM in on(NEW, "virsh list --name")) == (True, True)
        assert old.truth([VM])[VM]["power"] == STOPPED
        assert '"changed": true' in reader.run(DELETE)[1]
        assert (old.truth([VM])[VM], disk.exists(), VM in on(NEW, "virsh list --name")) == (None, False, True)


#: {platform: (what begins its part of the section, a slot)}
_PLATFORMS = {
    "virtualbox_double": ("**VirtualBox**", "SATA 0"),
    "virtualbox": ("**VirtualBox**", "SATA 0"),
    "proxmox": ("**Proxmox VE**", "sata0"),
    "hyperv": ("**Hyper-V**", "IDE 0:0"),
}


@contextmanager
def _new(name):
    """A platform beside libvirt, the variables of its host, and the environment of its reader."""
    platform = PLATFORMS[name](prefix="web")
    with platform.kept(), host_of(platform) as host, platform.hurried():
        around = {}
        if name == "proxmox":
            connection = {"HOST": "localhost", "PORT": platform.server.port, "CA_PATH": platform.server.authority}
            connection.update(USER="root@pam", TOKEN_ID="test", TOKEN_SECRET=worlds.TOKEN_SECRET)
            around = {f"PROXMOX_{key}": str(value) for key, value in connection.items()}
        elif name == "hyperv":
            platform.host.switches.append(Switch("Default Switch", "Internal"))
        if platform.programs:
            around["PATH"] = f"{platform.programs}:{os.environ['PATH']}"
        yield platform, host, around


def _set(path, values):
    """Change variables in a file that the reader has typed."""
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text(encoding="utf-8")), **values}), encoding="utf-8")


def _plain(text):
    return re.sub(r"[:-]", "", str(text)).lower()


@pytest.mark.usefixtures("_srv")
@pytest.mark.parametrize("name", _PLATFORMS)
def test_vm_moves_to_another_platform(old, carry, tmp_path, name):
    words, slot = _PLATFORMS[name]
    common, *parts = re.split(r"^(?=\*\*)", BY_APPLIANCE, flags=re.MULTILINE)
    (part,) = [one for one in parts if one.startswith(words)]
    network = {"type": "network", "source": "default"}
    mac = _made(old, carry, cpus=2, memory="128M", disks=[{"size": "16M"}], networks=[network])
    old.write(VM, THEN)
    with _new(name) as (new, host, around), reachable(tmp_path, OLD):
        reader = Reader(tmp_path, around)
        (reader.folder / "host_vars").mkdir()
        reader.type(f"{BY_RESTORE}{common}{part}".replace("/home/alice", str(tmp_path)), _is_file)
        _set(reader.folder / "host_vars/new.yml", host)
        assert reader.run(f"{LEAVE}\n{BRING}\n{CHECK}\n{CREATE}\n{CREATE}\n")[0] == [2, 1, 1, 1, 0]
        machine = new.truth([VM])[VM]
        assert (machine["power"], _plain(mac) in _plain(machine)) == (STOPPED, True)
        assert name == "proxmox" or new.holds(machine, THEN, slot)
        if name != "virtualbox":  # The real one starts only VMs with settings for a host like this.
            assert '"changed": true' in reader.run(START)[1]
            assert new.truth([VM])[VM]["power"] == RUNNING
        assert old.truth([VM])[VM]["power"] == STOPPED
        assert '"changed": true' in reader.run(DELETE)[1]
        assert (old.truth([VM])[VM], new.truth([VM])[VM] is None) == (None, False)


@pytest.mark.deep("test_vm_moves_to_another_libvirt and test_vm_moves_to_another_platform: either side of it")
@pytest.mark.usefixtures("_srv")
def test_vm_moves_from_virtualbox_to_libvirt(ground, tmp_path):
    box = ground.open("virtualbox", "web")
    box.clean()
    box.bring({VM: STOPPED})
    uuid = box.ids()[VM]
    box.box.run("modifyvm", uuid, "--nic1", "nat")
    box.write(VM, THEN)
    mac = re.search(r'macaddress1="(\w+)"', box.box.run("showvminfo", uuid, "--machinereadable"))[1]
    files = BY_EXPORT.replace("/home/alice", str(box.storage))
    reader = Reader(tmp_path, {"PATH": f"{box.programs}:{os.environ['PATH']}"})
    with reachable(tmp_path, "192.0.2.13", users=("root", "alice")), second_host(tmp_path, NEW, "192.0.2.1"):
        reader.type(f"{BY_RESTORE}{BY_APPLIANCE.partition('**VirtualBox**')[0]}{files}", _is_file)
        (reader.folder / "host_vars").mkdir()
        (reader.folder / "host_vars/old.yml").write_text("ansible_connection: local\n", encoding="utf-8")
        assert reader.run(f"{LEAVE}\n{BRING}\n{CHECK}\n{CREATE}\n{CREATE}\n")[0] == [2, 1, 1, 1, 0]
        definition = on(NEW, f"virsh dumpxml {VM}")
        (disk,) = re.findall(r"source file='(\S+qcow2)'", definition)
        on(NEW, f"qemu-img convert -O qcow2 {disk} {tmp_path}/new.qcow2")
        assert (images.holds(tmp_path / "new.qcow2", THEN), _plain(mac) in _plain(definition)) == (True, True)
        assert '"changed": true' in reader.run(START)[1]
        assert (VM in on(NEW, "virsh list --name"), box.truth([VM])[VM]["power"]) == (True, STOPPED)
        assert '"changed": true' in reader.run(DELETE)[1]
        assert (box.truth([VM])[VM], VM in on(NEW, "virsh list --name")) == (None, True)
