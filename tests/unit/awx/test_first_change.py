# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The first change of docs/awx.md: the jobs of its workflow, with its playbook, on the simulated cluster."""

from __future__ import annotations

import re

import pytest

from simulators.proxmox import worlds
from simulators.proxmox.engine import DrivenClock
from simulators.proxmox.server import Server
from unit.awx.guide import TYPES, block, data
from unit.awx.injector import inject


@pytest.fixture(name="world")
def _world():
    world = worlds.cluster(DrivenClock())
    template = {"name": "debian-13", "template": "1", "memory": "2048", "ostype": "l26", "scsihw": "virtio-scsi-single"}
    worlds.add_machine(world, 900, "pve1", template, size=8)
    return world


def _vms(world):
    machines = world.cluster.machines.values()
    return sorted((one.config.current["name"], one.running) for one in machines if one.vmid != 900)


def test_check_shows_the_change_and_writes_nothing_and_the_run_applies_it(ansible_playbook, world, tmp_path):
    playbook = tmp_path / "change.yml"
    playbook.write_text(block("name: Web servers"), encoding="utf-8")
    outputs = []
    with Server(world, tick=5) as server:
        (credential,) = data("setup_image")["setup_credentials"]
        here = {"api_host": "localhost", "api_port": str(server.port), "api_user": "root@pam", "api_token_id": "test"}
        secret = {"api_token_secret": worlds.TOKEN_SECRET, "ca_certificate": server.authority.read_text("utf-8")}
        injected = inject(TYPES["proxmox"], {**credential["inputs"], **here, **secret}, tmp_path)
        for job in (["--check"], [], ["--check"]):
            code, output = ansible_playbook("--diff", *job, playbook, environment=injected.environment)
            assert code == 0, output
            outputs.append((re.search(r"changed=(\d)", output)[1], _vms(world), "web2" in output))
    both = [("web1", True), ("web2", True)]
    assert outputs == [("1", [], True), ("1", both, True), ("0", both, False)]
