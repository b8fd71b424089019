# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/moving.md as it is typed: a VM leaves its host, and is created on another one."""

from __future__ import annotations

import re
import subprocess

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import STOPPED

from install.newcomer import blocks
from suite.answer import Task
from suite.reader import Reader, sections
from suite.two_hosts import on, reachable, second_host

pytestmark = pytest.mark.full

SECTIONS = sections("docs/moving.md")
BY_RESTORE = SECTIONS["libvirt to libvirt"]
#: The addresses of the page.
OLD, NEW = "192.0.2.11", "192.0.2.12"
VM = "web1"


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
def old(ground, carry, key):
    """The real libvirt with a running VM, whose guest answers by SSH."""
    platform = ground.open("libvirt_qemu", "web")
    platform.clean()
    platform.start_network()
    guest = {**platform.guest, **key.seed, "name": [VM], "state": "started", "wait_for": "ssh"}
    answer = carry(platform, [Task("make", guest)], [VM])["make"]
    assert not answer.failed, answer.msg
    yield platform
    platform.clean()


@pytest.mark.usefixtures("_srv")
def test_vm_moves_to_another_libvirt(old, tmp_path):
    """Its guest answers there by SSH, and the old VM is complete until it is deleted."""
    disk = old.storage / f"{VM}-vda.qcow2"
    mac = re.search(r"mac address='(\S+)'", old.virsh("dumpxml", VM))[1]
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
