# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Create the client of a VM's guest agent from the options of the connection plugin ``guest_agent``."""

from __future__ import annotations

from ...module_utils._drivers.proxmox.account import account
from ...module_utils._ports.clock import Clock
from ...module_utils._ports.command import Commands
from ...module_utils._ports.dialogue import Dialogue
from ...module_utils._ports.proxmox_api import ProxmoxApi
from ...module_utils._tools.guest_agent_proxmox import AgentByApi
from ...module_utils._tools.guest_agent_virsh import AgentByVirsh
from ...module_utils._tools.proxmox import Proxmox
from ...module_utils._tools.virsh import INSTALL, connection_uri

#: Options of the connection to Proxmox VE.
API_OPTIONS = (
    "api_host",
    "api_port",
    "api_user",
    "api_password",
    "api_token_id",
    "api_token_secret",
    "verify_ssl",
    "ca_path",
)


def agent_of(option):
    """Return the GuestAgent; ``option(name)`` returns the value of an option. Raises InvalidInput and Unavailable."""
    clock, vm, timeout = Clock(), option("vm"), option("timeout")
    if option("platform") == "proxmox":
        api = ProxmoxApi(account({name: option(name) for name in API_OPTIONS}))
        return AgentByApi(vm, clock, timeout, Proxmox(api, clock))
    commands = Commands()
    virsh = [commands.find("virsh", INSTALL), "-q", "-c", connection_uri(commands, option("uri"))]
    return AgentByVirsh(vm, clock, timeout, Dialogue(virsh, AgentByVirsh.environment))
