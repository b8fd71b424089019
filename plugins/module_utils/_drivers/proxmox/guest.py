# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proxmox VE: running a command in a guest by its agent, and what a new VM needs so that its guest is found."""

from __future__ import annotations

from ..._core.errors import Unsupported
from ..._ports.clock import Clock
from ..._tools import proxmox_values as values
from ..._tools.guest_agent import result_of
from ..._tools.guest_agent_proxmox import AgentByApi
from .settings.cloud_init import has_documents
from .settings.networks import fixed_addresses

#: Seconds in which an agent answers one request; the node itself gives up before.
_ANSWER = 5
_NO_ADDRESS = (
    "needs the address of the guest. Proxmox VE knows only those in cloud_init.ip_config; with user_data, meta_data or"
    " network_config none; the VM will have no channel for the guest agent, which reports them."
)
_SET_ADDRESS = (
    "Set an address, such as cloud_init: {ip_config: ['ip=192.0.2.10/24,gw=192.0.2.1']}. If the image contains"
    " qemu-guest-agent, set native: {agent: '1'}."
)


def run_in_guest(driver, vm, command):
    """Return (exit code, standard output)."""
    path = f"/nodes/{driver.node_of(vm.id)}/qemu/{vm.id}/agent"
    return result_of(AgentByApi(vm.id, Clock(), _ANSWER, driver.tool, path), command)


def check_wait(plan, wait_for):
    """Raise Unsupported if the task would wait in vain for a new VM; a clone has the agent that its source has."""
    if plan.steps[0].verb not in ("create", "fetch"):
        return
    agent = (plan.after.config.get("native") or {}).get("agent") or "0"
    if values.parse("agent", str(agent)).get("enabled") == "1":
        return
    name, cloud_init = plan.after.name, plan.after.config.get("cloud_init") or {}
    if wait_for == "cloud_init":
        raise Unsupported(
            f"{name}: wait_for: cloud_init asks the guest agent, but the VM will have no channel for it.",
            AgentByApi.add_channel,
        )
    known = () if has_documents(cloud_init) else cloud_init.get("ip_config") or ()
    if not any(fixed_addresses("ipconfig0", text) for text in known):
        raise Unsupported(f"{name}: wait_for: {wait_for} {_NO_ADDRESS}", _SET_ADDRESS)
