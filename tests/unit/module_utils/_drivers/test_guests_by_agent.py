# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The drivers with an agent ask cloud-init in a guest, and report why they cannot."""

from __future__ import annotations

import os
from types import SimpleNamespace

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import Unsupported
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Vm
from ansible_collections.polyvirt.core.plugins.module_utils._core.options.cloud_init import COMMAND, FAILED, status_of
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.proxmox import guest as proxmox
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.proxmox.account import account
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.driver import VirshDriver
from ansible_collections.polyvirt.core.plugins.module_utils._ports.clock import Clock
from ansible_collections.polyvirt.core.plugins.module_utils._ports.command import Commands
from ansible_collections.polyvirt.core.plugins.module_utils._ports.proxmox_api import ProxmoxApi
from ansible_collections.polyvirt.core.plugins.module_utils._tools.guest_agent import NoAnswer
from ansible_collections.polyvirt.core.plugins.module_utils._tools.guest_agent_virsh import AgentByVirsh
from ansible_collections.polyvirt.core.plugins.module_utils._tools.proxmox import Proxmox
from ansible_collections.polyvirt.core.plugins.module_utils._tools.virsh import Virsh

from simulators.proxmox import worlds
from unit.connection.kinds import KINDS

_API = {"api_user": "root@pam", "api_token_id": "test", "api_token_secret": worlds.TOKEN_SECRET, "verify_ssl": True}


@pytest.fixture(params=KINDS)
def kind(request):
    """Each platform with a guest agent."""
    return request.param


@pytest.fixture
def asked(tmp_path, monkeypatch):
    """``asked(kind, **settings)``: ask cloud-init in the guest; its agent runs commands on this host."""
    program = tmp_path / "cloud-init"
    program.write_text(
        """#!/bin/sh\necho '{"status": "error", "modules-final": {"errors": ["x"]}}'\nexit 1\n""", encoding="utf-8"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")

    def ask(kind, **settings):
        with KINDS[kind](tmp_path, **settings) as platform:
            for name, value in platform.environment.items():
                monkeypatch.setenv(name, value)
            if kind == "libvirt":
                driver = SimpleNamespace(virsh=Virsh(Commands(), "virsh", "qemu:///system"))
                return VirshDriver.run_in_guest(driver, Vm(name="web1", id="web1"), COMMAND)
            server = {"api_host": "localhost", "api_port": int(os.environ["PROXMOX_PORT"])}
            options = {**_API, **server, "api_password": None, "ca_path": os.environ["PROXMOX_CA_PATH"]}
            driver = SimpleNamespace(tool=Proxmox(ProxmoxApi(account(options)), Clock()), node_of=lambda _id: "pve2")
            return proxmox.run_in_guest(driver, Vm(name="web1", id="300"), COMMAND)

    return ask


def test_status_of_cloud_init_is_read_from_the_guest(asked, kind):
    rc, output = asked(kind)
    assert (rc, status_of(rc, output).state, status_of(rc, output).stage) == (1, FAILED, "modules-final")


def test_agent_needs_no_more_commands_than_to_run_one(asked, kind):
    assert asked(kind, disabled=["guest-file-open", "guest-file-write"])[0] == 1


def test_agent_that_permits_no_commands_is_never_waited_for(asked, kind):
    with pytest.raises(Unsupported, match=r"^the guest agent does not permit guest-exec\. Permit .*/qemu-ga"):
        asked(kind, disabled=["guest-exec"])


def test_agent_that_does_not_answer_now_may_answer_later(asked, kind):
    with pytest.raises(NoAnswer):
        asked(kind, trouble="not connected")


@pytest.mark.parametrize(
    ("kind", "reported", "remedy"),
    [
        ("libvirt", "argument unsupported: QEMU guest agent is not configured", "org.qemu.guest_agent.0"),
        ("proxmox", "No QEMU guest agent configured", 'native: {agent: "1"}'),
    ],
)
def test_vm_without_a_channel_is_never_waited_for(kind, reported, remedy, monkeypatch):
    module = {"libvirt": AgentByVirsh, "proxmox": proxmox.AgentByApi}[kind]

    def commands(self):
        raise NoAnswer(reported)

    monkeypatch.setattr(module, "commands", commands)
    with pytest.raises(Unsupported, match="the VM has no channel for a guest agent") as error:
        module("web1", Clock(), 1, None).ask(COMMAND)
    assert remedy in error.value.remedy
