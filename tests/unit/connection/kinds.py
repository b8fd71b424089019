# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Simulated platforms with guest agents, each with a VM ``web1`` and its agent, which runs commands on this host."""

from __future__ import annotations

import json
import os
import sys

from collection_path import CHECKOUT
from simulators.guest_agent.agent import Agent
from simulators.proxmox import worlds
from simulators.proxmox.cluster import Guest
from simulators.proxmox.engine import DrivenClock
from simulators.proxmox.server import Server


class Libvirt:
    """A simulated virsh, first on PATH; ``settings`` set errors of the agent."""

    def __init__(self, folder, **settings):
        self._folder = folder
        (folder / "settings.json").write_text(json.dumps(settings), encoding="utf-8")
        programs = folder / "bin"
        programs.mkdir()
        virsh = programs / "virsh"
        double = CHECKOUT / "tests/simulators/guest_agent/virsh.py"
        virsh.write_text(f'#!/bin/sh\nexec {sys.executable} {double} "$@"\n', encoding="utf-8")
        virsh.chmod(0o755)
        self.variables = {}
        self.environment = {
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            "POLYVIRT_TEST_AGENT": str(folder),
            "XDG_CACHE_HOME": str(folder),
        }

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    @property
    def asked(self):
        return self._folder.joinpath("asked").read_text(encoding="utf-8").split()

    def shown(self):
        """The command lines, which other users of the host can see."""
        files = [self._folder / name for name in ("argv", "history")]
        return "".join(file.read_text(encoding="utf-8") for file in files if file.exists())


class Proxmox:
    """The simulated cluster; its VM has an agent that runs commands on this host."""

    def __init__(self, folder, trouble=None, disabled=()):
        self._agent = Agent(disabled)
        world = worlds.cluster(DrivenClock())
        guest = Guest(agent_after=10**9 if trouble == "not connected" else 0, agent=self._agent)
        worlds.add_machine(world, 300, "pve2", {"name": "web1", "agent": "1"}, running=True, guest=guest)
        self._server = Server(world, tick=5)
        self.variables = {
            "ansible_guest_agent_platform": "proxmox",
            "ansible_guest_agent_api_token_id": "test",
            "ansible_guest_agent_api_token_secret": worlds.TOKEN_SECRET,
        }

    def __enter__(self):
        server = self._server.__enter__()
        self.environment = {
            "PROXMOX_HOST": "localhost",
            "PROXMOX_PORT": str(server.port),
            "PROXMOX_USER": "root@pam",
            "PROXMOX_CA_PATH": str(server.authority),
        }
        return self

    def __exit__(self, *error):
        self._server.__exit__(*error)

    @property
    def asked(self):
        return self._agent.asked

    def shown(self):
        return ""


KINDS = {"libvirt": Libvirt, "proxmox": Proxmox}
